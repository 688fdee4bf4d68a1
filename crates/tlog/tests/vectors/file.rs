//! Reading a vector file: header lines, a blank line, the body.

use std::fs;
use std::path::PathBuf;

/// A vector file, its body decoded.
pub(crate) struct Vector {
    pub(crate) path: PathBuf,
    pub(crate) body: Vec<u8>,
    header: Vec<(String, String)>,
}

impl Vector {
    pub(crate) fn read(path: PathBuf) -> Self {
        let file = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (header, body) = file.split_once("\n\n").expect("a blank line after the header");
        let line = |line: &str| {
            let (key, value) = line.split_once(':').expect("key: value");
            (key.to_owned(), value.trim_start().to_owned())
        };
        let header = header.lines().map(line).collect();
        let mut vector = Self { path, body: Vec::new(), header };
        vector.body = match vector.key("body") {
            "text" => body.as_bytes().to_vec(),
            "hex" => hex(&body.replace('\n', "")),
            other => panic!("{}: body is {other}", vector.path.display()),
        };
        vector.fill();
        vector
    }

    /// `ok`, or the refusal's name.
    pub(crate) fn expect(&self) -> &str {
        self.key("expect")
    }

    pub(crate) fn key(&self, key: &str) -> &str {
        self.find(key).unwrap_or_else(|| panic!("{}: no {key}", self.path.display()))
    }

    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// The values of a key that may come more than once.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.header.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.key(key).parse().unwrap_or_else(|e| panic!("{}: {key}: {e}", self.path.display()))
    }

    /// Checks what the file says about the value it holds, if it does.
    pub(crate) fn check(&self, key: &str, got: impl ToString) {
        if let Some(expected) = self.find(key) {
            assert_eq!(got.to_string(), expected, "{key} of {}", self.path.display());
        }
    }

    fn fill(&mut self) {
        let Some(fill) = self.find("fill") else { return };
        let parts: Vec<&str> = fill.split(' ').collect();
        let [offset, count, byte] = parts[..] else { panic!("fill: offset count byte") };
        let (offset, count): (usize, usize) = (offset.parse().unwrap(), count.parse().unwrap());
        let byte = hex(byte)[0];
        self.body.splice(offset..offset, std::iter::repeat_n(byte, count));
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("hex");
    digits.map(byte).collect()
}

//! CBOR, one line per item, with offsets.
//!
//! ```text
//!     0  d2                  tag 18 (COSE_Sign1)
//!     1  84                  array of 4
//!     2  58 6a               bytes, 106: protected header
//!     4    a4                  map of 4
//! ```
//!
//! In scope: walking definite-length CBOR (RFC 8949) and naming items by their path. Out of scope:
//! whether the bytes are a sound statement; the crates that own the format say that.
//!
//! Invariants:
//! - Never reads past the input, never recurses deeper than [`DEPTH_MAX`], never makes more than
//!   [`LINES_MAX`] lines.
//! - Every byte of the input belongs to exactly one line.

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 24;
/// More lines are refused; an entry has at most 65,535 bytes.
const LINES_MAX: usize = 65_536;
/// How many bytes of an item are shown.
const SHOWN_MAX: usize = 8;

/// One step from a container to an item in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Position in an array.
    At(usize),
    /// The value of an integer key in a map.
    Key(i64),
    /// The value of a key that is no integer.
    Other,
    /// Inside a byte string that holds CBOR.
    In,
}

/// One item, or the head of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) offset: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) depth: usize,
    /// What the item is: "bytes, 32", "unsigned 7", …
    pub(crate) what: String,
    /// What it means, when the path is known.
    pub(crate) name: String,
}

/// What a path means, and whether a byte string there holds CBOR.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) name: String,
    pub(crate) open: bool,
}

impl Meaning {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), open: false }
    }

    pub(crate) fn holds_cbor(mut self) -> Self {
        self.open = true;
        self
    }
}

/// Says what stands at a path.
pub(crate) type Names<'a> = dyn Fn(&[Step], &Head) -> Meaning + 'a;

/// The head of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) major: u8,
    pub(crate) argument: u64,
    /// Bytes the head takes.
    pub(crate) len: usize,
}

/// All lines of one item that takes up all of `input`.
pub(crate) fn walk(input: &[u8], names: &Names<'_>) -> Result<Vec<Line>, String> {
    let mut walker = Walker { input, at: 0, path: Vec::new(), lines: Vec::new(), names };
    walker.item(0, input.len())?;
    if walker.at != input.len() {
        return Err(format!(
            "{} bytes follow the item at offset {}",
            input.len() - walker.at,
            walker.at
        ));
    }
    Ok(walker.lines)
}

/// The lines as text.
pub(crate) fn render(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        let indent = "  ".repeat(line.depth);
        let name = if line.name.is_empty() { String::new() } else { format!("  {}", line.name) };
        let hex = shown(&line.bytes);
        out.push_str(&format!("{:>6}  {hex:<24} {indent}{}{name}\n", line.offset, line.what));
    }
    out
}

fn shown(bytes: &[u8]) -> String {
    let mut hex: Vec<String> = bytes.iter().take(SHOWN_MAX).map(|b| format!("{b:02x}")).collect();
    if bytes.len() > SHOWN_MAX {
        hex.truncate(SHOWN_MAX - 1);
        hex.push("…".into());
    }
    hex.join(" ")
}

/// Reads the head at the start of `input`.
pub(crate) fn head(input: &[u8]) -> Result<Head, String> {
    let first = *input.first().ok_or("the input ends where an item should start")?;
    let extra = match first & 0x1f {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err(format!("head {first:02x} has an indefinite or reserved length")),
    };
    let rest = input.get(1..1 + extra).ok_or("the input ends inside a head")?;
    let value = rest.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let argument = if extra == 0 { u64::from(first & 0x1f) } else { value };
    Ok(Head { major: first >> 5, argument, len: 1 + extra })
}

struct Walker<'a> {
    input: &'a [u8],
    at: usize,
    path: Vec<Step>,
    lines: Vec<Line>,
    names: &'a Names<'a>,
}

impl Walker<'_> {
    fn item(&mut self, depth: usize, end: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("the nesting is too deep".into());
        }
        let mut offset = self.at;
        let mut head = self.head(end)?;
        let mut meaning = (self.names)(&self.path, &head);
        // Not by recursion: there may be any number of them before one item.
        while head.major == 6 {
            self.line(offset, depth, tag_name(head.argument), meaning.name)?;
            offset = self.at;
            head = self.head(end)?;
            meaning = (self.names)(&self.path, &head);
        }
        match head.major {
            2 | 3 => self.string(offset, depth, end, head, meaning),
            4 => self.array(offset, depth, end, head, meaning),
            5 => self.map(offset, depth, end, head, meaning),
            _ => self.line(offset, depth, scalar(head), meaning.name),
        }
    }

    fn head(&mut self, end: usize) -> Result<Head, String> {
        let rest = self.input.get(self.at..end).unwrap_or_default();
        let head = head(rest).map_err(|e| format!("offset {}: {e}", self.at))?;
        self.at += head.len;
        Ok(head)
    }

    fn string(
        &mut self,
        offset: usize,
        depth: usize,
        end: usize,
        head: Head,
        meaning: Meaning,
    ) -> Result<(), String> {
        let len = usize::try_from(head.argument).unwrap_or(usize::MAX);
        let stop = self.at.checked_add(len).filter(|stop| *stop <= end);
        let stop =
            stop.ok_or_else(|| format!("offset {offset}: a string longer than the input"))?;
        if meaning.open && self.holds_one_item(stop) {
            self.line(offset, depth, format!("bytes, {len}"), meaning.name)?;
            self.path.push(Step::In);
            self.item(depth + 1, stop)?;
            self.path.pop();
            return Ok(());
        }
        let body = &self.input[self.at..stop];
        self.at = stop;
        let what = match head.major {
            3 => format!("text {:?}", String::from_utf8_lossy(body)),
            _ => format!("bytes, {len}"),
        };
        self.line(offset, depth, what, meaning.name)
    }

    fn holds_one_item(&self, stop: usize) -> bool {
        let none = |_: &[Step], _: &Head| Meaning::default();
        let mut probe = Walker {
            input: self.input,
            at: self.at,
            path: Vec::new(),
            lines: Vec::new(),
            names: &none,
        };
        probe.item(0, stop).is_ok() && probe.at == stop
    }

    fn array(
        &mut self,
        offset: usize,
        depth: usize,
        end: usize,
        head: Head,
        meaning: Meaning,
    ) -> Result<(), String> {
        self.line(offset, depth, format!("array of {}", head.argument), meaning.name)?;
        for index in 0..head.argument {
            self.path.push(Step::At(index as usize));
            self.item(depth + 1, end)?;
            self.path.pop();
        }
        Ok(())
    }

    fn map(
        &mut self,
        offset: usize,
        depth: usize,
        end: usize,
        head: Head,
        meaning: Meaning,
    ) -> Result<(), String> {
        self.line(offset, depth, format!("map of {}", head.argument), meaning.name)?;
        for _ in 0..head.argument {
            let key = crate::inspect::cbor::head(self.input.get(self.at..end).unwrap_or_default())
                .map_err(|e| format!("offset {}: {e}", self.at))?;
            let step = match key.major {
                0 => i64::try_from(key.argument).map_or(Step::Other, Step::Key),
                1 => i64::try_from(key.argument).map_or(Step::Other, |n| Step::Key(-1 - n)),
                _ => Step::Other,
            };
            if step == Step::Other {
                self.path.push(Step::Other);
                self.item(depth + 1, end)?;
            } else {
                let offset = self.at;
                self.at += key.len;
                self.path.push(step);
                self.line(offset, depth + 1, format!("key {}", key_number(step)), String::new())?;
            }
            self.item(depth + 2, end)?;
            self.path.pop();
        }
        Ok(())
    }

    fn line(
        &mut self,
        offset: usize,
        depth: usize,
        what: String,
        name: String,
    ) -> Result<(), String> {
        if self.lines.len() == LINES_MAX {
            return Err(format!("offset {offset}: more than {LINES_MAX} items"));
        }
        let bytes = self.input[offset..self.at].to_vec();
        self.lines.push(Line { offset, bytes, depth, what, name });
        Ok(())
    }
}

fn key_number(step: Step) -> i64 {
    match step {
        Step::Key(n) => n,
        _ => 0,
    }
}

fn tag_name(tag: u64) -> String {
    match tag {
        18 => "tag 18 (COSE_Sign1)".into(),
        other => format!("tag {other}"),
    }
}

fn scalar(head: Head) -> String {
    match (head.major, head.argument) {
        (0, n) => format!("unsigned {n}"),
        (1, n) => format!("negative {}", -1 - i128::from(n)),
        (7, 20) => "false".into(),
        (7, 21) => "true".into(),
        (7, 22) => "null".into(),
        (_, n) => format!("simple or float {n:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unnamed(input: &[u8]) -> Result<Vec<Line>, String> {
        walk(input, &|_, _| Meaning::default())
    }

    #[test]
    fn every_byte_belongs_to_one_line() {
        // {1: -7, 4: h'0102', 15: {1: "a"}}
        let input = [0xa3, 1, 0x26, 4, 0x42, 1, 2, 15, 0xa1, 1, 0x61, b'a'];
        let lines = unnamed(&input).expect("sound");
        let bytes: Vec<u8> = lines.iter().flat_map(|line| line.bytes.clone()).collect();
        assert_eq!(bytes, input);
    }

    #[test]
    fn nested_cbor_is_opened_only_where_named() {
        let input = [0x42, 0x81, 0x01]; // h'8101'
        assert_eq!(unnamed(&input).expect("sound").len(), 1);
        let open = walk(&input, &|_, _| Meaning::named("x").holds_cbor()).expect("sound");
        assert_eq!(open.len(), 3);
    }

    #[test]
    fn hostile_input_is_refused() {
        assert!(unnamed(&[]).is_err());
        assert!(unnamed(&[0x81; 100]).is_err(), "too deep");
        assert!(unnamed(&[0xd2; 1 << 20]).is_err(), "too many tags");
        let wide = [&[0x9a, 0, 1, 0, 0][..], &[0; 1 << 16]].concat();
        assert!(unnamed(&wide).is_err(), "too wide");
        assert!(unnamed(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(unnamed(&[0x9f, 0xff]).is_err(), "indefinite");
        assert!(unnamed(&[0x01, 0x02]).is_err(), "trailing");
        assert!(unnamed(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}

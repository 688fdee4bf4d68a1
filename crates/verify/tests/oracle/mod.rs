//! Other people's Python, asked line by line.
//!
//! The interpreter is `FIRMLOG_PYTHON`, else the one `cargo xtask setup` made; without either the
//! test says so and passes, except in CI.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running oracle.
pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts a script of `oracles/python`; nothing without an interpreter.
    pub(crate) fn start(script: &str) -> Option<Self> {
        let Some(python) = interpreter() else {
            assert!(std::env::var_os("CI").is_none(), "python_oracle needs `cargo xtask setup`");
            eprintln!("skipped: python_oracle (run cargo xtask setup)");
            return None;
        };
        let mut child = Command::new(python)
            .arg(workspace().join("oracles/python").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Self { child, input, output: BufReader::new(output) })
    }

    /// The answer to one question.
    pub(crate) fn ask(&mut self, question: Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("one line of JSON");
        assert!(answer.get("error").is_none(), "the oracle could not: {answer}");
        answer
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|dir| dir.join("Cargo.lock").exists()).expect("within a workspace")
}

fn interpreter() -> Option<PathBuf> {
    let given = std::env::var_os("FIRMLOG_PYTHON").map(PathBuf::from);
    let made = workspace().join(".setup/venv/bin/python");
    given.or_else(|| made.exists().then_some(made))
}

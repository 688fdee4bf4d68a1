//! `cargo xtask fuzz`: coverage-guided fuzzing of every parser and state machine in `fuzz/`.
//!
//! cargo-fuzz asks for a nightly compiler; `RUSTC_BOOTSTRAP=1` lets the pinned stable one accept
//! the same flags. Findings are kept in `fuzz/artifacts/`, what was learnt in `fuzz/corpus/`, which
//! starts from `fuzz/seeds/` and from the test vectors. Several targets for a limited time run one
//! on each core, and say something only when they find something.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::{setup, sh};

const SMOKE_SECONDS: u32 = 60;

/// Targets whose vectors are not in `vectors/<target>` or `vectors/tlog/<target>`.
const VECTOR_FOLDERS: &[(&str, &str)] = &[
    ("batch_body", "statement"),
    ("inspect", "statement"),
    ("inspect", "tlog/checkpoint"),
    ("inspect", "tlog/entry_bundle"),
    ("inspect", "tlog/policy"),
    ("inspect", "tlog/proof"),
    ("inspect", "tlog/vkey"),
    ("install", "bundle"),
    ("statement_json", "statement"),
    ("tlog_proof", "tlog/proof"),
];

struct Options {
    targets: Vec<String>,
    /// Seconds for each target; none means until stopped.
    seconds: Option<u32>,
}

/// Runs the command: `fuzz [TARGET…] [--smoke] [--seconds N] [--list]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let known = targets()?;
    if args.iter().any(|arg| arg == "--list") {
        for target in known {
            println!("{target}");
        }
        return Ok(());
    }
    let options = parse(args, &known)?;
    setup::ensure(&[setup::Part::CargoFuzz])?;
    match (&*options.targets, options.seconds) {
        ([_, _, ..], Some(seconds)) => fuzz_all(&options.targets, seconds)?,
        (targets, seconds) => {
            targets.iter().try_for_each(|target| sh::run(&mut fuzz(target, seconds)?))?;
        }
    }
    sh::say(format_args!("{} targets ran without a finding", options.targets.len()));
    Ok(())
}

fn parse(args: &[String], known: &[String]) -> Result<Options> {
    let mut options = Options { targets: Vec::new(), seconds: None };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--smoke" => options.seconds = Some(SMOKE_SECONDS),
            "--seconds" => {
                let value = args.next().context("--seconds needs a number")?;
                options.seconds = Some(value.parse().context("--seconds needs a number")?);
            }
            name if known.iter().any(|target| target == name) => {
                options.targets.push(name.to_string());
            }
            other => bail!("unknown target `{other}`; known: {}", known.join(", ")),
        }
    }
    if options.targets.is_empty() {
        options.targets = known.to_vec();
        if options.seconds.is_none() && known.len() > 1 {
            bail!("say which target, or for how long: --smoke, --seconds N");
        }
    }
    Ok(options)
}

/// Runs each target for so long, one on each core, to the end also when another found something.
fn fuzz_all(targets: &[String], seconds: u32) -> Result<()> {
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Vec::new();
        while let Some(target) = next() {
            sh::say(format_args!("fuzz {target}"));
            if let Err(error) = fuzz_quietly(target, seconds) {
                sh::say(format_args!("fuzz {target}: {error:#}"));
                found.push(target.as_str());
            }
        }
        found
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<&str> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker does not panic"))
            .collect()
    });
    if !found.is_empty() {
        bail!("{} found something: see fuzz/artifacts/", found.join(", "));
    }
    Ok(())
}

/// Shows what a target said only if it found something.
fn fuzz_quietly(target: &str, seconds: u32) -> Result<()> {
    let output = fuzz(target, Some(seconds))?.output().context("failed to start cargo")?;
    if !output.status.success() {
        bail!("ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The command that fuzzes a target, its corpus filled.
fn fuzz(target: &str, seconds: Option<u32>) -> Result<Command> {
    seed(target)?;
    let mut fuzz = sh::cargo();
    setup::with_tools(&mut fuzz)?;
    fuzz.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", "run", "--sanitizer", "address", target]);
    fuzz.args(["--", "-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=0"]);
    if let Some(seconds) = seconds {
        fuzz.arg(format!("-max_total_time={seconds}"));
    }
    Ok(fuzz)
}

/// Fills the corpus: without real artefacts to change, a fuzzer does not get far into a parser.
fn seed(target: &str) -> Result<()> {
    let corpus = sh::root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    for seed in files(&sh::root().join("fuzz/seeds").join(target)) {
        fs::copy(&seed, corpus.join(seed.file_name().unwrap_or_default()))?;
    }
    for folder in vector_folders(target) {
        for vector in files(&sh::root().join("vectors").join(folder)) {
            if let Some(bytes) = fs::read_to_string(&vector).ok().as_deref().and_then(payload) {
                fs::write(corpus.join(vector.file_name().unwrap_or_default()), bytes)?;
            }
        }
    }
    Ok(())
}

fn vector_folders(target: &str) -> Vec<String> {
    let mut folders = vec![target.to_string(), format!("tlog/{target}")];
    let others = VECTOR_FOLDERS.iter().filter(|(name, _)| *name == target);
    folders.extend(others.map(|(_, folder)| folder.to_string()));
    folders
}

/// What a vector is about: the text or hex after its blank line, or the hex after a line that ends
/// in a colon.
fn payload(vector: &str) -> Option<Vec<u8>> {
    let (header, body) = vector.split_once("\n\n").or_else(|| vector.rsplit_once(":\n"))?;
    if header.contains("body: text") {
        return Some(body.into());
    }
    let digits: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// The files in a folder; none when it does not exist.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// The file names in `fuzz/fuzz_targets/`, in order.
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(sh::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn a_vectors_payload_is_found() {
        assert_eq!(payload("expect: ok\nbody: text\n\na\nb\n").as_deref(), Some(&b"a\nb\n"[..]));
        assert_eq!(payload("expect: ok\nbody: hex\n\n00ff\n"), Some(vec![0, 0xff]));
        assert_eq!(payload("expect: ok\nentry:\nd284\n00\n"), Some(vec![0xd2, 0x84, 0]));
        assert_eq!(payload("expect: ok\n"), None);
    }
}

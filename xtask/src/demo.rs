//! `cargo xtask demo`: the whole story on this machine, with the binary people type.
//!
//! ```text
//! keys → log, witnesses, chains → release, two approvals → 25 devices → evidence → one bit flipped
//! ```
//!
//! In scope: running `firmlog` and looking at its exit codes and words. Out of scope: any check of
//! its own; what is not caught by the product is not caught.
//!
//! Invariants:
//! - Everything it writes is below `target/demo`; it opens sockets on loopback only.
//! - A flipped bit that nobody names is a failure of the demo.
//! - Programs are stopped by their own process id, also when a step fails.

mod chain;
mod recall;
mod tamper;

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::ports::free_port;
use crate::setup;
use crate::sh::{self, Background};

const ORIGIN: &str = "demo.example/pumps";
const MODEL: &str = "ip-200";

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    if !options.yes && !confirmed()? {
        bail!("nothing was done");
    }
    setup::ensure(&[setup::Part::Contracts])?;
    let mut story = Story::new(sh::firmlog("debug"))?;
    story.head("build firmlog");
    sh::build(&["firmlog"])?;
    let firmware = options.firmware.clone().unwrap_or_else(|| story.firmlog.clone());
    let running = story.start(&firmware)?;
    story.release(&firmware)?;
    story.devices(&firmware)?;
    story.evidence()?;
    story.tamper(&firmware)?;
    story.recall(&firmware)?;
    story.finish(&options)?;
    drop(running);
    Ok(())
}

struct Options {
    firmware: Option<PathBuf>,
    yes: bool,
    keep: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self { firmware: None, yes: false, keep: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--yes" | "-y" => options.yes = true,
                "--keep" => options.keep = true,
                "--firmware" => {
                    let file = args.next().context("--firmware needs a file")?;
                    options.firmware =
                        Some(Path::new(file).canonicalize().with_context(|| file.clone())?);
                }
                other => {
                    bail!("unknown argument `{other}`\n\n  demo [--firmware FILE] [--yes] [--keep]")
                }
            }
        }
        Ok(options)
    }
}

fn confirmed() -> Result<bool> {
    eprint!(
        "This builds firmlog, writes below target/demo (what is there is removed) and starts a log \
         and two witnesses on loopback.\nGo on? [y/N] "
    );
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What the steps hand on to one another.
struct Story {
    firmlog: PathBuf,
    dir: PathBuf,
    url: String,
    start: Instant,
    step: u32,
    release: String,
    device: String,
}

impl Story {
    fn new(firmlog: PathBuf) -> Result<Self> {
        let dir = sh::root().join("target/demo");
        if dir.exists() {
            std::fs::remove_dir_all(&dir).context("failed to remove the last demo")?;
        }
        std::fs::create_dir_all(&dir)?;
        let (url, release, device) = (String::new(), String::new(), String::new());
        Ok(Self { firmlog, dir, url, start: Instant::now(), step: 0, release, device })
    }

    fn head(&mut self, title: &str) {
        self.step += 1;
        let elapsed = self.start.elapsed().as_secs_f64();
        say(&format!("\n[{elapsed:6.1} s] {}. {title}", self.step));
    }

    /// `firmlog …` in the demo's folder.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.firmlog);
        command.args(args).current_dir(&self.dir).env_remove("FIRMLOG_LOG");
        command
    }

    /// Runs to the end; exit 0 or an error that shows what was said.
    fn firmlog(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args).output().context("failed to start firmlog")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("`firmlog {}` ended with {}\n{said}{error}", args.join(" "), output.status);
        }
        Ok(said)
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["--json"];
        all.extend_from_slice(args);
        let said = self.firmlog(&all)?;
        serde_json::from_str(&said)
            .with_context(|| format!("`firmlog {}` said {said}", args.join(" ")))
    }

    /// As [`Story::firmlog`], at the log of the demo.
    fn at_log(&self, args: &[&str]) -> Result<Value> {
        let mut all = args.to_vec();
        all.extend_from_slice(&["--log", &self.url, "--trust", "log/log.trust"]);
        self.json(&all)
    }

    /// Keys, genesis, witnesses, server.
    fn start(&mut self, firmware: &Path) -> Result<Vec<Background>> {
        self.head("keys, a log, and three witnesses of which two must agree (the third is down)");
        let mut lines = String::new();
        let mut ports = Vec::new();
        for n in 1..=3 {
            let (key, name) = (format!("witness-{n}.pem"), format!("witness-{n}.example"));
            self.firmlog(&["key", "new", &key, "--algorithm", "ed25519"])?;
            let shown = self.json(&["key", "show", &key, "--name", &name])?;
            let port = free_port();
            let vkey = text(&shown, "vkey_witness")?;
            lines.push_str(&format!("witness w{n} {vkey} http://127.0.0.1:{port}\n"));
            ports.push(port);
        }
        lines.push_str("group two-of-three 2 w1 w2 w3\nquorum two-of-three\n");
        std::fs::write(self.dir.join("witnesses"), lines)?;
        let listen = format!("127.0.0.1:{}", free_port());
        let init = self.json(&[
            "log",
            "init",
            "log",
            "--origin",
            ORIGIN,
            "--approvals",
            "2",
            "--witnesses",
            "witnesses",
            "--listen",
            &listen,
        ])?;
        say(&format!("  log {ORIGIN}, genesis {}", text(&init, "genesis")?));
        say(&format!(
            "  image {} ({} bytes)",
            firmware.display(),
            std::fs::metadata(firmware)?.len()
        ));
        self.url = format!("http://{listen}");
        let mut running = Vec::new();
        for (n, port) in (1..=2).zip(&ports) {
            let (key, name) = (format!("witness-{n}.pem"), format!("witness-{n}.example"));
            let (state, at) = (format!("witness-{n}"), format!("127.0.0.1:{port}"));
            let policy = "log/witnesses.policy";
            self.firmlog(&["witness", "init", "--state", &state, "--policy", policy])?;
            running.push(self.serve(&[
                "witness",
                "--key",
                &key,
                "--name",
                &name,
                "--state",
                &state,
                "--listen",
                &at,
                "--policy",
                "log/witnesses.policy",
            ])?);
        }
        running.extend(self.chains()?);
        running.push(self.serve(&["log", "serve", "--config", "log/firmlog.toml"])?);
        for (file, role, issuer) in [
            ("build", "manufacturer", "demo.example/build"),
            ("quality", "approver", "demo.example/quality"),
            ("regulatory", "approver", "demo.example/regulatory"),
            ("field", "authoriser", "demo.example/field"),
            ("auditor", "auditor", "audit.example"),
        ] {
            self.enrol(file, role, issuer)?;
        }
        say("  enrolled: build, two approvers, an authoriser, an auditor");
        Ok(running)
    }

    /// Starts a program that runs until the end, and waits for its first line.
    fn serve(&self, args: &[&str]) -> Result<Background> {
        let log = self.dir.join(format!("{}.out", args.join("-").replace(['/', '.', ':'], "_")));
        let out = std::fs::File::create(&log)?;
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let mut program = Background::start(&mut command)?;
        let ready =
            || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("listening on"));
        program.wait_until(Duration::from_secs(20), ready).with_context(|| {
            format!(
                "firmlog {}: {}",
                args.join(" "),
                std::fs::read_to_string(&log).unwrap_or_default()
            )
        })?;
        say(&format!("  {}", first_line(&log)?));
        Ok(program)
    }

    /// A key under a passphrase (the second component of an e-signature), enrolled.
    fn enrol(&self, file: &str, role: &str, issuer: &str) -> Result<()> {
        let (key, public) = (format!("{file}.pem"), format!("{file}.pem.pub"));
        let pass = format!("{file}.pass");
        std::fs::write(self.dir.join(&pass), format!("demo passphrase of {file}\n"))?;
        self.firmlog(&["key", "new", &key, "--passphrase-file", &pass])?;
        self.at_log(&[
            "trust",
            "enrol",
            &public,
            "--role",
            role,
            "--issuer",
            issuer,
            "--key",
            "log/admin.pem",
            "--as",
            "demo.example/admin",
        ])?;
        Ok(())
    }

    fn release(&mut self, firmware: &Path) -> Result<()> {
        self.head("the build publishes the image; two people approve, one authorises");
        let image = firmware.display().to_string();
        let signed =
            ["--key", "build.pem", "--passphrase-file", "build.pass", "--as", "demo.example/build"];
        let mut publish =
            vec!["release", "publish", &image, "--version", "4.2.1", "--model", MODEL];
        publish.extend(signed);
        publish.extend(["--out", "release.cose"]);
        let published = self.at_log(&publish)?;
        self.release = text(&published, "leaf_hash")?;
        say(&format!("  published 4.2.1, sha256 {}", text(&published, "image")?));
        for (file, name) in [("quality", "R. Okafor"), ("regulatory", "A. Lindt")] {
            let (key, pass) = (format!("{file}.pem"), format!("{file}.pass"));
            let issuer = format!("demo.example/{file}");
            self.at_log(&[
                "release",
                "approve",
                &self.release,
                "--name",
                name,
                "--key",
                &key,
                "--passphrase-file",
                &pass,
                "--as",
                &issuer,
            ])?;
            say(&format!("  approved by {name}"));
        }
        let authorised = self.at_log(&[
            "release",
            "authorise",
            &self.release,
            "--model",
            MODEL,
            "--name",
            "M. Adeyemi",
            "--key",
            "field.pem",
            "--passphrase-file",
            "field.pass",
            "--as",
            "demo.example/field",
        ])?;
        say("  authorised by M. Adeyemi");
        self.witnessed(index(&authorised)? + 1)?;
        self.at_log(&["bundle", "release", &self.release, "--out", "release.fwb"])?;
        Ok(())
    }

    /// Waits for a checkpoint of at least this size that two witnesses cosigned.
    fn witnessed(&self, size: u64) -> Result<()> {
        let start = Instant::now();
        loop {
            let note = String::from_utf8_lossy(&http_get(&self.url, "/checkpoint")?).into_owned();
            let at: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
            let witnesses = note.matches("\u{2014} witness-").count();
            if at >= size && witnesses >= 2 {
                say(&format!("  ✓ witnessed: {at} entries, {witnesses} of 3 witnesses"));
                return Ok(());
            }
            ensure!(
                start.elapsed() < Duration::from_secs(30),
                "no checkpoint of {size} entries with two cosignatures after 30 s; the newest:\n{note}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn devices(&mut self, firmware: &Path) -> Result<()> {
        self.head("25 devices verify the release offline, install it or refuse, and report");
        let image = firmware.display().to_string();
        let mut command = self.command(&[
            "--json",
            "device",
            "simulate",
            "--release",
            "release.fwb",
            "--image",
            &image,
            "--model",
            MODEL,
            "--issuer",
            "demo.example/devices",
            "--dir",
            "fleet",
            "--key",
            "log/admin.pem",
            "--as",
            "demo.example/admin",
            "--log",
            &self.url,
            "--trust",
            "log/log.trust",
        ]);
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the simulation ended with {}", output.status);
        let done: Value = serde_json::from_slice(&output.stdout)?;
        let devices = done["devices"].as_array().context("no devices")?;
        for scenario in ["power-loss", "rollback", "tampered", "downgrade", "clone", "offline"] {
            ensure!(
                devices.iter().any(|device| device["scenario"] == scenario),
                "no device played {scenario}"
            );
        }
        ensure!(done["forks"] == 1, "the cloned device was not told from the original");
        let normal = devices.iter().find(|device| device["scenario"] == "power-loss");
        self.device = text(normal.context("no device")?, "device_id")?;
        let last =
            devices.iter().flat_map(|d| d["answers"].as_array().cloned().unwrap_or_default());
        let highest = last.filter_map(|a| a["detail"].as_str()?.parse::<u64>().ok()).max();
        say(&format!("  {} statements, one forked chain kept and flagged", done["statements"]));
        let size = highest.context("nothing was appended")? + 1;
        self.witnessed(size)?;
        self.anchored(size)?;
        self.nothing_private(devices)
    }

    fn evidence(&mut self) -> Result<()> {
        self.head("a device's history as one file, verified with the network off");
        let name = self.device_name()?;
        let disclosures = format!("fleet/disclosures/{name}.disclosures");
        self.at_log(&[
            "bundle",
            "device",
            &self.device,
            "--out",
            "device.fwb",
            "--disclosures",
            &disclosures,
        ])?;
        let (mut off, how) = self.offline(&["verify", "device.fwb", "--trust", "auditor.trust"]);
        let output = off.output()?;
        print_indented(&output.stdout);
        print_indented(&output.stderr);
        say(&format!("  network off: {how}"));
        // A file can never show that nothing was left out of it.
        let so_far = output.status.code() == Some(3);
        ensure!(so_far, "the bundle was not verified so far: {}", output.status);
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains("✓ anchored"), "the bundle's anchor was not verified");
        ensure!(said.contains("whether anything was left out"), "what is not shown is not said");
        self.at_log(&[
            "challenge",
            "run",
            "--out",
            "challenge.json",
            "--count",
            "16",
            "--key",
            "auditor.pem",
            "--passphrase-file",
            "auditor.pass",
            "--as",
            "audit.example",
        ])?;
        self.json(&["challenge", "verify", "challenge.json", "--trust", "log/log.trust"])?;
        say("  ✓ spot check of 16 entries nobody chose alone, and its transcript checked again");
        Ok(())
    }

    /// The folder whose key is the device's.
    fn device_name(&self) -> Result<String> {
        for entry in std::fs::read_dir(self.dir.join("fleet"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let key = format!("fleet/{name}/key.pem");
            if !name.starts_with("device-") || name.ends_with("-copy") {
                continue;
            }
            if text(&self.json(&["key", "show", &key])?, "thumbprint")? == self.device {
                return Ok(name);
            }
        }
        bail!("no folder holds device {}", self.device)
    }

    /// `firmlog …` without a network, and how that was done.
    fn offline(&self, args: &[&str]) -> (Command, &'static str) {
        for (flags, how) in [
            (&["-n"][..], "an empty network namespace (unshare -n)"),
            (&["-r", "-n"][..], "an empty network namespace (unshare -r -n)"),
        ] {
            let probe =
                Command::new("unshare").args(flags).arg("true").stderr(Stdio::null()).status();
            if probe.is_ok_and(|status| status.success()) {
                let mut command = Command::new("unshare");
                command.args(flags).arg(&self.firmlog).args(args).current_dir(&self.dir);
                return (command, how);
            }
        }
        (self.command(args), "not isolated: unshare is not to be had here")
    }

    fn finish(&mut self, options: &Options) -> Result<()> {
        self.head("done");
        let (dir, url) = (self.dir.display(), &self.url);
        let firmlog = self.firmlog.display();
        say(&format!(
            "  Open      {url}/   {url}/device/{}   {url}/docs\n\
             \x20 Try       cd {dir}\n\
             \x20           {firmlog} verify device.fwb --trust auditor.trust\n\
             \x20           {firmlog} inspect release.cose\n\
             \x20           {firmlog} identify image.bin --log {url} --trust log/log.trust\n\
             \x20           {firmlog} challenge verify challenge.json --trust log/log.trust\n\
             \x20           {firmlog} log fsck --config log/firmlog.toml --trust log/log.trust",
            self.device
        ));
        let person = std::io::stdin().is_terminal();
        if options.keep || (person && !options.yes) {
            say("\nThe log and its witnesses run until you press Enter.");
            std::io::stdin().read_line(&mut String::new())?;
        } else {
            say("\nThe log and its witnesses are stopped now; --keep leaves them running.");
        }
        Ok(())
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    // A closed stdout is no reason to leave programs running.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn print_indented(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        say(&format!("  | {line}"));
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}

fn index(value: &Value) -> Result<u64> {
    Ok(text(value, "index")?.parse()?)
}

fn first_line(path: &Path) -> Result<String> {
    let mut line = String::new();
    BufReader::new(std::fs::File::open(path)?).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// GET over a plain loopback connection; anything but 200 is an error.
pub(crate) fn http_get(url: &str, path: &str) -> Result<Vec<u8>> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("no end of headers")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "GET {path}: {}", head.lines().next().unwrap_or(""));
    ensure!(!head.contains("transfer-encoding"), "GET {path}: an answer in chunks");
    Ok(answer.split_off(end + 4))
}

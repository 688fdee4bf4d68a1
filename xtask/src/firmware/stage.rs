//! The world around a device: a real log with two witnesses, a build, two approvers, releases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::demo;
use crate::ports::free_port;
use crate::sh::{self, Background};

const ORIGIN: &str = "firmware.example/pumps";
/// The exit of a verdict on a bundle of which nothing is wrong: it cannot show what was left out.
const SO_FAR: i32 = 3;
/// The model of the devices.
pub(super) const MODEL: &str = "ip-200";
/// The name under which the releases' key is enrolled: whose releases the devices take.
pub(super) const BUILD: &str = "firmware.example/build";
/// The name their keys are enrolled under.
pub(super) const ISSUER: &str = "firmware.example/devices";

/// A log and who may speak in it.
pub(super) struct Stage {
    firmlog: PathBuf,
    pub(super) dir: PathBuf,
    url: String,
    pub(super) genesis: String,
    pub(super) log_key: String,
    pub(super) witness_keys: Vec<String>,
    _running: Vec<Background>,
}

impl Stage {
    /// Sets it all up in a folder that is made anew.
    pub(super) fn set(dir: &Path) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let mut stage = Self {
            firmlog: sh::firmlog("debug"),
            dir: dir.to_path_buf(),
            url: String::new(),
            genesis: String::new(),
            log_key: String::new(),
            witness_keys: Vec::new(),
            _running: Vec::new(),
        };
        let ports = stage.witnesses()?;
        let listen = format!("127.0.0.1:{}", free_port());
        let init = ["log", "init", "log", "--origin", ORIGIN, "--approvals", "2", "--witnesses"];
        let made = stage.json(&[&init[..], &["witnesses", "--listen", &listen]].concat())?;
        stage.genesis = text(&made, "genesis")?;
        stage.log_key = text(&made, "vkey")?;
        stage.url = format!("http://{listen}");
        stage.serve(&ports)?;
        for (file, role) in
            [("build", "manufacturer"), ("quality", "approver"), ("safety", "approver")]
        {
            stage.firmlog(&["key", "new", &format!("{file}.pem")])?;
            let issuer = format!("firmware.example/{file}");
            stage.enrol(&format!("{file}.pem.pub"), role, &issuer, &[])?;
        }
        Ok(stage)
    }

    /// Makes a device's key and enrols it; the secret number, and the device's id.
    pub(super) fn enrol_device(&self, name: &str, seed: &[u8; 32]) -> Result<([u8; 32], String)> {
        let key = format!("{name}.pem");
        let id = text(&self.json(&["key", "new", &key])?, "thumbprint")?;
        let seed = hex(seed);
        let model = ["--model", MODEL, "--chain-seed", &seed];
        self.enrol(&format!("{key}.pub"), "device", ISSUER, &model)?;
        let mut der = sh::command("openssl");
        der.current_dir(&self.dir).args(["pkey", "-in", &key, "-outform", "DER"]);
        let der = der.stderr(Stdio::inherit()).output()?.stdout;
        // RFC 5915: version 1, then the number as an octet string.
        let at =
            der.windows(5).position(|it| it == [2, 1, 1, 4, 32]).context("no secret number")?;
        let secret = der.get(at.saturating_add(5)..).and_then(|rest| rest.first_chunk());
        Ok((*secret.context("the key ends early")?, id))
    }

    /// Brings a statement into the log.
    pub(super) fn submit(&self, name: &str, entry: &[u8]) -> Result<u64> {
        fs::write(self.dir.join(name), entry)?;
        index(&self.at_log(&["statement", "submit", name])?)
    }

    /// SHA-256 of a file, in hex.
    pub(super) fn sha256(&self, name: &str) -> Result<String> {
        let mut openssl = sh::command("openssl");
        openssl.current_dir(&self.dir).args(["dgst", "-sha256", "-r", name]);
        let said = sh::read(&mut openssl)?;
        Ok(said.split(' ').next().context("no digest")?.to_owned())
    }

    /// A statement as JSON.
    pub(super) fn show(&self, name: &str) -> Result<Value> {
        self.json(&["statement", "show", name])
    }

    /// The whole history of a device out of the log's bundle, verified offline: the verdict, and
    /// what `verify` said.
    pub(super) fn history(&self, device: &str, size: u64) -> Result<Value> {
        self.witnessed(size)?;
        let bundle = format!("{device}.fwb");
        self.at_log(&["bundle", "device", device, "--out", &bundle])?;
        let verify = ["--json", "verify", &bundle, "--device", device, "--trust", "log/log.trust"];
        let said = self.firmlog_exits(&verify, SO_FAR)?;
        serde_json::from_str(&said).with_context(|| format!("`verify` said {said}"))
    }

    /// The newest checkpoint: size and root, in hex.
    pub(super) fn head(&self) -> Result<(u64, String)> {
        let note = self.get("/checkpoint")?;
        let mut lines = note.lines().skip(1);
        let size = lines.next().and_then(|line| line.parse().ok()).context("no size")?;
        Ok((size, hex(&base64(lines.next().context("no root")?)?)))
    }

    fn witnesses(&mut self) -> Result<Vec<u16>> {
        let (mut lines, mut ports) = (String::new(), Vec::new());
        for n in 1..=2 {
            let (key, name) = (format!("witness-{n}.pem"), format!("witness-{n}.example"));
            self.firmlog(&["key", "new", &key, "--algorithm", "ed25519"])?;
            let shown = self.json(&["key", "show", &key, "--name", &name])?;
            let (port, vkey) = (free_port(), text(&shown, "vkey_witness")?);
            lines.push_str(&format!("witness w{n} {vkey} http://127.0.0.1:{port}\n"));
            self.witness_keys.push(vkey);
            ports.push(port);
        }
        lines.push_str("group both 2 w1 w2\nquorum both\n");
        fs::write(self.dir.join("witnesses"), lines)?;
        Ok(ports)
    }

    fn serve(&mut self, ports: &[u16]) -> Result<()> {
        for (n, port) in (1..).zip(ports) {
            let (key, name) = (format!("witness-{n}.pem"), format!("witness-{n}.example"));
            let (state, at) = (format!("witness-{n}"), format!("127.0.0.1:{port}"));
            let policy = ["--policy", "log/witnesses.policy"];
            self.firmlog(&[&["witness", "init", "--state", &state][..], &policy].concat())?;
            let who = ["witness", "--key", &key, "--name", &name, "--state", &state];
            let how = ["--listen", at.as_str(), "--policy", "log/witnesses.policy"];
            self.background(&[&who[..], &how].concat())?;
        }
        self.background(&["log", "serve", "--config", "log/firmlog.toml"])
    }

    fn background(&mut self, args: &[&str]) -> Result<()> {
        let said = self.dir.join(format!("running-{}", self._running.len()));
        let out = fs::File::create(&said)?;
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let mut program = Background::start(&mut command)?;
        let ready = || fs::read_to_string(&said).is_ok_and(|it| it.contains("listening on"));
        program.wait_until(Duration::from_secs(30), ready).with_context(|| args.join(" "))?;
        self._running.push(program);
        Ok(())
    }

    fn enrol(&self, public: &str, role: &str, issuer: &str, more: &[&str]) -> Result<Value> {
        let what = ["trust", "enrol", public, "--role", role, "--issuer", issuer];
        let who = ["--key", "log/admin.pem", "--as", "firmware.example/admin"];
        self.at_log(&[&what[..], more, &who].concat())
    }

    /// Waits for a checkpoint of at least this size that both witnesses cosigned.
    pub(super) fn witnessed(&self, size: u64) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            let note = self.get("/checkpoint")?;
            let at: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
            if at >= size && note.matches("\u{2014} witness-").count() >= 2 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("no checkpoint of {size} entries with two cosignatures after 30 s")
    }

    fn get(&self, path: &str) -> Result<String> {
        let bytes = demo::http_get(&self.url, path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.firmlog);
        command.args(args).current_dir(&self.dir).env_remove("FIRMLOG_LOG");
        command
    }

    fn firmlog(&self, args: &[&str]) -> Result<String> {
        self.firmlog_exits(args, 0)
    }

    fn firmlog_exits(&self, args: &[&str], expected: i32) -> Result<String> {
        let output = self.command(args).output().context("failed to start firmlog")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        ensure!(
            status.code() == Some(expected),
            "`firmlog {}`: {status}\n{said}{error}",
            args.join(" ")
        );
        Ok(said)
    }

    pub(super) fn json(&self, args: &[&str]) -> Result<Value> {
        let said = self.firmlog(&[&["--json"], args].concat())?;
        serde_json::from_str(&said).with_context(|| format!("`{}` said {said}", args.join(" ")))
    }

    pub(super) fn at_log(&self, args: &[&str]) -> Result<Value> {
        self.json(&[args, &["--log", &self.url, "--trust", "log/log.trust"]].concat())
    }
}

pub(super) fn text(value: &Value, key: &str) -> Result<String> {
    let text = value[key].as_str().map(str::to_string);
    text.with_context(|| format!("no `{key}` in {value}"))
}

pub(super) fn index(value: &Value) -> Result<u64> {
    Ok(text(value, "index")?.parse()?)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap_or(""));
    digits.map(|two| u8::from_str_radix(two, 16).context("not hex")).collect()
}

fn base64(text: &str) -> Result<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|it| *it == digit).context("not base64")?;
        bits = bits << 6 | u32::try_from(value)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff)?);
        }
    }
    Ok(out)
}

//! A log in a directory of its own, served by a child process on loopback.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its part")]

pub(crate) mod asked;
pub(crate) mod device;
pub(crate) mod node;
#[path = "../../../../xtask/src/ports.rs"]
pub(crate) mod ports;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The log, stopped when dropped.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    server: Child,
    witness: Option<Child>,
}

impl World {
    /// Makes a log and serves it on a port of the kernel's choice.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, made with further arguments.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let init =
            ["log", "init", "log", "--origin", "log.example/pumps", "--listen", "127.0.0.1:0"];
        assert_eq!(run(dir.path(), &[&init[..], more].concat()).0, 0);
        let (server, url) = serve(dir.path(), &[]);
        Self { dir, url, server, witness: None }
    }

    /// The same, with settings added to those that `log init` wrote.
    pub(crate) fn start_with_settings(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let init =
            ["log", "init", "log", "--origin", "log.example/pumps", "--listen", "127.0.0.1:0"];
        assert_eq!(run(dir.path(), &init).0, 0);
        let path = dir.path().join("log/firmlog.toml");
        let written = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(path, written + more).expect("writes");
        let (server, url) = serve(dir.path(), &[]);
        Self { dir, url, server, witness: None }
    }

    /// A log that one witness cosigns.
    pub(crate) fn witnessed() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let run = |args: &[&str]| {
            let (code, doc) = run(dir.path(), args);
            assert_eq!(code, 0, "{doc}");
            doc
        };
        run(&["key", "new", "witness.pem", "--algorithm", "ed25519"]);
        let name = ["--name", "witness.example"];
        let shown = run(&[&["key", "show", "witness.pem"][..], &name].concat());
        let vkey = shown["vkey_witness"].as_str().expect("a key");
        let listen = format!("127.0.0.1:{}", ports::free_port());
        let policy = format!("witness hospital {vkey} http://{listen}\nquorum hospital\n");
        std::fs::write(dir.path().join("policy"), policy).expect("writes");
        let init = ["log", "init", "log", "--origin", "log.example/pumps", "--witnesses", "policy"];
        run(&[&init[..], &["--listen", "127.0.0.1:0"]].concat());
        run(&["witness", "init", "--state", "state", "--policy", "log/witnesses.policy"]);
        let witness = ["witness", "--key", "witness.pem", "--state", "state", "--listen", &listen];
        let of = ["--policy", "log/witnesses.policy"];
        let witness = command(dir.path(), &[&witness[..], &name, &of].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let (server, url) = serve(dir.path(), &[]);
        Self { dir, url, server, witness: Some(witness) }
    }

    /// Serves the log again after it was stopped, on another port.
    pub(crate) fn start_again(&mut self) {
        (self.server, self.url) = serve(self.dir.path(), &[]);
    }

    /// The same by an operator who no longer asks its own rules: what anybody sends is appended,
    /// signed and served.
    pub(crate) fn start_again_lying(&mut self) {
        (self.server, self.url) = serve(self.dir.path(), &["--set", "log.any=true"]);
    }

    /// Runs a command at the log; exit code and document.
    pub(crate) fn at_log(&self, args: &[&str]) -> (i32, Value) {
        let mut all = args.to_vec();
        all.extend(["--log", &self.url, "--trust", "log/log.trust"]);
        run(self.dir.path(), &all)
    }

    /// Runs a command that must succeed at the log.
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let (code, doc) = self.at_log(args);
        assert_eq!(code, 0, "firmlog {}: {doc}", args.join(" "));
        doc
    }

    /// Runs a command that needs no log.
    pub(crate) fn run(&self, args: &[&str]) -> (i32, Value) {
        run(self.dir.path(), args)
    }

    /// The server's process id.
    pub(crate) fn server_id(&self) -> u32 {
        self.server.id()
    }

    /// Stops the server in order.
    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        assert!(self.server.wait().expect("ends").success());
    }

    /// Kills the server, whatever it does.
    pub(crate) fn kill(&mut self) {
        self.server.kill().expect("it runs");
        self.server.wait().expect("ends");
    }

    /// Ends the witness: from now on the log's checkpoints have no quorum.
    pub(crate) fn lose_witness(&mut self) {
        let mut witness = self.witness.take().expect("a witness");
        witness.kill().expect("it runs");
        witness.wait().expect("ends");
    }

    /// Makes a key and has the administrator enrol it.
    pub(crate) fn enrol(&self, file: &str, role: &str, issuer: &str) {
        let (key, public) = (format!("{file}.pem"), format!("{file}.pem.pub"));
        assert_eq!(self.run(&["key", "new", &key]).0, 0);
        let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
        let mut args = vec!["trust", "enrol", &public, "--role", role, "--issuer", issuer];
        args.extend(admin);
        self.done(&args);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.witness.iter_mut().chain([&mut self.server]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn serve(dir: &Path, more: &[&str]) -> (Child, String) {
    let serve = ["--json", "log", "serve", "--config", "log/firmlog.toml"];
    let mut server =
        command(dir, &[&serve[..], more].concat()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    let out = server.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("its first line");
    let started: Value = serde_json::from_str(&line).expect("one JSON document");
    (server, started["address"].as_str().expect("an address").to_owned())
}

/// A log with a release that two people approved; the leaf hash of the release.
pub(crate) fn released() -> (World, String) {
    released_in(World::start())
}

/// The same in a log that is there.
pub(crate) fn released_in(world: World) -> (World, String) {
    for (file, role, issuer) in [
        ("build", "manufacturer", "acme.example/build"),
        ("quality", "approver", "acme.example/quality"),
        ("regulatory", "approver", "acme.example/regulatory"),
        ("auditor", "auditor", "audit.example"),
    ] {
        world.enrol(file, role, issuer);
    }
    std::fs::write(world.dir.path().join("image"), [42; 5000]).expect("writes");
    let published = world.done(&[
        "release",
        "publish",
        "image",
        "--version",
        "4.2.1",
        "--model",
        "ip-200",
        "--key",
        "build.pem",
        "--as",
        "acme.example/build",
        "--out",
        "release.cose",
    ]);
    let release = published["leaf_hash"].as_str().expect("a hash").to_owned();
    for who in ["quality", "regulatory"] {
        let (key, issuer) = (format!("{who}.pem"), format!("acme.example/{who}"));
        world.done(&[
            "release", "approve", &release, "--name", "Somebody", "--key", &key, "--as", &issuer,
        ]);
    }
    world.done(&["bundle", "release", &release, "--out", "release.fwb"]);
    (world, release)
}

/// Makes a bundle once a quorum has cosigned a tree that holds all of it.
pub(crate) fn witnessed_bundle(world: &World, what: [&str; 2], out: &str) -> Value {
    let started = Instant::now();
    loop {
        // What speaks against its subject is written all the same.
        let (_, made) = world.at_log(&["bundle", what[0], what[1], "--out", out]);
        if made["quorum"] == true {
            return made;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{made}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A command in a directory, without anybody's settings.
pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmlog"));
    command.current_dir(dir).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FIRMLOG_")) {
        command.env_remove(name);
    }
    command
}

/// Runs with `--json`; exit code and document.
pub(crate) fn run(dir: &Path, args: &[&str]) -> (i32, Value) {
    let output = command(dir, args).arg("--json").output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let doc = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("firmlog {}: {e}: {text}{}", args.join(" "), String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().expect("an exit code"), doc)
}

//! A device with an agent, enrolled in the log of a [`World`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{World, command, run};

/// The agent's folder and its device.
pub(crate) struct Device {
    pub(crate) dir: PathBuf,
    pub(crate) id: String,
}

impl Device {
    /// Makes a key and an agent in the folder `name`, which reports to `log`, and enrols it.
    pub(crate) fn enrolled(world: &World, name: &str, log: &str, more: &[&str]) -> Self {
        let key = format!("{name}.pem");
        assert_eq!(world.run(&["key", "new", &key]).0, 0);
        Self::of_key(world, name, (&key, &format!("{key}.pub")), log, more)
    }

    /// The same, with a key that is there.
    pub(crate) fn of_key(
        world: &World,
        name: &str,
        (key, public): (&str, &str),
        log: &str,
        more: &[&str],
    ) -> Self {
        let dir = world.dir.path();
        std::fs::write(dir.join("image-1"), [1; 4000]).expect("writes");
        let names = ["--as", "acme.example/devices", "--model", "ip-200"];
        let issuer = [&names[..], &["--takes-from", "acme.example/build"]].concat();
        let running = ["--image", "image-1", "--version", "4.2.0"];
        let init = ["agent", "init", "--dir", name, "--key", key];
        let trust = ["--log", log, "--trust", "log/log.trust"];
        let (code, made) = run(dir, &[&init[..], &issuer, &running, &trust, more].concat());
        assert_eq!(code, 0, "{made}");
        let seed = made["chain_seed"].as_str().expect("a seed");
        let enrol = ["trust", "enrol", public, "--role", "device", "--model", "ip-200"];
        let names = ["--issuer", "acme.example/devices", "--chain-seed", seed];
        let admin = ["--key", "log/admin.pem", "--as", "log.example/admin"];
        world.done(&[&enrol[..], &names, &admin].concat());
        let id = made["device"].as_str().expect("an id").to_owned();
        Self { dir: dir.join(name), id }
    }

    /// Runs `agent …` in its folder; exit code and document.
    pub(crate) fn agent(&self, args: &[&str]) -> (i32, Value) {
        let (verb, rest) = args.split_first().expect("a verb");
        let dir = self.dir.to_str().expect("a name");
        run(Path::new("/"), &[&["agent", verb, "--dir", dir][..], rest].concat())
    }

    /// Runs `agent …`, which must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let (code, doc) = self.agent(args);
        assert_eq!(code, 0, "agent {}: {doc}", args.join(" "));
        doc
    }

    /// Bytes of the newest statement in its journal.
    pub(crate) fn newest(&self) -> Vec<u8> {
        let history = self.done(&["history"]);
        let last = history["items"].as_array().and_then(|items| items.last()).expect("one");
        let entry = last["entry"].as_str().expect("readable");
        let byte = |at: usize| u8::from_str_radix(&entry[at..at + 2], 16).expect("hex");
        (0..entry.len()).step_by(2).map(byte).collect()
    }

    /// Changes a byte of the newest statement where it lies in the journal.
    pub(crate) fn damage_end(&self) {
        let (path, entry) = (self.dir.join("journal"), self.newest());
        let mut bytes = std::fs::read(&path).expect("reads");
        let at = bytes.windows(entry.len()).position(|window| window == entry).expect("there");
        bytes[at + 9] ^= 0x20;
        std::fs::write(&path, bytes).expect("writes");
    }

    /// Changes a line of the settings.
    pub(crate) fn set(&self, line: &str) {
        let path = self.dir.join("agent.toml");
        let text = std::fs::read_to_string(&path).expect("settings");
        let name = line.split('=').next().expect("a name");
        let is_other = |old: &&str| old.split('=').next() != Some(name);
        let kept: Vec<&str> = text.lines().filter(is_other).collect();
        std::fs::write(&path, format!("{line}\n{}\n", kept.join("\n"))).expect("writes");
    }

    /// The command that runs its agent.
    pub(crate) fn daemon(&self) -> Command {
        let dir = self.dir.to_str().expect("a name");
        let mut daemon = command(Path::new("/"), &["--json", "agent", "run", "--dir", dir]);
        daemon.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
        daemon
    }

    /// Runs its agent, until it is ready.
    pub(crate) fn start(&self) -> Agent {
        let mut child = self.daemon().spawn().expect("starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("its first line");
        let ready = serde_json::from_str(&line).expect("one document");
        Agent { child, ready }
    }
}

/// An agent that runs, killed when dropped.
pub(crate) struct Agent {
    pub(crate) child: Child,
    pub(crate) ready: Value,
}

impl Agent {
    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        assert!(self.child.wait().expect("ends").success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! The agent as Linux has it: its journal on a block device, and started the way its unit says.

mod world;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use world::World;
use world::device::{Agent, Device};

const UNIT: &str = include_str!("../../../packaging/systemd/firmlog-agent.service");

/// A block device over a file, given back when dropped.
struct Loop(PathBuf);

impl Loop {
    /// None on a machine without such devices: no program that could be installed brings them.
    fn over(file: &Path, test: &str) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output();
        let told = match &output {
            Ok(output) if output.status.success() => {
                let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return Some(Self(PathBuf::from(device)));
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("skipped: {test}: no loop devices here, or not root: {told}");
        None
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(Command::new("losetup").arg("--detach").arg(&self.0).status());
    }
}

fn text<'a>(doc: &'a Value, name: &str) -> &'a str {
    doc[name].as_str().unwrap_or_else(|| panic!("no {name} in {doc}"))
}

/// AGT-005: on a block device the journal takes its size from the device, outlives a killed agent,
/// and is on the medium, where another reads it.
#[test]
fn agt_005_the_journal_is_on_a_block_device() {
    let world = World::start();
    let medium = world.dir.path().join("medium");
    std::fs::write(&medium, vec![0x5a; 160 * 1024]).expect("writes");
    let test = "agt_005_the_journal_is_on_a_block_device";
    let Some(device_node) = Loop::over(&medium, test) else { return };
    let node = device_node.0.to_str().expect("a name");
    let device = Device::enrolled(&world, "pump", &world.url, &["--journal", node]);
    let status = device.done(&["status"]);
    assert_eq!((&status["free_pages"], &status["findings"]), (&37.into(), &serde_json::json!([])));
    let mut agent = device.start();
    device.done(&["record", "service_mode", "--now"]);
    agent.child.kill().expect("runs");
    agent.child.wait().expect("ends");
    device.done(&["record", "debug_unlocked", "--now"]);
    assert_eq!(text(&device.done(&["push"]), "unsent"), "0");
    let history = device.done(&["history"]);
    assert_eq!(history["items"].as_array().map(Vec::len), Some(3), "{history}");
    drop(device_node);
    let (code, shown) = world.run(&["inspect", "medium"]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!((&shown["statements"], text(&shown, "proven_below")), (&3.into(), "3"), "{shown}");
    // Without its device the agent says so.
    let (code, gone) = device.agent(&["status"]);
    assert_ne!(code, 0, "{gone}");
}

/// AGT-005: a device that is missing is not made as a file.
#[test]
fn agt_005_a_missing_device_is_no_file() {
    let world = World::start();
    Device::enrolled(&world, "pump", &world.url, &[]);
    let missing = format!("/dev/no-such-{}", std::process::id());
    let init = ["agent", "init", "--dir", "other", "--key", "pump.pem", "--journal", &missing];
    let more = ["--as", "acme.example/devices", "--model", "ip-200", "--image", "image-1"];
    let last = ["--version", "4.2.0", "--log", &world.url, "--trust", "log/log.trust"];
    let takes = ["--takes-from", "acme.example/build"];
    let (code, told) = world.run(&[&init[..], &more, &last, &takes].concat());
    assert_eq!((code, text(&told, "code")), (2, "E-IO"), "{told}");
    assert!(!Path::new(&missing).exists() && !world.dir.path().join("other/agent.toml").exists());
}

/// What the unit's `ExecStart` says, with this build's program and this folder.
fn exec_start(program: &Path, dir: &Path) -> Vec<String> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let line = line.replace("/var/lib/firmlog-agent", dir.to_str().expect("a name"));
    let words = line.split(' ').map(str::to_owned);
    let program = program.to_str().expect("a name").to_owned();
    words.map(|word| if word == "/usr/bin/firmlog" { program.clone() } else { word }).collect()
}

fn owned_by_nobody(path: &Path) {
    std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).expect("changes");
    if path.is_dir() {
        let all = std::fs::read_dir(path).expect("a folder").map_while(Result::ok);
        all.for_each(|entry| owned_by_nobody(&entry.path()));
    }
}

/// AGT-042: the unit's command runs as an unprivileged user without a capability and with no way to
/// get one, in a folder of its own, and tells systemd that it is ready.
#[test]
fn agt_042_the_units_command_runs_without_privileges() {
    let test = "agt_042_the_units_command_runs_without_privileges";
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: {test}: not root, so no other user can be taken");
    }
    let world = World::start();
    let device = Device::enrolled(&world, "pump", &world.url, &[]);
    let dir = world.dir.path();
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("opens");
    // The way to this build need not be open to others.
    let program = dir.join("firmlog");
    std::fs::copy(env!("CARGO_BIN_EXE_firmlog"), &program).expect("copies");
    owned_by_nobody(&dir.join("pump.pem"));
    owned_by_nobody(&device.dir);
    let path = dir.join("notify");
    let systemd = UnixDatagram::bind(&path).expect("binds");
    systemd.set_read_timeout(Some(Duration::from_secs(30))).expect("sets");
    owned_by_nobody(&path);
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let none = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"];
    let mut command = Command::new("setpriv");
    command.args(user).args(none).arg("--").args(exec_start(&program, &device.dir));
    command.env_clear().env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "60000000");
    let child = command.current_dir("/").stdout(Stdio::null()).spawn().expect("starts");
    let agent = Agent { child, ready: Value::Null };
    let mut buffer = [0; 256];
    let len = systemd.recv(&mut buffer).expect("is told");
    assert!(buffer[..len].starts_with(b"READY=1"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.child.id()));
    let status = status.expect("it runs");
    for line in ["Uid:\t65534\t65534", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    device.done(&["record", "service_mode", "--now"]);
    assert_eq!(text(&device.done(&["push"]), "unsent"), "0");
    agent.stop();
}

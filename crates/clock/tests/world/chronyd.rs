//! chronyd, which with `-x` never touches the clock, as server and as the client that is asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use firmlog_clock::ChronySettings;
use firmlog_clock::chrony::{self, Chrony};

use super::ports::free_port;
use super::{Running, have};

/// A running chronyd.
pub(crate) struct Chronyd {
    running: Running,
    dir: tempfile::TempDir,
}

impl Chronyd {
    /// Starts one with these lines, `{dir}` being a folder of its own.
    pub(crate) fn start(program: &Path, lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        // It refuses a socket in a folder that others may enter.
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o750);
        std::fs::set_permissions(dir.path(), own).expect("changes the mode");
        let text =
            format!("cmdport 0\nbindcmdaddress {{dir}}/sock\npidfile {{dir}}/pid\n{lines}\n");
        let config = dir.path().join("chrony.conf");
        let folder = dir.path().to_str().expect("a name");
        std::fs::write(&config, text.replace("{dir}", folder)).expect("writes");
        let mut command = Command::new(program);
        // Beside -x: in the foreground, as root (it would change to a user without this folder).
        command.args(["-x", "-d", "-u", "root", "-f"]).arg(config);
        let chronyd = Self { running: Running::start(&mut command), dir };
        for _ in 0..200 {
            if chronyd.socket().exists() {
                return chronyd;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("chronyd has no socket: {lines}");
    }

    /// One that gives out this computer's time by NTP and, with `keys`, by NTS.
    pub(crate) fn server(program: &Path, port: u16, nts: Option<(&Keys, u16)>) -> Self {
        let mut lines =
            format!("port {port}\nbindaddress 127.0.0.1\nlocal stratum 3\nallow 127.0.0.1\n");
        if let Some((keys, nts_port)) = nts {
            lines += &format!(
                "ntsport {nts_port}\nntsserverkey {}\nntsservercert {}\nntsdumpdir {{dir}}\n",
                keys.key().display(),
                keys.certificate().display()
            );
        }
        Self::start(program, &lines)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    pub(crate) fn settings(&self) -> ChronySettings {
        settings(&self.socket())
    }

    /// What it says once it follows something.
    pub(crate) fn synchronised(&self) -> ChronySettings {
        let settings = self.settings();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(40) {
            if let Chrony::Answered(tracking) = chrony::read(&settings)
                && tracking.synchronised
                && !tracking.followed.is_empty()
            {
                return settings;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("chronyd follows nothing: {:?}", chrony::read(&settings));
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        self.running.signal(signal);
    }
}

/// How such a chronyd is asked, anew each time.
pub(crate) fn settings(socket: &Path) -> ChronySettings {
    let program = have("chrony", "chronyc").expect("comes with chronyd");
    let socket = Some(socket.to_owned());
    ChronySettings { program, socket, timeout_ms: 2000, refresh_ms: 0, ..Default::default() }
}

/// Key and certificate of an NTS server, made by openssl.
pub(crate) struct Keys(tempfile::TempDir);

impl Keys {
    pub(crate) fn make() -> Self {
        let keys = Self(tempfile::tempdir().expect("a folder"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext"]);
        command.arg("subjectAltName=DNS:localhost,IP:127.0.0.1");
        command.arg("-keyout").arg(keys.key()).arg("-out").arg(keys.certificate());
        let output = command.output().expect("openssl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        keys
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }
}

/// Two ports: NTP and NTS key establishment (which is TCP; a port free for one is for the other).
pub(crate) fn ports() -> (u16, u16) {
    (free_port(), free_port())
}

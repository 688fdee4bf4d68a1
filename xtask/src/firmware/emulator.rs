//! One life of a device: a QEMU process, lines to and from its UART, and its end.
//!
//! Power is cut by killing the process: external flash is a file that the emulator maps, and what
//! was written to it stays.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::sh;

/// Bytes of external flash.
pub(super) const FLASH: u64 = 16 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Processor time of an emulator at most, seconds.
const CPU_LIMIT: &str = "--cpu=120";

/// A device that is switched on.
pub(crate) struct Emulator {
    child: Child,
    to: ChildStdin,
    lines: Receiver<String>,
}

impl Emulator {
    /// Switches it on. `counted` makes a nanosecond of its clock an instruction.
    pub(crate) fn start(image: &Path, flash: &Path, counted: bool) -> Result<Self> {
        let backend = format!(
            "memory-backend-file,id=flash,size={FLASH},mem-path={},share=on",
            flash.display()
        );
        // Each program becomes the next, so that the id is the emulator's; it ends with us, and
        // after its share of processor time.
        let mut command = sh::command("prlimit");
        command.args([CPU_LIMIT, "setpriv", "--pdeathsig", "KILL", "qemu-system-arm"]);
        command.args(["-machine", "mps2-an386,memory-backend=flash", "-object", &backend]);
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel"]);
        command.arg(image);
        if counted {
            command.args(["-icount", "shift=0"]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("failed to start the emulator")?;
        let to = child.stdin.take().context("stdin was asked for")?;
        let from = BufReader::new(child.stdout.take().context("stdout was asked for")?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            from.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child, to, lines })
    }

    /// The next line.
    pub(crate) fn line(&mut self) -> Result<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("the device said nothing for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the emulator ended"),
        }
    }

    /// Sends a command and returns the line that answers it.
    pub(crate) fn ask(&mut self, command: &str) -> Result<String> {
        self.tell(command)?;
        self.line()
    }

    /// Sends a command without waiting.
    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.to, "{command}").and_then(|()| self.to.flush()).context("the UART is gone")
    }

    /// Sends a command that must be answered so.
    pub(crate) fn must(&mut self, command: &str, answer: &str) -> Result<()> {
        let got = self.ask(command)?;
        ensure!(got == answer, "the device answered `{got}` to `{command}`, expected `{answer}`");
        Ok(())
    }

    /// Sends a part of a download.
    pub(crate) fn send(&mut self, what: &str, bytes: &[u8]) -> Result<()> {
        writeln!(self.to, "{what} {}", bytes.len())?;
        self.to.write_all(bytes)?;
        self.to.flush()?;
        let got = self.line()?;
        ensure!(got == "ok", "the device answered `{got}` to {what}");
        Ok(())
    }

    /// Power goes, whatever the device is doing.
    pub(crate) fn cut(mut self) -> Result<()> {
        self.child.kill().context("failed to kill the emulator")?;
        self.child.wait().context("failed to wait for the emulator").map(drop)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Blank flash.
pub(crate) fn blank_flash(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    // What no driver touches need not be blank.
    file.write_all(&vec![0xff; 4 << 20])?;
    Ok(file.set_len(FLASH)?)
}

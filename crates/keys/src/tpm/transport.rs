//! Bytes to a TPM and back.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::wire::MAX;
use crate::uri::Tcti;

/// Long enough for the slowest TPM's slowest command, the making of a key.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

pub(super) enum Transport {
    /// The kernel takes a command in one write and gives its answer in one read.
    Device(File),
    Swtpm(TcpStream),
}

impl Transport {
    pub(super) fn open(tcti: &Tcti) -> Result<Self> {
        match tcti {
            Tcti::Device(path) => {
                OpenOptions::new().read(true).write(true).open(path).map(Self::Device)
            }
            Tcti::Swtpm { host, port } => connect(host, *port).map(Self::Swtpm),
        }
    }

    pub(super) fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        if command.len() > MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "the command is too long for a TPM"));
        }
        match self {
            Self::Device(file) => {
                file.write_all(command)?;
                let mut answer = vec![0; MAX];
                let length = file.read(&mut answer)?;
                answer.truncate(length);
                Ok(answer)
            }
            Self::Swtpm(stream) => {
                stream.write_all(command)?;
                let mut answer = vec![0; 10];
                stream.read_exact(&mut answer)?;
                let length =
                    u32::from_be_bytes([answer[2], answer[3], answer[4], answer[5]]) as usize;
                if !(answer.len()..=MAX).contains(&length) {
                    return Err(Error::new(ErrorKind::InvalidData, "the answer is no TPM's"));
                }
                answer.resize(length, 0);
                stream.read_exact(&mut answer[10..])?;
                Ok(answer)
            }
        }
    }
}

fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

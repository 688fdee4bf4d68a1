//! The API fuzzer: schemathesis against a running server's own OpenAPI document.
//!
//! In scope: a fresh log and a server on a free loopback port, asked everything the document
//! allows and much that it does not. Out of scope: hostile connections (`crates/server/tests`).

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::ports::free_port;
use crate::sh::Background;
use crate::{setup, sh};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts a server on loopback, lets schemathesis ask it everything, and stops it.
pub(crate) fn run() -> Result<()> {
    let dir = sh::root().join("target/api-test");
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir)?;
    let port = free_port();
    init(&dir, port)?;
    let mut serve = sh::command(sh::firmlog("debug"));
    serve.current_dir(&dir).args(["log", "serve", "--config", "log/firmlog.toml"]);
    serve.args(["--set", "http.metrics_listen=", "--quiet"]);
    let mut server = Background::start(serve.stdout(std::io::stderr()))?;
    let address = (Ipv4Addr::LOCALHOST, port);
    server.wait_until(START_LIMIT, || TcpStream::connect(address).is_ok())?;
    fuzz(&dir, port)?;
    ensure!(server.is_running(), "the server ended while it was asked");
    Ok(())
}

fn init(dir: &Path, port: u16) -> Result<()> {
    let mut init = sh::command(sh::firmlog("debug"));
    init.current_dir(dir).args(["log", "init", "log", "--origin", "log.example/api-test"]);
    init.args(["--listen", &format!("127.0.0.1:{port}")]);
    sh::run(init.stdout(std::io::stderr()))
}

fn fuzz(dir: &Path, port: u16) -> Result<()> {
    let mut fuzz = sh::command(setup::python_program("st"));
    fuzz.current_dir(dir).stdout(std::io::stderr());
    fuzz.args(["run", &format!("http://127.0.0.1:{port}/openapi.json"), "--checks", CHECKS]);
    fuzz.args(["--max-examples", "40", "--workers", "2", "--no-color"]);
    fuzz.args(["--suppress-health-check", "all", "--request-timeout", "10"]);
    sh::run(&mut fuzz)
}

//! A log seen through somebody who keeps part of it back.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Address of a proxy that answers paths under `prefix` with a status and body of its own; status 0
/// closes the connection instead. It ends with the test's process.
pub(crate) fn without(log: &str, prefix: &'static str, status: u16, body: &'static [u8]) -> String {
    altered(log, move |path, found| match path.starts_with(prefix) {
        true => (status, body.to_vec()),
        false => found,
    })
}

/// Address of a proxy that changes what the log answers to each GET.
pub(crate) fn altered(
    log: &str,
    alter: impl Fn(&str, (u16, Vec<u8>)) -> (u16, Vec<u8>) + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let log = log.to_owned();
    std::thread::spawn(move || {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        for stream in listener.incoming().map_while(Result::ok) {
            let Some((path, accept)) = asked_for(&stream) else { continue };
            let reply = client
                .get(format!("{log}{path}"))
                .header("Accept", accept)
                .send()
                .expect("the log answers");
            let status = reply.status().as_u16();
            let (status, body) = alter(&path, (status, reply.bytes().expect("a body").to_vec()));
            if status != 0 {
                answer(stream, status, &body);
            }
        }
    });
    address
}

/// The path of a request, and what it accepts.
fn asked_for(stream: &TcpStream) -> Option<(String, String)> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let accept = headers
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("accept: ").map(str::to_owned));
    Some((path, accept.unwrap_or_else(|| "*/*".to_owned())))
}

fn answer(mut stream: TcpStream, status: u16, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} As told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    drop(stream.write_all(&[head.as_bytes(), body].concat()));
}

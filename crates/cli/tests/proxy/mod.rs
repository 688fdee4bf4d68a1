//! A log seen through somebody who keeps part of it back.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Address of a proxy that answers paths under `prefix` with a status and body of its own; status 0
/// closes the connection instead. It ends with the test's process.
pub(crate) fn without(log: &str, prefix: &'static str, status: u16, body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let log = log.to_owned();
    std::thread::spawn(move || {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(path) = asked_for(&stream) else { continue };
            if path.starts_with(prefix) {
                if status != 0 {
                    answer(stream, status, body);
                }
                continue;
            }
            let reply = client.get(format!("{log}{path}")).send().expect("the log answers");
            let status = reply.status().as_u16();
            answer(stream, status, &reply.bytes().expect("a body"));
        }
    });
    address
}

fn asked_for(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    Some(path)
}

fn answer(mut stream: TcpStream, status: u16, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} As told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    drop(stream.write_all(&[head.as_bytes(), body].concat()));
}

//! `vectors/time_evidence`: replies in roughenough's bytes, one server of three an hour off, and
//! what is left of them after one change. TIM-020, TIM-026, TIM-030 to TIM-033.

use std::path::Path;

use firmlog_clock::Server;
use firmlog_clock::agree::Outcome;
use firmlog_clock::evidence::Evidence;
use firmlog_clock::roughtime::request;
use roughenough_client::ResponseValidator;
use roughenough_protocol::FromFrame;
use roughenough_protocol::cursor::ParseCursor;
use roughenough_protocol::response::Response;
use roughenough_protocol::tags::PublicKey;

/// A vector's lines of one name.
fn lines<'a>(vector: &'a str, name: &str) -> Vec<&'a str> {
    let header = vector.split("\n\n").next().expect("a header");
    let values = header.lines().filter_map(|line| line.split_once(": "));
    values.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn server(line: &str) -> Server {
    let (name, key) = line.split_once(' ').unwrap();
    let key = unhex(key).try_into().unwrap();
    Server { name: name.into(), address: String::new(), key }
}

/// What is found, and the liars.
fn found(bytes: &[u8], servers: &[Server]) -> (String, Vec<String>) {
    let checked = Evidence::parse(bytes).and_then(|it| {
        assert_eq!(it.encode(), bytes);
        it.check(servers)
    });
    match checked.map(|checked| checked.outcome) {
        Err(error) => (error.to_string(), Vec::new()),
        Ok(Outcome::Agreed { liars, .. }) => {
            ("agreed".into(), liars.into_iter().map(|liar| liar.name).collect())
        }
        Ok(Outcome::TooFew { .. }) => ("too few".into(), Vec::new()),
        Ok(Outcome::NoMajority { .. }) => ("no majority".into(), Vec::new()),
    }
}

#[test]
fn every_vector_is_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/time_evidence");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let vector = std::fs::read_to_string(&path).unwrap();
        let body = unhex(vector.split_once("\n\n").unwrap().1);
        let servers: Vec<Server> = lines(&vector, "server").into_iter().map(server).collect();
        let (expected, liars) = (lines(&vector, "expect"), lines(&vector, "liar"));
        let (outcome, named) = found(&body, &servers);
        assert_eq!((vec![outcome.as_str()], named), (expected, to_owned(&liars)), "{path:?}");
        count += 1;
    }
    assert!(count >= 20, "{count} vectors");
}

fn to_owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// roughenough's client finds each reply of the sound vector good, and of the spoilt ones as many
/// bad as are spoilt.
#[test]
fn another_client_reads_the_replies_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/time_evidence");
    for (name, refused) in
        [("liar", &[][..]), ("bad_midpoint", &[2]), ("bad_index", &[2]), ("bad_delegation", &[2])]
    {
        let vector = std::fs::read_to_string(folder.join(name)).unwrap();
        let evidence = Evidence::parse(&unhex(vector.split_once("\n\n").unwrap().1)).unwrap();
        assert_eq!(evidence.exchanges.len(), 6);
        let bad: Vec<usize> = (0..6).filter(|at| !others_take(&evidence, *at)).collect();
        assert_eq!(bad, refused, "{name}");
    }
}

fn others_take(evidence: &Evidence, at: usize) -> bool {
    let exchange = &evidence.exchanges[at];
    let sent = request(&exchange.key, &evidence.nonce(at));
    let response = Response::from_frame(&mut ParseCursor::new(&mut exchange.reply.clone()));
    let validator = ResponseValidator::new_with_key(PublicKey::from(exchange.key));
    response.is_ok_and(|response| validator.validate(&sent, &exchange.reply, &response).is_ok())
}

//! What is known by hand of each crate in the device's library: what it is for, and which of
//! RustSec's advisories about it were read.

/// What each crate is for.
pub(super) const PURPOSES: &[(&str, &str)] = &[
    ("base16ct", "hexadecimal, in the traits of elliptic curves"),
    ("block-buffer", "collects input into blocks for hashes"),
    ("cfg-if", "chooses code at compile time; no code of its own"),
    ("cmov", "selection without branches"),
    ("const-oid", "numbers of algorithms"),
    ("cpubits", "chooses the width of words at compile time"),
    ("crypto-bigint", "big integers of P-256: scalars and field elements"),
    ("crypto-common", "traits of algorithms"),
    ("ctutils", "comparison without branches"),
    ("curve25519-dalek", "the curve of Ed25519"),
    ("der", "signatures in DER; the library's are r ‖ s"),
    ("digest", "traits of hashes"),
    ("ecdsa", "ECDSA: signing and verifying"),
    ("ed25519", "the form of Ed25519 signatures"),
    ("ed25519-dalek", "checks Ed25519 signatures of logs, witnesses and statements"),
    ("elliptic-curve", "traits of elliptic curves"),
    ("ff", "traits of finite fields"),
    ("firmlog-agent", "the journal, the update state machine, the outbox"),
    ("firmlog-capi", "the functions that C calls"),
    ("firmlog-statement", "statements: encoding, rules, order of events"),
    ("firmlog-tlog", "trees and checkpoints of a log"),
    ("firmlog-verify", "whether a release may be installed"),
    ("group", "traits of groups"),
    ("hmac", "HMAC, for the nonces of RFC 6979"),
    ("hybrid-array", "arrays whose length is a type"),
    ("keccak", "the permutation of SHA-3"),
    ("num-traits", "traits of numbers"),
    ("p256", "the curve P-256"),
    ("primefield", "arithmetic modulo a prime"),
    ("primeorder", "points of curves of prime order"),
    ("rand_core", "traits of random numbers"),
    ("rfc6979", "deterministic nonces"),
    ("sec1", "encoding of points"),
    ("sha2", "SHA-256 of records, statements and images; SHA-512 in Ed25519"),
    ("sha3", "Keccak-256 of an image, beside SHA-256"),
    ("signature", "traits of signatures"),
    ("subtle", "comparison and selection without branches"),
    ("typenum", "numbers as types; no code of its own"),
    ("wnaf", "multiplication of points in variable time"),
    ("zeroize", "erases secrets from memory"),
];

/// RustSec's advisories about these crates: which versions they touch, and so why not these.
pub(super) const ADVISORIES: &[(&str, &str, &str)] = &[
    ("curve25519-dalek", "RUSTSEC-2024-0344", "before 4.1.3"),
    ("ed25519-dalek", "RUSTSEC-2022-0093", "before 2"),
    ("rand_core", "RUSTSEC-2019-0035", "before 0.4.2"),
    ("rand_core", "RUSTSEC-2021-0023", "0.6.0 and 0.6.1"),
    ("sha2", "RUSTSEC-2021-0100", "0.9.7 alone"),
];

/// The state of RustSec's database in which they were read.
pub(super) const READ_AT: (&str, &str) =
    ("2e25d9665f10de885c81a9fb9d51a289f625b05f", "24 February 2025");

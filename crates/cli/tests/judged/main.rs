//! J1 to J22: cases in which the product once gave a better word than the log bears. Each is played
//! at a real log with the real program, and server, CLI and device must all give the right answer.
//!
//! ```text
//! honest   firmlog log serve                      the rules refuse: status and problem
//! lying    firmlog log serve --set log.any=true   the same bytes are appended, signed and served
//!
//! Case ── make it ──▶ of_release   GET /api/v1/releases/…, its page, release show, --scan, bundle
//!                 └─▶ of_file      GET /api/v1/identify/…, verify FILE, identify, verify-image
//! ```
//!
//! A test whose case a surface cannot have says so in its doc. What the judge makes of every
//! history is `crates/verify/tests/standing`.
//!
//! Invariant: [`Says`] has the words, the JSON and the exit code of every surface, so that none can
//! say better than another.

mod absent;
mod case;
mod device;
mod files;
mod keys;
mod people;
#[path = "../proxy/mod.rs"]
mod proxy;
mod says;
mod steps;
mod surfaces;
#[path = "../world/mod.rs"]
mod world;

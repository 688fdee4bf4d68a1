//! Writes `vectors/install/`: what is offered to a device, and what it makes of it.
//!
//! ```text
//! cargo run -p firmlog-verify --example install_vectors
//! ```
//!
//! `cargo xtask size` lets a small processor judge the same files.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/offer/mod.rs"]
mod offer;

fn main() -> std::io::Result<()> {
    let dir = offer::folder();
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    for made in offer::all() {
        let text = made.text();
        assert_eq!(offer::decide(&text), made.expect, "{}", made.name);
        std::fs::write(dir.join(made.name), text)?;
    }
    Ok(())
}

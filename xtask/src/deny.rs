//! `cargo xtask deny`: licences, sources, bans and yanked crates, by `deny.toml`.
//!
//! Known vulnerabilities come from an advisory database that is fetched with git; where that cannot
//! be reached, ask without it: the rest needs the crate registry alone.

use anyhow::Result;

use crate::{setup, sh};

/// Runs the command: `deny [CHECK…]`, by default `bans licenses sources`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure(&[setup::Part::CargoDeny])?;
    let mut deny = sh::cargo();
    setup::with_tools(&mut deny)?;
    deny.args(["deny", "--workspace", "check"]);
    if args.is_empty() {
        deny.args(["bans", "licenses", "sources"]);
    }
    sh::run(deny.args(args))
}

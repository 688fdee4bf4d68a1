//! `completions` and `man`: made from the same definition that parses the arguments.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use crate::answer::Answer;
use crate::error::{Error, Result};

/// Arguments of `completions`.
#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Args)]
pub(crate) struct ManArgs {
    /// Where the pages go; made when missing
    dir: PathBuf,
}

/// Writes the completion script to stdout.
pub(crate) fn completions(args: &CompletionsArgs, mut root: clap::Command) -> Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut root, "firmlog", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let json = serde_json::json!({"shell": args.shell.to_string(), "script": script});
    Ok(Answer::new("completions", json, script))
}

/// Writes one page per command.
pub(crate) fn man(args: &ManArgs, root: clap::Command) -> Result<Answer> {
    std::fs::create_dir_all(&args.dir).map_err(|e| Error::io("make", &args.dir, e))?;
    let mut pages = Vec::new();
    write_pages(&args.dir, &root, "firmlog", &mut pages)?;
    let text = format!("wrote {} pages into {}\n", pages.len(), args.dir.display());
    Ok(Answer::new("man", serde_json::json!({"pages": pages}), text))
}

fn write_pages(
    dir: &Path,
    command: &clap::Command,
    name: &str,
    pages: &mut Vec<String>,
) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    let titled = command.clone().display_name(name).bin_name(name.replace('-', " "));
    let mut page = Vec::new();
    clap_mangen::Man::new(titled)
        .title(name)
        .render(&mut page)
        .and_then(|()| std::fs::write(&path, &page))
        .map_err(|e| Error::io("write", &path, e))?;
    pages.push(format!("{name}.1"));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        write_pages(dir, sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

//! `gatepost completions` and `gatepost man`: for shells and packagers.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use super::{IO, Outcome, say, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write one page per command into this folder instead
    folder: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions) {
    let mut text = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "gatepost", &mut text);
    say(&String::from_utf8_lossy(&text));
}

pub(super) fn man(arguments: &Man) -> Outcome {
    let written = match &arguments.folder {
        None => page().map(|page| say(&String::from_utf8_lossy(&page))),
        Some(folder) => pages(folder),
    };
    written.map_err(|error| {
        tell(&format!("error: the pages cannot be written: {error}"));
        IO
    })
}

fn pages(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(super::Arguments::command(), folder)
}

fn page() -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(super::Arguments::command()).render(&mut text)?;
    Ok(text)
}

//! `ier manual`: the manual, a chapter at a time, and man pages.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;

use clap::{Command, CommandFactory};
use serde::Serialize;

use crate::error::{Context, Result};
use crate::manual::{self, CHAPTERS, page};

use super::args::{Args, Manual};
use super::print;
use super::session::Session;

/// Lists the chapters, prints one or all of them, or writes man pages.
pub fn run(session: &Session, args: &Manual) -> Result<()> {
    if let Some(folder) = &args.man {
        let pages = man_pages(folder)?;
        return session.report(&pages, |pages| format!("{} man pages written to {}", pages.pages.len(), folder.display()));
    }
    let text = match &args.topic {
        Some(topic) => manual::find(topic)?.text()?,
        None if args.all => manual::whole()?,
        None => return session.answer(&ChapterList::default()),
    };
    if session.global.json {
        return session.answer(&Text { markdown: text });
    }
    if !io::stdout().is_terminal() {
        return print::machine(&text);
    }
    let columns = terminal_size::terminal_size().map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns));
    print::machine(&page::rendered(&text, columns))
}

/// The chapters.
#[derive(Serialize)]
struct ChapterList {
    chapters: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
    reader: &'static str,
}

impl std::default::Default for ChapterList {
    fn default() -> Self {
        let entry = |chapter: &manual::Chapter| Entry { name: chapter.name, title: chapter.title(), reader: chapter.reader };
        Self { chapters: CHAPTERS.iter().map(entry).collect() }
    }
}

impl fmt::Display for ChapterList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.chapters.iter().map(|chapter| chapter.name.len()).max().unwrap_or(0);
        for Entry { name, reader, .. } in &self.chapters {
            writeln!(f, "{name:width$}  {reader}")?;
        }
        write!(f, "\n`ier manual NAME` prints a chapter, `ier manual --all` prints all of them")
    }
}

/// A text for a machine.
#[derive(Serialize)]
struct Text {
    markdown: String,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.markdown)
    }
}

/// Man pages that were written.
#[derive(Serialize)]
struct ManPages {
    pages: Vec<String>,
}

/// Writes a page for `ier`, for each verb, and for each verb of a verb.
fn man_pages(folder: &Path) -> Result<ManPages> {
    std::fs::create_dir_all(folder).context(|| phrase!("cannot make the folder {}", folder.display()))?;
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    write_page(&command, "ier", folder, &mut pages)?;
    Ok(ManPages { pages })
}

fn write_page(command: &Command, name: &str, folder: &Path, pages: &mut Vec<String>) -> Result<()> {
    let file = format!("{name}.1");
    let mut page = Vec::new();
    let named = command.clone().name(name.to_owned());
    clap_mangen::Man::new(named).render(&mut page).context(|| phrase!("cannot write the man page {file}"))?;
    // Blanks at the ends of lines mean nothing, and checkers of man pages complain of them.
    let page: String = String::from_utf8_lossy(&page).lines().map(|line| format!("{}\n", line.trim_end())).collect();
    std::fs::write(folder.join(&file), page).context(|| phrase!("cannot write {}", folder.join(&file).display()))?;
    pages.push(file);
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    verbs
        .map(|verb| write_page(verb, &format!("{name}-{}", verb.get_name()), folder, pages))
        .collect::<Result<Vec<_>>>()
        .map(drop)
}

//! The manual, one chapter for each kind of reader. It is part of the program, so it is always at hand and always of the same
//! version.
//!
//! A chapter is a Markdown file in this folder. What the program knows itself is not written twice: a line such as `<!-- settings
//! -->` is replaced by the settings (see [`facts`]). Tests run every console block, follow every link, and look for each verb,
//! setting, table and function in the chapters.

use std::borrow::Cow;

use serde::Serialize;

use crate::error::{Error, Result};

// Tables that the program prints about itself: settings, exit codes, functions, views, questions.
pub mod facts;

// Formats a chapter for a terminal.
pub mod page;

/// A chapter.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Chapter {
    /// Its name, as `ier manual NAME` takes it; the file's name.
    pub name: &'static str,
    /// Who reads it, and for what.
    pub reader: &'static str,
    #[serde(skip)]
    source: &'static str,
}

macro_rules! chapters {
    ($($name:literal $reader:literal,)*) => {
        &[$(Chapter { name: $name, reader: $reader, source: include_str!(concat!($name, ".md")) }),*]
    };
}

/// The chapters, in the order in which a newcomer may read them.
pub const CHAPTERS: &[Chapter] = chapters! {
    "questions" "For analysts: questions with their answers, and how to ask them.",
    "people" "For analysts: one person under several ids.",
    "sql" "For analysts: tables, columns, functions, limits.",
    "output" "For analysts: formats, spreadsheets, charts, lists for Salesforce.",
    "serve" "For analysts: psql, DBeaver, Python and others on the warehouse.",
    "web" "For auditors and analysts: pages in the browser, and HTTP for programs.",
    "auditors" "For auditors: verdicts, the log of look-ups, evidence.",
    "loading" "For operators: which files are understood, and what becomes of their rows.",
    "operating" "For operators: every command, what it changes, and what to do after a crash.",
    "scheduler" "For operators: jobs on a schedule, monitoring, and a clock that is wrong.",
    "compacting" "For operators: fewer and larger files.",
    "reconcile" "For operators: whether every row that was taken in is still there.",
    "stores" "For operators: a warehouse on a disk or in an object store.",
    "durability" "For operators: crashes, damaged files, lost files.",
    "settings" "For operators: everything that can be set.",
    "exit-codes" "For operators: what an exit code means, and what to do about it.",
    "erasing" "For data protection: removing a person for good.",
    "retention" "For data protection: how long records are kept, and legal holds.",
    "format" "For readers of the files: folders, formats, other engines.",
    "speed" "For the curious: what makes answers fast, and how to see it.",
    "catalog" "For reference: every table, view, function, measure and question.",
    "glossary" "For everybody: the words that are ours.",
    "contributing" "For contributors: build, test, and where a change belongs.",
    "security" "For whoever finds a hole: how to report it, and what is promised.",
    "changes" "For whoever upgrades: what changed, newest first.",
};

impl Chapter {
    /// Its heading.
    pub fn title(&self) -> &'static str {
        self.source.lines().next().unwrap_or_default().trim_start_matches('#').trim()
    }

    /// Its text in Markdown, with what the program tells of itself.
    ///
    /// # Errors
    /// Internal where a chapter asks for something that the program does not tell.
    pub fn text(&self) -> Result<String> {
        let mut text = String::with_capacity(self.source.len());
        for line in self.source.lines() {
            let asked = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
            text.push_str(&asked.map_or(Ok(Cow::Borrowed(line)), |what| facts::about(what).map(Cow::Owned))?);
            text.push('\n');
        }
        Ok(text)
    }

    /// Has it a heading with this word? A line of code that begins like one is none.
    fn is_about(&self, word: &str) -> bool {
        let outside = self.source.split("```").step_by(2).flat_map(str::lines);
        let headings = outside.filter(|line| line.starts_with('#'));
        headings.flat_map(|line| line.split(|c: char| !c.is_alphanumeric())).any(|heading| heading.eq_ignore_ascii_case(word))
    }
}

/// The whole manual in Markdown, one chapter after the other.
///
/// # Errors
/// As [`Chapter::text`].
pub fn whole() -> Result<String> {
    let texts = CHAPTERS.iter().map(Chapter::text).collect::<Result<Vec<_>>>()?;
    Ok(texts.join("\n"))
}

/// The chapter of a name.
///
/// # Errors
/// Not found, with the chapters that may be meant.
pub fn find(name: &str) -> Result<&'static Chapter> {
    let name = name.trim_end_matches(".md").to_lowercase();
    CHAPTERS.iter().find(|chapter| chapter.name == name).ok_or_else(|| {
        let meant: Vec<&str> = CHAPTERS.iter().filter(|chapter| may_mean(chapter, &name)).map(|chapter| chapter.name).collect();
        let hint =
            if meant.is_empty() { "`ier manual` lists them".to_owned() } else { format!("perhaps {}", meant.join(" or ")) };
        Error::not_found(phrase!("the manual has no chapter {name:?}; {hint}"))
    })
}

/// A word has a chapter's name in it, or begins as one, or stands in one of its headings, in the singular or the plural.
fn may_mean(chapter: &Chapter, word: &str) -> bool {
    let alike = word.chars().zip(chapter.name.chars()).take_while(|(one, other)| one == other).count();
    let singular = word.trim_end_matches('s');
    word.contains(chapter.name)
        || (word.len() > 2 && chapter.name.contains(word))
        || alike >= 4
        || [word, singular, &format!("{singular}s")].iter().any(|word| chapter.is_about(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_found_by_its_name_or_that_of_its_file() {
        assert_eq!(find("loading").unwrap().title(), "Loading");
        assert_eq!(find("Loading.md").unwrap().name, "loading");
    }

    #[test]
    fn a_mistyped_chapter_or_its_subject_leads_to_the_right_name() {
        for (word, meant) in
            [("loadin", "loading"), ("hold", "retention"), ("chart", "output"), ("exit", "exit-codes"), ("eras", "erasing")]
        {
            let error = find(word).unwrap_err();
            assert!(error.kind() == crate::error::Kind::NotFound && error.to_string().contains(meant), "{error}");
        }
        assert!(find("zebra").unwrap_err().to_string().contains("`ier manual` lists them"));
    }

    #[test]
    fn every_chapter_can_be_printed() {
        for chapter in CHAPTERS {
            let text = chapter.text().unwrap();
            assert!(text.starts_with("# ") && !text.contains("<!--"), "{}", chapter.name);
            assert!(chapter.reader.starts_with("For ") && chapter.reader.ends_with('.'), "{}", chapter.name);
        }
    }
}

//! README and manual say what the program does: every console block is run, every link followed, every name looked for.
//!
//! A block ` ```console ` runs in a folder of its own with `data/` in it, on a warehouse of `data/` whose records before September 2026
//! are archived. ` ```console demo ` runs beside a demo; its records end today, so figures, ids and months are compared by their shape.
//! ` ```console empty ` has `data/`, and no warehouse yet. A line `…` stands for any lines, `…` in a line for any text. How long
//! something took, and how many bytes, is not compared. `IER_BLESS=1 cargo test manual` writes what is printed into the texts.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use clap::CommandFactory;
use datafusion::prelude::SessionContext;
use ier::cli::args::Args;
use ier::manual::{CHAPTERS, Chapter, whole};
use ier::query::functions::OURS;
use ier::settings::Settings;
use tempfile::TempDir;

use crate::cli::without_measures;
use crate::fixture::{Fixture, data};

/// No reader comes to the end of a longer one.
const README_LINES: usize = 180;

/// A chapter is one sitting.
const CHAPTER_LINES: usize = 300;

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, chapters, and the figures: whatever a reader is led to.
fn texts() -> Vec<PathBuf> {
    let chapter = |chapter: &Chapter| crate_folder().join(format!("src/manual/{}.md", chapter.name));
    let others = ["README.md", "benches/README.md"].iter().map(|name| crate_folder().join(name));
    others.chain(CHAPTERS.iter().map(chapter)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.strip_prefix(crate_folder()).unwrap().display().to_string()
}

/// On what a block runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ground {
    Data,
    Demo,
    Empty,
}

impl Ground {
    fn of(fence: &str) -> Option<Self> {
        match fence.trim_start_matches('`').trim() {
            "console" => Some(Self::Data),
            "console demo" => Some(Self::Demo),
            "console empty" => Some(Self::Empty),
            _ => None,
        }
    }

    /// A folder with what the block expects, and the warehouse's name in it.
    fn laid(self) -> (TempDir, &'static str) {
        let room = TempDir::new().unwrap();
        copy(&data(), &room.path().join("data"));
        match self {
            Self::Data => copy(&made().path().join("warehouse"), &room.path().join("warehouse")),
            Self::Demo => copy(&made().path().join("ier-demo"), &room.path().join("ier-demo")),
            Self::Empty => {}
        }
        (room, if self == Self::Demo { "ier-demo/warehouse" } else { "warehouse" })
    }

    /// A line without what differs between one run and the next.
    fn lasting(self, line: &str) -> String {
        let line = without_measures(line.trim_end());
        let line = line.trim_end();
        if self == Self::Demo { shape(line) } else { line.to_owned() }
    }
}

/// The warehouse of `data/` and the demo, made once for all blocks.
fn made() -> &'static TempDir {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let room = TempDir::new().unwrap();
        copy(&data(), &room.path().join("data"));
        for command in ["ier load data --rejects /dev/null", "ier archive --until 2026-09-01", "ier demo"] {
            let (code, text) = shell(command, room.path(), "warehouse");
            assert_eq!(code, Some(0), "{command}: {text}");
        }
        room
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, there) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &there),
            false => assert!(fs::copy(&path, &there).is_ok()),
        }
    }
}

/// Runs a line as a person at a shell would who has nothing set but the warehouse; both outputs as they come.
fn shell(line: &str, room: &Path, warehouse: &str) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_ier")).parent().unwrap().display().to_string();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{line}")]).current_dir(room).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{program}:/usr/bin:/bin")).env("HOME", room).env("USER", "ann").env("COLUMNS", "100");
    command.env("IER_WAREHOUSE", room.join(warehouse));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Figures, ids and months by their shape, gaps and rules by one sign.
fn shape(line: &str) -> String {
    const MONTHS: &str = "January February March April May June July August September October November December";
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| {
            let is_id = |text: &str| text.len() >= 15 && text.starts_with("00") && text.chars().all(char::is_alphanumeric);
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            match bare {
                _ if word.chars().all(|c| "-+".contains(c)) => "-".to_owned(),
                id if is_id(id) => word.replace(id, "ID"),
                month if MONTHS.split(' ').any(|known| known == month) => word.replace(month, "MONTH"),
                _ => figures(word),
            }
        })
        .collect();
    words.join(" ")
}

/// Each number in a word becomes `0`.
fn figures(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        match c {
            '0'..='9' if !out.ends_with('0') => out.push('0'),
            '0'..='9' => {}
            '.' | ',' if out.ends_with('0') => {}
            other => out.push(other),
        }
    }
    out
}

/// One command of a block, with the lines that it is said to print.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The commands of a block: one begins with `$`, and goes on as long as a quote is open.
fn steps(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        let open = steps.last().is_some_and(|step| step.printed.is_empty() && step.command.matches('"').count() % 2 == 1);
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(step)) if open => step.command.push_str(&format!("\n{line}")),
            (Some(command), _) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            (None, Some(step)) => step.printed.push((*line).to_owned()),
            (None, None) => panic!("a console block begins with a command: {line}"),
        }
    }
    steps
}

/// Does a line match one in which `…` stands for any text?
fn line_matches(said: &str, line: &str) -> bool {
    let Some((first, rest)) = said.split_once('…') else { return said == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('…').collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return left.ends_with(part.trim_end()) || left.trim_end().ends_with(part);
        }
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    true
}

/// Do lines match, where a line `…` stands for any lines?
fn lines_match(said: &[String], lines: &[String]) -> bool {
    match said.split_first() {
        None => lines.is_empty(),
        Some((cut, rest)) if cut.trim() == "…" => (0..=lines.len()).any(|at| lines_match(rest, &lines[at..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, behind)| line_matches(first, line) && lines_match(rest, behind))
        }
    }
}

/// What is printed, with the cuts the text has: as many lines before the first and behind the last, and lines with cuts that still fit.
fn blessed(said: &[String], printed: &[String], lasting: impl Fn(&str) -> String) -> Vec<String> {
    let cut = |line: &String| line.trim() == "…";
    let kept = |line: &String| {
        let fits = |said: &&String| said.contains('…') && !cut(said) && line_matches(&lasting(said), &lasting(line));
        said.iter().find(fits).unwrap_or(line).clone()
    };
    let lines: Vec<String> = printed.iter().map(kept).collect();
    let (Some(first), Some(last)) = (said.iter().position(cut), said.iter().rposition(cut)) else { return lines };
    let behind = said.len() - last - 1;
    if lines.len() <= first + behind {
        return lines;
    }
    [&lines[..first], &["…".to_owned()], &lines[lines.len() - behind..]].concat()
}

/// Runs the blocks of a text; its lines with what was printed in place of what stands there, and what differs.
fn run(path: &Path) -> (Vec<String>, Vec<String>) {
    let text = read(path);
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut wrong, mut at) = (Vec::new(), Vec::new(), 0);
    while at < lines.len() {
        out.push(lines[at].to_owned());
        let ground = if lines[at].starts_with("```") { Ground::of(lines[at]) } else { None };
        at += 1;
        let Some(ground) = ground else { continue };
        let end = at + lines[at..].iter().position(|line| line.starts_with("```")).expect("a block ends");
        let (room, warehouse) = ground.laid();
        for step in steps(&lines[at..end]) {
            let (_, text) = shell(&step.command, room.path(), warehouse);
            let text = text.replace(&format!("{}/", room.path().display()), "");
            let printed: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
            let lasting = |lines: &[String]| lines.iter().map(|line| ground.lasting(line)).collect::<Vec<_>>();
            out.extend(format!("$ {}", step.command).lines().map(str::to_owned));
            if lines_match(&lasting(&step.printed), &lasting(&printed)) {
                out.extend(step.printed);
            } else {
                wrong.push(format!("{}, line {}: $ {}\n{text}", name(path), at, step.command));
                out.extend(blessed(&step.printed, &printed, |line| ground.lasting(line)));
            }
        }
        at = end;
    }
    (out, wrong)
}

#[test]
fn every_console_block_prints_what_stands_there() {
    let bless = std::env::var_os("IER_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in texts() {
        let (lines, differs) = run(&path);
        if bless && !differs.is_empty() {
            fs::write(&path, lines.join("\n") + "\n").unwrap();
        }
        wrong.extend(differs);
    }
    assert!(bless || wrong.is_empty(), "not what stands there; IER_BLESS=1 rewrites it:\n{}", wrong.join("\n"));
}

#[test]
fn cuts_stand_for_any_lines_and_any_text() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (said, printed, matches) in [
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…", "a", true),
        ("a …\n", "a b c", true),
        ("a … c", "a b b c", true),
        ("a … c", "a b d", false),
        ("a", "a\nb", false),
    ] {
        assert_eq!(lines_match(&lines(said), &lines(printed)), matches, "{said:?} and {printed:?}");
    }
    assert_eq!(shape("2026-11-05 Giving Day 5 November | 003f40000010WJsAAM | 1,714"), "0-0-0 Giving Day 0 MONTH | ID | 0");
}

#[test]
fn the_program_prints_its_manual() {
    let room = TempDir::new().unwrap();
    let ier = |words: &str| shell(&format!("ier {words}"), room.path(), "warehouse");
    let (_, list) = ier("manual");
    assert!(
        CHAPTERS.iter().all(|chapter| list.contains(&format!("{} ", chapter.name)) && list.contains(chapter.reader)),
        "{list}"
    );
    assert_eq!(ier("manual loading").1, CHAPTERS.iter().find(|chapter| chapter.name == "loading").unwrap().text().unwrap());
    assert!(ier("manual --all").1.contains("# Exit codes"));
    let (code, refused) = ier("manual holds");
    assert!(code == Some(3) && refused.contains("perhaps retention"), "{refused}");
    let (_, json) = ier("manual --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["chapters"].as_array().map(Vec::len), Some(CHAPTERS.len()));
    assert!(!room.path().join("warehouse").exists(), "reading makes no warehouse");
}

#[test]
fn every_command_has_a_man_page() {
    let room = TempDir::new().unwrap();
    let (code, reported) = shell("ier manual --man man1", room.path(), "warehouse");
    assert_eq!(code, Some(0), "{reported}");
    let (mut verbs, mut flags) = (vec!["ier".to_owned()], BTreeSet::new());
    words(&Args::command(), "ier", &mut verbs, &mut flags);
    for verb in verbs {
        let page = read(&room.path().join(format!("man1/{}.1", verb.replace(' ', "-"))));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{verb}");
        let wanted = flags.iter().filter(|(_, of)| *of == verb).map(|(flag, _)| flag.replace('-', "\\-"));
        wanted.for_each(|flag| assert!(page.contains(&flag), "the page of {verb} has no {flag}"));
    }
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// The lines of a text that stand in no block of code.
fn prose(text: &str) -> Vec<&str> {
    let mut code = false;
    text.lines()
        .filter(|line| {
            code ^= line.starts_with("```");
            !code && !line.starts_with("```")
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for path in texts() {
        let text = read(&path);
        for line in prose(&text) {
            for behind in line.split("](").skip(1) {
                let Some((target, _)) = behind.split_once(')') else { continue };
                if target.starts_with("http") {
                    continue;
                }
                let (file, heading) = target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
                let there = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
                let found = there.exists()
                    && heading.is_none_or(|heading| {
                        prose(&read(&there))
                            .iter()
                            .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading)
                    });
                if !found {
                    wrong.push(format!("{}: {target}", name(&path)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_is_short_and_chapters_are_one_sitting() {
    for path in texts() {
        let (lines, most) = (read(&path).lines().count(), if path.ends_with("README.md") { README_LINES } else { CHAPTER_LINES });
        assert!(lines <= most, "{} has {lines} lines; at most {most}", name(&path));
    }
}

/// All verbs with their words, and all flags with the verb that takes each.
fn words(command: &clap::Command, verb: &str, verbs: &mut Vec<String>, flags: &mut BTreeSet<(String, String)>) {
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let long = argument.get_long().filter(|long| !["help", "version"].contains(long));
        flags.extend(long.map(|long| (format!("--{long}"), verb.to_owned())));
    }
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        let verb = format!("{verb} {}", inner.get_name());
        verbs.push(verb.clone());
        words(inner, &verb, verbs, flags);
    }
}

/// Does a name stand there as a word of its own?
fn is_named(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "_-".contains(c);
    text.match_indices(name).any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}

#[test]
fn every_verb_flag_setting_and_variable_is_named_in_a_chapter() {
    let manual = whole().unwrap();
    let (mut verbs, mut flags) = (Vec::new(), BTreeSet::new());
    words(&Args::command(), "ier", &mut verbs, &mut flags);
    let mut missing: Vec<String> = verbs.into_iter().filter(|verb| !is_named(&manual, verb)).collect();
    missing.extend(flags.into_iter().filter(|(flag, _)| !is_named(&manual, flag)).map(|(flag, verb)| format!("{verb} {flag}")));
    let mut section = "";
    for line in Settings::template().lines() {
        let line = line.trim_start_matches("# ");
        section = line.strip_prefix('[').map_or(section, |line| line.trim_matches(['[', ']']));
        let key = line.split_once(" = ").map(|(key, _)| key).filter(|key| key.chars().all(|c| c.is_lowercase() || c == '_'));
        missing.extend(key.filter(|key| !is_named(&manual, key)).map(|key| format!("{section}.{key}")));
    }
    let sources = [read(&crate_folder().join("src/settings/mod.rs")), sources_of_tests()].concat();
    let variable = |word: &&str| word.starts_with("IER_") && word.len() > 6 && word.chars().all(|c| c.is_uppercase() || c == '_');
    let variables: BTreeSet<&str> = sources.split(|c: char| !c.is_alphanumeric() && c != '_').filter(variable).collect();
    let of_settings = |name: &str| {
        let key = name.trim_start_matches("IER_").to_lowercase();
        key.split_once('_').is_some_and(|(_, key)| is_named(Settings::template(), key))
    };
    missing.extend(variables.into_iter().filter(|name| !of_settings(name) && !is_named(&manual, name)).map(str::to_owned));
    assert!(missing.is_empty(), "no chapter names:\n{}", missing.join("\n"));
}

/// The texts of the tests that read variables.
fn sources_of_tests() -> String {
    ["faults/mod.rs", "random_sql/mod.rs", "manual.rs"]
        .iter()
        .map(|file| read(&crate_folder().join("tests/it").join(file)))
        .collect()
}

#[tokio::test]
async fn every_function_of_ours_is_in_the_catalog() {
    let ours = Fixture::empty().await.ask("SELECT DISTINCT routine_name FROM information_schema.routines").await;
    let plain: BTreeSet<String> = SessionContext::new().state().scalar_functions().keys().cloned().collect();
    let listed: BTreeSet<&str> = OURS.iter().filter_map(|(call, _)| call.split('(').next()).collect();
    let known = |name: &String| plain.contains(name) || listed.contains(name.as_str());
    let missing: Vec<String> = ours.into_iter().filter(|name| !known(name) && !is_of_the_engine(name)).collect();
    assert!(missing.is_empty(), "src/query/functions/reference.rs lacks {missing:?}");
}

/// Aggregates and windows are all the engine's own.
fn is_of_the_engine(name: &str) -> bool {
    let state = SessionContext::new().state();
    state.aggregate_functions().contains_key(name) || state.window_functions().contains_key(name)
}

//! Formats a chapter for a terminal: headings and code stand out, paragraphs and tables fit its width, links become their texts.
//!
//! It knows the Markdown that the manual uses, not all of Markdown: headings, paragraphs, lists, tables, blocks of code, and within
//! a line code, bold text and links.

use std::iter::Peekable;
use std::str::Lines;

const BOLD: &str = "\u{1b}[1m";
const FAINT: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// Paragraphs wider than this are hard to read, however wide the terminal is.
const WIDEST: usize = 100;

/// A text for a terminal of this many columns.
pub fn rendered(markdown: &str, columns: usize) -> String {
    let width = columns.clamp(20, WIDEST);
    let mut out = String::with_capacity(markdown.len());
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                out.push_str(&format!("    {FAINT}{code}{PLAIN}\n"));
            }
        } else if line.starts_with('#') {
            out.push_str(&format!("{BOLD}{}{PLAIN}\n", inline(line.trim_start_matches('#').trim())));
        } else if line.starts_with('|') {
            row(&mut out, line, width);
        } else if line.is_empty() {
            out.push('\n');
        } else {
            wrap(&mut out, &inline(&paragraph(line, &mut lines)), (first_indent(line), indent(line)), width);
        }
    }
    out
}

/// A paragraph or an item of a list as one line.
fn paragraph(first: &str, lines: &mut Peekable<Lines<'_>>) -> String {
    let mut text = first.trim().to_owned();
    let goes_on = |line: &&str| {
        let begins = line.trim_start();
        !begins.is_empty() && !begins.starts_with(['#', '|', '`']) && !is_item(begins)
            || begins.starts_with('`') && !begins.starts_with("```")
    };
    while let Some(line) = lines.next_if(goes_on) {
        text.push(' ');
        text.push_str(line.trim());
    }
    text
}

fn is_item(line: &str) -> bool {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ") || (digits.len() < line.len() && digits.starts_with(". "))
}

fn first_indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Further lines of an item stand below its text.
fn indent(line: &str) -> usize {
    let text = line.trim_start();
    first_indent(line) + if is_item(text) { text.find(' ').map_or(0, |space| space + 1) } else { 0 }
}

/// The first cell of a row, and the others indented below it; lines between head and body are left out.
fn row(out: &mut String, line: &str, width: usize) {
    if line.chars().all(|c| "|-: ".contains(c)) {
        return;
    }
    let line = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{0}");
    let mut cells = line.split('|').map(|cell| inline(cell.trim().replace('\u{0}', "|").as_str()));
    wrap(out, &cells.next().unwrap_or_default(), (2, 4), width);
    cells.filter(|cell| !cell.is_empty()).for_each(|cell| wrap(out, &cell, (6, 6), width));
}

/// Links become their texts, and bold text bold; code keeps its marks, which tell it from words.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut bold = false;
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out.push_str(&format!("`{part}`"));
            continue;
        }
        let mut rest = part;
        while let Some((before, behind)) = rest.split_once("](") {
            let Some((_, after)) = behind.split_once(')') else { break };
            out.push_str(&before.replace("![", "").replace('[', ""));
            rest = after;
        }
        out.push_str(&rest.replace('[', ""));
    }
    let mut shown = String::with_capacity(out.len());
    for (at, part) in out.split("**").enumerate() {
        if at > 0 {
            bold = !bold;
            shown.push_str(if bold { BOLD } else { PLAIN });
        }
        shown.push_str(part);
    }
    shown
}

/// A text in lines of at most this width, the first and the further ones indented.
fn wrap(out: &mut String, text: &str, (first, further): (usize, usize), width: usize) {
    let mut taken = first;
    out.push_str(&" ".repeat(first));
    for (at, word) in text.split_whitespace().enumerate() {
        let long = word.replace(BOLD, "").replace(PLAIN, "").chars().count();
        if at > 0 && taken + 1 + long > width {
            out.push('\n');
            out.push_str(&" ".repeat(further));
            taken = further;
        } else if at > 0 {
            out.push(' ');
            taken += 1;
        }
        out.push_str(word);
        taken += long;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markdown: &str, columns: usize) -> String {
        rendered(markdown, columns).replace(BOLD, "").replace(FAINT, "").replace(PLAIN, "")
    }

    #[test]
    fn paragraphs_and_items_fit_the_terminal() {
        assert_eq!(plain("one two three\nfour five six seven", 20), "one two three four\nfive six seven\n");
        assert_eq!(plain("- one two three four five\n- six", 20), "- one two three four\n  five\n- six\n");
        assert_eq!(plain("1. one two three four five", 20), "1. one two three\n   four five\n");
    }

    #[test]
    fn headings_stand_out_and_links_are_their_texts() {
        assert_eq!(rendered("# The `ier` [log](log.md#end)", 80), format!("{BOLD}The `ier` log{PLAIN}\n"));
        assert_eq!(rendered("say **no** to `a[1](b)`", 80), format!("say {BOLD}no{PLAIN} to `a[1](b)`\n"));
        assert_eq!(plain("see [`job_run`](x.md), ![all](a.svg)", 80), "see `job_run`, all\n");
    }

    #[test]
    fn code_is_left_as_it_is_and_tables_become_lists() {
        assert_eq!(
            plain("```sh\n# no heading, and as long as it is in the file\n```", 20),
            "    # no heading, and as long as it is in the file\n"
        );
        assert_eq!(plain("| a | b |\n|---|---|\n| c \\| d | e |", 40), "  a\n      b\n  c | d\n      e\n");
    }
}

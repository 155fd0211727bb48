//! Escapes texts for HTML and SVG.

use crate::human::shown;

/// `text` as it may stand anywhere in HTML, XML and SVG, quoted attributes included: nothing in it is markup, and control
/// characters, which XML refuses, are replaced, as is what would turn a line's direction round.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(character),
            '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(shown(other)),
        }
    }
    out
}

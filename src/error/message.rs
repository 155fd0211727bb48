//! An error's message in parts: words that stand in our source, and values that came from anywhere.
//!
//! The user at the screen sees all parts. A ledger, which is kept for long and seen by many, must not repeat what stood in a file:
//! it takes the words, and of the values only those known to be harmless.
//!
//! **Invariant**: only a literal of the source counts as words, and what the operating system says. A text that was formatted at run time counts as one value, unless
//! [`phrase!`](crate::error) formatted it. So a mistake in the use of messages shows too little, never too much.

use std::borrow::Cow;
use std::fmt;
use std::path;

/// A part of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// Words of our own, written in the source.
    Words(Cow<'static, str>),
    /// Whatever they are about: a path, a number, a cell of a file, another library's words.
    Value(String),
}

impl Part {
    fn text(&self) -> &str {
        match self {
            Self::Words(words) => words,
            Self::Value(value) => value,
        }
    }
}

/// What an error says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    parts: Vec<Part>,
}

/// Puts a [`Message`](crate::error::Message) together as `format!` does a text, and keeps words and values apart.
macro_rules! phrase {
    ($words:literal $($values:tt)*) => { $crate::error::message::Message::of($words, format!($words $($values)*)) };
}

impl Message {
    /// A text that was formatted by a template. What stands between two values is looked for in the text, and the first place taken: a
    /// value that holds such words may be cut short, and the rest is a value all the same.
    pub fn of(template: &'static str, text: String) -> Self {
        Self { parts: apart(&words(template), &text).unwrap_or_else(|| vec![Part::Value(text)]) }
    }

    /// Words that are known to be nobody's data though they stand in no source of ours: the system's.
    pub(super) fn words(words: impl Into<Cow<'static, str>>) -> Self {
        Self { parts: vec![Part::Words(words.into())] }
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// This, and the other behind it.
    fn with(mut self, other: impl IntoIterator<Item = Part>) -> Self {
        self.parts.extend(other);
        self
    }

    /// `what`, and then this. What `what` ends with is not named again: `cannot read a.csv: a.csv is damaged` says nothing that
    /// `cannot read a.csv: it is damaged` does not.
    pub(super) fn after(mut self, what: Self) -> Self {
        let doing = what.to_string();
        let named = match what.parts.last() {
            Some(Part::Value(value)) if what.parts.len() > 1 => value.as_str(),
            // A text of one piece: its last word, or all of it.
            _ if self.parts.first().is_some_and(|part| part.text().starts_with(&doing)) => doing.as_str(),
            _ => doing.rsplit(' ').next().unwrap_or_default(),
        };
        if named.contains(['/', '.']) {
            self.spare(named.trim_start_matches('/'));
        }
        what.with([Part::Words(": ".into())]).with(self.parts)
    }

    /// Says `it` for a name at the beginning, or nothing where the name stands alone.
    fn spare(&mut self, name: &str) {
        let Some(first) = self.parts.first() else { return };
        let Some(rest) = first.text().trim_start_matches('/').strip_prefix(name) else { return };
        let more = self.parts.get(1).map_or("", Part::text);
        let behind = if rest.is_empty() { more } else { rest };
        let (it, gone) = match behind {
            behind if behind.starts_with(": ") => ("", 2),
            behind if behind.starts_with(' ') => ("it", 0),
            _ => return,
        };
        let cut = |part: &Part| match part {
            Part::Words(words) => Part::Words(words[gone..].to_owned().into()),
            Part::Value(value) => Part::Value(value[gone..].to_owned()),
        };
        let it = Part::Words(it.into());
        match rest.is_empty() {
            true => {
                let next = cut(&self.parts[1]);
                self.parts.splice(..2, [it, next]);
            }
            false => {
                let rest = Part::Value(rest[gone..].to_owned());
                self.parts.splice(..1, [it, rest]);
            }
        }
    }

    /// The same, each value as `shown` tells it.
    pub(super) fn with_values(mut self, shown: impl Fn(&str) -> String) -> Self {
        for part in &mut self.parts {
            if let Part::Value(value) = part {
                *value = shown(value);
            }
        }
        self
    }

    /// This, and what else there is to say.
    pub(super) fn also(self, what: Self) -> Self {
        self.with([Part::Words("; ".into())]).with(what.parts)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| f.write_str(part.text()))
    }
}

impl From<&'static str> for Message {
    fn from(words: &'static str) -> Self {
        Self::words(words)
    }
}

impl From<String> for Message {
    fn from(value: String) -> Self {
        Self { parts: vec![Part::Value(value)] }
    }
}

impl From<&String> for Message {
    fn from(value: &String) -> Self {
        value.clone().into()
    }
}

impl From<path::Display<'_>> for Message {
    fn from(path: path::Display<'_>) -> Self {
        path.to_string().into()
    }
}

/// The words of a template: before, between and behind its values.
fn words(template: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = template.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '{' | '}' if rest.peek() == Some(&character) => drop(rest.next()),
            '{' => {
                rest.by_ref().find(|character| *character == '}');
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = words.last_mut() {
            last.push(character);
        }
    }
    words
}

/// The text as words and the values between them; none where it is not made of these words.
fn apart(words: &[String], text: &str) -> Option<Vec<Part>> {
    let (first, others) = words.split_first()?;
    let mut rest = text.strip_prefix(first.as_str())?;
    let mut parts = vec![Part::Words(first.clone().into())];
    for (at, next) in others.iter().enumerate() {
        let end = match at + 1 == others.len() {
            true => rest.len().checked_sub(next.len()).filter(|_| rest.ends_with(next.as_str()))?,
            false => rest.find(next.as_str())?,
        };
        parts.push(Part::Value(rest[..end].to_owned()));
        parts.push(Part::Words(next.clone().into()));
        rest = &rest[end + next.len()..];
    }
    parts.retain(|part| !part.text().is_empty());
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(message: &Message) -> Vec<(&str, bool)> {
        message.parts().iter().map(|part| (part.text(), matches!(part, Part::Value(_)))).collect()
    }

    #[test]
    fn words_and_values_are_kept_apart() {
        let (line, name) = (3, "Quillfeather");
        let shown = phrase!("{name}, line {line}: {{no}} {:?} in {0}", name);
        assert_eq!(shown.to_string(), "Quillfeather, line 3: {no} \"Quillfeather\" in Quillfeather");
        let expected = [
            ("Quillfeather", true),
            (", line ", false),
            ("3", true),
            (": {no} ", false),
            ("\"Quillfeather\"", true),
            (" in ", false),
            ("Quillfeather", true),
        ];
        assert_eq!(shape(&shown), expected);
        assert_eq!(shape(&phrase!("all is well")), [("all is well", false)]);
        assert_eq!(shape(&Message::from(format!("{name} is held"))), [("Quillfeather is held", true)]);
        assert_eq!(shape(&Message::from("nobody is held")), [("nobody is held", false)]);
    }

    #[test]
    fn a_value_that_holds_our_words_stays_a_value() {
        let value = "a: b; and c";
        let shown = phrase!("x {value}: y {value}; and z");
        assert_eq!(shown.to_string(), "x a: b; and c: y a: b; and c; and z");
        for part in shown.parts() {
            assert!(matches!(part, Part::Value(_)) || ["x ", ": y ", "; and z"].contains(&part.text()), "{shown:?}");
        }
    }

    #[test]
    fn the_same_name_is_not_repeated() {
        let path = "hot/ier/part-0.parquet";
        let of_text = |text: &str| Message::from(text.to_owned());
        for (doing, what, shown) in [
            (phrase!("cannot read {path}"), phrase!("{path} is damaged"), "cannot read hot/ier/part-0.parquet: it is damaged"),
            (of_text("cannot read a.csv"), of_text("/a.csv is damaged"), "cannot read a.csv: it is damaged"),
            (of_text("a.csv"), of_text("a.csv: no such file"), "a.csv: no such file"),
            (of_text("my files/a.csv"), of_text("my files/a.csv is a folder"), "my files/a.csv: it is a folder"),
            (phrase!("cannot read {path}"), phrase!("{path}: cut off"), "cannot read hot/ier/part-0.parquet: cut off"),
            (of_text("reading a.csv"), of_text("a.csvs are many"), "reading a.csv: a.csvs are many"),
            (of_text("cannot load ier"), of_text("ier is full"), "cannot load ier: ier is full"),
            (Message::from("no"), Message::default(), "no: "),
        ] {
            assert_eq!(what.after(doing).to_string(), shown);
        }
    }
}

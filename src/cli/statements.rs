//! Splits a text into SQL statements at each `;`.
//!
//! It understands only what can hide a `;`: quotes, comments and dollar quotes. The engine decides whether a statement is valid.

/// The statements that are complete (ended by a `;` outside quotes and comments), without it, and what follows the last.
/// Statements that are blank or only comments are left out.
pub fn split(text: &str) -> (Vec<&str>, &str) {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut meaningful = false;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, blank) = if rest.starts_with("--") {
            (rest.find('\n').map_or(rest.len(), |end| end + 1), true)
        } else if rest.starts_with("/*") {
            (comment(rest), true)
        } else if character == '\'' || character == '"' || character == '`' {
            (1 + rest[1..].find(character).map_or(rest.len() - 1, |end| end + 1), false)
        } else if let Some(tag) = dollar_tag(rest) {
            (tag.len() + rest[tag.len()..].find(tag).map_or(rest.len() - tag.len(), |end| end + tag.len()), false)
        } else if character == ';' {
            if meaningful {
                statements.push(text[start..at].trim());
            }
            (start, meaningful) = (at + 1, false);
            (1, true)
        } else {
            (character.len_utf8(), character.is_whitespace())
        };
        meaningful |= !blank;
        at += length;
    }
    (statements, &text[start..])
}

/// Does what follows the last statement end within quotes or a comment, where a `;` or a backslash is a character like any other?
pub fn is_open(rest: &str) -> bool {
    // Only what is not open ends with a semicolon that is put behind it.
    !split(&format!("{rest}x;")).1.is_empty()
}

/// All statements of a text; the last need not end in a `;`.
pub fn all(text: &str) -> Vec<&str> {
    let (mut statements, rest) = split(text);
    if !is_blank(rest) {
        statements.push(rest.trim());
    }
    statements
}

/// Nothing but white space and comments?
pub fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = match rest {
            rest if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            rest if rest.starts_with("/*") => comment(rest),
            _ => return false,
        };
        rest = rest[length..].trim_start();
    }
    true
}

/// The length of the comment `text` begins with; comments nest. An unended one goes to the end.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// `$$` or `$tag$`, when `text` begins with it. `$1` is a parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?;
    let end = inside.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
    let is_tag = inside[end..].starts_with('$') && !inside.starts_with(|character: char| character.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement_unless_it_is_hidden() {
        for (text, statements, rest) in [
            ("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"][..], ""),
            ("SELECT ';' ; x", &["SELECT ';'"], " x"),
            ("SELECT 'it''s;' ;", &["SELECT 'it''s;'"], ""),
            ("SELECT \"a;b\", `c;d`;", &["SELECT \"a;b\", `c;d`"], ""),
            ("-- one; two\nSELECT 1;", &["-- one; two\nSELECT 1"], ""),
            ("SELECT /* a; /* b; */ c; */ 1;", &["SELECT /* a; /* b; */ c; */ 1"], ""),
            ("SELECT $$a;b$$, $t$;$$;$t$;", &["SELECT $$a;b$$, $t$;$$;$t$"], ""),
            ("SELECT $1; SELECT $2;", &["SELECT $1", "SELECT $2"], ""),
            (";; -- nothing\n;", &[], ""),
            ("SELECT 'open; ", &[], "SELECT 'open; "),
            ("SELECT 'é日本;'; y", &["SELECT 'é日本;'"], " y"),
            ("/* open; ", &[], "/* open; "),
        ] {
            assert_eq!(split(text), (statements.to_vec(), rest), "{text}");
        }
    }

    #[test]
    fn a_quote_or_a_comment_stays_open_until_it_is_closed() {
        for (text, open) in [
            ("", false),
            ("SELECT 1", false),
            ("SELECT 'a", true),
            ("/* block", true),
            ("/* a */", false),
            ("-- a\n", false),
            ("$$", true),
        ] {
            assert_eq!(is_open(text), open, "{text}");
        }
    }

    #[test]
    fn the_last_of_a_file_needs_no_semicolon() {
        assert_eq!(all("SELECT 1;\n\nSELECT 2\n"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(all("SELECT 1; -- done\n/* really */"), ["SELECT 1"]);
        assert!(all(" \n").is_empty());
    }
}

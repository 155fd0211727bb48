//! Splits a message into statements, by the tokens of the grammar, so that a `;` in quotes or comments separates nothing.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::failure::Failure;

/// A statement: its words, and the text they stand in, with the comments before it.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Without blanks and comments.
    pub(super) tokens: Vec<TokenWithSpan>,
}

/// The statements of a message; those in which nothing stands are left out.
///
/// # Errors
/// 42601 for a text of which no words can be made, such as a quote that is never closed.
pub(super) fn split(text: &str) -> Result<Vec<Piece<'_>>, Failure> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| Failure::new("42601", error.to_string()))?;
    let mut places = Places { text, line: 1, column: 1, at: 0 };
    let (mut pieces, mut gathered, mut begun) = (Vec::new(), Vec::new(), 0);
    for token in tokens {
        match token.token {
            Token::SemiColon => {
                let end = places.offset(token.span.start.line, token.span.start.column);
                pieces.push(Piece { text: &text[begun..end], tokens: std::mem::take(&mut gathered) });
                begun = (end + 1).min(text.len());
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => gathered.push(token),
        }
    }
    pieces.push(Piece { text: &text[begun..], tokens: gathered });
    pieces.retain(|piece| !piece.tokens.is_empty());
    Ok(pieces)
}

/// Finds lines and columns in a text, from its beginning to its end.
struct Places<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    at: usize,
}

impl Places<'_> {
    fn offset(&mut self, line: u64, column: u64) -> usize {
        for char in self.text[self.at..].chars() {
            if (self.line, self.column) >= (line, column) {
                break;
            }
            self.at += char.len_utf8();
            (self.line, self.column) = if char == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.at
    }
}

impl Piece<'_> {
    /// How many parameters `$1`, `$2` … there are: the highest number.
    pub(super) fn parameters(&self) -> usize {
        let numbers = self.tokens.iter().filter_map(|token| match &token.token {
            Token::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
            _ => None,
        });
        numbers.max().unwrap_or_default()
    }

    /// The words from the beginning, to be read one by one.
    pub(super) fn words(&self) -> Words<'_> {
        Words { tokens: &self.tokens, at: 0 }
    }
}

/// Reads words one by one.
#[derive(Clone)]
pub(super) struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    pub(super) fn next(&mut self) -> Option<&'a Token> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    /// Takes a word of the grammar, if it comes next.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Word(next)) if is(next, word));
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes one of some words, if one comes next.
    pub(super) fn takes_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.takes(word))
    }

    /// Takes several words in a row, or none.
    pub(super) fn takes_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.clone();
        let all = words.iter().all(|word| ahead.takes(word));
        if all {
            *self = ahead;
        }
        all
    }

    /// Takes a sign, if it comes next.
    pub(super) fn takes_sign(&mut self, sign: &Token) -> bool {
        let is_next = self.peek() == Some(sign);
        self.at += usize::from(is_next);
        is_next
    }

    /// A name: as it stands in quotes, else in small letters.
    pub(super) fn name(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::Word(word)) => {
                Ok(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() })
            }
            other => Err(at(other)),
        }
    }

    /// A text in quotes, or a bare word or number, as it stands.
    pub(super) fn value(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::NationalStringLiteral(text)) => {
                Ok(text.clone())
            }
            Some(Token::DollarQuotedString(text)) => Ok(text.value.clone()),
            Some(Token::Word(word)) => Ok(word.value.clone()),
            Some(Token::Number(number, _)) => Ok(number.clone()),
            Some(Token::Minus) => Ok(format!("-{}", self.value()?)),
            Some(Token::Plus) => self.value(),
            other => Err(at(other)),
        }
    }

    /// That nothing more comes.
    pub(super) fn ends(&self) -> Result<(), Failure> {
        self.peek().map_or(Ok(()), |more| Err(at(Some(more))))
    }

    /// What is left.
    pub(super) fn rest(&self) -> Vec<TokenWithSpan> {
        self.tokens[self.at..].to_vec()
    }

    /// What stands in the parentheses that come next, if they do; they may hold others.
    pub(super) fn in_parentheses(&mut self) -> Result<Option<Vec<TokenWithSpan>>, Failure> {
        if !self.takes_sign(&Token::LParen) {
            return Ok(None);
        }
        let (begin, mut open) = (self.at, 1);
        loop {
            match self.next() {
                Some(Token::LParen) => open += 1,
                Some(Token::RParen) => open -= 1,
                Some(_) => {}
                None => return Err(at(None)),
            }
            if open == 0 {
                return Ok(Some(self.tokens[begin..self.at - 1].to_vec()));
            }
        }
    }
}

fn is(word: &Word, wanted: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted)
}

/// What is said of a word that stands where it may not.
pub(super) fn at(token: Option<&Token>) -> Failure {
    Failure::new(
        "42601",
        match token {
            Some(token) => format!("syntax error at or near \"{token}\""),
            None => "syntax error at end of input".to_owned(),
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement_where_it_is_none_of_its_text() {
        let text = "SELECT ';é', E'it\\';', $x$;$x$ -- ;\n; /* ; */\r\n  SELECT \"a;\"\n;;\nBEGIN";
        let pieces = split(text).unwrap();
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.trim()).collect();
        assert_eq!(texts, ["SELECT ';é', E'it\\';', $x$;$x$ -- ;", "/* ; */\r\n  SELECT \"a;\"", "BEGIN"]);
        assert!(split(" ; -- nothing\n").unwrap().is_empty());
        assert_eq!(split("SELECT 'a").unwrap_err().code, "42601");
        assert_eq!(split("SELECT $2, $1, $about").unwrap()[0].parameters(), 2);
    }

    #[test]
    fn words_are_read_one_by_one() {
        let pieces = split("declare \"SQL_Cur1\" cursor with hold for (select (1))").unwrap();
        let mut words = pieces[0].words();
        assert!(words.takes("DECLARE") && !words.takes("SQL_Cur1"));
        assert_eq!(words.name().unwrap(), "SQL_Cur1");
        assert!(words.takes("cursor") && !words.takes_all(&["with", "FOR"]) && words.takes_all(&["with", "hold", "FOR"]));
        assert_eq!(words.in_parentheses().unwrap().unwrap().len(), 4);
        assert!(words.ends().is_ok());
    }
}

//! Limits how deeply a statement may be nested: a statement that would overflow the stack is refused before it is parsed.
//!
//! Parsing, planning, evaluating and dropping recurse as deep as an expression is nested. A thousand `OR`s are a thousand levels;
//! the threads of statements have stacks for what is allowed here ([`STACK_BYTES`]). Lists add no depth: `IN` with 20,000 ids is
//! as flat as one with two. The parser itself counts parentheses.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};

/// Stacks of the threads that parse, plan and run statements. Memory is taken only as far down as a statement goes.
pub const STACK_BYTES: usize = 256 << 20;

/// Operators in one chain, such as `a OR b OR c`.
const OPERATORS: usize = 4_000;

/// Comparisons without AND or OR between them, such as `a = b = c`, `NOT NOT a` or `a[1][2]`: each is a level, too.
const COMPARISONS: usize = 1_000;

/// Statements put together by UNION and its like, and tables joined.
const PARTS: usize = 1_000;

/// `CASE` within `CASE`: the parser itself stops at fifty, with a poor error.
const CASES: usize = 40;

/// Refuses a statement that is nested too deeply.
pub fn check(text: &str) -> Result<()> {
    // What cannot be read the parser tells better.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else { return Ok(()) };
    check_tokens(tokens.iter())
}

/// The same for a statement whose tokens are known.
pub fn check_tokens<'a>(tokens: impl Iterator<Item = &'a Token>) -> Result<()> {
    let (mut open, mut cases) = (vec![Within::default()], 0_usize);
    for token in tokens {
        let is_nested = open.len() > 1;
        let Some(within) = open.last_mut() else { return Ok(()) };
        match token {
            Token::LParen => open.push(Within::default()),
            Token::LBracket => {
                within.comparisons += 1;
                open.push(Within::default());
            }
            Token::RParen | Token::RBracket if is_nested => drop(open.pop()),
            Token::Comma => within.ends(),
            Token::Word(word) => match word.keyword {
                Keyword::OR | Keyword::AND => within.operator(),
                Keyword::WHEN | Keyword::THEN | Keyword::SELECT | Keyword::FROM | Keyword::WHERE => within.ends(),
                Keyword::CASE => cases += 1,
                Keyword::END => cases = cases.saturating_sub(1),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => {
                    within.parts += 1;
                    within.ends();
                }
                Keyword::COLLATE => within.operators += 1,
                Keyword::AT | Keyword::BETWEEN | Keyword::ILIKE | Keyword::IN | Keyword::IS | Keyword::LIKE | Keyword::NOT => {
                    within.comparisons += 1;
                }
                Keyword::OVERLAPS | Keyword::RLIKE | Keyword::SIMILAR => within.comparisons += 1,
                _ => {}
            },
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat | Token::DoubleColon => {
                within.operators += 1;
            }
            token if is_separate(token) => {}
            // Whatever else there is stands between two values, or before one.
            _ => within.comparisons += 1,
        }
        if cases > CASES {
            return Err(Error::invalid(phrase!("the statement is nested too deep: more than {CASES} CASEs within each other")));
        }
        if open.last().is_some_and(|within| within.operators > OPERATORS || within.comparisons > COMPARISONS) {
            return Err(Error::invalid(phrase!(
                "the statement is too deep: more than {OPERATORS} conditions or operators, or {COMPARISONS} comparisons, in one chain; many values go into a list, such as \
                 person_id IN ('…', '…')"
            )));
        }
        if open.last().is_some_and(|within| within.parts > PARTS) {
            return Err(Error::invalid(phrase!(
                "the statement is too deep: more than {PARTS} statements or tables are put together; many values go into VALUES or a list, \
                 such as job_id IN ('…', '…')"
            )));
        }
    }
    Ok(())
}

/// What is within an open parenthesis.
#[derive(Default)]
struct Within {
    /// Operators since the last comma.
    operators: usize,
    /// Comparisons since the last AND or OR.
    comparisons: usize,
    /// Statements put together, and tables joined.
    parts: usize,
}

impl Within {
    /// A chain goes on with AND or OR.
    fn operator(&mut self) {
        self.operators += 1;
        self.comparisons = 0;
    }

    /// A chain ends.
    fn ends(&mut self) {
        (self.operators, self.comparisons) = (0, 0);
    }
}

/// Is a token a value, or what stands between statements or parts of a name?
fn is_separate(token: &Token) -> bool {
    let is_mark = matches!(
        token,
        Token::EOF
            | Token::Whitespace(_)
            | Token::Period
            | Token::SemiColon
            | Token::Colon
            | Token::LBrace
            | Token::RBrace
            | Token::RParen
            | Token::RBracket
            | Token::Backslash
            | Token::Char(_)
    );
    let is_text = matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    );
    is_mark || is_text || matches!(token, Token::Number(..) | Token::Placeholder(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_deep_and_lists_are_flat() {
        let many = |part: &str, times: usize| vec![part; times].join(" ");
        let flat = format!("SELECT 1 WHERE a IN ({} 1) AND f(1 + 1, 2 - 1)", many("-1,", 50_000));
        let cases = format!("SELECT CASE {} END", many("WHEN a = 1 OR b = 2 THEN 3", 5_000));
        let conditions = format!("SELECT 1 WHERE a {}", many("OR a = 1 AND b IS NOT NULL", 1_900));
        for fine in [flat.as_str(), cases.as_str(), conditions.as_str(), "SELECT 'it"] {
            assert!(check(fine).is_ok(), "{:.40}", fine);
        }
        for deep in [
            many("1 +", 5_000),
            many("a OR", 5_000),
            many("SELECT 1 UNION ALL", 1_500),
            many("t JOIN", 1_500),
            many("1 =", 1_500),
            many("NOT", 1_500),
        ] {
            assert!(check(&format!("SELECT 1 WHERE {deep} 1")).is_err(), "{:.40}", deep);
        }
        for deep in [many("IS NULL", 1_500), many("[1]", 1_500), many("AT TIME ZONE 'UTC'", 1_500)] {
            assert!(check(&format!("SELECT 1 WHERE a {deep}")).is_err(), "{:.40}", deep);
        }
    }
}

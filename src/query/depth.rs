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
    // Of each open parenthesis: operators since the last comma, and parts.
    let (mut open, mut cases) = (vec![(0, 0)], 0_usize);
    for token in tokens {
        let is_nested = open.len() > 1;
        let Some((operators, parts)) = open.last_mut() else { return Ok(()) };
        match token {
            Token::LParen | Token::LBracket => open.push((0, 0)),
            Token::RParen | Token::RBracket if is_nested => drop(open.pop()),
            Token::Comma => *operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::OR | Keyword::AND | Keyword::COLLATE => *operators += 1,
                Keyword::WHEN | Keyword::THEN | Keyword::SELECT | Keyword::FROM | Keyword::WHERE => *operators = 0,
                Keyword::CASE => cases += 1,
                Keyword::END => cases = cases.saturating_sub(1),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => *parts += 1,
                _ => {}
            },
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat | Token::DoubleColon => {
                *operators += 1;
            }
            _ => {}
        }
        if cases > CASES {
            return Err(Error::invalid(phrase!("the statement is nested too deep: more than {CASES} CASEs within each other")));
        }
        if open.last().is_some_and(|(operators, _)| *operators > OPERATORS) {
            return Err(Error::invalid(phrase!(
                "the statement is too deep: more than {OPERATORS} conditions or operators in one chain; many values go into a list, such as \
                 person_id IN ('…', '…')"
            )));
        }
        if open.last().is_some_and(|(_, parts)| *parts > PARTS) {
            return Err(Error::invalid(phrase!(
                "the statement is too deep: more than {PARTS} statements or tables are put together; many values go into VALUES or a list, \
                 such as job_id IN ('…', '…')"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_deep_and_lists_are_flat() {
        let many = |part: &str, times: usize| vec![part; times].join(" ");
        let flat = format!("SELECT 1 WHERE a IN ({} 1) AND f(1 + 1, 2 - 1)", many("-1,", 50_000));
        let cases = format!("SELECT CASE {} END", many("WHEN a = 1 OR b = 2 THEN 3", 5_000));
        for fine in [flat.as_str(), cases.as_str(), &format!("SELECT 1 WHERE a {}", many("OR a", 2_000)), "SELECT 'it"] {
            assert!(check(fine).is_ok(), "{:.40}", fine);
        }
        for deep in [many("1 +", 5_000), many("a OR", 5_000), many("SELECT 1 UNION ALL", 1_500), many("t JOIN", 1_500)] {
            assert!(check(&format!("SELECT 1 WHERE {deep} 1")).is_err(), "{:.40}", deep);
        }
    }
}

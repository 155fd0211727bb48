//! Conditions: what WHERE, ON, HAVING, FILTER and CASE ask.

use super::{From, Kind, Term, Writer};
use crate::random_sql::edges;

/// Where a subquery looks: the column here, the table, its column.
const KIN: [(&str, &str, &str); 11] = [
    ("ier_id", "individual_link", "ier_id"),
    ("ier_id", "ier", "ier_id"),
    ("person_id", "individual_link", "person_id"),
    ("person_id", "affiliation", "contact_id"),
    ("person_id", "ier", "person_id"),
    ("contact_id", "contact", "id"),
    ("contact_id", "ier", "contact_id"),
    ("send_definition_id", "email_send", "id"),
    ("id", "ier", "contact_id"),
    ("id", "ier", "send_definition_id"),
    ("job_id", "email_send", "job_id"),
];

/// Columns the engine has ways of its own for.
const LOOKED_UP: [&str; 8] =
    ["person_id", "person_id", "contact_id", "ier_id", "merge_id", "send_definition_id", "lead_id", "id"];

/// Whom must we not write to again? Conditions on these columns that hold of few rows.
fn is_rare(term: &Term<'_>) -> Option<String> {
    match term.name {
        "hard_bounce" => Some(term.sql.clone()),
        "date_unsubscribed" => Some(format!("{} IS NOT NULL", term.sql)),
        _ => None,
    }
}

impl<'a> Writer<'a> {
    /// Anything that is true, false or null.
    pub(super) fn condition(&mut self, from: &From<'a>, depth: usize) -> String {
        if depth > 0 && self.dice.below(2) > 0 {
            let first = self.condition(from, depth - 1);
            return match self.dice.below(6) {
                0..3 => format!("({first} AND {})", self.condition(from, depth - 1)),
                3 | 4 => format!("({first} OR {})", self.condition(from, depth - 1)),
                _ => format!("NOT ({first})"),
            };
        }
        let rare: Vec<String> = from.terms.iter().filter_map(is_rare).collect();
        if !rare.is_empty() && self.once_in(16) {
            return self.pick(&rare).clone();
        }
        let kind = self.kind();
        let Some(term) = self.term(from, kind) else {
            let expression = self.expression(from, kind, 0);
            return self.compared(&expression, kind, &[]);
        };
        if self.once_in(6) {
            let expression = self.expression(from, kind, 1);
            return self.compared(&expression, kind, term.literals);
        }
        if self.once_in(12) {
            let other = self.expression(from, kind, 0);
            let operator = *self.pick(&["=", "<>", "<", "<=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
            return format!("({} {operator} {other})", term.sql);
        }
        self.compared(&term.sql, kind, term.literals)
    }

    /// An expression of a kind, held against values.
    pub(super) fn compared(&mut self, expression: &str, kind: Kind, literals: &[String]) -> String {
        if self.once_in(8) {
            return format!("{expression} IS {}NULL", if self.once_in(2) { "NOT " } else { "" });
        }
        match kind {
            Kind::Yes => self.truth(expression),
            Kind::Text if self.once_in(4) => self.like(expression, literals),
            Kind::Moment | Kind::Day if self.once_in(3) => self.in_time(expression, kind),
            _ => self.ranged(expression, kind, literals),
        }
    }

    fn ranged(&mut self, expression: &str, kind: Kind, literals: &[String]) -> String {
        let literal = self.literal(kind, literals);
        match self.dice.below(12) {
            0..3 => format!("{expression} = {literal}"),
            3 => format!("{expression} <> {literal}"),
            4 => format!("{expression} < {literal}"),
            5 => format!("{expression} <= {literal}"),
            6 => format!("{literal} < {expression}"),
            7 => format!("{literal} <= {expression}"),
            8 => {
                let not = if self.once_in(4) { "NOT " } else { "" };
                format!("{expression} {not}BETWEEN {literal} AND {}", self.literal(kind, literals))
            }
            9 => format!("({expression} IS DISTINCT FROM {literal})"),
            _ => {
                let not = if self.once_in(3) { "NOT " } else { "" };
                format!("{expression} {not}IN ({})", self.list(kind, literals))
            }
        }
    }

    fn list(&mut self, kind: Kind, literals: &[String]) -> String {
        let count = if self.once_in(10) { 30 } else { 1 + self.dice.below(5) };
        let mut list: Vec<String> = (0..count).map(|_| self.literal(kind, literals)).collect();
        if self.once_in(10) {
            list.push("NULL".to_owned());
        }
        list.join(", ")
    }

    fn truth(&mut self, expression: &str) -> String {
        match self.dice.below(7) {
            0 | 1 => expression.to_owned(),
            2 => format!("NOT {expression}"),
            3 => format!("{expression} = {}", self.literal(Kind::Yes, &[])),
            4 => format!("{expression} IS NOT TRUE"),
            5 => format!("{expression} IS FALSE"),
            _ => format!("coalesce({expression}, {})", self.literal(Kind::Yes, &[])),
        }
    }

    fn like(&mut self, expression: &str, literals: &[String]) -> String {
        let value = self.literal(Kind::Text, literals);
        let text: Vec<char> = value.trim_matches('\'').chars().filter(|c| *c != '\'').collect();
        let begin = self.dice.below(text.len().max(1));
        let part: String = text.iter().skip(begin).take(1 + self.dice.below(5)).collect();
        let head: String = text.iter().take(1 + self.dice.below(18)).collect();
        let not = if self.once_in(4) { "NOT " } else { "" };
        let like = if self.once_in(4) { "ILIKE" } else { "LIKE" };
        match self.dice.below(5) {
            0 | 1 => format!("{expression} {not}{like} '{head}%'"),
            2 => format!("{expression} {not}{like} '%{part}%'"),
            3 => format!("{expression} {not}{like} '%{part}'"),
            _ => format!("{expression} {not}{like} '_{}%'", head.chars().skip(1).collect::<String>()),
        }
    }

    /// By month, day or hour, or after a span.
    fn in_time(&mut self, expression: &str, kind: Kind) -> String {
        let edges = edges();
        let edge = *self.pick(&edges);
        match self.dice.below(6) {
            0 => format!("date_part('month', {expression}) = {}", 3 + self.dice.below(4)),
            1 => format!("date_part('year', {expression}) = 2026"),
            2 => format!("date_trunc('month', {expression}) = DATE '2026-0{}-01'", 3 + self.dice.below(4)),
            3 => format!("CAST({expression} AS DATE) = DATE '{edge}'"),
            4 if kind == Kind::Moment => format!("date_part('hour', {expression}) < {}", self.dice.below(25)),
            4 => format!("{expression} >= '{edge}'"),
            _ => format!("{expression} {} >= DATE '{edge}'", self.interval()),
        }
    }

    /// A row or a few by id, as people look somebody up.
    pub(super) fn look_up(&mut self, from: &From<'a>) -> Option<String> {
        let name = *self.pick(&LOOKED_UP);
        let terms: Vec<_> = from.terms.iter().filter(|term| term.name == name).collect();
        if terms.is_empty() {
            return None;
        }
        let term = (*self.pick(&terms)).clone();
        let person = self.literal(Kind::Text, term.literals);
        Some(match self.dice.below(5) {
            0..3 => format!("{} = {person}", term.sql),
            3 => format!("{} IN ({})", term.sql, self.list(Kind::Text, term.literals)),
            _ => format!("({} = {person} OR {} = {})", term.sql, term.sql, self.literal(Kind::Text, term.literals)),
        })
    }

    /// IN, EXISTS or a comparison with another statement's answer.
    pub(super) fn subquery(&mut self, from: &From<'a>) -> Option<String> {
        let kin: Vec<_> = KIN.iter().filter(|kin| from.terms.iter().any(|term| term.name == kin.0)).collect();
        if kin.is_empty() {
            return None;
        }
        let (here, table, there) = **self.pick(&kin);
        let term = from.terms.iter().find(|term| term.name == here)?.clone();
        let inner = self.single(self.relation_of(table), "s");
        let condition = self.condition(&inner, 1);
        let not = if self.once_in(3) { "NOT " } else { "" };
        Some(match self.dice.below(6) {
            0 | 1 => format!("{} {not}IN (SELECT s.{there} FROM {} WHERE {condition})", term.sql, inner.sql),
            2 => {
                let condition = format!("{condition} AND s.{there} IS NOT NULL");
                format!("{} NOT IN (SELECT s.{there} FROM {} WHERE {condition})", term.sql, inner.sql)
            }
            3 | 4 => {
                format!("{not}EXISTS (SELECT 1 FROM {} WHERE s.{there} = {} AND {condition})", inner.sql, term.sql)
            }
            _ => {
                let kind = *self.pick(&[Kind::Moment, Kind::Whole, Kind::Day, Kind::Text]);
                let (Some(term), Some(other)) = (self.term(from, kind), self.term(&inner, kind)) else { return None };
                let function = *self.pick(&["min", "max"]);
                let operator = *self.pick(&["=", "<", ">=", "<>"]);
                format!("{} {operator} (SELECT {function}({}) FROM {} WHERE {condition})", term.sql, other.sql, inner.sql)
            }
        })
    }
}

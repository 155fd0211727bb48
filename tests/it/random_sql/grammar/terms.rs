//! Expressions of a kind.

use super::{From, Kind, Term, Writer};
use crate::random_sql::edges;

impl<'a> Writer<'a> {
    pub(super) fn kind(&mut self) -> Kind {
        *self.pick(&[
            Kind::Text,
            Kind::Text,
            Kind::Text,
            Kind::Whole,
            Kind::Whole,
            Kind::Yes,
            Kind::Yes,
            Kind::Moment,
            Kind::Moment,
            Kind::Day,
            Kind::Fraction,
        ])
    }

    /// A column of a kind, if there is one.
    pub(super) fn term(&mut self, from: &From<'a>, kind: Kind) -> Option<Term<'a>> {
        let terms: Vec<&Term<'a>> = from.terms.iter().filter(|term| term.kind == kind).collect();
        if terms.is_empty() { None } else { Some((*self.pick(&terms)).clone()) }
    }

    /// A value, of those a column holds or at an edge.
    pub(super) fn literal(&mut self, kind: Kind, known: &[String]) -> String {
        if !known.is_empty() && self.dice.below(4) > 0 {
            return self.pick(known).clone();
        }
        match kind {
            Kind::Day => {
                let edges = edges();
                format!("DATE '{}'", self.pick(&edges))
            }
            Kind::Fraction => (*self.pick(&["0.0", "0.5", "1.0", "142.85714285714286", "-1e3"])).to_owned(),
            Kind::Moment => {
                let edges = edges();
                let edge = *self.pick(&edges);
                let before = edge.pred_opt().expect("a day before");
                let hour = self.dice.below(24);
                match self.dice.below(6) {
                    0 => format!("TIMESTAMP '{before} 23:59:59.999999'"),
                    1 => format!("TIMESTAMP '{edge} 00:00:00.000001'"),
                    2 => format!("TIMESTAMP '{edge}T00:00:00Z'"),
                    3 => format!("TIMESTAMP '{edge} {hour:02}:30:00'"),
                    4 => format!("'{edge}T{hour:02}:00:00Z'"),
                    _ => format!("DATE '{edge}'"),
                }
            }
            Kind::Text => {
                (*self.pick(&["''", "'nobody'", "'003f40000000001AAA'", "'zzz'", "'News'", "'hot'", "'archive'"])).to_owned()
            }
            Kind::Whole => (*self.pick(&["-1", "0", "1", "2", "3", "7", "1000", "2147483648"])).to_owned(),
            Kind::Yes => (*self.pick(&["true", "false"])).to_owned(),
        }
    }

    /// An expression of a kind: a column, mostly.
    pub(super) fn expression(&mut self, from: &From<'a>, kind: Kind, depth: usize) -> String {
        let term = self.term(from, kind);
        if depth == 0 || self.dice.below(10) < 6 {
            if let Some(term) = term {
                return term.sql;
            }
            if depth == 0 {
                return self.without_a_column(from, kind);
            }
        }
        let inner = depth - 1;
        if kind != Kind::Moment && self.once_in(8) {
            let (condition, then, other) =
                (self.condition(from, 0), self.expression(from, kind, inner), self.expression(from, kind, inner));
            let other = if self.once_in(3) { String::new() } else { format!(" ELSE {other}") };
            return format!("CASE WHEN {condition} THEN {then}{other} END");
        }
        if kind != Kind::Moment && self.once_in(8) {
            let (first, last) = (self.expression(from, kind, inner), self.literal(kind, &[]));
            return format!("coalesce({first}, {last})");
        }
        match kind {
            Kind::Day => self.day(from, inner),
            Kind::Fraction => self.fraction(from, inner),
            Kind::Moment => self.moment(from, inner),
            Kind::Text => self.text(from, inner),
            Kind::Whole => self.whole(from, inner),
            Kind::Yes => format!("({})", self.condition(from, inner)),
        }
    }

    /// What there is where no column is of the kind.
    fn without_a_column(&mut self, from: &From<'a>, kind: Kind) -> String {
        match kind {
            Kind::Fraction => match self.term(from, Kind::Whole) {
                Some(term) => format!("CAST({} AS DOUBLE) / 7", term.sql),
                None => "0.25".to_owned(),
            },
            Kind::Moment => "TIMESTAMP '2026-05-01T00:00:00Z'".to_owned(),
            Kind::Text if from.terms.is_empty() => "'nothing'".to_owned(),
            other => self.literal(other, &[]),
        }
    }

    fn text(&mut self, from: &From<'a>, depth: usize) -> String {
        let text = self.expression(from, Kind::Text, depth);
        match self.dice.below(9) {
            0 => format!("lower({text})"),
            1 => format!("upper({text})"),
            2 => format!("substr({text}, {}, {})", 1 + self.dice.below(4), self.dice.below(16)),
            3 => format!("left({text}, {})", self.dice.below(15)),
            4 => format!("{text} || '-' || {}", self.expression(from, Kind::Text, depth)),
            5 => format!("concat({text}, {})", self.expression(from, Kind::Text, depth)),
            6 => format!("nullif({text}, {})", self.literal(Kind::Text, &[])),
            7 => format!("replace({text}, 'a', '')"),
            _ => format!("CAST({} AS TEXT)", self.expression(from, Kind::Whole, depth)),
        }
    }

    fn whole(&mut self, from: &From<'a>, depth: usize) -> String {
        let whole = self.expression(from, Kind::Whole, depth);
        match self.dice.below(9) {
            0 => format!("{whole} + {}", self.expression(from, Kind::Whole, depth)),
            1 => format!("{whole} * {}", 2 + self.dice.below(3)),
            2 => format!("{whole} - {}", self.expression(from, Kind::Whole, depth)),
            3 => format!("abs({whole} - 5)"),
            4 => format!("{whole} % {}", 2 + self.dice.below(6)),
            5 => format!("length({})", self.expression(from, Kind::Text, depth)),
            6 => format!("CAST({} AS INT)", self.expression(from, Kind::Yes, depth)),
            7 => format!("nullif({whole}, 0)"),
            _ => {
                let part = *self.pick(&["year", "month", "day", "hour", "dow", "minute", "week"]);
                format!("date_part('{part}', {})", self.column_of_time(from, depth))
            }
        }
    }

    fn column_of_time(&mut self, from: &From<'a>, depth: usize) -> String {
        self.expression(from, Kind::Moment, depth)
    }

    fn fraction(&mut self, from: &From<'a>, depth: usize) -> String {
        let whole = self.expression(from, Kind::Whole, depth);
        match self.dice.below(3) {
            0 => format!("CAST({whole} AS DOUBLE) / 3"),
            1 => format!("1.5 * {whole}"),
            _ => format!("round(CAST({whole} AS DOUBLE) / 7, 2)"),
        }
    }

    fn moment(&mut self, from: &From<'a>, depth: usize) -> String {
        let moment = self.expression(from, Kind::Moment, depth);
        match self.dice.below(6) {
            0..3 => {
                let period = *self.pick(&["month", "day", "hour", "week", "year", "quarter", "minute"]);
                format!("date_trunc('{period}', {moment})")
            }
            3 => format!("coalesce({moment}, {})", self.expression(from, Kind::Moment, depth)),
            4 => format!("greatest({moment}, {})", self.expression(from, Kind::Moment, depth)),
            _ => format!("{moment} {}", self.interval()),
        }
    }

    pub(super) fn interval(&mut self) -> String {
        let sign = *self.pick(&["+", "-"]);
        let span = *self.pick(&["1 day", "30 days", "1 month", "6 hours", "90 days", "1 microsecond"]);
        format!("{sign} INTERVAL '{span}'")
    }

    fn day(&mut self, from: &From<'a>, depth: usize) -> String {
        match self.dice.below(3) {
            0 => format!("CAST({} AS DATE)", self.expression(from, Kind::Moment, depth)),
            1 => format!("CAST(date_trunc('month', {}) AS DATE)", self.expression(from, Kind::Moment, depth)),
            _ => format!("CAST(date_trunc('month', {}) AS DATE)", self.expression(from, Kind::Day, depth)),
        }
    }
}

//! Random statements, made from a seed and from the columns and values there are.
//!
//! Every statement has one right answer: it is sorted by all its columns where it has a LIMIT, windows are ordered down to the
//! row, and nothing depends on the clock. Types fit nearly always; what a statement divides or casts may fail, and then must
//! fail on both sides. Not a grammar of all SQL: it holds what people ask this engine, and what its own code treats apart.

use crate::world::turns::Dice;

mod conditions;

mod terms;

/// What a column or an expression holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Day,
    Fraction,
    Moment,
    Text,
    Whole,
    Yes,
}

/// A column, and values it holds, as SQL writes them.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub literals: Vec<String>,
}

/// A table; its first column is unique and never null.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: &'static str,
    pub columns: Vec<Column>,
}

/// A statement, and the columns (places in its answer) it is sorted by.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: String,
    pub sorted_by: Vec<usize>,
}

/// How tables are joined: `a` and `b` stand for the two.
const JOINS: [(&str, &str, &str); 14] = [
    ("ier", "individual_link", "a.ier_id = b.ier_id"),
    ("ier", "individual_link", "a.ier_id = b.ier_id AND a.person_id = b.person_id"),
    ("individual_link", "ier", "b.ier_id = a.ier_id"),
    ("individual_link", "ier", "a.person_id = b.person_id AND a.sent_date = b.sent_date"),
    ("ier", "email_send", "a.send_definition_id = b.id"),
    ("email_send", "ier", "b.send_definition_id = a.id"),
    ("ier", "email_send", "a.job_id = b.job_id AND a.subject_line = b.subject_line"),
    ("ier", "contact", "a.contact_id = b.id"),
    ("contact", "ier", "a.id = b.person_id"),
    ("ier", "affiliation", "a.person_id = b.contact_id"),
    ("affiliation", "ier", "a.contact_id = b.contact_id"),
    ("individual_link", "affiliation", "b.contact_id = a.person_id"),
    ("contact", "affiliation", "a.id = b.contact_id"),
    ("ier", "ier", "a.person_id = b.person_id AND a.send_definition_id = b.send_definition_id"),
];

/// What a third table is joined by, to the one before it.
const THIRDS: [(&str, &str, &str); 6] = [
    ("ier", "email_send", "b.send_definition_id = c.id"),
    ("ier", "contact", "b.contact_id = c.id"),
    ("ier", "individual_link", "b.ier_id = c.ier_id"),
    ("individual_link", "contact", "b.person_id = c.id"),
    ("affiliation", "contact", "b.contact_id = c.id"),
    ("contact", "affiliation", "b.id = c.contact_id"),
];

/// Columns that many e-mails share.
const ALIKE: [&str; 17] = [
    "email_name",
    "send_definition_id",
    "triggered_send_definition_id",
    "job_id",
    "from_name",
    "from_address",
    "subject_line",
    "sent_date",
    "opened",
    "clicked",
    "hard_bounce",
    "soft_bounce",
    "is_deleted",
    "number_of_total_clicks",
    "number_of_unique_clicks",
    "tier",
    "date_unsubscribed",
];

/// Questions of a moment that all e-mails of an hour answer alike.
const OF_HOURS: [(&str, Kind); 7] = [
    ("date_trunc('month', a.date_sent)", Kind::Moment),
    ("date_trunc('hour', a.date_sent)", Kind::Moment),
    ("date_part('hour', a.date_sent)", Kind::Whole),
    ("CAST(a.date_sent AS DATE)", Kind::Day),
    ("(a.date_opened IS NOT NULL)", Kind::Yes),
    ("(a.date_sent >= TIMESTAMP '2026-04-20 06:00:00')", Kind::Yes),
    ("(a.date_sent < TIMESTAMP '2026-05-10 00:00:00')", Kind::Yes),
];

/// How often another expression is looked for where the first is there already.
const TRIES: usize = 20;

/// The tables and values statements are made of.
pub struct Grammar {
    pub relations: Vec<Relation>,
}

impl Grammar {
    /// The statement of a seed.
    pub fn statement(&self, seed: u64) -> Statement {
        Writer { grammar: self, dice: Dice::new(seed), named: false }.statement()
    }
}

/// A column an expression may name.
#[derive(Clone, Debug)]
struct Term<'a> {
    sql: String,
    /// The bare name.
    name: &'a str,
    kind: Kind,
    literals: &'a [String],
}

/// What stands after FROM, what may be named because of it, and the columns that together tell rows apart.
#[derive(Clone, Debug)]
struct From<'a> {
    sql: String,
    terms: Vec<Term<'a>>,
    keys: Vec<String>,
}

/// A SELECT without ORDER BY: its text and what its columns hold.
struct Core {
    sql: String,
    kinds: Vec<Kind>,
}

struct Writer<'a> {
    grammar: &'a Grammar,
    dice: Dice,
    /// The columns of the SELECT at hand need the names c1, c2 …
    named: bool,
}

impl<'a> Writer<'a> {
    fn pick<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.dice.below(of.len())]
    }

    /// True once in so many.
    fn once_in(&mut self, times: usize) -> bool {
        self.dice.below(times) == 0
    }

    fn statement(&mut self) -> Statement {
        match self.dice.below(20) {
            0 => {
                let (from, other) = (self.from(), self.from());
                self.named = true;
                let first = self.select(&from, None);
                let kinds = first.kinds.clone();
                let second = self.select(&other, Some(&kinds));
                self.finish(Core { sql: format!("{} UNION ALL {}", first.sql, second.sql), kinds })
            }
            1 | 2 => self.star(),
            5..8 => {
                let core = self.of_all();
                self.finish(core)
            }
            3 | 4 => {
                let core = self.nested();
                self.finish(core)
            }
            _ => {
                let from = self.from();
                let core = self.core(&from);
                self.finish(core)
            }
        }
    }

    fn core(&mut self, from: &From<'a>) -> Core {
        match self.dice.below(10) {
            0..4 => self.select(from, None),
            4..8 => self.aggregate(from),
            8 if !from.keys.is_empty() => self.window(from),
            _ => self.distinct(from),
        }
    }

    /// Over all people, by what many e-mails share: by the send, the hour, the outcome.
    fn of_all(&mut self) -> Core {
        let mut from = self.single(self.relation_of("ier"), "a");
        from.terms.retain(|term| ALIKE.contains(&term.name));
        from.terms.extend(OF_HOURS.map(|(sql, kind)| Term { sql: sql.to_owned(), name: "", kind, literals: &[] }));
        if self.once_in(3) {
            from.terms.push(Term { sql: "a.date_sent".to_owned(), name: "date_sent", kind: Kind::Moment, literals: &[] });
        }
        match self.dice.below(6) {
            0 | 1 => {
                let sends = self.single(self.relation_of("email_send"), "b");
                from = self.join(from, sends, "a.send_definition_id = b.id");
            }
            2 => {
                let mut others = self.single(self.relation_of("ier"), "b");
                others.terms.retain(|term| self.once_in(3) || ALIKE.contains(&term.name));
                from = self.join(from, others, "a.send_definition_id = b.send_definition_id AND a.sent_date = b.sent_date");
            }
            _ => {}
        }
        if self.once_in(6) { self.distinct(&from) } else { self.aggregate(&from) }
    }

    /// `SELECT *` of one table: every column is read, in order.
    fn star(&mut self) -> Statement {
        let relation = self.relation();
        let from = self.single(relation, "a");
        let mut sql = format!("SELECT * FROM {}", from.sql);
        sql += &self.filtered(&from);
        let mut sorted_by = Vec::new();
        if self.once_in(2) {
            // The first column tells rows apart.
            sql += " ORDER BY 1";
            sorted_by.push(0);
            sql += &self.limit();
        }
        Statement { sql, sorted_by }
    }

    /// A SELECT over another, as a subquery or by name.
    fn nested(&mut self) -> Core {
        let inner_from = self.from();
        self.named = true;
        let inner = self.core(&inner_from);
        self.named = false;
        const NAMES: [&str; 12] = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12"];
        let terms = inner.kinds.iter().zip(NAMES);
        let terms = terms.map(|(kind, name)| Term { sql: format!("t.{name}"), name, kind: *kind, literals: &[] }).collect();
        let named = self.once_in(2);
        let text = if named { "t".to_owned() } else { format!("({}) t", inner.sql) };
        let from = From { sql: text, terms, keys: Vec::new() };
        let outer = self.core(&from);
        let sql = if named { format!("WITH t AS ({}) {}", inner.sql, outer.sql) } else { outer.sql };
        Core { sql, kinds: outer.kinds }
    }

    fn relation(&mut self) -> &'a Relation {
        let names = ["ier", "ier", "ier", "ier", "individual_link", "individual_link", "email_send", "contact", "affiliation"];
        let name = *self.pick(&names);
        self.relation_of(name)
    }

    fn relation_of(&self, name: &str) -> &'a Relation {
        self.grammar.relations.iter().find(|relation| relation.name == name).expect("a table of the grammar")
    }

    fn single(&mut self, relation: &'a Relation, alias: &str) -> From<'a> {
        let name = if relation.name == "ier" && self.once_in(4) { "individual_email_result" } else { relation.name };
        let term = |column: &'a Column| Term {
            sql: format!("{alias}.{}", column.name),
            name: &column.name,
            kind: column.kind,
            literals: &column.literals,
        };
        let terms: Vec<Term<'a>> = relation.columns.iter().map(term).collect();
        From { sql: format!("{name} {alias}"), keys: vec![terms[0].sql.clone()], terms }
    }

    fn from(&mut self) -> From<'a> {
        if self.dice.below(10) < 6 {
            let relation = self.relation();
            return self.single(relation, "a");
        }
        let (first, second, on) = *self.pick(&JOINS);
        let (left, right) = (self.single(self.relation_of(first), "a"), self.single(self.relation_of(second), "b"));
        let mut joined = self.join(left, right, on);
        if self.once_in(4) && joined.keys.len() == 2 {
            let thirds: Vec<_> = THIRDS.iter().filter(|third| third.0 == second).collect();
            if !thirds.is_empty() {
                let (_, name, on) = **self.pick(&thirds);
                let third = self.single(self.relation_of(name), "c");
                joined = self.join(joined, third, on);
            }
        }
        joined
    }

    fn join(&mut self, left: From<'a>, right: From<'a>, on: &str) -> From<'a> {
        let how = *self.pick(&[
            "JOIN",
            "JOIN",
            "JOIN",
            "LEFT JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "LEFT SEMI JOIN",
            "LEFT ANTI JOIN",
        ]);
        let one_sided = how.ends_with("SEMI JOIN") || how.ends_with("ANTI JOIN");
        let both = From {
            sql: String::new(),
            terms: left.terms.iter().chain(&right.terms).cloned().collect(),
            keys: left.keys.iter().chain(&right.keys).cloned().collect(),
        };
        let mut on = on.to_owned();
        if self.once_in(4) {
            on = format!("{on} AND {}", self.condition(&both, 1));
        }
        let sql = format!("{} {how} {} ON {on}", left.sql, right.sql);
        if one_sided { From { sql, ..left } } else { From { sql, ..both } }
    }

    /// ` WHERE …`, or nothing.
    fn filtered(&mut self, from: &From<'a>) -> String {
        let mut conditions = Vec::new();
        if self.dice.below(4) > 0 {
            conditions.push(self.condition(from, 2));
        }
        if self.once_in(3) {
            conditions.extend(self.look_up(from));
        }
        if self.once_in(6) {
            conditions.extend(self.subquery(from));
        }
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    /// Expressions of these kinds, or of any.
    fn select(&mut self, from: &From<'a>, kinds: Option<&[Kind]>) -> Core {
        let count = 1 + self.dice.below(6);
        let kinds: Vec<Kind> = match kinds {
            Some(kinds) => kinds.to_vec(),
            None => (0..count).map(|_| self.kind()).collect(),
        };
        let mut expressions = self.expressions(from, &kinds, 2);
        if self.once_in(100) {
            let at = self.dice.below(kinds.len());
            if kinds[at] == Kind::Whole {
                expressions[at] = format!("1000 / {}", self.expression(from, Kind::Whole, 0));
            }
        }
        let sql = format!("SELECT {} FROM {}{}", self.named_as(expressions), from.sql, self.filtered(from));
        Core { sql, kinds }
    }

    /// Expressions of these kinds, none twice: a column that is selected twice and sorted by twice, in two ways, over a union is a
    /// plan DataFusion makes and then refuses ("SanityCheckPlan").
    fn expressions(&mut self, from: &From<'a>, kinds: &[Kind], depth: usize) -> Vec<String> {
        let mut expressions: Vec<String> = Vec::new();
        for kind in kinds {
            let mut tries = (0..TRIES).map(|_| self.expression(from, *kind, depth));
            let new = tries.find(|expression| !expressions.contains(expression));
            expressions.push(new.unwrap_or_else(|| self.literal(*kind, &[])));
        }
        expressions
    }

    fn distinct(&mut self, from: &From<'a>) -> Core {
        let kinds: Vec<Kind> = (0..1 + self.dice.below(3)).map(|_| self.kind()).collect();
        let expressions = self.expressions(from, &kinds, 1);
        let sql = format!("SELECT DISTINCT {} FROM {}{}", self.named_as(expressions), from.sql, self.filtered(from));
        Core { sql, kinds }
    }

    fn aggregate(&mut self, from: &From<'a>) -> Core {
        let groups = self.dice.below(4);
        let mut kinds: Vec<Kind> = (0..groups).map(|_| self.kind()).collect();
        let mut expressions = self.expressions(from, &kinds, 1);
        for _ in 0..1 + self.dice.below(4) {
            let (expression, kind) = self.aggregated(from);
            expressions.push(expression);
            kinds.push(kind);
        }
        let mut sql = format!("SELECT {} FROM {}{}", self.named_as(expressions), from.sql, self.filtered(from));
        if groups > 0 {
            let places: Vec<String> = (1..=groups).map(|place| place.to_string()).collect();
            sql += &format!(" GROUP BY {}", places.join(", "));
            if self.once_in(4) {
                let (expression, kind) = self.aggregated(from);
                let condition = self.compared(&expression, kind, &[]);
                sql += &format!(" HAVING {condition}");
            }
        }
        Core { sql, kinds }
    }

    fn aggregated(&mut self, from: &From<'a>) -> (String, Kind) {
        let kind = self.kind();
        let (mut sql, kind) = match self.dice.below(12) {
            0..3 => ("count(*)".to_owned(), Kind::Whole),
            3 => (format!("count({})", self.expression(from, kind, 1)), Kind::Whole),
            4 | 5 => (format!("count(DISTINCT {})", self.expression(from, kind, 1)), Kind::Whole),
            6 | 7 => (format!("sum({})", self.expression(from, Kind::Whole, 1)), Kind::Whole),
            8 => (format!("min({})", self.expression(from, kind, 1)), kind),
            9 => (format!("max({})", self.expression(from, kind, 1)), kind),
            10 => (format!("avg({})", self.expression(from, Kind::Whole, 1)), Kind::Fraction),
            _ => {
                let function = *self.pick(&["bool_or", "bool_and"]);
                (format!("{function}({})", self.expression(from, Kind::Yes, 1)), Kind::Yes)
            }
        };
        if self.once_in(4) {
            sql += &format!(" FILTER (WHERE {})", self.condition(from, 1));
        }
        (sql, kind)
    }

    fn window(&mut self, from: &From<'a>) -> Core {
        let partition = if self.once_in(3) {
            String::new()
        } else {
            let kind = self.kind();
            format!("PARTITION BY {} ", self.expression(from, kind, 1))
        };
        let direction = *self.pick(&["", " DESC", " DESC NULLS LAST", " NULLS FIRST"]);
        let kind = self.kind();
        let by = self.expression(from, kind, 0);
        let over = format!("({partition}ORDER BY {by}{direction}, {})", from.keys.join(", "));
        let (function, kind) = self.windowed(from, &over, &partition);
        let mut kinds = vec![Kind::Text; from.keys.len()];
        kinds.push(kind);
        let expressions = from.keys.iter().cloned().chain([function]).collect();
        // The first of each, as people ask for them.
        let first_ones = kind == Kind::Whole && self.once_in(3);
        let named = self.named;
        self.named |= first_ones;
        let mut sql = format!("SELECT {} FROM {}{}", self.named_as(expressions), from.sql, self.filtered(from));
        self.named = named;
        if first_ones {
            let names: Vec<String> = (1..=kinds.len()).map(|place| format!("c{place}")).collect();
            sql = format!("SELECT {} FROM ({sql}) w WHERE c{} <= {}", names.join(", "), kinds.len(), self.dice.below(4));
        }
        Core { sql, kinds }
    }

    fn windowed(&mut self, from: &From<'a>, over: &str, partition: &str) -> (String, Kind) {
        let kind = self.kind();
        match self.dice.below(8) {
            0..3 => (format!("row_number() OVER {over}"), Kind::Whole),
            3 => (format!("lag({}, {}) OVER {over}", self.expression(from, kind, 0), 1 + self.dice.below(2)), kind),
            4 => (format!("lead({}) OVER {over}", self.expression(from, kind, 0)), kind),
            5 => (format!("first_value({}) OVER {over}", self.expression(from, kind, 0)), kind),
            6 => (format!("count(*) OVER ({})", partition.trim()), Kind::Whole),
            _ => {
                let frame = "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)";
                let over = over.strip_suffix(')').unwrap_or(over);
                (format!("sum({}) OVER {over} {frame}", self.expression(from, Kind::Whole, 0)), Kind::Whole)
            }
        }
    }

    /// The list of a SELECT: mostly named c1, c2 …; else each under the name it gets by itself, where none is there twice.
    fn named_as(&mut self, expressions: Vec<String>) -> String {
        let twice = (1..expressions.len()).any(|at| expressions[..at].contains(&expressions[at]));
        // Two casts of a column have one name.
        let alike = twice || expressions.iter().any(|expression| expression.contains("CAST"));
        if !self.named && !alike && self.once_in(4) {
            return expressions.join(", ");
        }
        let named = expressions.iter().enumerate().map(|(place, expression)| format!("{expression} AS c{}", place + 1));
        named.collect::<Vec<_>>().join(", ")
    }

    /// Sorts a SELECT or not, by all columns where it is cut.
    fn finish(&mut self, core: Core) -> Statement {
        let mut sql = core.sql;
        let mut places: Vec<usize> = (0..core.kinds.len()).collect();
        for at in (1..places.len()).rev() {
            places.swap(at, self.dice.below(at + 1));
        }
        let cut = self.once_in(4);
        if !cut {
            places.truncate(if self.once_in(2) { 0 } else { self.dice.below(places.len() + 1) });
        }
        if !places.is_empty() {
            let by = places.iter().map(|place| {
                let direction = *self.pick(&["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
                format!("{}{direction}", place + 1)
            });
            sql += &format!(" ORDER BY {}", by.collect::<Vec<_>>().join(", "));
        }
        if cut {
            sql += &self.limit();
        }
        Statement { sql, sorted_by: places }
    }

    fn limit(&mut self) -> String {
        let limit = *self.pick(&[0, 1, 2, 5, 10, 50, 1_000]);
        let offset = if self.once_in(3) { format!(" OFFSET {}", self.dice.below(20)) } else { String::new() };
        format!(" LIMIT {limit}{offset}")
    }
}

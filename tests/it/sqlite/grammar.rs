//! Random statements in what our SQL and SQLite's have in common, made from a seed.
//!
//! A statement is written once. Where the dialects differ (`ANY`, grouping sets, where nulls stand by default) both readings are
//! written beside each other ([`both`]) and told apart at the end. What truly differs is left out: divisions by nothing, text
//! compared with numbers, dates, case in `LIKE`, subqueries of more than one row taken for a value.

use crate::world::turns::Dice;

/// What a column or an expression holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Text,
    Whole,
    Yes,
}

/// The columns every table has: name, kind, whether it may be null. The first tells rows apart.
pub const COLUMNS: [(&str, Kind, bool); 7] = [
    ("k", Kind::Whole, false),
    ("n", Kind::Whole, false),
    ("a", Kind::Whole, true),
    ("b", Kind::Whole, true),
    ("s", Kind::Text, true),
    ("u", Kind::Text, true),
    ("p", Kind::Yes, true),
];

/// The tables of a world, and how many rows each has.
pub const TABLES: [(&str, usize); 4] = [("t", 9), ("v", 7), ("w", 4), ("e", 0)];

/// The texts there are; an order by bytes is everybody's.
pub const TEXTS: [&str; 5] = ["", "B", "a", "ab", "b"];

/// A statement, and the columns (places in its answer) it is sorted by.
#[derive(Clone, Debug)]
pub struct Statement {
    pub ours: String,
    pub sqlites: String,
    pub sorted_by: Vec<usize>,
}

const OPEN: char = '\u{1}';
const OR: char = '\u{2}';
const CLOSE: char = '\u{3}';

/// One thing in two dialects; each may hold such again.
fn both(ours: &str, sqlites: &str) -> String {
    format!("{OPEN}{ours}{OR}{sqlites}{CLOSE}")
}

/// One of the readings of a text.
fn reading(text: &str, ours: bool) -> String {
    let (mut reported, mut inside) = (String::new(), Vec::new());
    for char in text.chars() {
        match char {
            OPEN => inside.push(true),
            OR => *inside.last_mut().expect("an open pair") = false,
            CLOSE => drop(inside.pop()),
            char if inside.iter().all(|first| *first == ours) => reported.push(char),
            _ => {}
        }
    }
    reported
}

/// A column an expression may name.
#[derive(Clone, Debug)]
struct Term {
    sql: String,
    kind: Kind,
}

/// What stands after FROM, what may be named because of it, and the columns that together tell rows apart.
#[derive(Clone, Debug)]
struct From {
    sql: String,
    terms: Vec<Term>,
    keys: Vec<String>,
}

/// A SELECT without ORDER BY: its text and what its columns hold.
struct Core {
    sql: String,
    kinds: Vec<Kind>,
}

/// Writes one statement.
pub struct Writer {
    dice: Dice,
    world: u64,
    aliases: usize,
}

impl Writer {
    /// The statement of a seed, of the tables of a world.
    pub fn statement(world: u64, seed: u64) -> Statement {
        let mut writer = Self { dice: Dice::new(seed ^ 0x5151_7e57), world, aliases: 0 };
        let (core, with) = if writer.once_in(8) { writer.with() } else { (writer.core(&[], 2), String::new()) };
        writer.finish(core, &with)
    }

    fn pick<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.dice.below(of.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.dice.below(times) == 0
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    fn kind(&mut self) -> Kind {
        *self.pick(&[Kind::Text, Kind::Text, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Yes])
    }

    // ---- tables

    fn table(&mut self) -> From {
        let name = *self.pick(&["t", "t", "t", "v", "v", "v", "w", "w", "e"]);
        let (alias, world) = (self.alias(), self.world);
        let terms = COLUMNS.map(|(name, kind, _)| Term { sql: format!("{alias}.{name}"), kind });
        From { sql: format!("r.{name}{world} {alias}"), keys: vec![format!("{alias}.k")], terms: terms.to_vec() }
    }

    /// Another statement as a table; `source` is what it is called where it has a name.
    fn derived(&mut self, core: &Core, source: Option<&str>) -> From {
        let alias = self.alias();
        let terms = core.kinds.iter().enumerate();
        let terms = terms.map(|(at, kind)| Term { sql: format!("{alias}.c{}", at + 1), kind: *kind }).collect();
        let source = source.map_or_else(|| format!("({})", core.sql), str::to_owned);
        From { sql: format!("{source} {alias}"), terms, keys: Vec::new() }
    }

    fn from(&mut self, outer: &[Term], depth: usize) -> From {
        match self.dice.below(12) {
            0..7 => self.table(),
            7 if depth > 0 => {
                let core = self.core(&[], depth - 1);
                self.derived(&core, None)
            }
            8 if depth > 0 => {
                let core = self.core(&[], depth - 1);
                let (left, right) = (self.derived(&core, None), self.table());
                self.join(left, right)
            }
            _ => {
                let (left, right) = (self.table(), self.table());
                let joined = self.join(left, right);
                if outer.is_empty() && self.once_in(4) {
                    let third = self.table();
                    self.join(joined, third)
                } else {
                    joined
                }
            }
        }
    }

    fn join(&mut self, left: From, right: From) -> From {
        let how = *self.pick(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
        let terms: Vec<Term> = left.terms.iter().chain(&right.terms).cloned().collect();
        let keys = match left.keys.is_empty() || right.keys.is_empty() {
            true => Vec::new(),
            false => left.keys.iter().chain(&right.keys).cloned().collect(),
        };
        let sql = if how == "CROSS JOIN" {
            format!("{} {how} {}", left.sql, right.sql)
        } else {
            let on = match self.dice.below(4) {
                0 => self.condition(&terms, &[], 1, 0),
                1 => format!("{} AND {}", self.kin(&left.terms, &right.terms, true), self.condition(&terms, &[], 1, 0)),
                _ => self.kin(&left.terms, &right.terms, true),
            };
            format!("{} {how} {} ON {on}", left.sql, right.sql)
        };
        From { sql, terms, keys }
    }

    /// A column of one held against a column of another.
    fn kin(&mut self, one: &[Term], other: &[Term], equal: bool) -> String {
        for _ in 0..8 {
            let (first, second) = (self.pick(one).clone(), self.pick(other).clone());
            if first.kind == second.kind {
                let operator = match self.dice.below(if equal { 8 } else { 4 }) {
                    0 => *self.pick(&["<", ">", "<=", "<>", "IS NOT DISTINCT FROM"]),
                    _ => "=",
                };
                return format!("{} {operator} {}", first.sql, second.sql);
            }
        }
        "true".to_owned()
    }

    /// Two columns that are equal.
    fn joined_by(&mut self, one: &[Term], other: &[Term]) -> String {
        loop {
            let joined = self.kin(one, other, true);
            if joined.contains(" = ") || joined == "true" {
                return joined;
            }
        }
    }

    // ---- statements

    fn with(&mut self) -> (Core, String) {
        let inner = self.core(&[], 1);
        let (one, other) = (self.derived(&inner, Some("w1")), self.derived(&inner, Some("w1")));
        let with = format!("WITH w1 AS ({}) ", inner.sql);
        let from = if self.once_in(2) { self.join(one, other) } else { one };
        (self.of(&from, &[], 1), with)
    }

    /// A statement whose columns are called c1, c2 …; `outer` are the columns it may ask of the statement around it.
    fn core(&mut self, outer: &[Term], depth: usize) -> Core {
        if depth > 0 && outer.is_empty() && self.once_in(8) {
            return self.set_operation(depth - 1);
        }
        let from = self.from(outer, depth);
        self.of(&from, outer, depth)
    }

    fn of(&mut self, from: &From, outer: &[Term], depth: usize) -> Core {
        match self.dice.below(12) {
            0..5 => self.select(from, outer, depth, None),
            5 => self.distinct(from, outer, depth),
            6..9 => self.aggregate(from, outer, depth),
            9 if outer.is_empty() => self.grouping_sets(from),
            _ if outer.is_empty() => self.window(from),
            _ => self.aggregate(from, outer, depth),
        }
    }

    fn filtered(&mut self, from: &From, outer: &[Term], depth: usize) -> String {
        if self.once_in(4) {
            return String::new();
        }
        format!(" WHERE {}", self.condition(&from.terms, outer, 2, depth))
    }

    fn select(&mut self, from: &From, outer: &[Term], depth: usize, kinds: Option<&[Kind]>) -> Core {
        let kinds = match kinds {
            Some(kinds) => kinds.to_vec(),
            None => (0..1 + self.dice.below(3)).map(|_| self.kind()).collect(),
        };
        let list: Vec<String> = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| {
                let deep = if depth > 0 && self.once_in(5) { depth } else { 0 };
                format!("{} AS c{}", self.expression(&from.terms, *kind, 2, deep), at + 1)
            })
            .collect();
        let sql = format!("SELECT {} FROM {}{}", list.join(", "), from.sql, self.filtered(from, outer, depth));
        Core { sql, kinds }
    }

    fn distinct(&mut self, from: &From, outer: &[Term], depth: usize) -> Core {
        let core = self.select(from, outer, depth, None);
        Core { sql: core.sql.replacen("SELECT ", "SELECT DISTINCT ", 1), ..core }
    }

    fn aggregate(&mut self, from: &From, outer: &[Term], depth: usize) -> Core {
        let mut kinds: Vec<Kind> = (0..self.dice.below(3)).map(|_| self.kind()).collect();
        let groups: Vec<String> = kinds.iter().map(|kind| self.expression(&from.terms, *kind, 1, 0)).collect();
        let mut list = groups.clone();
        for _ in 0..1 + self.dice.below(2) {
            let (aggregate, kind) = self.aggregated(&from.terms);
            list.push(aggregate);
            kinds.push(kind);
        }
        let list: Vec<String> = list.iter().enumerate().map(|(at, expr)| format!("{expr} AS c{}", at + 1)).collect();
        let mut sql = format!("SELECT {} FROM {}{}", list.join(", "), from.sql, self.filtered(from, outer, depth));
        if !groups.is_empty() {
            let places: Vec<String> = (1..=groups.len()).map(|place| place.to_string()).collect();
            sql += &format!(" GROUP BY {}", places.join(", "));
        }
        if self.once_in(4) {
            let (aggregate, kind) = self.aggregated(&from.terms);
            let having = self.held(&aggregate, kind);
            sql += &format!(" HAVING {having}");
            if depth > 0 && self.once_in(3) {
                sql += &format!(" AND {}", self.subquery(&[Term { sql: aggregate, kind }], false, depth - 1));
            }
        }
        Core { sql, kinds }
    }

    fn aggregated(&mut self, terms: &[Term]) -> (String, Kind) {
        let kind = self.kind();
        let plain = if kind == Kind::Yes { Kind::Whole } else { kind };
        let distinct = if self.once_in(4) { "DISTINCT " } else { "" };
        let (sql, kind) = match self.dice.below(9) {
            0 | 1 => ("count(*)".to_owned(), Kind::Whole),
            2 => (format!("count({distinct}{})", self.expression(terms, kind, 1, 0)), Kind::Whole),
            3 | 4 => (format!("sum({distinct}{})", self.expression(terms, Kind::Whole, 1, 0)), Kind::Whole),
            5 => (format!("min({})", self.expression(terms, plain, 1, 0)), plain),
            6 => (format!("max({})", self.expression(terms, plain, 1, 0)), plain),
            7 => (format!("{}({})", both("bool_or", "max"), self.expression(terms, Kind::Yes, 1, 0)), Kind::Yes),
            _ => (format!("{}({})", both("bool_and", "min"), self.expression(terms, Kind::Yes, 1, 0)), Kind::Yes),
        };
        match self.once_in(4) {
            true => (format!("{sql} FILTER (WHERE {})", self.condition(terms, &[], 1, 0)), kind),
            false => (sql, kind),
        }
    }

    /// `ROLLUP`, `CUBE`, `GROUPING SETS`; for SQLite a SELECT for each set.
    fn grouping_sets(&mut self, from: &From) -> Core {
        let (first, second) = (self.pick(&from.terms).clone(), self.pick(&from.terms).clone());
        if first.sql == second.sql {
            return self.aggregate(from, &[], 0);
        }
        let (aggregate, kind) = self.aggregated(&from.terms);
        let filtered = self.filtered(from, &[], 1);
        let (one, two) = (&first.sql, &second.sql);
        let (how, sets): (String, &[(bool, bool)]) = match self.dice.below(4) {
            0 => (format!("ROLLUP ({one}, {two})"), &[(true, true), (true, false), (false, false)]),
            1 => (format!("CUBE ({one}, {two})"), &[(true, true), (true, false), (false, true), (false, false)]),
            2 => (format!("GROUPING SETS (({one}, {two}), ({two}))"), &[(true, true), (false, true)]),
            _ => (format!("GROUPING SETS (({one}), ({two}), ())"), &[(true, false), (false, true), (false, false)]),
        };
        let from_where = format!("{}{filtered}", from.sql);
        let of_set = |(first, second): &(bool, bool)| {
            let shown = |is_in: bool, name: &str| if is_in { name.to_owned() } else { "NULL".to_owned() };
            let group = match (first, second) {
                (true, true) => format!(" GROUP BY {one}, {two}"),
                (true, false) => format!(" GROUP BY {one}"),
                (false, true) => format!(" GROUP BY {two}"),
                (false, false) => String::new(),
            };
            let (one, two) = (shown(*first, one), shown(*second, two));
            format!("SELECT {one} AS c1, {two} AS c2, {aggregate} AS c3 FROM {from_where}{group}")
        };
        let ours = format!("SELECT {one} AS c1, {two} AS c2, {aggregate} AS c3 FROM {from_where} GROUP BY {how}");
        let sqlites: Vec<String> = sets.iter().map(of_set).collect();
        Core { sql: both(&ours, &sqlites.join(" UNION ALL ")), kinds: vec![first.kind, second.kind, kind] }
    }

    fn window(&mut self, from: &From) -> Core {
        let kind = self.kind();
        let partition = match self.once_in(3) {
            true => String::new(),
            false => format!("PARTITION BY {} ", self.expression(&from.terms, kind, 1, 0)),
        };
        let by = self.kind();
        let by = format!("{}{}", self.expression(&from.terms, by, 0, 0), self.direction());
        let keys: Vec<String> = from.keys.iter().map(|key| format!("{key}{}", both("", " NULLS LAST"))).collect();
        let to_the_row = [vec![by.clone()], keys].concat().join(", ");
        let kind = self.kind();
        let plain = if kind == Kind::Yes { Kind::Text } else { kind };
        let value = self.expression(&from.terms, plain, 0, 0);
        let number = self.expression(&from.terms, Kind::Whole, 1, 0);
        let frame = *self.pick(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
            " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        ]);
        let choice = if from.keys.is_empty() { 7 + self.dice.below(4) } else { self.dice.below(11) };
        let ordered = format!("({partition}ORDER BY {to_the_row}{frame})");
        let bare = format!("({partition}ORDER BY {to_the_row})");
        let (function, kind) = match choice {
            0 => (format!("row_number() OVER {bare}"), Kind::Whole),
            1 => (format!("lag({value}, {}) OVER {bare}", 1 + self.dice.below(2)), plain),
            2 => (format!("lead({value}) OVER {bare}"), plain),
            3 => (format!("first_value({value}) OVER {ordered}"), plain),
            4 => (format!("last_value({value}) OVER {ordered}"), plain),
            5 => (format!("sum({number}) OVER {ordered}"), Kind::Whole),
            6 => (format!("count({value}) OVER {ordered}"), Kind::Whole),
            7 => (format!("rank() OVER ({partition}ORDER BY {by})"), Kind::Whole),
            8 => (format!("dense_rank() OVER ({partition}ORDER BY {by})"), Kind::Whole),
            9 => (format!("min({value}) OVER ({partition}ORDER BY {by})"), plain),
            _ => (format!("sum({number}) OVER ({})", partition.trim()), Kind::Whole),
        };
        let other = self.kind();
        let other_sql = self.expression(&from.terms, other, 1, 0);
        let sql = format!("SELECT {other_sql} AS c1, {function} AS c2 FROM {}{}", from.sql, self.filtered(from, &[], 1));
        let core = Core { sql, kinds: vec![other, kind] };
        if kind == Kind::Whole && self.once_in(3) {
            let alias = self.alias();
            let sql = format!(
                "SELECT {alias}.c1 AS c1, {alias}.c2 AS c2 FROM ({}) {alias} WHERE {alias}.c2 <= {}",
                core.sql,
                self.dice.below(4)
            );
            return Core { sql, kinds: core.kinds };
        }
        core
    }

    fn set_operation(&mut self, depth: usize) -> Core {
        let kinds: Vec<Kind> = (0..1 + self.dice.below(2)).map(|_| self.kind()).collect();
        let mut sql = String::new();
        for at in 0..2 {
            let from = self.from(&[], depth);
            let core = self.select(&from, &[], depth, Some(&kinds));
            if at > 0 {
                sql += *self.pick(&[" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "]);
            }
            // A sum of sums has to be one statement for SQLite.
            sql += &core.sql;
        }
        let alias = self.alias();
        let list: Vec<String> = (1..=kinds.len()).map(|at| format!("{alias}.c{at} AS c{at}")).collect();
        Core { sql: format!("SELECT {} FROM ({sql}) {alias}", list.join(", ")), kinds }
    }

    fn direction(&mut self) -> String {
        match self.dice.below(6) {
            0 => both("", " NULLS LAST"),
            1 => both(" DESC", " DESC NULLS FIRST"),
            2 => " NULLS FIRST".to_owned(),
            3 => " NULLS LAST".to_owned(),
            4 => " DESC NULLS FIRST".to_owned(),
            _ => " DESC NULLS LAST".to_owned(),
        }
    }

    /// Sorts a SELECT or not, by all columns where it is cut.
    fn finish(&mut self, core: Core, with: &str) -> Statement {
        let mut sql = format!("{with}{}", core.sql);
        let mut places: Vec<usize> = (0..core.kinds.len()).collect();
        for at in (1..places.len()).rev() {
            places.swap(at, self.dice.below(at + 1));
        }
        let cut = self.once_in(4);
        if !cut {
            places.truncate(self.dice.below(places.len() + 1));
        }
        if !places.is_empty() {
            let by: Vec<String> = places.iter().map(|place| format!("{}{}", place + 1, self.direction())).collect();
            sql += &format!(" ORDER BY {}", by.join(", "));
        }
        if cut {
            sql += &format!(" LIMIT {}", self.pick(&[0, 1, 2, 5, 100]));
            if self.once_in(3) {
                sql += &format!(" OFFSET {}", self.dice.below(6));
            }
        }
        Statement { ours: reading(&sql, true), sqlites: reading(&sql, false), sorted_by: places }
    }

    // ---- conditions

    /// Anything that is true, false or null. `outer` are columns of the statement around; `queries` says how deep subqueries may be.
    fn condition(&mut self, terms: &[Term], outer: &[Term], depth: usize, queries: usize) -> String {
        if depth > 0 && self.once_in(2) {
            let first = self.condition(terms, outer, depth - 1, queries);
            return match self.dice.below(7) {
                0..3 => format!("({first} AND {})", self.condition(terms, outer, depth - 1, queries)),
                3 | 4 => format!("({first} OR {})", self.condition(terms, outer, depth - 1, queries)),
                5 => format!("({first}) IS {}", self.pick(&["NULL", "NOT NULL", "TRUE", "NOT TRUE", "FALSE", "NOT FALSE"])),
                _ => format!("NOT ({first})"),
            };
        }
        if !outer.is_empty() && self.once_in(2) {
            return self.kin(terms, outer, false);
        }
        if queries > 0 && self.once_in(2) {
            return self.subquery(terms, true, queries - 1);
        }
        let kind = self.kind();
        let expression = self.expression(terms, kind, 1, 0);
        self.held(&expression, kind)
    }

    /// An expression held against values.
    fn held(&mut self, expression: &str, kind: Kind) -> String {
        if self.once_in(8) {
            return format!("{expression} IS {}NULL", if self.once_in(2) { "NOT " } else { "" });
        }
        let not = if self.once_in(3) { "NOT " } else { "" };
        match kind {
            Kind::Yes => match self.dice.below(4) {
                0 | 1 => format!("{not}({expression})"),
                2 => format!("({expression}) = {}", self.literal(kind)),
                _ => format!("({expression}) IS {}", self.pick(&["TRUE", "NOT TRUE", "FALSE", "NOT FALSE"])),
            },
            Kind::Text if self.once_in(3) => {
                let pattern = *self.pick(&["a%", "%b", "_", "%", "a_", "%B%", ""]);
                format!("{expression} {not}LIKE '{pattern}'")
            }
            _ => match self.dice.below(8) {
                0 => format!("{expression} {not}BETWEEN {} AND {}", self.literal(kind), self.literal(kind)),
                1 => {
                    let mut list: Vec<String> = (0..1 + self.dice.below(3)).map(|_| self.literal(kind)).collect();
                    if self.once_in(3) {
                        list.push("NULL".to_owned());
                    }
                    format!("{expression} {not}IN ({})", list.join(", "))
                }
                2 => format!("{expression} IS {}DISTINCT FROM {}", if self.once_in(2) { "NOT " } else { "" }, self.literal(kind)),
                3..6 => format!("{expression} = {}", self.literal(kind)),
                _ => format!("{expression} {} {}", self.pick(&["<", "<=", ">", ">=", "<>"]), self.literal(kind)),
            },
        }
    }

    /// A question to another statement that is answered by yes, no or null.
    fn subquery(&mut self, terms: &[Term], correlated: bool, depth: usize) -> String {
        let outer: &[Term] = if correlated && !self.once_in(3) { terms } else { &[] };
        let not = if self.once_in(2) { "NOT " } else { "" };
        let kind = self.kind();
        let plain = if kind == Kind::Yes { Kind::Whole } else { kind };
        let tested = self.expression(terms, plain, 1, 0);
        match self.dice.below(12) {
            0..5 => format!("{tested} {not}IN ({})", self.one_column(outer, plain, depth)),
            5..8 => {
                let from = self.from(outer, depth.min(1));
                let core = self.select(&from, outer, depth, Some(&[kind]));
                let cut = if self.once_in(8) { format!(" LIMIT {}", self.dice.below(3)) } else { String::new() };
                format!("{not}EXISTS ({}{cut})", core.sql)
            }
            8 | 9 if correlated => self.quantified(terms, outer, plain, depth),
            _ => {
                let scalar = self.scalar(outer, depth);
                match self.once_in(4) {
                    true => self.held(&scalar, Kind::Whole),
                    false => {
                        let tested = self.expression(terms, Kind::Whole, 0, 0);
                        format!("{tested} {} {scalar}", self.pick(&["=", "<", ">=", "<>", "IS DISTINCT FROM"]))
                    }
                }
            }
        }
    }

    /// A statement of one column.
    fn one_column(&mut self, outer: &[Term], kind: Kind, depth: usize) -> String {
        let from = self.from(outer, depth.min(1));
        let core = self.select(&from, outer, depth, Some(&[kind]));
        match self.dice.below(8) {
            0 => core.sql.replacen("SELECT ", "SELECT DISTINCT ", 1),
            1 if outer.is_empty() => {
                let other = self.table();
                let other = self.select(&other, &[], 0, Some(&[kind]));
                let operator = *self.pick(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
                format!("{} {operator} {}", core.sql, other.sql)
            }
            2 => {
                let grouped = self.expression(&from.terms, kind, 0, 0);
                let filtered = self.filtered(&from, outer, 0);
                let by = self.pick(&from.terms).sql.clone();
                format!("SELECT max({grouped}) AS c1 FROM {}{filtered} GROUP BY {by}", from.sql)
            }
            3 => {
                let most = self.expression(&from.terms, kind, 0, 0);
                format!("SELECT min({most}) AS c1 FROM {}{}", from.sql, self.filtered(&from, outer, 0))
            }
            _ => core.sql,
        }
    }

    /// `ANY`, `ALL`: for SQLite as the standard explains them.
    fn quantified(&mut self, terms: &[Term], outer: &[Term], kind: Kind, depth: usize) -> String {
        let tested = self.expression(terms, kind, 0, 0);
        let operator = *self.pick(&["=", "<>", "<", ">="]);
        let from = self.from(outer, 0);
        let (value, filtered) = (self.expression(&from.terms, kind, 0, 0), self.filtered(&from, outer, depth));
        let body = format!("FROM {}{}", from.sql, if filtered.is_empty() { " WHERE true".to_owned() } else { filtered });
        let (body, condition) =
            body.split_once(" WHERE ").map(|(body, condition)| (body.to_owned(), condition.to_owned())).expect("a condition");
        let exists =
            |what: &str| format!("EXISTS (SELECT 1 {body} WHERE ({condition}) AND ({tested} {operator} {value}) IS {what})");
        let all = self.once_in(2);
        let (word, decides, done, other) =
            if all { ("ALL", exists("FALSE"), "false", "true") } else { ("ANY", exists("TRUE"), "true", "false") };
        let sqlites = format!("(CASE WHEN {decides} THEN {done} WHEN {} THEN NULL ELSE {other} END)", exists("NULL"));
        both(&format!("{tested} {operator} {word} (SELECT {value} {body} WHERE {condition})"), &sqlites)
    }

    /// A number another statement answers.
    fn scalar(&mut self, outer: &[Term], depth: usize) -> String {
        let from = self.from(outer, 0);
        if outer.is_empty() && self.once_in(4) {
            let value = self.expression(&from.terms, Kind::Whole, 0, 0);
            let keys: Vec<String> = from.keys.iter().map(|key| format!("{key} = {}", self.dice.below(9))).collect();
            return format!("(SELECT {value} FROM {} WHERE {})", from.sql, keys.join(" AND "));
        }
        let value = self.expression(&from.terms, Kind::Whole, 1, 0);
        let aggregate = match self.dice.below(6) {
            0 | 1 => "count(*)".to_owned(),
            2 => format!("count({value})"),
            3 => format!("sum({value})"),
            4 => format!("coalesce(max({value}), 7)"),
            _ => format!("min({value})"),
        };
        if outer.is_empty() {
            return format!("(SELECT {aggregate} FROM {}{})", from.sql, self.filtered(&from, outer, depth.min(1)));
        }
        // What else it asks of the statement around is mostly refused.
        let joined = self.joined_by(&from.terms, outer);
        let more =
            if self.once_in(20) { self.condition(&from.terms, outer, 1, 0) } else { self.condition(&from.terms, &[], 1, 0) };
        format!("(SELECT {aggregate} FROM {} WHERE {joined} AND {more})", from.sql)
    }

    // ---- expressions

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Whole => (*self.pick(&["0", "1", "2", "3", "5", "-1"])).to_owned(),
            Kind::Text => format!("'{}'", self.pick(&TEXTS)),
            Kind::Yes => (*self.pick(&["true", "false"])).to_owned(),
        }
    }

    /// An expression of a kind: a column, mostly.
    fn expression(&mut self, terms: &[Term], kind: Kind, depth: usize, queries: usize) -> String {
        let fitting: Vec<&Term> = terms.iter().filter(|term| term.kind == kind).collect();
        if queries > 0 && self.once_in(2) {
            return match kind {
                Kind::Yes => format!("({})", self.subquery(terms, true, queries - 1)),
                Kind::Whole => {
                    let outer: &[Term] = if self.once_in(2) { terms } else { &[] };
                    self.scalar(outer, queries - 1)
                }
                Kind::Text => {
                    let condition = self.subquery(terms, true, queries - 1);
                    format!("CASE WHEN {condition} THEN 'a' ELSE 'b' END")
                }
            };
        }
        if depth == 0 || self.dice.below(10) < 6 {
            return match fitting.is_empty() {
                false => self.pick(&fitting).sql.clone(),
                true => self.literal(kind),
            };
        }
        let inner = depth - 1;
        match self.dice.below(8) {
            0 => {
                let (condition, then, other) = (
                    self.condition(terms, &[], 0, 0),
                    self.expression(terms, kind, inner, 0),
                    self.expression(terms, kind, inner, 0),
                );
                let other = if self.once_in(3) { String::new() } else { format!(" ELSE {other}") };
                format!("CASE WHEN {condition} THEN {then}{other} END")
            }
            1 => {
                let (first, last) = (self.expression(terms, kind, inner, 0), self.expression(terms, kind, inner, 0));
                format!("coalesce({first}, {last})")
            }
            2 => format!("nullif({}, {})", self.expression(terms, kind, inner, 0), self.literal(kind)),
            _ => {
                let own = self.expression(terms, kind, inner, 0);
                match (kind, self.dice.below(4)) {
                    (Kind::Text, 0) => format!("upper({own})"),
                    (Kind::Text, 1) => format!("({own} || {})", self.expression(terms, kind, inner, 0)),
                    (Kind::Text, 2) => format!("substr({own}, 1, 1)"),
                    (Kind::Text, _) => format!("CAST({} AS TEXT)", self.expression(terms, Kind::Whole, inner, 0)),
                    (Kind::Whole, 0) => format!("({own} + {})", self.expression(terms, kind, inner, 0)),
                    (Kind::Whole, 1) => format!("({own} * {})", self.pick(&["2", "3"])),
                    (Kind::Whole, 2) => format!("({own} % {})", self.pick(&["2", "3"])),
                    (Kind::Whole, _) => format!("length({})", self.expression(terms, Kind::Text, inner, 0)),
                    (Kind::Yes, _) => format!("({})", self.condition(terms, &[], inner, 0)),
                }
            }
        }
    }
}

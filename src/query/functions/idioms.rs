//! Translates idioms of other databases: functions of Snowflake, SQL Server, MySQL, DuckDB and Salesforce that have another name
//! here, and notations that the planner would misread.
//!
//! [`NAMES`] lists each name with its meaning; a call is replaced by that before the statement is planned, as a macro is. For
//! names that would cost more than they are worth, the error shows how to write the statement ([`ELSEWHERE`]). Notations that the
//! parser accepts and the planner silently ignores (samples, `SIMILAR TO`, Postgres' patterns of `to_char`) are translated or
//! refused here, because a wrong answer is worse than none.
//!
//! Decided 2026-11-28: whole numbers are divided as Postgres divides them, `1/2` is 0. Refused: a fraction, as in Snowflake and
//! MySQL, because statements that people bring from Postgres would give wrong answers. `div0`, `CAST(x AS DOUBLE) / y` and the
//! rates of `sql/macros.sql` give fractions.

use std::ops::ControlFlow;

use chrono::NaiveDateTime;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident,
    LimitClause, ObjectNamePart, Select, SelectFlavor, SelectItem, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::{array_text, patterns};
use crate::error::{Error, Result};

/// Names, how many arguments they are called with, and what is meant; `$1` is the first argument. Without case.
const NAMES: [(&str, usize, &str); 74] = [
    ("iff", 3, "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("if", 3, "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("iif", 3, "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("zeroifnull", 1, "coalesce($1, 0)"),
    ("nullifzero", 1, "nullif($1, 0)"),
    ("isnull", 1, "($1 IS NULL)"),
    ("isnull", 2, "coalesce($1, $2)"),
    ("isblank", 1, "($1 IS NULL OR btrim(CAST($1 AS TEXT)) = '')"),
    ("blankvalue", 2, "CASE WHEN $1 IS NULL OR btrim(CAST($1 AS TEXT)) = '' THEN $2 ELSE $1 END"),
    ("equal_null", 2, "($1 IS NOT DISTINCT FROM $2)"),
    ("div0", 2, "CASE WHEN $2 = 0 THEN 0.0 ELSE CAST($1 AS DOUBLE) / nullif($2, 0) END"),
    ("div0null", 2, "CASE WHEN $2 = 0 OR $2 IS NULL THEN 0.0 ELSE CAST($1 AS DOUBLE) / nullif($2, 0) END"),
    // Parts of a moment.
    ("year", 1, "date_part('year', $1)"),
    ("quarter", 1, "date_part('quarter', $1)"),
    ("month", 1, "date_part('month', $1)"),
    ("week", 1, "date_part('week', $1)"),
    ("weekofyear", 1, "date_part('week', $1)"),
    ("weekiso", 1, "date_part('week', $1)"),
    ("day", 1, "date_part('day', $1)"),
    ("dayofmonth", 1, "date_part('day', $1)"),
    ("dayofweek", 1, "date_part('dow', $1)"),
    ("dayofyear", 1, "date_part('doy', $1)"),
    ("hour", 1, "date_part('hour', $1)"),
    ("minute", 1, "date_part('minute', $1)"),
    ("second", 1, "date_part('second', $1)"),
    ("calendar_year", 1, "date_part('year', $1)"),
    ("calendar_quarter", 1, "date_part('quarter', $1)"),
    ("calendar_month", 1, "date_part('month', $1)"),
    ("day_in_month", 1, "date_part('day', $1)"),
    ("day_in_week", 1, "(date_part('dow', $1) + 1)"),
    ("day_in_year", 1, "date_part('doy', $1)"),
    ("hour_in_day", 1, "date_part('hour', $1)"),
    ("day_only", 1, "CAST($1 AS DATE)"),
    ("monthname", 1, "to_char($1, '%b')"),
    ("dayname", 1, "to_char($1, '%a')"),
    ("last_day", 1, "CAST(date_trunc('month', $1) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)"),
    ("eomonth", 1, "CAST(date_trunc('month', $1) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)"),
    ("age", 2, "($1 - $2)"),
    ("age", 1, "(now() - $1)"),
    ("add_months", 2, "($1 + CAST(concat($2, ' months') AS INTERVAL))"),
    ("getdate", 0, "now()"),
    ("sysdate", 0, "now()"),
    ("sysdatetime", 0, "now()"),
    ("systimestamp", 0, "now()"),
    ("localtimestamp", 0, "now()"),
    ("curdate", 0, "current_date()"),
    ("unix_timestamp", 1, "CAST(date_part('epoch', $1) AS BIGINT)"),
    ("convert_timezone", 2, "($2 AT TIME ZONE $1)"),
    // Counts under a condition; a FILTER or OVER of the call goes to what counts.
    ("count_if", 1, "count(*) FILTER (WHERE $1)"),
    ("countif", 1, "count(*) FILTER (WHERE $1)"),
    ("sum_if", 2, "sum($1) FILTER (WHERE $2)"),
    ("sumif", 2, "sum($1) FILTER (WHERE $2)"),
    ("avg_if", 2, "avg($1) FILTER (WHERE $2)"),
    ("booland_agg", 1, "bool_and($1)"),
    ("boolor_agg", 1, "bool_or($1)"),
    ("every", 1, "bool_and($1)"),
    // Texts.
    ("len", 1, "length($1)"),
    ("charindex", 2, "strpos($2, $1)"),
    ("locate", 2, "strpos($2, $1)"),
    ("startswith", 2, "starts_with($1, $2)"),
    ("endswith", 2, "ends_with($1, $2)"),
    ("to_varchar", 1, "CAST($1 AS TEXT)"),
    ("to_char", 1, "CAST($1 AS TEXT)"),
    ("str", 1, "CAST($1 AS TEXT)"),
    ("ucase", 1, "upper($1)"),
    ("lcase", 1, "lower($1)"),
    ("to_number", 1, "CAST($1 AS DOUBLE)"),
    ("to_double", 1, "CAST($1 AS DOUBLE)"),
    ("try_to_number", 1, "TRY_CAST($1 AS DOUBLE)"),
    ("try_to_date", 1, "TRY_CAST($1 AS DATE)"),
    ("try_to_timestamp", 1, "TRY_CAST($1 AS TIMESTAMP)"),
    ("to_boolean", 1, "CAST($1 AS BOOLEAN)"),
    ("json_extract_path_text", 2, "custom_field($1, $2)"),
    ("get_json_object", 2, "custom_field($1, $2)"),
];

/// Names of aggregates: their order, DISTINCT, FILTER and OVER stay.
const RENAMED: [(&str, &str); 4] =
    [("listagg", "string_agg"), ("group_concat", "string_agg"), ("any_value", "first_value"), ("arrayagg", "array_agg")];

/// Names with what to write instead.
const ELSEWHERE: [(&str, &str); 16] = [
    ("date_format", "to_char(date_sent, '%Y-%m')"),
    ("object_construct", "the columns themselves, and -F json"),
    ("parse_json", "custom_field(custom, 'Region__c')"),
    ("flatten", "unnest(…)"),
    ("week_in_year", "date_part('week', date_sent)"),
    ("week_in_month", "ceil(date_part('day', date_sent) / 7.0)"),
    ("months_between", "datediff('month', a, b)"),
    ("generator", "generate_series(1, 10)"),
    ("regexp_substr", "(regexp_match(subject_line, '…'))[1]"),
    ("rlike", "subject_line ~ '…'"),
    ("regexp_matches", "subject_line ~ '…'"),
    ("instr", "strpos(subject_line, 'word')"),
    ("ratio_to_report", "x / sum(x) OVER ()"),
    ("to_json", "-F json"),
    ("format", "concat(a, ' of ', b)"),
    ("width_bucket", "CASE WHEN x < 10 THEN 'few' ELSE 'many' END"),
];

/// Parts of a moment by which it is moved or compared: what they are called, in singular and short.
const PARTS: [(&str, &[&str]); 9] = [
    ("year", &["years", "yy", "yyyy", "yr"]),
    ("quarter", &["quarters", "qq", "qtr"]),
    ("month", &["months", "mm", "mon"]),
    ("week", &["weeks", "wk", "ww"]),
    ("day", &["days", "dd", "d"]),
    ("hour", &["hours", "hh"]),
    ("minute", &["minutes", "mi", "n"]),
    ("second", &["seconds", "ss", "s"]),
    ("millisecond", &["milliseconds", "ms"]),
];

/// Replaces the idioms of a statement by their meaning.
///
/// # Errors
/// Invalid for what is not known here, with the way to write it.
pub fn translate(statement: &mut impl VisitMut) -> Result<()> {
    let mut typed = Typed { takes_too_much: statement.visit(&mut TakesTooMuch).is_break() };
    match statement.visit(&mut typed) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Typed {
    /// Is there something to be put together anew?
    takes_too_much: bool,
}

/// Looks for `IS DISTINCT FROM` that was taken to be of more than it is.
struct TakesTooMuch;

impl VisitorMut for TakesTooMuch {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_chain(right) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn is_chain(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

fn refused(what: &str, instead: &str) -> Error {
    Error::invalid(phrase!("{what} is not known here; write {instead}"))
}

impl VisitorMut for Typed {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        // DuckDB's `FROM ier LIMIT 1`.
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<Error> {
        // `FETCH FIRST 10 ROWS ONLY`, the standard's LIMIT.
        if let Some(fetch) = query.fetch.take() {
            let is_plain = !fetch.percent && !fetch.with_ties;
            let limit = Some(fetch.quantity.unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false))));
            match &mut query.limit_clause {
                None if is_plain => {
                    query.limit_clause = Some(LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() });
                }
                Some(LimitClause::LimitOffset { limit: own @ None, .. }) if is_plain => *own = limit,
                _ => return ControlFlow::Break(refused("this FETCH", "ORDER BY … LIMIT 10")),
            }
        }
        // `SELECT TOP 10 …` of SQL Server is a LIMIT.
        if let datafusion::sql::sqlparser::ast::SetExpr::Select(select) = query.body.as_mut()
            && let Some(top) = select.top.take()
        {
            use datafusion::sql::sqlparser::ast::TopQuantity;
            let count = match top.quantity {
                Some(TopQuantity::Constant(count)) if !top.percent && !top.with_ties => count.to_string(),
                _ => return ControlFlow::Break(refused("this TOP", "ORDER BY … LIMIT 10")),
            };
            let limit = Some(Expr::value(Value::Number(count, false)));
            query.limit_clause = Some(LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        match table {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                ControlFlow::Break(refused("a sample of a table", "WHERE random() < 0.1 for a tenth of the rows"))
            }
            TableFactor::Pivot { .. } => ControlFlow::Break(refused(
                "PIVOT",
                "a column for each value, such as count(*) FILTER (WHERE opened) AS opened, and GROUP BY the rest",
            )),
            TableFactor::Unpivot { .. } => {
                ControlFlow::Break(refused("UNPIVOT", "SELECT 'a', a FROM t UNION ALL SELECT 'b', b FROM t"))
            }
            TableFactor::MatchRecognize { .. } => {
                ControlFlow::Break(refused("MATCH_RECOGNIZE", "windows, such as lag(date_sent) OVER (PARTITION BY person_id …)"))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.takes_too_much
            && let Some(regrouped) = regrouped(expr)
        {
            *expr = regrouped;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match meant(expr) {
            Ok(Some(meant)) => {
                *expr = meant;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// `a IS DISTINCT FROM b AND c`: the parser (sqlparser 0.62; mended by apache/datafusion-sqlparser-rs 2436) takes `b AND c` for what a is compared with, which for columns that
/// are yes or no gives another answer without a word. What was typed without parentheses is put together anew: AND binds closer
/// than OR, and both less than the rest. None where nothing is to be mended.
fn regrouped(expr: &Expr) -> Option<Expr> {
    let mut is_taken = false;
    let (mut operands, mut operators) = (Vec::new(), Vec::new());
    let mut todo = vec![Ok(expr.clone())];
    // From left to right: operands, and between them the operators.
    while let Some(next) = todo.pop() {
        match next {
            Err(operator) => operators.push(operator),
            Ok(Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right }) => {
                todo.extend([Ok(*right), Err(op), Ok(*left)]);
            }
            Ok(Expr::IsDistinctFrom(left, right)) if is_chain(&right) => {
                is_taken = true;
                let (first, rest) = first_of(*right);
                todo.extend(rest);
                operands.push(Expr::IsDistinctFrom(left, Box::new(first)));
            }
            Ok(Expr::IsNotDistinctFrom(left, right)) if is_chain(&right) => {
                is_taken = true;
                let (first, rest) = first_of(*right);
                todo.extend(rest);
                operands.push(Expr::IsNotDistinctFrom(left, Box::new(first)));
            }
            Ok(Expr::UnaryOp { op: UnaryOperator::Not, expr }) => match *expr {
                Expr::IsDistinctFrom(left, right) if is_chain(&right) => {
                    is_taken = true;
                    let (first, rest) = first_of(*right);
                    todo.extend(rest);
                    let inner = Box::new(Expr::IsDistinctFrom(left, Box::new(first)));
                    operands.push(Expr::UnaryOp { op: UnaryOperator::Not, expr: inner });
                }
                Expr::IsNotDistinctFrom(left, right) if is_chain(&right) => {
                    is_taken = true;
                    let (first, rest) = first_of(*right);
                    todo.extend(rest);
                    let inner = Box::new(Expr::IsNotDistinctFrom(left, Box::new(first)));
                    operands.push(Expr::UnaryOp { op: UnaryOperator::Not, expr: inner });
                }
                inner => operands.push(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(inner) }),
            },
            Ok(operand) => operands.push(operand),
        }
    }
    if !is_taken {
        return None;
    }
    let mut operands = operands.into_iter();
    let both = |left: Expr, op: BinaryOperator, right: Expr| Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    let (mut or, mut and) = (None, operands.next()?);
    for operator in operators {
        let operand = operands.next()?;
        if operator == BinaryOperator::And {
            and = both(and, BinaryOperator::And, operand);
        } else {
            or = Some(or.map_or(and.clone(), |or| both(or, BinaryOperator::Or, and.clone())));
            and = operand;
        }
    }
    Some(or.map_or(and.clone(), |or| both(or, BinaryOperator::Or, and)))
}

/// The first operand of a chain, and what is left to do, last thing first.
fn first_of(chain: Expr) -> (Expr, Vec<Result<Expr, BinaryOperator>>) {
    let (mut first, mut rest) = (chain, Vec::new());
    while let Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } = first {
        rest.extend([Ok(*right), Err(op)]);
        first = *left;
    }
    (first, rest)
}

/// What an expression means, where that is something else than what the planner would take it for.
fn meant(expr: &mut Expr) -> Result<Option<Expr>> {
    match expr {
        Expr::Function(function) => of_function(function),
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let pattern = literal(pattern).filter(|_| escape_char.is_none());
            let pattern = pattern.ok_or_else(|| refused("SIMILAR TO with a pattern that is computed, or ESCAPE", "x ~ '…'"))?;
            let pattern = Expr::value(Value::SingleQuotedString(patterns::similar_to(&pattern)));
            let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            let matched = Expr::BinaryOp { left: expr.clone(), op, right: Box::new(pattern) };
            Ok(Some(Expr::Nested(Box::new(matched))))
        }
        Expr::Like { any: true, negated, expr, pattern, .. } => Ok(Some(any_like(false, *negated, expr, pattern)?)),
        Expr::ILike { any: true, negated, expr, pattern, .. } => Ok(Some(any_like(true, *negated, expr, pattern)?)),
        Expr::Cast { expr: inner, data_type: DataType::Array(_), .. } => array_text::read(inner).map(|()| None),
        Expr::Cast { expr: inner, data_type: DataType::Timestamp(..), .. } => {
            to_the_second(inner);
            Ok(None)
        }
        Expr::TypedString(typed) if matches!(typed.data_type, DataType::Timestamp(..)) => {
            if let Value::SingleQuotedString(text) = &mut typed.value.value
                && is_to_the_minute(text)
            {
                text.push_str(":00");
            }
            Ok(None)
        }
        Expr::BinaryOp { left, op: BinaryOperator::LongArrow, right } => {
            Ok(Some(applied("custom_field($1, $2)", &[left, right])?))
        }
        _ => Ok(None),
    }
}

/// `2026-08-01 10:00`, which Postgres takes for a moment.
fn is_to_the_minute(text: &str) -> bool {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").is_ok()
}

fn to_the_minute(expr: &Expr) -> bool {
    literal(expr).is_some_and(|text| is_to_the_minute(&text))
}

/// Gives a moment that is written to the minute its seconds.
fn to_the_second(expr: &mut Expr) {
    if let Some(text) = literal(expr).filter(|text| is_to_the_minute(text)) {
        *expr = Expr::value(Value::SingleQuotedString(format!("{text}:00")));
    }
}

/// `x LIKE ANY ('a%', 'b%')`.
fn any_like(folds: bool, negated: bool, expr: &Expr, pattern: &Expr) -> Result<Expr> {
    let Expr::Tuple(patterns) = pattern else {
        return Err(refused("LIKE ANY of something else than a list", "x LIKE 'a%' OR x LIKE 'b%'"));
    };
    let word = if folds { "ILIKE" } else { "LIKE" };
    let likes: Vec<String> = (2..patterns.len() + 2).map(|place| format!("$1 {word} ${place}")).collect();
    let arguments: Vec<&Expr> = std::iter::once(expr).chain(patterns).collect();
    let any = applied(&format!("({})", likes.join(" OR ")), &arguments)?;
    Ok(if negated { Expr::Nested(Box::new(applied("NOT $1", &[&any])?)) } else { any })
}

fn of_function(function: &mut Function) -> Result<Option<Expr>> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(None) };
    let name = name.value.to_ascii_lowercase();
    let Some(arguments) = arguments(function) else { return Ok(None) };
    let given: Vec<&Expr> = arguments.iter().collect();
    if matches!(name.as_str(), "to_char" | "strftime" | "to_varchar")
        && let [moment, pattern] = given.as_slice()
    {
        return Ok(Some(to_char(moment, pattern)?));
    }
    if name == "to_timestamp" && given.first().is_some_and(|moment| to_the_minute(moment)) {
        let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
        if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(moment))) = list.args.first_mut() {
            to_the_second(moment);
        }
        return Ok(None);
    }
    if let Some(moved) = by_part(&name, &given)? {
        return Ok(Some(moved));
    }
    if name == "decode" && given.len() > 2 {
        return Ok(Some(decoded(&given)?));
    }
    if let Some((_, to)) = RENAMED.iter().find(|(from, _)| *from == name) {
        function.name.0 = vec![ObjectNamePart::Identifier(Ident::new(*to))];
        let order = std::mem::take(&mut function.within_group);
        if !order.is_empty() {
            let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
            list.clauses.push(FunctionArgumentClause::OrderBy(order));
        }
        if *to == "string_agg" && given.len() == 1 {
            let separator = if name == "listagg" { "" } else { "," };
            let separator = Expr::value(Value::SingleQuotedString(separator.to_owned()));
            let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(separator)));
        }
        return Ok(None);
    }
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return Err(refused(&name, instead));
    }
    let known = NAMES.iter().find(|(known, count, _)| *known == name && *count == given.len());
    let Some((_, _, template)) = known else { return Ok(None) };
    let mut meant = applied(template, &given)?;
    if function.filter.is_some() || function.over.is_some() {
        let Expr::Function(inner) = &mut meant else {
            return Err(Error::invalid(phrase!("{name} is asked of one row: it takes no FILTER and no OVER")));
        };
        inner.over = function.over.take();
        inner.filter = match (inner.filter.take(), function.filter.take()) {
            (Some(own), Some(other)) => Some(Box::new(applied("$1 AND $2", &[&own, &other])?)),
            (one, other) => one.or(other),
        };
        return Ok(Some(meant));
    }
    // An aggregate stays bare: what stands around it may have to see it.
    Ok(Some(if matches!(meant, Expr::Function(_)) { meant } else { Expr::Nested(Box::new(meant)) }))
}

/// `dateadd(day, 7, x)`, `datediff(day, a, b)`, `date_trunc(month, x)` and what else names a part of a moment.
fn by_part(name: &str, given: &[&Expr]) -> Result<Option<Expr>> {
    let part = || {
        let first = given.first()?;
        let typed = match first {
            Expr::Identifier(part) if part.quote_style.is_none() => part.value.to_ascii_lowercase(),
            first => literal(first)?.to_ascii_lowercase(),
        };
        PARTS.iter().find(|(part, short)| *part == typed || short.contains(&typed.as_str())).map(|(part, _)| *part)
    };
    let wants = |instead: &str| refused(&format!("{name} of that part"), instead);
    match (name, given) {
        ("dateadd" | "date_add" | "timestampadd", [_, count, moment]) => {
            let part = part().ok_or_else(|| wants("date_sent + INTERVAL '7 days'"))?;
            let (part, times) = if part == "quarter" { ("month", 3) } else { (part, 1) };
            let template = format!("($2 + CAST(concat($1 * {times}, ' {part}') AS INTERVAL))");
            Ok(Some(applied(&template, &[count, moment])?))
        }
        ("datediff" | "date_diff" | "timestampdiff", [_, from, to]) => {
            let part = part().ok_or_else(|| wants("date_part('epoch', b - a) / 86400"))?;
            let template = match part {
                "year" => "CAST(date_part('year', $2) - date_part('year', $1) AS BIGINT)".to_owned(),
                "quarter" => "CAST((date_part('year', $2) - date_part('year', $1)) * 4 + date_part('quarter', $2) - date_part('quarter', $1) AS BIGINT)".to_owned(),
                "month" => "CAST((date_part('year', $2) - date_part('year', $1)) * 12 + date_part('month', $2) - date_part('month', $1) AS BIGINT)".to_owned(),
                part => {
                    let seconds = match part {
                        "week" => "604800",
                        "day" => "86400",
                        "hour" => "3600",
                        "minute" => "60",
                        "second" => "1",
                        _ => "0.001",
                    };
                    let epoch = |place: &str| format!("date_part('epoch', date_trunc('{part}', {place}))");
                    format!("CAST(({} - {}) / {seconds} AS BIGINT)", epoch("$2"), epoch("$1"))
                }
            };
            Ok(Some(applied(&template, &[from, to])?))
        }
        ("datediff", [to, from]) => Ok(Some(applied(
            "CAST((date_part('epoch', CAST($1 AS DATE)) - date_part('epoch', CAST($2 AS DATE))) / 86400 AS BIGINT)",
            &[to, from],
        )?)),
        ("datetrunc" | "date_trunc", [first, moment]) if matches!(first, Expr::Identifier(_)) || name == "datetrunc" => {
            let part = part().ok_or_else(|| wants("date_trunc('month', date_sent)"))?;
            Ok(Some(applied(&format!("date_trunc('{part}', $1)"), &[moment])?))
        }
        ("datepart" | "date_part", [first, moment]) if matches!(first, Expr::Identifier(_)) || name == "datepart" => {
            let part = part().ok_or_else(|| wants("date_part('month', date_sent)"))?;
            Ok(Some(applied(&format!("date_part('{part}', $1)"), &[moment])?))
        }
        _ => Ok(None),
    }
}

/// `to_char(moment, pattern)`: patterns with `%` are the engine's, those with letters Postgres'.
fn to_char(moment: &Expr, pattern: &Expr) -> Result<Expr> {
    let typed = literal(pattern).ok_or_else(|| refused("to_char with a pattern that is computed", "to_char(x, 'YYYY-MM')"))?;
    let translated = patterns::to_char(&typed)?;
    // Bare, so that this is not translated again.
    let text = applied("to_char($1, $2)", &[moment, &Expr::value(Value::SingleQuotedString(translated.pattern))])?;
    match translated.case {
        Some(function) => applied(&format!("{function}($1)"), &[&text]),
        None => Ok(text),
    }
}

/// Oracle's and Snowflake's `decode(x, value, then, …, otherwise)`: a null is equal to a null.
fn decoded(given: &[&Expr]) -> Result<Expr> {
    let mut template = "(CASE".to_owned();
    let mut at = 2;
    while at < given.len() {
        template += &format!(" WHEN $1 IS NOT DISTINCT FROM ${at} THEN ${}", at + 1);
        at += 2;
    }
    if at == given.len() {
        template += &format!(" ELSE ${at}");
    }
    applied(&(template + " END)"), given)
}

/// The arguments of a call, where they are plain.
fn arguments(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::Subquery(_) => None,
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text.clone()),
        _ => None,
    }
}

/// A template with these in the places of `$1`, `$2` …
fn applied(template: &str, arguments: &[&Expr]) -> Result<Expr> {
    let mut parser = Parser::new(&GenericDialect {})
        .try_with_sql(template)
        .map_err(|error| Error::internal(phrase!("{template}: {}", error.to_string())))?;
    let mut expr = parser.parse_expr().map_err(|error| Error::internal(phrase!("{template}: {}", error.to_string())))?;
    let mut put_in = Substitution { arguments };
    let _ = expr.visit(&mut put_in);
    Ok(expr)
}

struct Substitution<'a> {
    arguments: &'a [&'a Expr],
}

impl VisitorMut for Substitution<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let place = match expr {
            Expr::Value(ValueWithSpan { value: Value::Placeholder(place), .. }) => {
                place.strip_prefix('$').and_then(|place| place.parse::<usize>().ok())
            }
            _ => None,
        };
        if let Some(argument) = place.and_then(|place| self.arguments.get(place.wrapping_sub(1))) {
            // What is a name or a value needs no parentheses.
            *expr = match argument {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::Function(_) => (*argument).clone(),
                argument => Expr::Nested(Box::new((*argument).clone())),
            };
        }
        ControlFlow::Continue(())
    }
}

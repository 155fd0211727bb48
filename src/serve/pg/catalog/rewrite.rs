//! Rewrites a catalog statement into one that DataFusion can plan. It changes the syntax tree, never a text, and only trees of
//! catalog statements.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, GroupByExpr, Ident, ObjectName, OrderByExpr, OrderByOptions, Query, SelectItem, SetExpr, Statement,
    TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::pieces::{
    aggregates, bare, call, column, folded, items, last, literal, number, only_argument, parts, text, truth, type_name,
};
use super::shapes::{INFORMATION_SCHEMA, PG_CATALOG, holds_function, holds_truth, shape_named};

/// Rewrites a whole statement.
pub(super) fn statement(query: &mut Query) {
    let mut relations = Relations::default();
    let _ = Visit::visit(&*query, &mut relations);
    let _ = VisitMut::visit(query, &mut Rewrite { relations });
    shown(&mut query.body);
}

/// Types whose values are numbers that are shown as names.
const NAMING: [&str; 6] = ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];

/// In the outermost SELECT lists numbers of things are shown by name where their type says so.
fn shown(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                match item {
                    SelectItem::UnnamedExpr(expression) => {
                        let name = super::names::of(expression);
                        if show(expression) {
                            let alias = Ident::with_quote('"', name);
                            *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
                        }
                    }
                    SelectItem::ExprWithAlias { expr, .. } => {
                        show(expr);
                    }
                    _ => {}
                }
            }
        }
        SetExpr::Query(query) => shown(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            shown(left);
            shown(right);
        }
        _ => {}
    }
}

fn show(expression: &mut Expr) -> bool {
    if column(expression).is_some_and(|name| holds_function(&name)) {
        *expression = call("regproc_out", vec![expression.clone()]);
        return true;
    }
    named_in(expression).is_some_and(|(name, inner)| {
        *expression = call(&format!("{name}_out"), vec![inner]);
        true
    })
}

/// The type and the value of `regclass_in(value)`, which a cast became.
fn named_in(expression: &Expr) -> Option<(&'static str, Expr)> {
    let Expr::Function(function) = bare(expression) else { return None };
    let name = last(&function.name);
    let naming = NAMING.into_iter().find(|naming| name.strip_suffix("_in") == Some(naming))?;
    Some((naming, only_argument(function)?.clone()))
}

/// The relations of Postgres a statement names, by the names it gives them, with their numbers.
#[derive(Default)]
struct Relations(HashMap<String, i64>);

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && let Some(shape) = shape_named(&last(name))
        {
            let known = alias.as_ref().map_or_else(|| last(name), |alias| folded(&alias.name));
            self.0.insert(known, shape.oid);
        }
        ControlFlow::Continue(())
    }
}

struct Rewrite {
    relations: Relations,
}

impl VisitorMut for Rewrite {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(new) = called(factor) {
            *factor = new;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Some(new) = self.number_of_relation(expression).or_else(|| rewritten(expression)) {
            *expression = new;
        }
        ControlFlow::Continue(())
    }
}

impl Rewrite {
    /// `c.tableoid`, a column each relation of Postgres has: the relation's own number.
    fn number_of_relation(&self, expression: &Expr) -> Option<Expr> {
        let Expr::CompoundIdentifier(idents) = expression else { return None };
        let [.., table, column] = idents.as_slice() else { return None };
        let oid = self.relations.0.get(&folded(table)).filter(|_| folded(column) == "tableoid")?;
        Some(number(oid))
    }
}

/// A function among the tables: a table of ours, one of DataFusion's table functions, or a query of one row with its value.
fn called(factor: &mut TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, args: args @ Some(_), alias, .. } = factor else { return None };
    let function = last(name);
    *name = ObjectName::from(Ident::new(function.clone()));
    if super::tables::is_function(&function) {
        *args = None;
        return None;
    }
    // Its one column has the name of the table.
    let named = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(function.clone()),
        columns: Vec::new(),
        at: None,
    });
    if named.columns.is_empty() {
        named.columns.push(TableAliasColumnDef { name: named.name.clone(), data_type: None });
    }
    if matches!(function.as_str(), "generate_series" | "unnest") {
        return None;
    }
    let values = args.take()?.args.into_iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    });
    Some(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(row_of(call(&function, values.collect()))?),
        alias: alias.take(),
        sample: None,
    })
}

/// `SELECT value`.
fn row_of(value: Expr) -> Option<Query> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, "SELECT 1").ok()?.pop()?;
    let Statement::Query(mut query) = parsed else { return None };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(value)];
    }
    Some(*query)
}

fn rewritten(expression: &mut Expr) -> Option<Expr> {
    match expression {
        Expr::Identifier(ident) if ident.quote_style.is_none() => {
            let name = folded(ident);
            matches!(name.as_str(), "current_schema" | "current_catalog" | "session_user" | "current_role")
                .then(|| call(&name, Vec::new()))
        }
        Expr::Collate { expr, .. } => Some(std::mem::replace(expr.as_mut(), truth(true))),
        Expr::Cast { expr, data_type, .. } => cast(expr, data_type),
        Expr::Function(function) => self::function(function),
        Expr::BinaryOp { left, op, right } => operator(left, op, right),
        Expr::AnyOp { left, compare_op, right, .. } => of_list(left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => of_list(left, compare_op, right, true),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            let escape = escape_char.take()?.value.into_string()?;
            if escape != "\\" {
                **pattern = call("like_escape", vec![(**pattern).clone(), text(escape)]);
            }
            None
        }
        Expr::Subquery(query) => {
            at_most_one(query);
            None
        }
        // DataFusion asks for membership in WHERE alone.
        Expr::Case { conditions, .. } => {
            for when in conditions {
                if let Expr::InSubquery { expr, subquery, negated: false } = &mut when.condition {
                    let value = (**expr).clone();
                    when.condition = call("array_has", vec![collected(subquery)?, value]);
                }
            }
            None
        }
        _ => None,
    }
}

/// A scalar subquery as DataFusion takes one that looks at the row around it: an aggregate, which has one row at most.
fn at_most_one(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(expressions, _) if expressions.is_empty());
    if select.from.is_empty() || grouped || select.distinct.is_some() || query.limit_clause.is_some() || query.with.is_some() {
        return;
    }
    let [SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if !matches!(bare(expression), Expr::Function(function) if aggregates(function) || last(&function.name) == "coalesce") {
        *expression = call("max", vec![expression.clone()]);
        query.order_by = None;
    }
}

fn function(function: &mut Function) -> Option<Expr> {
    let parts = parts(&function.name);
    if let [schema, name] = parts.as_slice()
        && (schema == PG_CATALOG || schema == INFORMATION_SCHEMA)
    {
        function.name = ObjectName::from(Ident::new(name.clone()));
    }
    if let Some(of_type) = of_true_type(function) {
        return Some(of_type);
    }
    if matches!(function.args, FunctionArguments::None) {
        return Some(call(&last(&function.name), Vec::new()));
    }
    match &mut function.args {
        FunctionArguments::Subquery(query) if last(&function.name) == "array" => collected(query),
        _ => None,
    }
}

/// `_pg_truetypid(a.*, t.*)`: what a column's type rests on, from its row and its type's. There are no domains here: its own type.
fn of_true_type(function: &Function) -> Option<Expr> {
    let field = match last(&function.name).as_str() {
        "_pg_truetypid" => "atttypid",
        "_pg_truetypmod" => "atttypmod",
        _ => return None,
    };
    let FunctionArguments::List(list) = &function.args else { return None };
    let table = match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(table)) => last(table),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(table)) => column(table)?,
        _ => return None,
    };
    Some(Expr::CompoundIdentifier(vec![Ident::new(table), Ident::new(field)]))
}

/// `ARRAY(SELECT x …)` as an aggregate.
fn collected(query: &mut Query) -> Option<Expr> {
    let ordered = query.order_by.take().is_some();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let [SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    let mut aggregate = call("array_agg", vec![expression.clone()]);
    if let (true, Expr::Function(Function { args: FunctionArguments::List(list), .. })) = (ordered, &mut aggregate) {
        let options = OrderByOptions { asc: None, nulls_first: None };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![OrderByExpr {
            expr: expression.clone(),
            options,
            with_fill: None,
        }]));
    }
    *expression = aggregate;
    Some(call("coalesce", vec![Expr::Subquery(Box::new(query.clone())), call("no_texts", Vec::new())]))
}

fn cast(value: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    let name = type_name(data_type);
    if let Some(naming) = NAMING.into_iter().find(|naming| *naming == name) {
        // Of one type to another of these, or of a number that is one already.
        let inner = named_in(value).map_or_else(|| value.clone(), |(_, inner)| inner);
        return Some(call(&format!("{naming}_in"), vec![inner]));
    }
    if name == "_regtype" {
        return Some(call("regtypes_out", vec![value.clone()]));
    }
    if matches!(
        name.as_str(),
        "text" | "varchar" | "name" | "bpchar" | "char" | "character varying" | "character" | "json" | "jsonb" | "xml"
    ) {
        if let Some((naming, inner)) = named_in(value) {
            return Some(call(&format!("{naming}_out"), vec![inner]));
        }
        if column(value).is_some_and(|name| holds_function(&name)) {
            return Some(call("regproc_out", vec![value.clone()]));
        }
    }
    *data_type = known_type(&name)?;
    None
}

/// A type by a name DataFusion knows; none where it is known already.
fn known_type(name: &str) -> Option<DataType> {
    if let Some(item) = name.strip_prefix('_') {
        let item = known_type(item).unwrap_or(DataType::Text);
        return Some(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), None)));
    }
    Some(match name {
        "text" | "varchar" | "name" | "bpchar" | "char" | "character varying" | "character" | "json" | "jsonb" | "xml"
        | "inet" | "cidr" | "aclitem" | "unknown" | "cstring" | "uuid" | "sql_identifier" | "character_data" | "yes_or_no" => {
            DataType::Text
        }
        "bool" | "boolean" => DataType::Boolean,
        "int2" | "smallint" => DataType::SmallInt(None),
        "int4" | "int" | "integer" | "cardinal_number" => DataType::Integer(None),
        "int8" | "bigint" | "oid" | "xid" | "cid" => DataType::BigInt(None),
        "float4" | "real" => DataType::Real,
        "float8" | "double precision" => DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
        "date" => DataType::Date,
        "int2vector" => DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::SmallInt(None)), None)),
        "oidvector" => DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::BigInt(None)), None)),
        _ => return None,
    })
}

fn operator(left: &mut Expr, op: &mut BinaryOperator, right: &mut Expr) -> Option<Expr> {
    if let BinaryOperator::PGCustomBinaryOperator(name) = op
        && let Some(plain) = name.last().and_then(|name| plain(name))
    {
        *op = plain;
    }
    if !compares(op) {
        return None;
    }
    as_its_column(left, right);
    as_its_column(right, left);
    None
}

/// A text that is compared with a column, as a value of the column's type: `indisprimary = 't'`, `typinput = 'array_in'`.
fn as_its_column(one: &Expr, other: &mut Expr) {
    let Some(name) = column(one) else { return };
    let Some(value) = literal(other) else { return };
    if let (true, Some(value)) = (holds_truth(&name), as_truth(value)) {
        *other = truth(value);
    } else if holds_function(&name) && value.parse::<i64>().is_err() {
        *other = call("regproc_in", vec![text(value)]);
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn plain(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

fn as_truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "1" | "y" | "yes" | "on" => Some(true),
        "f" | "false" | "0" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `x = ANY (list)` and `x <> ALL (list)`.
fn of_list(left: &Expr, op: &BinaryOperator, right: &Expr, all: bool) -> Option<Expr> {
    let value = || Box::new(left.clone());
    if let Expr::Subquery(subquery) = bare(right) {
        let negated = match (op, all) {
            (BinaryOperator::Eq, false) => false,
            (BinaryOperator::NotEq, true) => true,
            _ => return None,
        };
        return Some(Expr::InSubquery { expr: value(), subquery: subquery.clone(), negated });
    }
    if let Some(mut list) = items(right) {
        // Of numbers where numbers are compared.
        for item in &mut list {
            if let Some(digits) = literal(item).filter(|text| text.parse::<i64>().is_ok()) {
                let numeric = column(left).is_some_and(|name| super::given::is_number(&name));
                *item = if numeric { number(digits) } else { item.clone() };
            }
        }
        match (op, all) {
            _ if list.is_empty() => return Some(truth(all)),
            (BinaryOperator::Eq, false) => return Some(Expr::InList { expr: value(), list, negated: false }),
            (BinaryOperator::NotEq, true) => return Some(Expr::InList { expr: value(), list, negated: true }),
            _ => {}
        }
        let join = if all { BinaryOperator::And } else { BinaryOperator::Or };
        let one = |item: Expr| Expr::BinaryOp { left: value(), op: op.clone(), right: Box::new(item) };
        let joined =
            |so_far: Expr, next: Expr| Expr::BinaryOp { left: Box::new(so_far), op: join.clone(), right: Box::new(next) };
        return list.into_iter().map(one).reduce(joined).map(|whole| Expr::Nested(Box::new(whole)));
    }
    let has = call("array_has", vec![right.clone(), left.clone()]);
    match (op, all) {
        (BinaryOperator::Eq, false) => Some(has),
        (BinaryOperator::NotEq, true) => Some(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(has) }),
        _ => None,
    }
}

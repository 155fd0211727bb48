//! Helpers that take parts of a syntax tree apart, and build new ones.

use datafusion::sql::sqlparser::ast::{
    Array, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Query, Select, SetExpr, TableAlias, Value,
};

/// An identifier as it is looked up: in lower case unless it stands in quotes.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The parts of a name as they are looked up.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect()
}

/// The last part of a name: that of the function, the type, the table.
pub(super) fn last(name: &ObjectName) -> String {
    parts(name).pop().unwrap_or_default()
}

/// The expression without the parentheses around it.
pub(super) fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// The column an expression is, by its own name.
pub(super) fn column(expression: &Expr) -> Option<String> {
    match bare(expression) {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded),
        _ => None,
    }
}

/// The text an expression is.
pub(super) fn literal(expression: &Expr) -> Option<&str> {
    match bare(expression) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The number of the parameter an expression is, from 1.
pub(super) fn placeholder(expression: &Expr) -> Option<usize> {
    match bare(expression) {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Null.
pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// A text.
pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

/// A number.
pub(super) fn number(value: impl ToString) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// True or false.
pub(super) fn truth(value: bool) -> Expr {
    Expr::value(Value::Boolean(value))
}

/// A call of a function.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The first argument of a call, if it has only that.
pub(super) fn only_argument(function: &Function) -> Option<&Expr> {
    match arguments(function).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// The arguments of a call that are expressions.
pub(super) fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let expression = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expression)) => Some(expression),
        _ => None,
    };
    list.args.iter().filter_map(expression).collect()
}

/// Whether a call aggregates, as far as catalog statements know aggregates.
pub(super) fn aggregates(function: &Function) -> bool {
    const NAMES: [&str; 15] = [
        "count",
        "sum",
        "min",
        "max",
        "avg",
        "array_agg",
        "string_agg",
        "bool_and",
        "bool_or",
        "every",
        "json_agg",
        "jsonb_agg",
        "json_object_agg",
        "jsonb_object_agg",
        "xmlagg",
    ];
    function.over.is_none() && NAMES.contains(&last(&function.name).as_str())
}

/// The items of a list: of `ARRAY[…]`, of the text `{a,"b c"}`, also under a cast.
pub(super) fn items(expression: &Expr) -> Option<Vec<Expr>> {
    match bare(expression) {
        Expr::Array(Array { elem, .. }) => Some(elem.clone()),
        Expr::Cast { expr, .. } => items(expr),
        Expr::Value(value) if value.value == Value::Null => Some(Vec::new()),
        other => literal(other).and_then(items_of_text),
    }
}

/// The items of a list written as text, as Postgres writes it.
pub(super) fn items_of_text(list: &str) -> Option<Vec<Expr>> {
    let inner = list.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut found, mut item, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut characters = inner.chars();
    let finish = |item: &mut String, was_quoted: &mut bool| {
        let value = std::mem::take(item);
        let is_null = !std::mem::take(was_quoted) && value.eq_ignore_ascii_case("null");
        if is_null { null() } else { text(value) }
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' => item.extend(characters.next()),
            '"' => (quoted, was_quoted) = (!quoted, true),
            ',' if !quoted => found.push(finish(&mut item, &mut was_quoted)),
            other => item.push(other),
        }
    }
    if !inner.is_empty() {
        found.push(finish(&mut item, &mut was_quoted));
    }
    Some(found)
}

/// The first SELECT of a query, from the left.
pub(super) fn select_of(query: &Query) -> Option<&Select> {
    fn of(body: &SetExpr) -> Option<&Select> {
        match body {
            SetExpr::Select(select) => Some(select),
            SetExpr::Query(query) => of(&query.body),
            SetExpr::SetOperation { left, .. } => of(left),
            _ => None,
        }
    }
    of(&query.body)
}

/// The name of a type without its schema, in lower case, `_text` for `text[]`; `char` and `"char"` are one.
pub(super) fn type_name(data_type: &DataType) -> String {
    let whole = data_type.to_string().to_lowercase().replace('"', "");
    let whole = whole.rsplit('.').next().unwrap_or_default();
    match whole.strip_suffix("[]") {
        Some(item) => format!("_{}", item.split('(').next().unwrap_or_default()),
        None => whole.split('(').next().unwrap_or_default().to_owned(),
    }
}

/// The columns named behind the alias of a table.
pub(super) fn alias_columns(alias: Option<&TableAlias>) -> Vec<String> {
    alias.map(|alias| alias.columns.iter().map(|column| folded(&column.name)).collect()).unwrap_or_default()
}

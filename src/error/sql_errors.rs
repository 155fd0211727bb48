//! Rewords errors of DataFusion and arrow about a statement for the user who typed it: without names of rules and types, without
//! syntax trees, without "file a bug", and with the right way to write it if that is known.

/// The error for correlated subqueries that cannot be carried out.
pub const ANOTHER_WAY: &str = "this subquery asks the statement around it in a way the engine cannot carry out: write it as a JOIN with a GROUP BY, or \
     as EXISTS (SELECT 1 FROM … WHERE …)";

/// The error for subqueries that get in each other's way.
const BY_ITSELF: &str =
    "this subquery cannot be carried out beside the others: write it as a JOIN with a GROUP BY, or in a WITH of its own";

/// Names of rules and kinds of error before what is said.
const BEFORE: [&str; 17] = [
    "Error during planning: ",
    "This feature is not implemented: ",
    "Internal error: ",
    "Schema error: ",
    "SQL error: ",
    "Arrow error: ",
    "Execution error: ",
    "Parser error: ",
    "Cast error: ",
    "Invalid argument error: ",
    "Compute error: ",
    "Divide by zero error: ",
    "Arithmetic overflow: ",
    "Invalid input plan passed to Analyzer: ",
    "Invalid (non-executable) plan after Analyzer: ",
    "External error: ",
    "Configuration error: ",
];

/// Words that only occur in syntax trees and plans.
const TREES: [&str; 12] = [
    "Span(",
    "Span {",
    "Location(",
    "Field {",
    "Ident {",
    "OuterReferenceColumn",
    "__correlated_sq",
    "__scalar_sq",
    "__always_true",
    "__asked_",
    "Expr {",
    "MATCH_RECOGNIZE {",
];

/// The error for internal errors of DataFusion, which would tell a user nothing.
const CANNOT: &str = "the engine cannot carry out this statement as it is written";

/// Parts of DataFusion's messages, and what is said instead of a message that has them.
const MEANT: [(&[&str], &str); 17] = [
    (
        &["'sum'", "Boolean"],
        "sum adds numbers, and this is yes or no: count(*) FILTER (WHERE opened), or count_if(opened), counts those that are yes",
    ),
    (
        &["'avg'", "Boolean"],
        "avg is of numbers, and this is yes or no: avg(CAST(opened AS INT)) is the share of those that are yes",
    ),
    (
        &["Sum not supported", "Boolean"],
        "sum adds numbers, and this is yes or no: count(*) FILTER (WHERE opened), or count_if(opened)",
    ),
    (
        &["Boolean", "comparison operation"],
        "a column that is yes or no is compared with true or false: WHERE opened, opened = false",
    ),
    (
        &["PIVOT"],
        "PIVOT is not known here; write a column for each value: count(*) FILTER (WHERE opened) AS opened, and GROUP BY the rest",
    ),
    (
        &["LATERAL"],
        "LATERAL is not carried out here; write a JOIN, or row_number() OVER (PARTITION BY … ORDER BY …) for the first of each",
    ),
    (&["OuterReferenceColumn"], ANOTHER_WAY),
    (
        &["Physical plan does not support logical expression"],
        "this subquery stands where, or asks in a way, that the engine cannot carry out: write it as a JOIN with a GROUP BY, or as EXISTS \
         (SELECT 1 FROM … WHERE …) in WHERE",
    ),
    (
        &["Correlated scalar subquery must be aggregated"],
        "a subquery that is a value, and asks the statement around it, must be sure to have one row: write max(…) or count(…) in it, or a JOIN",
    ),
    (&["__correlated_sq"], BY_ITSELF),
    (&["__scalar_sq"], BY_ITSELF),
    (
        &["Cannot access field at argument"],
        "a measure takes the name of a table in the statement, such as open_rate(i) for FROM ier i",
    ),
    (
        &["declared as non-nullable"],
        "a subquery that is a value found no row, where the engine took for granted that there is one: write max(…) in it",
    ),
    (&["Correlated scalar subquery can only be used"], ANOTHER_WAY),
    (
        &["does not satisfy order requirements"],
        "the engine cannot carry out this order: compute what is sorted by in a WITH of its own",
    ),
    (&["recursion limit exceeded"], "the statement is nested too deep: fewer parentheses, or a WITH for what stands within"),
    (&["RecursionLimitExceeded"], "the statement is nested too deep: fewer parentheses, or a WITH for what stands within"),
];

/// Measures, which people take for columns.
const MEASURES: [&str; 12] = [
    "bounce_rate",
    "bounced",
    "click_rate",
    "click_to_open_rate",
    "delivered",
    "human_open_rate",
    "machine_opened",
    "open_rate",
    "people",
    "sent",
    "total_clicks",
    "unsubscribe_rate",
];

/// What is said of a subquery that cannot be taken out of its place.
const SUBQUERY: &str =
    "this subquery cannot be carried out where it stands: write it as a JOIN with a GROUP BY, or in a WITH of its own";

/// A message in words for people.
pub fn plain(message: &str) -> String {
    let text = message.split("\n\nThis issue was likely caused by").next().unwrap_or(message);
    let text = text.split("This issue was likely caused by").next().unwrap_or(text).trim();
    let mut text = last_cause(text);
    while let Some(rest) = BEFORE.iter().find_map(|before| text.strip_prefix(before)) {
        text = last_cause(rest);
    }
    // What was taken out of its place, and did not fit where it was put.
    if message.contains("'decorrelate_predicate_subquery'") || message.contains("'scalar_subquery_to_join'") {
        return SUBQUERY.to_owned();
    }
    let known = MEANT.iter().find(|(parts, _)| parts.iter().all(|part| text.contains(part)));
    if let Some((_, words)) = known {
        return (*words).to_owned();
    }
    if let Some(words) = of_moment(text).or_else(|| of_function(text)).or_else(|| of_column(text)) {
        return words;
    }
    if let Some(inner) = text.strip_prefix("ParserError(\"").and_then(|inner| inner.strip_suffix("\")")) {
        return inner.replace("\\\"", "\"").replace("\\'", "'");
    }
    if TREES.iter().any(|tree| text.contains(tree)) {
        return CANNOT.to_owned();
    }
    bare(text)
}

/// What stands behind the names of rules: `Optimizer rule 'x' failed`, `caused by`, and the rest.
fn last_cause(text: &str) -> &str {
    text.rsplit_once("caused by\n").map_or(text, |(_, cause)| cause).trim()
}

/// A text that is no moment: arrow says so in several ways.
fn of_moment(text: &str) -> Option<String> {
    let is_of_moment =
        text.contains("Error parsing timestamp from") || text.contains("Cannot cast string") && text.contains("Date32");
    if !is_of_moment {
        return None;
    }
    let typed = text.split('\'').nth(1)?;
    let right = by_month(typed).map_or_else(|| "2026-10-01 or 2026-10-01 09:30:00".to_owned(), |day| format!("'{day}'"));
    Some(format!("'{typed}' is no moment as SQL writes it; write {right}"))
}

/// `10/1/2026` as `2026-10-01`.
fn by_month(typed: &str) -> Option<String> {
    let parts: Vec<u32> = typed.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [month, day, year] = parts.as_slice() else { return None };
    let is_day = (1..=12).contains(month) && (1..=31).contains(day) && (1900..2200).contains(year);
    is_day.then(|| format!("{year}-{month:02}-{day:02}"))
}

/// `Invalid function 'iff'. Did you mean 'ln'?`: a name that has little of the other is no suggestion.
fn of_function(text: &str) -> Option<String> {
    let name = text.strip_prefix("Invalid function '")?.split('\'').next()?;
    let near = text.split("Did you mean '").nth(1).and_then(|near| near.split('\'').next());
    let reworded = match near.filter(|near| is_slip(name, near)) {
        Some(near) => format!("there is no function {name}; did you mean {near}?"),
        None => {
            format!("there is no function {name}; SHOW FUNCTIONS lists those there are, and CASE, FILTER and INTERVAL do much")
        }
    };
    Some(reworded)
}

/// `No field named x. Did you mean 'ier.y'? Valid fields are …`: the list is in DESCRIBE.
fn of_column(text: &str) -> Option<String> {
    let rest = text.strip_prefix("No field named ")?;
    let name = rest.lines().next()?.split(". Did you mean").next()?.trim_end_matches('.');
    let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned();
    let listed = rest.split("Valid fields are ").nth(1).unwrap_or_default();
    // What no person has typed was made of a subquery.
    if name.contains("__asked") || name.contains("__answer") || name.contains('(') {
        return Some(SUBQUERY.to_owned());
    }
    let fields =
        || listed.split(", ").map(|field| field.trim().trim_end_matches('.')).filter(|field| !field.contains(['(', '"']));
    if MEASURES.contains(&bare(name).as_str()) {
        return Some(format!("{name} is a measure, of a table: {0}(ier), or {0}(i) for FROM ier i", bare(name)));
    }
    let near: Vec<&str> = fields().filter(|field| is_slip(&bare(name), &bare(field))).take(3).collect();
    let table = fields().find_map(|field| field.rsplit_once('.')).map(|(table, _)| table);
    Some(match (near.as_slice(), table) {
        ([], Some(table)) => format!("there is no column {name} here; DESCRIBE {table} lists those of {table}"),
        ([], None) => format!("there is no column {name} here"),
        (near, _) => format!("there is no column {name} here; did you mean {}?", near.join(" or ")),
    })
}

/// Is one word the other with a slip of the finger: a letter put in, left out, changed or swapped with its neighbour, in longer words two?
/// Of words shorter than four letters each is a word of its own. Case is no difference between two words, and no slip beside another.
pub fn is_slip(one: &str, other: &str) -> bool {
    let letters = one.chars().count().min(other.chars().count());
    let slips = match letters {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    };
    one != other && strsim::osa_distance(&one.to_lowercase(), &other.to_lowercase()) <= slips
}

/// Literals as they were typed: `Int64(2)` is 2, `Utf8("x")` is 'x'; types as people name them.
fn bare(text: &str) -> String {
    let mut reworded = text.to_owned();
    for kind in ["Utf8View", "LargeUtf8", "Utf8"] {
        reworded = unwrapped(&reworded, &format!("{kind}(\""), "\")", "'");
    }
    for kind in ["Int64", "Int32", "UInt64", "Float64", "Boolean"] {
        reworded = unwrapped(&reworded, &format!("{kind}("), ")", "");
    }
    for (kind, name) in
        [("Utf8View", "text"), ("LargeUtf8", "text"), ("Utf8", "text"), ("Int64", "integer"), ("Int32", "integer")]
    {
        reworded = reworded.replace(kind, name);
    }
    reworded
}

fn unwrapped(text: &str, open: &str, close: &str, quote: &str) -> String {
    let (mut reworded, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(open) {
        let Some((inner, behind)) = after.split_once(close) else { break };
        reworded = format!("{reworded}{before}{quote}{inner}{quote}");
        rest = behind;
    }
    reworded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_of_itself_is_left_out() {
        for (said, reworded) in [
            (
                "Optimizer rule 'simplify_expressions' failed\ncaused by\nArrow error: Parser error: Error parsing timestamp from '10/01/2026': error parsing date",
                "'10/01/2026' is no moment as SQL writes it; write '2026-10-01'",
            ),
            (
                "Error during planning: Invalid function 'iff'.\nDid you mean 'ln'?",
                "there is no function iff; SHOW FUNCTIONS lists those there are, and CASE, FILTER and INTERVAL do much",
            ),
            (
                "Error during planning: Invalid function 'lenght'.\nDid you mean 'length'?",
                "there is no function lenght; did you mean length?",
            ),
            ("SQL error: ParserError(\"Expected: an expression, found: EOF\")", "Expected: an expression, found: EOF"),
            (
                "Error during planning: Column nvl(ier.from_name,Utf8(\"x\")) + Int64(2) is no Utf8View",
                "Column nvl(ier.from_name,'x') + 2 is no text",
            ),
            ("This feature is not implemented: Unsupported ast node Foo(Ident { value: \"x\" })", CANNOT),
        ] {
            assert_eq!(plain(said), reworded);
        }
        let moment = plain("Arrow error: Parser error: Error parsing timestamp from 'soon': error parsing date");
        assert_eq!(moment, "'soon' is no moment as SQL writes it; write 2026-10-01 or 2026-10-01 09:30:00");
    }

    #[test]
    fn only_a_slip_is_slip() {
        for (one, other) in [("emial", "Email"), ("lenght", "length"), ("contcat", "contact"), ("affilation", "affiliation")] {
            assert!(is_slip(one, other), "{one} {other}");
        }
        for (one, other) in [("iff", "ln"), ("year", "var"), ("month", "cosh"), ("if", "sin")] {
            assert!(!is_slip(one, other), "{one} {other}");
        }
    }
}

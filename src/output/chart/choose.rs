//! Chooses the kind of chart for an answer, by its columns.
//!
//! | columns | chart |
//! |---|---|
//! | time, number… | a line for each number |
//! | time, text, number | a line for each text |
//! | text, number… | bars, grouped where there are several numbers |
//! | two of text or whole number, the first repeating; number | a heat map |
//! | whole number, number… | bars; lines when they are too many |
//!
//! # Decisions
//! - 2026-11-22 **A chart is chosen by the types of the columns and whether the first repeats, not by what values look
//!   like.** Who asks can tell beforehand what will be drawn.
//! - 2026-11-22 **A chart never draws counts and percentages on one axis.** Rates beside counts are a flat line at
//!   nothing; a second axis would show a relation that is not there.

use hashbrown::HashMap;

use super::axis::Unit;
use super::columns::{Column, Values};
use super::figure::{BarSeries, Bars, Figure, Heat, Line, Lines, XAxis};
use super::kind::Kind;
use crate::error::{Error, Result};
use crate::human;

/// Lines or bars that an eye, and a black and white print, tell apart.
const MAX_SERIES: usize = 8;
/// Labels of bars.
const MAX_LABELS: usize = 100;
/// Bars in all.
const MAX_BARS: usize = 200;
/// Labels of a heat map, either way: the weeks of a year are fewer.
const MAX_FIELDS: usize = 60;

/// The chart of an answer; `wanted` decides where given.
pub(super) fn figure(columns: &[Column], wanted: Option<Kind>) -> Result<Figure> {
    if rows(columns) == 0 {
        return Err(Error::invalid("the answer has no rows, so there is nothing to draw"));
    }
    let drawn =
        |column: &Column| matches!(&column.values, Values::Numbers { numbers, .. } if numbers.iter().any(Option::is_some));
    if !columns.iter().any(drawn) {
        return Err(Error::invalid("there is no column of numbers to draw; select one, such as count(*)"));
    }
    match wanted.map_or_else(|| kind(columns), Ok)? {
        Kind::Line => lines(columns),
        Kind::Bar => bars(columns),
        Kind::Heat => heat(columns),
    }
}

fn kind(columns: &[Column]) -> Result<Kind> {
    let [first, rest @ ..] = columns else { return Err(no_labels()) };
    let numbers = !rest.is_empty() && rest.iter().all(is_number);
    match (&first.values, rest) {
        (Values::Moments { .. }, _) if numbers => Ok(Kind::Line),
        (Values::Moments { .. }, [by, value]) if is_label(by) && is_number(value) => Ok(Kind::Line),
        (_, [second, value])
            if is_category(first) && is_category(second) && is_number(value) && (is_label(second) || repeats(first)) =>
        {
            Ok(Kind::Heat)
        }
        (Values::Labels(_), _) if numbers => Ok(Kind::Bar),
        (Values::Numbers { whole: true, numbers: labels }, _) if numbers && labels.len() <= MAX_LABELS => Ok(Kind::Bar),
        (Values::Numbers { .. }, _) if numbers => Ok(Kind::Line),
        (Values::Numbers { .. }, _) => Err(no_labels()),
        _ => Err(Error::invalid(
            "these columns make no chart; one takes a time or a text and then numbers, a time, a text and a number, or two texts and \
             a number",
        )),
    }
}

fn lines(columns: &[Column]) -> Result<Figure> {
    let needs = "lines need a column of times or numbers, then numbers, or a text and a number";
    let [first, rest @ ..] = columns else { return Err(Error::invalid(needs)) };
    let (places, across): (Vec<Option<f64>>, XAxis) = match &first.values {
        Values::Moments { millis, time } => (millis.iter().map(|at| at.map(|at| at as f64)).collect(), XAxis::Time(*time)),
        Values::Numbers { numbers, whole } => (numbers.clone(), XAxis::Number { whole: *whole }),
        Values::Labels(_) => return Err(Error::invalid(needs)),
    };
    let nowhere =
        || Error::invalid(phrase!("a row has no {0}, so it has no place; leave it out: WHERE {0} IS NOT NULL", first.name));
    let places = places.into_iter().map(|place| place.ok_or_else(nowhere)).collect::<Result<Vec<f64>>>()?;
    let (mut series, unit) = match rest {
        [by, value] if is_label(by) => {
            let Categories { labels, of_row } = categories(by);
            check_series(labels.len(), &by.name)?;
            let mut series: Vec<Line> = labels.into_iter().map(|name| Line { name, points: Vec::new() }).collect();
            for ((place, number), of) in places.iter().zip(numbers(value)?).zip(of_row) {
                series[of].points.push((*place, *number));
            }
            (series, unit(std::slice::from_ref(value))?)
        }
        values => {
            check_series(values.len(), "the answer")?;
            let line = |column: &Column| {
                let points = places.iter().copied().zip(numbers(column)?.iter().copied()).collect();
                Ok(Line { name: column.name.clone(), points })
            };
            (values.iter().map(line).collect::<Result<Vec<_>>>()?, unit(values)?)
        }
    };
    if series.is_empty() {
        return Err(Error::invalid(needs));
    }
    for line in &mut series {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if line.points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let (name, of) = (&first.name, &line.name);
            return Err(Error::invalid(phrase!(
                "{of} has two values for one {name}; group by {name} and whatever else is shown"
            )));
        }
    }
    Ok(Figure::Lines(Lines { caption: first.caption(), across, series, unit }))
}

fn bars(columns: &[Column]) -> Result<Figure> {
    let needs = "bars need a column of labels, then numbers, or another column of labels and a number";
    let [first, rest @ ..] = columns else { return Err(Error::invalid(needs)) };
    let (labels, series, unit) = match rest {
        [] => return Err(no_labels()),
        [by, value] if is_label(by) => {
            let (labels, names) = (categories(first), categories(by));
            check_series(names.labels.len(), &by.name)?;
            check_bars(labels.labels.len(), names.labels.len())?;
            let fields = fields((first, &labels), (by, &names), value)?;
            let of = |at: usize| fields.iter().skip(at).step_by(names.labels.len()).copied().collect();
            let named = names.labels.iter().enumerate();
            let series = named.map(|(at, name)| BarSeries { name: name.clone(), values: of(at) }).collect();
            (labels.labels, series, unit(std::slice::from_ref(value))?)
        }
        values => {
            check_series(values.len(), "the answer")?;
            let bars = |column: &Column| Ok(BarSeries { name: column.name.clone(), values: numbers(column)?.to_vec() });
            (first.labels(), values.iter().map(bars).collect::<Result<Vec<_>>>()?, unit(values)?)
        }
    };
    check_bars(labels.len(), series.len())?;
    Ok(Figure::Bars(Bars { caption: first.caption(), labels, series, unit }))
}

fn heat(columns: &[Column]) -> Result<Figure> {
    let [down, across, value] = columns else {
        return Err(Error::invalid("a heat map needs three columns: two of labels, such as weekday and hour, and a number"));
    };
    let (rows, columns) = (filled_categories(down), filled_categories(across));
    for (column, labels) in [(down, &rows.labels), (across, &columns.labels)] {
        if labels.len() > MAX_FIELDS {
            return Err(Error::invalid(phrase!(
                "column {} has {}, and a heat map takes {MAX_FIELDS}; group them, such as by month",
                column.name,
                human::counted(labels.len() as u64, "value")
            )));
        }
    }
    Ok(Figure::Heat(Heat {
        name: value.name.clone(),
        down_caption: down.caption(),
        across_caption: across.caption(),
        fields: fields((down, &rows), (across, &columns), value)?,
        down: rows.labels,
        across: columns.labels,
        unit: unit(std::slice::from_ref(value))?,
    }))
}

/// For each pair of labels its value, row by row. The caller has seen to it that the pairs are few.
fn fields(down: (&Column, &Categories), across: (&Column, &Categories), value: &Column) -> Result<Vec<Option<f64>>> {
    let ((down, rows), (across, columns)) = (down, across);
    let mut fields = vec![None; rows.labels.len() * columns.labels.len()];
    let mut taken = vec![false; fields.len()];
    for ((row, column), number) in rows.of_row.iter().zip(&columns.of_row).zip(numbers(value)?) {
        let at = row * columns.labels.len() + column;
        if std::mem::replace(&mut taken[at], true) {
            let (row, column) = (&rows.labels[*row], &columns.labels[*column]);
            return Err(Error::invalid(phrase!(
                "{row} with {column} is there twice; group by {} and {}",
                down.name,
                across.name
            )));
        }
        fields[at] = *number;
    }
    Ok(fields)
}

/// The different labels of a column, and each row's among them.
struct Categories {
    labels: Vec<String>,
    of_row: Vec<usize>,
}

/// Labels of text stay in the order of the answer; numbers and days are sorted.
fn categories(column: &Column) -> Categories {
    let labels = column.labels();
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    match &column.values {
        Values::Labels(_) => {}
        Values::Numbers { numbers, .. } => rows.sort_by(|a, b| {
            let key = |row: usize| numbers[row].unwrap_or(f64::INFINITY);
            key(*a).total_cmp(&key(*b))
        }),
        Values::Moments { millis, .. } => rows.sort_by_key(|row| millis[*row].unwrap_or(i64::MAX)),
    }
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let label = labels[row].as_str();
        places.entry(label).or_insert_with(|| {
            names.push(label.to_owned());
            names.len() - 1
        });
    }
    let of_row = labels.iter().filter_map(|label| places.get(label.as_str()).copied()).collect();
    Categories { labels: names, of_row }
}

/// As [`categories`], and every whole number between the least and the greatest: an hour without a mail is an hour.
fn filled_categories(column: &Column) -> Categories {
    if let Values::Numbers { numbers, whole: true } = &column.values
        && let Some(numbers) = numbers.iter().copied().collect::<Option<Vec<f64>>>()
    {
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if high - low < MAX_FIELDS as f64 {
            let count = (high - low) as usize + 1;
            let labels = (0..count).map(|step| super::scale::plain(low + step as f64)).collect();
            return Categories { labels, of_row: numbers.iter().map(|number| (number - low) as usize).collect() };
        }
    }
    categories(column)
}

/// In what the values are shown. A chart never draws counts and percentages on one axis.
fn unit(columns: &[Column]) -> Result<Unit> {
    let is_share = |column: &Column| {
        let of_one = |number: &f64| (0.0..=1.0).contains(number);
        column.name.ends_with("_rate")
            && matches!(&column.values, Values::Numbers { numbers, .. } if numbers.iter().flatten().all(of_one))
    };
    let share = columns.iter().find(|column| is_share(column));
    let other = columns.iter().find(|column| !is_share(column));
    match (share, other) {
        (Some(share), Some(other)) => Err(Error::invalid(phrase!(
            "{} is a share and {} is not, so no axis fits both; select one of them",
            share.name,
            other.name
        ))),
        (Some(_), None) => Ok(Unit::Share),
        _ if columns.iter().all(|column| matches!(column.values, Values::Numbers { whole: true, .. })) => Ok(Unit::Count),
        _ => Ok(Unit::Number),
    }
}

fn check_series(count: usize, of: &str) -> Result<()> {
    if count <= MAX_SERIES {
        return Ok(());
    }
    Err(Error::invalid(phrase!(
        "{of} has {count} series, and more than {MAX_SERIES} cannot be told apart; select fewer, such as with WHERE"
    )))
}

fn check_bars(labels: usize, series: usize) -> Result<()> {
    let bars = labels * series;
    if labels <= MAX_LABELS && bars <= MAX_BARS {
        return Ok(());
    }
    Err(Error::invalid(phrase!(
        "{} and {} are too many to read; a chart takes {MAX_LABELS} and {MAX_BARS}: keep the greatest with ORDER BY 2 DESC LIMIT 30",
        human::counted(labels as u64, "label"),
        human::counted(bars as u64, "bar"),
    )))
}

fn numbers(column: &Column) -> Result<&[Option<f64>]> {
    match &column.values {
        Values::Numbers { numbers, .. } => Ok(numbers),
        _ => Err(Error::invalid(phrase!("column {} is drawn as numbers and has none; leave it out", column.name))),
    }
}

fn no_labels() -> Error {
    Error::invalid(
        "a chart needs a column of times or labels before its numbers, such as SELECT sent_date, count(*) … GROUP BY 1",
    )
}

fn rows(columns: &[Column]) -> usize {
    columns.first().map_or(0, |column| match &column.values {
        Values::Moments { millis, .. } => millis.len(),
        Values::Numbers { numbers, .. } => numbers.len(),
        Values::Labels(labels) => labels.len(),
    })
}

fn repeats(column: &Column) -> bool {
    categories(column).labels.len() < rows(std::slice::from_ref(column))
}

fn is_number(column: &Column) -> bool {
    matches!(column.values, Values::Numbers { .. })
}

fn is_label(column: &Column) -> bool {
    matches!(column.values, Values::Labels(_))
}

fn is_category(column: &Column) -> bool {
    matches!(column.values, Values::Labels(_) | Values::Numbers { whole: true, .. })
}

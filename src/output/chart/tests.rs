//! Which chart an answer is, what is refused, and the drawings.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};

use super::axis::Unit;
use super::figure::Figure;
use super::*;
use crate::output::rows::{Pipe, Rows};

const DAY_ONE: i32 = 20_454; // 2026-01-01

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(values))
}

fn whole(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn real(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values))
}

fn days(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(values.into_iter().map(|day| DAY_ONE + day)))
}

fn drawn(batch: &RecordBatch, surface: Surface, kind: Option<Kind>) -> Result<Vec<u8>> {
    let mut sink = Vec::new();
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let mut pipe = Pipe { sink: &mut sink, refused: None, stopped: &stopped };
    let options = Options { chart: kind, ..Options::default() };
    let mut chart = Chart::new(batch.schema(), &mut pipe, surface, &options);
    chart.write(batch)?;
    Box::new(chart).finish()?;
    Ok(sink)
}

fn terminal(batch: &RecordBatch) -> String {
    String::from_utf8(drawn(batch, Surface::Terminal, None).unwrap()).unwrap()
}

fn svg(batch: &RecordBatch) -> String {
    String::from_utf8(drawn(batch, Surface::Svg, None).unwrap()).unwrap()
}

fn figure(batch: &RecordBatch, wanted: Option<Kind>) -> Result<Figure> {
    choose::figure(&columns::of(&batch.schema(), std::slice::from_ref(batch), None)?, wanted)
}

fn refused(batch: &RecordBatch, wanted: Option<Kind>) -> String {
    figure(batch, wanted).err().unwrap().to_string()
}

/// Two years of months, sends with a season.
fn months() -> RecordBatch {
    let month = |month: i32| month * 365 / 12;
    let sent = |month: i64| 4_000 + 900 * ((month + 3) % 12) + 13 * month;
    batch(vec![
        ("month", days((0..24).map(month))),
        ("sent", whole((0..24).map(sent))),
        ("opened", whole((0..24).map(|month| sent(month) * (40 - month) / 100))),
    ])
}

fn rates() -> RecordBatch {
    let rate = |month: i32| (month != 5).then(|| 0.2 + f64::from(month * month % 7) / 100.0);
    batch(vec![("month", days((0..12).map(|month| month * 30))), ("open_rate", real((0..12).map(rate)))])
}

fn senders() -> RecordBatch {
    batch(vec![
        ("email_name", texts(&["Open enrollment <2026>", "Welcome", "日本語", "Newsletter"])),
        ("sent", whole([12_345, 9_876, 400, 12])),
        ("opened", Arc::new(Int64Array::from(vec![Some(4_321), Some(3_000), None, Some(0)]))),
    ])
}

fn week() -> RecordBatch {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri"];
    let hours = [8, 9, 10, 12, 13, 17];
    let pairs = || names.iter().enumerate().flat_map(|(day, name)| hours.iter().map(move |hour| (day as i64, *name, *hour)));
    batch(vec![
        ("weekday", texts(&pairs().map(|(_, name, _)| name).collect::<Vec<_>>())),
        ("hour", whole(pairs().map(|(_, _, hour)| hour))),
        ("opened", whole(pairs().map(|(day, _, hour)| (day * 37 + hour * hour * 5) % 480))),
    ])
}

#[test]
fn columns_choose_the_chart() {
    let kind = |columns: Vec<(&str, ArrayRef)>| match figure(&batch(columns), None) {
        Ok(Figure::Lines(lines)) => format!("{} lines", lines.series.len()),
        Ok(Figure::Bars(bars)) => format!("{} bars", bars.series.len()),
        Ok(Figure::Heat(heat)) => format!("{} by {}", heat.down.len(), heat.across.len()),
        Err(error) => error.to_string(),
    };
    let n = || whole([5, 6, 7]);
    let moments = || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![1_000, 2_000, 3_000]).with_timezone("UTC")) };
    assert_eq!(kind(vec![("day", days(0..3)), ("n", n())]), "1 lines");
    assert_eq!(kind(vec![("at", moments()), ("n", n()), ("m", n())]), "2 lines");
    assert_eq!(kind(vec![("day", days([0, 0, 1])), ("by", texts(&["a", "b", "a"])), ("n", n())]), "2 lines");
    assert_eq!(kind(vec![("name", texts(&["a", "b", "c"])), ("n", n())]), "1 bars");
    assert_eq!(kind(vec![("name", texts(&["a", "b", "c"])), ("n", n()), ("m", n())]), "2 bars");
    assert_eq!(kind(vec![("hour", whole([0, 1, 2])), ("n", n()), ("m", n())]), "2 bars");
    assert_eq!(kind(vec![("a", texts(&["a", "b", "c"])), ("b", texts(&["x", "x", "y"])), ("n", n())]), "3 by 2");
    assert_eq!(kind(vec![("day", whole([1, 1, 2])), ("hour", whole([8, 11, 8])), ("n", n())]), "2 by 4", "9 and 10 are hours");
    assert_eq!(kind(vec![("x", real([Some(0.5), Some(1.0), Some(2.0)])), ("n", n())]), "1 lines");
    assert_eq!(kind(vec![("x", whole(0..2000)), ("n", whole(0..2000))]), "1 lines");
}

#[test]
fn a_kind_asked_for_is_drawn() {
    let by_day = batch(vec![("day", days([0, 0, 1])), ("by", texts(&["a", "b", "a"])), ("n", whole([1, 2, 3]))]);
    let Ok(Figure::Bars(bars)) = figure(&by_day, Some(Kind::Bar)) else { unreachable!("no bars") };
    assert_eq!(bars.labels, ["2026-01-01", "2026-01-02"]);
    assert_eq!(bars.series[1].values, [Some(2.0), None]);
    assert!(matches!(figure(&by_day, Some(Kind::Heat)), Ok(Figure::Heat(_))));
    assert!(refused(&senders(), Some(Kind::Line)).starts_with("lines need a column of times or numbers"));
}

#[test]
fn what_cannot_be_drawn_is_refused_with_what_could() {
    let n = || whole([5, 6, 7]);
    let refusal = |columns: Vec<(&str, ArrayRef)>| refused(&batch(columns), None);
    let name = || texts(&["a", "b", "c"]);
    assert_eq!(refusal(vec![("name", texts(&[])), ("n", whole([]))]), "the answer has no rows, so there is nothing to draw");
    assert_eq!(refusal(vec![("name", name())]), "there is no column of numbers to draw; select one, such as count(*)");
    assert!(refusal(vec![("n", n())]).starts_with("a chart needs a column of times or labels before its numbers"));
    assert!(refusal(vec![("n", n()), ("name", name())]).starts_with("a chart needs a column of times or labels"));
    assert!(refusal(vec![("name", name()), ("n", n()), ("by", name())]).starts_with("these columns make no chart"));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"a", b"b", b"c"]));
    assert!(refusal(vec![("name", name()), ("b", bytes)]).starts_with("column b is a Binary, which cannot be drawn"));
    let day: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None, Some(3)]));
    assert!(refusal(vec![("day", day), ("n", n())]).ends_with("leave it out: WHERE day IS NOT NULL"));
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: ArrayRef = Arc::new(StringViewArray::from_iter_values(many));
    let long = refusal(vec![("name", many.clone()), ("n", whole(0..101))]);
    assert!(long.starts_with("101 labels and 101 bars are too many to read"), "{long}");
    let series = refusal(vec![("day", days(0..101)), ("name", many), ("n", whole(0..101))]);
    assert!(series.starts_with("name has 101 series, and more than 8"), "{series}");
    let twice = refusal(vec![("a", texts(&["x", "x"])), ("b", texts(&["y", "y"])), ("n", whole([1, 2]))]);
    let thrice = refusal(vec![("day", days([1, 2, 1])), ("sent", n())]);
    assert_eq!(thrice, "sent has two values for one day; group by day and whatever else is shown");
    assert_eq!(twice, "x with y is there twice; group by a and b");
    let mixed = refusal(vec![("name", name()), ("sent", n()), ("open_rate", real([Some(0.1), None, Some(1.0)]))]);
    assert_eq!(mixed, "open_rate is a share and sent is not, so no axis fits both; select one of them");
    let names: Vec<String> = (0..5_000).map(|n| format!("name {n}")).collect();
    let names = || -> ArrayRef { Arc::new(StringViewArray::from_iter_values(&names)) };
    let wide = refusal(vec![("a", names()), ("b", names()), ("n", whole(0..5_000))]);
    assert_eq!(wide, "column a has 5,000 values, and a heat map takes 60; group them, such as by month");
    let rows = batch(vec![("day", days(0..5_001)), ("n", whole(0..5_001))]);
    assert!(drawn(&rows, Surface::Svg, None).unwrap_err().to_string().starts_with("the answer has more than 5,000 rows"));
}

#[test]
fn only_rates_within_their_bounds_are_shares() {
    let unit = |name: &str, values: [f64; 2]| match figure(
        &batch(vec![("name", texts(&["a", "b"])), (name, real(values.map(Some)))]),
        None,
    ) {
        Ok(Figure::Bars(bars)) => bars.unit,
        _ => unreachable!("no bars"),
    };
    assert_eq!(unit("open_rate", [0.0, 1.0]), Unit::Share);
    assert_eq!(unit("open_rate", [0.0, 1.5]), Unit::Number);
    assert_eq!(unit("opened", [0.0, 1.0]), Unit::Number);
}

#[test]
fn lines_in_a_terminal() {
    insta::assert_snapshot!("terminal_lines", terminal(&months()));
    insta::assert_snapshot!("terminal_one_line_with_a_gap", terminal(&rates()));
}

#[test]
fn bars_in_a_terminal() {
    insta::assert_snapshot!("terminal_bars", terminal(&senders().project(&[0, 1]).unwrap()));
    insta::assert_snapshot!("terminal_grouped_bars", terminal(&senders()));
    let change = batch(vec![("month", texts(&["May", "June", "July"])), ("change", whole([-40, 25, 0]))]);
    insta::assert_snapshot!("terminal_bars_either_way", terminal(&change));
}

#[test]
fn a_heat_map_in_a_terminal() {
    insta::assert_snapshot!("terminal_heat", terminal(&week()));
}

#[test]
fn svg_of_each_kind() {
    insta::assert_snapshot!("svg_lines", svg(&months()));
    insta::assert_snapshot!("svg_bars", svg(&senders()));
    insta::assert_snapshot!("svg_heat", svg(&week()));
}

#[test]
fn texts_of_the_answer_are_no_markup() {
    let hostile = "</text><script>alert(\"x\")</script>&\u{1b}[2J";
    let picture = svg(&batch(vec![("a<b", texts(&[hostile, "b"])), ("<n>", whole([1, 2]))]));
    assert!(!picture.contains("<script") && !picture.contains("<n>") && !picture.contains('\u{1b}'), "{picture}");
    let refusal = terminal(&batch(vec![("a", texts(&[hostile, "b"])), ("n", whole([1, 2]))]));
    assert!(!refusal.contains('\u{1b}'), "{refusal}");
}

#[test]
fn the_same_answer_is_the_same_picture() {
    for surface in [Surface::Svg, Surface::Png] {
        assert_eq!(drawn(&week(), surface, None).unwrap(), drawn(&week(), surface, None).unwrap());
    }
}

#[test]
fn a_terminal_is_filled_and_not_overrun() {
    for columns in [48, 80, 200] {
        for answer in [months(), rates(), senders(), week()] {
            let figure = figure(&answer, None).unwrap();
            for line in terminal::draw(&figure, columns).lines() {
                assert!(crate::output::width::width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn a_png_has_the_size_of_the_svg_and_letters_of_its_own() {
    let bytes = drawn(&months(), Surface::Png, None).unwrap();
    let picture = resvg::tiny_skia::Pixmap::decode_png(&bytes).unwrap();
    assert_eq!((picture.width(), picture.height()), (1920, 1080));
    let dark_within = |columns: std::ops::Range<u32>, rows: std::ops::Range<u32>| {
        let dark = |x, y| picture.pixel(x, y).is_some_and(|dot| dot.red() < 100 && dot.green() < 100 && dot.blue() < 100);
        rows.flat_map(|y| columns.clone().map(move |x| (x, y))).filter(|(x, y)| dark(*x, *y)).count()
    };
    assert!(dark_within(48..150, 100..900) > 300, "numbers beside the axis");
    assert!(dark_within(200..1900, 960..1060) > 300, "months below it");
    let blue = picture.pixels().iter().filter(|dot| dot.blue() > 150 && dot.red() < 50).count();
    assert!(blue > 2_000, "a line: {blue}");
}

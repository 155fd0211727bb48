//! Draws a chart as SVG, complete in itself: no script, no picture or font from elsewhere.
//!
//! The colours are those of Okabe and Ito, which most colour-blind people can distinguish. Lines also differ in dashes and marks,
//! bars stand in the order of the legend, and a heat map is one hue from light to dark. So all charts can be read in black and
//! white.

use std::fmt::Write;

use super::axis::Unit;
use super::calendar;
use super::figure::{Bars, Figure, Heat, Lines, XAxis};
use super::scale::{self, Axis};
use crate::output::markup::escaped;
use crate::output::width::{cut, width};

/// The font of the picture, where there is one of that name.
pub(super) const FONT: &str = "DejaVu Sans";

const COLOURS: [&str; 8] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F"];
const DASHES: [&str; 8] = ["", "8 4", "2 3", "10 3 2 3", "5 5", "12 4", "2 6", "6 2 2 2 2 2"];
/// From the least to the greatest.
const BLUES: [&str; 5] = ["#EFF3FF", "#BDD7E7", "#6BAED6", "#3182BD", "#08519C"];
/// The first of the blues on which letters are white.
const DARK: usize = 3;

const WIDTH: f64 = 960.0;
/// Height of a chart of lines; the others grow with their rows.
const HEIGHT: f64 = 540.0;
const MARGIN: f64 = 24.0;
/// Height of letters.
const LETTER: f64 = 13.0;
/// Height of a line of text.
const ROW: f64 = 22.0;
/// A label is cut at this width, in characters.
const MAX_LABEL: usize = 32;
/// No more points of a line have marks.
const MAX_MARKED: usize = 60;

/// The chart as SVG.
pub(super) fn draw(figure: &Figure) -> String {
    match figure {
        Figure::Lines(lines) => draw_lines(lines),
        Figure::Bars(bars) => draw_bars(bars),
        Figure::Heat(heat) => draw_heat(heat),
    }
}

/// A picture in the making. Writing to a text cannot fail.
struct Picture {
    body: String,
}

#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    fn new() -> Self {
        Self { body: String::new() }
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.text_in(x, y, anchor, text, "");
    }

    /// A text whose middle is at `y`.
    fn text_in(&mut self, x: f64, y: f64, anchor: Anchor, text: &str, class: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        // Half the height of small letters below the middle: `dominant-baseline` is drawn differently everywhere.
        let (x, y) = (place(x), place(y + LETTER * 0.36));
        let _ = writeln!(self.body, "<text{class} x=\"{x}\" y=\"{y}\"{anchor}>{}</text>", escaped(text));
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (place(x1), place(y1), place(x2), place(y2));
        let _ = writeln!(self.body, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let (x, y, width, height) = (place(x), place(y), place(width), place(height));
        let _ = writeln!(self.body, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/>");
    }

    fn frame(&mut self, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y, width, height) = (place(x), place(y), place(width), place(height));
        let _ = writeln!(self.body, "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>");
    }

    fn path(&mut self, path: &str, of: usize) {
        let (colour, dashes) = (COLOURS[of % COLOURS.len()], DASHES[of % DASHES.len()]);
        let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        let _ = writeln!(self.body, "<path class=\"line\" stroke=\"{colour}\"{dashes} d=\"{path}\"/>");
    }

    /// A line's point: round, square, pointed upwards or on its corner.
    fn mark(&mut self, (x, y): (f64, f64), of: usize) {
        let at = |dx: f64, dy: f64| format!("{} {}", place(x + dx), place(y + dy));
        let path = match of % 4 {
            0 => format!("M{}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", at(-4.0, 0.0)),
            1 => format!("M{}h7v7h-7Z", at(-3.5, -3.5)),
            2 => format!("M{}L{}L{}Z", at(0.0, -5.0), at(4.5, 4.0), at(-4.5, 4.0)),
            _ => format!("M{}L{}L{}L{}Z", at(0.0, -5.5), at(5.5, 0.0), at(0.0, 5.5), at(-5.5, 0.0)),
        };
        let _ = writeln!(self.body, "<path fill=\"{}\" d=\"{path}\"/>", COLOURS[of % COLOURS.len()]);
    }

    fn done(self, height: f64, spoken: &str) -> String {
        let (width, height) = (place(WIDTH), place(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\">\n<title>{}</title>\n<style>text{{font-family:\"{FONT}\",Verdana,sans-serif;font-size:{LETTER}px;\
             fill:#222}}.light{{fill:#fff}}.strong{{font-size:15px}}.grid{{stroke:#ddd}}.axis{{stroke:#555}}.frame{{stroke:#999;fill:none}}\
             .line{{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
            escaped(spoken),
            self.body
        )
    }
}

fn draw_lines(chart: &Lines) -> String {
    let axis = Axis::of(chart.height(), chart.unit, 6);
    let mut picture = Picture::new();
    let names: Vec<&str> = chart.series.iter().map(|line| line.name.as_str()).collect();
    let top = legend(&mut picture, &names, true) + MARGIN / 2.0;
    let (bottom, right) = (HEIGHT - MARGIN - 2.0 * ROW, WIDTH - MARGIN - 16.0);
    let left = MARGIN + axis.ticks.iter().map(|tick| measured(&axis.label(*tick))).fold(0.0, f64::max) + 8.0;
    let down = |y: f64| bottom - axis.share(y) * (bottom - top);
    for tick in &axis.ticks {
        let class = if *tick == axis.low() { "axis" } else { "grid" };
        picture.line(class, (left, down(*tick)), (right, down(*tick)));
        picture.text(left - 8.0, down(*tick), Anchor::End, &axis.label(*tick));
    }
    let (first, last) = chart.width();
    let along = |x: f64| left + if last > first { (x - first) / (last - first) } else { 0.5 } * (right - left);
    let (marks, span) = match chart.across {
        XAxis::Time(time) => (calendar::marks(first, last, time, 8), calendar::span(first, last, time)),
        XAxis::Number { whole } => {
            let axis = Axis::of((first, last), if whole { Unit::Count } else { Unit::Number }, 8);
            let within = axis.ticks.iter().filter(|tick| (first..=last).contains(*tick));
            (within.map(|tick| (*tick, scale::place(*tick, &axis))).collect(), None)
        }
    };
    for (at, label) in marks {
        picture.line("axis", (along(at), bottom), (along(at), bottom + 5.0));
        picture.text(along(at), bottom + ROW * 0.8, Anchor::Middle, &label);
    }
    let span = span.map(|span| format!(", {span}")).unwrap_or_default();
    picture.text((left + right) / 2.0, bottom + ROW * 1.9, Anchor::Middle, &format!("{}{span}", chart.caption));
    for (of, line) in chart.series.iter().enumerate() {
        let (mut path, mut drawing) = (String::new(), false);
        for (x, y) in &line.points {
            if let Some(y) = y {
                let _ = write!(path, "{}{} {}", if drawing { 'L' } else { 'M' }, place(along(*x)), place(down(*y)));
            }
            drawing = y.is_some();
        }
        picture.path(&path, of);
        let alone = |at: usize| {
            let none = |at: Option<usize>| at.and_then(|at| line.points.get(at)).is_none_or(|(_, y)| y.is_none());
            none(at.checked_sub(1)) && none(Some(at + 1))
        };
        for (at, (x, y)) in line.points.iter().enumerate() {
            if let Some(y) = y.filter(|_| line.points.len() <= MAX_MARKED || alone(at)) {
                picture.mark((along(*x), down(y)), of);
            }
        }
    }
    picture.done(HEIGHT, &format!("{} by {}", names.join(", "), chart.caption))
}

fn draw_bars(chart: &Bars) -> String {
    const LABEL_GAP: f64 = 8.0;
    let axis = Axis::of(chart.width(), chart.unit, 6);
    let mut picture = Picture::new();
    let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).collect();
    let top = legend(&mut picture, &names, false) + MARGIN / 2.0;
    let labels: Vec<String> = chart.labels.iter().map(|label| cut(label, MAX_LABEL)).collect();
    let formatted = |value: Option<f64>| value.map_or("no value".to_owned(), |value| scale::formatted(value, chart.unit));
    let values = || chart.series.iter().flat_map(|series| series.values.iter().copied());
    let caption = cut(&chart.caption, MAX_LABEL);
    let left = MARGIN + labels.iter().chain([&caption]).map(|label| measured(label)).fold(0.0, f64::max) + LABEL_GAP;
    let right = WIDTH - MARGIN - values().map(|value| measured(&formatted(value))).fold(0.0, f64::max) - LABEL_GAP;
    let thick = if names.len() > 1 { 16.0 } else { 20.0 };
    let group = thick * names.len() as f64 + 8.0;
    let bottom = top + group * labels.len() as f64;
    let along = |x: f64| left + axis.share(x) * (right - left);
    for tick in &axis.ticks {
        picture.line("grid", (along(*tick), top), (along(*tick), bottom));
        picture.text(along(*tick), bottom + ROW * 0.8, Anchor::Middle, &axis.label(*tick));
    }
    for (at, label) in labels.iter().enumerate() {
        let above = top + group * at as f64;
        picture.text(left - LABEL_GAP, above + group / 2.0, Anchor::End, label);
        for (of, series) in chart.series.iter().enumerate() {
            let value = series.values[at];
            let (low, high) = (along(value.unwrap_or(0.0).min(0.0)), along(value.unwrap_or(0.0).max(0.0)));
            let y = above + 4.0 + thick * of as f64;
            picture.rect((low, y + 1.0), (high - low, thick - 2.0), COLOURS[of % COLOURS.len()]);
            picture.text(high + 6.0, y + thick / 2.0, Anchor::Start, &formatted(value));
        }
    }
    picture.line("axis", (along(0.0), top), (along(0.0), bottom));
    picture.text(left - LABEL_GAP, top - 4.0, Anchor::End, &caption);
    picture.done(bottom + ROW + MARGIN, &format!("{} by {}", names.join(", "), chart.caption))
}

fn draw_heat(chart: &Heat) -> String {
    const WIDEST: f64 = 72.0;
    let axis = Axis::of(chart.depth(), chart.unit, BLUES.len());
    let mut picture = Picture::new();
    let heading = format!("{} by {} and {}", chart.name, chart.down_caption, chart.across_caption);
    picture.text_in(MARGIN, MARGIN, Anchor::Start, &heading, "strong");
    let down: Vec<String> = chart.down.iter().map(|label| cut(label, MAX_LABEL)).collect();
    let across: Vec<String> = chart.across.iter().map(|label| cut(label, MAX_LABEL / 2)).collect();
    let left = MARGIN + down.iter().map(|label| measured(label)).fold(0.0, f64::max) + 8.0;
    let field = ((WIDTH - MARGIN - left) / across.len().max(1) as f64).min(WIDEST);
    let high = field.clamp(18.0, 32.0);
    let top = MARGIN + 2.0 * ROW;
    let widest = across.iter().map(|label| measured(label)).fold(0.0, f64::max) + 6.0;
    let every = ((widest / field).ceil() as usize).max(1);
    for (at, label) in across.iter().enumerate().step_by(every) {
        picture.text(left + field * (at as f64 + 0.5), top - ROW * 0.6, Anchor::Middle, label);
    }
    let formatted = |value: f64| scale::formatted(value, chart.unit);
    let roomy = chart.fields.iter().flatten().all(|value| measured(&formatted(*value)) + 4.0 <= field);
    for (row, (label, fields)) in down.iter().zip(chart.fields.chunks(across.len().max(1))).enumerate() {
        let y = top + high * row as f64;
        picture.text(left - 8.0, y + high / 2.0, Anchor::End, label);
        for (column, value) in fields.iter().enumerate().filter_map(|(column, value)| Some((column, (*value)?))) {
            let (x, shade) = (left + field * column as f64, axis.shade(value, BLUES.len()));
            picture.rect((x, y), (field - 1.0, high - 1.0), BLUES[shade]);
            if roomy {
                let class = if shade >= DARK { "light" } else { "" };
                picture.text_in(x + (field - 1.0) / 2.0, y + (high - 1.0) / 2.0, Anchor::Middle, &formatted(value), class);
            }
        }
    }
    let mut below = top + high * down.len() as f64 + ROW;
    let mut x = left;
    let gaps = chart.fields.contains(&None).then(|| ("#FFF", "no value".to_owned()));
    for (colour, label) in axis.shades(BLUES.len()).map(|(shade, label)| (BLUES[shade], label)).chain(gaps) {
        let wide = 20.0 + measured(&label) + 16.0;
        if x > left && x + wide > WIDTH {
            (x, below) = (left, below + ROW);
        }
        picture.rect((x, below - 7.0), (14.0, 14.0), colour);
        picture.frame((x, below - 7.0), (14.0, 14.0));
        picture.text(x + 20.0, below, Anchor::Start, &label);
        x += wide;
    }
    picture.done(below + MARGIN, &heading)
}

/// What the series are, above the chart; returns where the chart may begin. One series alone is its heading.
fn legend(picture: &mut Picture, names: &[&str], lines: bool) -> f64 {
    let mut y = MARGIN;
    if let [name] = names {
        picture.text_in(MARGIN, y, Anchor::Start, name, "strong");
        return y + ROW * 0.8;
    }
    let sample = if lines { 34.0 } else { 14.0 };
    let mut x = MARGIN;
    for (of, name) in names.iter().enumerate() {
        let name = cut(name, MAX_LABEL);
        let wide = sample + 6.0 + measured(&name) + 18.0;
        if x > MARGIN && x + wide > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + ROW);
        }
        if lines {
            picture.path(&format!("M{} {}L{} {}", place(x), place(y), place(x + sample), place(y)), of);
            picture.mark((x + sample / 2.0, y), of);
        } else {
            picture.rect((x, y - 7.0), (14.0, 14.0), COLOURS[of % COLOURS.len()]);
        }
        picture.text(x + sample + 6.0, y, Anchor::Start, &name);
        x += wide;
    }
    y + ROW * 0.8
}

/// How wide a text is, roughly and rather too much.
fn measured(text: &str) -> f64 {
    width(text) as f64 * LETTER * 0.64
}

/// A place in the picture, to a tenth of a dot.
fn place(at: f64) -> String {
    let text = format!("{at:.1}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

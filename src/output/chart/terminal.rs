//! Draws a chart with characters: as wide as the terminal, without colours, so that it can be piped, pasted and printed.
//!
//! # Decisions
//! - 2026-11-22 **Charts in a terminal have no colours.** They can be piped, pasted and printed; lines differ in marks.

use super::axis::Unit;
use super::calendar;
use super::figure::{Bars, Figure, Heat, Lines, XAxis};
use super::scale::{self, Axis};
use crate::output::width::{cut, width};

/// Lines of text that lines are drawn on.
const PLOT_ROWS: usize = 16;
/// A label is cut at this width.
const MAX_LABEL: usize = 24;
/// No chart is narrower.
const LEAST_COLUMNS: usize = 48;
/// The marks of lines at their points.
const MARKS: [char; 8] = ['●', '▲', '■', '◆', '○', '△', '□', '◇'];
/// The least room between two marks of a line.
const BETWEEN_MARKS: usize = 6;
/// Fields of a heat map, from the least to the greatest.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];
/// A field is no wider.
const MAX_FIELD: usize = 6;

/// The chart as text, `columns` wide.
pub(super) fn draw(figure: &Figure, columns: usize) -> String {
    let columns = columns.max(LEAST_COLUMNS);
    let lines = match figure {
        Figure::Lines(lines) => draw_lines(lines, columns),
        Figure::Bars(bars) => draw_bars(bars, columns),
        Figure::Heat(heat) => draw_heat(heat, columns),
    };
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn draw_lines(chart: &Lines, columns: usize) -> Vec<String> {
    let axis = Axis::of(chart.height(), chart.unit, 5);
    let labels: Vec<String> = axis.ticks.iter().map(|tick| axis.label(*tick)).collect();
    let label_width = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let across = columns - label_width - 3;
    let (left, right) = chart.width();
    let place = |x: f64, cells: usize| {
        let share = if right > left { (x - left) / (right - left) } else { 0.5 };
        (share * (cells - 1) as f64).round() as usize
    };
    let mut canvas = Canvas::new(across, PLOT_ROWS);
    let dot = |(x, y): (f64, f64)| {
        let down = (1.0 - axis.share(y)) * (PLOT_ROWS * 4 - 1) as f64;
        (place(x, across * 2), down.round() as usize)
    };
    for line in &chart.series {
        let mut before = None;
        for (x, y) in &line.points {
            let here = y.map(|y| dot((*x, y)));
            if let Some(here) = here {
                canvas.line(before.unwrap_or(here), here);
            }
            before = here;
        }
    }
    if chart.series.len() > 1 {
        for (line, mark) in chart.series.iter().zip(MARKS) {
            let mut free = 0;
            for (x, y) in line.points.iter().filter_map(|(x, y)| Some((*x, (*y)?))) {
                let (column, row) = dot((x, y));
                if column / 2 >= free {
                    canvas.marks.push((column / 2, row / 4, mark));
                    free = column / 2 + BETWEEN_MARKS;
                }
            }
        }
    }
    let mut text = legend(chart, columns);
    let row_of = |tick: f64| ((1.0 - axis.share(tick)) * (PLOT_ROWS - 1) as f64).round() as usize;
    for (row, drawn) in canvas.rows().into_iter().enumerate() {
        let label = axis.ticks.iter().position(|tick| row_of(*tick) == row).map(|at| labels[at].as_str());
        let edge = if label.is_some() { '┤' } else { '│' };
        text.push(format!("{} {edge}{drawn}", padded_left(label.unwrap_or_default(), label_width)));
    }
    let most = across / 12;
    let (marks, span) = match chart.across {
        XAxis::Time(time) => (calendar::marks(left, right, time, most), calendar::span(left, right, time)),
        XAxis::Number { whole } => {
            let axis = Axis::of((left, right), if whole { Unit::Count } else { Unit::Number }, most);
            let within = axis.ticks.iter().filter(|tick| (left..=right).contains(*tick));
            (within.map(|tick| (*tick, scale::place(*tick, &axis))).collect(), None)
        }
    };
    let (mut rule, mut below) = (vec!['─'; across], String::new());
    for (at, label) in marks {
        let at = place(at, across);
        let start = at.saturating_sub(width(&label) / 2).min(across.saturating_sub(width(&label)));
        if below.is_empty() || start > width(&below) {
            rule[at] = '┬';
            below += &" ".repeat(start - width(&below));
            below += &label;
        }
    }
    let indent = " ".repeat(label_width + 2);
    text.push(format!("{} └{}", " ".repeat(label_width), rule.iter().collect::<String>()));
    text.push(format!("{indent}{below}"));
    let span = span.map(|span| format!(", {span}")).unwrap_or_default();
    text.push(format!("{indent}{}{span}", chart.caption));
    text
}

fn legend(chart: &Lines, columns: usize) -> Vec<String> {
    match chart.series.as_slice() {
        [line] => vec![cut(&line.name, columns)],
        lines => wrapped(lines.iter().zip(MARKS).map(|(line, mark)| format!("{mark} {}", cut(&line.name, MAX_LABEL))), columns),
    }
}

/// The parts of a legend, on as many lines as they take.
fn wrapped(parts: impl Iterator<Item = String>, columns: usize) -> Vec<String> {
    const BETWEEN: &str = "   ";
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + BETWEEN.len() + width(&part) <= columns => {
                line.push_str(BETWEEN);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

/// A field of Braille: two dots across and four down in each character.
struct Canvas {
    columns: usize,
    cells: Vec<u8>,
    marks: Vec<(usize, usize, char)>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, cells: vec![0; columns * rows], marks: Vec::new() }
    }

    fn dot(&mut self, x: usize, y: usize) {
        /// The bits of Unicode's Braille, by row and column.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2) {
            *cell |= BITS[y % 4][x % 2];
        }
    }

    /// Bresenham's line.
    fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let (mut x, mut y) = (from.0 as i64, from.1 as i64);
        let (to_x, to_y) = (to.0 as i64, to.1 as i64);
        let (wide, high) = ((to_x - x).abs(), -(to_y - y).abs());
        let (right, down) = ((to_x - x).signum(), (to_y - y).signum());
        let mut error = wide + high;
        loop {
            self.dot(x as usize, y as usize);
            if (x, y) == (to_x, to_y) {
                return;
            }
            let twice = 2 * error;
            if twice >= high {
                error += high;
                x += right;
            }
            if twice <= wide {
                error += wide;
                y += down;
            }
        }
    }

    fn rows(&self) -> Vec<String> {
        const BLANK: u32 = 0x2800;
        let braille = |cell: &u8| match cell {
            0 => ' ',
            dots => char::from_u32(BLANK + u32::from(*dots)).unwrap_or(' '),
        };
        let mut rows: Vec<Vec<char>> = self.cells.chunks(self.columns).map(|row| row.iter().map(braille).collect()).collect();
        for (column, row, mark) in &self.marks {
            rows[*row][*column] = *mark;
        }
        rows.into_iter().map(String::from_iter).collect()
    }
}

fn draw_bars(chart: &Bars, columns: usize) -> Vec<String> {
    let labels: Vec<String> = chart.labels.iter().map(|label| cut(label, MAX_LABEL)).collect();
    let names: Vec<String> = match chart.series.as_slice() {
        [_] => vec![String::new()],
        series => series.iter().map(|series| cut(&series.name, MAX_LABEL)).collect(),
    };
    let widest = |texts: &[String]| texts.iter().map(|text| width(text)).max().unwrap_or(0);
    let (label_width, name_width) = (widest(&labels).max(width(&chart.caption).min(MAX_LABEL)), widest(&names));
    let formatted = |value: &Option<f64>| value.map_or("no value".to_owned(), |value| scale::formatted(value, chart.unit));
    let values: Vec<Vec<String>> = chart.series.iter().map(|series| series.values.iter().map(formatted).collect()).collect();
    let value_width = values.iter().map(|values| widest(values)).max().unwrap_or(0);
    let gap = if name_width > 0 { 1 } else { 0 };
    let area = columns.saturating_sub(label_width + gap + name_width + value_width + 3).max(10);
    let (low, high) = chart.width();
    let eighths = |length: f64| if high > low { (length / (high - low) * (area * 8) as f64).round() as usize } else { 0 };
    let before = eighths(-low).div_ceil(8);
    let heading = if let [series] = chart.series.as_slice() { series.name.as_str() } else { "" };
    let mut text = Vec::new();
    if !heading.is_empty() {
        text.push(format!("{} {heading}", padded(&cut(&chart.caption, MAX_LABEL), label_width)));
    } else {
        text.push(cut(&chart.caption, MAX_LABEL));
    }
    for (at, label) in labels.iter().enumerate() {
        for (of, name) in names.iter().enumerate() {
            let label = if of == 0 { label.as_str() } else { "" };
            let bar = bar(chart.series[of].values[at], before, eighths);
            let name = if gap > 0 { format!(" {}", padded(name, name_width)) } else { String::new() };
            text.push(format!("{}{name} {bar} {}", padded(label, label_width), values[of][at]));
        }
        if gap > 0 && at + 1 < labels.len() {
            text.push(String::new());
        }
    }
    text
}

/// A bar with an edge at 0; what is negative goes to the left, in whole blocks.
fn bar(value: Option<f64>, before: usize, eighths: impl Fn(f64) -> usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let value = value.unwrap_or(0.0);
    let length = eighths(value.abs());
    if value < 0.0 {
        let blocks = (length / 8).max(1).min(before);
        return format!("{}{}▏", " ".repeat(before - blocks), "█".repeat(blocks));
    }
    // What is there is seen, however small.
    let length = if value > 0.0 { length.max(1) } else { 0 };
    let edge = if before > 0 && length == 0 { "▏" } else { "" };
    format!("{}{}{}{edge}", " ".repeat(before), "█".repeat(length / 8), PARTS[length % 8])
}

fn draw_heat(chart: &Heat, columns: usize) -> Vec<String> {
    let axis = Axis::of(chart.depth(), chart.unit, SHADES.len());
    let labels: Vec<String> = chart.down.iter().map(|label| cut(label, MAX_LABEL)).collect();
    let label_width = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let field = (columns.saturating_sub(label_width + 1) / chart.across.len().max(1)).clamp(1, MAX_FIELD);
    let heads: Vec<String> = chart.across.iter().map(|label| cut(label, MAX_LABEL)).collect();
    let widest = heads.iter().map(|head| width(head)).max().unwrap_or(0);
    let every = (widest + 1).div_ceil(field);
    let mut head = String::new();
    for (at, label) in heads.iter().enumerate().step_by(every) {
        head += &" ".repeat((at * field).saturating_sub(width(&head)));
        head += label;
    }
    let mut text = vec![format!("{} by {} and {}", chart.name, chart.down_caption, chart.across_caption)];
    text.push(format!("{} {head}", " ".repeat(label_width)));
    for (label, row) in labels.iter().zip(chart.fields.chunks(chart.across.len().max(1))) {
        let shade = |value: &Option<f64>| value.map_or(' ', |value| SHADES[axis.shade(value, SHADES.len())]);
        let drawn: String = row.iter().map(|value| shade(value).to_string().repeat(field)).collect();
        text.push(format!("{} {drawn}", padded(label, label_width)));
    }
    let steps = axis.shades(SHADES.len()).map(|(shade, formatted)| format!("{} {formatted}", SHADES[shade]));
    text.push(String::new());
    text.extend(wrapped(steps, columns));
    if chart.fields.contains(&None) {
        text.push("blank: no value".to_owned());
    }
    text
}

fn padded(text: &str, wide: usize) -> String {
    format!("{text}{}", " ".repeat(wide.saturating_sub(width(text))))
}

fn padded_left(text: &str, wide: usize) -> String {
    format!("{}{text}", " ".repeat(wide.saturating_sub(width(text))))
}

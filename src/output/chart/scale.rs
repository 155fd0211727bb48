//! Makes axes with round numbers, and formats numbers for them.
//!
//! It uses only the four basic operations, which have the same result on every machine; logarithms may not.

use super::axis::Unit;

/// An axis from its first mark to its last.
pub(super) struct Axis {
    pub(super) ticks: Vec<f64>,
    unit: Unit,
    decimals: usize,
}

/// 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy)]
struct Step {
    leading: i64,
    power: i32,
}

impl Step {
    /// The least step of which at most `most` cover `span`.
    fn of(span: f64, most: usize) -> Self {
        let least = span / most as f64;
        let mut step = Self { leading: 1, power: 0 };
        while step.size() < least && step.power < 300 {
            step = step.next();
        }
        while step.before().size() >= least && step.power > -300 {
            step = step.before();
        }
        step
    }

    fn next(self) -> Self {
        match self.leading {
            1 => Self { leading: 2, ..self },
            2 => Self { leading: 5, ..self },
            _ => Self { leading: 1, power: self.power + 1 },
        }
    }

    fn before(self) -> Self {
        match self.leading {
            5 => Self { leading: 2, ..self },
            2 => Self { leading: 1, ..self },
            _ => Self { leading: 5, power: self.power - 1 },
        }
    }

    fn size(self) -> f64 {
        self.times(1.0)
    }

    /// `n` steps, as exact as can be: a division by a power of ten, not a sum of tenths.
    fn times(self, n: f64) -> f64 {
        let ten = (0..self.power.unsigned_abs()).fold(1.0, |power, _| power * 10.0);
        let whole = n * self.leading as f64;
        if self.power < 0 { whole / ten } else { whole * ten }
    }
}

impl Axis {
    /// An axis of at most `most` steps that covers `low` to `high`. It begins at 0 unless the values are far from it.
    pub(super) fn of((low, high): (f64, f64), unit: Unit, most: usize) -> Self {
        let (mut low, mut high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        if low > 0.0 && (low == high || low < high / 2.0) {
            low = 0.0;
        }
        if high < 0.0 && (low == high || high > low / 2.0) {
            high = 0.0;
        }
        if low == high {
            high = low + 1.0;
        }
        Self::covering(low, high, unit, most)
    }

    fn covering(low: f64, high: f64, unit: Unit, most: usize) -> Self {
        let mut step = Step::of(high - low, most);
        if unit == Unit::Count && step.power < 0 {
            step = Step { leading: 1, power: 0 };
        }
        let (mut first, mut last) = ((low / step.size()).floor(), (high / step.size()).ceil());
        // Rounding outwards may have added a step too many.
        while last - first > most as f64 && step.power < 300 {
            step = step.next();
            (first, last) = ((low / step.size()).floor(), (high / step.size()).ceil());
        }
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|at| step.times(first + at as f64)).collect();
        Self { ticks, unit, decimals: usize::try_from(-step.power).unwrap_or(0) }
    }

    pub(super) fn low(&self) -> f64 {
        self.ticks.first().copied().unwrap_or(0.0)
    }

    pub(super) fn high(&self) -> f64 {
        self.ticks.last().copied().unwrap_or(1.0)
    }

    /// Where between 0 and 1 a value stands.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.low()) / (self.high() - self.low())
    }

    /// Which of `shades` a value has, from 0: each step between two marks has one, the last step the last.
    pub(super) fn shade(&self, value: f64, shades: usize) -> usize {
        let last = self.ticks.len().saturating_sub(2);
        let step = self.ticks.iter().skip(1).filter(|tick| value >= **tick).count().min(last);
        // Rounded to the nearest.
        if last == 0 { shades - 1 } else { (2 * step * (shades - 1) + last) / (2 * last) }
    }

    /// What each shade stands for.
    pub(super) fn shades(&self, shades: usize) -> impl Iterator<Item = (usize, String)> {
        let formatted = |ends: &[f64]| format!("{} to {}", self.label(ends[0]), self.label(ends[1]));
        self.ticks.windows(2).map(move |ends| (self.shade(ends[0], shades), formatted(ends)))
    }

    /// A mark's label.
    pub(super) fn label(&self, tick: f64) -> String {
        match self.unit {
            Unit::Share => format!("{} %", grouped(tick * 100.0, self.decimals.saturating_sub(2))),
            _ => grouped(tick, self.decimals),
        }
    }
}

/// A value: `12,345`, `24.1 %`, `0.3333`.
pub(super) fn formatted(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => grouped(value, 0),
        Unit::Share => format!("{} %", grouped(value * 100.0, 1)),
        Unit::Number => {
            let text = grouped(value, 4);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
    }
}

/// A number that names something, such as a year: `2026`.
pub(super) fn plain(value: f64) -> String {
    value.to_string()
}

/// A number below a chart: `2026`, but `10,000`.
pub(super) fn place(value: f64, axis: &Axis) -> String {
    if value.abs() < 10_000.0 { format!("{value:.*}", axis.decimals) } else { axis.label(value) }
}

/// A number with its thousands apart.
fn grouped(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let negative = value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), crate::human::count);
    format!("{}{whole}{fraction}", if negative { "−" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, unit: Unit) -> Vec<String> {
        let axis = Axis::of((low, high), unit, 5);
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(labels(0.0, 12_345.0, Unit::Count), ["0", "5,000", "10,000", "15,000"]);
        assert_eq!(labels(3.0, 97.0, Unit::Count), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.0, 2.0, Unit::Count), ["0", "1", "2"], "no half of a mail");
        assert_eq!(labels(0.0, 0.3, Unit::Number), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(-7.0, 12.0, Unit::Count), ["−10", "−5", "0", "5", "10", "15"]);
        assert_eq!(labels(0.1, 0.283, Unit::Share), ["0 %", "10 %", "20 %", "30 %"]);
        assert_eq!(labels(0.0, 0.003, Unit::Share), ["0.0 %", "0.1 %", "0.2 %", "0.3 %"]);
    }

    #[test]
    fn an_axis_begins_at_nothing_unless_that_is_far() {
        assert_eq!(labels(971.0, 989.0, Unit::Count), ["970", "975", "980", "985", "990"]);
        assert_eq!(labels(400.0, 989.0, Unit::Count).first().map(String::as_str), Some("0"));
        assert_eq!(labels(5.0, 5.0, Unit::Count), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(labels(0.0, 0.0, Unit::Count), ["0", "1"]);
        assert_eq!(labels(f64::INFINITY, f64::NEG_INFINITY, Unit::Count), ["0", "1"], "no value at all");
    }

    #[test]
    fn values_are_formatted_for_people() {
        assert_eq!(formatted(1_234_567.0, Unit::Count), "1,234,567");
        assert_eq!(formatted(-1234.5, Unit::Number), "−1,234.5");
        assert_eq!(formatted(1.0 / 3.0, Unit::Number), "0.3333");
        assert_eq!(formatted(-0.000_01, Unit::Number), "0");
        assert_eq!(formatted(0.2414, Unit::Share), "24.1 %");
        assert_eq!(formatted(2e18, Unit::Count), "2e18");
    }

    #[test]
    fn the_greatest_is_darkest_however_many_steps_there_are() {
        let shades = |high: f64| Axis::of((0.0, high), Unit::Count, 5).shades(5).map(|(shade, _)| shade).collect::<Vec<_>>();
        assert_eq!([100.0, 200.0, 12.0, 1.0].map(shades), [vec![0, 1, 2, 3, 4], vec![0, 1, 3, 4], vec![0, 2, 4], vec![4]]);
        let axis = Axis::of((0.0, 100.0), Unit::Count, 5);
        assert_eq!([0.0, 19.0, 20.0, 99.0, 100.0].map(|value| axis.shade(value, 5)), [0, 0, 1, 4, 4]);
    }

    #[test]
    fn the_smallest_and_the_largest_numbers_have_an_axis() {
        for (low, high) in [(0.0, 1e-300), (0.0, 1e300), (-1e300, 1e300), (1e15, 1e15 + 1.0)] {
            let axis = Axis::of((low, high), Unit::Number, 5);
            assert!((2..=6).contains(&axis.ticks.len()), "{low} to {high}: {:?}", axis.ticks);
            assert!(axis.low() <= low && axis.high() >= high);
        }
    }
}

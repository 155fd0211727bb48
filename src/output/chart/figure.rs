//! The data of a chart: its axes, lines, bars or cells. The drawing modules turn it into characters or SVG.

use super::axis::{Time, Unit};

/// A chart of any kind.
pub(super) enum Figure {
    Lines(Lines),
    Bars(Bars),
    Heat(Heat),
}

/// The horizontal axis of a line chart.
#[derive(Clone, Copy)]
pub(super) enum XAxis {
    Time(Time),
    Number { whole: bool },
}

/// A line for each series.
pub(super) struct Lines {
    pub(super) caption: String,
    pub(super) across: XAxis,
    pub(super) series: Vec<Line>,
    pub(super) unit: Unit,
}

/// One line, from left to right: where (a number, or milliseconds), and how high; none is a gap.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Bars side by side for each label, one of each series.
pub(super) struct Bars {
    pub(super) caption: String,
    pub(super) labels: Vec<String>,
    pub(super) series: Vec<BarSeries>,
    pub(super) unit: Unit,
}

/// The values of one series, one for each label.
pub(super) struct BarSeries {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

/// A field for each pair of labels.
pub(super) struct Heat {
    pub(super) name: String,
    pub(super) down_caption: String,
    pub(super) across_caption: String,
    pub(super) down: Vec<String>,
    pub(super) across: Vec<String>,
    /// Row by row.
    pub(super) fields: Vec<Option<f64>>,
    pub(super) unit: Unit,
}

impl Lines {
    /// The least and the greatest place from left to right.
    pub(super) fn width(&self) -> (f64, f64) {
        bounds(self.series.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x)))
    }

    /// The least and the greatest value.
    pub(super) fn height(&self) -> (f64, f64) {
        bounds(self.series.iter().flat_map(|line| line.points.iter().filter_map(|(_, y)| *y)))
    }
}

impl Bars {
    /// The least and the greatest value, 0 among them: a bar's length is its value.
    pub(super) fn width(&self) -> (f64, f64) {
        bounds(self.series.iter().flat_map(|series| series.values.iter().copied().flatten()).chain([0.0]))
    }
}

impl Heat {
    /// The least and the greatest value; 0 is the least where none is negative.
    pub(super) fn depth(&self) -> (f64, f64) {
        let (low, high) = bounds(self.fields.iter().copied().flatten());
        (low.min(0.0), high.max(0.0))
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

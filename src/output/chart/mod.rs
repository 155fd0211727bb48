//! An answer as a chart: lines over time, bars, or a heat map, for a terminal, as SVG or as PNG.
//!
//! The kind is chosen from the types of the columns ([`choose`]), never by a guess at their meaning. What cannot be drawn honestly
//! is refused, with a sentence on what could be drawn. A chart is for the eye, so it takes few rows, and these are held in memory.
//! The same answer gives the same drawing on every machine: fonts, locale and clock of the machine have no influence.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::format::Options;
use super::rows::{Pipe, Rows};
use crate::error::{Error, Result};
use crate::human;

pub use self::kind::Kind;

// The kinds of charts.
pub mod kind;

// How the values of an axis are written: moments in a zone, counts, shares.
mod axis;

// Converts the columns of an answer for a chart: moments, numbers, labels.
mod columns;

// Chooses the kind of chart for an answer, by its columns.
mod choose;

// The data of a chart: its axes, lines, bars or cells, before it is drawn.
mod figure;

// Makes axes with round numbers, and formats their numbers.
mod scale;

// Chooses the marks of a time axis: whole minutes, hours, days, months or years.
mod calendar;

// Draws a chart with characters.
mod terminal;

// Draws a chart as SVG.
mod svg;

// Renders the SVG as PNG.
mod png;

/// The chart of rows that are there already, as SVG, of the columns at these places.
///
/// # Errors
/// Invalid for what makes no chart, with what would.
pub fn as_svg(schema: &SchemaRef, batches: &[RecordBatch], places: &[usize], zone: chrono_tz::Tz) -> Result<String> {
    let drawn = batches.iter().map(|batch| Ok(batch.project(places)?)).collect::<Result<Vec<_>>>()?;
    let columns = columns::of(&schema.project(places)?, &drawn, Some(zone))?;
    Ok(svg::draw(&choose::figure(&columns, None)?))
}

/// Rows of an answer that is drawn. More points than a picture has dots tell the eye nothing.
const MAX_ROWS: usize = 5_000;

/// The surface of a chart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Surface {
    Terminal,
    Svg,
    Png,
}

/// The rows gathered for a chart.
pub(super) struct Chart<'a, 'b> {
    pipe: &'a mut Pipe<'b>,
    schema: SchemaRef,
    surface: Surface,
    options: Options,
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl<'a, 'b> Chart<'a, 'b> {
    pub(super) fn new(schema: SchemaRef, pipe: &'a mut Pipe<'b>, surface: Surface, options: &Options) -> Self {
        Self { pipe, schema, surface, options: options.clone(), batches: Vec::new(), rows: 0 }
    }
}

impl Rows for Chart<'_, '_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        if self.rows > MAX_ROWS {
            return Err(Error::invalid(phrase!(
                "the answer has more than {} rows, which no chart can show; group them, such as by day or month",
                human::count(MAX_ROWS as u64)
            )));
        }
        self.batches.push(batch.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let columns = columns::of(&self.schema, &self.batches, self.options.zone)?;
        let figure = choose::figure(&columns, self.options.chart)?;
        match self.surface {
            Surface::Terminal => self.pipe.write_all(terminal::draw(&figure, self.options.terminal_columns).as_bytes())?,
            Surface::Svg => self.pipe.write_all(svg::draw(&figure).as_bytes())?,
            Surface::Png => self.pipe.write_all(&png::of_svg(&svg::draw(&figure))?)?,
        }
        Ok(self.pipe.flush()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

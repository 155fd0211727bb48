//! Writes an answer to standard output or to a file, in the format that the user chose, or as an audience. All verbs that answer
//! with rows share it.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use chrono_tz::Tz;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::human;
use crate::output::{self, Format, Layout, Options};
use crate::query::audience::Audience;
use crate::query::engine::Engine;

use super::args::{AudienceArgs, Output};
use super::session::Session;

impl Output {
    /// The form of the answer: the flag's, else the file name's, else JSON for machines, else a table. Refuses a file whose
    /// name does not say, rather than guess, and bytes for a terminal.
    pub fn resolve(&self, json: bool) -> Result<Format> {
        let of_name = |path: &Path| {
            Format::of_file(path).ok_or_else(|| {
                let name = path.display();
                Error::invalid(phrase!(
                    "the name {name} does not say in what format to write; add --format, such as --format csv"
                ))
            })
        };
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => match of_name(path)? {
                Format::Table if self.chart.is_some() => Format::Chart,
                format => format,
            },
            (None, None) if self.chart.is_some() => Format::Chart,
            (None, None) if json => Format::Json,
            (None, None) => Format::Table,
        };
        if self.chart.is_some() && !format.is_chart() {
            return Err(Error::invalid(
                "--chart draws, and this format does not; name the file .svg, .png or .txt, or leave it out",
            ));
        }
        if let Some(path) = &self.output {
            output::refuse_to_replace(path, self.force)?;
        }
        if format.is_binary() && self.output.is_none() && io::stdout().is_terminal() {
            return Err(Error::invalid("this format is not for a terminal; write it to a file with -o, or into a pipe"));
        }
        Ok(format)
    }

    /// How a table, a spreadsheet or a chart is shown.
    pub fn options(&self, session: &Session, zone: Option<Tz>) -> Options {
        let spill_folder = Some(session.settings.query.spill_folder.clone());
        let max_rows_table = self.max_rows.unwrap_or(usize::MAX);
        let is_seen = self.output.is_none() && io::stdout().is_terminal();
        let wide = if is_seen { terminal_size::terminal_size() } else { None };
        let layout = if is_seen { Layout::Fitting } else { Layout::Whole };
        let terminal_columns = wide.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns));
        let seconds = session.settings.query.timeout_secs;
        let limit = (seconds > 0).then(|| Duration::from_secs(seconds));
        let (chart, may_replace) = (self.chart.flatten(), self.force);
        Options { zone, max_rows_table, spill_folder, layout, may_replace, chart, terminal_columns, limit }
    }
}

/// The audience that is wished for, if one is, and the file it goes to. What cannot be written is refused here, before anything
/// is computed.
pub fn audience(session: &Session, args: &AudienceArgs, output: &Output) -> Result<Option<(Audience, PathBuf)>> {
    let Some(audience) = args.audience()? else { return output.resolve(session.global.json).map(|_| None) };
    if output.format.is_some() || output.chart.is_some() {
        return Err(Error::invalid("an audience is written as comma-separated values: leave --format and --chart out"));
    }
    let out = output.output.clone();
    let out = out.ok_or_else(|| Error::invalid("an audience goes to a file: name it with -o, such as -o members.csv"))?;
    Ok(Some((audience, out)))
}

/// The whole of a small answer, held until it may be shown: its number of rows, and the rows.
pub async fn hold(stream: SendableRecordBatchStream) -> Result<(u64, SendableRecordBatchStream)> {
    let schema = stream.schema();
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let again = futures::stream::iter(batches.into_iter().map(Ok));
    Ok((rows, Box::pin(RecordBatchStreamAdapter::new(schema, again))))
}

/// Writes an answer where `output` says and returns its number of rows. A file is reported when it is whole.
pub async fn write(session: &Session, stream: SendableRecordBatchStream, output: &Output, zone: Option<Tz>) -> Result<u64> {
    let (format, options) = (output.resolve(session.global.json)?, output.options(session, zone));
    let Some(path) = &output.output else {
        let outcome = output::write(stream, format, io::stdout(), &options).await;
        return outcome.map_err(|error| match error.is_of_io() {
            true => error.context("cannot write to standard output"),
            false => error,
        });
    };
    let rows = output::write_file(stream, format, path, &options).await?;
    let written = serde_json::json!({ "file": path, "rows": rows });
    session.report(&written, |_| format!("{} written to {}", human::counted(rows, "row"), path.display()))?;
    Ok(rows)
}

/// Writes an answer as an audience, where one is wished for, or else where `output` says. Returns its number of rows.
pub async fn deliver(
    session: &Session,
    engine: &Engine,
    stream: SendableRecordBatchStream,
    audience: Option<&(Audience, PathBuf)>,
    (output, zone): (&Output, Option<Tz>),
) -> Result<u64> {
    match audience {
        Some((audience, out)) => {
            let report = audience.write(engine, stream, out).await?;
            session.answer(&report)?;
            Ok(report.rows)
        }
        None => write(session, stream, output, zone).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(format: Option<Format>, file: Option<&str>) -> Output {
        Output { format, output: file.map(Into::into), max_rows: None, force: false, chart: None }
    }

    fn charted(format: Option<Format>, file: Option<&str>) -> Output {
        Output { chart: Some(None), ..output(format, file) }
    }

    #[test]
    fn the_flag_decides_then_the_name_then_the_reader() {
        for (format, file, json, decided) in [
            (Some(Format::Csv), Some("a.json"), true, Format::Csv),
            (None, Some("a.parquet"), true, Format::Parquet),
            (None, Some("a.JSONL"), false, Format::Ndjson),
            (None, None, true, Format::Json),
            (None, None, false, Format::Table),
        ] {
            assert_eq!(output(format, file).resolve(json).ok(), Some(decided));
        }
    }

    #[test]
    fn a_chart_is_drawn_where_it_can_be() {
        for (file, decided) in
            [(None, Format::Chart), (Some("a.svg"), Format::Svg), (Some("a.PNG"), Format::Png), (Some("a.txt"), Format::Chart)]
        {
            assert_eq!(charted(None, file).resolve(true).ok(), Some(decided));
        }
        assert_eq!(output(None, Some("a.svg")).resolve(false).ok(), Some(Format::Svg), "the name alone asks for it");
        for wrong in [charted(Some(Format::Csv), None), charted(None, Some("a.csv"))] {
            assert!(wrong.resolve(false).is_err_and(|error| error.to_string().starts_with("--chart draws")));
        }
    }

    #[test]
    fn a_name_that_does_not_say_is_refused() {
        for file in ["answer", "answer.xls"] {
            assert!(output(None, Some(file)).resolve(false).is_err_and(|error| error.to_string().contains("add --format")));
        }
    }
}

//! Moments, texts and tables as pages show them.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use maud::{Markup, html};

use crate::audit::wording::{local, utc};
use crate::error::Result;
use crate::human;
use crate::output::cells::{cells, is_number};

/// A moment in people's time; that of UTC stands behind it.
pub(super) fn moment(at: Option<DateTime<Utc>>, zone: Tz) -> Markup {
    match at {
        Some(at) => html! { time datetime=(at.to_rfc3339()) title=(utc(at)) { (local(at, zone)) } },
        None => html! { span.none { "not recorded" } },
    }
}

/// A text from a record, on one line.
pub(super) fn shown(text: &str) -> String {
    human::printable(text)
}

/// A text that may not be there.
pub(super) fn or_none(text: Option<&str>) -> Markup {
    match text {
        Some(text) => html! { (shown(text)) },
        None => html! { span.none { "–" } },
    }
}

/// The first rows of an answer, and how many there are in all.
pub(super) struct First {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) rows: u64,
}

impl First {
    /// Reads an answer to its end, and keeps so many rows.
    pub(super) async fn of(mut answer: SendableRecordBatchStream, most: usize) -> Result<Self> {
        let (schema, mut batches, mut rows, mut left) = (answer.schema(), Vec::new(), 0, most);
        while let Some(batch) = answer.next().await.transpose()? {
            rows += batch.num_rows() as u64;
            let kept = batch.slice(0, batch.num_rows().min(left));
            left -= kept.num_rows();
            if kept.num_rows() > 0 {
                batches.push(kept);
            }
        }
        Ok(Self { schema, batches, rows })
    }

    pub(super) fn kept(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    /// How many rows there are, and how many are shown.
    pub(super) fn count(&self) -> String {
        let (kept, all) = (self.kept(), human::counted(self.rows, "row"));
        if kept < self.rows { format!("the first {} of {all}", human::count(kept)) } else { all }
    }

    /// As a table with a caption.
    pub(super) fn table(&self, caption: &str, zone: Tz) -> Result<Markup> {
        let fields = self.schema.fields();
        let numbers: Vec<bool> = fields.iter().map(|field| is_number(field.data_type())).collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for batch in &self.batches {
            let columns = batch.columns().iter().map(|column| cells(column, Some(zone))).collect::<Result<Vec<_>>>()?;
            rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
        }
        Ok(html! {
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table.data {
                    caption { (caption) " · " (self.count()) }
                    thead { tr { @for (field, number) in fields.iter().zip(&numbers) { th.number[*number] scope="col" { (field.name()) } } } }
                    tbody {
                        @for row in &rows {
                            tr { @for (cell, number) in row.iter().zip(&numbers) { td.number[*number] { (cell) } } }
                        }
                    }
                }
            }
        })
    }
}

/// A picture, as what an image shows.
pub(super) fn picture(svg: &str) -> String {
    let mut address = "data:image/svg+xml,".to_owned();
    for byte in svg.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b' '
            | b'='
            | b':'
            | b'/'
            | b'.'
            | b','
            | b'-'
            | b'_'
            | b'('
            | b')'
            | b';' => {
                address.push(byte as char);
            }
            other => address.push_str(&format!("%{other:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_address_without_quotes_and_fragments() {
        assert_eq!(picture("<a b=\"#\">é"), "data:image/svg+xml,%3Ca b=%22%23%22%3E%C3%A9");
    }
}

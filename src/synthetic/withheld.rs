//! E-mails that were withheld, as in Marketing Cloud's NotSent extract: about one in some hundreds. They are for people who are
//! still in an audience although their record was merged, deleted or converted.
//!
//! One file for the whole period, in the encoding and with the times that those extracts have: UTF-16, no zone.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::cell::{Cell, ExportStyle};
use super::dice::On;
use super::file::{Csv, Wrap};
use super::recipe::MadeFile;
use super::sends::{Plan, Send};
use super::sink::table_of;
use crate::error::{Error, Result};

/// Why an e-mail was withheld, in a word.
const REASONS: &[&str] = &["Subscriber unsubscribed", "Subscriber held: earlier bounces", "List exclusion"];

/// Writes the extract; none where nobody was held back.
pub fn write(plan: &Plan, folder: &Path) -> Result<Option<MadeFile>> {
    let columns: Vec<(&str, String)> =
        table_of("not_sent")?.exported().map(|field| (field.name.as_ref(), ExportStyle::Bulk.header(field, None))).collect();
    let headers: Vec<String> = columns.iter().map(|(_, header)| header.clone()).collect();
    let mut out = Csv::create(folder, "NotSent.csv", "not_sent", ExportStyle::Bulk, Wrap::Utf16, &headers)?;
    let left: Vec<(u32, i64)> =
        (0..plan.people.all()).filter_map(|person| Some((person, plan.people.left_at(person)?))).collect();
    for month in &plan.months {
        for send in plan.sends(month)?.iter().filter(|send| send.is_job()) {
            let held_back = |&&(person, at): &&(u32, i64)| {
                at <= send.start && send.reaches(person) && (send.to_leads || !plan.people.is_lead(person))
            };
            for &(person, _) in left.iter().filter(held_back) {
                write_row(plan, &mut out, columns.iter().map(|(column, _)| *column), send, person)?;
            }
        }
    }
    out.finish()
}

fn write_row<'a>(plan: &Plan, out: &mut Csv, columns: impl Iterator<Item = &'a str>, send: &Send, person: u32) -> Result<()> {
    let (id, email, at) = (plan.people.id(person)?, plan.people.email(person), written(send.start)?);
    for column in columns {
        out.cell(match column {
            "client_id" => Cell::Text(send.unit().mid),
            "job_id" => Cell::Text(&send.job_id),
            "subscriber_key" => Cell::Id(id),
            "email_address" => Cell::Text(&email),
            "subscriber_id" => Cell::Number(plan.people.subscriber_id(person)),
            "list_id" => Cell::Text(&send.list_id),
            "event_date" => Cell::Text(&at),
            "event_type" => Cell::Text("NotSent"),
            "batch_id" => Cell::Text(&send.batch_id),
            "reason" => Cell::Text(send.dice.at(u64::from(person)).pick::<&str>(On::Unsubscribe, REASONS)),
            _ => Cell::Empty,
        })?;
    }
    out.end_row()
}

/// A moment as extracts write it: in the account's zone, which they do not name.
fn written(micros: i64) -> Result<String> {
    let outside = || Error::internal(phrase!("{micros} microseconds are outside the calendar"));
    let utc: DateTime<Utc> = DateTime::from_timestamp_micros(micros).ok_or_else(outside)?;
    Ok(utc.with_timezone(&chrono_tz::America::Denver).format("%m/%d/%Y %I:%M:%S %p").to_string())
}

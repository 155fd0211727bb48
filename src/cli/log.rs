//! `ier log`: shows the newest look-ups, and whether the log of look-ups is intact.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use crate::error::{Error, Result};
use crate::ledgers::lookups::{Entry, KEY_REMEDY};
use crate::output::{self, Format, Options};
use crate::record::fields::UTC;

use super::args::Log;
use super::print;
use super::session::Session;

/// How much of a hash tells one person from another in a table; JSON has it whole.
const SUBJECT_CHARS: usize = 12;

/// Shows the newest entries, newest first, and the outcome of the check. A damaged log is an error, after it was shown.
pub async fn run(session: &Session, args: &Log) -> Result<()> {
    let log = session.look_ups().await?;
    // Whichever of a person's ids they were looked up by. A warehouse without a key has no entry about anybody.
    let subjects: Option<Vec<String>> = match &args.subject {
        None => None,
        Some(id) => Some(session.engine().await?.person(id).await?.ids().iter().filter_map(|id| log.subject(id)).collect()),
    };
    let asked = |entry: &Entry| subjects.as_ref().is_none_or(|subjects| subjects.contains(&entry.subject));
    let mut newest: VecDeque<Entry> = VecDeque::new();
    let report = log
        .read(|entry| {
            if asked(&entry) {
                newest.push_front(entry);
                newest.truncate(args.last);
            }
        })
        .await?;
    if session.global.json {
        print::report(true, &serde_json::json!({ "look_ups": newest, "log": report }), |_| String::new())?;
    } else {
        show(&newest, (!args.utc).then_some(session.settings.zone)).await?;
        print::line(&session.in_full(&report.to_string()))?;
    }
    if let Some(damage) = report.damage {
        return Err(Error::corrupt(phrase!("the log of look-ups is damaged: {damage}")));
    }
    match log.key_wrong(&report) {
        None => Ok(()),
        Some(wrong) => Err(Error::corrupt(phrase!("{}: {wrong}; {KEY_REMEDY}", log.key_object()))),
    }
}

async fn show(entries: &VecDeque<Entry>, zone: Option<chrono_tz::Tz>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let number = |of: fn(&Entry) -> u64| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| i64::try_from(of(entry)).ok()).collect::<Int64Array>())
    };
    let text = |of: fn(&Entry) -> Option<&str>| -> ArrayRef { Arc::new(entries.iter().map(of).collect::<StringArray>()) };
    let at = entries.iter().map(|entry| Some(entry.at.timestamp_micros())).collect::<TimestampMicrosecondArray>();
    let batch = RecordBatch::try_from_iter([
        ("number", number(|entry| entry.sequence)),
        ("at", Arc::new(at.with_timezone(UTC.clone())) as ArrayRef),
        ("who", text(|entry| Some(&entry.who))),
        ("verb", text(|entry| Some(&entry.verb))),
        ("subject", text(|entry| entry.subject.get(..SUBJECT_CHARS))),
        ("rows", number(|entry| entry.rows)),
        ("reason", text(|entry| entry.reason.as_deref())),
    ])?;
    let stream = RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)]));
    let options = Options { zone, ..Options::default() };
    output::write(Box::pin(stream), Format::Table, io::stdout(), &options).await?;
    Ok(())
}

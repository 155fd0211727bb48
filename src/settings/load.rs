//! `[load]`: the memory of a load, and rules for reading files that come again and again.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::source::moments::DateOrder;
use crate::source::reading::FileRule;

/// What a load may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Load {
    /// Rows gathered before they are folded into the tables, in MiB.
    pub buffer_mb: u64,
    /// The longest record of text, in MiB.
    pub record_mb: u64,
    /// Keep which versions of an IER were seen, and when.
    pub keep_versions: bool,
    /// Moments before this day are no record's.
    pub earliest: NaiveDate,
    /// Files that come again and again.
    pub files: Vec<FileRule>,
}

impl Load {
    /// [`Load::record_mb`] in bytes.
    pub fn record_bytes(&self) -> usize {
        (self.record_mb << 20) as usize
    }

    /// The first moment that can be a record's, in UTC microseconds.
    pub fn earliest_micros(&self) -> i64 {
        self.earliest.and_hms_opt(0, 0, 0).map_or(i64::MIN, |midnight| midnight.and_utc().timestamp_micros())
    }
}

/// The section as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LoadLayer {
    pub buffer_mb: Option<u64>,
    pub record_mb: Option<u64>,
    pub keep_versions: Option<bool>,
    pub earliest: Option<String>,
    files: Vec<FileLayer>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLayer {
    pattern: String,
    table: Option<String>,
    zone: Option<String>,
    dates: Option<DateOrder>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
}

impl Load {
    /// Takes over what a layer of settings says.
    pub(super) fn apply(&mut self, layer: LoadLayer) -> Result<()> {
        let within = |name: &str, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(value),
            false => Err(Error::invalid(phrase!("load.{name} is {value}; it must be from {least} to {most}"))),
        };
        if let Some(mb) = layer.buffer_mb {
            self.buffer_mb = within("buffer_mb", mb, 16, 1 << 20)?;
        }
        if let Some(mb) = layer.record_mb {
            self.record_mb = within("record_mb", mb, 1, 1 << 10)?;
        }
        if let Some(keep) = layer.keep_versions {
            self.keep_versions = keep;
        }
        if let Some(day) = layer.earliest {
            let right = || Error::invalid(phrase!("load.earliest is \"{day}\", which is no day; write it as 1999-01-01"));
            self.earliest = day.parse().map_err(|_| right())?;
        }
        if !layer.files.is_empty() {
            self.files = layer.files.into_iter().map(rule).collect::<Result<_>>()?;
        }
        Ok(())
    }
}

fn rule(file: FileLayer) -> Result<FileRule> {
    let FileLayer { pattern, table, zone, dates, columns } = file;
    let pattern = glob::Pattern::new(&pattern)
        .map_err(|error| Error::invalid(phrase!("load.files: the pattern \"{pattern}\" is none: {error}")))?;
    let zone = zone
        .map(|zone| {
            zone.parse::<Tz>().map_err(|_| {
                Error::invalid(phrase!("load.files: zone is \"{zone}\", which is no time zone, as America/Denver is one"))
            })
        })
        .transpose()?;
    Ok(FileRule { pattern, table, zone, dates, columns })
}

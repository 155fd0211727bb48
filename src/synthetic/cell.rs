//! One value of a row, and how each exporting tool writes it.

use std::io::Write;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::error::{Error, Result};
use crate::record::fields::Field;
use crate::record::id::SfId;

/// A value before it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text as it is.
    Text(&'a str),
    /// A whole number that is text in Salesforce: a Marketing Cloud id.
    Number(u64),
    /// A Salesforce id.
    Id(SfId),
    /// A checkbox.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A moment, in UTC microseconds.
    Time(i64),
    /// A day.
    Date(NaiveDate),
}

impl<'a> Cell<'a> {
    /// Text, if there is any.
    pub fn text_or_empty(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }

    /// An id, if there is one.
    pub fn id_or_empty(id: Option<SfId>) -> Self {
        id.map_or(Self::Empty, Self::Id)
    }

    /// A moment, if there is one.
    pub fn time_or_empty(time: Option<i64>) -> Self {
        time.map_or(Self::Empty, Self::Time)
    }
}

/// How a tool writes its exports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExportStyle {
    /// Bulk API: API names, `2026-08-06T12:13:00.000Z`, 18-character ids.
    Bulk,
    /// Data Loader: API names in capitals, `2026-08-06T12:13:00.000+0000`, numbers as `1.0`.
    DataLoader,
    /// A report: labels, 15-character ids, `8/6/2026, 6:13 AM` in Denver, checkboxes as 1 and 0.
    Report,
}

impl ExportStyle {
    /// A column's header; `label` is what a report calls it.
    pub fn header(self, field: &Field, label: Option<&str>) -> String {
        match self {
            Self::Bulk => field.api_name(),
            Self::DataLoader => field.api_name().to_uppercase(),
            Self::Report => label.map_or_else(|| field.api.replace('_', " "), str::to_owned),
        }
    }

    /// Writes a value, without quotes.
    ///
    /// # Errors
    /// Refuses moments outside the calendar.
    pub fn write(self, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<()> {
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Id(id) if self == Self::Report => out.extend_from_slice(id.as_str15().as_bytes()),
            Cell::Id(id) => out.extend_from_slice(id.as_str().as_bytes()),
            Cell::Bool(value) if self == Self::Report => out.push(if value { b'1' } else { b'0' }),
            Cell::Bool(value) => write!(out, "{value}")?,
            Cell::Int(number) if self == Self::DataLoader => write!(out, "{number}.0")?,
            Cell::Int(number) => write!(out, "{number}")?,
            Cell::Date(day) if self == Self::Report => write!(out, "{}/{}/{}", day.month(), day.day(), day.year())?,
            Cell::Date(day) => write!(out, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day())?,
            Cell::Time(micros) => self.write_time(micros, out)?,
        }
        Ok(())
    }

    fn write_time(self, micros: i64, out: &mut Vec<u8>) -> Result<()> {
        let outside = || Error::internal(phrase!("{micros} microseconds are outside the calendar"));
        let utc: DateTime<Utc> = DateTime::from_timestamp_micros(micros).ok_or_else(outside)?;
        if self == Self::Report {
            let local = utc.with_timezone(&chrono_tz::America::Denver);
            let (pm, hour) = local.hour12();
            let half = if pm { "PM" } else { "AM" };
            write!(out, "{}/{}/{}, {hour}:{:02} {half}", local.month(), local.day(), local.year(), local.minute())?;
            return Ok(());
        }
        let (day, time) = (utc.date_naive(), utc.time());
        let millis = utc.timestamp_subsec_millis();
        write!(out, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day())?;
        write!(out, "T{:02}:{:02}:{:02}.{millis:03}", time.hour(), time.minute(), time.second())?;
        out.extend_from_slice(if self == Self::DataLoader { b"+0000" } else { b"Z" });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_habits_of_one_moment() {
        let moment = Cell::Time(1_786_018_380_000_000);
        let written = |style: ExportStyle| {
            let mut out = Vec::new();
            style.write(moment, &mut out).expect("written");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(ExportStyle::Bulk), "2026-08-06T12:13:00.000Z");
        assert_eq!(written(ExportStyle::DataLoader), "2026-08-06T12:13:00.000+0000");
        assert_eq!(written(ExportStyle::Report), "8/6/2026, 6:13 AM");
    }
}

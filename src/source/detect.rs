//! Detects how a delimited file is to be read, before its rows are believed: its encoding, delimiter, quotes, order of dates, zone.
//!
//! The evidence comes from the beginning of the file ([`Scope::Beginning`]), and the rows then confirm it one by one. It comes from
//! the whole file ([`Scope::Whole`]) if the file is small or does not go on as it began. A file with contradictory evidence is
//! refused, and the error names the two lines that cannot both be right. The error never shows values, because they may be
//! personal.

use super::headers::look_like_headers;
use super::layout::{Holds, Layout};
use super::moments::{DateOrder, Moments, OrderEvidence, Spelling, Unit, order_shown};
use super::reading::{Asked, Basis};
use super::records::{Dialect, QuoteError, Quoting, ReadRecords, Record, RecordError, Records};
use super::stream::Stream;
use super::values;
use crate::error::{Error, Result};
use crate::record::fields::Kind;

/// In order of preference where a header has as many of one as of the other.
pub(super) const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Where an undecided date has the month first, unless semicolons show that a spreadsheet of another country wrote the file.
const MONTH_FIRST_ZONES: [&str; 4] = ["America/", "US/", "Etc/", "UTC"];

/// The part of a file from which its dialect is detected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// Its beginning: the last record may be cut.
    Beginning,
    Whole,
}

/// Where the table begins, and what stands between its fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub delimiter: u8,
    /// Bytes before the header: a line `sep=;`.
    pub skipped: usize,
    /// The line at which reading begins.
    pub line: u64,
}

impl Frame {
    /// From the first bytes of a text: a line `sep=;` says the delimiter, else the header has most of it.
    pub fn of(head: &[u8]) -> Self {
        let first = head.iter().position(|byte| *byte == b'\n').map_or(head, |end| &head[..=end]);
        let trimmed = first.trim_ascii_end();
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] =
            trimmed.strip_prefix(b"\"").map_or(trimmed, |rest| rest.strip_suffix(b"\"").unwrap_or(rest))
        {
            return Self { delimiter: *delimiter, skipped: first.len(), line: 2 };
        }
        // A tab at the end of the line is trimmed away.
        if first.strip_suffix(b"\n").unwrap_or(first).trim_ascii_end().eq_ignore_ascii_case(b"sep=") {
            return Self { delimiter: b'\t', skipped: first.len(), line: 2 };
        }
        Self { delimiter: delimiter(head), skipped: 0, line: 1 }
    }
}

/// The delimiter of which the first line that is not blank has most, outside of quotes.
fn delimiter(head: &[u8]) -> u8 {
    let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let mut counts = [0usize; DELIMITERS.len()];
    let mut quoted = false;
    for &byte in &head[start..] {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if !quoted => {
                if let Some(kind) = DELIMITERS.iter().position(|&delimiter| delimiter == byte) {
                    counts[kind] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    DELIMITERS[counts.iter().position(|&count| count == most).unwrap_or_default()]
}

/// What was detected in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detected {
    pub dialect: Dialect,
    pub dates: Option<(DateOrder, Basis)>,
    /// The text is Windows-1252.
    pub windows: bool,
}

/// The evidence for each way to read a file.
#[derive(Default)]
struct Evidence {
    rows: u64,
    /// Rows that are not as wide as the header, and the first of them.
    misfits: u64,
    misfit: Option<u64>,
    /// Do some of these rows, or some with flaws, look as if `\` stood before what cuts them?
    escapes: bool,
    /// Fields in quotes when quotes are read as characters.
    in_quotes: bool,
    /// A flaw in quotes that spans lines, or swallows others.
    flaw: Option<(u64, u64)>,
    /// Flaws within one line.
    small_flaws: u64,
    /// A row that another delimiter cuts as the header is cut.
    other_delimiter: Option<(u8, u64)>,
    other_header: Option<u64>,
    /// Lines whose dates allow one order only.
    month_first: Option<u64>,
    day_first: Option<u64>,
    /// The first date that can be read in both.
    either: Option<u64>,
    /// Two lines of a column whose whole numbers are of different units.
    units: Option<(usize, u64, u64)>,
    stamp_zoned: Option<u64>,
    stamp_bare: Option<u64>,
    charset: CharsetEvidence,
}

/// Evidence for the encoding of a text.
#[derive(Default)]
pub(super) struct CharsetEvidence {
    /// Letters of several bytes that are UTF-8, and bytes that are not.
    utf8: u64,
    broken: u64,
    not_windows: bool,
}

impl CharsetEvidence {
    /// Is it UTF-8? If not, can it be Windows's?
    pub fn look(&mut self, text: &[u8]) {
        if text.is_ascii() {
            return;
        }
        for chunk in text.utf8_chunks() {
            self.utf8 += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count() as u64;
            let broken = chunk.invalid();
            // A character that is cut begins as UTF-8, and is no character of Windows-1252.
            self.utf8 += u64::from(broken.len() > 1);
            self.broken += u64::from(!broken.is_empty());
            self.not_windows |= broken.iter().any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
        }
    }

    /// Are they Windows's, whatever was seen?
    pub fn are_windows(&self) -> bool {
        self.utf8 == 0 && self.broken > 0 && !self.not_windows
    }
}

/// Collects evidence from a file's values for how they are to be read.
pub(super) struct ReadingEvidence {
    columns: Columns,
    evidence: Evidence,
}

impl ReadingEvidence {
    pub fn of(layout: &Layout, asked: &Asked) -> Self {
        Self { columns: Columns::of(layout, asked), evidence: Evidence::default() }
    }

    pub fn look(&mut self, record: &Record) {
        self.columns.look(record, &mut self.evidence);
    }

    /// The places, among the headers, that hold times.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.columns.times.iter().map(|times| times.at)
    }

    /// One value of such a place, by the number of its row.
    pub fn look_at(&mut self, at: usize, text: &str, row: u64) {
        for times in self.columns.times.iter_mut().filter(|times| times.at == at) {
            times.look(text, row, &mut self.evidence);
        }
    }

    /// The order of day and month, and why; `place` is what the numbers of rows count.
    ///
    /// # Errors
    /// Invalid when the values contradict each other, or do not say what only they can say.
    pub fn settle(&self, name: &str, place: &str, layout: &Layout, asked: &Asked) -> Result<Option<(DateOrder, Basis)>> {
        self.evidence.refuse_values(name, place, layout, asked)?;
        self.evidence.dates(name, place, false, asked)
    }
}

/// Detects how a text is to be read. `source` opens it anew, with nothing skipped; `layout` is made of its header.
///
/// # Errors
/// Invalid when the file contradicts itself, or does not say what only the file can say; and what `source` returns.
pub(super) fn detect(
    name: &str,
    source: &dyn Fn() -> Result<Stream>,
    (frame, scope): (Frame, Scope),
    layout: &Layout,
    asked: &Asked,
    record_bytes: usize,
) -> Result<Detected> {
    let gather = |quoting| {
        let dialect = Dialect { delimiter: frame.delimiter, quoting };
        let mut records = Records::new(skipping(source()?, frame.skipped)?, dialect, frame.line, record_bytes);
        Evidence::gather(&mut records, layout, asked, scope).map_err(|broken| unreadable(name, broken))
    };
    let doubled = gather(Quoting::Doubled)?;
    let mut best = (Quoting::Doubled, doubled);
    if best.1.escapes {
        let escaped = gather(Quoting::Escaped)?;
        if escaped.flaw.is_none() && escaped.small_flaws == 0 && escaped.misfits < best.1.misfits.max(1) {
            best = (Quoting::Escaped, escaped);
        }
    }
    if best.1.flaw.is_some() {
        // A quote that nothing closes: a character like others, if every row is whole when it is read so.
        let literal = gather(Quoting::None)?;
        if literal.misfits == 0 && !literal.in_quotes {
            best = (Quoting::None, literal);
        }
    }
    let (quoting, evidence) = best;
    let dialect = Dialect { delimiter: frame.delimiter, quoting };
    evidence.refuse_shape(name, frame)?;
    evidence.refuse_values(name, "line", layout, asked)?;
    let dates = evidence.dates(name, "line", frame.delimiter == b';', asked)?;
    Ok(Detected { dialect, dates, windows: evidence.charset.are_windows() })
}

/// A stream without its first bytes.
pub(super) fn skipping(mut stream: Stream, bytes: usize) -> Result<Stream> {
    std::io::copy(&mut std::io::Read::take(&mut stream, bytes as u64), &mut std::io::sink())?;
    Ok(stream)
}

/// The error for a text that cannot be split into records.
pub(super) fn unreadable(name: &str, broken: RecordError) -> Error {
    match broken {
        RecordError::Stream(error) => super::stream::unreadable(name, "in the middle", error),
        RecordError::TooLong(line) => Error::invalid(phrase!(
            "{name}: the record that begins on line {line} is longer than load.record_mb allows: a quote may be missing, or set it higher"
        )),
        RecordError::Refused(error) => error.context(name.to_owned()),
    }
}

impl Evidence {
    fn gather(records: &mut Records, layout: &Layout, asked: &Asked, scope: Scope) -> Result<Self, RecordError> {
        let mut evidence = Self::default();
        let mut columns = Columns::of(layout, asked);
        let mut record = Record::default();
        let mut is_header = true;
        while records.read(&mut record)? {
            if scope == Scope::Beginning && !record.is_ended {
                break;
            }
            if !record.bytes().is_ascii() {
                record.iter().for_each(|field| evidence.charset.look(field));
            }
            if std::mem::take(&mut is_header) {
                continue;
            }
            evidence.rows += 1;
            evidence.shape(&record, layout, records.dialect());
            if record.flaw.is_none() && record.len() == layout.headers.len() {
                columns.look(&record, &mut evidence);
            }
        }
        Ok(evidence)
    }

    /// Width, quotes, delimiter.
    fn shape(&mut self, record: &Record, layout: &Layout, dialect: Dialect) {
        let wanted = layout.headers.len();
        let ends_escaped = || record.iter().any(|field| field.ends_with(b"\\"));
        match record.flaw {
            None => {}
            Some(QuoteError::Behind { opened, closed }) if opened == closed && record.line == record.last_line => {
                self.small_flaws += 1;
                self.escapes |= record.bytes().contains(&b'\\');
            }
            Some(QuoteError::Behind { opened, closed }) => {
                self.flaw = self.flaw.or(Some((opened, closed)));
                self.escapes |= record.bytes().contains(&b'\\');
            }
            // One that spans a single line is a row that was cut off: the rows tell.
            Some(QuoteError::Unclosed { opened }) if opened == record.last_line => {}
            Some(QuoteError::Unclosed { opened }) => self.flaw = self.flaw.or(Some((opened, record.last_line))),
        }
        if record.flaw.is_none() && record.last_line > record.line && swallows(record, layout, dialect) {
            self.flaw = self.flaw.or(Some((record.line, record.last_line)));
        }
        if dialect.quoting == Quoting::None {
            self.in_quotes |= record.iter().any(|field| field.len() > 1 && field.starts_with(b"\"") && field.ends_with(b"\""));
        }
        if record.len() != wanted && record.flaw.is_none() {
            self.misfits += 1;
            self.misfit = self.misfit.or(Some(record.line));
            self.escapes |= ends_escaped();
            if self.other_delimiter.is_none() && record.len() == 1 {
                let cut = |delimiter: u8| memchr::memchr_iter(delimiter, record.field(0)).count() + 1;
                let fitting =
                    DELIMITERS.into_iter().find(|other| *other != dialect.delimiter && wanted > 1 && cut(*other) == wanted);
                self.other_delimiter = fitting.map(|delimiter| (delimiter, record.line));
            }
        }
        if self.other_header.is_none() && record.len() >= 3 && is_other_header(record, layout) {
            self.other_header = Some(record.line);
        }
    }

    /// Refuses rows that contradict each other.
    fn refuse_shape(&self, name: &str, frame: Frame) -> Result<()> {
        let header = frame.line;
        let refuse = |what: String| Err(Error::invalid(phrase!("{name}: {what}")));
        if let Some((opened, closed)) = self.flaw {
            return refuse(format!(
                "a quote opened on line {opened} is closed, if at all, by one on line {closed} that was meant otherwise: rows between \
                 them would be lost; double the quotes within texts, or take the stray one out"
            ));
        }
        if let Some((delimiter, line)) = self.other_delimiter {
            return refuse(format!(
                "line {header} is cut by {:?}, line {line} by {:?}: two files were put together; load each by itself",
                char::from(frame.delimiter),
                char::from(delimiter)
            ));
        }
        if let Some(line) = self.other_header {
            return refuse(format!(
                "line {line} is a header, of other columns than the one on line {header}: two files were put together; load each by itself"
            ));
        }
        Ok(())
    }

    /// Refuses values that contradict each other.
    fn refuse_values(&self, name: &str, place: &str, layout: &Layout, asked: &Asked) -> Result<()> {
        let refuse = |what: String| Err(Error::invalid(phrase!("{name}: {what}")));
        if let Some((at, one, other)) = self.units {
            return refuse(format!(
                "the times in {} are whole numbers of different units in {place} {one} and {place} {other}: export them as 2026-08-06T12:13:00Z",
                layout.headers[at].trim()
            ));
        }
        if let (None, Some(line), false) = (self.stamp_zoned, self.stamp_bare, asked.zone_is_given) {
            return refuse(format!(
                "SystemModstamp has no zone or no seconds ({place} {line}), and the newest version goes by it: say its zone with --zone, \
                 for example --zone UTC as Salesforce keeps it, or --zone America/Denver"
            ));
        }
        Ok(())
    }

    /// Which number is the month, and why.
    fn dates(&self, name: &str, place: &str, has_semicolons: bool, asked: &Asked) -> Result<Option<(DateOrder, Basis)>> {
        let lines = |one: u64, other: u64| {
            Err(Error::invalid(phrase!(
                "{name}: dates are written month first in {place} {one} and day first in {place} {other}: export them all as 2026-08-06"
            )))
        };
        let conflict = |order, against: Option<u64>| match against {
            Some(line) => Err(Error::invalid(phrase!(
                "{name}: {place} {line} has a date that cannot be read as --dates says: leave it out, or say the other"
            ))),
            None => Ok(Some((order, Basis::Given))),
        };
        match (self.month_first, self.day_first, asked.dates) {
            (Some(one), Some(other), _) => lines(one, other),
            (None, against, Some(DateOrder::MonthFirst)) if against.is_some() || self.either.is_some() => {
                conflict(DateOrder::MonthFirst, against)
            }
            (against, None, Some(DateOrder::DayFirst)) if against.is_some() || self.either.is_some() => {
                conflict(DateOrder::DayFirst, against)
            }
            (Some(line), None, _) => Ok(Some((DateOrder::MonthFirst, Basis::Line(line)))),
            (None, Some(line), _) => Ok(Some((DateOrder::DayFirst, Basis::Line(line)))),
            (None, None, _) => match self.either {
                None => Ok(None),
                // The people of these zones write the month first, and so does Marketing Cloud, whose clock is one of `Etc/`.
                Some(_) if MONTH_FIRST_ZONES.iter().any(|zones| asked.zone.name().starts_with(zones)) && !has_semicolons => {
                    Ok(Some((DateOrder::MonthFirst, Basis::Assumed)))
                }
                Some(line) => Err(Error::invalid(phrase!(
                    "{name}: the date in {place} {line} may have its month or its day first, and no other date of the file tells: say it \
                     with --dates month-first or --dates day-first"
                ))),
            },
        }
    }
}

/// Does a row that spans lines hold others? Then a stray quote has swallowed them.
fn swallows(record: &Record, layout: &Layout, dialect: Dialect) -> bool {
    let delimiters = layout.headers.len() - 1;
    delimiters >= 2
        && record.iter().filter(|field| field.contains(&b'\n')).any(|field| {
            field.split(|byte| *byte == b'\n').any(|line| memchr::memchr_iter(dialect.delimiter, line).count() == delimiters)
        })
}

/// A header, but not the file's own.
fn is_other_header(record: &Record, layout: &Layout) -> bool {
    let first = record.field(0).first();
    // Looked at closely only where it begins as no id does.
    first.is_some_and(|byte| byte.is_ascii_alphabetic())
        && look_like_headers(record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default()))
        && !is_header(record, layout)
}

/// The file's own header once more, as where pages were put together.
pub(super) fn is_header(record: &Record, layout: &Layout) -> bool {
    record.len() == layout.headers.len()
        && record
            .iter()
            .zip(&layout.headers)
            .all(|(field, header)| field.trim_ascii().eq_ignore_ascii_case(header.trim().as_bytes()))
}

/// The columns that hold times, and what they have shown.
struct Columns {
    times: Vec<Times>,
}

struct Times {
    at: usize,
    is_stamp: bool,
    moments: Moments,
    unit: Option<(Unit, u64)>,
}

impl Columns {
    fn of(layout: &Layout, asked: &Asked) -> Self {
        let mut moments = Moments::new(asked.zone);
        moments.plausible = asked.plausible;
        let times = layout
            .columns
            .iter()
            .filter(|filled| matches!(filled.field.kind, Kind::Time | Kind::Date) || filled.holds == Holds::Day);
        let times = times.flat_map(|filled| filled.from.iter().map(|place| (place.at, filled.holds == Holds::Stamp)));
        Self { times: times.map(|(at, is_stamp)| Times { at, is_stamp, moments: moments.clone(), unit: None }).collect() }
    }

    fn look(&mut self, record: &Record, evidence: &mut Evidence) {
        for times in &mut self.times {
            if let Ok(text) = std::str::from_utf8(record.field(times.at)) {
                times.look(text, record.line, evidence);
            }
        }
    }
}

impl Times {
    fn look(&mut self, text: &str, line: u64, evidence: &mut Evidence) {
        let text = text.trim_ascii();
        if values::is_null(text, true) {
            return;
        }
        let place = Some(line);
        match order_shown(text) {
            OrderEvidence::Only(DateOrder::MonthFirst) => evidence.month_first = evidence.month_first.or(place),
            OrderEvidence::Only(DateOrder::DayFirst) => evidence.day_first = evidence.day_first.or(place),
            OrderEvidence::Either => evidence.either = evidence.either.or(place),
            OrderEvidence::Nothing => {}
        }
        self.read(text, line, evidence);
    }

    fn read(&mut self, text: &str, line: u64, evidence: &mut Evidence) {
        // A clean copy each time: a clash of units is reported with both lines.
        let Ok(moment) = self.moments.clone().read(text) else { return };
        if let Spelling::Counted(unit) = moment.spelling {
            match self.unit {
                Some((before, first)) if before != unit => evidence.units = evidence.units.or(Some((self.at, first, line))),
                _ => self.unit = self.unit.or(Some((unit, line))),
            }
        }
        if self.is_stamp {
            let shown = if moment.zoned && moment.seconds { &mut evidence.stamp_zoned } else { &mut evidence.stamp_bare };
            *shown = shown.or(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_judged_from_the_header() {
        for (head, delimiter, skipped) in [
            ("Id,Name\n1;2;3;4", b',', 0),
            ("Id\tName, First\tX\r\n", b'\t', 0),
            ("\"a,b,c\";d;e\n", b';', 0),
            ("\r\n\r\nId|Name\r\n", b'|', 0),
            ("Id", b',', 0),
            ("sep=;\r\nId,x;y\n", b';', 7),
            ("sep=\t\nId,x;y\n", b'\t', 6),
        ] {
            let frame = Frame::of(head.as_bytes());
            assert_eq!((frame.delimiter, frame.skipped), (delimiter, skipped), "{head:?}");
        }
    }
}

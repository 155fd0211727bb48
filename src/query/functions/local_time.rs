//! The calendar functions in local time: `local_day(date_sent)` and others, in the configured zone, with daylight saving.
//!
//! A zone's offset changes twice a year. These moments are computed once, and a column of moments asks for the offset only where
//! it crosses one. Days, weeks, months, quarters and years are named by their first day. A comparison with one becomes a range of
//! moments, by which files are pruned.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, PrimitiveArray, StringViewBuilder, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Int32Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use datafusion::common::{Result as DfResult, ScalarValue, plan_err};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::calendar::local::Calendar;
use crate::record::fields::UTC;

const SECOND_MICROS: i64 = 1_000_000;
const HOUR_MICROS: i64 = 3_600 * SECOND_MICROS;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Years whose changes of offset are looked for; moments outside are asked of the zone one by one.
const YEARS: std::ops::Range<i32> = 1970..2100;

/// No zone changes its offset twice within so many days.
const STEP_DAYS: i64 = 5;

/// When a zone's offset changes.
#[derive(Debug)]
struct Offsets {
    zone: Tz,
    /// Spans of one offset: where each begins, and the offset, in microseconds.
    spans: Vec<(i64, i64)>,
    end: i64,
    /// No local day comes back after the next has begun: so later moments never have earlier days.
    days_ascend: bool,
}

impl Offsets {
    fn of(zone: Tz) -> Self {
        let micros = |year| NaiveDate::from_ymd_opt(year, 1, 1).map_or(0, |day| i64::from(days(day)) * DAY_MICROS);
        let (start, end) = (micros(YEARS.start), micros(YEARS.end));
        let mut spans = vec![(start, asked(zone, start))];
        let mut at = start;
        while at < end {
            let next = at + STEP_DAYS * DAY_MICROS;
            let (before, after) = (asked(zone, at), asked(zone, next));
            if before != after {
                let (mut low, mut high) = (at, next);
                while high - low > SECOND_MICROS {
                    let middle = low + (high - low) / 2 / SECOND_MICROS * SECOND_MICROS;
                    let middle = middle.max(low + SECOND_MICROS);
                    match asked(zone, middle) == before {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                spans.push((high, after));
            }
            at = next;
        }
        let days_ascend = spans.windows(2).all(|pair| {
            let ((_, before), (at, after)) = (pair[0], pair[1]);
            (at - 1 + before).div_euclid(DAY_MICROS) <= (at + after).div_euclid(DAY_MICROS)
        });
        Self { zone, spans, end, days_ascend }
    }

    /// Are all of them whole hours, and begin with one?
    fn are_whole_hours(&self) -> bool {
        self.spans.iter().all(|(start, offset)| start % HOUR_MICROS == 0 && offset % HOUR_MICROS == 0)
    }

    /// What makes local time of moments, near each other mostly.
    fn here(&self) -> impl FnMut(i64) -> i64 {
        let mut span = 0..0;
        let mut offset = 0;
        move |moment| {
            if !span.contains(&moment) {
                let after = self.spans.partition_point(|(start, _)| *start <= moment);
                match after.checked_sub(1).and_then(|at| self.spans.get(at)) {
                    Some((start, found)) if moment < self.end => {
                        span = *start..self.spans.get(after).map_or(self.end, |(next, _)| *next);
                        offset = *found;
                    }
                    _ => {
                        span = moment..moment + 1;
                        offset = asked(self.zone, moment);
                    }
                }
            }
            moment + offset
        }
    }
}

/// A zone's offset at a moment, in microseconds.
fn asked(zone: Tz, moment: i64) -> i64 {
    let at = DateTime::from_timestamp_micros(moment).unwrap_or_default();
    i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * SECOND_MICROS
}

/// Days since 1970.
fn days(day: NaiveDate) -> i32 {
    Date32Type::from_naive_date(day)
}

fn date(days: i32) -> Option<NaiveDate> {
    Date32Type::to_naive_date_opt(days)
}

/// The part of a moment that is asked for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Part {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Hour,
    Weekday,
    Term,
    TermStart,
}

impl Part {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Day, "local_day"),
        (Self::Week, "local_week"),
        (Self::Month, "local_month"),
        (Self::Quarter, "local_quarter"),
        (Self::Year, "local_year"),
        (Self::Hour, "local_hour"),
        (Self::Weekday, "local_weekday"),
        (Self::Term, "academic_term"),
        (Self::TermStart, "academic_term_start"),
    ];

    /// The first day of the day's period; none where periods are not days.
    fn first(self, day: NaiveDate, calendar: &Calendar) -> Option<NaiveDate> {
        match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
            Self::Month => day.with_day(1),
            Self::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
            Self::Term | Self::TermStart => calendar.term_of(day).map(|(_, first)| first),
            Self::Hour | Self::Weekday => None,
        }
    }

    /// The first day of the period behind that which begins on a day.
    fn next(self, first: NaiveDate, calendar: &Calendar) -> Option<NaiveDate> {
        match self {
            Self::Day => first.succ_opt(),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => self.first(first.checked_add_days(Days::new(31))?, calendar),
            Self::Quarter => self.first(first.checked_add_days(Days::new(92))?, calendar),
            Self::Year => NaiveDate::from_ymd_opt(first.year() + 1, 1, 1),
            Self::Term | Self::TermStart => {
                first.iter_days().skip(1).take(367).find(|day| self.first(*day, calendar) == Some(*day))
            }
            Self::Hour | Self::Weekday => None,
        }
    }
}

/// Registers the functions for a calendar.
pub fn register(context: &SessionContext, calendar: &Arc<Calendar>) {
    let offsets = Arc::new(OnceLock::new());
    for (part, name) in Part::ALL {
        let (calendar, offsets) = (calendar.clone(), offsets.clone());
        let signature = Signature::one_of(vec![TypeSignature::UserDefined], Volatility::Immutable);
        context.register_udf(ScalarUDF::from(LocalTime { part, name, calendar, offsets, signature }));
    }
    let signature = Signature::exact(vec![DataType::Date32], Volatility::Immutable);
    context.register_udf(ScalarUDF::from(DayStart { calendar: calendar.clone(), signature }));
}

/// Is a function `local_day` or its like, and never changes within an hour of UTC? So it is in zones that are whole hours from it.
pub(crate) fn is_of_hours(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<LocalTime>().is_some_and(|of| of.offsets().are_whole_hours())
}

/// `local_day(moment)` and its like.
#[derive(Debug)]
struct LocalTime {
    part: Part,
    name: &'static str,
    calendar: Arc<Calendar>,
    /// Found when first asked for.
    offsets: Arc<OnceLock<Offsets>>,
    signature: Signature,
}

impl PartialEq for LocalTime {
    fn eq(&self, other: &Self) -> bool {
        (self.part, &self.calendar) == (other.part, &other.calendar)
    }
}

impl Eq for LocalTime {}

impl Hash for LocalTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.part, &self.calendar).hash(state);
    }
}

/// A moment in UTC.
fn moment_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone()))
}

impl LocalTime {
    fn offsets(&self) -> &Offsets {
        self.offsets.get_or_init(|| Offsets::of(self.calendar.zone))
    }

    /// What local time gives, moment by moment.
    fn each<T: ArrowPrimitiveType>(
        &self,
        moments: &TimestampMicrosecondArray,
        mut of: impl FnMut(i64) -> T::Native,
    ) -> PrimitiveArray<T> {
        let mut here = self.offsets().here();
        PrimitiveArray::new(moments.values().iter().map(|moment| of(here(*moment))).collect(), moments.nulls().cloned())
    }

    fn days_of(&self, moments: &TimestampMicrosecondArray) -> Date32Array {
        let days: Date32Array = self.each(moments, |local| local.div_euclid(DAY_MICROS) as i32);
        if self.part == Part::Day {
            return days;
        }
        // Rows of one file are of one month: the period of the row before is mostly that of this one.
        let mut last = (0..0, 0);
        let mut first_of = |day: i32| {
            if !last.0.contains(&day) {
                let first = self.part.first(date(day)?, &self.calendar)?;
                let next = self.part.next(first, &self.calendar)?;
                last = (self::days(first)..self::days(next), self::days(first));
            }
            Some(last.1)
        };
        days.iter().map(|day| first_of(day?)).collect()
    }

    fn answer(&self, moments: &TimestampMicrosecondArray) -> ArrayRef {
        match self.part {
            Part::Hour => Arc::new(self.each::<Int32Type>(moments, |local| local.div_euclid(HOUR_MICROS).rem_euclid(24) as i32)),
            // 1970 began on a Thursday; Monday is 1.
            Part::Weekday => {
                Arc::new(self.each::<Int32Type>(moments, |local| (local.div_euclid(DAY_MICROS) + 3).rem_euclid(7) as i32 + 1))
            }
            Part::Term => {
                let mut names = StringViewBuilder::with_capacity(moments.len());
                let mut last: (Option<i32>, Option<String>) = (None, None);
                for first in &self.days_of(moments) {
                    if first != last.0 {
                        let term = first.and_then(date).and_then(|day| self.calendar.term_of(day));
                        last = (first, term.map(|(name, _)| name));
                    }
                    names.append_option(last.1.as_deref());
                }
                Arc::new(names.finish())
            }
            _ => Arc::new(self.days_of(moments)),
        }
    }
}

impl ScalarUDFImpl for LocalTime {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Refuses nothing: the planner takes a refusal here for a fault of its own.
    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(match types {
            [DataType::Timestamp(..) | DataType::Null | DataType::Utf8 | DataType::Utf8View] => vec![moment_type()],
            other => other.to_vec(),
        })
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let name = self.name;
        match types {
            [DataType::Timestamp(..)] => {}
            [DataType::Date32] => return plan_err!("{name} takes a moment, such as date_sent: a day has no zone any more"),
            _ => return plan_err!("{name} takes one moment, such as {name}(date_sent)"),
        }
        Ok(match self.part {
            Part::Hour | Part::Weekday => DataType::Int32,
            Part::Term => DataType::Utf8View,
            _ => DataType::Date32,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_scalar = matches!(args.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let moments = cast(&ColumnarValue::values_to_arrays(&args.args)?[0], &moment_type())?;
        let answer = self.answer(moments.as_primitive::<TimestampMicrosecondType>());
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }

    /// `local_month(date_sent) = DATE '2026-08-01'` becomes a range of moments.
    fn preimage(&self, args: &[Expr], literal: &Expr, _info: &SimplifyContext) -> DfResult<PreimageResult> {
        let (Expr::Literal(ScalarValue::Date32(Some(first)), _), [moment]) = (literal, args) else {
            return Ok(PreimageResult::None);
        };
        let range = date(*first).filter(|first| {
            let is_first = self.part.first(*first, &self.calendar) == Some(*first);
            is_first && self.part != Part::Term && self.offsets().days_ascend && YEARS.contains(&first.year())
        });
        let range = range.and_then(|first| {
            let next = self.part.next(first, &self.calendar)?;
            Some((self.calendar.start_of(first)?, self.calendar.start_of(next)?))
        });
        let Some((start, end)) = range else { return Ok(PreimageResult::None) };
        let moment_of = |at: DateTime<Utc>| ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some(UTC.clone()));
        let interval = Interval::try_new(moment_of(start), moment_of(end))?;
        Ok(PreimageResult::Range { expr: moment.clone(), interval: Box::new(interval) })
    }
}

/// `day_start(day)`: the moment at which a day begins here.
#[derive(Debug, Eq, Hash, PartialEq)]
struct DayStart {
    calendar: Arc<Calendar>,
    signature: Signature,
}

impl ScalarUDFImpl for DayStart {
    fn name(&self) -> &str {
        "day_start"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> DfResult<DataType> {
        Ok(moment_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_scalar = matches!(args.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let days = ColumnarValue::values_to_arrays(&args.args)?.remove(0);
        let start = |day: Option<i32>| Some(self.calendar.start_of(date(day?)?)?.timestamp_micros());
        let starts: TimestampMicrosecondArray = days.as_primitive::<Date32Type>().iter().map(start).collect();
        let starts: ArrayRef = Arc::new(starts.with_timezone(UTC.clone()));
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&starts, 0)?));
        }
        Ok(ColumnarValue::Array(starts))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(part: Part, zone: Tz) -> LocalTime {
        let calendar = Arc::new(Calendar { zone, ..Calendar::default() });
        let signature = Signature::any(1, Volatility::Immutable);
        LocalTime { part, name: "local", calendar, offsets: Arc::default(), signature }
    }

    fn micros(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    /// An answer as text.
    fn asked(part: Part, zone: Tz, at: &str) -> String {
        let moments = TimestampMicrosecondArray::from(vec![micros(at)]);
        let answer = cast(&of(part, zone).answer(&moments), &DataType::Utf8).unwrap();
        answer.as_string::<i32>().value(0).to_owned()
    }

    #[test]
    fn days_and_months_are_those_of_the_zone() {
        let denver = Tz::America__Denver;
        for (part, at, expected) in [
            // Winter and summer: midnight is 07:00 and 06:00 in UTC.
            (Part::Day, "2026-01-15T06:59:59Z", "2026-01-14"),
            (Part::Day, "2026-01-15T07:00:00Z", "2026-01-15"),
            (Part::Day, "2026-07-15T05:59:59Z", "2026-07-14"),
            (Part::Day, "2026-07-15T06:00:00Z", "2026-07-15"),
            // The day that begins in summer time and ends in winter time has 25 hours.
            (Part::Day, "2026-11-01T06:00:00Z", "2026-11-01"),
            (Part::Day, "2026-11-02T06:59:59Z", "2026-11-01"),
            (Part::Day, "2026-11-02T07:00:00Z", "2026-11-02"),
            (Part::Hour, "2026-11-01T07:30:00Z", "1"),
            (Part::Hour, "2026-11-01T08:30:00Z", "1"),
            (Part::Hour, "2026-03-08T08:59:59Z", "1"),
            (Part::Hour, "2026-03-08T09:00:00Z", "3"),
            (Part::Month, "2025-12-01T05:30:00Z", "2025-11-01"),
            (Part::Month, "2026-09-01T03:10:00Z", "2026-08-01"),
            (Part::Week, "2026-11-22T12:00:00Z", "2026-11-16"),
            (Part::Weekday, "2026-11-22T12:00:00Z", "7"),
            (Part::Weekday, "1969-12-31T12:00:00Z", "3"),
            (Part::Quarter, "2027-01-01T06:00:00Z", "2026-10-01"),
            (Part::Year, "2027-01-01T06:59:59Z", "2026-01-01"),
            (Part::Term, "2026-08-15T05:59:59Z", "Summer 2026"),
            (Part::Term, "2026-08-15T06:00:00Z", "Fall 2026"),
            (Part::TermStart, "2026-12-31T23:00:00Z", "2026-08-15"),
        ] {
            assert_eq!(asked(part, denver, at), expected, "{part:?} {at}");
        }
        assert_eq!(asked(Part::Day, Tz::Asia__Kolkata, "2026-01-14T18:30:00Z"), "2026-01-15");
        assert_eq!(asked(Part::Day, denver, "1850-01-01T00:00:00Z"), "1849-12-31", "outside of the years looked at");
    }

    #[test]
    fn every_hour_of_some_years_is_where_the_zone_says() {
        for zone in [Tz::America__Denver, Tz::Europe__London, Tz::Australia__Lord_Howe, Tz::Pacific__Apia, Tz::UTC] {
            let offsets = Offsets::of(zone);
            let mut here = offsets.here();
            let mut at = micros("2007-01-01T00:00:00Z");
            while at < micros("2013-01-01T00:00:00Z") {
                assert_eq!(here(at), at + super::asked(zone, at), "{zone} {at}");
                at += HOUR_MICROS / 2;
            }
        }
    }

    #[test]
    fn periods_meet_and_begin_with_their_first_moment() {
        for zone in [Tz::America__Denver, Tz::Europe__London, Tz::America__Havana] {
            let calendar = Calendar { zone, ..Calendar::default() };
            for part in [Part::Day, Part::Week, Part::Month, Part::Quarter, Part::Year, Part::TermStart] {
                let function = of(part, zone);
                let mut first = part.first("2025-12-30".parse().unwrap(), &calendar).unwrap();
                for _ in 0..400 {
                    let start = calendar.start_of(first).unwrap().timestamp_micros();
                    let around = TimestampMicrosecondArray::from(vec![start - 1, start]);
                    let found = function.days_of(&around);
                    assert_eq!(found.value(1), days(first), "{zone} {part:?} {first}");
                    assert!(found.value(0) < days(first), "{zone} {part:?} {first}");
                    first = part.next(first, &calendar).unwrap();
                    if first.year() > 2040 {
                        break;
                    }
                }
            }
        }
    }
}

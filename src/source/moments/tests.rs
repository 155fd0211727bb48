//! Moments of every habit.

use super::*;

fn micros(rfc3339: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(rfc3339).expect("moment").timestamp_micros()
}

#[test]
fn moments_of_every_form() {
    let mut denver = Moments::new(chrono_tz::America::Denver);
    let noon = micros("2026-08-06T12:13:00Z");
    for text in [
        "2026-08-06T12:13:00.000Z",
        "2026-08-06T12:13:00Z",
        "2026-08-06T12:13Z",
        "2026-08-06T12:13:00.000+0000",
        "2026-08-06T12:13:00+00:00",
        "2026-08-06 12:13:00+00",
        "2026-08-06 12:13:00 UTC",
        "2026-08-06T06:13:00-06:00",
        "2026-08-06T17:43:00.000+0530",
        "2026-08-06 06:13:00",
        "2026-08-06T06:13",
        "08/06/2026 06:13:00 AM",
        "8/6/2026 6:13 AM",
        "8/6/2026, 6:13 am",
        "8/6/2026, 6:13\u{202f}AM",
        "8/6/2026 6:13",
        "8/6/2026 06:13:00.0",
    ] {
        assert_eq!(denver.parse(text), Ok(noon), "{text}");
    }
    assert_eq!(denver.parse("2026-08-06T12:13:00.123456789Z"), Ok(noon + 123_456));
    assert_eq!(denver.parse("2026-08-06"), Ok(micros("2026-08-06T06:00:00Z")), "midnight in Denver");
    assert_eq!(denver.parse("1/6/2026"), Ok(micros("2026-01-06T07:00:00Z")), "winter");
    assert_eq!(denver.parse("1/6/2026 12:00 AM"), Ok(micros("2026-01-06T07:00:00Z")));
    assert_eq!(denver.parse("1/6/2026 12:00 PM"), Ok(micros("2026-01-06T19:00:00Z")));
    assert_eq!(denver.parse("1969-12-31T23:59:59.5Z"), Ok(-500_000));
    for text in [
        "yesterday",
        "2026-02-30",
        "2026-13-01",
        "2026-08-06T24:00:00Z",
        "2026-08-06T12:60Z",
        "2026-08-06T12",
        "2026-08-06T12:13:00X",
        "2026-08-06T12:13:00+99:00",
        "13/6/2026",
        "8/6/26",
        "8/6/2026 13:00 PM",
        "8/6/2026 0:00 AM",
    ] {
        assert!(denver.parse(text).is_err(), "{text}");
    }
}

#[test]
fn daylight_saving_takes_the_earliest_valid_moment() {
    let mut denver = Moments::new(chrono_tz::America::Denver);
    for _ in 0..2 {
        assert_eq!(denver.parse("2026-03-08 01:59:59"), Ok(micros("2026-03-08T08:59:59Z")));
        assert_eq!(denver.parse("2026-03-08 02:30:00"), Ok(micros("2026-03-08T09:30:00Z")), "by the clock before");
        assert_eq!(denver.parse("2026-03-08 03:00:00"), Ok(micros("2026-03-08T09:00:00Z")));
        assert_eq!(denver.parse("2026-11-01 01:30:00.25"), Ok(micros("2026-11-01T07:30:00.25Z")), "twice that night");
        assert_eq!(denver.parse("2026-11-01 02:00:00"), Ok(micros("2026-11-01T09:00:00Z")));
    }
}

#[test]
fn days_of_every_form() {
    let day_of = |y, m, d| days(y, m, d).map(|days| days as i32);
    for text in [
        "2026-08-06",
        "8/6/2026",
        "08/06/2026",
        "2026/08/06",
        "06.08.2026",
        "06-AUG-2026",
        "Aug 6, 2026",
        "6 August 2026",
        "20260806",
        "20260806 12:00",
        "2026-08-06T23:30:00-06:00",
        "8/6/2026 11:30 PM",
    ] {
        assert_eq!(day(text, DateOrder::MonthFirst).ok().map(|(day, _)| day), day_of(2026, 8, 6), "{text}");
    }
    assert_eq!(days(1970, 1, 1), Some(0));
    assert_eq!(days(2000, 2, 29), Some(11_016));
    assert_eq!(days(1900, 2, 29), None);
    assert_eq!(day("2026-08-06x", DateOrder::MonthFirst), Err(MomentError::None));
}

#[test]
fn two_moments_in_the_hour_a_clock_skips_stay_two() {
    let mut denver = Moments::new(chrono_tz::America::Denver);
    let (one, other) = (denver.parse("3/8/2026 2:10 AM"), denver.parse("3/8/2026 2:40 AM"));
    assert_eq!((one, other), (Ok(micros("2026-03-08T09:10:00Z")), Ok(micros("2026-03-08T09:40:00Z"))));
    assert_eq!(denver.skipped(), 2, "which no clock there has ever shown");
    let mut marketing_cloud = Moments::new(chrono_tz::Etc::GMTPlus6);
    assert_eq!(marketing_cloud.parse("3/8/2026 2:10 AM"), Ok(micros("2026-03-08T08:10:00Z")));
}

#[test]
fn which_number_is_the_month_is_asked_and_not_guessed() {
    let mut moments = Moments::new(chrono_tz::UTC);
    assert_eq!(moments.parse("13/8/2026"), Err(MomentError::Order));
    moments.order = DateOrder::DayFirst;
    assert_eq!(moments.parse("13/8/2026"), Ok(micros("2026-08-13T00:00:00Z")));
    assert_eq!(moments.parse("8/13/2026"), Err(MomentError::Order));
    assert_eq!(moments.parse("13/13/2026"), Err(MomentError::None));
    assert_eq!(moments.parse("06.08.2026 09:00"), Ok(micros("2026-08-06T09:00:00Z")));
    for (text, shown) in [
        ("13/8/2026", OrderEvidence::Only(DateOrder::DayFirst)),
        ("8/13/2026 9:00 AM", OrderEvidence::Only(DateOrder::MonthFirst)),
        ("8-13-2026", OrderEvidence::Only(DateOrder::MonthFirst)),
        ("6/8/2026", OrderEvidence::Either),
        ("8/8/2026", OrderEvidence::Nothing),
        ("06.08.2026", OrderEvidence::Nothing),
        ("2026-08-06", OrderEvidence::Nothing),
        ("no date", OrderEvidence::Nothing),
    ] {
        assert_eq!(order_shown(text), shown, "{text}");
    }
}

#[test]
fn a_whole_number_is_of_the_one_unit_that_fits() {
    let mut moments = Moments::new(chrono_tz::UTC);
    moments.plausible = Plausible { earliest: EARLIEST, latest: micros("2027-01-01T00:00:00Z") };
    let noon = micros("2026-08-06T12:13:00Z");
    for text in ["1786018380", "1786018380000", "1786018380000.0", "1786018380000000", "1786018380000000000"] {
        assert_eq!(moments.clone().parse(text), Ok(noon), "{text}");
    }
    assert_eq!(moments.parse("1786018380"), Ok(noon));
    assert_eq!(moments.parse("1786018380000"), Err(MomentError::Unit), "seconds before, milliseconds now");
    assert_eq!(moments.parse("46240"), Err(MomentError::None), "a day of a spreadsheet");
    assert_eq!(moments.parse("1946-08-06"), Err(MomentError::Implausible));
    assert_eq!(moments.parse("2126-08-06"), Err(MomentError::Implausible));
}

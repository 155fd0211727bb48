//! Decides when a job is due: a pure function of its schedule, the clock and the ledger of runs.
//!
//! A job is due when a moment of its schedule has passed since its newest run began, whoever ran it. It runs once however many
//! moments were missed. A job that never ran is due at once. A failed run is repeated after a quarter of an hour, then half an
//! hour, and so on, but not later than the schedule says. A killed run left no row, so it is still due.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::calendar::Schedule;
use crate::ledgers::runs::History;

/// A failed run is tried again after so many minutes, twice as many after each further failure.
const RETRY_MINUTES: i64 = 15;
/// The longest wait after a failed run.
const RETRY_MINUTES_MAX: i64 = 24 * 60;
/// A run that claims to have begun later than this from now was written by a machine whose clock is wrong: it counts for
/// nothing, else the job would wait for that day.
const FUTURE_MINUTES: i64 = 60;

/// When a job is to begin next; a moment that is not after `now` means that it is due. None when it is off.
pub fn next(schedule: &Schedule, history: Option<&History>, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    if *schedule == Schedule::Off {
        return None;
    }
    let Some(run) = history.filter(|run| run.started_at <= now + Duration::minutes(FUTURE_MINUTES)) else { return Some(now) };
    let regular = schedule.next_after(run.started_at.min(now), zone)?;
    if run.failures == 0 {
        return Some(regular);
    }
    let wait = RETRY_MINUTES.saturating_mul(1 << (run.failures - 1).min(16)).min(RETRY_MINUTES_MAX);
    let again = run.finished_at + Duration::minutes(wait);
    // A run by hand that failed before its time came changes nothing.
    let since = run.succeeded_started_at.map_or(Some(again), |success| schedule.next_after(success, zone))?;
    Some(regular.min(again.max(since)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::NaiveDateTime;

    const ZONE: Tz = Tz::America__Denver;

    fn at(text: &str) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(&format!("2026-{text}"), "%Y-%m-%d %H:%M").unwrap().and_utc()
    }

    fn ran(started: &str) -> History {
        History {
            started_at: at(started),
            finished_at: at(started) + Duration::minutes(5),
            outcome: "done".to_owned(),
            rows: 0,
            succeeded_started_at: Some(at(started)),
            succeeded_at: Some(at(started) + Duration::minutes(5)),
            failures: 0,
        }
    }

    fn failed(started: &str, failures: u32, success: Option<&str>) -> History {
        let success = success.map(at);
        let outcome = "failed".to_owned();
        History { outcome, failures, succeeded_started_at: success, succeeded_at: success, ..ran(started) }
    }

    fn described(schedule: &str, history: Option<&History>, now: &str) -> String {
        let next = next(&schedule.parse().unwrap(), history, at(now), ZONE);
        next.map_or_else(|| "never".to_owned(), |next| next.format("%m-%d %H:%M").to_string())
    }

    const DAILY: &str = "daily at 02:00";

    #[test]
    fn what_never_ran_is_due_and_what_is_off_never() {
        assert_eq!(described(DAILY, None, "11-22 12:00"), "11-22 12:00");
        assert_eq!(described("off", None, "11-22 12:00"), "never");
        assert_eq!(described("off", Some(&ran("11-01 09:00")), "11-22 12:00"), "never");
    }

    #[test]
    fn missed_runs_run_once() {
        // 02:00 in Denver is 09:00 UTC; the machine was off for a week.
        assert_eq!(described(DAILY, Some(&ran("11-15 09:00")), "11-22 12:00"), "11-16 09:00", "due since");
        assert_eq!(described(DAILY, Some(&ran("11-22 12:00")), "11-22 12:01"), "11-23 09:00", "and then as ever");
        assert_eq!(described(DAILY, Some(&ran("11-22 08:59")), "11-22 08:59"), "11-22 09:00", "by hand, just before");
        assert_eq!(described("monthly on 1 at 04:00", Some(&ran("08-01 10:00")), "11-22 12:00"), "09-01 10:00");
    }

    #[test]
    fn on_the_days_the_clocks_change_a_job_runs_once() {
        for (day, daily) in [("03-08", "daily at 02:30"), ("11-01", "daily at 01:30")] {
            // Every ten minutes of the day somebody looks, and runs what is due.
            let schedule: Schedule = daily.parse().unwrap();
            let midnight = at(&format!("{day} 07:00"));
            let mut last = ran(if day == "03-08" { "03-07 10:00" } else { "10-31 08:00" });
            let mut runs = Vec::new();
            for minutes in (0..24 * 60).step_by(10) {
                let now = midnight + Duration::minutes(minutes);
                if next(&schedule, Some(&last), now, ZONE).unwrap() <= now {
                    runs.push(now.with_timezone(&ZONE).format("%H:%M %Z").to_string());
                    last = History { started_at: now, succeeded_started_at: Some(now), ..last };
                }
            }
            let expected = if day == "03-08" { "03:30 MDT" } else { "01:30 MDT" };
            assert_eq!(runs, [expected], "{day}");
        }
    }

    #[test]
    fn failures_are_tried_again_less_and_less_often() {
        let success = Some("11-21 09:00");
        let described_after = |failures| described(DAILY, Some(&failed("11-22 09:00", failures, success)), "11-22 09:06");
        assert_eq!([1, 2, 3, 4].map(described_after), ["11-22 09:20", "11-22 09:35", "11-22 10:05", "11-22 11:05"]);
        assert_eq!(described_after(40), "11-23 09:00", "not later than the schedule says");
        assert_eq!(described(DAILY, Some(&failed("11-22 09:00", 1, None)), "11-22 09:06"), "11-22 09:20", "never succeeded");
        let by_hand = failed("11-21 20:00", 1, success);
        assert_eq!(described(DAILY, Some(&by_hand), "11-21 20:06"), "11-22 09:00", "by hand, before it was due");
    }

    #[test]
    fn clocks_that_were_wrong_keep_no_job_from_running() {
        assert_eq!(described(DAILY, Some(&ran("12-31 09:00")), "11-22 12:00"), "11-22 12:00", "a run of next month");
        assert_eq!(
            described(DAILY, Some(&ran("11-22 12:10")), "11-22 12:00"),
            "11-23 09:00",
            "another machine's, a little ahead"
        );
    }
}

//! The organisation's calendar: its time zone, and the terms of its academic year.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::moment;

/// The organisation's calendar: its zone and its terms.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Calendar {
    /// Their zone.
    pub zone: Tz,
    /// The terms of an academic year, in the order in which they begin in a calendar year.
    pub terms: Vec<Term>,
}

/// An academic term.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Term {
    /// As people call it; the year in which it begins is added.
    pub name: String,
    /// Its first month.
    pub month: u32,
    /// Its first day in that month.
    pub day: u32,
}

impl Default for Calendar {
    fn default() -> Self {
        let term = |name: &str, month, day| Term { name: name.to_owned(), month, day };
        Self { zone: Tz::America__Denver, terms: vec![term("Spring", 1, 1), term("Summer", 5, 15), term("Fall", 8, 15)] }
    }
}

impl Calendar {
    /// Terms from `Spring 01-01, Summer 05-15, Fall 08-15`; none from what is no list of them in order.
    pub fn terms_from(text: &str) -> Option<Vec<Term>> {
        let term = |text: &str| {
            let (name, day) = text.trim().rsplit_once(' ')?;
            let (month, day) = day.split_once('-')?;
            let (month, day) = (month.parse().ok()?, day.parse().ok()?);
            // Every year has the day.
            NaiveDate::from_ymd_opt(2025, month, day)?;
            Some(Term { name: name.trim().to_owned(), month, day })
        };
        let terms: Vec<Term> = text.split(',').map(term).collect::<Option<_>>()?;
        terms.is_sorted_by(|a, b| (a.month, a.day) < (b.month, b.day)).then_some(terms)
    }

    /// The moment at which a day begins here.
    pub fn start_of(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        moment(day.and_time(NaiveTime::MIN), self.zone)
    }

    /// The last moment of a day here; records count in milliseconds.
    pub fn end_of(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        Some(self.start_of(day.succ_opt()?)? - chrono::Duration::milliseconds(1))
    }

    /// The term a day is in: its name with its year, and its first day.
    pub fn term_of(&self, day: NaiveDate) -> Option<(String, NaiveDate)> {
        let begins = |term: &Term, year| NaiveDate::from_ymd_opt(year, term.month, term.day);
        [day.year(), day.year() - 1].into_iter().find_map(|year| {
            let begun = |term: &&Term| begins(term, year).is_some_and(|first| first <= day);
            let term = self.terms.iter().rev().find(begun)?;
            Some((format!("{} {year}", term.name), begins(term, year)?))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_year_that_begins_before_its_first_term_belongs_to_the_term_before() {
        let terms = Calendar::terms_from("Fall 08-15, Winter 12-20").unwrap();
        let calendar = Calendar { terms, ..Calendar::default() };
        let term = |day: &str| calendar.term_of(day.parse().unwrap()).unwrap();
        assert_eq!(term("2027-01-05"), ("Winter 2026".to_owned(), "2026-12-20".parse().unwrap()));
        assert_eq!(term("2027-08-15").0, "Fall 2027");
        for wrong in ["", "Fall", "Fall 13-01", "Fall 02-29", "Fall 08-15, Spring 01-01", "Fall 08-15, Autumn 08-15"] {
            assert_eq!(Calendar::terms_from(wrong), None, "{wrong}");
        }
    }
}

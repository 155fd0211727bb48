//! `[retain]`: how long records are kept. One term for all, and rules for some.
//!
//! # Decisions
//! - 2026-11-28 **Nothing expires by default.** A term is a decision of whoever is responsible for the records, and what a
//!   default removes nobody decided. That the schedule was let to vacuum was once enough to lose what was older than three
//!   years.

use std::fmt;

use chrono::{Days, Months, NaiveDate};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::record::text_match::Pattern;

/// How long records are kept.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Retain {
    /// Records that no rule covers. For ever, unless somebody wrote down a term.
    pub term: Term,
    /// Has anybody written it down?
    pub said: bool,
    /// Of several that cover a record, the longest term decides.
    pub rules: Vec<Rule>,
}

impl Default for Retain {
    fn default() -> Self {
        Self { term: Term::Never, said: false, rules: Vec::new() }
    }
}

/// How long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Term {
    Never,
    Years(u32),
    Months(u32),
    Days(u32),
}

impl Term {
    /// Records sent before this day have outlived the term today; none ever does where nothing expires. What was sent exactly
    /// the term ago is still kept, and a day the calendar lacks (29 February) is the last of its month.
    pub fn cutoff(self, today: NaiveDate) -> Option<NaiveDate> {
        // A term longer than the calendar is one that nothing outlives.
        match self {
            Self::Never => None,
            Self::Years(years) => years.checked_mul(12).and_then(|months| today.checked_sub_months(Months::new(months))),
            Self::Months(months) => today.checked_sub_months(Months::new(months)),
            Self::Days(days) => today.checked_sub_days(Days::new(days.into())),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self {
            Self::Never => return f.write_str("for ever"),
            Self::Years(years) => (years, "year"),
            Self::Months(months) => (months, "month"),
            Self::Days(days) => (days, "day"),
        };
        f.write_str(&crate::human::counted(u64::from(*number), unit))
    }
}

impl Serialize for Term {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What expires.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// IERs.
    IndividualEmailResult,
    /// The links clicked in them.
    IndividualLink,
    /// Records of mails that were withheld.
    NotSent,
}

impl Object {
    /// The table's name.
    pub fn table(self) -> &'static str {
        match self {
            Self::IndividualEmailResult => "individual_email_result",
            Self::IndividualLink => "individual_link",
            Self::NotSent => "not_sent",
        }
    }
}

/// A term of its own for some records: those of which all is true that it names.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Rule {
    /// By which reports name it.
    pub name: String,
    /// Only this object.
    pub object: Option<Object>,
    /// Only this business unit: its name, its id or its MID.
    pub unit: Option<String>,
    /// Only e-mails whose name is of this [`Pattern`].
    pub email_name: Option<String>,
    /// How long they are kept.
    pub term: Term,
}

impl Rule {
    /// The pattern of e-mail names, ready to compare.
    pub fn pattern(&self) -> Option<Pattern> {
        self.email_name.as_deref().map(Pattern::of)
    }
}

/// `[retain]` as a source of settings tells it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetainLayer {
    pub(super) years: Option<Length>,
    rules: Option<Vec<RuleLayer>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleLayer {
    name: String,
    object: Option<Object>,
    unit: Option<String>,
    email_name: Option<String>,
    years: Option<Length>,
    months: Option<Length>,
    days: Option<Length>,
}

/// A number, or `never`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Never,
    Number(u64),
}

impl Length {
    /// From a variable.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            never if never.eq_ignore_ascii_case("never") => Some(Self::Never),
            number => number.parse().ok().map(Self::Number),
        }
    }

    /// As a term, refused where it is none. More than a century is a slip of the finger, and 0 would keep nothing.
    fn term(self, most: u64, of: fn(u32) -> Term, place: &str) -> Result<Term> {
        match self {
            Self::Never => Ok(Term::Never),
            Self::Number(number) if (1..=most).contains(&number) => Ok(of(number as u32)),
            Self::Number(number) => {
                Err(Error::invalid(phrase!("{place} is {number}; give a number from 1 to {most}, or \"never\"")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct NumberOrNever;
        impl Visitor<'_> for NumberOrNever {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or \"never\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<Length, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u64::try_from(number).map(Length::Number).map_err(wrong)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<Length, E> {
                Ok(Length::Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Length, E> {
                let never = text.eq_ignore_ascii_case("never");
                never.then_some(Length::Never).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(NumberOrNever)
    }
}

impl Retain {
    /// Is there nothing that ever expires, whatever the day?
    pub fn keeps_all(&self) -> bool {
        self.term == Term::Never && self.rules.iter().all(|rule| rule.term == Term::Never)
    }

    /// Lays one source over what is known. A source that has rules replaces all of them.
    pub(super) fn apply(&mut self, layer: RetainLayer, place: &dyn Fn(&str) -> String) -> Result<()> {
        if let Some(years) = layer.years {
            self.term = years.term(100, Term::Years, &place("retain.years"))?;
            self.said = true;
        }
        if let Some(rules) = layer.rules {
            self.rules = Vec::with_capacity(rules.len());
            for rule in rules {
                let rule = rule.checked(&|key| place(&format!("retain.rules.{key}")))?;
                if self.rules.iter().any(|other| other.name == rule.name) {
                    let twice = format!("{}: two rules are named \"{}\"; give each its own", place("retain.rules"), rule.name);
                    return Err(Error::invalid(twice));
                }
                self.rules.push(rule);
            }
        }
        Ok(())
    }
}

impl RuleLayer {
    fn checked(self, place: &dyn Fn(&str) -> String) -> Result<Rule> {
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            return Err(Error::invalid(phrase!("{} is empty; say what the rule is for", place("name"))));
        }
        let of_rule = |what: String| Error::invalid(phrase!("{} \"{name}\" {what}", place("name")));
        let text = |key: &str, value: Option<String>| match value {
            Some(value) if value.trim().is_empty() => Err(of_rule(format!("has an empty {key}; leave it out, or fill it"))),
            value => Ok(value.map(|value| value.trim().to_owned())),
        };
        let (unit, email_name) = (text("unit", self.unit)?, text("email_name", self.email_name)?);
        if unit.is_none() && email_name.is_none() && self.object.is_none() {
            return Err(of_rule("covers everything; give it a unit, an email_name or an object, or set retain.years".to_owned()));
        }
        let named = |key: &str| format!("{} \"{name}\": {key}", place("name"));
        let term = match (self.years, self.months, self.days) {
            (Some(years), None, None) => years.term(100, Term::Years, &named("years"))?,
            (None, Some(months), None) => months.term(1200, Term::Months, &named("months"))?,
            (None, None, Some(days)) => days.term(36_525, Term::Days, &named("days"))?,
            _ => return Err(of_rule("needs one of years, months and days, and one only".to_owned())),
        };
        Ok(Rule { name, object: self.object, unit, email_name, term })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Retain> {
        let layer: RetainLayer = toml::from_str(text).map_err(|error| Error::invalid(error.message().to_owned()))?;
        let mut retain = Retain::default();
        retain.apply(layer, &|key| key.to_owned())?;
        Ok(retain)
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_expires_unless_somebody_wrote_down_that_it_should() {
        assert_eq!(read("").unwrap(), Retain { term: Term::Never, said: false, rules: Vec::new() });
        assert!(read("").unwrap().keeps_all());
        assert_eq!(read("years = 'never'").unwrap(), Retain { term: Term::Never, said: true, rules: Vec::new() });
        assert_eq!(read("years = 5").unwrap().term, Term::Years(5));
        assert!(!read("years = 5").unwrap().keeps_all());
        let rule = read("[[rules]]\nname = 'news'\nemail_name = '*news*'\nmonths = 18").unwrap();
        assert!(rule.term == Term::Never && !rule.keeps_all(), "a rule of its own needs no term for the rest");
    }

    #[test]
    fn rules_are_read() {
        let retain = read(
            "[[rules]]\nname = 'law'\nunit = ' Law School '\nyears = 'Never'\n[[rules]]\nname = 'news'\n\
             object = 'individual_link'\nemail_name = '*news*'\nmonths = 18",
        );
        let law = Rule {
            name: "law".to_owned(),
            object: None,
            unit: Some("Law School".to_owned()),
            email_name: None,
            term: Term::Never,
        };
        let news = Rule {
            name: "news".to_owned(),
            object: Some(Object::IndividualLink),
            unit: None,
            email_name: Some("*news*".to_owned()),
            term: Term::Months(18),
        };
        assert_eq!(retain.unwrap().rules, [law, news]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let rule = |lines: &str| format!("[[rules]]\nname = 'r'\n{lines}");
        for (text, said) in [
            ("years = 0".to_owned(), "retain.years is 0; give a number from 1 to 100, or \"never\""),
            ("years = -1".to_owned(), "expected a whole number, or \"never\""),
            ("years = 'ever'".to_owned(), "expected a whole number, or \"never\""),
            ("year = 1".to_owned(), "unknown field `year`"),
            (rule("years = 1"), "covers everything"),
            (rule("unit = 'a'"), "needs one of years, months and days"),
            (rule("unit = 'a'\nyears = 1\nmonths = 1"), "needs one of years, months and days"),
            (rule("unit = ''\nyears = 1"), "\"r\" has an empty unit"),
            (rule("unit = 'a'\ndays = 0"), "\"r\": days is 0"),
            (rule("object = 'contact'\nyears = 1"), "unknown variant `contact`"),
            ("[[rules]]\nname = ' '\nunit = 'a'\nyears = 1".to_owned(), "retain.rules.name is empty"),
            (rule("unit = 'a'\nyears = 1") + "\n" + &rule("unit = 'b'\nyears = 1"), "two rules are named \"r\""),
        ] {
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains(said), "{text}: {message}");
        }
    }

    #[test]
    fn a_term_ends_with_the_day_after() {
        for (term, today, cutoff) in [
            (Term::Years(3), "2026-11-22", Some("2023-11-22")),
            (Term::Years(3), "2027-02-28", Some("2024-02-28")),
            (Term::Years(3), "2027-03-01", Some("2024-03-01")),
            (Term::Years(3), "2028-02-29", Some("2025-02-28")),
            (Term::Years(4), "2028-02-29", Some("2024-02-29")),
            (Term::Months(1), "2026-03-31", Some("2026-02-28")),
            (Term::Days(90), "2026-11-22", Some("2026-08-24")),
            (Term::Never, "2026-11-22", None),
        ] {
            assert_eq!(term.cutoff(day(today)), cutoff.map(day), "{term} on {today}");
        }
    }
}

//! Exactly the right rows go, whatever the rules, the holds and the moments of archiving: retention against a plain model.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use ier::ledgers::holds::Scope;
use ier::settings::retain::{Object, Retain, Rule, Term};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::world::records::{Record, contact, contact_id, id, ier, lead_id, link, send};
use crate::world::{World, day};

const TODAY: &str = "2026-11-22";

/// Days around the ends of terms.
const DAYS: [&str; 14] = [
    "2020-02-29",
    "2021-11-21",
    "2021-11-22",
    "2021-11-23",
    "2023-11-21",
    "2023-11-22",
    "2023-11-23",
    "2023-11-30",
    "2024-11-22",
    "2025-11-21",
    "2025-11-22",
    "2026-05-21",
    "2026-05-22",
    "2026-11-01",
];
const NAMES: [&str; 4] = ["Law news", "Arts news", "Gala 2021", "Zoë's letter"];
const PATTERNS: [(&str, [bool; 4]); 4] = [
    ("*NEWS", [true, true, false, false]),
    ("gala ????", [false, false, true, false]),
    ("law*", [true, false, false, false]),
    ("zoe*", [false, false, false, true]),
];
const ARCHIVED: [&str; 4] = ["2021-11-22", "2024-01-01", "2026-08-01", "2026-11-01"];

/// What an IER names as its send goes by its number; `UNITS` is what that tells of its unit.
const SENDS: u32 = 6;
const UNITS: [Option<&str>; SENDS as usize] = [Some("Law"), Some("Arts"), None, None, Some("Law"), None];

#[derive(Clone, Debug)]
struct Version {
    number: u32,
    sent: Option<usize>,
    name: usize,
    opened: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Load(Vec<Version>),
    Links(Vec<(u32, u32)>),
    Archive(usize),
    Retain(Retain),
    Hold(Scope),
    Release(usize),
    Merge(u32, u32),
    DaysPass(i64),
    Compact,
    Restart,
}

fn version() -> impl Strategy<Value = Version> {
    let sent = prop_oneof![9 => (0..DAYS.len()).prop_map(Some), 1 => Just(None)];
    (0..24u32, sent, 0..NAMES.len(), any::<bool>()).prop_map(|(number, sent, name, opened)| Version {
        number,
        sent,
        name,
        opened,
    })
}

fn term() -> impl Strategy<Value = Term> {
    prop_oneof![
        Just(Term::Never),
        (1..6u32).prop_map(Term::Years),
        (1..40u32).prop_map(Term::Months),
        (1..1500u32).prop_map(Term::Days),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let object =
        prop_oneof![2 => Just(None), 1 => Just(Some(Object::IndividualEmailResult)), 1 => Just(Some(Object::IndividualLink))];
    let unit = prop_oneof![Just(None), Just(Some("law".to_owned())), Just(Some("7002".to_owned()))];
    let name = prop_oneof![Just(None), (0..PATTERNS.len()).prop_map(|at| Some(PATTERNS[at].0.to_owned()))];
    (object, unit, name, term()).prop_map(|(object, unit, email_name, term)| Rule {
        name: "a rule".to_owned(),
        object,
        unit,
        email_name,
        term,
    })
}

fn scope() -> impl Strategy<Value = Scope> {
    let person = prop_oneof![
        2 => Just(None),
        2 => (0..5u32).prop_map(|number| Some(contact_id(number))),
        1 => (0..3u32).prop_map(|number| Some(lead_id(number))),
    ];
    let send = prop_oneof![3 => Just(None), 1 => Just(Some(id("a0B", 1))), 1 => Just(Some("902".to_owned()))];
    let unit = prop_oneof![3 => Just(None), 1 => Just(Some("LAW".to_owned())), 1 => Just(Some("Arts".to_owned()))];
    let date = || prop_oneof![2 => Just(None), 1 => (0..DAYS.len()).prop_map(|at| Some(day(DAYS[at])))];
    let scope = (person, send, unit, date(), date()).prop_map(|(person_id, send, unit, from_date, until_date)| Scope {
        person_id,
        send,
        unit,
        from_date,
        until_date: until_date.max(from_date.filter(|_| until_date.is_some())),
    });
    scope.prop_filter("names something", |scope| *scope != Scope::default())
}

fn step() -> impl Strategy<Value = Step> {
    let retain =
        (term(), prop::collection::vec(rule(), 0..4)).prop_map(|(term, rules)| Step::Retain(Retain { term, said: true, rules }));
    prop_oneof![
        5 => prop::collection::vec(version(), 1..12).prop_map(Step::Load),
        2 => prop::collection::vec((0..30u32, 0..24u32), 1..8).prop_map(Step::Links),
        2 => (0..ARCHIVED.len()).prop_map(Step::Archive),
        4 => retain,
        2 => scope().prop_map(Step::Hold),
        1 => (0..4usize).prop_map(Step::Release),
        1 => (0..5u32, 0..5u32).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => prop_oneof![Just(1i64), Just(99), Just(200)].prop_map(Step::DaysPass),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
    ]
}

/// What is known of whether something holds.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Is {
    Sure,
    Open,
    Not,
}

/// What decides about a row: an IER, or a link with what is known of its IER.
struct Row {
    sent: Option<NaiveDate>,
    people: Vec<String>,
    /// The IER's number and name; `None` for a link whose IER is gone.
    ier: Option<(u32, usize)>,
}

impl Row {
    fn is_for(&self, unit: &str) -> Is {
        match self.ier.map(|(number, _)| UNITS[(number % SENDS) as usize]) {
            None | Some(None) => Is::Open,
            Some(Some(own)) if unit.eq_ignore_ascii_case(own) || (unit == "7002" && own == "Arts") => Is::Sure,
            Some(_) => Is::Not,
        }
    }

    fn is_covered(&self, rule: &Rule) -> Is {
        let unit = rule.unit.as_ref().map_or(Is::Sure, |unit| self.is_for(unit));
        let name = rule.email_name.as_ref().map_or(Is::Sure, |name| {
            let (_, matches) = PATTERNS.iter().find(|(pattern, _)| pattern == name).expect("a known pattern");
            self.ier.map_or(Is::Open, |(_, name)| if matches[name] { Is::Sure } else { Is::Not })
        });
        match (unit, name) {
            (Is::Not, _) | (_, Is::Not) => Is::Not,
            (Is::Sure, Is::Sure) => Is::Sure,
            _ => Is::Open,
        }
    }

    fn is_held(&self, scope: &Scope, merged: &[BTreeSet<String>]) -> bool {
        let one = |held: &String, own: &String| held == own || merged.iter().any(|ids| ids.contains(held) && ids.contains(own));
        let person = scope.person_id.as_ref().is_none_or(|held| self.people.iter().any(|own| one(held, own)));
        let send = match (scope.send.as_deref(), self.ier) {
            (None, _) | (Some(_), None) => true,
            (Some("902"), Some((number, _))) => number % SENDS == 1,
            (Some(_), Some((number, _))) => [0, 4].contains(&(number % SENDS)),
        };
        let unit = scope.unit.as_ref().is_none_or(|unit| self.is_for(unit) != Is::Not);
        let from = scope.from_date.is_none_or(|from| self.sent.is_none_or(|sent| from <= sent));
        let until = scope.until_date.is_none_or(|until| self.sent.is_none_or(|sent| sent <= until));
        person && send && unit && from && until
    }
}

/// Is a term over for what was sent on a day? Counted out, day by day of the calendar.
fn is_over(term: Term, sent: NaiveDate, today: NaiveDate) -> bool {
    let last = |year: i32, month: u32| (28..=31).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day)).expect("a day");
    let back = |months: i32| {
        let month = today.year() * 12 + today.month0() as i32 - months;
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
        NaiveDate::from_ymd_opt(year, month, today.day()).unwrap_or_else(|| last(year, month))
    };
    match term {
        Term::Never => false,
        Term::Years(years) => sent < back(years as i32 * 12),
        Term::Months(months) => sent < back(months as i32),
        Term::Days(days) => (today - sent).num_days() > i64::from(days),
    }
}

fn has_expired(retain: &Retain, object: Object, row: &Row, today: NaiveDate) -> bool {
    let Some(sent) = row.sent else { return false };
    let of = |is: Is, object: Object| {
        let covers = move |rule: &&Rule| rule.object.is_none_or(|only| only == object) && row.is_covered(rule) == is;
        retain.rules.iter().filter(covers).map(|rule| rule.term).collect::<Vec<_>>()
    };
    let over = |terms: &[Term]| terms.iter().all(|term| is_over(*term, sent, today));
    if !over(&of(Is::Open, object)) {
        return false;
    }
    match of(Is::Sure, object) {
        none if none.is_empty() && object == Object::IndividualLink => {
            has_expired(retain, Object::IndividualEmailResult, row, today)
        }
        none if none.is_empty() => is_over(retain.term, sent, today),
        sure => over(&sure),
    }
}

#[derive(Clone)]
struct Link {
    ier: u32,
    /// The day of its IER, when it had one last.
    sent: Option<NaiveDate>,
}

#[derive(Default)]
struct Model {
    iers: BTreeMap<u32, Version>,
    links: BTreeMap<u32, Link>,
    /// Removed, and not loaded again.
    gone: BTreeSet<u32>,
    links_gone: BTreeSet<u32>,
    holds: Vec<(String, Scope)>,
    merged: Vec<BTreeSet<String>>,
    stamps: i64,
}

fn sent_of(version: &Version) -> Option<NaiveDate> {
    version.sent.map(|at| day(DAYS[at]))
}

fn people_of(number: u32) -> Vec<String> {
    let lead = number.is_multiple_of(7).then(|| lead_id(number % 3));
    std::iter::once(contact_id(number % 5)).chain(lead).collect()
}

impl Model {
    fn ier_row(&self, version: &Version) -> Row {
        Row { sent: sent_of(version), people: people_of(version.number), ier: Some((version.number, version.name)) }
    }

    fn link_row(&self, link: &Link) -> Row {
        match self.iers.get(&link.ier) {
            Some(version) => Row { sent: link.sent, ..self.ier_row(version) },
            None => Row { sent: link.sent, people: vec![contact_id(link.ier % 5)], ier: None },
        }
    }

    fn goes(&self, retain: &Retain, object: Object, row: &Row, today: NaiveDate) -> bool {
        has_expired(retain, object, row, today) && !self.holds.iter().any(|(_, scope)| row.is_held(scope, &self.merged))
    }

    fn retain(&mut self, retain: &Retain, today: NaiveDate) {
        let goes = |link: &Link| self.goes(retain, Object::IndividualLink, &self.link_row(link), today);
        let links: Vec<u32> = self.links.iter().filter(|(_, link)| goes(link)).map(|(number, _)| *number).collect();
        let goes = |version: &Version| self.goes(retain, Object::IndividualEmailResult, &self.ier_row(version), today);
        let iers: Vec<u32> = self.iers.values().filter(|version| goes(version)).map(|version| version.number).collect();
        self.links.retain(|number, _| !links.contains(number));
        self.iers.retain(|number, _| !iers.contains(number));
        self.links_gone.extend(links);
        self.gone.extend(iers);
    }

    fn merge(&mut self, ids: [String; 2]) {
        let (touched, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.merged)
            .into_iter()
            .partition(|set: &BTreeSet<String>| ids.iter().any(|id| set.contains(id)));
        self.merged = rest;
        self.merged.push(touched.into_iter().flatten().chain(ids).collect());
    }

    fn stamp(&mut self) -> String {
        self.stamps += 1;
        let at = day("2026-01-01").and_hms_opt(0, 0, 0).expect("midnight") + chrono::Duration::minutes(self.stamps);
        at.format("%Y-%m-%d %H:%M").to_string()
    }

    /// IERs, then links: key, day, opened.
    fn rows(&self) -> Vec<String> {
        let text = |sent: Option<NaiveDate>| sent.map_or_else(|| "-".to_owned(), |sent| sent.to_string());
        let iers =
            self.iers.values().map(|version| format!("M-{} {} {}", version.number, text(sent_of(version)), version.opened));
        let links = self.links.iter().map(|(number, link)| format!("L-{number} {} -", text(link.sent)));
        let mut rows: Vec<String> = iers.chain(links).collect();
        rows.sort();
        rows
    }
}

fn record(version: &Version, stamp: &str) -> Record {
    let number = version.number;
    let mut row = ier(number).contact(number % 5).stamp(stamp).set("Name", NAMES[version.name]).set("JobId", "");
    if number.is_multiple_of(7) {
        row = row.lead(number % 3);
    }
    row = match number % SENDS {
        0 => row.of_send(1),
        1 => row.of_send(2),
        2 => row.of_send(3),
        3 => row.of_send(99),
        4 => row.set("JobId", "901"),
        _ => row,
    };
    row = match version.sent {
        Some(at) => row.sent(&format!("{} 08:00", DAYS[at])),
        None => row.set("DateSent", "").set("CreatedDate", ""),
    };
    if version.opened { row.opened("2026-11-01 08:00") } else { row.unopened() }
}

async fn world() -> World {
    let world = World::on(TODAY);
    let unit = |number: u32, name: &str| {
        Record::default().set("Id", id("a0A", number)).set("Name", name).set("Business_Unit_ID", format!("700{number}"))
    };
    world.load(&[unit(1, "Law").set("IsParentAccountMID", "false"), unit(2, "Arts")]).await;
    let sends = [
        send(1, 9).set("JobId", "901").set("Business_Unit", id("a0A", 1)),
        send(2, 9).set("JobId", "902").set("Business_Unit", id("a0A", 2)),
        send(3, 9).set("JobId", "903").set("Business_Unit", ""),
    ];
    world.load(&sends).await;
    world
}

async fn rows(world: &World) -> Vec<String> {
    let sql = "SELECT merge_id, sent_date, opened FROM ier UNION ALL SELECT unique_link_id, sent_date, NULL FROM individual_link";
    let mut rows: Vec<String> = world.ask(sql).await.into_iter().map(|row| row.join(" ")).collect();
    rows.sort();
    rows
}

async fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = world().await;
    let mut model = Model::default();
    let mut removed = [0, 0];
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Load(versions) => {
                let mut records = Vec::new();
                for version in versions {
                    if model.gone.contains(&version.number) {
                        continue;
                    }
                    records.push(record(version, &model.stamp()));
                    for link in model.links.values_mut().filter(|link| link.ier == version.number) {
                        link.sent = sent_of(version);
                    }
                    model.iers.insert(version.number, version.clone());
                }
                if !records.is_empty() {
                    world.load(&records).await;
                }
            }
            Step::Links(links) => {
                let mut records = BTreeMap::new();
                for (number, of) in links {
                    let known = model.links.get(number).map_or(*of, |link| link.ier);
                    if model.links_gone.contains(number) || model.gone.contains(&known) {
                        continue;
                    }
                    let sent = model.iers.get(&known).and_then(sent_of);
                    model.links.insert(*number, Link { ier: known, sent });
                    let stamp = model.stamp();
                    records.insert(*number, link(*number, known).stamp(&stamp));
                }
                if !records.is_empty() {
                    world.load(&records.into_values().collect::<Vec<_>>()).await;
                }
            }
            Step::Archive(at) => drop(world.archive(ARCHIVED[*at]).await),
            Step::Retain(retain) => {
                use ier::clock::Clock;
                let plan = world.retain_plan(retain).await;
                let before = model.iers.len() + model.links.len();
                let sizes = [model.gone.len(), model.links_gone.len()];
                model.retain(retain, world.clock.today());
                removed[0] += model.gone.len() - sizes[0];
                removed[1] += model.links_gone.len() - sizes[1];
                prop_assert_eq!(
                    plan.rows() as usize,
                    before - model.iers.len() - model.links.len(),
                    "plan of step {}: {}",
                    number,
                    plan
                );
                let report = world.try_retain(retain).await.expect("the retention");
                prop_assert_eq!(report.rows, plan.rows(), "report of step {}", number);
                let counted = format!("{} {}", removed[0], removed[1]);
                prop_assert_eq!(world.expired().await, counted, "totals after step {}", number);
            }
            Step::Hold(scope) => {
                let hold = world.hold(scope.clone()).await;
                model.holds.push((hold, scope.clone()));
            }
            Step::Release(at) => {
                if let Some((hold, _)) = model.holds.get(*at).cloned() {
                    world.release(&hold).await;
                    // A hold that said the same was one with it.
                    model.holds.retain(|(other, _)| *other != hold);
                }
            }
            Step::Merge(a, b) if a != b => {
                world.load(&[contact(*a).merged_into(*b)]).await;
                model.merge([contact_id(*a), contact_id(*b)]);
            }
            Step::Merge(..) => {}
            Step::DaysPass(days) => world.days_pass(*days),
            Step::Compact => {
                world.compact().await;
            }
            Step::Restart => world = world.another(),
        }
        prop_assert_eq!(rows(&world).await, model.rows(), "after step {}", number);
    }
    world.rows_stand_where_they_belong().await;
    world.files_are_sound().await;
    let books = world.try_reconcile(false).await.expect("the books");
    prop_assert!(books.check().is_ok(), "{}", books);
    prop_assert_eq!(books.objects.iter().map(|object| object.total.expired as usize).sum::<usize>(), removed[0] + removed[1]);
    Ok(())
}

#[test]
fn exactly_the_right_rows_go() {
    let cases = std::env::var("IER_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[17; 32]));
    let outcome = runner.run(&prop::collection::vec(step(), 10..24), |steps| runtime.block_on(run(&steps)));
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

//! How long records are kept, and what holds keep longer: exactly the right rows go, from both tiers, and their totals stay.

use ier::error::{Kind, Result};
use ier::jobs::hold::{self, HoldReport, HoldRequest};
use ier::jobs::retain::{self, RetainPlan, RetainReport};
use ier::ledgers::holds::Scope;
use ier::settings::retain::Retain;
use ier::settings::{Overrides, Settings};

use crate::world::records::{Record, contact_id, id, ier, link, send};
use crate::world::{Rows, World, day};

/// What a settings file with these lines under `[retain]` says.
pub fn rules(lines: &str) -> Retain {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ier.toml");
    std::fs::write(&path, format!("[retain]\n{lines}")).expect("a settings file");
    Settings::resolve(Some(&path), std::iter::empty(), Overrides::default()).expect("settings").retain
}

impl World {
    pub async fn retain_plan(&self, retain: &Retain) -> RetainPlan {
        retain::plan(&self.warehouse, retain).await.expect("a plan")
    }

    pub async fn try_retain(&self, rules: &Retain) -> Result<RetainReport> {
        let plan = retain::plan(&self.warehouse, rules).await?;
        retain::execute(&self.warehouse, plan, self.progress.clone()).await
    }

    pub async fn retain(&self, lines: &str) -> RetainReport {
        self.try_retain(&rules(lines)).await.expect("the retention")
    }

    pub async fn try_hold(&self, scope: Scope) -> Result<HoldReport> {
        let request = HoldRequest { scope, reason: "case 17".to_owned(), author: "ann".to_owned() };
        hold::add(&self.warehouse, &request).await
    }

    pub async fn hold(&self, scope: Scope) -> String {
        self.try_hold(scope).await.expect("a hold").hold.hold_id
    }

    pub async fn release(&self, hold_id: &str) -> HoldReport {
        hold::release(&self.warehouse, hold_id, "closed", "ann").await.expect("a release")
    }

    /// The numbers of the IERs, and of the links after a bar.
    pub async fn left(&self) -> String {
        let numbers = |rows: Rows| rows.iter().map(|row| row[0][2..].to_owned()).collect::<Vec<_>>().join(" ");
        let by = |key: &str, table: &str| format!("SELECT {key} FROM {table} ORDER BY length({key}), {key}");
        let iers = numbers(self.ask(&by("merge_id", "ier")).await);
        let links = numbers(self.ask(&by("unique_link_id", "individual_link")).await);
        if links.is_empty() { iers } else { format!("{iers} | {links}") }
    }

    /// What the ledger says is gone: IERs, links.
    pub async fn expired(&self) -> String {
        self.line(
            "SELECT coalesce(sum(\"rows\") FILTER (WHERE object = 'individual_email_result'), 0), \
             coalesce(sum(\"rows\") FILTER (WHERE object = 'individual_link'), 0) FROM expired_total",
        )
        .await
    }

    /// No totals wait for a removal.
    async fn nothing_is_put_down(&self) {
        let objects = self.store.objects().await;
        assert!(!objects.iter().any(|(path, _)| path.starts_with("retention/")), "{objects:?}");
    }
}

fn person(number: u32) -> Scope {
    Scope { person_id: Some(contact_id(number)), ..Scope::default() }
}

fn mail(number: u32, sent: &str) -> Record {
    ier(number).contact(number).of_send(1).sent(&format!("{sent} 08:00")).stamp("2026-11-01 00:00").unopened()
}

fn click(number: u32, of: u32) -> Record {
    link(number, of).stamp("2026-11-01 00:00")
}

fn unit(number: u32, name: &str) -> Record {
    Record::default().set("Id", unit_id(number)).set("Name", name).set("Business_Unit_ID", format!("700{number}"))
}

fn unit_id(number: u32) -> String {
    id("a0A", number)
}

/// Unit 1 is Law, unit 2 Arts; send 1 is of Law, 2 of Arts, 3 of no unit.
async fn units(world: &World) {
    world.load(&[unit(1, "Law School").set("IsParentAccountMID", "false"), unit(2, "Arts")]).await;
    let named = |number: u32, name: &str| send(number, 10).set("EmailName", name).set("JobId", format!("90{number}"));
    let sends = [
        named(1, "Law news").set("Business_Unit", unit_id(1)),
        named(2, "Arts news").set("Business_Unit", unit_id(2)),
        named(3, "No unit's news").set("Business_Unit", ""),
    ];
    world.load(&sends).await;
}

/// Who wrote down nothing keeps everything, however old; and where records have expired before, sees a note that they do no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_expires_unless_somebody_wrote_down_that_it_should() {
    let world = World::on("2026-11-22");
    units(&world).await;
    world.load(&[mail(1, "2010-01-10"), mail(2, "2015-01-11")]).await;
    world.archive("2012-01-01").await;
    let plan = world.retain_plan(&rules("")).await;
    assert!(plan.is_empty() && plan.to_string().contains("nothing expires, because the settings do not say"), "{plan}");
    assert!(!plan.to_string().contains("before"), "nothing has expired here: {plan}");
    let report = world.retain("").await;
    assert_eq!((report.rows, world.left().await), (0, "1 2".to_owned()));
    assert!(report.to_string().contains("`years = 3` under [retain] is three years"), "{report}");
    assert_eq!(world.retain("years = 'never'").await.note, None, "who said never knows");
    // Under the default of old, one has expired.
    world.retain("years = 14").await;
    assert_eq!(world.left().await, "2");
    let report = world.retain("").await;
    assert!(report.to_string().contains("records have expired here before, when three years were the default"), "{report}");
    let rule = "[[retain.rules]]\nname = 'news'\nemail_name = 'no such'\nmonths = 1\n";
    let report = world.retain(rule).await;
    assert!(report.to_string().contains("what no rule covers never expires"), "{report}");
    assert_eq!(world.left().await, "2");
}

/// What was sent exactly three years ago stays, the day before goes; in both tiers, and undated rows stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_years_to_the_day_in_both_tiers() {
    for until in ["2026-08-01", "2023-11-22", "2020-01-01"] {
        let world = World::on("2026-11-22");
        let undated = ier(5).contact(5).of_send(1).stamp("2026-11-01 00:00");
        world.load(&[mail(1, "2023-11-21"), mail(2, "2023-11-22"), mail(3, "2023-11-23"), mail(4, "2026-11-21"), undated]).await;
        world.load(&[click(1, 1), click(2, 2), click(9, 77)]).await;
        world.archive(until).await;
        let before = world.left().await;
        let plan = world.retain_plan(&rules("years = 3")).await;
        assert_eq!((plan.rows(), plan.is_empty()), (2, false), "{plan}");
        assert_eq!(world.left().await, before, "a plan changes nothing");
        let report = world.retain("years = 3").await;
        assert_eq!(report.rows, 2, "archived until {until}: {report}");
        assert_eq!(world.left().await, "2 3 4 5 | 2 9");
        assert_eq!(world.expired().await, "1 1");
        let again = world.retain("years = 3").await;
        assert_eq!((again.rows, again.run_ids.len()), (0, 0));
        assert!(again.to_string().starts_with("nothing to remove"), "{again}");
        world.days_pass(1);
        world.retain("years = 3").await;
        assert_eq!(world.left().await, "3 4 5 | 9", "archived until {until}");
        assert_eq!(world.expired().await, "2 2");
        world.nothing_is_put_down().await;
        world.files_are_sound().await;
        world.rows_stand_where_they_belong().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leap_day_is_kept_as_long_as_any_other() {
    for (today, left) in [("2027-02-28", "1 2"), ("2027-03-01", "2")] {
        let world = World::on(today);
        world.load(&[mail(1, "2024-02-29"), mail(2, "2024-03-01")]).await;
        world.retain("years = 3").await;
        assert_eq!(world.left().await, left, "{today}");
    }
    // On a leap day, three years ago was the last of February.
    let world = World::on("2028-02-29");
    world.load(&[mail(1, "2025-02-27"), mail(2, "2025-02-28"), mail(3, "2025-03-01")]).await;
    world.retain("years = 3").await;
    assert_eq!(world.left().await, "2 3");
}

/// These lines, and three years for what they say nothing about.
fn or_three_years(lines: &str) -> String {
    if lines.starts_with("years") { lines.to_owned() } else { format!("years = 3\n{lines}") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_covering_rule_decides() {
    let law = "[[retain.rules]]\nname = 'law'\nunit = 'LAW school'\nyears = 10\n";
    let news = "[[retain.rules]]\nname = 'news'\nemail_name = '*News'\nmonths = 6\n";
    let gala = "[[retain.rules]]\nname = 'gala'\nemail_name = 'G?la *'\nyears = 'never'\n";
    for (lines, left) in [
        ("", "4"),
        ("years = 'never'\n", "1 2 3 4 5 6 7"),
        // Of send 3 the unit is not known: it may be Law's, and so may what names no send that is known.
        (law, "1 3 4 6 7"),
        // Shorter than for the others; but whoever is named otherwise is kept as all are.
        (news, "-"),
        (&format!("{news}{law}"), "1 3 6 7"),
        (&format!("years = 100\n{news}"), "5"),
        (gala, "4 5"),
    ] {
        let lines = or_three_years(lines);
        let world = World::on("2026-11-22");
        units(&world).await;
        let rows = [
            mail(1, "2021-01-10").set("Name", "Law News"),
            mail(2, "2021-01-10").of_send(2).set("Name", "Arts news"),
            mail(3, "2021-01-11").of_send(3).set("Name", "Other news"),
            mail(4, "2024-06-11").of_send(2).set("Name", "More nèws"),
            mail(5, "2021-01-12").of_send(2).set("Name", "Gála 2021"),
            mail(6, "2021-01-13").of_send(99).set("Name", "Lost news"),
            mail(7, "2021-01-14").set("SendDefinition", "").set("JobId", "901").set("Name", "Job news"),
        ];
        world.load(&rows).await;
        world.archive("2021-01-12").await;
        world.retain(&lines).await;
        let wanted = if left == "-" { String::new() } else { left.to_owned() };
        assert_eq!(world.left().await, wanted, "{lines}");
        world.files_are_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_go_with_their_iers_unless_a_rule_for_links_says_otherwise() {
    let of = |object: &str, term: &str| format!("[[retain.rules]]\nname = '{object} {term}'\nobject = '{object}'\n{term}\n");
    let law =
        |object: &str| format!("[[retain.rules]]\nname = 'law {object}'\nunit = 'Law School'\nobject = '{object}'\nyears = 10\n");
    for (lines, left) in [
        (String::new(), "3 | 3"),
        (of("individual_email_result", "years = 10"), "1 2 3 | 1 2 3"),
        (of("individual_email_result", "days = 30"), ""),
        (of("individual_link", "years = 10"), "3 | 1 2 3"),
        (of("individual_link", "days = 30"), "3"),
        (law("individual_email_result"), "1 3 | 1 3"),
        (law("individual_link"), "3 | 1 3"),
        (format!("years = 'never'\n{}", of("individual_link", "months = 1")), "1 2 3"),
    ] {
        let lines = or_three_years(&lines);
        let world = World::on("2026-11-22");
        units(&world).await;
        world.load(&[mail(1, "2021-01-10"), mail(2, "2021-01-11").of_send(2), mail(3, "2025-01-10").of_send(2)]).await;
        world.load(&[click(1, 1), click(2, 2), click(3, 3)]).await;
        world.archive("2021-01-11").await;
        world.retain(&lines).await;
        let reported = world.left().await;
        assert_eq!(reported, left, "{lines}");
        world.retain(&lines).await;
        assert_eq!(world.left().await, left, "again: {lines}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_of_each_kind_keep_what_they_cover() {
    let unit = |unit: &str| Scope { unit: Some(unit.to_owned()), ..Scope::default() };
    let send = |send: &str| Scope { send: Some(send.to_owned()), ..Scope::default() };
    let span = |from: &str, until: &str| Scope { from_date: Some(day(from)), until_date: Some(day(until)), ..Scope::default() };
    for (scope, left, kept) in [
        (person(1), "1 9 | 1 2", 3),
        // Found under the id merged into them, and as the lead beside a contact.
        (person(2), "2 9", 1),
        (person(12), "2 9", 1),
        (Scope { person_id: Some(crate::world::records::lead_id(4)), ..Scope::default() }, "4 9 | 4", 2),
        (send(&id("a0B", 1)), "1 5 9 | 1 2", 4),
        (send("901"), "1 5 9 | 1 2", 4),
        (unit("law school"), "1 3 5 9 | 1 2", 5),
        (unit(&unit_id(2)), "2 3 4 9 | 4", 4),
        (unit("7002"), "2 3 4 9 | 4", 4),
        (span("2021-01-11", "2021-01-12"), "2 3 9", 2),
        (Scope { until_date: Some(day("2021-01-10")), ..Scope::default() }, "1 9 | 1 2", 3),
        (Scope { send: Some("901".to_owned()), ..person(1) }, "1 9 | 1 2", 3),
        (Scope { send: Some("902".to_owned()), ..person(1) }, "9", 0),
        (Scope { unit: Some("Arts".to_owned()), ..span("2021-01-12", "2021-01-13") }, "3 4 9 | 4", 3),
    ] {
        let world = World::on("2026-11-22");
        units(&world).await;
        world.load(&[crate::world::records::contact(12).merged_into(2)]).await;
        let rows = [
            mail(1, "2021-01-10"),
            mail(2, "2021-01-11").of_send(2),
            mail(3, "2021-01-12").of_send(3),
            mail(4, "2021-01-13").of_send(2).lead(4),
            mail(5, "2021-01-14").set("SendDefinition", "").set("JobId", "901"),
            mail(9, "2025-01-14").of_send(2),
        ];
        world.load(&rows).await;
        world.load(&[click(1, 1), click(2, 1), click(4, 4)]).await;
        world.archive("2021-01-12").await;
        let hold = world.hold(scope.clone()).await;
        let report = world.retain("years = 3").await;
        assert_eq!(world.left().await, left, "{}", scope.words());
        assert_eq!(report.held.iter().map(|held| held.rows).sum::<u64>(), kept, "{}: {report}", scope.words());
        assert!(report.held.iter().all(|held| held.hold_id == hold), "{report}");
        assert!(world.release(&hold).await.changed);
        world.retain("years = 3").await;
        assert_eq!(world.left().await, "9", "released: {}", scope.words());
        assert_eq!(world.expired().await, "5 3");
    }
}

/// A merge learned after a hold was placed widens it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_learned_later_widens_a_hold() {
    let world = World::on("2026-11-22");
    world.load(&[mail(1, "2021-01-10"), mail(2, "2021-01-11"), mail(3, "2021-01-12")]).await;
    world.hold(person(1)).await;
    world.load(&[crate::world::records::contact(2).merged_into(1)]).await;
    world.retain("years = 3").await;
    assert_eq!(world.left().await, "1 2");
}

/// A late row in hot hides the archived one: alone, its removal would show that one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_rows_go_with_the_copies_they_hide() {
    let world = World::on("2026-11-22");
    world.load(&[mail(1, "2021-01-10"), mail(2, "2021-01-11"), mail(3, "2025-01-11"), mail(4, "2021-01-12")]).await;
    world.archive("2026-08-01").await;
    let later = |row: Record| row.stamp("2026-11-20 00:00").opened("2026-11-19 08:00");
    // Old and changed; old and now young, on both sides of the boundary; young and now old.
    let rows = [mail(1, "2021-01-10"), mail(2, "2026-11-02"), mail(3, "2020-05-05"), mail(4, "2025-02-02")];
    world.load(&rows.map(later)).await;
    let report = world.retain("years = 3").await;
    assert_eq!((report.rows, world.left().await.as_str()), (2, "2 4"));
    assert_eq!(world.expired().await, "2 0");
    assert_eq!(world.line("SELECT sum(opened) FROM expired_total").await, "2", "what was visible is summed up");
    for _ in 0..2 {
        world.archive("2026-08-01").await;
        assert_eq!(
            world.ask("SELECT merge_id, sent_date, opened FROM ier ORDER BY 1").await,
            [["M-2", "2026-11-02", "true"], ["M-4", "2025-02-02", "true"],]
        );
        world.retain("years = 3").await;
    }
    assert_eq!(world.expired().await, "2 0");
    world.rows_stand_where_they_belong().await;
    world.files_are_sound().await;
}

/// A month in which every row has expired goes without a file being written; one with a held row is written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_months_go_as_metadata() {
    let world = World::on("2026-11-22");
    let rows =
        [mail(1, "2021-01-10"), mail(2, "2021-01-20"), mail(3, "2021-02-10"), mail(4, "2021-02-20"), mail(5, "2023-11-30")];
    world.load(&rows).await;
    world.archive("2026-08-01").await;
    world.hold(person(4)).await;
    let plan = world.retain_plan(&rules("years = 3")).await;
    let months: Vec<String> = plan.months.iter().map(ToString::to_string).collect();
    assert_eq!(
        months,
        [
            "individual_email_result, archive 2021-01: 2 rows with 1 whole file",
            "individual_email_result, archive 2021-02: 1 row out of 1 file written anew, 1 row held",
        ]
    );
    assert_eq!(plan.held[0].to_string(), "hold-2026-11-22-1 keeps 1 row of individual_email_result");
    let fork = world.fork(None);
    fork.retain("years = 3").await;
    let january = |call: &crate::world::store::Call| call.path.contains("sent_month=2021-01");
    assert!(!fork.store.calls().iter().any(|call| january(call) && call.writes()), "nothing is written for January");
    assert_eq!(fork.left().await, "4 5");
}

/// Totals by send stay, and sends do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_outlive_their_records() {
    let world = World::on("2026-11-22");
    units(&world).await;
    let rows = [
        mail(1, "2021-01-10").opened("2021-01-11").clicks(2, 1),
        mail(2, "2021-01-20").set("HardBounce", "true"),
        mail(3, "2021-02-20").set("SoftBounce", "true").set("DateUnsubscribed", "2021-03-01T00:00:00.000Z"),
        mail(4, "2021-02-21").of_send(2).opened("2021-03-01"),
    ];
    world.load(&rows).await;
    let sends = "SELECT * FROM email_send ORDER BY id";
    let before = world.ask(sends).await;
    world.retain("years = 3").await;
    assert_eq!(world.ask(sends).await, before);
    let totals = "SELECT month, right(send_definition_id, 5), \"rows\", opened, clicked, hard_bounced, soft_bounced, unsubscribed \
        FROM expired_total ORDER BY 1, 2";
    assert_eq!(
        world.ask(totals).await,
        [
            ["2021-01-01", "01EAA", "2", "1", "1", "1", "0", "0"],
            ["2021-02-01", "01EAA", "1", "0", "0", "0", "1", "1"],
            ["2021-02-01", "02EAA", "1", "1", "0", "0", "0", "0"],
        ]
    );
}

/// Records of mails that were withheld expire, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_mails_expire() {
    let world = World::on("2026-11-22");
    units(&world).await;
    let row = |contact: u32, job: &str, date: &str| {
        Record::default()
            .set("SendID", job)
            .set("SubscriberKey", contact_id(contact))
            .set("EventDate", format!("{date} 10:00:05 AM"))
            .set("BatchID", "1")
            .set("ListID", "1")
            .set("Reason", "Unsubscribed")
    };
    let rows =
        [row(1, "901", "01/10/2021"), row(2, "902", "01/10/2021"), row(3, "902", "01/11/2021"), row(4, "902", "01/10/2025")];
    let loaded = world.load(&rows).await;
    assert_eq!((loaded.table.as_str(), loaded.inserted), ("not_sent", 4));
    world.hold(person(3)).await;
    let law = "years = 3\n[[retain.rules]]\nname = 'law'\nunit = 'Law School'\nobject = 'not_sent'\nyears = 'never'\n";
    world.retain(law).await;
    assert_eq!(world.ask("SELECT job_id FROM not_sent ORDER BY event_date, 1").await, [["901"], ["902"], ["902"]]);
    world.retain("years = 3").await;
    let left = world.ask("SELECT person_id FROM not_sent ORDER BY 1").await;
    assert_eq!(left, [[contact_id(3)], [contact_id(4)]]);
    let totals = world.ask("SELECT job_id, \"rows\", opened FROM expired_total WHERE object = 'not_sent' ORDER BY 1").await;
    assert_eq!(totals, [["901", "1", "-"], ["902", "1", "-"]]);
    world.files_are_sound().await;
}

/// An audit says that records were removed, and not that they never were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_says_what_retention_removed() {
    use ier::audit::{About, Question, audit};
    let world = World::on("2026-11-22");
    units(&world).await;
    world.load(&[mail(1, "2021-01-10"), mail(2, "2021-01-11"), mail(3, "2025-01-11").of_send(2)]).await;
    world.retain("years = 3").await;
    let engine = world.engine().await.expect("an engine");
    let person = engine.person(&contact_id(1)).await.expect("a person");
    let about = About::Text("law".to_owned());
    let question = Question { about, from: None, to: None, as_of: None, zone: chrono_tz::UTC };
    let reported = audit(engine, &person, question).await.expect("an answer").to_string();
    let sentence = "removed by retention: 2 records of this send of mails sent in 2021-01 had been kept as long as records are and \
                    were removed, last at 2026-11-22 12:00:00 UTC; whether one of them was this person's is not known any more";
    assert!(reported.contains("NO EVIDENCE: Law news") && reported.contains(sentence), "{reported}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_are_placed_once_listed_and_released() {
    let world = World::on("2026-11-22");
    let refusal = async |scope: Scope| world.try_hold(scope).await.expect_err("a refusal");
    let nothing_here = refusal(person(1)).await;
    assert_eq!(nothing_here.kind(), Kind::NotFound, "{nothing_here}");
    units(&world).await;
    for (scope, said) in [
        (Scope::default(), "the hold names nothing"),
        (Scope { person_id: Some(id("a0B", 1)), ..Scope::default() }, "a0B"),
        (Scope { unit: Some("Laws".to_owned()), ..Scope::default() }, "no unit \"Laws\" is known here"),
        (
            Scope { from_date: Some(day("2026-01-02")), until_date: Some(day("2026-01-01")), ..Scope::default() },
            "there are no days from 2026-01-02 to 2026-01-01",
        ),
    ] {
        let error = refusal(scope).await;
        assert!(error.to_string().contains(said), "{error}");
    }
    let first = world.hold(Scope { person_id: Some(contact_id(1)[..15].to_owned()), ..Scope::default() }).await;
    assert_eq!(first, "hold-2026-11-22-1");
    let again = world.try_hold(person(1)).await.expect("again");
    assert_eq!((again.hold.hold_id.as_str(), again.changed), (first.as_str(), false), "{again}");
    let second = world.hold(Scope { send: Some("901".to_owned()), ..Scope::default() }).await;
    assert_eq!(second, "hold-2026-11-22-2");
    let released = world.release(&first).await;
    assert!(released.changed && released.to_string().contains("is released"), "{released}");
    assert!(!world.release(&first).await.changed);
    let unknown = hold::release(&world.warehouse, "hold-1", "closed", "ann").await.expect_err("no such hold");
    assert_eq!(unknown.kind(), Kind::NotFound);
    let list = hold::list(&world.warehouse, false).await.expect("a list");
    assert_eq!(list.to_string(), "hold-2026-11-22-2: send 901\n  placed 2026-11-22 12:00:00 UTC by ann: case 17");
    assert_eq!(hold::list(&world.warehouse, true).await.expect("a list").holds.len(), 2);
    // The released one does not come back: who needs it again places a new one.
    assert_eq!(world.hold(person(1)).await, "hold-2026-11-22-3");
    assert_eq!(world.line("SELECT count(*), count(DISTINCT hold_id) FROM legal_hold").await, "4 3");
}

/// Holds placed at once have ids of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_placed_at_once_are_two() {
    let world = World::on("2026-11-22");
    world.load(&[mail(1, "2021-01-10")]).await;
    let placed = (1..=4).map(|number| {
        let process = world.another();
        tokio::spawn(async move { process.hold(person(number)).await })
    });
    let mut ids = Vec::new();
    for placed in placed.collect::<Vec<_>>() {
        ids.push(placed.await.expect("a hold"));
    }
    ids.sort();
    assert_eq!(ids, (1..=4).map(|number| format!("hold-2026-11-22-{number}")).collect::<Vec<_>>());
    assert_eq!(world.another().line("SELECT count(DISTINCT person_id) FROM legal_hold").await, "4");
}

//! What was known when: every state the table ever showed can be asked for again.

use ier::jobs::load::{LoadRequest, load};
use ier::source::reading::Asked;
use ier::tiers::spans::Missing;

use crate::world::records::{Record, ier, link};
use crate::world::{Rows, World, silent};

const NOW: &str = "SELECT * EXCEPT (tier) FROM ier ORDER BY merge_id";

fn then(at: &str) -> String {
    format!("SELECT * EXCEPT (tier) FROM ier_as_of(TIMESTAMP '{at}') ORDER BY merge_id")
}

fn moment(world: &World) -> String {
    use ier::clock::Clock;
    world.clock.now().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}

/// Some version of one of six records: any of its parts may differ, its date too; the export may lack a column.
fn version(dice: &mut Dice) -> Record {
    let number = dice.below(6);
    let day = 1 + dice.below(2) * 40;
    let sent =
        chrono::NaiveDate::from_ymd_opt(2026, 6, 1).and_then(|first| first.checked_add_days(chrono::Days::new(day.into())));
    let sent = format!("{} 08:00", sent.expect("a day"));
    let stamp = format!("2026-08-{:02}", 1 + dice.below(28));
    let record = ier(number).contact(1 + dice.below(2)).sent(&sent).stamp(&stamp).clicks(dice.below(3), dice.below(2));
    let record = if dice.below(2) == 0 { record.opened("2026-08-01 10:00") } else { record.unopened() };
    match dice.below(5) {
        0 => record.set("Contact", ""),
        1 => record.without("DateOpened"),
        2 => record.set("Region__c", format!("R{}", dice.below(3))),
        3 => record.set("DateSent", ""),
        _ => record,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_past_state_can_be_queried() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let world = World::on("2026-09-01");
        let mut states: Vec<(String, Rows)> = vec![(moment(&world), Vec::new())];
        for step in 0..10 {
            world.days_pass(1);
            match dice.below(4) {
                0 => drop(world.archive(["2026-06-20", "2026-08-01"][dice.below(2) as usize]).await),
                1 if step > 6 => {
                    world.compact().await;
                }
                _ => {
                    let versions: Vec<Record> = (0..1 + dice.below(3)).map(|_| version(&mut dice)).collect();
                    world.load(&versions).await;
                }
            }
            states.push((moment(&world), world.ask(NOW).await));
        }
        for (at, state) in &states {
            assert_eq!(world.ask(&then(at)).await, *state, "seed {seed}, as of {at}");
        }
        // Half a day later nothing more was known.
        let (at, state) = &states[5];
        let later = at.replace(" 12:00", " 23:59");
        assert_eq!(world.ask(&then(&later)).await, *state, "seed {seed}, as of {later}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_one_by_one() {
    let world = World::on("2026-09-01");
    let row = ier(1).contact(1).sent("2026-08-06 08:00");
    world.load(&[row.clone().unopened().stamp("2026-08-07")]).await;
    world.days_pass(1);
    world.load(&[row.clone().opened("2026-08-08 09:00").stamp("2026-08-09")]).await;
    world.days_pass(1);
    // Nothing new, and an older version: no versions anybody saw.
    world.load(&[row.clone().opened("2026-08-08 09:00").stamp("2026-08-09")]).await;
    world.load(&[row.clone().unopened().stamp("2026-08-07")]).await;
    world.load(&[link(1, 1).stamp("2026-08-07")]).await;
    world.archive("2026-09-01").await;
    let versions = world.ask("SELECT version, seen_at, was FROM ier_versions ORDER BY version").await;
    let first = &versions[0];
    assert_eq!((first[0].as_str(), first[1].as_str(), first[2].as_str()), ("1", "2026-09-01T12:00:00Z", "-"));
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!((versions[1][0].as_str(), versions[1][1].as_str()), ("2", "2026-09-02T12:00:00Z"));
    let was: serde_json::Value = serde_json::from_str(&versions[1][2]).expect("json");
    let mut changed: Vec<&String> = was.as_object().expect("an object").keys().collect();
    changed.sort();
    assert_eq!(changed, ["date_opened", "last_modified_date", "opened", "system_modstamp"]);
    assert_eq!(was["opened"], false);
    // Filters are about what was, not about what is.
    let opened = |at: &str| format!("SELECT count(*) FROM ier_as_of(TIMESTAMP '{at}') WHERE opened");
    assert_eq!(world.line(&opened("2026-09-01 12:00:00")).await, "0");
    assert_eq!(world.line(&opened("2026-09-02 12:00:00")).await, "1");
    let unopened = "SELECT ier_id FROM ier_as_of(DATE '2026-09-02') WHERE NOT opened AND date_opened IS NULL";
    assert_eq!(world.ask(unopened).await.len(), 1);
    let refused = world.try_ask("SELECT * FROM ier_as_of('yesterday')").await.expect_err("no moment");
    assert!(refused.to_string().contains("takes one moment as a literal"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_versions_can_be_switched_off() {
    let world = World::on("2026-09-01");
    let load_without = async |records: &[Record]| {
        let request = LoadRequest {
            inputs: vec![world.file("quiet.csv", records)],
            asked: Asked::new(chrono_tz::America::Denver),
            rejects: Some(world.path("rejects.csv")),
            buffer_bytes: 64 << 20,
            record_bytes: 1 << 20,
            keep_versions: false,
            missing: Missing::OfPeopleNamed,
        };
        load(&world.warehouse, request, silent()).await.expect("the load");
    };
    let row = |number| ier(number).contact(1).sent("2026-08-06 08:00");
    load_without(&[row(1).stamp("2026-08-07")]).await;
    world.load(&[row(2).stamp("2026-08-07"), row(3).stamp("2026-08-07")]).await;
    world.days_pass(1);
    // Changed unobserved: what was known of record 2 is not known any more. Record 1 is observed from its first change on.
    load_without(&[row(2).opened("2026-08-08").stamp("2026-08-09")]).await;
    world.load(&[row(1).opened("2026-08-08").stamp("2026-08-09")]).await;
    let known = |at: &str| format!("SELECT merge_id, opened FROM ier_as_of(TIMESTAMP '{at}') ORDER BY 1");
    assert_eq!(world.ask(&known("2026-09-01 12:00:00")).await, [["M-3", "-"]]);
    assert_eq!(world.ask(&known("2026-09-02 12:00:00")).await, [["M-1", "true"], ["M-3", "-"]]);
    let versions = world.ask("SELECT merge_id, version, seen_at FROM ier_versions ORDER BY 1, 2").await;
    assert_eq!(versions, [["M-1", "1", "-"], ["M-1", "2", "2026-09-02T12:00:00Z"], ["M-3", "1", "2026-09-01T12:00:00Z"]]);
}

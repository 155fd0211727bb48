//! How the data misbehaves, item by item as the domain's list counts them: 1-5, 8, 9, 12 and 13. Items 10 and 11 are about
//! reading files and have their tests there.

use ier::lake::paths::Role;

use crate::world::World;
use crate::world::records::{contact_id, id, ier, ier_id, link, send};

const OPENED: &str = "SELECT opened, number_of_total_clicks, system_modstamp FROM ier WHERE merge_id = 'M-1'";

/// The same version twice; an older version after a newer one; equal SystemModstamps, distinguished by LastModifiedDate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_01_same_version_twice_and_older_after_newer() {
    let version = |stamp: &str, clicks| ier(1).contact(1).sent("2026-08-06").stamp(stamp).clicks(clicks, clicks);
    let (old, new) = (version("2026-08-07 10:00", 1).unopened(), version("2026-08-08 10:00", 2).opened("2026-08-08 09:00"));
    let same_stamp =
        version("2026-08-08 10:00", 3).opened("2026-08-08 09:00").set("LastModifiedDate", "2026-08-08T10:00:01.000Z");
    let orders = [[&old, &new, &same_stamp], [&same_stamp, &new, &old], [&new, &same_stamp, &old]];
    let newest = "true 3 2026-08-08T10:00:00Z";
    for order in orders {
        // One after the other, each twice, with an archive run after the first.
        let world = World::on("2026-11-10");
        for (at, version) in order.into_iter().enumerate() {
            world.load(std::slice::from_ref(version)).await;
            let again = world.load(std::slice::from_ref(version)).await;
            assert_eq!((again.inserted, again.updated, again.unchanged + again.outdone), (0, 0, 1), "the same version again");
            if at == 0 {
                world.archive("2026-09-01").await;
            }
        }
        assert_eq!(world.line(OPENED).await, newest);
        world.archive("2026-09-01").await;
        assert_eq!(world.line(OPENED).await, newest);
        // All in one file.
        let world = World::on("2026-11-10");
        let counts = world.load(&order.map(Clone::clone)).await;
        assert_eq!((counts.inserted, counts.unchanged, counts.outdone), (1, 0, 2));
        assert_eq!(world.line(OPENED).await, newest);
        assert_eq!(world.line("SELECT count(*) FROM ier").await, "1");
    }
}

/// Many records share one SystemModstamp (a bulk update): none of them is taken for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_01_many_records_share_one_stamp() {
    let world = World::on("2026-08-10");
    let rows: Vec<_> = (0..300).map(|number| ier(number).contact(number % 7).sent("2026-08-06").stamp("2026-08-07")).collect();
    assert_eq!(world.load(&rows).await.inserted, 300);
    assert_eq!(
        world.line("SELECT count(*), count(DISTINCT merge_id), count(DISTINCT system_modstamp) FROM ier").await,
        "300 300 1"
    );
}

/// Tracking runs for a year: an open may come 275 days after the record was archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_02_change_after_archiving_shows_at_once_and_folds_in() {
    let world = World::on("2026-08-07");
    let sent = ier(1).contact(1).sent("2026-08-06").stamp("2026-08-06 13:00").unopened().clicks(0, 0);
    world.load(&[sent.clone(), ier(2).contact(2).sent("2026-08-06").stamp("2026-08-06 13:00").unopened()]).await;
    world.days_pass(91);
    world.archive("2026-08-07").await;
    world.days_pass(275);
    let counts = world.load(&[sent.stamp("2027-08-08 09:00").opened("2027-08-08 08:59").clicks(1, 1)]).await;
    assert_eq!((counts.inserted, counts.updated, counts.late), (0, 1, 1));
    let rows = "SELECT merge_id, tier, opened, clicked FROM ier ORDER BY 1";
    assert_eq!(world.ask(rows).await, [["M-1", "hot", "true", "true"], ["M-2", "archive", "false", "-"]], "at once");
    // Whatever the question: by tier, by month, by a filter only the old version would pass.
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE NOT opened").await, "1");
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE NOT opened AND merge_id = 'M-1'").await, "0");
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE tier = 'archive' AND merge_id = 'M-1'").await, "0");
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE system_modstamp < '2027-01-01' AND merge_id = 'M-1'").await, "0");
    let report = world.archive("2027-05-10").await;
    assert_eq!(report.tables[0].files_replaced, 1);
    assert_eq!(world.ask(rows).await, [["M-1", "archive", "true", "true"], ["M-2", "archive", "false", "-"]], "folded in");
}

/// Deleted in Salesforce, then opened: a new Id under the same MergeId is still the one record, hot or archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_03_a_new_id_under_the_same_merge_id_is_the_same_record() {
    for archived in [false, true] {
        let world = World::on("2026-12-01");
        let first = ier(1).contact(1).sent("2026-08-06").stamp("2026-08-07").unopened();
        world.load(std::slice::from_ref(&first)).await;
        world.load(&[link(1, 1).stamp("2026-08-07")]).await;
        if archived {
            world.archive("2026-09-01").await;
        }
        let counts = world.load(&[first.set("Id", ier_id(77)).stamp("2026-11-30").opened("2026-11-30")]).await;
        assert_eq!((counts.inserted, counts.updated), (0, 1));
        let answer = world.line("SELECT count(*), max(ier_id), bool_or(opened), max(person_id) FROM ier").await;
        assert_eq!(answer, format!("1 {} true {}", ier_id(77), contact_id(1)));
        // The link that names the old Id keeps its person and day.
        let kept = world.line("SELECT person_id, sent_date FROM individual_link").await;
        assert_eq!(kept, format!("{} 2026-08-06", contact_id(1)));
        world.archive("2026-09-01").await;
        assert_eq!(world.line("SELECT count(*), max(ier_id) FROM ier").await, format!("1 {}", ier_id(77)));
        assert_eq!(world.line("SELECT person_id, sent_date FROM individual_link").await, kept);
    }
}

/// Old exports have no MergeId; MergeIds that differ by case alone are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_04_keys_without_merge_id_and_in_another_case() {
    let world = World::on("2026-08-10");
    let dated = |row: crate::world::records::Record, stamp: &str| row.sent("2026-08-06").stamp(stamp).unopened();
    world.load(&[dated(ier(1).set("MergeId", "Ab-1"), "2026-08-07"), dated(ier(2).set("MergeId", "aB-1"), "2026-08-08")]).await;
    assert_eq!(world.ask("SELECT merge_id, ier_id FROM ier").await, [["aB-1".to_owned(), ier_id(2)]]);
    // Job, list, batch and subscriber are the key where there is no MergeId; a missing part of it leaves the Id.
    let old = |number, subscriber: &str| {
        ier(number).without("MergeId").set("JobId", "9").set("ListId", "5").set("BatchId", "1").set("SubscriberId", subscriber)
    };
    world
        .load(&[dated(old(3, "100"), "2026-08-07"), dated(old(4, "100"), "2026-08-08"), dated(old(5, "101"), "2026-08-08")])
        .await;
    world.load(&[dated(old(6, ""), "2026-08-07"), dated(old(6, ""), "2026-08-08"), dated(old(7, ""), "2026-08-08")]).await;
    let rows = world.ask("SELECT ier_id, subscriber_id FROM ier WHERE merge_id IS NULL ORDER BY 1").await;
    let expected =
        [(4, "100"), (5, "101"), (6, "-"), (7, "-")].map(|(number, subscriber)| vec![ier_id(number), subscriber.to_owned()]);
    assert_eq!(rows, expected);
    // Also over the boundary.
    world.days_pass(120);
    world.archive("2026-09-01").await;
    world
        .load(&[dated(old(8, "100"), "2026-12-01").opened("2026-11-30"), dated(ier(9).set("MergeId", "AB-1"), "2026-12-01")])
        .await;
    assert_eq!(world.line("SELECT count(*), count(*) FILTER (WHERE tier = 'hot') FROM ier").await, "5 2");
    world.archive("2026-09-01").await;
    assert_eq!(world.line("SELECT count(*), count(*) FILTER (WHERE tier = 'hot') FROM ier").await, "5 0");
}

/// A contact, lead, send or parent is deleted: its records come back with a null, which erases nothing, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_05_a_null_never_erases_a_parent() {
    let known = ier(1).contact(1).of_send(3).set("Lead", id("00Q", 1)).sent("2026-08-06").stamp("2026-08-07").unopened();
    let blank =
        known.clone().set("Contact", "").set("Lead", "").set("SendDefinition", "").stamp("2026-08-08").opened("2026-08-08");
    let known_link = link(1, 1).stamp("2026-08-07");
    let blank_link = known_link.clone().set("Individual_Email_Result", "").stamp("2026-08-08").set("NumberOfTotalClicks", "4");
    for archived_between in [false, true] {
        for swapped in [false, true] {
            let world = World::on("2026-12-01");
            let pair = |a, b| if swapped { [b, a] } else { [a, b] };
            for (row, link) in pair(known.clone(), blank.clone()).into_iter().zip(pair(known_link.clone(), blank_link.clone())) {
                world.load(&[row]).await;
                world.load(&[link]).await;
                if archived_between {
                    world.archive("2026-09-01").await;
                }
            }
            for _ in 0..2 {
                let row = world.line("SELECT contact_id, lead_id, send_definition_id, person_id, opened FROM ier").await;
                assert_eq!(row, format!("{} {} {} {} true", contact_id(1), id("00Q", 1), id("a0B", 3), contact_id(1)));
                let row = world.line("SELECT ier_id, person_id, sent_date, number_of_total_clicks FROM individual_link").await;
                assert_eq!(
                    row,
                    format!("{} {} 2026-08-06 4", ier_id(1), contact_id(1)),
                    "swapped {swapped}, archived {archived_between}"
                );
                world.archive("2026-09-01").await;
            }
            assert_eq!(world.line("SELECT count(DISTINCT tier) FROM ier").await, "1");
        }
    }
}

/// A contact changes to another contact: that is no null, and the links follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_05_another_person_is_news() {
    let world = World::on("2026-12-01");
    let first = ier(1).contact(1).sent("2026-08-06").stamp("2026-08-07").unopened();
    world.load(std::slice::from_ref(&first)).await;
    world.load(&[link(1, 1).stamp("2026-08-07")]).await;
    world.archive("2026-09-01").await;
    world.load(&[first.contact(2).stamp("2026-11-30")]).await;
    for _ in 0..2 {
        assert_eq!(
            world.line("SELECT i.person_id, l.person_id FROM ier i JOIN individual_link l USING (ier_id)").await,
            [contact_id(2), contact_id(2)].join(" ")
        );
        world.archive("2026-09-01").await;
    }
}

/// Salesforce deletes what was archived: the record stays, marked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_08_deleted_in_salesforce_stays_marked() {
    let world = World::on("2026-12-01");
    let row = ier(1).contact(1).sent("2026-08-06").stamp("2026-08-07").unopened();
    world.load(&[row.clone(), ier(2).contact(1).sent("2026-08-06").stamp("2026-08-07")]).await;
    world.archive("2026-09-01").await;
    world.load(&[row.set("IsDeleted", "true").stamp("2026-11-05")]).await;
    for _ in 0..2 {
        assert_eq!(world.ask("SELECT merge_id, is_deleted FROM ier ORDER BY 1").await, [["M-1", "true"], ["M-2", "false"]]);
        world.archive("2026-09-01").await;
    }
    world.compact().await;
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE is_deleted").await, "1");
}

/// No load and no job makes a record disappear, not even a deleted one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_09_nothing_disappears_by_itself() {
    let world = World::on("2026-12-01");
    let rows: Vec<_> = (1..=6)
        .map(|number| {
            ier(number).contact(number % 2).sent(&format!("2026-0{}-06", 3 + number)).stamp("2026-11-01").set("IsDeleted", "true")
        })
        .collect();
    world.load(&rows).await;
    world.load(&[link(1, 1), link(2, 6), link(3, 99)].map(|link| link.stamp("2026-11-01").set("IsDeleted", "true"))).await;
    let all = "SELECT (SELECT count(*) FROM ier) AS iers, (SELECT count(*) FROM individual_link) AS links";
    for until in ["2026-05-01", "2026-07-01", "2026-12-01"] {
        world.archive(until).await;
        assert_eq!(world.line(all).await, "6 3");
        world.compact().await;
        world.days_pass(30);
        world.vacuum(0).await;
        assert_eq!(world.another().line(all).await, "6 3", "after {until}");
        world.files_are_sound().await;
    }
}

/// Odd but real: kept, as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_12_odd_records_are_kept() {
    let world = World::on("2026-12-01");
    let base = |number| ier(number).contact(1).sent("2026-08-06").stamp("2026-08-07").unopened();
    let rows = [
        base(1).set("DateSent", ""),
        base(2).set("DateSent", "").set("CreatedDate", ""),
        base(3).set("HardBounce", "true").set("SoftBounce", "true"),
        base(4).clicks(2, 2),
        base(5).clicks(1, 4),
        base(6).set("Contact", ""),
    ];
    let counts = world.load(&rows).await;
    assert_eq!((counts.inserted, counts.rejected), (6, 0));
    world.load(&[link(1, 1), link(2, 2), link(3, 404), link(4, 6)].map(|link| link.stamp("2026-08-07"))).await;
    let days = "SELECT merge_id, sent_date FROM ier WHERE date_sent IS NULL ORDER BY 1";
    let odd = "SELECT count(*) FILTER (WHERE hard_bounce AND soft_bounce), count(*) FILTER (WHERE clicked AND NOT opened), \
        count(*) FILTER (WHERE number_of_total_clicks < number_of_unique_clicks), count(*) FROM ier";
    let links = "SELECT unique_link_id, person_id, sent_date FROM individual_link ORDER BY 1";
    for _ in 0..2 {
        assert_eq!(world.ask(days).await, [["M-1", "2026-08-06"], ["M-2", "-"]]);
        assert_eq!(world.line(odd).await, "1 2 1 6");
        let person = contact_id(1);
        let expected = [["L-1", &person, "2026-08-06"], ["L-2", &person, "-"], ["L-3", "-", "-"], ["L-4", "-", "2026-08-06"]];
        assert_eq!(world.ask(links).await, expected);
        world.archive("2026-09-01").await;
    }
    assert_eq!(world.ask("SELECT merge_id FROM ier WHERE tier = 'hot'").await, [["M-2"]], "what has no date is not archived");
    // A change of a link of an IER without DateSent leaves it on the day its IER counts by.
    world.load(&[link(1, 1).stamp("2026-11-01").set("NumberOfTotalClicks", "9"), link(4, 6).stamp("2026-11-01")]).await;
    let row = "SELECT number_of_total_clicks, sent_date FROM individual_link WHERE unique_link_id = 'L-1'";
    for _ in 0..2 {
        assert_eq!(world.line(row).await, "9 2026-08-06");
        world.rows_stand_where_they_belong().await;
        world.archive("2026-09-01").await;
    }
    world.no_key_twice().await;
}

/// A record without any date gets one later: it moves, with its links, and is shown once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_12_a_date_that_comes_later_moves_the_record() {
    let world = World::on("2026-12-01");
    let dateless = ier(1).contact(1).set("DateSent", "").set("CreatedDate", "").stamp("2026-08-07").unopened();
    world.load(std::slice::from_ref(&dateless)).await;
    world.load(&[link(1, 1).stamp("2026-08-07")]).await;
    world.archive("2026-09-01").await;
    for date in ["2026-08-06", "2026-11-20", "2026-08-20"] {
        let stamp = if date == "2026-08-06" {
            "2026-11-21"
        } else if date == "2026-11-20" {
            "2026-11-22"
        } else {
            "2026-11-23"
        };
        world.load(&[dateless.clone().sent(date).stamp(stamp)]).await;
        for _ in 0..2 {
            let row = "SELECT i.sent_date, l.sent_date, l.person_id FROM ier i JOIN individual_link l USING (ier_id)";
            assert_eq!(world.line(row).await, format!("{date} {date} {}", contact_id(1)));
            world.no_key_twice().await;
            world.archive("2026-09-01").await;
            world.rows_stand_where_they_belong().await;
        }
    }
}

/// A link comes before its IER, which has no date at all: it gets the person all the same, as one that comes after does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_12_a_link_that_waited_for_a_dateless_record_gets_its_person() {
    let world = World::on("2026-12-01");
    let dateless = |row: crate::world::records::Record| row.set("DateSent", "").set("CreatedDate", "").stamp("2026-08-07");
    world.load(&[link(1, 1).stamp("2026-08-07")]).await;
    world.load(&[dateless(ier(1).contact(1))]).await;
    world.load(&[link(2, 1).stamp("2026-08-07")]).await;
    let person = contact_id(1);
    let links = "SELECT unique_link_id, person_id, sent_date FROM individual_link ORDER BY 1";
    assert_eq!(world.ask(links).await, [["L-1", &person, "-"], ["L-2", &person, "-"]]);
    // Another load looks again, and finds nothing to write.
    let hot = || async {
        let tables = world.warehouse.existing().await.expect("tables");
        let hot = tables.into_iter().find(|lake| lake.table.name == "individual_link" && lake.role == Role::Hot);
        hot.expect("hot links").snapshot().await.expect("a snapshot").version
    };
    let before = hot().await;
    world.load(&[dateless(ier(2))]).await;
    assert_eq!(hot().await, before);
}

/// And the other way round: the date is taken back, and the links go where their IER goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_12_a_date_taken_back_moves_the_record() {
    let world = World::on("2026-12-01");
    let dated = ier(1).contact(1).sent("2026-08-06").stamp("2026-08-07").unopened();
    world.load(std::slice::from_ref(&dated)).await;
    world.load(&[link(1, 1).stamp("2026-08-07")]).await;
    world.archive("2026-09-01").await;
    world.load(&[dated.clone().set("DateSent", "").set("CreatedDate", "2026-08-05T12:00:00.000Z").stamp("2026-11-01")]).await;
    let row = "SELECT i.sent_date, l.sent_date, l.person_id FROM ier i JOIN individual_link l USING (ier_id)";
    for _ in 0..2 {
        assert_eq!(world.line(row).await, format!("2026-08-05 2026-08-05 {}", contact_id(1)));
        world.archive("2026-09-01").await;
    }
    world.load(&[dated.set("DateSent", "").set("CreatedDate", "").stamp("2026-11-02")]).await;
    for _ in 0..2 {
        assert_eq!(world.line(row).await, format!("- - {}", contact_id(1)));
        world.archive("2026-09-01").await;
        world.no_key_twice().await;
    }
}

/// A large send syncs over several cycles: rows seen / NumberSent says how complete it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_13_a_large_send_arrives_over_several_cycles() {
    let world = World::on("2026-08-06");
    world.load(&[send(1, 60).stamp("2026-08-06 15:00")]).await;
    let complete = "SELECT s.name, count(i.ier_id), s.number_sent, 100 * count(i.ier_id) / s.number_sent FROM email_send s \
        LEFT JOIN ier i ON i.send_definition_id = s.id GROUP BY 1, 3";
    assert_eq!(world.line(complete).await, "ES-1 0 60 0");
    for cycle in 0..3u32 {
        // Each cycle overlaps the one before by five rows: read `>= watermark - overlap`, and upsert.
        let first = (cycle * 20).saturating_sub(5);
        let rows: Vec<_> = (first..cycle * 20 + 20)
            .map(|number| ier(number).contact(number).of_send(1).sent("2026-08-06 15:00").stamp("2026-08-06 15:15").unopened())
            .collect();
        let counts = world.load(&rows).await;
        assert_eq!((counts.inserted, counts.unchanged), (20, (cycle * 20 - first).into()));
        let seen = (cycle + 1) * 20;
        assert_eq!(world.line(complete).await, format!("ES-1 {seen} 60 {}", seen * 100 / 60));
    }
}

//! One record's life: arrive, change, archive, change late, be folded in, compact, be swept. Every day the same question.

use crate::world::World;
use crate::world::records::{contact_id, ier, link};

const STATE: &str = "SELECT tier, opened, clicked, number_of_total_clicks, is_deleted FROM ier WHERE merge_id = 'M-1'";
const LINK: &str = "SELECT l.tier, l.number_of_total_clicks, l.sent_date FROM individual_link l JOIN ier USING (ier_id)";

/// What the analyst asks every morning: it must not notice any job.
async fn morning_report(world: &World) -> Vec<Vec<String>> {
    world.ask("SELECT person_id, email_name, sent_date, opened, clicked, is_deleted FROM ier ORDER BY person_id, date_sent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_from_its_arrival_to_the_deep_archive() {
    // 6 August 2026: a mail is sent to contacts 1 and 2, a quarter of an hour later its records arrive.
    let world = World::on("2026-08-06");
    let first = ier(1).contact(1).sent("2026-08-06 15:00").stamp("2026-08-06 15:15").unopened().clicks(0, 0);
    let other = ier(2).contact(2).sent("2026-08-06 15:01").stamp("2026-08-06 15:15").unopened().clicks(0, 0);
    let counts = world.load(&[first.clone(), other.clone()]).await;
    assert_eq!((counts.inserted, counts.updated), (2, 0));
    assert_eq!(world.line(STATE).await, "hot false false 0 false");

    // The next day contact 1 opens it and clicks; the same file also brings the first version again.
    world.days_pass(1);
    let opened = first.clone().stamp("2026-08-07 08:00").opened("2026-08-07 07:58").clicks(1, 1);
    let counts = world.load(&[opened.clone(), first.clone()]).await;
    assert_eq!((counts.inserted, counts.updated, counts.unchanged, counts.outdone), (0, 1, 0, 1));
    assert_eq!(world.line(STATE).await, "hot true true 1 false");
    world.load(&[link(1, 1).stamp("2026-08-07 08:00")]).await;
    assert_eq!(world.line(LINK).await, "hot 1 2026-08-06");

    // 5 November: 91 days later the archive job runs. Nobody notices.
    world.days_pass(90);
    let report = morning_report(&world).await;
    world.archive("2026-08-07").await;
    assert_eq!(morning_report(&world).await, report);
    assert_eq!(world.line(STATE).await, "archive true true 1 false");
    assert_eq!(world.line(LINK).await, "archive 1 2026-08-06");

    // Salesforce deletes what was archived, and says so: the record stays, marked, as a late row over the archived one.
    let deleted = opened.clone().stamp("2026-11-05 13:00").set("IsDeleted", "true");
    let counts = world.load(&[deleted]).await;
    assert_eq!((counts.updated, counts.late), (1, 1));
    assert_eq!(world.line(STATE).await, "hot true true 1 true");

    // 1 March 2027: contact 1 finds the mail again. Salesforce makes a new record, under the same MergeId.
    world.days_pass(116);
    let again =
        opened.set("Id", crate::world::records::ier_id(901)).stamp("2027-03-01 09:00").clicks(4, 2).set("IsDeleted", "false");
    world.load(&[again]).await;
    assert_eq!(world.line(STATE).await, "hot true true 4 false");
    assert_eq!(world.line("SELECT count(*), count(DISTINCT person_id) FROM ier").await, "2 2", "still one record each");

    // The next run folds it in. Run twice, because somebody always does.
    let report = morning_report(&world).await;
    world.archive("2026-08-07").await;
    assert_eq!(world.line(STATE).await, "archive true true 4 false");
    world.archive("2026-08-07").await;
    assert_eq!(morning_report(&world).await, report);

    // August's other days are archived, which leaves the month in two files; compaction makes one of them.
    world.load(&[ier(3).contact(1).sent("2026-08-20 10:00").stamp("2026-08-20 10:15").unopened()]).await;
    let report = morning_report(&world).await;
    world.archive("2026-12-01").await;
    world.vacuum(24 * 7).await;
    assert_eq!(morning_report(&world).await, report);
    let compacted = world.compact().await;
    assert_eq!((compacted.months, compacted.files_before, compacted.files_after), (1, 2, 1));
    assert_eq!(morning_report(&world).await, report);
    assert_eq!(world.compact().await.months, 0, "nothing is left to compact");

    // Files replaced today are needed by readers who began before; a week later they go.
    assert_eq!(world.vacuum(24 * 7).await.files, 0);
    world.days_pass(8);
    assert!(world.vacuum(24 * 7).await.files > 0);
    assert_eq!(morning_report(&world).await, report);
    assert_eq!(world.line("SELECT count(*) FROM ier WHERE tier = 'hot'").await, "0");

    // Another process, years later, finds what we left.
    let later = world.another();
    assert_eq!(morning_report(&later).await, report);
    assert_eq!(later.line(STATE).await, "archive true true 4 false");
    let history = later.ask(&format!("SELECT sent_date FROM ier WHERE person_id = '{}' ORDER BY 1", contact_id(1))).await;
    assert_eq!(history, [["2026-08-06"], ["2026-08-20"]]);
    later.files_are_sound().await;
}

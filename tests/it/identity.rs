//! One person under all their ids: merges, conversions, aliases by hand, whoever asks by whatever they have.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ier::error::{Kind, Result};
use ier::jobs::alias::{AliasReport, AliasRequest, add};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::faults::scenes::Job;
use crate::fixture::Fixture;
use crate::races::{commit_to, held};
use crate::world::records::{Record, contact, contact_id, ier, lead, lead_id};
use crate::world::store::Mode;
use crate::world::{World, texts};

/// The ids of a person's mails, newest first.
async fn history(world: &World, who: &str) -> Vec<String> {
    let engine = world.engine().await.unwrap();
    let rows = texts(engine.history(who).await.unwrap_or_else(|error| panic!("{who}: {error}"))).await.unwrap();
    rows.into_iter().map(|mut row| row.remove(12)).collect()
}

/// The same by the table function, in the order they come.
async fn by_function(world: &World, id: &str) -> Vec<String> {
    let rows = world.ask(&format!("SELECT ier_id FROM contact_history('{id}')")).await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

fn mails(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| crate::world::records::ier_id(*number)).collect()
}

async fn alias(world: &World, from: &str, to: &str, reason: &str) -> Result<AliasReport> {
    let request =
        AliasRequest { alias_id: from.to_owned(), person_id: to.to_owned(), reason: reason.to_owned(), author: "ann".to_owned() };
    add(&world.warehouse, &request).await
}

/// Mails to contacts 1, 2 and 3 and to lead 4, a day each: mail n is the nth oldest.
async fn four_mails() -> World {
    let world = World::on("2026-11-01");
    let mail = |number: u32| ier(number).sent(&format!("2026-10-0{number} 08:00")).stamp("2026-10-10 00:00");
    let mails = [mail(1).contact(1), mail(2).contact(2), mail(3).contact(3), mail(4).lead(4)];
    world.load(&mails).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_twice_asked_by_the_oldest_losers_short_id() {
    let world = four_mails().await;
    assert_eq!(history(&world, &contact_id(1)).await, mails(&[1]), "one id, one mail");
    // 1 into 2 in the first export; 2 into 3 in the second, which shows no more of 1.
    world.load(&[contact(1).merged_into(2).stamp("2026-10-11 00:00"), contact(2).stamp("2026-10-11 00:00")]).await;
    assert_eq!(history(&world, &contact_id(1)).await, mails(&[2, 1]), "the same engine sees what was learned since");
    world.load(&[contact(2).merged_into(3).stamp("2026-10-30 00:00"), contact(3).stamp("2026-10-30 00:00")]).await;
    world.archive("2026-10-03").await;
    for number in [1, 2, 3] {
        for id in [contact_id(number)[..15].to_owned(), contact_id(number)] {
            assert_eq!(history(&world, &id).await, mails(&[3, 2, 1]), "{id}");
            assert_eq!(by_function(&world, &id).await, mails(&[3, 2, 1]), "{id}");
        }
    }
    assert_eq!(history(&world, &lead_id(4)).await, mails(&[4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converted_lead_and_a_deleted_contact() {
    let world = four_mails().await;
    world.load(&[lead(4).converted_into(1).stamp("2026-10-11 00:00")]).await;
    // The contact is deleted: its mail comes back without it.
    world.load(&[contact(1).set("IsDeleted", "true").stamp("2026-10-12 00:00")]).await;
    world.load(&[ier(1).set("Contact", "").sent("2026-10-01 08:00").stamp("2026-10-12 00:00")]).await;
    for id in [contact_id(1), lead_id(4)] {
        assert_eq!(history(&world, &id).await, mails(&[4, 1]), "{id}");
    }
    assert_eq!(
        world.ask(&format!("SELECT id, is_canonical, became_id, how FROM person_ids('{}')", lead_id(4))).await,
        [
            [contact_id(1), "true".into(), "-".into(), "-".into()],
            [lead_id(4), "false".into(), contact_id(1), "conversion".into()]
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_learned_is_never_forgotten_and_never_learned_twice() {
    const LEDGER: &str = "SELECT alias_id, person_id, how, learned_at, reason, author FROM person_alias";
    let world = four_mails().await;
    world.load(&[contact(1).merged_into(2).stamp("2026-10-11 00:00")]).await;
    let learned = world.ask(LEDGER).await;
    assert_eq!(learned, [[&contact_id(1), &contact_id(2), "merge", "2026-11-01T12:00:00Z", "-", "-"]]);
    // Undeleted, after the two weeks for which Salesforce shows the winner: nothing undoes a merge.
    world.days_pass(30);
    let undeleted = world.file("undeleted.csv", &[contact(1).stamp("2026-11-30 00:00")]);
    for _ in 0..2 {
        assert_eq!(world.load_files(std::slice::from_ref(&undeleted)).await.unwrap().aliases_learned, 0);
    }
    // Told again, much later: when it was first learned stays.
    let again = world.file("again.csv", &[contact(1).merged_into(2).stamp("2026-12-01 00:00")]);
    assert_eq!(world.load_files(&[again]).await.unwrap().aliases_learned, 0);
    assert_eq!(world.another().ask(LEDGER).await, learned);
    assert_eq!(history(&world, &contact_id(2)).await, mails(&[2, 1]));
    world.files_are_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_to_oneself_says_nothing() {
    let world = four_mails().await;
    let file = world.file("self.csv", &[contact(1).merged_into(1).stamp("2026-10-11 00:00")]);
    assert_eq!(world.load_files(&[file]).await.unwrap().aliases_learned, 0);
    assert_eq!(world.line("SELECT count(*) FROM person_alias").await, "0");
}

/// A load that stops anywhere, in the worst ways, leaves a ledger that the next load of contacts completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_load_learns_what_a_crash_left_out() {
    let world = four_mails().await;
    let merged =
        world.file("merged.csv", &[contact(1).merged_into(2).stamp("2026-10-11 00:00"), contact(2).stamp("2026-10-11 00:00")]);
    let mut crashed_between = 0;
    for mode in [Mode::AbortBefore, Mode::DoneButFailed] {
        for call in 1.. {
            let fork = world.fork(Some((call, mode)));
            let outcome = fork.store.process(fork.load_files(std::slice::from_ref(&merged))).await;
            let struck = fork.store.fault_struck();
            let after = fork.another();
            let (shown, known) = (
                after.line("SELECT count(*) FROM contact WHERE master_record_id IS NOT NULL").await,
                after.line("SELECT count(*) FROM person_alias").await,
            );
            crashed_between += u32::from(shown == "1" && known == "0");
            assert!(!matches!(outcome, Some(Ok(_))) || known == "1", "{mode:?} at {call}: a load that succeeds has learned");
            // The next load of contacts, another file.
            after.load(&[contact(3).stamp("2026-10-11 00:00")]).await;
            if shown == "1" {
                assert_eq!(history(&after, &contact_id(1)).await, mails(&[2, 1]), "{mode:?} at {call}");
            }
            after.load_files(std::slice::from_ref(&merged)).await.unwrap();
            assert_eq!(history(&after, &contact_id(1)).await, mails(&[2, 1]), "{mode:?} at {call}");
            assert_eq!(after.line("SELECT count(*) FROM person_alias").await, "1");
            if !struck {
                assert!(call > 5, "a load makes more calls than {call}");
                break;
            }
        }
    }
    assert!(crashed_between > 0, "no crash fell between contacts and ledger");
}

/// Two loads learn at once: no edge is lost, and of an edge both learn, the first to be written stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_loads_at_once_lose_no_edge() {
    let world = four_mails().await;
    let merged = contact(1).merged_into(2).stamp("2026-10-11 00:00");
    let file = world.file("held.csv", &[merged.clone(), contact(3).merged_into(2).stamp("2026-10-11 00:00")]);
    let job: Job = Arc::new(move |world: &World| {
        let file = file.clone();
        Box::pin(async move { world.load_files(&[file]).await.map(drop) })
    });
    let loading = held(&world, job, commit_to("reference/person_alias")).await;
    world.days_pass(1);
    let other = world.another();
    other.load(&[merged]).await;
    let lead = world.another();
    lead.load(&[self::lead(4).converted_into(2).stamp("2026-10-11 00:00")]).await;
    // What the held load would have dated a day earlier, the others found in the tables and wrote first.
    loading.goes_on().await.unwrap();
    let after = world.another();
    assert_eq!(
        after.ask("SELECT alias_id, person_id, how, to_char(learned_at, '%Y-%m-%d') FROM person_alias ORDER BY 1").await,
        [
            [&contact_id(1), &contact_id(2), "merge", "2026-11-02"],
            [&contact_id(3), &contact_id(2), "merge", "2026-11-02"],
            [&lead_id(4), &contact_id(2), "conversion", "2026-11-02"],
        ]
    );
    for id in [contact_id(1), contact_id(2), contact_id(3), lead_id(4)] {
        assert_eq!(history(&after, &id).await, mails(&[4, 3, 2, 1]), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_by_hand() {
    let world = four_mails().await;
    let added = alias(&world, &lead_id(4)[..15], &contact_id(1), " same badge ").await.unwrap();
    assert!(added.added && added.ids == [contact_id(1), lead_id(4)] && added.canonical_id == contact_id(1), "{added:?}");
    assert_eq!(history(&world, &lead_id(4)).await, mails(&[4, 1]));
    world.days_pass(1);
    let again = alias(&world, &lead_id(4), &contact_id(1), "another reason").await.unwrap();
    assert_eq!((again.added, again.reason.as_deref()), (false, Some("same badge")), "what was said first stays");
    assert_eq!(again.learned_at, added.learned_at);
    // The merge that Salesforce shows later is an edge of its own: both stand in the ledger.
    world.load(&[lead(4).converted_into(1).stamp("2026-10-11 00:00")]).await;
    let ledger = world.ask("SELECT how, reason, author FROM person_alias ORDER BY how").await;
    assert_eq!(ledger, [["conversion", "-", "-"], ["hand", "same badge", "ann"]]);

    alias(&world, &contact_id(1), &contact_id(2), "ticket").await.unwrap();
    alias(&world, &contact_id(2), &contact_id(3), "ticket").await.unwrap();
    let unlike = "003f40000000002AA";
    for (from, to, reason, says) in [
        (contact_id(3), contact_id(1), "r", format!("it is the other way round: {} became {}", contact_id(1), contact_id(2))),
        (contact_id(2), contact_id(2)[..15].to_owned(), "r", "is given twice".to_owned()),
        (contact_id(2), contact_id(5), " ", "needs a reason".to_owned()),
        (unlike.to_owned(), contact_id(5), "r", "this has 17".to_owned()),
        (contact_id(2), "ana@example.edu".to_owned(), "r", "is an e-mail address".to_owned()),
        (contact_id(2), crate::world::records::ier_id(1), "r", "begins with a0D".to_owned()),
    ] {
        let error = alias(&world, &from, &to, reason).await.unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(&says), "{error}");
    }
    assert_eq!(history(&world, &contact_id(3)).await, mails(&[4, 3, 2, 1]));
}

/// A ledger that has not changed is not read again, and a statement that does not ask for people does not even look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_is_read_once() {
    let world = four_mails().await;
    world.load(&[contact(1).merged_into(2).stamp("2026-10-11 00:00")]).await;
    let reader = world.another();
    let ledger_calls = || {
        let calls = reader.store.calls();
        calls.into_iter().filter(|call| call.path.contains("person_alias")).map(|call| call.what).collect::<Vec<_>>()
    };
    let people = "SELECT count(*) FROM person_ids('003f40000000001')";
    assert_eq!(reader.line(people).await, "2");
    let first = ledger_calls().len();
    assert_eq!(reader.line(people).await, "2");
    let second = ledger_calls();
    assert_eq!(second.len(), first + 2, "has it grown, and is what is known still there: {:?}", &second[first..]);
    reader.line("SELECT count(*) FROM ier").await;
    assert_eq!(ledger_calls().len(), second.len());
    world.load(&[contact(3).merged_into(2).stamp("2026-10-11 00:00")]).await;
    assert_eq!(reader.line(people).await, "3");
}

/// Merges, conversions and undeletes at random, in exports that show each merge only once, loaded in several orders: asking
/// by any id gives the whole person's history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_forest_answers_the_same_by_any_id() {
    const PEOPLE: u32 = 9;
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec((0..PEOPLE, 0..PEOPLE, 0u8..4), 6..10);
    for _ in 0..3 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let is_lead = |number: u32| number.is_multiple_of(3);
        let id = |number: u32| if is_lead(number) { lead_id(number) } else { contact_id(number) };
        let mut owner: BTreeMap<u32, u32> = (0..PEOPLE).map(|number| (number, number)).collect();
        let mut exports: Vec<Record> = Vec::new();
        for (minute, (loser, winner, kind)) in steps.into_iter().enumerate() {
            let stamp = format!("2026-10-11 00:{minute:02}");
            let (from, to) = (owner[&loser], owner[&winner]);
            if kind == 0 && !is_lead(loser) {
                // Undeleted: shown without its winner.
                exports.push(contact(loser).stamp(&stamp));
            } else if from != to && !is_lead(to) {
                let record = if is_lead(from) { lead(from).converted_into(to) } else { contact(from).merged_into(to) };
                exports.push(record.stamp(&stamp));
                owner.values_mut().filter(|owner| **owner == from).for_each(|owner| *owner = to);
            }
        }
        let world = World::on("2026-11-01");
        let mails: Vec<Record> = (0..PEOPLE)
            .map(|number| {
                let mail = ier(number).sent("2026-10-05 08:00").stamp("2026-10-10 00:00");
                if is_lead(number) { mail.lead(number) } else { mail.contact(number) }
            })
            .collect();
        world.load(&mails).await;
        let backwards = world.fork(None);
        for export in &exports {
            world.load(std::slice::from_ref(export)).await;
        }
        for export in exports.iter().rev() {
            backwards.load(std::slice::from_ref(export)).await;
        }
        for number in 0..PEOPLE {
            let own: BTreeSet<String> = owner
                .iter()
                .filter(|(_, owns)| **owns == owner[&number])
                .map(|(mail, _)| crate::world::records::ier_id(*mail))
                .collect();
            for world in [&world, &backwards] {
                let found = history(world, &id(number)).await;
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), own, "asked by {}", id(number));
            }
        }
        let counted = "SELECT count(DISTINCT canonical_person(person_id)) FROM ier";
        let people = owner.values().collect::<BTreeSet<_>>().len().to_string();
        assert_eq!((world.line(counted).await, backwards.line(counted).await), (people.clone(), people));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_address() {
    let fixture = Fixture::filled().await;
    fixture.archive().await;
    // The address of the record, of the merged one, of the lead, and in capitals: all are Ana.
    for address in ["ana.ortiz@example.edu", "ana.ortiz2@example.com", " ANA.O@example.com "] {
        let ana = fixture.engine.person(address).await.unwrap();
        assert_eq!(ana.canonical_id(), "003f40000000001AAA", "{address}");
        let ids: Vec<&str> = ana.ids().iter().map(|id| id.as_str()).collect();
        assert_eq!(ids, ["003f40000000001AAA", "003f40000000002AAA", "00Qf40000000001EAA"]);
        assert_eq!(ana.edges().len(), 2);
        let rows = texts(fixture.engine.history(address).await.unwrap()).await.unwrap();
        assert_eq!(rows.len(), 6, "{address}");
    }
    let nobody = fixture.engine.person("nobody@example.edu").await.map(drop).unwrap_err();
    assert_eq!(nobody.kind(), Kind::NotFound, "{nobody}");

    // Somebody whom only an e-mail names, and an address two share.
    fixture
        .load([
            fixture.file(
                "contact.csv",
                "Id,MasterRecordId,Name,Email\n003f40000000007,,Gil Moss,Office@example.edu\n003f40000000008,,Hana Moss,office@example.edu\n",
            ),
            fixture.file(
                "individual_email_result.csv",
                "Id,et4ae5__MergeId__c,et4ae5__Contact__c,et4ae5__Email__c,et4ae5__DateSent__c\n\
                 a0Df40000000077,M-77,003f40000000009,ivo@example.edu,2026-10-20T16:00:00.000Z\n",
            ),
        ])
        .await
        .unwrap();
    assert_eq!(fixture.engine.person("ivo@example.edu").await.unwrap().id().as_str(), "003f40000000009AAA");
    let shared = fixture.engine.person("office@example.edu").await.map(drop).unwrap_err();
    assert_eq!(shared.kind(), Kind::Invalid);
    assert_eq!(
        shared.to_string(),
        "2 people share the address office@example.edu; name one by id:\n  \
         003f40000000007AAA  Gil Moss  Office@example.edu\n  003f40000000008AAA  Hana Moss  office@example.edu"
    );
    // Two records of one person share it, too: then it is one person.
    let request = AliasRequest {
        alias_id: "003f40000000007".to_owned(),
        person_id: "003f40000000008".to_owned(),
        reason: "the same employee number".to_owned(),
        author: "ann".to_owned(),
    };
    add(&fixture.warehouse, &request).await.unwrap();
    assert_eq!(fixture.engine.person("office@example.edu").await.unwrap().canonical_id(), "003f40000000008AAA");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_words() {
    let fixture = Fixture::filled().await;
    fixture
        .load([fixture.file(
            "contact.csv",
            "Id,MasterRecordId,Name,FirstName,LastName,Email\n\
             003f40000000007,,José Núñez,José,Núñez,jn@example.edu\n003f40000000008,,,Zoë,Østergård,\n",
        )])
        .await
        .unwrap();
    let found = async |text: &str| {
        let found = fixture.engine.who(text, 50).await.unwrap();
        assert_eq!(found.found as usize, found.people.len());
        found.people.into_iter().map(|label| (label.id, label.name.unwrap_or_default(), label.other_ids)).collect::<Vec<_>>()
    };
    let ana = ("003f40000000001AAA".into(), "Ana Ortiz".into(), vec!["003f40000000002AAA".into(), "00Qf40000000001EAA".into()]);
    // By the winner's name, the loser's, the lead's address: one line, the winner's.
    for text in ["ORTIZ ana", "ana m.", "ana.o@", "ortiz2@example.com"] {
        assert_eq!(found(text).await, std::slice::from_ref(&ana), "{text}");
    }
    let jose: (String, String, Vec<String>) = ("003f40000000007AAA".into(), "José Núñez".into(), vec![]);
    for text in ["nunez", "JOSE núñez", "jn@example"] {
        assert_eq!(found(text).await, std::slice::from_ref(&jose), "{text}");
    }
    assert_eq!(found("zoe ostergard").await, [("003f40000000008AAA".to_owned(), "Zoë Østergård".to_owned(), vec![])]);
    assert!(found("ortiz reed").await.is_empty());
    let some = fixture.engine.who("example", 2).await.unwrap();
    assert_eq!((some.found, some.people.len()), (7, 2));
    assert!(some.to_string().ends_with("(7 people found, the first 2 shown: add words, or raise --limit)"), "{some}");
    assert_eq!(fixture.engine.who("  ", 2).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_loaded_into_the_ledger() {
    let fixture = Fixture::empty().await;
    let file = fixture.file("person_alias.csv", "alias_id,person_id,how\n003f40000000001,003f40000000002,merge\n");
    for table in [None, Some("person_alias"), Some("Person_Alias")] {
        let error = fixture.load_as([&file], table).await.unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains("kept by ier itself"), "{error}");
    }
    assert_eq!(fixture.ask("SELECT count(*) FROM person_alias").await, ["0"]);
}

/// A file of attributes may have the name of a function: each is found where it is meant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_may_be_called_as_a_function_is() {
    let world = four_mails().await;
    let file = world.text("contact_history.csv", &format!("ContactId,Field\n{},Email\n", contact_id(1)));
    world.load_files(&[file]).await.unwrap();
    assert_eq!(world.line("SELECT field FROM contact_history").await, "Email");
    let own = format!("SELECT count(*) > 0 FROM contact_history('{}')", contact_id(1));
    assert_eq!(world.line(&own).await, "true");
}

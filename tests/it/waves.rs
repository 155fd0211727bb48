//! What a look-up asks of a distant store: how many requests, and how many of them have to wait for one another.
//!
//! Every request takes 30 ms here, so that requests which need not wait do not; the longest chain of those that do is what
//! a look-up costs, however many months it spans.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use ier::audit::{About, Question, audit};
use ier::lake::log::root::Root;
use ier::lake::store::traffic::{Counted, Counts, Traffic};
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::tiers::warehouse::Warehouse;
use object_store::ObjectStore;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use crate::world::World;
use crate::world::records::{Record, contact_id, ier, link, send};

const REQUEST: Duration = Duration::from_millis(30);

/// Mails of so many months to one person, one a month, all but the newest archived.
async fn prepared(months: u32) -> World {
    let world = World::on("2026-11-01");
    let sent = |number: u32| format!("20{:02}-{:02}-10 08:00", 26 - (number + 2) / 12, 12 - (number + 2) % 12);
    let mails: Vec<_> = (0..months).map(|number| ier(number).contact(1).sent(&sent(number)).stamp("2026-10-20 00:00")).collect();
    world.load(&mails).await;
    world.load(&[link(1, 3).stamp("2026-10-20 00:00")]).await;
    world.archive("2026-09-15").await;
    world
}

/// The same objects, far away.
fn far(world: &World) -> (Arc<Warehouse>, Arc<Traffic>) {
    let traffic = Arc::<Traffic>::default();
    let wait = ThrottleConfig {
        wait_get_per_call: REQUEST,
        wait_list_per_call: REQUEST,
        wait_list_with_delimiter_per_call: REQUEST,
        wait_put_per_call: REQUEST,
        ..ThrottleConfig::default()
    };
    let near: Arc<dyn ObjectStore> = world.store.clone();
    let throttled: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(near, wait));
    let counted = Arc::new(Counted::new(throttled, traffic.clone(), false));
    let root = Root::open("memory:///", &Default::default()).expect("memory is always there").with_store(counted);
    (Warehouse::at(root, Arc::new(world.clock.clone())), traffic)
}

/// What was asked between two moments.
fn between(before: Counts, after: Counts) -> (u64, u64) {
    (after.reads + after.lists - before.reads - before.lists, after.longest_chain - before.longest_chain)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_takes_few_waves_however_many_months_it_spans() {
    for months in [6, 36] {
        let world = prepared(months).await;
        let (warehouse, traffic) = far(&world);
        let limits = Limits { statement: None, threads: 2, memory_bytes: 256 << 20, ..Limits::default() };
        let engine = Engine::open(warehouse, limits).await.expect("an engine");
        let opened = traffic.counts();
        let look_up = async || {
            let rows: Vec<_> = engine.history(&contact_id(1)).await.expect("an answer").try_collect().await.expect("rows");
            assert_eq!(rows.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), months as usize);
            traffic.counts()
        };
        let cold = look_up().await;
        let warm = look_up().await;
        let (open, cold, warm) = (between(Counts::default(), opened), between(opened, cold), between(cold, warm));
        println!("{months} months: (requests, waves) to open {open:?}, cold {cold:?}, warm {warm:?}");
        // What the logs of three tables have, and their entries; then whether each has grown, whether the entry known is still there,
        // footers, and pages.
        assert!(open.1 <= 2 && cold.1 <= 4, "a new process: {open:?} and {cold:?}");
        // Whether the three logs have grown, whether the entries known are still there, and the pages.
        assert!(warm.1 <= 3, "{warm:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_of_many_sends_takes_no_more_waves_than_that_of_one() {
    let mut asked = Vec::new();
    for count in [1, 30] {
        let world = prepared(6).await;
        let sends: Vec<Record> = (1..=count)
            .map(|number| send(number, 5).set("EmailName", "CU Connections").set("DateSent", "2026-06-10T08:00:00.000Z"))
            .collect();
        world.load(&sends).await;
        let (warehouse, traffic) = far(&world);
        let limits = Limits { statement: None, threads: 2, memory_bytes: 256 << 20, ..Limits::default() };
        let engine = Engine::open(warehouse, limits).await.expect("an engine");
        let person = engine.person(&contact_id(1)).await.expect("a person");
        let before = traffic.counts();
        let about = About::Text("connections".to_owned());
        let question = Question { about, from: None, to: None, as_of: None, zone: chrono_tz::America::Denver };
        let answer = audit(&engine, &person, question).await.expect("an answer");
        assert!(answer.sends.len() >= count as usize);
        asked.push(between(before, traffic.counts()));
    }
    println!("(requests, waves) of an audit of one send and of 30: {asked:?}");
    assert!(asked[1].1 <= asked[0].1, "{asked:?}");
}

//! Whoever looks somebody up is in the log, by whichever message they ask.

use futures::TryStreamExt;
use ier::ledgers::lookups::LookUpLog;
use ier::query::look_ups::Requester;
use tokio_postgres::types::Type;

use super::{Served, filled, limits, rows};
use crate::world::World;

const ANA: &str = "003f40000000001AAA";

async fn entries(world: &World) -> usize {
    let log = LookUpLog::open(&world.warehouse, "ana", None).await.unwrap();
    let mut entries = 0;
    log.read(|_| entries += 1).await.unwrap();
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_about_somebody_is_entered_and_what_is_only_described_is_not() {
    let world = filled().await;
    let requester = Requester { who: "ana".into(), key: None, reason: Some("ticket 4711".into()), reason_required: true };
    let served = Served::to(&world, limits(), requester).await;
    let client = served.client().await;
    let mut expected = 0;

    let of = "SELECT ier_id FROM ier WHERE person_id";
    let one = client.prepare(&format!("{of} = $1")).await.unwrap();
    let several = client.prepare_typed(&format!("{of} = ANY($1)"), &[Type::TEXT_ARRAY]).await.unwrap();
    assert_eq!(entries(&world).await, expected, "nobody was shown");
    for _ in 0..2 {
        client.query(&one, &[&ANA]).await.unwrap();
        expected += 1;
        assert_eq!(entries(&world).await, expected, "each time it is asked");
    }
    client.query(&several, &[&vec![ANA, "nobody"]]).await.unwrap();
    expected += 1;
    assert_eq!(entries(&world).await, expected, "a list");
    for sql in [
        format!("{of} = '{ANA}'"),
        format!("BEGIN; DECLARE c CURSOR FOR SELECT email_name FROM contact_history('{ANA}'); FETCH 1 FROM c; COMMIT"),
        format!("PREPARE p AS SELECT count(*) FROM person_ids('{ANA}'); EXECUTE p"),
    ] {
        rows(&client, &sql).await;
        expected += 1;
        assert_eq!(entries(&world).await, expected, "{sql}");
    }
    let copied = client.copy_out(&format!("COPY ({of} = '{ANA}') TO STDOUT")).await.unwrap();
    copied.try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(entries(&world).await, expected + 1, "COPY");
    rows(&client, "SELECT count(*) FROM ier").await;
    assert_eq!(entries(&world).await, expected + 1, "everybody is nobody");
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_reason_is_wanted_nobody_is_shown_without() {
    let world = filled().await;
    let requester = Requester { who: "ana".into(), key: None, reason: None, reason_required: true };
    let served = Served::to(&world, limits(), requester).await;
    let client = served.client().await;
    for sql in [format!("SELECT * FROM ier WHERE person_id = '{ANA}'"), format!("SELECT * FROM contact_history('{ANA}')")] {
        let error = client.simple_query(&sql).await.unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains("--reason"), "{error:?}");
    }
    assert_eq!(entries(&world).await, 0);
    assert_eq!(rows(&client, "SELECT count(*) FROM ier").await, ["3"]);
}

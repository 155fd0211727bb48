//! The org's own fields: what a file has and leaves empty, and what it does not have.

use std::path::PathBuf;

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_orgs_own_that_is_emptied_is_empty_and_one_the_file_lacks_stays() {
    let id = "a0Df40000000001EAA";
    let own = "SELECT custom_field(custom, 'Region__c'), custom_field(custom, 'Campus__c') FROM ier";
    // By the hour of the stamp: full, emptied, without the column, and one with a word for nothing.
    let versions = |fixture: &Fixture| -> Vec<PathBuf> {
        vec![
            fixture.file(
                "1.csv",
                format!("Id,MergeId,Region__c,Campus__c,SystemModstamp\n{id},m,West,Boulder,2026-08-06T11:00:00Z\n"),
            ),
            fixture.file("2.csv", format!("Id,MergeId,Region__c,SystemModstamp\n{id},m,,2026-08-06T12:00:00Z\n")),
            fixture
                .file("3.json", format!("{{\"Id\":\"{id}\",\"MergeId\":\"m\",\"SystemModstamp\":\"2026-08-06T13:00:00Z\"}}\n")),
            fixture.file(
                "4.json",
                format!("{{\"Id\":\"{id}\",\"MergeId\":\"m\",\"Campus__c\":null,\"SystemModstamp\":\"2026-08-06T10:00:00Z\"}}\n"),
            ),
        ]
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        let fixture = Fixture::empty().await;
        let files = versions(&fixture);
        for at in order {
            fixture.load([&files[at]]).await.unwrap();
        }
        assert_eq!(fixture.ask(own).await, ["- | Boulder"], "{order:?}");
    }
    let fixture = Fixture::empty().await;
    fixture.load(versions(&fixture)).await.unwrap();
    assert_eq!(fixture.ask(own).await, ["- | Boulder"], "at once");
}

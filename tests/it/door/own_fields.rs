//! The org's own fields: what a file has and leaves empty, and what it does not have.

use std::path::PathBuf;

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_orgs_own_that_is_emptied_is_empty_and_one_the_file_lacks_stays() {
    let id = "a0Df40000000001EAA";
    let own = "SELECT custom_field(custom, 'Region__c'), custom_field(custom, 'Campus__c') FROM ier";
    // By the hour of the stamp: full, emptied, without the column, and one with a word for nothing.
    let versions = |house: &House| -> Vec<PathBuf> {
        vec![
            house.file(
                "1.csv",
                format!("Id,MergeId,Region__c,Campus__c,SystemModstamp\n{id},m,West,Boulder,2026-08-06T11:00:00Z\n"),
            ),
            house.file("2.csv", format!("Id,MergeId,Region__c,SystemModstamp\n{id},m,,2026-08-06T12:00:00Z\n")),
            house.file("3.json", format!("{{\"Id\":\"{id}\",\"MergeId\":\"m\",\"SystemModstamp\":\"2026-08-06T13:00:00Z\"}}\n")),
            house.file(
                "4.json",
                format!("{{\"Id\":\"{id}\",\"MergeId\":\"m\",\"Campus__c\":null,\"SystemModstamp\":\"2026-08-06T10:00:00Z\"}}\n"),
            ),
        ]
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        let house = House::empty().await;
        let files = versions(&house);
        for at in order {
            house.load([&files[at]]).await.unwrap();
        }
        assert_eq!(house.ask(own).await, ["- | Boulder"], "{order:?}");
    }
    let house = House::empty().await;
    house.load(versions(&house)).await.unwrap();
    assert_eq!(house.ask(own).await, ["- | Boulder"], "at once");
}

use super::*;

fn known(key: &str, own: Option<&str>, names: &[&str], stored: bool) -> RecordNames {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    RecordNames { key: key.to_owned(), own: own.map(str::to_owned), names, former: Vec::new(), stored }
}

fn keys(records: &[OneRecord]) -> Vec<(&str, Vec<&str>)> {
    records.iter().map(|record| (record.key.as_str(), record.keys.iter().map(String::as_str).collect())).collect()
}

const ID: &str = "\u{2}a01";
const OTHER_ID: &str = "\u{2}a02";
const PLACE: &str = "\u{1}9\u{1}1\u{1}1\u{1}7";

#[test]
fn a_third_version_tells_that_two_are_one() {
    let mut all = vec![
        known(ID, None, &[ID], false),
        known(PLACE, None, &[PLACE, ID], false),
        known("m-1", Some("m-1"), &[PLACE], false),
        known(OTHER_ID, None, &[OTHER_ID], false),
    ];
    assert_eq!(keys(&records(all.clone())), [("m-1", vec![PLACE, ID, "m-1"])]);
    all.reverse();
    assert_eq!(keys(&records(all)), [("m-1", vec![PLACE, ID, "m-1"])]);
}

#[test]
fn two_records_with_keys_of_their_own_stay_two_whatever_they_share() {
    let two = [known("m-1", Some("m-1"), &[ID], true), known("m-2", Some("m-2"), &[ID], false)];
    assert_eq!(records(two.to_vec()), []);
    let with_third = [two.as_slice(), &[known(ID, None, &[ID], false)]].concat();
    assert_eq!(keys(&records(with_third)), [("m-1", vec![ID, "m-1"])], "what has no key goes to the lesser");
}

#[test]
fn a_record_stays_under_the_key_it_came_under() {
    let stored = known(ID, Some("m-1"), &[ID], true);
    let provided = known("m-1", Some("m-1"), &[OTHER_ID], false);
    let records = records(vec![provided, stored]);
    assert_eq!((records[0].key.as_str(), records[0].stored.as_slice()), (ID, [ID.to_owned()].as_slice()));
}

#[test]
fn a_former_id_still_leads_to_the_record() {
    let mut stored = known("m-1", Some("m-1"), &[OTHER_ID], true);
    stored.former.push(noted(ID));
    assert!(stored.goes_by(ID) && stored.goes_by(OTHER_ID) && !stored.goes_by(PLACE));
    assert_eq!(keys(&records(vec![known(ID, None, &[ID], false), stored])), [("m-1", vec![ID, "m-1"])]);
}

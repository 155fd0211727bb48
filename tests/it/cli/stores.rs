//! A store at the other end of a network, and what it may answer.

use super::*;
use crate::world::s3::S3Server;

/// `ier` for the warehouse in a bucket of the server; `changed` overrides an option, or takes it away.
fn run(room: &Room, server: &S3Server, warehouse: &str, changed: &[(&str, Option<&str>)], words: &[&str]) -> Output {
    let mut command = room.command(&[&["-w", warehouse], words].concat());
    let mut options = server.options();
    options.insert("retry_secs".to_owned(), "1".to_owned());
    for (option, value) in changed {
        options.remove(*option);
        options.extend(value.map(|value| ((*option).to_owned(), value.to_owned())));
    }
    command.envs(options.iter().map(|(option, value)| (format!("IER_STORE_{}", option.to_ascii_uppercase()), value)));
    command.output().unwrap()
}

const LOAD: [&str; 2] = ["load", "data/contact.csv"];

#[test]
fn what_a_store_refuses_is_reported_as_what_it_is() {
    let (room, server) = (Room::new(), S3Server::start());
    server.fill("university", &[]);
    let plain = server.endpoint();
    for (warehouse, changed, exit, says) in [
        ("s3://universty/ier", &[][..], 3, "the bucket is not there: make it first"),
        ("s3://university/ier", &[("aws_secret_access_key", Some("wrong"))], 2, "look at its keys"),
        ("s3://university/ier", &[("aws_access_key_id", Some("nobody"))], 2, "look at its keys"),
        ("s3://university/ier", &[("aws_allow_http", None)], 2, "allow it with aws_allow_http = \"true\""),
        ("s3://university/ier", &[("aws_endponnt", Some(&plain))], 2, "did you mean aws_endpoint?"),
        ("s3://university/ier", &[("aws_conditional_put", Some("disabled"))], 2, "conditional puts are switched off"),
        ("s3://university/ier", &[("retry_secs", Some("soon"))], 2, "give a number of seconds from 0 to 240"),
        ("s3://university/ier", &[("aws_access_key_id", None), ("aws_secret_access_key", None)], 2, "there are no credentials"),
    ] {
        let reported = run(&room, &server, warehouse, changed, &LOAD);
        assert_eq!(code(&reported), exit, "{changed:?}: {}", err(&reported));
        assert!(err(&reported).contains(says), "{warehouse} {changed:?}: {}", err(&reported));
        assert!(!err(&reported).contains("<?xml"), "{}", err(&reported));
    }
    let loaded = run(&room, &server, "s3://university/ier", &[], &LOAD);
    assert!(loaded.status.success(), "{}", err(&loaded));
}

#[test]
fn a_store_that_is_away_for_a_while_is_waited_for() {
    let (room, server) = (Room::new(), S3Server::start());
    server.fill("university", &[]);
    // More than the client would try by itself.
    server.away("university", 12);
    let loaded = run(&room, &server, "s3://university/ier", &[("retry_secs", None)], &LOAD);
    assert!(loaded.status.success(), "{}", err(&loaded));
    server.away("university", usize::MAX);
    let reported = run(&room, &server, "s3://university/ier", &[], &LOAD);
    assert_eq!(code(&reported), 5, "{}", err(&reported));
}

#[test]
fn a_store_that_deletes_one_by_one_is_emptied_one_by_one() {
    let (room, server) = (Room::new(), S3Server::start());
    server.fill("university", &[]);
    server.deletes_singly("university");
    let at = |words: &[&str]| run(&room, &server, "s3://university/ier", &[], words);
    for _ in 0..2 {
        let loaded = at(&["load", "data", "--rejects", "/dev/null"]);
        assert!(loaded.status.success(), "{}", err(&loaded));
    }
    let erased = at(&["erase", "003f40000000003", "--reason", "asked for it", "--confirm"]);
    assert!(erased.status.success(), "{}{}", out(&erased), err(&erased));
    let verified = at(&["verify", "--erased", "003f40000000003"]);
    assert!(verified.status.success(), "{}{}", out(&verified), err(&verified));
    let requests = server.requests("university");
    assert!(requests.contains(&hyper::Method::DELETE), "{requests:?}");
}

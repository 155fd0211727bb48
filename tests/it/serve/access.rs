//! Who may come in, and what each role is for, on each way that Postgres' protocol has.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::TryStreamExt;
use ier::clock::SystemClock;
use ier::ledgers::lookups::LookUpLog;
use ier::query::policy::masks::Masks;
use ier::serve::access::users::Users;
use ier::serve::access::{Access, Role};
use tempfile::TempDir;
use tokio_postgres::Client;

use super::{Served, client, code, limits, rows, rows_of};
use crate::world::World;
use crate::world::records::{Record, contact, id, ier, link, send};

pub const ANA: &str = "003f40000000001AAA";

/// Some records of two business units, with addresses and names that only some may see.
pub async fn filled() -> World {
    let world = World::on("2026-08-06");
    let unit = |number: u32, name: &str, mid: &str| {
        Record::default().set("Id", id("a0U", number)).set("Name", name).set("Business_Unit_ID", mid).set("Enabled", "true")
    };
    let of = |number: u32, address: &str| ier(number).set("Email", address.to_owned());
    world
        .load(&[
            of(1, "ana.ortiz@example.edu").of_send(1).sent("2026-08-01 12:00").opened("2026-08-01 13:30").clicks(3, 2),
            of(2, "ana.ortiz@example.edu").of_send(2).sent("2026-08-02 12:00"),
            of(3, "secret.person@hidden.example.org").of_send(2).sent("2026-08-03 12:00").opened("2026-08-03 13:00"),
        ])
        .await;
    world.load(&[link(1, 1).set("LinkURL", "https://example.edu/u?e=ana.ortiz@example.edu")]).await;
    let units = [unit(1, "Law School", "7201"), unit(2, "Medicine", "7202")];
    world.load(&units).await;
    let of_unit = |number: u32| send(number, 3).set("Business_Unit", id("a0U", number));
    world.load(&[of_unit(1), of_unit(2)]).await;
    let person = |number: u32, first: &str, address: &str| {
        contact(number).set("FirstName", first.to_owned()).set("LastName", "Ortiz").set("Email", address.to_owned())
    };
    world.load(&[person(1, "Ana", "ana.ortiz@example.edu"), person(2, "Bob", "bob@example.org")]).await;
    world
}

/// Users in a file, and a token for each.
pub struct People {
    folder: TempDir,
    pub users: Users,
    pub tokens: Vec<(String, String)>,
}

impl People {
    /// One of each role, and an analyst of one unit.
    pub fn of_each_role() -> Self {
        let mut people = Self { folder: tempfile::tempdir().unwrap(), users: Users::new(), tokens: Vec::new() };
        for (name, role, units) in [
            ("ana", Role::Analyst, &[][..]),
            ("lea", Role::Analyst, &["Law School"]),
            ("aud", Role::Auditor, &[]),
            ("opa", Role::Operator, &[]),
            ("pia", Role::PrivacyOfficer, &[]),
        ] {
            let units = units.iter().map(|unit| (*unit).to_owned()).collect();
            people.users.add(name, role, units, Masks::default()).unwrap();
            let (_, token) = people.users.new_token(name, None, Utc::now(), None).unwrap();
            people.tokens.push((name.to_owned(), token.shown().to_owned()));
        }
        people.users.write(&people.path(), None).unwrap();
        people.users = Users::read(&people.path()).unwrap();
        people
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("users.toml")
    }

    pub fn access(&self) -> Access {
        Access::listed(&self.path(), Arc::new(SystemClock), Arc::new(|_| {})).unwrap()
    }

    pub fn token(&self, name: &str) -> &str {
        &self.tokens.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Changes the file.
    pub fn change(&mut self, change: impl FnOnce(&mut Users)) {
        let before = self.users.clone();
        change(&mut self.users);
        self.users.write(&self.path(), Some(&before)).unwrap();
        self.users = Users::read(&self.path()).unwrap();
    }

    pub async fn serve(&self, world: &World) -> Served {
        Served::to_those(Served::engine(world).await, self.access(), self.token("ana"), limits()).await
    }

    pub async fn client(&self, served: &Served, name: &str) -> Client {
        let mut config = served.config();
        config.user(name).password(self.token(name));
        client(&config).await.unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }
}

async fn refused(served: &Served, name: &str, password: &str) -> String {
    let mut config = served.config();
    config.user(name).password(password);
    let Err(error) = client(&config).await else { panic!("they are refused") };
    let error = error.as_db_error().expect("a word").clone();
    format!("{} {} {}", error.severity(), error.code().code(), error.message().replace(name, "?"))
}

/// What a statement answers on each way, which must be the same: text, or the SQLSTATE of its failure.
async fn on_all_ways(client: &Client, sql: &str) -> String {
    let state = |error: tokio_postgres::Error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned());
    let simple = async |sql: String| match client.simple_query(&sql).await {
        Ok(messages) => Ok(rows_of(messages).join("; ")),
        Err(error) => Err(state(error)),
    };
    let plain = simple(sql.to_owned()).await;
    let expected = plain.clone().unwrap_or_else(|code| code);
    let again = simple(format!("PREPARE p AS {sql}; EXECUTE p")).await.unwrap_or_else(|code| code);
    drop(client.simple_query("DEALLOCATE ALL").await);
    assert_eq!(again, expected, "PREPARE {sql}");
    let cursor =
        simple(format!("DECLARE c CURSOR WITH HOLD FOR {sql}; FETCH ALL FROM c; CLOSE c")).await.unwrap_or_else(|code| code);
    drop(client.simple_query("CLOSE ALL").await);
    assert_eq!(cursor, expected, "cursor of {sql}");
    let extended = match client.query(sql, &[]).await {
        Ok(rows) => Ok(rows.len()),
        Err(error) => Err(state(error)),
    };
    let count = |plain: &str| if plain.is_empty() { 0 } else { plain.split("; ").count() };
    assert_eq!(extended, plain.as_deref().map(count).map_err(Clone::clone), "extended {sql}");
    let copied = match client.copy_out(&format!("COPY ({sql}) TO STDOUT")).await {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.map_err(state).map(|parts| parts.concat()),
        Err(error) => Err(state(error)),
    };
    let copied = copied
        .map(|bytes| String::from_utf8(bytes).unwrap().trim_end().replace("\\N", "-").replace('\t', " ").replace('\n', "; "));
    assert_eq!(copied.unwrap_or_else(|code| code), expected, "COPY {sql}");
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cell_of_the_table_of_roles_holds_on_each_way() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let many = "SELECT count(*), count(DISTINCT person_id) FROM ier";
    let addresses = "SELECT current_email FROM ier ORDER BY ier_id";
    let names = "SELECT first_name, email FROM contact ORDER BY id";
    let history = format!("SELECT current_email FROM contact_history('{ANA}')");
    let by_id = format!("SELECT current_email FROM ier WHERE person_id = '{ANA}'");
    let domains = "example.edu; example.edu; hidden.example.org";
    let raw = "ana.ortiz@example.edu; ana.ortiz@example.edu; secret.person@hidden.example.org";
    for (name, reason, expected) in [
        ("ana", "", ["3", domains, "- example.edu; - example.org", "42501", "42501"]),
        ("ana", "why", ["3", domains, "- example.edu; - example.org", "42501", "42501"]),
        ("lea", "", ["1", "example.edu", "- example.edu; - example.org", "42501", "42501"]),
        ("aud", "", ["3", domains, "- example.edu; - example.org", "42501", "42501"]),
        ("aud", "ticket 1", ["3", domains, "- example.edu; - example.org", "", ""]),
        ("opa", "", ["42501", "42501", "42501", "42501", "42501"]),
        ("opa", "why", ["42501", "42501", "42501", "42501", "42501"]),
        ("pia", "", ["3", raw, "Ana ana.ortiz@example.edu; Bob bob@example.org", "42501", "42501"]),
        ("pia", "ticket 2", ["3", raw, "Ana ana.ortiz@example.edu; Bob bob@example.org", "", ""]),
    ] {
        let client = people.client(&served, name).await;
        client.batch_execute(&format!("SET ier.reason = '{reason}'")).await.unwrap();
        for (sql, expected) in [many, addresses, names, &history, &by_id].iter().zip(expected) {
            let reported = on_all_ways(&client, sql).await;
            let reported = if *sql == many { reported.split(' ').next().unwrap_or_default() } else { reported.as_str() };
            assert_eq!(reported, expected, "{name} ({reason}): {sql}");
        }
    }
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_whom_they_look_up_and_the_log_has_their_name_and_reason() {
    let world = World::on("2026-08-06");
    let mail = ier(1).sent("2026-08-01 12:00").set("Contact", ANA).set("Email", "ana.ortiz@example.edu");
    world.load(&[mail]).await;
    let people = People::of_each_role();
    let served = people.serve(&world).await;
    let client = people.client(&served, "aud").await;
    let history = format!("SELECT current_email FROM contact_history('{ANA}')");
    let error = client.simple_query(&history).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("SET ier.reason"), "{error:?}");
    client.batch_execute("SET ier.reason = 'ticket 4711'").await.unwrap();
    assert_eq!(rows(&client, &history).await, ["ana.ortiz@example.edu"]);
    // A condition on somebody is a look-up; what is seen of many is masked all the same.
    assert_eq!(rows(&client, &format!("SELECT current_email FROM ier WHERE person_id = '{ANA}'")).await, ["example.edu"]);
    let analyst = people.client(&served, "ana").await;
    assert_eq!(code(&analyst, &history).await, "42501");
    assert_eq!(code(&analyst, &format!("SELECT * FROM person_ids('{ANA}')")).await, "42501");
    let log = LookUpLog::open(&world.warehouse, "reader", None).await.unwrap();
    let mut entries = Vec::new();
    log.read(|entry| entries.push(format!("{entry:?}"))).await.unwrap();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(entries.iter().all(|entry| entry.contains("\"aud\"") && entry.contains("ticket 4711")), "{entries:?}");
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_those_who_may_not_come_are_told_the_same_after_the_same_time() {
    let (world, mut people) = (filled().await, People::of_each_role());
    people.change(|users| {
        users.known("opa").unwrap().disabled = true;
        users.known("pia").unwrap().tokens[0].expires = Some(Utc::now() - chrono::Duration::days(1));
        users.known("lea").unwrap().tokens.clear();
    });
    let served = people.serve(&world).await;
    let mut told = Vec::new();
    let mut took = Vec::new();
    for (name, password) in [
        ("ana", "0000000000000000000000000000000000000000"),
        ("bob", people.token("ana")),
        ("opa", people.token("opa")),
        ("pia", people.token("pia")),
        ("lea", people.token("lea")),
    ] {
        let began = Instant::now();
        told.push(refused(&served, name, password).await);
        took.push(began.elapsed());
    }
    assert!(told.iter().all(|told| told == "FATAL 28P01 password authentication failed for user \"?\""), "{told:?}");
    let (least, most) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    assert!(*most < *least + Duration::from_millis(500), "{took:?}");
    // Another of somebody's tokens is as good as the first.
    let mut second = String::new();
    people.change(|users| second = users.new_token("ana", Some("laptop"), Utc::now(), None).unwrap().1.shown().to_owned());
    let mut config = served.config();
    config.user("ana").password(&second);
    assert_eq!(rows(&client(&config).await.unwrap(), "SELECT count(*) FROM ier").await, ["3"]);
    served.stops().await;
}

/// Guesses until it is too often, which is after ten, or a few more where they took their time.
async fn until_refused(served: &Served, name: &str) {
    for guesses in 0..20 {
        let told = refused(served, name, "guess").await;
        if told.contains("28000 too many failed attempts") {
            assert!(guesses >= 10, "{name}: refused after {guesses}");
            return;
        }
        assert!(told.contains("28P01"), "{told}");
    }
    panic!("{name} guesses on and on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_too_often_waits() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    until_refused(&served, "aud").await;
    for password in ["guess", people.token("aud")] {
        assert!(refused(&served, "aud", password).await.contains("28000 too many failed attempts"));
    }
    // Whoever is not there waits alike, and others do not wait.
    until_refused(&served, "nobody").await;
    assert_eq!(rows(&people.client(&served, "ana").await, "SELECT 1").await, ["1"]);
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_out_at_their_next_statement() {
    let (world, mut people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let (ana, aud) = (people.client(&served, "ana").await, people.client(&served, "aud").await);
    assert_eq!(rows(&ana, "SELECT count(*) FROM ier").await, ["3"]);
    people.change(|users| users.known("ana").unwrap().disabled = true);
    assert_eq!(code(&ana, "SELECT count(*) FROM ier").await, "57P01");
    assert_eq!(rows(&aud, "SELECT count(*) FROM ier").await, ["3"]);
    // A role that has changed is another role: they log in again.
    people.change(|users| users.known("aud").unwrap().role = Role::Operator);
    assert_eq!(code(&aud, "SELECT count(*) FROM ier").await, "57P01");
    assert_eq!(code(&people.client(&served, "aud").await, "SELECT count(*) FROM ier").await, "42501");
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_two_people_do_not_cross() {
    let (world, people) = (filled().await, People::of_each_role());
    let served = people.serve(&world).await;
    let (ana, pia) = (people.client(&served, "ana").await, people.client(&served, "pia").await);
    pia.batch_execute("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT current_email FROM ier; COMMIT").await.unwrap();
    pia.batch_execute("PREPARE q AS SELECT current_email FROM ier").await.unwrap();
    pia.batch_execute("SET ier.reason = 'mine'").await.unwrap();
    assert_eq!(code(&ana, "FETCH 1 FROM c").await, "34000");
    assert_eq!(code(&ana, "EXECUTE q").await, "26000");
    assert_eq!(rows(&ana, "SHOW ier.reason").await, [""]);
    // A reason that is set for a transaction, or forgotten, is no reason later.
    let aud = people.client(&served, "aud").await;
    let history = format!("SELECT 1 FROM contact_history('{ANA}')");
    aud.batch_execute(&format!("BEGIN; SET LOCAL ier.reason = 'now'; {history}; COMMIT")).await.unwrap();
    assert_eq!(code(&aud, &history).await, "42501");
    aud.batch_execute("SET ier.reason = 'x'; DISCARD ALL").await.unwrap_or(());
    aud.batch_execute("RESET ALL").await.unwrap();
    assert_eq!(code(&aud, &history).await, "42501");
    served.stops().await;
}

#[tokio::test]
async fn a_broken_file_serves_nobody_at_the_start_and_those_of_before_later() {
    let (world, people) = (filled().await, People::of_each_role());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let tell = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
    let access = Access::listed(&people.path(), Arc::new(SystemClock), tell.clone()).unwrap();
    let served = Served::to_those(Served::engine(&world).await, access, people.token("ana"), limits()).await;
    std::fs::write(people.path(), "nonsense").unwrap();
    assert_eq!(rows(&people.client(&served, "ana").await, "SELECT 1").await, ["1"]);
    assert_eq!(told.lock().unwrap().len(), 1);
    assert!(Access::listed(&people.path(), Arc::new(SystemClock), tell).is_err());
    served.stops().await;
}

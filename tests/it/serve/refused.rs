//! What is refused: by raw bytes, as an attacker sends them. Each of these connections ends with FATAL or without a word, and none with a row.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Served, USER, client, rows};

const SOON: Duration = Duration::from_secs(20);

fn startup(user: &str, database: &str) -> Vec<u8> {
    let body = format!("user\0{user}\0database\0{database}\0\0");
    [&(body.len() as u32 + 8).to_be_bytes()[..], &196_608_u32.to_be_bytes(), body.as_bytes()].concat()
}

fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    [&[letter][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn first_of_scram() -> Vec<u8> {
    let said = b"n,,n=,r=abcdefghijklmnop";
    message(b'p', &[b"SCRAM-SHA-256\0", &(said.len() as u32).to_be_bytes()[..], said].concat())
}

const SSL: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Everything that comes until the server ends the connection, which it must.
async fn reported(served: &Served, sent: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let mut all = Vec::new();
    let exchange = async {
        for part in sent {
            // What was refused before may have ended it already.
            if stream.write_all(part).await.is_err() {
                break;
            }
        }
        drop(stream.read_to_end(&mut all).await);
    };
    timeout(SOON, exchange).await.expect("the connection is ended");
    all
}

/// The SQLSTATEs of the errors in what was told, and whether there was a row or an invitation to ask.
fn states(reported: &[u8]) -> (Vec<String>, bool) {
    let (mut states, mut is_in, mut at) = (Vec::new(), false, 0);
    // The answer to SSLRequest is one letter.
    at += usize::from(reported.first() == Some(&b'N'));
    while reported.len() >= at + 5 {
        let length = u32::from_be_bytes(reported[at + 1..at + 5].try_into().unwrap()) as usize;
        let body = &reported[at + 5..(at + 1 + length).min(reported.len())];
        match reported[at] {
            b'E' => {
                let text = String::from_utf8_lossy(body);
                let field = |letter| text.split('\0').find_map(|field| field.strip_prefix(letter)).unwrap_or_default().to_owned();
                states.push(format!("{} {}", field('S'), field('C')));
            }
            b'D' | b'Z' => is_in = true,
            _ => {}
        }
        at += 1 + length;
    }
    (states, is_in)
}

async fn is_refused(served: &Served, sent: &[&[u8]], expected: &str) {
    let reported = reported(served, sent).await;
    assert_eq!(states(&reported), (vec![expected.to_owned()], false), "{}", String::from_utf8_lossy(&reported));
}

/// A connection that has logged in, for those who speak in bytes.
pub async fn logged_in(address: SocketAddr, user: &str, password: &str) -> TcpStream {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    stream.write_all(&startup(user, "ier")).await.unwrap();
    let body = next(&mut stream).await;
    assert!(body.ends_with(b"SCRAM-SHA-256\0\0"), "{body:?}");
    let said = scram.message().to_vec();
    let first = [b"SCRAM-SHA-256\0", &(said.len() as u32).to_be_bytes()[..], &said].concat();
    stream.write_all(&message(b'p', &first)).await.unwrap();
    scram.update(&next(&mut stream).await[4..]).unwrap();
    stream.write_all(&message(b'p', scram.message())).await.unwrap();
    scram.finish(&next(&mut stream).await[4..]).unwrap();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        if head[0] == b'Z' {
            return stream;
        }
    }
}

/// The next message's body.
async fn next(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
    stream.read_exact(&mut body).await.unwrap();
    body
}

#[tokio::test]
async fn nobody_asks_before_they_have_proved_who_they_are() {
    let served = Served::usual().await;
    let query = message(b'Q', b"SELECT count(*) FROM ier\0");
    // A question instead of a start is a start of some length that no start has.
    is_refused(&served, &[&query], "FATAL 08P01").await;
    is_refused(&served, &[&startup(USER, "ier"), &query], "FATAL 08P01").await;
    is_refused(&served, &[&startup(USER, "ier"), &first_of_scram(), &query], "FATAL 08P01").await;
    let wrong = message(b'p', b"c=biws,r=abcdefghijklmnop,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    is_refused(&served, &[&startup(USER, "ier"), &first_of_scram(), &wrong, &query, &query], "FATAL 28P01").await;
    let other = message(b'p', b"SCRAM-SHA-256-PLUS\0\0\0\0\0");
    is_refused(&served, &[&startup(USER, "ier"), &other, &query], "FATAL 08P01").await;
    let bound = b"p=tls-server-end-point,,n=,r=abc";
    let bound = message(b'p', &[b"SCRAM-SHA-256\0", &(bound.len() as u32).to_be_bytes()[..], bound].concat());
    is_refused(&served, &[&startup(USER, "ier"), &bound, &query], "FATAL 08P01").await;
    for cut in [&b""[..], b"SCRAM-SHA-256\0\0", b"SCRAM-SHA-256\0\x7f\xff\xff\xff"] {
        is_refused(&served, &[&startup(USER, "ier"), &message(b'p', cut), &query], "FATAL 08P01").await;
    }
    assert_eq!(rows(&served.client().await, "SELECT count(*) FROM ier").await, ["3"]);
}

#[tokio::test]
async fn a_stranger_is_told_the_same_as_who_has_a_wrong_password() {
    let served = Served::usual().await;
    let mut refused = Vec::new();
    for (user, password) in [("bob", served.password.as_str()), (USER, "guess"), ("postgres", "")] {
        let mut config = served.config();
        config.user(user).password(password);
        let error = client(&config).await.err().unwrap();
        refused.push(error.as_db_error().unwrap().message().replace(user, "?"));
    }
    assert!(refused.iter().all(|reported| reported == "password authentication failed for user \"?\""), "{refused:?}");
    let mut elsewhere = served.config();
    elsewhere.dbname("postgres");
    assert_eq!(client(&elsewhere).await.err().unwrap().code().unwrap().code(), "3D000");
    let mut strange = served.config();
    strange.options("-c datafusion.execution.batch_size=1");
    assert_eq!(client(&strange).await.err().unwrap().code().unwrap().code(), "42704");
}

#[tokio::test]
async fn what_is_sent_behind_a_request_for_tls_is_not_read_as_if_it_were_encrypted() {
    let served = Served::usual().await;
    let ahead = [&SSL[..], &startup(USER, "ier")].concat();
    is_refused(&served, &[&ahead], "FATAL 08P01").await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&SSL).await.unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"N");
}

#[tokio::test]
async fn nobody_sends_much_before_login() {
    let served = Served::usual().await;
    let huge = [&b"P\x3f\xff\xff\xff"[..], &vec![b'x'; 100_000]].concat();
    is_refused(&served, &[&huge], "FATAL 08P01").await;
    is_refused(&served, &[&startup(USER, "ier"), &huge], "FATAL 08P01").await;
    let long = [&(80_000_u32).to_be_bytes()[..], &196_608_u32.to_be_bytes(), &vec![b'x'; 79_992]].concat();
    is_refused(&served, &[&long], "FATAL 08P01").await;
    // Many small messages are no way around it.
    let many: Vec<u8> = SSL.repeat(10_000);
    let (refused, is_in) = states(&reported(&served, &[&many]).await);
    assert!(!is_in && refused.iter().all(|state| state.starts_with("FATAL")));
    assert_eq!(rows(&served.client().await, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn who_says_nothing_is_sent_away_and_keeps_nobody_out() {
    let served = Served::usual().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    assert_eq!(rows(&served.client().await, "SELECT 1").await, ["1"]);
    let began = Instant::now();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(30), silent[0].read_to_end(&mut rest)).await.expect("it is sent away").unwrap();
    assert_eq!(states(&rest), (vec!["FATAL 08006".to_owned()], false));
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[tokio::test]
async fn another_sessions_statement_is_not_stopped_by_a_guess() {
    let served = Served::usual().await;
    let session = served.client().await;
    let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let counting = tokio::spawn(async move { rows(&session, "SELECT count(*) FROM generate_series(1, 20000000) AS a(x)").await });
    for key in 0..20_u32 {
        let guess = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &pid.to_be_bytes(), &key.to_be_bytes()].concat();
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(&guess).await.unwrap();
    }
    assert_eq!(counting.await.unwrap(), ["20000000"]);
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection_and_nothing_else() {
    let served = Served::usual().await;
    for (sent, state) in [
        (message(b'!', b""), "FATAL 08P01"),
        (message(b'Q', b"no end"), "FATAL 08P01"),
        (message(b'B', b"\0\0\0\0\xff\xff"), "FATAL 08P01"),
        (b"Q\0\0\0\x01".to_vec(), "FATAL 08P01"),
        (b"Q\x7f\xff\xff\xff".to_vec(), "FATAL 08P01"),
        (message(b'Q', b"SELECT '\xff'\0"), "FATAL 22021"),
        (message(b'p', b"again"), "FATAL 08P01"),
    ] {
        let mut stream = logged_in(served.address, USER, &served.password).await;
        stream.write_all(&sent).await.unwrap();
        let mut rest = Vec::new();
        timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is ended").unwrap();
        assert_eq!(states(&rest), (vec![state.to_owned()], false), "{sent:?}");
    }
    // After an error of a step all is passed over until the client has noticed.
    let mut stream = logged_in(served.address, USER, &served.password).await;
    let steps = [message(b'P', b"\0SELEC\0\0\0"), message(b'Q', b"SELECT 1\0")].concat();
    stream.write_all(&steps).await.unwrap();
    stream.write_all(&message(b'X', b"")).await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(states(&rest), (vec!["ERROR 42601".to_owned()], false));
}

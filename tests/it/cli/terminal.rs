//! The shell at a terminal of 80 columns, as a person who knows `psql` meets it. `script` (of util-linux) lends the terminal.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::sync::mpsc;

use super::*;

/// A shell at a terminal: what is typed, and what was seen so far.
struct Terminal {
    child: std::process::Child,
    seen: String,
    more: mpsc::Receiver<Vec<u8>>,
}

/// How long it may take until something is seen, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

impl Terminal {
    fn of(room: &Room, variables: &[(&str, &str)]) -> Self {
        let shell = format!("stty cols 80 rows 24; exec {} sql", env!("CARGO_BIN_EXE_ier"));
        let mut command = Command::new("script");
        command.args(["-q", "-c", &shell, "/dev/null"]).current_dir(room.path()).env_clear();
        command.env("HOME", room.path()).env("USER", "tester").env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        command.envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script, of util-linux");
        let (sender, more) = mpsc::channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, seen: String::new(), more }
    }

    fn types(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits until this is seen, and returns what was seen up to its end.
    fn sees(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.more.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen += &plain(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} is not seen in {:?}", self.seen),
            }
        }
    }

    /// Types a line and waits for what it brings, and for the next prompt.
    fn asks(&mut self, line: &str, until: &str) -> String {
        self.types(&format!("{line}\n"));
        let seen = self.sees(until);
        self.sees("ier> ");
        seen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Without what moves the cursor.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => while rest.next().is_some_and(|character| !character.is_ascii_alphabetic()) {},
            '\r' => {}
            character => plain.push(character),
        }
    }
    plain
}

fn loaded() -> Room {
    let room = Room::new();
    let loaded = room.run(&["load", "data", "--rejects", "r.csv"]);
    assert!(loaded.status.success(), "{}", err(&loaded));
    room
}

#[test]
fn an_hour_at_the_shell_for_somebody_who_knows_psql() {
    let room = loaded();
    let mut shell = Terminal::of(&room, &[]);
    shell.sees("ier> ");
    // What is wider than the terminal fits, and says what it leaves out.
    let wide = shell.asks("SELECT * FROM ier ORDER BY ier_id LIMIT 2;", "(2 rows)");
    assert!(wide.lines().all(|line| line.chars().count() <= 80), "{wide}");
    assert!(wide.contains("columns left out; --format record, or \\x in the shell"), "{wide}");
    shell.asks("\\x auto", "where a table would be wider");
    let record = shell.asks("SELECT * FROM ier ORDER BY ier_id LIMIT 1;", "(1 row)");
    assert!(record.contains("-[ RECORD 1 ]") && record.contains("\ncustom "), "{record}");
    assert!(shell.asks("SELECT 1 AS one;", "(1 row)").contains("\n one\n-----\n   1\n"), "what fits is a table");
    shell.asks("\\x off", "as a table");
    assert!(shell.asks("\\dv rates", "rates_by_send").contains("rates_by_month"));
    assert!(shell.asks("\\df open_rate", "open_rate(").contains("click_to_open_rate"));
    assert!(shell.asks("\\d contact", "has_opted_out_of_email").contains("last_name"));
    shell.asks("\\copy x", "ier sql -o FILE");
    shell.asks("help", "\\? for help");
    shell.asks("\\timing", "timing is on");
    shell.asks("SELECT 2 AS two;", "Time: ");
    shell.asks("\\timing off", "timing is off");
    // A comment that is open, and a quote, are no prompt for a statement.
    shell.types("/* a comment\n");
    shell.sees("  -> ");
    assert!(shell.asks("that ends */ SELECT 3 AS three;", "(1 row)").contains("three"));
    // Tab.
    shell.types("SELECT count(*) AS n FROM individual_l\t;\n");
    assert!(shell.sees("(1 row)").contains("individual_link"));
    shell.sees("ier> ");
    // Files.
    room.file("inner.sql", "SELECT 'from a file' AS it;\n");
    shell.asks("\\i inner.sql", "from a file");
    shell.asks("\\o answers.txt", "answers.txt");
    shell.types("SELECT 'into a file' AS it;\n\\o\nSELECT 'seen' AS again;\n");
    shell.sees(" seen");
    assert!(std::fs::read_to_string(room.path().join("answers.txt")).unwrap().contains("into a file"));
    shell.types("\\q\n");
    assert!(shell.child.wait().unwrap().success());
}

#[test]
fn lines_that_are_sent_ahead_are_kept() {
    let room = loaded();
    let mut shell = Terminal::of(&room, &[]);
    shell.sees("ier> ");
    shell.types("SELECT 'the ' || 'first';\nSELECT 'the ' || 'second';\n\\d contact\nSELECT 'the ' || 'third';\n");
    for seen in ["the first\n", "the second\n", "last_name", "the third\n"] {
        shell.sees(seen);
    }
}

#[test]
fn ctrl_c_ends_a_statement_whatever_it_does_and_the_next_one_runs() {
    let room = loaded();
    let mut shell = Terminal::of(&room, &[]);
    shell.sees("ier> ");
    for deaf in [
        "SELECT count(*) FROM generate_series(1, 300000) a(n), generate_series(1, 300000) b(m) WHERE a.n + b.m < 0;",
        "SELECT count(*) FROM generate_series(1, 30000) a(n) JOIN generate_series(1, 30000) b(m) ON a.n % 2 = b.m % 2;",
        "SELECT * FROM generate_series(1, 1000000000) a(n);",
    ] {
        shell.types(&format!("{deaf}\n"));
        std::thread::sleep(Duration::from_secs(2));
        shell.types("\u{3}");
        shell.sees("statement stopped");
        shell.sees("ier> ");
        assert!(shell.asks("SELECT 40 + 2 AS answer;", "(1 row)").contains("42"));
    }
}

#[test]
fn a_long_answer_is_shown_in_the_pager() {
    let room = loaded();
    let mut shell = Terminal::of(&room, &[("PAGER", "cat > paged.txt; echo the pager has ended")]);
    shell.sees("ier> ");
    assert!(shell.asks("SELECT 1 AS one;", "(1 row)").contains("one"));
    assert!(!room.path().join("paged.txt").exists());
    shell.asks("SELECT * FROM generate_series(1, 100) a(n);", "the pager has ended");
    assert!(std::fs::read_to_string(room.path().join("paged.txt")).unwrap().contains("(100 rows)"));
    shell.asks("\\pager off", "the pager is off");
    shell.asks("SELECT * FROM generate_series(1, 100) a(n);", "(100 rows)");
}

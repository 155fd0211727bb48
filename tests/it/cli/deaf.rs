//! Readers that do not read.

use std::io::Read;
use std::process::Child;

use super::*;

/// More than a pipe holds, in every format.
const LONG: &str = "SELECT random() AS a, random() AS b, random() AS c, random() AS d, random() AS e, random() AS f, random() AS g \
                    FROM ier x, ier y, ier z";

/// Time enough for a machine that is busy; waiting for ever is what is tested.
const PATIENCE: Duration = Duration::from_secs(60);

fn loaded() -> Room {
    let room = Room::new();
    assert!(room.run(&["load", "data/individual_email_result.csv", "--rejects", "r.csv"]).status.success());
    room
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// The exit code, once it is there.
fn ended(mut child: Child, reported: &str) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("{reported}: still there after {PATIENCE:?}");
}

/// Waits until the process has a thread of this name.
fn writes(child: &Child) {
    let started = Instant::now();
    let is_there = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.flatten().map(name).any(|name| name.trim() == "ier-writer")
    };
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "nothing is written");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_is_heard_while_nobody_reads_the_answer() {
    let room = loaded();
    for (at, format) in ["csv", "json", "ndjson", "table", "parquet", "arrow", "xlsx"].iter().enumerate() {
        let mut child = room.command(&["sql", "-F", format, LONG]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // It has begun to write.
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0]).unwrap();
        signal(&child, if at % 2 == 0 { "-TERM" } else { "-INT" });
        assert_eq!(ended(child, format), Some(130), "{format}");
        drop(out);
    }
}

#[test]
fn statements_from_a_pipe_are_stopped_as_well() {
    let room = loaded();
    let mut child =
        room.command(&["sql", "-F", "csv"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut words = child.stdin.take().unwrap();
    words.write_all(format!("{LONG};\n").as_bytes()).unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    signal(&child, "-TERM");
    assert_eq!(ended(child, "a pipe of statements"), Some(130));
    drop((words, out));
}

#[test]
fn the_time_is_over_while_nobody_reads_the_answer() {
    let room = loaded();
    let mut child = room.command(&["sql", "--timeout", "2s", "-F", "csv", LONG]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, mut reported) = (child.stdout.take(), child.stderr.take().unwrap());
    assert_eq!(ended(child, "--timeout"), Some(5));
    let mut text = String::new();
    reported.read_to_string(&mut text).unwrap();
    assert!(text.contains("ran longer than 2 s"), "{text}");
    drop(out);
}

#[cfg(target_os = "linux")]
#[test]
fn a_named_pipe_without_a_reader_keeps_nobody() {
    let room = loaded();
    assert!(Command::new("mkfifo").arg(room.path().join("fifo")).status().unwrap().success());
    let child = room.command(&["sql", "-F", "csv", "-o", "fifo", LONG]).stderr(Stdio::null()).spawn().unwrap();
    writes(&child);
    signal(&child, "-TERM");
    assert_eq!(ended(child, "a named pipe"), Some(130));
    let child = room.command(&["sql", "--timeout", "2s", "-F", "csv", "-o", "fifo", LONG]).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(ended(child, "a named pipe, with --timeout"), Some(5));
    assert!(room.path().join("fifo").exists(), "it is somebody else's");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_stopped_leaves_nothing_behind() {
    let room = loaded();
    let endless = "SELECT random() FROM ier a, ier b, ier c, ier d, ier e, ier f, ier g, ier h, ier i, ier j";
    let child = room.command(&["sql", "-o", "out.csv", endless]).stderr(Stdio::null()).spawn().unwrap();
    writes(&child);
    signal(&child, "-TERM");
    assert_eq!(ended(child, "a file"), Some(130));
    let names: Vec<_> = std::fs::read_dir(room.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("out.csv")), "{names:?}");
}

/// What is not written on a thread of its own is short; where it is not, the process ends all the same.
#[test]
fn a_long_report_that_nobody_reads_is_stopped_too() {
    let room = Room::new();
    // As many lines as a pipe does not hold.
    let words = format!("SELECT '{}' AS a", "x".repeat(200_000));
    std::fs::create_dir(room.path().join("asked")).unwrap();
    room.file("asked/long.sql", format!("-- A long question\n{words}\n"));
    let mut command = room.command(&["ask", "long", "--explain"]);
    let mut child = command.env("IER_ASK_FOLDER", "asked").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0];
    if out.read(&mut first).unwrap() == 0 {
        let reported = child.wait_with_output().unwrap();
        panic!("{}", err(&reported));
    }
    signal(&child, "-TERM");
    assert_eq!(ended(child, "a long report"), Some(130));
}

#[test]
fn a_load_that_is_stopped_says_where_the_rejected_rows_are() {
    let room = Room::new();
    room.file("ier.csv", format!("Id,et4ae5__MergeId__c,et4ae5__DateSent__c\n{}", "no-id,M,never\n".repeat(3_000_000)));
    let mut child = room.command(&["load", "ier.csv", "--rejects", "r.csv"]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !room.path().join("r.csv").exists() {
        assert!(started.elapsed() < PATIENCE, "nothing is rejected");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut reported = child.stderr.take().unwrap();
    signal(&child, "-INT");
    assert_eq!(ended(child, "a load"), Some(130));
    let mut text = String::new();
    reported.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ier: interrupted; rows rejected by then: r.csv\n");
}

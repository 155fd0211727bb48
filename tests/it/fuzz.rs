//! Loading: inputs nobody would make on purpose, mutated from small true files. Whatever a file holds, reading it comes to an end,
//! with its rows or with a named error: no panic, no abort, no hang, no more memory than the settings and the file's size allow.
//!
//! `IER_TEST_FUZZ=1000000` tries as many inputs (some thousands otherwise); `IER_TEST_FUZZ_SEED=7` makes the input of one seed again,
//! and keeps it. Inputs that went wrong once are in `tests/fuzz/corpus`, each as a file of its own: all of them are read first.
//!
//! Why not `bolero` or `cargo fuzz`: what they add to a generator is coverage, which wants another compiler or other flags, hence every
//! dependency built once more; and a panic is not all that is looked for here. The inputs are read by a process of their own, under a
//! limit of memory, so that one that aborts it, or never ends, is found and kept.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ier::source::export::ReadOptions;
use ier::source::inputs::expand;
use ier::source::inspect::inspect;
use ier::source::reading::Asked;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::world::turns::Dice;

/// Inputs of the usual run.
const INPUTS: u64 = 3_000;
/// An input has so many bytes, at most.
const INPUT_BYTES: usize = 256 << 10;
/// Bytes of a record, at most.
const RECORD_BYTES: usize = 64 << 10;
/// A process that reads inputs one after the other takes no more than this, its code included.
const RESIDENT_BYTES: u64 = 400 << 20;
/// And may ask for no more than this.
const ADDRESSED_KIB: u64 = 4 << 20;
/// The longest that one input may take, on a machine that does other things as well.
const SLOWEST: Duration = Duration::from_secs(60);
/// When an input is said to have no end.
const ENDLESS: Duration = Duration::from_secs(240);

const KINDS: [&str; 4] = ["csv", "json", "zip", "parquet"];

/// What stands in files of each kind, and means something there.
const TOKENS: [&[&str]; 4] = [
    &[
        ",",
        ";",
        "\t",
        "|",
        "\"",
        "\"\"",
        "\\\"",
        "\\",
        "\n",
        "\r\n",
        "\r",
        "sep=;\n",
        "\u{feff}",
        "\0",
        "\\N",
        "null",
        "#N/A",
        "Id",
        "et4ae5__MergeId__c",
        "SystemModstamp",
        "a0Df40000000001EAA",
        "2026-08-06T15:00:00.000Z",
        "31/08/2026",
        "8/6/2026",
        "9999-12-31",
        "1786028400000",
        "9013.0",
        "1e999",
        "true",
        "WAHR",
        "\u{e9}",
        "\u{1f393}",
        "Grand Totals (3 records)",
        "\n\n\n",
    ],
    &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "0.1",
        "-0",
        "\\u0000",
        "\\ud83c",
        "\\\\",
        "\"Id\":",
        "\"records\":[",
        "\"done\":false",
        "\"attributes\":{\"type\":\"Contact\"}",
        "\"_airbyte_data\":{",
        "[[[[[[[[",
        "}}}}}}}}",
        "{\"a\":{\"a\":{\"a\":",
        "\n",
        "\u{feff}",
        "\"et4ae5__Contact__r\":{\"Id\":\"003f40000000001AAA\"}",
    ],
    &["PK\u{3}\u{4}", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "PK\u{6}\u{7}", "x.csv", "../", "__MACOSX/", "\0\0\0\0"],
    &["PAR1", "PARE", "ARROW:schema", "schema", "\u{15}\u{0}", "\u{15}\u{2}", "\u{19}\u{1c}", "\u{0}\u{0}\u{0}\u{0}", "SNAPPY"],
];

/// Names in zips.
const NAMES: [&str; 10] = [
    "individual_email_result.csv",
    "a/b/c/contact.csv",
    "../up.csv",
    "/root.csv",
    "__MACOSX/._x.csv",
    "x.parquet",
    "inner.zip",
    "x.json",
    "note.pdf",
    "x.csv.gz",
];

struct Corpus([Vec<Vec<u8>>; KINDS.len()]);

impl Corpus {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seeds: [Vec<Vec<u8>>; KINDS.len()] = Default::default();
        for (at, kind) in KINDS.iter().enumerate() {
            let mut folders = vec![root.join("tests/fuzz/corpus").join(kind)];
            folders.extend((*kind == "csv").then(|| root.join("data")));
            folders.extend((*kind == "parquet").then(|| root.join("tests/door")));
            for path in folders.iter().flat_map(|folder| files(folder)) {
                let is_seed = !path.extension().is_some_and(|ending| ending == "md" || ending == "py");
                seeds[at].extend(is_seed.then(|| std::fs::read(&path).expect("a seed")));
            }
            assert!(!seeds[at].is_empty(), "{kind}");
        }
        Self(seeds)
    }

    /// The input of a seed.
    fn input(&self, seed: u64) -> Vec<u8> {
        let mut dice = Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let kind = (seed % KINDS.len() as u64) as usize;
        let mut bytes = match kind {
            2 if dice.below(2) == 0 => self.zipped(&mut dice),
            _ => self.mutated(kind, &mut dice, 1),
        };
        if kind == 0 && dice.below(24) == 0 {
            let mut packed = flate2::read::GzEncoder::new(Cursor::new(&bytes), flate2::Compression::fast());
            let mut into = Vec::new();
            packed.read_to_end(&mut into).expect("packed");
            bytes = into;
            change(&mut bytes, kind, &[], &mut dice);
        }
        bytes.truncate(INPUT_BYTES);
        bytes
    }

    /// A true file with at least so many changes.
    fn mutated(&self, kind: usize, dice: &mut Dice, least: usize) -> Vec<u8> {
        let seeds = &self.0[kind];
        let mut bytes = seeds[dice.below(seeds.len())].clone();
        let more = if dice.below(10) == 0 { 40 } else { 5 };
        for _ in 0..least + dice.below(more) {
            change(&mut bytes, kind, &seeds[dice.below(seeds.len())], dice);
        }
        bytes
    }

    /// A whole zip of files that are not.
    fn zipped(&self, dice: &mut Dice) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for _ in 0..1 + dice.below(4) {
            let method = [CompressionMethod::Stored, CompressionMethod::Deflated][dice.below(2)];
            let kind = dice.below(KINDS.len());
            let member = self.mutated(kind, dice, 0);
            // The same name twice is refused by the writer.
            if writer.start_file(NAMES[dice.below(NAMES.len())], SimpleFileOptions::default().compression_method(method)).is_ok()
            {
                writer.write_all(&member).expect("a member");
            }
        }
        let mut bytes = writer.finish().expect("a zip").into_inner();
        for _ in 0..dice.below(3) {
            change(&mut bytes, 2, &[], dice);
        }
        bytes
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// Where a change goes: in packed formats mostly where they say what is where.
fn place(bytes: &[u8], kind: usize, dice: &mut Dice) -> usize {
    let length = bytes.len();
    let tail = match kind {
        2 => length.min(300),
        3 => {
            let reported = length.checked_sub(8).and_then(|at| bytes[at..at + 4].try_into().ok()).map_or(0, u32::from_le_bytes);
            (reported as usize).saturating_add(8).min(length)
        }
        _ => 0,
    };
    if tail > 0 && dice.below(3) > 0 { length - 1 - dice.below(tail) } else { dice.below(length) }
}

fn change(bytes: &mut Vec<u8>, kind: usize, other: &[u8], dice: &mut Dice) {
    if bytes.is_empty() {
        bytes.extend_from_slice(TOKENS[kind][dice.below(TOKENS[kind].len())].as_bytes());
        return;
    }
    let at = place(bytes, kind, dice);
    let room = bytes.len() - at;
    match dice.below(12) {
        0 | 1 => bytes[at] ^= 1 << dice.below(8),
        2 => {
            bytes[at] = [0, 1, 2, 0x0F, 0x15, 0x7F, 0x80, 0xFE, 0xFF, b'"', b',', b'\n', b'{', b'[', b'\\', b'9'][dice.below(16)]
        }
        3 => bytes[at] = dice.below(256) as u8,
        4 | 5 => {
            let token = TOKENS[kind][dice.below(TOKENS[kind].len())].as_bytes();
            let end = if dice.below(2) == 0 { at } else { at + token.len().min(room) };
            drop(bytes.splice(at..end, token.iter().copied()));
        }
        6 => drop(bytes.drain(at..at + (1 + dice.below(64)).min(room))),
        7 => {
            let piece = bytes[at..at + (1 + dice.below(200)).min(room)].to_vec();
            let times = if dice.below(20) == 0 { 1 + dice.below(2000) } else { 1 + dice.below(3) };
            let much = piece.repeat(times.min(INPUT_BYTES / piece.len()));
            drop(bytes.splice(at..at, much));
        }
        8 if !other.is_empty() => {
            let from = dice.below(other.len());
            let piece = &other[from..from + (1 + dice.below(400)).min(other.len() - from)];
            drop(bytes.splice(at..at + dice.below(room), piece.iter().copied()));
        }
        9 => {
            let number = [0u64, 1, u64::MAX, i64::MAX as u64, u64::from(u32::MAX), i32::MAX as u64, 1 << 40][dice.below(7)];
            let width = [1, 2, 4, 8][dice.below(4)].min(room);
            bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
        10 => bytes.truncate(at),
        _ => {
            let to = dice.below(bytes.len());
            bytes.swap(at, to);
        }
    }
    bytes.truncate(INPUT_BYTES);
}

/// Reads an input as `ier inspect` does; how long that took.
fn read(path: &Path) -> Duration {
    let began = Instant::now();
    let options =
        ReadOptions { record_bytes: RECORD_BYTES, batch_rows: 4096, ..ReadOptions::new(Asked::new(chrono_tz::America::Denver)) };
    let inputs = expand(&[path.display().to_string()]).expect("the file is there");
    // An error is as good as rows: that it comes is what counts. And what it says must be sayable.
    let reported = inspect(inputs, &options).map(|found| found.to_string()).unwrap_or_else(|error| error.to_string());
    assert!(!reported.is_empty());
    began.elapsed()
}

/// Where code of ours panicked, whoever caught it.
static OURS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The most that this process ever had in memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The process that reads the inputs of some seeds. It is started by [`whatever_comes_is_read_or_refused`], with the folder to work in.
#[test]
#[ignore = "started by the other test, as a process of its own"]
fn worker() {
    let Ok(reported) = std::env::var("IER_TEST_FUZZ_WORK") else { return };
    let words: Vec<&str> = reported.split(' ').collect();
    let [first, step, end, folder] = words.as_slice() else { panic!("{reported}") };
    let [first, step, end] = [first, step, end].map(|number| number.parse::<u64>().expect("a number"));
    let (folder, corpus) = (Path::new(folder), Corpus::new());
    // What a library does not expect of a file is caught, and reported as an error; what we do not expect is ours to mend.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        if at.starts_with("src/") {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        }
    }));
    let path = folder.join(format!("individual_email_result-{first}"));
    let mut wrong = Vec::new();
    let mut resident = resident_bytes();
    for seed in (first..end).step_by(usize::try_from(step).expect("a step")) {
        std::fs::write(&path, corpus.input(seed)).expect("an input");
        let mut fail = |what: String| {
            std::fs::copy(&path, folder.join(format!("kept-{seed}"))).expect("a copy");
            wrong.push(format!("seed {seed} ({}): {what}", KINDS[(seed % KINDS.len() as u64) as usize]));
        };
        match std::panic::catch_unwind(|| read(&path)) {
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                fail(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default());
            }
            Ok(took) if took > SLOWEST => fail(format!("took {took:?}")),
            Ok(_) => {}
        }
        for at in std::mem::take(&mut *OURS.lock().unwrap_or_else(PoisonError::into_inner)) {
            fail(format!("panicked at {at}"));
        }
        let now = resident_bytes();
        if now > RESIDENT_BYTES && resident <= RESIDENT_BYTES {
            fail(format!("took the process to {now} bytes"));
        }
        resident = now;
    }
    println!("{} MiB at most", resident >> 20);
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    drop(std::panic::take_hook());
    assert!(wrong.is_empty(), "{} inputs went wrong", wrong.len());
}

/// A worker at its seeds.
struct Working {
    child: Child,
    input: PathBuf,
    looked: (Instant, Option<std::time::SystemTime>),
}

impl Working {
    fn start(first: u64, step: u64, end: u64, folder: &Path) -> Self {
        let test = std::env::current_exe().expect("this binary");
        let log = std::fs::File::create(folder.join(format!("log-{first}"))).expect("a log");
        let child = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -v {ADDRESSED_KIB}; exec \"$0\" fuzz::worker --exact --ignored --nocapture --test-threads 1"),
            ])
            .arg(test)
            .env("IER_TEST_FUZZ_WORK", format!("{first} {step} {end} {}", folder.display()))
            .stdout(Stdio::from(log.try_clone().expect("a log")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("a process");
        let input = folder.join(format!("individual_email_result-{first}"));
        Self { child, input, looked: (Instant::now(), None) }
    }

    /// Is it at its end? How it ended, where it is.
    fn ended(&mut self) -> Option<Result<(), String>> {
        if let Some(status) = self.child.try_wait().expect("a state") {
            return Some(if status.success() {
                Ok(())
            } else {
                Err(format!("{status}; its last input: {}", self.input.display()))
            });
        }
        let written = std::fs::metadata(&self.input).and_then(|file| file.modified()).ok();
        if written != self.looked.1 {
            self.looked = (Instant::now(), written);
        }
        if self.looked.0.elapsed() > ENDLESS {
            self.child.kill().expect("an end");
            return Some(Err(format!("it never ends with {}", self.input.display())));
        }
        None
    }
}

#[test]
fn whatever_comes_is_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(seed) = number("IER_TEST_FUZZ_SEED") {
        let path = folder.keep().join("individual_email_result");
        std::fs::write(&path, Corpus::new().input(seed)).expect("an input");
        println!("{}: {:?}", path.display(), read(&path));
        return;
    }
    let asked = number("IER_TEST_FUZZ");
    let (inputs, processes) = asked.map_or((INPUTS, 1), |inputs| (inputs, 2));
    let offset = number("IER_TEST_FUZZ_FROM").unwrap_or(0);
    let mut working: Vec<Working> =
        (0..processes).map(|at| Working::start(offset + at, processes, offset + inputs, folder.path())).collect();
    let mut wrong = Vec::new();
    while !working.is_empty() {
        std::thread::sleep(Duration::from_millis(50));
        working.retain_mut(|one| match one.ended() {
            None => true,
            Some(ended) => {
                wrong.extend(ended.err());
                false
            }
        });
    }
    let logs = files(folder.path())
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log-")));
    let logs: String = logs.map(|log| std::fs::read_to_string(log).unwrap_or_default()).collect();
    if !wrong.is_empty() {
        let kept = folder.keep();
        let reported: Vec<&str> = logs.lines().filter(|line| !line.is_empty()).collect();
        let last = reported[reported.len().saturating_sub(200)..].join("\n");
        panic!("{}\nkept in {}\n{last}", wrong.join("\n"), kept.display());
    }
    println!("{inputs} inputs, {}", logs.lines().filter(|line| line.ends_with("at most")).collect::<Vec<_>>().join(", "));
}

/// All seeds as they are, those among them that went wrong once.
#[test]
fn every_file_of_the_corpus_is_read_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("individual_email_result");
    for bytes in Corpus::new().0.iter().flatten() {
        std::fs::write(&path, bytes).expect("an input");
        assert!(read(&path) < SLOWEST);
    }
}

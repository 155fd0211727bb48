//! Loading: a true export, damaged in the ways files are damaged between a system and a desk, is read as the true one, or the
//! reading says that something is wrong. Never a row that is not true, and never fewer rows in silence.
//!
//! `IER_TEST_DOOR=100000` for as many seeds; some thousands otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use ier::error::Result;
use ier::source::export::{self, Next, Piece, ReadOptions};
use ier::source::inputs::expand;
use ier::source::reading::Asked;
use ier::source::reject::Reject;

/// Numbers that follow from a seed alone.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const HEADERS: [&str; 9] = [
    "Id",
    "et4ae5__MergeId__c",
    "Name",
    "et4ae5__Contact__c",
    "et4ae5__DateSent__c",
    "et4ae5__Opened__c",
    "et4ae5__NumberOfTotalClicks__c",
    "et4ae5__SubjectLine__c",
    "SystemModstamp",
];

/// Columns of the table, in the order of the headers.
const COLUMNS: [&str; 9] = [
    "ier_id",
    "merge_id",
    "email_name",
    "contact_id",
    "date_sent",
    "opened",
    "number_of_total_clicks",
    "subject_line",
    "system_modstamp",
];

/// A true export: rows of texts as Bulk writes them.
fn truth(dice: &mut Dice) -> Vec<Vec<String>> {
    let id =
        |prefix: &str, n: u64| ier::record::id::SfId::parse(&format!("{prefix}f4{n:010}")).expect("an id").as_str().to_owned();
    let names =
        ["CU Connections", "Giving Day, thank you", "Ihr \"Newsletter\"", "Caf\u{e9} hours", "Oui; non", "a|b", "Line\nbreak"];
    let rows = 3 + dice.below(9);
    let base = dice.next() % 100_000;
    (0..rows as u64)
        .map(|n| {
            let day = 1 + dice.below(28);
            vec![
                id("a0D", base + n),
                format!("m-{}", base + n),
                dice.pick(&names).to_owned(),
                id("003", base + n % 3),
                format!("2026-0{}-{day:02}T15:0{}:00.000Z", 1 + dice.below(9), dice.below(10)),
                dice.pick(&["true", "false"]).to_owned(),
                dice.below(40).to_string(),
                dice.pick(&names).to_owned(),
                format!("2026-10-{day:02}T0{}:00:00.000Z", dice.below(10)),
            ]
        })
        .collect()
}

/// How a tool writes rows.
struct Writing {
    delimiter: char,
    quote_all: bool,
    line_end: &'static str,
}

fn written(rows: &[Vec<String>], headers: &[&str], how: &Writing) -> String {
    let field = |text: &str| {
        let needs = how.quote_all || text.contains([how.delimiter, '"', '\n', '\r']);
        if needs { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let line = |fields: Vec<String>| fields.join(&how.delimiter.to_string()) + how.line_end;
    let mut text = line(headers.iter().map(|header| field(header)).collect());
    for row in rows {
        text += &line(row.iter().map(|value| field(value)).collect());
    }
    text
}

/// One way in which the file comes out otherwise than it was, and what is true of it then.
struct Damaged {
    bytes: Vec<u8>,
    what: String,
    /// Columns it still has.
    columns: Vec<usize>,
    /// Rows that must be there if nothing is said.
    least: usize,
}

fn damaged(rows: &[Vec<String>], dice: &mut Dice) -> Damaged {
    let mut how = Writing {
        delimiter: dice.pick(&[',', ',', ';', '\t', '|']),
        quote_all: dice.below(2) == 0,
        line_end: dice.pick(&["\n", "\n", "\r\n"]),
    };
    let mut columns: Vec<usize> = (0..HEADERS.len()).collect();
    let mut shown: Vec<Vec<String>> = rows.to_vec();
    let mut what = format!("{:?} {} {:?}", how.delimiter, how.quote_all, how.line_end);
    let mut least = rows.len();
    match dice.below(4) {
        0 => {
            // Sorted otherwise, columns moved.
            shown.sort_by_key(|row| row[dice.0 as usize % row.len()].clone());
            let by = 1 + dice.below(HEADERS.len() - 1);
            columns.rotate_left(by);
            what += &format!(", rotated by {by}");
        }
        1 => {
            // A column that is not needed is dropped.
            let out = dice.pick(&[2, 4, 5, 6, 7]);
            columns.retain(|at| *at != out);
            what += &format!(", without {}", HEADERS[out]);
        }
        2 => {
            // As a spreadsheet of the United States shows times.
            how.quote_all = true;
        }
        _ => {}
    }
    let headers: Vec<&str> = columns.iter().map(|at| HEADERS[*at]).collect();
    let order = |rows: &[Vec<String>]| -> Vec<Vec<String>> {
        rows.iter().map(|row| columns.iter().map(|at| row[*at].clone()).collect()).collect()
    };
    let mut text = written(&order(&shown), &headers, &how);
    let mut bytes = None;
    match dice.below(14) {
        0 => {
            // Cut off, but not between rows.
            let body = text.find('\n').unwrap_or(0) + 1;
            let mut at = body + dice.below(text.len() - body);
            while !text.is_char_boundary(at) {
                at += 1;
            }
            let end = text[..at].trim_end_matches(['\n', '\r']).len();
            least = whole_rows(&text[..end], &how);
            text.truncate(at);
            what += &format!(", cut at {at}");
        }
        1 => {
            let other = written(&order(&shown), &headers, &how);
            text += &other;
            what += ", twice over, with its header";
        }
        2 => {
            let swapped = Writing { delimiter: if how.delimiter == ',' { ';' } else { ',' }, ..how };
            let other = written(&order(&shown), &headers, &swapped);
            text += other.split_once('\n').map_or("", |(_, rows)| rows);
            what += ", and once more with another delimiter";
        }
        3 => {
            let units = text.encode_utf16();
            let mark = dice.below(2) == 0;
            bytes = Some(if dice.below(2) == 0 {
                mark.then_some([0xFF, 0xFE]).into_iter().flatten().chain(units.flat_map(u16::to_le_bytes)).collect()
            } else {
                mark.then_some([0xFE, 0xFF]).into_iter().flatten().chain(units.flat_map(u16::to_be_bytes)).collect()
            });
            what += ", as UTF-16";
        }
        4 => {
            bytes = Some(text.chars().map(|letter| u8::try_from(u32::from(letter)).expect("Latin-1")).collect());
            what += ", as Latin-1";
        }
        5 => {
            // A quote put in, taken out or replaced.
            let mut is_quoted = false;
            let structure = |(at, letter): (usize, char)| {
                is_quoted ^= letter == '"';
                (letter == '"' || !is_quoted && (letter == how.delimiter || letter == '\n')).then_some(at)
            };
            let places: Vec<usize> = text.char_indices().filter_map(structure).collect();
            let at = dice.pick(&places);
            match dice.below(3) {
                0 => text.insert(at, '"'),
                1 => drop(text.remove(at)),
                _ => text.replace_range(at..=at, dice.pick(&["\"", "\n", ";", ",", " "])),
            }
            what += &format!(", structure at {at} changed");
        }
        6 => {
            let row = dice.below(shown.len());
            let id = shown[row][0].clone();
            let broken = match dice.below(3) {
                0 => id[..17].to_owned(),
                1 => format!("{id}x"),
                _ => id.replace('0', "-"),
            };
            text = text.replace(&id, &broken);
            what += ", an id broken";
        }
        7 => {
            let row = dice.below(shown.len());
            let stamp = shown[row][8].clone();
            let broken = match dice.below(4) {
                0 => stamp[..16].to_owned(),
                1 => stamp.replace('T', " noon "),
                2 => stamp.replace("2026", "1926"),
                _ => stamp.replace("2026", "2126"),
            };
            text = text.replace(&stamp, &broken);
            what += ", a stamp broken";
        }
        8 => {
            text += "\n\n\"IER, last quarter\"\n\"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved.\"\n\
                     \"Confidential Information - Do Not Distribute\"\n";
            what += ", with a report's last lines";
        }
        9 => {
            text = format!("sep={}\n{text}", how.delimiter);
            what += ", with sep=";
        }
        10 => {
            let at = dice.below(text.len());
            let at = (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.insert(at, '\0');
            what += &format!(", NUL at {at}");
        }
        11 => {
            let mut raw = text.clone().into_bytes();
            let body = text.find('\n').unwrap_or(0) + 1;
            let at = body + dice.below(raw.len() - body);
            raw[at] = 0xE2;
            bytes = Some(raw);
            what += &format!(", a byte at {at} broken");
        }
        12 => {
            text = text.trim_end_matches(['\n', '\r']).to_owned();
            what += ", without its last line end";
        }
        _ => text = format!("\u{feff}{text}"),
    }
    Damaged { bytes: bytes.unwrap_or_else(|| text.into_bytes()), what, columns, least }
}

/// Rows of a text that are whole: as many as have all their fields.
fn whole_rows(text: &str, how: &Writing) -> usize {
    let mut reader = csv::ReaderBuilder::new().delimiter(how.delimiter as u8).flexible(true).from_reader(text.as_bytes());
    let width = reader.headers().map_or(0, csv::StringRecord::len);
    reader.records().filter(|record| record.as_ref().is_ok_and(|record| record.len() == width)).count().saturating_sub(1)
}

/// What a load would take of a file.
struct LoadedExport {
    rows: Vec<BTreeMap<&'static str, Option<String>>>,
    is_reported: bool,
}

fn taken(path: &Path) -> Result<LoadedExport> {
    let mut asked = Asked::new(chrono_tz::America::Denver);
    asked.plausible.latest = 1_800_000_000_000_000;
    let mut options = ReadOptions { record_bytes: 1 << 20, ..ReadOptions::new(asked) };
    let mut input = expand(&[path.display().to_string()])?.remove(0);
    input.keep()?;
    'anew: loop {
        let mut rejects: Vec<Reject> = Vec::new();
        let (mut rows, mut is_reported, mut is_repaired) = (Vec::new(), false, false);
        let mut opened = export::open(&input, &options)?;
        while let Some(piece) = opened.next_piece()? {
            let Piece::Export(mut export) = piece else { panic!("named outright") };
            loop {
                match export.next(&mut rejects)? {
                    Next::Rows(batch) => rows.extend(texts(&batch)),
                    Next::End => break,
                    Next::Otherwise => {
                        assert!(!options.whole, "a file that was judged as a whole is as it was judged");
                        options.whole = true;
                        continue 'anew;
                    }
                }
            }
            let irregularities = export.irregularities();
            is_repaired |= irregularities.repaired > 0;
            is_reported |= irregularities.trailing > 0 || !export.notes().is_empty();
        }
        is_reported |= is_repaired || !rejects.is_empty();
        return Ok(LoadedExport { rows, is_reported });
    }
}

fn texts(batch: &RecordBatch) -> Vec<BTreeMap<&'static str, Option<String>>> {
    let columns: Vec<_> =
        COLUMNS.iter().map(|name| cast(batch.column_by_name(name).expect("a column"), &DataType::Utf8).expect("texts")).collect();
    let value = |at: usize, row: usize| {
        let column = columns[at].as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    (0..batch.num_rows()).map(|row| COLUMNS.iter().enumerate().map(|(at, name)| (*name, value(at, row))).collect()).collect()
}

/// The value of a text of the true export, as the table shows it.
fn shown(column: usize, text: &str) -> String {
    match COLUMNS[column] {
        "date_sent" | "system_modstamp" => text.replace(".000Z", "Z"),
        _ => text.to_owned(),
    }
}

#[test]
fn a_damaged_export_is_read_as_the_true_one_or_said_to_be_damaged() {
    let seeds = std::env::var("IER_TEST_DOOR").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(2_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report1787000000000.csv");
    let mut wrong = Vec::new();
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let rows = truth(&mut dice);
        let damaged = damaged(&rows, &mut dice);
        std::fs::write(&path, &damaged.bytes).expect("a file");
        let Ok(taken) = taken(&path) else {
            refused += 1;
            continue;
        };
        let mut complain = |why: String| wrong.push(format!("seed {seed} ({}): {why}", damaged.what));
        let by_id: BTreeMap<&str, &Vec<String>> = rows.iter().map(|row| (row[0].as_str(), row)).collect();
        for row in &taken.rows {
            let id = row["ier_id"].clone().unwrap_or_default();
            let Some(truth) = by_id.get(id.as_str()) else {
                // An export without ids that can be compared by its MergeIds only: nothing to hold it against.
                complain(format!("a row nobody sent, {id:?}"));
                continue;
            };
            for at in &damaged.columns {
                let (is, should) = (row[COLUMNS[*at]].clone(), shown(*at, &truth[*at]));
                let is_text = matches!(COLUMNS[*at], "email_name" | "subject_line" | "merge_id");
                let same = is.as_deref() == Some(should.as_str());
                // What was said to be wrong may be missing; but a time, a number or an id is never another.
                if !same && !((is_text || is.is_none()) && taken.is_reported) {
                    complain(format!("{} is {is:?} and not {should:?}", COLUMNS[*at]));
                }
            }
        }
        let distinct: std::collections::BTreeSet<_> = taken.rows.iter().map(|row| row["ier_id"].clone()).collect();
        if distinct.len() < damaged.least && !taken.is_reported {
            complain(format!("{} of {} rows, and nothing was said", distinct.len(), damaged.least));
        }
        whole += u64::from(!taken.is_reported);
    }
    println!("{seeds} seeds: {refused} refused, {whole} taken without a word");
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} wrong of {seeds}:\n{shown}", wrong.len());
}

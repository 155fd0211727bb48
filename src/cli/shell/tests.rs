//! The shell's loop over an engine that only echoes.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::{self, BufRead};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use async_trait::async_trait;
use chrono::{DateTime, Duration};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::*;
use crate::clock::ManualClock;
use crate::error::Kind;

/// Answers a statement with its own text, after 12 ms; knows one table and one view. `hang` never answers, `fail` refuses.
struct Echo(ManualClock);

#[async_trait]
impl Ask for Echo {
    async fn ask_given(&self, sql: &str, _: &BTreeMap<String, String>) -> Result<SendableRecordBatchStream> {
        self.0.tick(Duration::milliseconds(12));
        match sql {
            "fail" => return Err(Error::invalid("no such thing")),
            "hang" => futures::future::pending::<()>().await,
            _ => {}
        }
        let batch = RecordBatch::try_from_iter([("sql", Arc::new(StringArray::from(vec![sql])) as ArrayRef)])?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)]))))
    }

    async fn tables(&self) -> Result<Vec<(String, String, String)>> {
        Ok([("ier", "ier", "view"), ("ier", "individual_email_result", "table")]
            .map(|(schema, table, kind)| (schema.to_owned(), table.to_owned(), kind.to_owned()))
            .to_vec())
    }

    fn functions(&self) -> Vec<(String, String)> {
        [("open_rate", "open_rate(i)"), ("sf_id18", "sf_id18(text)")].map(|(name, call)| (name.into(), call.into())).to_vec()
    }

    async fn columns(&self, table: &str) -> Result<Vec<(String, String)>> {
        match table {
            "ier" => Ok(vec![("ier_id".to_owned(), "text".to_owned()), ("opened".to_owned(), "boolean".to_owned())]),
            other => Err(Error::not_found(phrase!("no table {other}"))),
        }
    }
}

/// Lines as somebody would type them; keeps what it is to remember.
struct Script {
    lines: VecDeque<Line>,
    remembered: Vec<String>,
}

#[async_trait(?Send)]
impl Lines for Script {
    async fn next(&mut self, _prompt: &str) -> Result<Line> {
        Ok(self.lines.pop_front().unwrap_or(Line::End))
    }

    fn remember(&mut self, statement: &str) -> Result<()> {
        self.remembered.push(statement.to_owned());
        Ok(())
    }
}

struct Printed {
    out: String,
    err: String,
    remembered: Vec<String>,
    outcome: Result<()>,
}

/// A sink that can be looked into.
#[derive(Clone, Default)]
struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn tell(lines: impl IntoIterator<Item = Line>, interactive: bool) -> Printed {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH);
    let mut script = Script { lines: lines.into_iter().collect(), remembered: Vec::new() };
    let (out, mut err) = (Shared::default(), Vec::new());
    let mut shell = Shell {
        ask: &Echo(clock.clone()),
        place: "/srv/ier".to_owned(),
        out: &|| Box::new(out.clone()),
        err: &mut err,
        interrupt: &|| {
            Box::pin(async {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Ok(())
            })
        },
        clock: Arc::new(clock),
        format: Format::Csv,
        options: Options::default(),
        pager: None,
        editor: "vi".to_owned(),
        timing: false,
        interactive,
    };
    let outcome = shell.run(&mut script).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let out = out.0.lock().unwrap().clone();
    Printed { out: text(out), err: text(err), remembered: script.remembered, outcome }
}

fn typed(text: &str) -> Vec<Line> {
    text.lines().map(|line| Line::Text(line.to_owned())).collect()
}

#[tokio::test]
async fn statements_take_several_lines_and_several_fit_in_one() {
    let printed = tell(typed("SELECT\n  1\n;\nA; B;\n-- only a comment\n;"), true).await;
    assert_eq!(printed.out, "sql\n\"SELECT\n  1\"\nsql\nA\nsql\nB\n");
    assert_eq!(printed.remembered, ["SELECT\n  1;", "A;", "B;"]);
}

#[tokio::test]
async fn a_persons_mistake_is_printed_and_the_shell_goes_on() {
    let printed = tell(typed("fail;\n\\nonsense\n\\d nowhere\nA;"), true).await;
    assert_eq!(printed.err, "ier: no such thing\nier: no command \\nonsense; \\? lists them\nier: no table nowhere\n");
    assert_eq!(printed.out, "sql\nA\n");
    assert!(printed.outcome.is_ok());
}

#[tokio::test]
async fn a_script_stops_at_its_first_error_and_needs_no_last_semicolon() {
    let printed = tell(typed("A;\nfail;\nB;"), false).await;
    assert_eq!(printed.outcome.unwrap_err().to_string(), "statement 2: no such thing");
    assert_eq!(printed.out, "sql\nA\n");
    assert_eq!(tell(typed("A;\nB"), false).await.out, "sql\nA\nsql\nB\n");
}

#[tokio::test]
async fn an_interrupt_stops_the_statement_not_the_shell() {
    let printed = tell(typed("hang;\nA;"), true).await;
    assert_eq!((printed.err.as_str(), printed.out.as_str()), ("ier: statement stopped\n", "sql\nA\n"));
    let script = tell(typed("hang;\nA;"), false).await;
    assert_eq!(script.outcome.unwrap_err().kind(), Kind::Interrupted);
    let mut lines = typed("half a");
    lines.push(Line::Interrupted);
    lines.extend(typed("A;"));
    assert_eq!(tell(lines, true).await.out, "sql\nA\n");
}

#[tokio::test]
async fn tables_and_columns_are_listed() {
    let printed = tell(typed("\\d\n\\dt\n\\d ier;\n\\q\nA;"), true).await;
    let expected = "schema  name                     kind\n\
        ier     ier                      view\n\
        ier     individual_email_result  table\n\
        schema  name                     kind\n\
        ier     individual_email_result  table\n\
        column  type\n\
        ier_id  text\n\
        opened  boolean\n";
    assert_eq!(printed.out, expected, "and nothing after leaving");
}

#[tokio::test]
async fn timing_and_format_can_be_changed() {
    let printed =
        tell(typed("\\timing\nA;\n\\timing off\n\\format ndjson\nB;\n\\format\n\\format parquet\n\\format xls"), true).await;
    assert_eq!(printed.out, "timing is on\nsql\nA\nTime: 12 ms\ntiming is off\n{\"sql\":\"B\"}\nformat is ndjson\n");
    assert!(printed.err.contains("parquet is not for a shell") && printed.err.contains("no format xls"), "{}", printed.err);
}

#[tokio::test]
async fn functions_can_be_looked_for() {
    let printed = tell(typed("\\df\n\\df id18\n\\dv\n\\dt indiv*\n\\l"), true).await;
    let expected = "function   called\n\
        open_rate  open_rate(i)\n\
        sf_id18    sf_id18(text)\n\
        function  called\n\
        sf_id18   sf_id18(text)\n\
        schema  name  kind\n\
        ier     ier   view\n\
        schema  name                     kind\n\
        ier     individual_email_result  table\n\
        the warehouse at /srv/ier\n";
    assert_eq!(printed.out, expected);
}

#[tokio::test]
async fn rows_are_shown_as_records_when_asked() {
    let printed = tell(typed("\\x\nA;\n\\x auto\nB;\n\\x off\nC \\gx\nD\\g\n\\gx"), true).await;
    let record = |number, value| format!("-[ RECORD {number} ]+--------------------\nsql | {value}\n(1 row)\n");
    let table = |value| format!(" sql\n-----\n {value}\n(1 row)\n");
    let expected = format!(
        "rows are shown as records\n{}rows are shown as records where a table would be wider than the terminal\n{}\
         rows are shown as a table\n{}{}{}",
        record(1, "A"),
        table("B"),
        record(1, "C"),
        table("D"),
        record(1, "D"),
    );
    assert_eq!(printed.out, expected);
    assert!(printed.err.is_empty(), "{}", printed.err);
}

#[tokio::test]
async fn what_is_pasted_is_taken_line_by_line() {
    let pasted = vec![Line::Text("A;\n\\d ier\nB\n;".to_owned()), Line::Text("C;".to_owned())];
    let printed = tell(pasted, true).await;
    assert_eq!(printed.out, "sql\nA\ncolumn  type\nier_id  text\nopened  boolean\nsql\nB\nsql\nC\n");
}

#[tokio::test]
async fn a_backslash_within_quotes_is_a_character() {
    let printed = tell(typed("SELECT '\n\\q\n';\n/* a comment\n\\q */ A;\nB\n\\r\nC;\n\\p\n\\echo done"), true).await;
    assert_eq!(printed.out, "sql\n\"SELECT '\n\\q\n'\"\nsql\n\"/* a comment\n\\q */ A\"\nsql\nC\nC\ndone\n");
    let printed = tell(typed("SELECT 'C:\\g\n';"), true).await;
    assert_eq!(printed.out, "sql\n\"SELECT 'C:\\g\n'\"\n");
}

#[tokio::test]
async fn statements_come_from_files_and_answers_go_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, outer, answers) = (folder.path().join("inner.sql"), folder.path().join("outer.sql"), folder.path().join("a.csv"));
    std::fs::write(&inner, "B;\n").unwrap();
    std::fs::write(&outer, format!("\u{FEFF}A;\n\\i {}\nC;", inner.display())).unwrap();
    let printed =
        tell(typed(&format!("\\i {}\nD;\n\\o {1}\nE;\nF;\n\\o\nG;\n\\o {1}", outer.display(), answers.display())), true).await;
    assert_eq!(printed.out, "sql\nA\nsql\nB\nsql\nC\nsql\nD\nsql\nG\n");
    assert_eq!(std::fs::read_to_string(&answers).unwrap(), "sql\nE\nsql\nF\n");
    assert!(printed.err.contains("exists already"), "{}", printed.err);
    std::fs::write(&inner, format!("\\i {}", inner.display())).unwrap();
    let printed = tell(typed(&format!("\\i {}\nA;", inner.display())), true).await;
    assert!(printed.err.contains("do they include each other?"), "{}", printed.err);
    assert_eq!(printed.out, "sql\nA\n");
}

#[tokio::test]
async fn a_pipe_gives_its_lines() {
    let mut piped = Piped::new(io::Cursor::new(b"\xEF\xBB\xBFa\r\n\nb\n\xFF\n".to_vec()));
    for line in ["a", "", "b"] {
        assert_eq!(piped.next("").await.unwrap(), Line::Text(line.to_owned()));
    }
    assert!(piped.next("").await.unwrap_err().to_string().contains("not utf-8"));
    assert_eq!(piped.next("").await.unwrap(), Line::End);
}

/// Has lines, and then dies.
struct Broken(&'static [u8]);

impl io::Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Broken {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.0.is_empty() {
            std::panic::resume_unwind(Box::new("no more of it"));
        }
        Ok(self.0)
    }

    fn consume(&mut self, amount: usize) {
        self.0 = &self.0[amount..];
    }
}

#[tokio::test]
async fn a_pipe_whose_reader_dies_is_not_at_its_end() {
    let mut broken = Piped::new(Broken(b"SELECT 1;\nSELECT 2;\n"));
    for text in ["SELECT 1;", "SELECT 2;"] {
        assert!(matches!(broken.next("").await, Ok(Line::Text(line)) if line == text));
    }
    assert_eq!(broken.next("").await.err().map(|error| error.kind()), Some(Kind::Internal));

    let mut whole = Piped::new(&b"SELECT 1;\n"[..]);
    assert!(matches!(whole.next("").await, Ok(Line::Text(_))));
    for _ in 0..2 {
        assert!(matches!(whole.next("").await, Ok(Line::End)));
    }
}

//! `ier demo`: makes exports, loads, archives and compacts them, and asks questions, in a folder of its own.
//!
//! It calls the same jobs as the verbs. The folder gets a marker, so that the demo can be run again in it and never uses a folder
//! with somebody's files.

use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use serde_json::json;

use crate::error::{Context, Error, Result};
use crate::human;
use crate::jobs::load::{self, LoadRequest};
use crate::jobs::{archive, compact};
use crate::output::{self, Format, Options};
use crate::query::ask::Ask;
use crate::query::engine::Engine;
use crate::source::reading::Asked;
use crate::synthetic::recipe::Recipe;
use crate::tiers::spans::Missing;

use super::args::Demo;
use super::session::Session;
use super::{generate, print};

/// Marks a folder as a demo's.
const MARK: &str = ".ier-demo";

/// Where rows that cannot be read are kept.
const REJECTS: &str = "rejects.csv";

/// Rows shown of a long answer.
const SHOWN_ROWS: usize = 12;

const BY_MONTH: &str = "\
SELECT to_char(sent_date, '%Y-%m') AS month, tier, count(*) AS sent,
       round(100.0 * count(*) FILTER (WHERE opened) / count(*), 1) AS opened_pct,
       round(100.0 * count(*) FILTER (WHERE clicked) / count(*), 1) AS clicked_pct,
       round(100.0 * count(*) FILTER (WHERE hard_bounce OR soft_bounce) / count(*), 1) AS bounced_pct
FROM ier
WHERE sent_date IS NOT NULL
GROUP BY 1, 2
ORDER BY 1";

const OPENED_NOT_CLICKED: &str = "\
SELECT email_name, count(*) AS sent, count(*) FILTER (WHERE opened) AS opened,
       count(*) FILTER (WHERE opened AND NOT clicked) AS opened_not_clicked
FROM ier
GROUP BY send_definition_id, email_name
ORDER BY sent DESC, email_name
LIMIT 1";

const BUSY_CONTACT: &str = "\
SELECT contact_id FROM ier WHERE contact_id IS NOT NULL GROUP BY contact_id ORDER BY count(*) DESC, contact_id LIMIT 1";

/// Runs the demo and says what it did and what to try next.
pub async fn run(session: &Session, args: &Demo) -> Result<()> {
    let folder = &args.folder;
    let (exports, warehouse) = (folder.join("exports"), folder.join("warehouse"));
    let mut session = session.clone();
    session.settings.warehouse = warehouse.to_string_lossy().into_owned();
    session.settings.store.clear();
    if !args.fresh && folder.join(MARK).is_file() && warehouse.is_dir() {
        // What this look opens is gone when the folder is cleared.
        refuse_to_clear(&session.clone(), folder).await?;
    }
    prepare(folder, &[&exports, &warehouse])?;
    let steps = StepOutput { silent: session.global.json };
    let started = session.clock.now();

    steps.say(&format!("1. Make up a year of exports in {}", exports.display()))?;
    let recipe = Recipe { end: session.clock.today(), ..Recipe::default() };
    let made = generate::make(recipe, &exports, session.progress()?).await?;
    steps.say(&generate::summary(&made, (session.clock.now() - started).as_seconds_f64(), &exports))?;

    steps.say(&format!("\n2. Load them into {} (newest version wins, nothing dropped uncounted)", warehouse.display()))?;
    let lake = session.place()?;
    let request = LoadRequest {
        inputs: vec![exports.to_string_lossy().into_owned()],
        asked: Asked::new(session.settings.zone),
        rejects: Some(folder.join(REJECTS)),
        buffer_bytes: session.load_buffer_bytes(),
        record_bytes: session.settings.load.record_bytes(),
        keep_versions: session.settings.load.keep_versions,
        missing: Missing::OfPeopleNamed,
    };
    let loaded = load::load(&lake, request, session.progress()?).await?;
    steps.say(&loaded.to_string())?;

    let days = session.settings.archive.older_than_days;
    steps.say(&format!("\n3. Move what is older than {days} days to the archive; answers do not change"))?;
    let archived = archive::execute(&lake, archive::plan(&lake, None, days).await?, session.progress()?).await?;
    steps.say(&archived.to_string())?;

    steps.say("\n4. Rewrite small files as few sorted ones")?;
    let options = session.compact_options();
    let plan = compact::plan(&lake, &options).await?;
    let compacted = compact::execute(&lake, plan, &options, session.progress()?).await?;
    steps.say(&compacted.to_string())?;

    let engine = session.engine().await?;
    let busy = first_text(&engine, BUSY_CONTACT).await?;
    if !steps.silent {
        ask(&steps, &engine, "5. How did each month do? Both tiers are one table:", BY_MONTH).await?;
        ask(&steps, &engine, "6. Who opened the largest send but clicked nothing?", OPENED_NOT_CLICKED).await?;
        steps.say(&format!("\n7. What was {busy} sent, and what became of it? Newest first:"))?;
        steps.say("")?;
        show(engine.history(&busy).await?, Some(session.settings.zone)).await?;
    }

    let seconds = (session.clock.now() - started).as_seconds_f64();
    let summary = json!({
        "folder": folder, "warehouse": warehouse, "busy_contact": busy, "loaded": loaded, "archived": archived,
        "compacted": compacted, "seconds": seconds,
    });
    print::report(session.global.json, &summary, |_| next(folder, &warehouse, &busy, seconds))
}

/// Refuses an earlier demo's folder into whose warehouse somebody has loaded something since: the demo itself runs no job that is written
/// down.
async fn refuse_to_clear(session: &Session, folder: &Path) -> Result<()> {
    let loads = async {
        let engine = Engine::open(session.place()?, session.limits()?).await?;
        first_text(&engine, "SELECT CAST(count(*) AS VARCHAR) FROM job_run WHERE job IN ('load', 'hold') AND outcome = 'done'")
            .await
    };
    // What cannot be asked any more is nothing to keep.
    match loads.await {
        Ok(loads) if loads != "0" => Err(Error::invalid(phrase!(
            "the warehouse in {} is an earlier demo's, and something else was loaded into it since: name a new folder, or add --fresh to \
             begin anew",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Makes the folder, or clears an earlier demo's. Refuses a folder with anything else in it.
fn prepare(folder: &Path, ours: &[&Path]) -> Result<()> {
    let name = folder.display();
    let preparing = || format!("cannot prepare {name}");
    std::fs::create_dir_all(folder).context(preparing)?;
    let empty = std::fs::read_dir(folder).context(preparing)?.next().is_none();
    let mark = folder.join(MARK);
    if !empty && !mark.is_file() {
        return Err(Error::invalid(phrase!("{name} is not empty and no earlier demo's; name a new folder")));
    }
    for earlier in ours.iter().filter(|earlier| earlier.is_dir()) {
        std::fs::remove_dir_all(earlier).context(preparing)?;
    }
    match std::fs::remove_file(folder.join(REJECTS)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::from(error).context(preparing())),
        _ => {}
    }
    std::fs::write(&mark, "made by `ier demo`; this folder may be deleted\n").context(preparing)
}

/// Prints the steps of the demo for people; with `--json` there is one report at the end.
struct StepOutput {
    silent: bool,
}

impl StepOutput {
    fn say(&self, text: &str) -> Result<()> {
        if self.silent { Ok(()) } else { print::line(text) }
    }
}

async fn ask(steps: &StepOutput, engine: &Engine, question: &str, sql: &str) -> Result<()> {
    let indented = sql.replace('\n', "\n  ");
    steps.say(&format!("\n{question}\n\n  {indented}"))?;
    steps.say("")?;
    show(engine.ask(sql).await?, None).await
}

async fn show(stream: datafusion::execution::SendableRecordBatchStream, zone: Option<chrono_tz::Tz>) -> Result<()> {
    let options = Options { zone, max_rows_table: SHOWN_ROWS, ..Options::default() };
    output::write(stream, Format::Table, std::io::stdout(), &options).await?;
    Ok(())
}

/// The one text a question answers with.
async fn first_text(engine: &Engine, sql: &str) -> Result<String> {
    let batches: Vec<_> = engine.ask(sql).await?.try_collect().await?;
    let column = batches.iter().find(|batch| batch.num_rows() > 0).map(|batch| cast(batch.column(0), &DataType::Utf8));
    let column = column.ok_or_else(|| Error::internal("the demo's own records name no contact"))??;
    Ok(column.as_string::<i32>().value(0).to_owned())
}

fn next(folder: &Path, warehouse: &Path, busy: &str, seconds: f64) -> String {
    let (folder, at) = (folder.display(), warehouse.display());
    let commands = [
        (format!("ier -w {at} sql"), "a shell; \\d lists the tables"),
        (format!("ier -w {at} status"), "what is stored, and what it costs"),
        (format!("ier -w {at} history {busy}"), "this person's mails"),
        (format!("ier -w {at} audit {busy} --about giving"), "were they told, and what proves it?"),
        (format!("ier -w {at} sql -o sent.csv \"SELECT * FROM ier WHERE opened\""), "an answer in a file"),
        (format!("ier -w {at} load {folder}/exports"), "once more: nothing changes"),
        (format!("rm -r {folder}"), "when you have seen enough"),
    ];
    let widest = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let lines = commands.map(|(command, what)| format!("  {command:<widest$}   {what}"));
    format!("\nDone in {}. Try next:\n\n{}", human::seconds(seconds), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_clears_only_its_own() {
        let folder = tempfile::tempdir().map(|folder| folder.keep()).unwrap_or_default();
        let exports = folder.join("exports");
        assert!(prepare(&folder, &[&exports]).is_ok(), "an empty folder will do");
        assert!(std::fs::create_dir(&exports).is_ok());
        assert!(prepare(&folder, &[&exports]).is_ok() && !exports.exists(), "and again");
        assert!(std::fs::remove_file(folder.join(MARK)).is_ok() && std::fs::write(folder.join("thesis.doc"), "x").is_ok());
        assert!(prepare(&folder, &[&exports]).is_err_and(|error| error.to_string().contains("name a new folder")));
        assert!(std::fs::remove_dir_all(&folder).is_ok());
    }
}

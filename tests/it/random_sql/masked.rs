//! Random SQL by somebody who does not see everything: what the engine answers over masked columns and chosen rows must be what plain
//! DataFusion answers over rows that were masked and chosen beforehand, by code of this file and no other.
//!
//! `IER_TEST_MASKED` says how many statements are asked of each kind of policy.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ier::query::policy::Policy;
use ier::query::policy::masks::{Mask, Masks};

use super::*;

const KEY: [u8; 32] = [7; 32];

/// Tables whose rows cannot be told by unit: statements about them are refused, and not asked.
const UNTOLD: [&str; 2] = ["individual_link", "affiliation"];

/// Statements of each kind unless told otherwise.
const MASKED: u64 = 250;

/// How each column that is not shown is masked.
fn mask_of(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        ("ier", "current_email") | ("individual_link", "link_url") | ("contact", "email") => "domain",
        ("ier", "merge_id") | ("individual_link", "unique_link_id") | ("affiliation", "contact_id") => "hash",
        (_, "custom") | ("contact", "name" | "first_name" | "last_name") => "null",
        ("affiliation", "affiliation" | "since") => "null",
        (_, "subject_line") => "text",
        _ => return None,
    })
}

fn masked(text: &str, mask: &str) -> Option<String> {
    match mask {
        "hash" => Some(blake3::keyed_hash(&KEY, text.as_bytes()).to_hex().as_str()[..32].to_owned()),
        "text" => Some("a subject".to_owned()),
        "domain" => {
            let host = match text.find("://") {
                Some(at) => text[at + 3..].split('/').next().unwrap_or_default(),
                None => text.rsplit('@').next().filter(|host| host.len() < text.len())?,
            };
            let is_host =
                host.contains('.') && !host.contains(|char: char| !char.is_ascii_alphanumeric() && char != '.' && char != '-');
            is_host.then(|| host.to_lowercase())
        }
        _ => None,
    }
}

fn masked_batch(table: &str, batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let Some(mask) = mask_of(table, field.name()) else { return column.clone() };
        match column.as_string_view_opt() {
            None => new_null_array(field.data_type(), column.len()),
            Some(texts) => {
                let texts = texts.iter().map(|text| text.and_then(|text| masked(text, mask)));
                Arc::new(texts.collect::<StringViewArray>()) as ArrayRef
            }
        }
    });
    RecordBatch::try_new(batch.schema(), columns.collect()).expect("the same columns")
}

fn policy(units: Vec<String>) -> Policy {
    let shown = |column: &str| (format!("affiliation.{column}"), Mask::Shown);
    let mut masks = Masks(["id", "campus", "valid_from", "valid_to", "person_id"].map(shown).into());
    masks.0.insert("affiliation.contact_id".to_owned(), Mask::Hash);
    masks.0.insert("subject_line".to_owned(), Mask::Text("a subject".to_owned()));
    // Who looks people up may name them in conditions; the masks are those of analysts.
    Policy { role: "analyst", may_ask: true, may_look_up: true, is_raw: false, units, masks, key: KEY }
}

/// The rows of the units' sends.
fn of_units(table: &str, batch: RecordBatch, sends: &BTreeSet<String>) -> RecordBatch {
    let column = match table {
        "ier" => "send_definition_id",
        "email_send" => "id",
        _ => return batch,
    };
    let ids = batch.column_by_name(column).expect("the send").as_string_view().clone();
    let is_of = ids.iter().map(|id| Some(id.is_some_and(|id| sends.contains(id))));
    filter_record_batch(&batch, &is_of.collect::<BooleanArray>()).expect("some rows")
}

/// Asks statements as somebody of these units; what was wrong.
async fn play(units: bool, statements: u64, tally: &Tally) -> Vec<String> {
    let story = Story::new(if units { 12 } else { 11 }).await;
    let engine = Engine::open(story.world.warehouse.clone(), limits()).await.expect("an engine");
    let mut raw: HashMap<&'static str, RecordBatch> = HashMap::new();
    for name in story.names() {
        let schema: SchemaRef = engine.context().table_provider(name).await.expect("a table").schema();
        raw.insert(name, story.batch(name, &schema));
    }
    let texts = |column: &str| raw["email_send"].column_by_name(column).expect("a column").as_string_view().clone();
    let unit_of = texts("business_unit_id");
    let unit = unit_of.iter().flatten().next().expect("a unit").to_owned();
    let sends: BTreeSet<String> = texts("id")
        .iter()
        .zip(&unit_of)
        .filter(|(_, of)| *of == Some(unit.as_str()))
        .filter_map(|(id, _)| id.map(str::to_owned))
        .collect();
    let policy = policy(if units { vec![unit.clone()] } else { Vec::new() });
    let mut engines = vec![engine.asked_by("ana", None, false, Some(Arc::new(policy.clone())))];
    for without in ["ier.rollups", "ier.texts_once", "ier.person_runs"] {
        let other = Engine::open(story.world.warehouse.clone(), limits()).await.expect("an engine");
        other.context().state_ref().write().config_mut().options_mut().set(without, "false").expect("an option");
        engines.push(other.asked_by("ana", None, false, Some(Arc::new(policy.clone()))));
    }
    let config = SessionConfig::new().with_target_partitions(1).set_usize("datafusion.optimizer.max_passes", 1);
    let config = config.set_bool("datafusion.execution.skip_physical_aggregate_schema_check", true);
    let rules = PhysicalOptimizer::new().rules.into_iter().filter(|rule| !rule.name().starts_with("FilterPushdown"));
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    let reference = SessionContext::new_with_state(state.with_physical_optimizer_rules(rules.collect()).build());
    let (mut as_it_is, mut as_it_looks) = (Vec::new(), Vec::new());
    for name in story.names() {
        let rows = if units { of_units(name, raw[name].clone(), &sends) } else { raw[name].clone() };
        let rows = masked_batch(name, &rows);
        if units && name == "ier" {
            assert!(rows.num_rows() > 5 && rows.num_rows() < raw[name].num_rows(), "{} rows of the unit", rows.num_rows());
        }
        as_it_is.push(relation(name, &raw[name]));
        as_it_looks.push(relation(name, &rows));
        if units && UNTOLD.contains(&name) {
            continue;
        }
        let table = Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).expect("a table in memory"));
        for name in [Some(name), (name == "ier").then_some("individual_email_result")].into_iter().flatten() {
            reference.register_table(name, table.clone()).expect("a table in memory");
        }
    }
    // Half of the statements name values that are hidden.
    let grammars = [Grammar { relations: as_it_is }, Grammar { relations: as_it_looks }];
    let mut failed = Vec::new();
    for seed in 0..statements {
        let statement = grammars[(seed % 2) as usize].statement(seed + 1_000_000);
        if units && UNTOLD.iter().any(|name| statement.sql.contains(name)) {
            continue;
        }
        let expected = refer(&reference, &statement.sql).await;
        let engine = &engines[if seed % 5 == 0 { 1 + (seed / 5) as usize % 3 } else { 0 }];
        Tally::add(&tally.asked, 1);
        let wrong = match (asked(engine, &statement.sql).await, expected) {
            (Ok(reported), Ok(expected)) => {
                Tally::add(&tally.answered, u64::from(expected.len() > 0));
                reported.difference(expected, &statement.sorted_by)
            }
            (Err(error), Ok(_)) => Some(format!("only the engine fails: {error}")),
            (_, Err(_)) => {
                Tally::add(&tally.skipped, 1);
                None
            }
        };
        failed.extend(wrong.map(|wrong| format!("seed {seed}, units {units}\n{}\n{wrong}\n", statement.sql)));
    }
    failed
}

#[test]
fn who_does_not_see_everything_gets_the_answers_of_rows_that_were_masked_before() {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let told = std::env::var("IER_TEST_MASKED").ok().map(|text| text.parse::<u64>().expect("IER_TEST_MASKED is a number"));
    let statements = told.unwrap_or(MASKED);
    let tally = Arc::new(Tally::default());
    let mut failed = Vec::new();
    for units in [false, true] {
        let tally = tally.clone();
        let played = runtime.spawn(async move { play(units, statements, &tally).await });
        failed.extend(runtime.block_on(played).expect("a world that can be played"));
    }
    let (asked, skipped, answered) = (Tally::of(&tally.asked), Tally::of(&tally.skipped), Tally::of(&tally.answered));
    println!("masked SQL: asked {asked} times, {skipped} skipped, {answered} with rows, {} failed", failed.len());
    let count = failed.len();
    failed.truncate(SHOWN);
    assert!(failed.is_empty(), "{count} wrong answers:\n{}", failed.join("\n"));
    assert!(skipped * 20 <= asked && answered * 3 > asked, "they ask too narrowly: {skipped} skipped, {answered} with rows");
}

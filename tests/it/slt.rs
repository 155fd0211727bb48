//! SQL and its answers as text anyone can read and extend: every file of `tests/slt` against a warehouse of its own.
//!
//! Beside SQL a script can say what a job would: `\load data` (a file or folder of this repository), `\archive`,
//! `\compact`; `\plan SELECT …` answers with the statement's plan, and `\files SELECT …` with the files it would open, one a
//! row. `UPDATE_SLT=1 cargo test slt` writes the answers anew, to be read before they are believed.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use futures::TryStreamExt;
use ier::error::{Error, Result};
use ier::query::ask::Ask;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner, strict_column_validator};

use crate::fixture::{Fixture, cells};

struct Script {
    fixture: Arc<Fixture>,
}

#[async_trait]
impl AsyncDB for Script {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, text: &str) -> Result<DBOutput<DefaultColumnType>> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match word {
            "\\load" => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(rest.trim());
                self.fixture.load([path]).await?;
            }
            "\\archive" => drop(self.fixture.archive().await),
            "\\compact" => {
                self.fixture.compact().await;
            }
            "\\files" | "\\plan" => {
                let plan = self.fixture.try_ask(&format!("EXPLAIN {rest}")).await?;
                let rows = if word == "\\files" { opened(&plan) } else { lines(&plan) };
                return Ok(DBOutput::Rows { types: vec![DefaultColumnType::Text], rows });
            }
            _ => {
                let stream = self.fixture.engine.ask(text).await?;
                let types = types(&stream.schema());
                let batches: Vec<RecordBatch> = stream.try_collect().await?;
                return Ok(DBOutput::Rows { types, rows: cells(&batches) });
            }
        }
        Ok(DBOutput::StatementComplete(0))
    }

    async fn shutdown(&mut self) {}
}

fn physical(plan: &[String]) -> &str {
    plan.iter().find_map(|row| row.strip_prefix("physical_plan | ")).unwrap()
}

/// A plan, a row a line.
fn lines(plan: &[String]) -> Vec<Vec<String>> {
    physical(plan).lines().map(|line| vec![nameless(line)]).collect()
}

/// The files a plan names, by table, tier and partition, without the name that differs from run to run.
fn opened(plan: &[String]) -> Vec<Vec<String>> {
    let mut files: Vec<Vec<String>> = physical(plan)
        .split(['[', ']', ',', ' '])
        .filter(|word| word.ends_with(".parquet"))
        .map(|path| vec![path.rsplit_once('/').unwrap().0.to_owned()])
        .collect();
    files.sort();
    files
}

/// A plan without the names of files.
fn nameless(text: &str) -> String {
    let mut parts = text.split("/part-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |reported, part| reported + "/part" + &part[part.find(".parquet").unwrap_or(0)..])
}

fn types(schema: &SchemaRef) -> Vec<DefaultColumnType> {
    let of = |data_type: &DataType| match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        integer if integer.is_integer() => DefaultColumnType::Integer,
        float if float.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    };
    schema.fields().iter().map(|field| of(field.data_type())).collect()
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    scripts.sort();
    scripts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_gets_its_answers() {
    let mut failed = Vec::new();
    for script in scripts() {
        let fixture = Arc::new(Fixture::empty().await);
        let mut runner = Runner::new(|| async { Ok(Script { fixture: fixture.clone() }) });
        runner.with_column_validator(strict_column_validator);
        if std::env::var_os("UPDATE_SLT").is_some() {
            let (validator, normalizer) = (sqllogictest::default_validator, sqllogictest::default_normalizer);
            runner.update_test_file(&script, " ", validator, normalizer, strict_column_validator).await.unwrap();
        } else if let Err(error) = runner.run_file_async(&script).await {
            failed.push(error.to_string());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::SessionConfig;
use proptest::prelude::*;

use super::{PersonRuns, RunAggregateExec, with_rule};
use crate::record::id::SfId;

const DAY_MICROS: i64 = 86_400_000_000;

/// Questions whose answer must not depend on how groups are found.
const QUESTIONS: [&str; 15] = [
    "SELECT person_id, count(*), count(clicks), sum(clicks), avg(clicks), min(date_sent), max(subject) FROM ier GROUP BY person_id",
    "SELECT person_id, count(*) FILTER (WHERE opened), sum(clicks) FILTER (WHERE clicks > 1), max(clicks) FILTER (WHERE NOT opened) \
     FROM ier GROUP BY 1",
    "SELECT person_id FROM ier GROUP BY person_id",
    "SELECT count(DISTINCT person_id) FROM ier",
    "SELECT contact_id, date_trunc('month', date_sent), count(*), bool_or(opened) FROM ier GROUP BY 1, 2",
    "SELECT subject, contact_id, opened, clicks, sum(clicks) FROM ier GROUP BY 1, 2, 3, 4",
    "SELECT canonical_person(person_id) AS person, subject, count(*) FROM ier GROUP BY 1, 2",
    "SELECT canonical_person(person_id), person_id, date_trunc('month', date_sent), min(subject) FROM ier GROUP BY 1, 2, 3",
    "SELECT count(DISTINCT canonical_person(person_id)) FROM ier WHERE clicks > 0",
    "SELECT n, count(*) FROM (SELECT contact_id, 'x' AS x, count(*) AS n FROM ier WHERE opened GROUP BY 1, 2) GROUP BY n",
    "SELECT person_id, sum(clicks) FROM (SELECT * FROM ier UNION ALL SELECT * FROM ier WHERE clicks > 1) GROUP BY 1 HAVING count(*) > 1",
    "SELECT m FROM (SELECT person_id, max(date_sent) AS m FROM ier GROUP BY person_id) ORDER BY m DESC LIMIT 3",
    "SELECT person_id FROM ier GROUP BY person_id ORDER BY person_id LIMIT 3",
    "SELECT person_id, min(clicks) FROM ier GROUP BY person_id ORDER BY person_id DESC NULLS LAST LIMIT 3",
    "SELECT a.person_id, a.n, b.n FROM (SELECT person_id, count(*) AS n FROM ier GROUP BY 1) a \
     JOIN (SELECT contact_id, count(*) AS n FROM ier WHERE clicks = 2 GROUP BY 1) b ON a.person_id = b.contact_id",
];

/// What another's plan is made of.
const LEFT_ALONE: [&str; 6] = [
    "SELECT person_id, count(*), count(DISTINCT clicks) FROM ier GROUP BY 1",
    "SELECT person_id, subject, count(*) FROM ier GROUP BY GROUPING SETS ((person_id), (person_id, subject))",
    "SELECT person_id, array_agg(clicks ORDER BY date_sent) FROM ier GROUP BY 1",
    "SELECT subject, count(*) FROM ier GROUP BY 1",
    "SELECT upper(person_id), count(*) FROM ier GROUP BY 1",
    "SELECT DISTINCT person_id FROM ier LIMIT 2",
];

fn id(number: usize) -> String {
    SfId::parse(&format!("003f4000000{number:04}")).expect("an id").to_string()
}

/// An id, or now and then a text that is none.
fn text(person: usize) -> String {
    match person {
        0 => String::new(),
        1 => "003f40000000001AAB".to_owned(),
        2 => "ana@example.edu".to_owned(),
        _ => id(person),
    }
}

fn schema() -> SchemaRef {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("person_id", DataType::Utf8View, true),
        Field::new("contact_id", DataType::Utf8View, true),
        Field::new("date_sent", moment, true),
        Field::new("opened", DataType::Boolean, true),
        Field::new("clicks", DataType::Int32, true),
        Field::new("subject", DataType::Utf8View, true),
    ]))
}

#[derive(Clone, Debug)]
struct Row {
    person: Option<usize>,
    day: Option<i64>,
    opened: Option<bool>,
    clicks: Option<i32>,
    subject: Option<u8>,
}

fn batch(rows: &[Row]) -> RecordBatch {
    let people = || rows.iter().map(|row| row.person.map(text)).collect::<StringViewArray>();
    let days = rows.iter().map(|row| row.day.map(|day| day * DAY_MICROS)).collect::<TimestampMicrosecondArray>();
    let subject = |subject: u8| if subject == 0 { "short".to_owned() } else { format!("a subject of some length, {subject}") };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(people()),
        Arc::new(people()),
        Arc::new(days.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.opened).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.clicks).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.subject.map(subject)).collect::<StringViewArray>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

/// Two neighbours are one person; what is no id is nobody.
fn canonical_person(args: &[ColumnarValue]) -> datafusion::common::Result<ColumnarValue> {
    let ids = ColumnarValue::values_to_arrays(args)?.remove(0);
    let one = |id: &str| {
        let digits = id.get(11..15).and_then(|digits| digits.parse::<usize>().ok())?;
        SfId::parse(id).ok().map(|_| self::id(digits / 2))
    };
    let canonical: StringViewArray = ids.as_string_view().iter().map(|id| id.and_then(one)).collect();
    Ok(ColumnarValue::Array(Arc::new(canonical)))
}

/// A session over these rows in these partitions and batches, with the rule as it would be if they were our files'.
fn session(partitions: &[Vec<RecordBatch>], threads: usize, rule: Option<PersonRuns>) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(threads).with_batch_size(16);
    let mut state = SessionStateBuilder::new().with_config(config).with_default_features();
    if let Some(rule) = rule {
        state = state.with_physical_optimizer_rules(with_rule(rule, PhysicalOptimizer::new().rules));
    }
    let context = SessionContext::new_with_state(state.build());
    let table = MemTable::try_new(schema(), partitions.to_vec()).expect("a table");
    context.register_table("ier", Arc::new(table)).expect("a new table");
    let (text, function) = (DataType::Utf8View, Arc::new(canonical_person));
    context.register_udf(create_udf("canonical_person", vec![text.clone()], text, Volatility::Stable, function));
    context
}

fn any_scan() -> Option<PersonRuns> {
    Some(PersonRuns { is_ours: |leaf| leaf.is::<DataSourceExec>() })
}

async fn plan(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let frame = context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    frame.create_physical_plan().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The rows of an answer, in order of their texts.
async fn answer(context: &SessionContext, sql: &str) -> Vec<String> {
    let plan = plan(context, sql).await;
    let batches = collect(plan, context.task_ctx()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a formatter"))
            .collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| format!("[{}]", column.value(row))).collect::<Vec<_>>().join(" ")),
        );
    }
    rows.sort();
    rows
}

fn shown(plan: &dyn ExecutionPlan) -> String {
    displayable(plan).indent(false).to_string()
}

fn gathered(plan: &Arc<dyn ExecutionPlan>) -> Vec<&RunAggregateExec> {
    let below = plan.children().into_iter().flat_map(gathered);
    plan.downcast_ref::<RunAggregateExec>().into_iter().chain(below).collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        proptest::option::weighted(0.9, 0usize..9),
        proptest::option::weighted(0.9, 0i64..90),
        any::<Option<bool>>(),
        proptest::option::weighted(0.8, 0i32..4),
        proptest::option::weighted(0.8, 0u8..3),
    );
    let row = row.prop_map(|(person, day, opened, clicks, subject)| Row { person, day, opened, clicks, subject });
    proptest::collection::vec(row, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn runs_answer_as_datafusion_does(
        mut rows in rows(), is_sorted: bool, batch_rows in 1usize..20, partitions in 1usize..4, threads in 1usize..4,
    ) {
        if is_sorted {
            rows.sort_by_key(|row| (row.person, row.day));
        }
        let mut dealt = vec![Vec::new(); partitions];
        for (at, rows) in rows.chunks(batch_rows).enumerate() {
            dealt[at % partitions].push(batch(rows));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (ours, theirs) = (session(&dealt, threads, any_scan()), session(&dealt, threads, None));
            for sql in QUESTIONS {
                prop_assert_eq!(answer(&ours, sql).await, answer(&theirs, sql).await, "{}", sql);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn every_question_goes_through_runs() {
    for threads in [1, 2] {
        let context = session(&[vec![batch(&[])]], threads, any_scan());
        for sql in QUESTIONS {
            let plan = shown(plan(&context, sql).await.as_ref());
            assert!(plan.contains("RunAggregateExec") && !plan.contains("mode=Partial, gby=[person_id"), "{sql}\n{plan}");
        }
    }
}

#[tokio::test]
async fn distinct_ordered_and_limited_aggregates_and_other_columns_are_left_alone() {
    let context = session(&[vec![batch(&[])]], 2, any_scan());
    for sql in LEFT_ALONE {
        let plan = shown(plan(&context, sql).await.as_ref());
        assert!(!plan.contains("RunAggregateExec"), "{sql}\n{plan}");
    }
}

#[tokio::test]
async fn other_tables_than_our_files_are_left_alone() {
    let context = session(&[vec![batch(&[])]], 2, Some(PersonRuns::default()));
    for sql in QUESTIONS {
        let plan = shown(plan(&context, sql).await.as_ref());
        assert!(!plan.contains("RunAggregateExec"), "{sql}\n{plan}");
    }
}

/// This many people with three rows each, in their order.
fn sorted(people: usize) -> Vec<Row> {
    let row = |at: usize| Row { person: Some(3 + at / 3), day: Some(1), opened: None, clicks: Some(1), subject: Some(1) };
    (0..3 * people).map(row).collect()
}

#[tokio::test]
async fn a_run_goes_on_in_the_next_batch() {
    let batches = sorted(100).chunks(7).map(batch).collect();
    let context = session(&[batches], 1, any_scan());
    let plan = plan(&context, "SELECT person_id, sum(clicks) FROM ier GROUP BY 1").await;
    let answer = collect(plan.clone(), context.task_ctx()).await.expect("an answer");
    assert_eq!(answer.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
    let output_rows = gathered(&plan)[0].metrics().and_then(|metrics| metrics.output_rows());
    assert_eq!(output_rows, Some(100), "{}", shown(plan.as_ref()));
}

#[tokio::test]
async fn many_groups_are_passed_on_in_several_batches() {
    let batches: Vec<RecordBatch> = sorted(9990).chunks(1000).map(batch).collect();
    let context = session(&[batches.clone(), batches], 2, any_scan());
    let sql = "SELECT n, count(*) FROM (SELECT person_id, sum(clicks) AS n FROM ier GROUP BY 1) GROUP BY n";
    assert_eq!(answer(&context, sql).await, ["[6] [9990]"]);
}

#[tokio::test]
async fn a_filter_on_the_ids_of_groups_becomes_one_on_the_rows() {
    let context = session(&[vec![batch(&sorted(10))]], 2, any_scan());
    let sql = "SELECT a.n FROM (SELECT person_id, count(*) AS n FROM ier GROUP BY 1) a \
               JOIN (SELECT contact_id FROM ier WHERE clicks = 2) b ON a.person_id = b.contact_id";
    let plan = plan(&context, sql).await;
    let aggregate = gathered(&plan)[0];
    let column = |name: &str, at| super::column(name, at);
    let id = Arc::new(super::IdOfNumber::new(column("number(person_id)", 0), Default::default())) as _;
    let count = column("count(Int64(1))[count]", 1);
    let shown = |filter| aggregate.before(&filter).expect("a filter").map(|filter| filter.to_string());
    assert_eq!(shown(id), Some("person_id@0".to_owned()));
    assert_eq!(shown(column("number(person_id)", 0)), None, "a number is not known before");
    assert_eq!(shown(count), None, "neither is a count");
}

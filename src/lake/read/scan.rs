//! Reads a table for SQL: chooses files and pages, and makes a plan that DataFusion can optimise.
//!
//! The plan is a plain `DataSourceExec` over Parquet, built from the snapshot. Files are left out by the log's statistics before
//! they are opened, row groups and pages by their own statistics. Footers and page indexes are cached.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;

use super::appendix_scan::{Appendix, AppendixExec};
use super::people::{PERSON, PeopleExec, named_people};
use super::tier::Tier;
use crate::error::Result;
use crate::lake::columns::{schema, tier_field, tier_value};
use crate::lake::file::footers::Readers;
use crate::lake::file::tags;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::record::fields::{Kind, TIER, Table};

/// The address under which plans name the warehouse's store; readers carry the store itself.
pub const STORE: &str = "ier://warehouse/";

/// The files that may hold rows for which all filters are true.
pub fn prune(
    table: &Table,
    tier: &str,
    files: Vec<Arc<DataFile>>,
    filters: &[Expr],
    state: &dyn Session,
) -> Result<Vec<Arc<DataFile>>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(files) };
    if files.is_empty() {
        return Ok(files);
    }
    // The log's bounds tell all there is to know of people, at a hundredth of the cost.
    if let ([_], Some(people)) = (filters, named_people(table, filters)) {
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        return Ok(files.into_iter().filter(|file| file.may_hold(PERSON, &people)).collect());
    }
    let schema = schema(table);
    let expression = state.create_physical_expr(filter, &DFSchema::try_from(schema.clone())?)?;
    // A filter the pruner cannot use excludes nothing.
    let Some(predicate) = PruningPredicateBuilder::new().with_file_schema(schema).build(expression) else { return Ok(files) };
    let keep = predicate.prune(&FileStatistics { table, tier, files: &files })?;
    Ok(files.into_iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
}

/// Do these filters look something up by id? (People have a [`PeopleExec`].) Then columns are decoded only where the filters
/// hold: an IER or a send is in few places, so most pages are skipped. For wide filters that costs more than it saves.
fn is_look_up(table: &Table, filters: &[Expr]) -> bool {
    let is_id = |expression: &Expr| match expression {
        Expr::Column(column) => table.field(&column.name).is_some_and(|field| matches!(field.kind, Kind::Id | Kind::Text)),
        _ => false,
    };
    filters.iter().any(|filter| match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => is_id(&binary.left) || is_id(&binary.right),
        Expr::InList(list) => !list.negated && is_id(&list.expr),
        _ => false,
    })
}

/// A plan that returns some columns (places in [`schema`]) of these files' rows: at least of those for which all filters
/// hold.
pub fn plan(
    table: &Arc<LakeTable>,
    tier: Tier,
    files: &[Arc<DataFile>],
    projection: &[usize],
    filters: &[Expr],
    state: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = Arc::new(schema(&table.table).project(projection)?);
    if files.is_empty() {
        return Ok(Arc::new(EmptyExec::new(schema)));
    }
    let threads = state.config().target_partitions();
    if let Some(people) = named_people(&table.table, filters) {
        return Ok(Arc::new(PeopleExec::new(table, tier, groups(files, threads), projection, people)?));
    }
    let (with, without): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| tier.rare && file.tag(tags::RARE).is_some());
    let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
    if !with.is_empty() {
        plans.push(Arc::new(AppendixExec::new(Appendix::RareRows, table, tier.name, groups(&with, threads), schema)));
    }
    if !without.is_empty() {
        plans.push(all_rows(table, tier, &without, projection, filters, state)?);
    }
    union(plans)
}

/// One plan with the rows of all of these.
pub fn union(mut plans: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    match plans.len() {
        1 => Ok(plans.remove(0)),
        _ => Ok(UnionExec::try_new(plans)?),
    }
}

/// The rows of files, as far as the pages' own statistics do not leave them out.
fn all_rows(
    table: &Arc<LakeTable>,
    tier: Tier,
    files: &[Arc<DataFile>],
    projection: &[usize],
    filters: &[Expr],
    state: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let all = schema(&table.table);
    let groups = groups(files, state.config().target_partitions());
    let file_schema = table.table.scan_schema();
    let mut options = state.default_table_options().parquet;
    options.global.pushdown_filters = tier.few || is_look_up(&table.table, filters);
    options.global.reorder_filters = true;
    let readers = Readers { store: table.store.clone(), footers: table.footers.clone() };
    let source =
        ParquetSource::new(TableSchema::builder(file_schema).with_table_partition_cols(vec![Arc::new(tier_field())]).build())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
    let groups: Vec<FileGroup> = groups
        .into_iter()
        .map(|files| Ok(FileGroup::new(files.iter().map(|file| partitioned(table, tier.name, file)).collect::<Result<_>>()?)))
        .collect::<Result<_>>()?;
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let bytes: u64 = files.iter().map(|file| file.bytes()).sum();
    let statistics = Statistics {
        num_rows: Precision::Exact(rows as usize),
        total_byte_size: Precision::Inexact(bytes as usize),
        column_statistics: Statistics::unknown_column(&all),
    };
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, Arc::new(source))
        .with_file_groups(groups)
        .with_statistics(statistics)
        .with_projection_indices(Some(projection.to_vec()))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// Deals files out to as many groups as there are threads, largest first, so that all end at about the same time.
pub fn groups(files: &[Arc<DataFile>], threads: usize) -> Vec<Vec<Arc<DataFile>>> {
    let mut by_size = files.to_vec();
    by_size.sort_by_key(|file| std::cmp::Reverse(file.bytes()));
    let mut groups: Vec<(u64, Vec<Arc<DataFile>>)> = vec![(0, Vec::new()); threads.clamp(1, files.len())];
    for file in by_size {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.bytes();
            group.push(file);
        }
    }
    groups.into_iter().map(|(_, files)| files).collect()
}

fn partitioned(table: &LakeTable, tier: &str, file: &DataFile) -> Result<PartitionedFile> {
    let columns = table.table.fields.iter().map(|field| match file.ranges.get(field.name.as_ref()) {
        None => ColumnStatistics::new_unknown(),
        Some(range) => {
            let precise = |value: &ScalarValue| match (value.is_null(), field.kind) {
                (true, _) => Precision::Absent,
                // The log cuts moments to milliseconds.
                (false, Kind::Time) => Precision::Inexact(value.clone()),
                (false, _) => Precision::Exact(value.clone()),
            };
            ColumnStatistics {
                null_count: range.nulls.map_or(Precision::Absent, |nulls| Precision::Exact(nulls as usize)),
                min_value: precise(&range.min),
                max_value: precise(&range.max),
                ..ColumnStatistics::new_unknown()
            }
        }
    });
    let statistics = Statistics {
        num_rows: Precision::Exact(file.rows as usize),
        total_byte_size: Precision::Inexact(file.bytes() as usize),
        column_statistics: columns.collect(),
    };
    let mut partitioned = PartitionedFile::new_from_meta(file.object(&table.folder));
    partitioned.partition_values = vec![tier_value(tier)];
    // What the reader proves the footer by.
    if let Some(tail) = file.tail()? {
        partitioned = partitioned.with_extension(tail);
    }
    Ok(partitioned.with_statistics(Arc::new(statistics)))
}

/// The log's statistics, as the pruner asks for them.
struct FileStatistics<'a> {
    table: &'a Table,
    tier: &'a str,
    files: &'a [Arc<DataFile>],
}

impl FileStatistics<'_> {
    fn bound(&self, column: &Column, of: impl Fn(&crate::lake::log::snapshot::ColumnRange) -> &ScalarValue) -> Option<ArrayRef> {
        if column.name == TIER {
            return tier_value(self.tier).to_array_of_size(self.files.len()).ok();
        }
        let unknown = ScalarValue::try_from(&self.table.field(&column.name)?.kind.sql_type()).ok()?;
        let values = self.files.iter().map(|file| file.ranges.get(&column.name).map_or(&unknown, &of).clone());
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |range| &range.min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |range| &range.max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let nulls = self.files.iter().map(|file| file.ranges.get(&column.name).and_then(|range| range.nulls));
        Some(Arc::new(nulls.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

//! Computes window functions over whole partitions for some partitions at a time.
//!
//! **Why.** DataFusion 55.2 collects all rows before it computes such a function (for example `sum(x) OVER (PARTITION BY
//! person_id)`), copies them into one batch, and does not tell the memory pool.
//!
//! **How.** The rows come sorted by partition, so a partition is complete when the next one begins. [`WindowsInTurn`] hands
//! DataFusion's own plan as many partitions as make a batch of some size, and then the next ones. The memory pool counts all rows
//! held at once. A single partition that is too large for the pool is refused, and so is a function over too many rows without
//! partitions (`OVER ()`).

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_comparator};
use arrow::buffer::Buffer;
use arrow::compute::{SortOptions, partition};
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

/// Rows of whole partitions that are computed together, at least.
const TOGETHER_ROWS: usize = 16 << 10;

/// How often rows are in memory while functions are computed: as they came, and put together.
const COPIES: usize = 2;

/// The rule that makes windows compute some partitions at a time.
#[derive(Debug)]
pub struct WindowsByPartition;

impl PhysicalOptimizerRule for WindowsByPartition {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.is::<WindowAggExec>() {
            true => Ok(Transformed::yes(Arc::new(WindowsInTurn::over(plan)?) as Arc<dyn ExecutionPlan>)),
            false => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "WindowsByPartition"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// DataFusion's plan of windows, run on some partitions after the other.
#[derive(Debug)]
struct WindowsInTurn {
    /// With its input, of which only the rows are exchanged.
    windows: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    keys: Arc<[Arc<dyn PhysicalExpr>]>,
}

impl WindowsInTurn {
    fn over(windows: Arc<dyn ExecutionPlan>) -> DfResult<Self> {
        let Some(plan) = windows.downcast_ref::<WindowAggExec>() else { return internal_err!("windows of another kind") };
        let keys = plan.window_expr().first().map_or_else(Vec::new, |first| first.partition_by().to_vec());
        let input = plan.input().clone();
        Ok(Self { windows, input, keys: keys.into() })
    }
}

impl DisplayAs for WindowsInTurn {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.windows.downcast_ref::<WindowAggExec>() {
            Some(windows) => windows.fmt_as(kind, f),
            None => write!(f, "{}", self.name()),
        }
    }
}

impl ExecutionPlan for WindowsInTurn {
    fn name(&self) -> &str {
        "WindowsInTurn"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.windows.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        self.windows.apply_expressions(visit)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::over(
            self.windows.clone().replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?,
        )?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context.clone())?;
        let held = MemoryConsumer::new(format!("WindowsInTurn[{partition}]")).register(context.memory_pool());
        let turns = Turns {
            rows,
            keys: self.keys.clone(),
            held,
            open: Vec::new(),
            last: Vec::new(),
            seen: HashSet::new(),
            is_over: false,
        };
        let (windows, input) = (self.windows.clone(), self.input.clone());
        let answers = stream::try_unfold(turns, move |mut turns| {
            let (windows, input, context) = (windows.clone(), input.clone(), context.clone());
            async move {
                let Some(complete) = turns.next().await? else { return Ok(None) };
                let some = Arc::new(SomeRows { like: input, rows: Mutex::new(complete) });
                let windows = windows.replace_children(vec![some], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))?;
                Ok::<_, datafusion::error::DataFusionError>(Some((windows.execute(partition, context)?, turns)))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), answers.try_flatten())))
    }
}

/// The rows of an input, cut between partitions.
struct Turns {
    rows: SendableRecordBatchStream,
    keys: Arc<[Arc<dyn PhysicalExpr>]>,
    held: MemoryReservation,
    /// Rows of which the last partition may go on.
    open: Vec<RecordBatch>,
    /// The keys of the last of them, as arrays of one row.
    last: Vec<ArrayRef>,
    /// The buffers of the open rows.
    seen: HashSet<usize>,
    is_over: bool,
}

impl Turns {
    /// Rows of whole partitions; none when there are no more. What was handed out before is given back.
    async fn next(&mut self) -> DfResult<Option<Vec<RecordBatch>>> {
        self.seen.clear();
        let open = self.open.iter().map(|rows| bytes(rows, &mut self.seen)).sum();
        self.held.try_resize(open)?;
        while !self.is_over {
            let Some(batch) = self.rows.next().await else {
                self.is_over = true;
                break;
            };
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            self.held.try_grow(bytes(&batch, &mut self.seen))?;
            let cut = self.cut(&batch)?;
            let rows: usize = self.open.iter().map(RecordBatch::num_rows).sum();
            match cut.filter(|cut| rows + cut >= TOGETHER_ROWS) {
                None => self.open.push(batch),
                Some(cut) => {
                    let mut complete = std::mem::take(&mut self.open);
                    complete.push(batch.slice(0, cut));
                    self.open.push(batch.slice(cut, batch.num_rows() - cut));
                    return Ok(Some(complete));
                }
            }
        }
        Ok(Some(std::mem::take(&mut self.open)).filter(|rest| !rest.is_empty()))
    }

    /// Before which row of a batch a partition begins, the last one that does.
    fn cut(&mut self, batch: &RecordBatch) -> DfResult<Option<usize>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let keys = self.keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        let keys: Vec<ArrayRef> = keys.collect::<DfResult<_>>()?;
        let begins = partition(&keys)?.ranges().last().map_or(0, |last| last.start);
        let is_new = begins > 0 || !self.goes_on(&keys)?;
        self.last = keys.iter().map(|key| key.slice(batch.num_rows() - 1, 1)).collect();
        Ok(is_new.then_some(begins))
    }

    /// Does the first of these rows belong to the partition of the last before them?
    fn goes_on(&self, keys: &[ArrayRef]) -> DfResult<bool> {
        for (last, key) in self.last.iter().zip(keys) {
            if make_comparator(last, key, SortOptions::default())?(0, 0).is_ne() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Bytes of buffers that were not seen before: texts of many batches may lie in the same ones.
fn bytes_of(data: &ArrayData, seen: &mut HashSet<usize>) -> usize {
    let nulls = data.nulls().map(|nulls| nulls.inner().inner());
    let buffers = data.buffers().iter().chain(nulls).filter(|buffer| seen.insert(buffer.data_ptr().as_ptr() as usize));
    let own: usize = buffers.map(Buffer::capacity).sum();
    own + data.child_data().iter().map(|child| bytes_of(child, seen)).sum::<usize>()
}

fn bytes(rows: &RecordBatch, seen: &mut HashSet<usize>) -> usize {
    rows.columns().iter().map(|column| bytes_of(&column.to_data(), seen)).sum::<usize>() * COPIES
}

/// A plan that returns given rows, in the place of an input.
struct SomeRows {
    /// The input.
    like: Arc<dyn ExecutionPlan>,
    rows: Mutex<Vec<RecordBatch>>,
}

impl fmt::Debug for SomeRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SomeRows")
    }
}

impl DisplayAs for SomeRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SomeRows")
    }
}

impl ExecutionPlan for SomeRows {
    fn name(&self) -> &str {
        "SomeRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.like.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = std::mem::take(&mut *self.rows.lock().unwrap_or_else(PoisonError::into_inner));
        let schema: SchemaRef = self.like.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(rows.into_iter().map(Ok)))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::query::memory::Shares;

    fn context(memory_bytes: usize, batch_size: usize, is_ours: bool) -> SessionContext {
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(Shares::new(memory_bytes))).build_arc().unwrap();
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(batch_size)
            .with_sort_spill_reservation_bytes(memory_bytes / 64);
        let mut state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
        if is_ours {
            state = state.with_physical_optimizer_rule(Arc::new(WindowsByPartition));
        }
        SessionContext::new_with_state(state.build())
    }

    async fn answer(context: &SessionContext, sql: &str) -> DfResult<String> {
        let rows = context.sql(sql).await?.collect().await?;
        Ok(arrow::util::pretty::pretty_format_batches(&rows)?.to_string())
    }

    const OVER: &str = "sum(value) OVER (PARTITION BY value % 9973) a,
        count(*) OVER (PARTITION BY value % 9973 ORDER BY value ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING) b,
        ntile(3) OVER (PARTITION BY value % 9973, value % 2 ORDER BY value) c, max(value) OVER (PARTITION BY value % 3) d,
        count(*) OVER (PARTITION BY CASE WHEN value % 7 > 2 THEN value % 7 END) e";

    #[tokio::test]
    async fn windows_in_turn_answer_as_windows_at_once() {
        for (rows, batch_size) in [(80_000, 8192), (2_000, 3), (0, 8192)] {
            let sql = format!("SELECT value, {OVER} FROM generate_series(1, {rows}) ORDER BY value");
            let ours = context(512 << 20, batch_size, true);
            let plan = ours.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
            let mut found = 0;
            plan.apply(|plan| {
                found += usize::from(plan.is::<WindowsInTurn>());
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
            assert!(found >= 3, "{found}");
            let plain = context(512 << 20, batch_size, false);
            assert_eq!(answer(&ours, &sql).await.unwrap(), answer(&plain, &sql).await.unwrap(), "{rows}");
        }
    }

    #[tokio::test]
    async fn windows_of_small_partitions_need_little_and_one_of_all_rows_is_refused() {
        let over = |over: &str, rows: u64| {
            format!("SELECT count(*), sum(s) FROM (SELECT sum(value) OVER ({over}) s FROM generate_series(1, {rows})) t")
        };
        let tight = context(12 << 20, 8192, true);
        let refusal = answer(&tight, &over("PARTITION BY value % 50000", 300_000)).await.unwrap();
        assert!(refusal.contains("300000"), "{refusal}");
        let error = answer(&tight, &over("", 2_000_000)).await.unwrap_err().to_string();
        assert!(error.contains("WindowsInTurn"), "{error}");
        assert_eq!(tight.runtime_env().memory_pool.reserved(), 0);
    }
}

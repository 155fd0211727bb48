//! Sorts whole what is too much for a heap: `ORDER BY … LIMIT 1000000` goes to disk where it outgrows its memory.
//!
//! **Why.** DataFusion keeps the first rows of a sort in a heap, which never goes to disk: with a large limit the statement fails for
//! want of memory, although without any limit it would not. So a limit that may take much of the memory is taken out of the
//! sort, and cuts its rows off behind it.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// A text takes about so many bytes, and so does a row's place in the heap with its key.
const TEXT_BYTES: usize = 32;

/// The part of the memory that is one over this may be taken by heaps.
const HEAPS: usize = 8;

/// Takes large limits out of sorts. It runs after the rules that put limits into them.
#[derive(Debug)]
pub struct LargeLimits {
    /// The memory of all statements.
    pub memory_bytes: usize,
}

impl LargeLimits {
    /// Would the heaps of a sort take too much?
    fn is_large(&self, sort: &SortExec, rows: usize) -> bool {
        let schema = sort.schema();
        let widths = schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(TEXT_BYTES));
        let row_bytes = TEXT_BYTES + widths.sum::<usize>();
        let heaps = sort.input().output_partitioning().partition_count();
        rows.saturating_mul(row_bytes).saturating_mul(heaps) > self.memory_bytes / HEAPS
    }
}

impl PhysicalOptimizerRule for LargeLimits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(Transformed::no(plan)) };
            let Some(rows) = sort.fetch().filter(|rows| self.is_large(sort, *rows)) else { return Ok(Transformed::no(plan)) };
            let whole =
                SortExec::new(sort.expr().clone(), sort.input().clone()).with_preserve_partitioning(sort.preserve_partitioning());
            Ok(Transformed::yes(Arc::new(LocalLimitExec::new(Arc::new(whole), rows)) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &str {
        "large_limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

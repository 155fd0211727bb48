//! Makes joins yield to the scheduler.
//!
//! **Why.** A join with very many matches is always ready with the next batch, and an aggregate above it polls until nothing is
//! left: for minutes nothing checks whether the statement was cancelled. DataFusion makes scans and exchanges cooperative
//! (`EnsureCooperative`), but not joins. Here each join is wrapped so that it yields.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Makes joins yield. It runs last, because other rules look for joins below their parents.
#[derive(Debug)]
pub struct JoinsYield;

impl PhysicalOptimizerRule for JoinsYield {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        let wrapped = |plan: Arc<dyn ExecutionPlan>| match plan.name().ends_with("JoinExec") {
            true => Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>),
            false => Transformed::no(plan),
        };
        plan.transform_up(|plan| Ok(wrapped(plan))).data()
    }

    fn name(&self) -> &str {
        "joins_yield"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

//! Filters that the physical planner hands down by the names of columns, only where no name stands for two.
//!
//! Two columns of one name are common above a join: `FROM ier a RIGHT JOIN ier b …`. DataFusion up to 55.2 finds the column of a
//! filter that it hands to an operator's input by its name, takes the first of that name, and so filters the wrong side: rows
//! are lost without a word. Its later versions go by position (<https://github.com/apache/datafusion/pull/25259>); with one of them
//! this rule can go.

use std::collections::HashSet;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// The rules that hand filters down begin with this.
const BY_NAME: &str = "FilterPushdown";

/// These rules, of which those that go by name are only applied where that is safe.
pub fn where_names_differ(rules: Vec<Rule>) -> Vec<Rule> {
    let guarded = |rule: Rule| if rule.name().starts_with(BY_NAME) { Arc::new(WhereNamesDiffer(rule)) as Rule } else { rule };
    rules.into_iter().map(guarded).collect()
}

/// A rule of the physical planner.
pub type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// A rule, applied to those parts of a plan below whose top every operator's columns have different names. The top may
/// have two of one name, as a join has: no filter is handed to it.
struct WhereNamesDiffer(Rule);

impl PhysicalOptimizerRule for WhereNamesDiffer {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, options: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|part| {
            if !part.children().into_iter().all(names_differ) {
                return Ok(Transformed::no(part));
            }
            let optimized = self.0.optimize(part, options)?;
            Ok(Transformed::new(optimized, true, TreeNodeRecursion::Jump))
        })
        .data()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

impl Debug for WhereNamesDiffer {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WhereNamesDiffer").field(&self.0.name()).finish()
    }
}

/// Have all columns of each operator of a plan different names?
fn names_differ(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = plan.schema();
    let mut names = HashSet::new();
    schema.fields().iter().all(|field| names.insert(field.name())) && plan.children().into_iter().all(names_differ)
}

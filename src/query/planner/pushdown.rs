//! Allows the physical planner to push filters down by column name only where the name is unique.
//!
//! **Why.** Two columns of one name are common above a join: `FROM ier a RIGHT JOIN ier b …`. DataFusion up to 55.2 finds the
//! column of a pushed filter by its name and takes the first one, so it filters by the wrong column and silently loses rows.
//! Later versions use positions (<https://github.com/apache/datafusion/pull/25259>); with one of them this rule can be removed.

use std::collections::HashSet;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result as DfResult};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::union::UnionExec;

use super::rules::PhysicalRules;

/// The rules that hand filters down begin with this.
const BY_NAME: &str = "FilterPushdown";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// These rules, of which those that go by name are only applied where that is safe.
pub fn where_names_are_unique(rules: PhysicalRules) -> PhysicalRules {
    let guarded = |rule: Rule| if rule.name().starts_with(BY_NAME) { Arc::new(WhereNamesAreUnique(rule)) as Rule } else { rule };
    rules.into_iter().map(guarded).collect()
}

/// A rule that is applied to those parts of a plan in which, below the top, every operator has unique column names. Those of the
/// top need not: no filter is handed to it.
struct WhereNamesAreUnique(Rule);

impl PhysicalOptimizerRule for WhereNamesAreUnique {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, options: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|part| {
            if !part.children().into_iter().all(names_are_unique) {
                return Ok(Transformed::no(part));
            }
            let optimized = self.0.optimize(part.clone(), options)?;
            let is_other = !Arc::ptr_eq(&optimized, &part);
            Ok(Transformed::new(optimized, is_other, TreeNodeRecursion::Jump))
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

impl Debug for WhereNamesAreUnique {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WhereNamesTell").field(&self.0.name()).finish()
    }
}

/// Do the names of each operator of a plan tell which of its input's columns is meant?
fn names_are_unique(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let (schema, inputs) = (plan.schema(), plan.children());
    let differ = |schemas: &[SchemaRef]| {
        let mut names = HashSet::new();
        schemas.iter().flat_map(|schema| schema.fields()).all(|field| names.insert(field.name().clone()))
    };
    let schemas: Vec<SchemaRef> = inputs.iter().map(|input| input.schema()).collect();
    // A join that returns one side hands filters on its key to the other, too.
    let has_both_sides =
        |join: &HashJoinExec| matches!(join.join_type(), JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
    let returns_one_side = plan.downcast_ref::<HashJoinExec>().is_some_and(|join| !has_both_sides(join));
    // A union has the names of its first input.
    let are_named_alike =
        |input: &SchemaRef| input.fields().iter().zip(schema.fields()).all(|(one, other)| one.name() == other.name());
    differ(std::slice::from_ref(&schema))
        && (!returns_one_side || differ(&schemas))
        && (!plan.is::<UnionExec>() || schemas.iter().all(are_named_alike))
        && inputs.into_iter().all(names_are_unique)
}

#[cfg(test)]
mod tests {
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

    use super::*;

    #[test]
    fn both_rules_that_go_by_name_are_guarded() {
        let rules = where_names_are_unique(PhysicalOptimizer::new().rules);
        let guarded = rules.iter().filter(|rule| format!("{rule:?}").starts_with("WhereNamesTell"));
        assert_eq!(guarded.count(), 2, "has DataFusion renamed a rule, or mended it?");
    }
}

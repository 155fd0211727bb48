//! Groups by person without hashing every row.
//!
//! Files are sorted by person, so a person's rows are adjacent, and a row's group is nearly always that of the row before.
//! [`PersonRuns`] finds the partial aggregates of a plan that group our files by a person, and replaces each with a
//! [`RunAggregateExec`]. It compares each row with the one before, has no hash table, and reads an id's characters once a run.
//! Its output has numbers for ids, by which the final aggregate groups faster than by text; a projection turns them back.
//!
//! **Invariant**: the answer is the same for rows in any order and for any text as an id. The order of our files only makes it
//! fast.

// A GROUP BY in the form that runs need.
mod aggregate;

// The partial aggregation of a GROUP BY, without a hash table.
mod exec;

// Finds the runs of equal groups in batches, and aggregates their rows.
mod gather;

// Ids as numbers of sixteen bytes, which hash and compare faster than text.
mod number;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};

pub use exec::RunAggregateExec;

use self::aggregate::Key;
use self::number::{IdOfNumber, UnknownTexts};
use super::rules::PhysicalRules;
use super::shortcuts::Shortcuts;
use crate::lake::read::people::{PERSON, PeopleExec};
use crate::lake::read::scan::STORE;
use crate::query::functions::identity;

/// The columns whose equal values stand together in our files.
const PERSON_COLUMNS: [&str; 3] = [PERSON, "contact_id", "lead_id"];

/// The one id of a person, of any of theirs.
const CANONICAL_PERSON: &str = identity::NAMES[2];

/// The rule before which ours runs: after it, other plans may stand between the two halves of an aggregate.
const NEXT_RULE: &str = "EnsureRequirements";

/// These rules and this one: late enough that `SELECT DISTINCT … LIMIT`, which stops early, is known.
pub fn with_rule(rule: PersonRuns, mut rules: PhysicalRules) -> PhysicalRules {
    let place = rules.iter().position(|rule| rule.name() == NEXT_RULE).unwrap_or(0);
    rules.insert(place, Arc::new(rule));
    rules
}

/// The rule that makes aggregates by person use runs.
#[derive(Debug)]
pub struct PersonRuns {
    /// Is a leaf of the plan a scan of files sorted by person?
    is_ours: fn(&dyn ExecutionPlan) -> bool,
}

impl Default for PersonRuns {
    fn default() -> Self {
        Self { is_ours }
    }
}

/// Does it read our files?
fn is_ours(leaf: &dyn ExecutionPlan) -> bool {
    let config = leaf.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    leaf.is::<PeopleExec>() || config.is_some_and(|config| config.object_store_url.as_str() == STORE)
}

impl PhysicalOptimizerRule for PersonRuns {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, options: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        if !Shortcuts::of(options).person_runs {
            return Ok(plan);
        }
        plan.transform_up(|plan| match self.by_runs(&plan)? {
            Some(by_runs) => Ok(Transformed::yes(by_runs)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "PersonRuns"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl PersonRuns {
    /// The two halves of an aggregate, by runs; `None` for whatever else it is.
    fn by_runs(&self, plan: &Arc<dyn ExecutionPlan>) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(last) = plan.downcast_ref::<AggregateExec>() else { return Ok(None) };
        let Some(first) = last.input().downcast_ref::<AggregateExec>() else { return Ok(None) };
        let is_last = matches!(last.mode(), AggregateMode::Final | AggregateMode::FinalPartitioned);
        if !is_last || *first.mode() != AggregateMode::Partial || !is_plain(last) || !is_plain(first) {
            return Ok(None);
        }
        let Some(keys) = self.keys(first)? else { return Ok(None) };
        let are_numbers: Vec<bool> = keys.iter().map(Key::is_number).collect();
        let unknown_texts = Arc::new(UnknownTexts::default());
        let runs: Arc<dyn ExecutionPlan> = Arc::new(RunAggregateExec::new(first, keys, unknown_texts.clone()));

        let (gathered, declared) = (runs.schema(), plan.schema());
        let groups = gathered.fields().iter().take(are_numbers.len()).enumerate();
        let groups = groups.map(|(at, field)| (column(field.name(), at), field.name().clone())).collect();
        let (aggregates, filters) = (last.aggr_expr().to_vec(), last.filter_expr().to_vec());
        let groups = PhysicalGroupBy::new_single(groups);
        let merged = AggregateExec::try_new(*last.mode(), groups, aggregates, filters, runs, last.input_schema())?;

        let given = merged.schema();
        let columns = given.fields().iter().zip(declared.fields()).enumerate().map(|(at, (field, declared))| {
            let value = column(field.name(), at);
            let is_number = are_numbers.get(at).is_some_and(|is_number| *is_number);
            let expr = if is_number { Arc::new(IdOfNumber::new(value, unknown_texts.clone())) } else { value };
            ProjectionExpr { expr, alias: declared.name().clone() }
        });
        let projected = ProjectionExec::try_new(columns.collect::<Vec<_>>(), Arc::new(merged))?;
        Ok((projected.schema() == declared).then(|| Arc::new(projected) as Arc<dyn ExecutionPlan>))
    }

    /// What the expressions of a GROUP BY are; `None` when none of them is a person, or one cannot be compared.
    fn keys(&self, first: &AggregateExec) -> DfResult<Option<Vec<Key>>> {
        let mut keys = Vec::new();
        for (expr, _) in first.group_expr().expr() {
            let values = new_empty_array(&expr.data_type(&first.input().schema())?);
            if is_volatile(expr) || distinct(&values, &values).is_err() {
                return Ok(None);
            }
            keys.push(self.key(expr, first.input())?);
        }
        Ok(keys.iter().any(Key::is_number).then_some(keys))
    }

    fn key(&self, expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> DfResult<Key> {
        if self.is_person(expr, input) {
            return Ok(Key::Person);
        }
        match expr.downcast_ref::<ScalarFunctionExpr>() {
            Some(function) if function.fun().name() == CANONICAL_PERSON => match function.args() {
                [id] if self.is_person(id, input) => Key::of_person(expr, id),
                _ => Ok(Key::Plain),
            },
            _ => Ok(Key::Plain),
        }
    }

    /// Is it a column of our files whose equal values stand together?
    fn is_person(&self, expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> bool {
        expr.downcast_ref::<Column>().is_some_and(|column| self.holds_person(input, column.index()))
    }

    fn holds_person(&self, plan: &Arc<dyn ExecutionPlan>, at: usize) -> bool {
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            return projection.expr().get(at).is_some_and(|column| self.is_person(&column.expr, projection.input()));
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            let at = filter.projection().as_ref().map_or(Some(at), |columns| columns.get(at).copied());
            return at.is_some_and(|at| self.holds_person(filter.input(), at));
        }
        if plan.is::<UnionExec>() || plan.is::<CooperativeExec>() || plan.is::<RepartitionExec>() {
            return plan.children().iter().all(|input| self.holds_person(input, at));
        }
        let schema = plan.schema();
        let field = schema.field(at);
        PERSON_COLUMNS.contains(&field.name().as_str())
            && *field.data_type() == DataType::Utf8View
            && (self.is_ours)(plan.as_ref())
    }
}

/// One set of groups, in no order, with functions that take rows in any order and keep their states by group.
fn is_plain(aggregate: &AggregateExec) -> bool {
    let mut functions = aggregate.aggr_expr().iter();
    aggregate.group_expr().is_single()
        && aggregate.limit_options().is_none()
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && functions.all(|f| f.groups_accumulator_supported() && !f.is_distinct() && f.order_bys().is_empty())
}

fn column(name: &str, at: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, at))
}

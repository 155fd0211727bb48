//! The rules by which statements are planned: DataFusion's and ours, in the order in which they run.

use std::sync::Arc;

use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use super::planner::empty_values::EmptyValues;
use super::planner::grouping_sets::FixedGroupings;
use super::planner::large_limits::LargeLimits;
use super::planner::literals::ShortIds;
use super::planner::once::TextsOnce;
use super::planner::one_row::OneRowStays;
use super::planner::pushdown;
use super::planner::rollups::CountMerged;
use super::planner::rules::PhysicalRules;
use super::planner::runs::{self, PersonRuns};
use super::planner::subqueries::NullsInSubqueries;
use super::planner::wall_clock::WallClock;
use super::planner::windows::WindowsByPartition;
use super::planner::yields::JoinsYield;
use super::policy::barrier::CopyComparisons;

/// DataFusion's analyzer rules and ours: those that need the typed text come first, those that need coerced types last.
pub(super) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(ShortIds));
    rules.insert(1, Arc::new(WallClock));
    rules.insert(2, Arc::new(EmptyValues));
    rules.push(Arc::new(NullsInSubqueries));
    rules.push(Arc::new(OneRowStays));
    rules.push(Arc::new(FixedGroupings));
    rules
}

/// DataFusion's rules, and ours: once expressions are simple, and before plans are taken to pieces.
pub(super) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let simple = rules.iter().position(|rule| rule.name() == "simplify_expressions").map_or(0, |at| at + 1);
    rules.insert(simple, Arc::new(CountMerged));
    let pushed = rules.iter().position(|rule| rule.name() == "push_down_filter").map_or(rules.len(), |at| at + 1);
    rules.insert(pushed, Arc::new(CopyComparisons));
    rules
}

/// DataFusion's rules for physical plans, and ours.
pub(super) fn physical_rules(memory_bytes: usize) -> PhysicalRules {
    let mut rules = pushdown::where_names_are_unique(runs::with_rule(PersonRuns::default(), PhysicalOptimizer::new().rules));
    // Last: others look into conditions.
    rules.push(Arc::new(TextsOnce));
    rules.push(Arc::new(WindowsByPartition));
    rules.push(Arc::new(LargeLimits { memory_bytes }));
    rules.push(Arc::new(JoinsYield));
    rules
}

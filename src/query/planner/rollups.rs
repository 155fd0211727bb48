//! Answers questions over all people from the rollups of files ([`crate::lake::file::rollup`]).
//!
//! **Which plans.** A row of a rollup stands for many rows with the same send, hour and outcome. A filter, a join or an
//! expression can work on that one row when it uses only columns that the rollup has exactly (or an hour where an hour suffices).
//! An aggregate above it then counts the row as often as the rows it stands for. So below an aggregate [`CountMerged`] reads the
//! table [rolled up](TableView::rolled_up) and carries the number of rows along: `count(*)` becomes the sum of these numbers, and
//! `sum(x)` the sum of x times the number. A plan that uses anything else (a person, a minute) is left as it is.
//!
//! **Invariant**: counts, sums of whole numbers, least and greatest values are the same to the last digit. Fractions are added in
//! another order, as they are by any number of threads.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult, ScalarValue, TableReference, internal_datafusion_err};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias,
    cast, lit, when,
};
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::exactness::is_exact;
use super::provider::TableView;
use super::shortcuts::Shortcuts;
use crate::lake::file::rollup::{Exactness, FIRST, LAST, ROWS, exactness};

/// The rule that makes aggregates read rollups.
#[derive(Debug)]
pub struct CountMerged;

impl OptimizerRule for CountMerged {
    fn name(&self) -> &str {
        "count_together"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        if !Shortcuts::of(&config.options()).rollups {
            return Ok(Transformed::no(plan));
        }
        let better = match &plan {
            LogicalPlan::Aggregate(aggregate) => counted(aggregate)?,
            LogicalPlan::Distinct(Distinct::All(input)) => distinct(input)?,
            _ => None,
        };
        Ok(better.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

/// A plan whose rows stand for several each. It has the columns of the plan it replaces, and among them those of
/// [`crate::lake::file::rollup::own_fields`].
struct MergedRows {
    plan: LogicalPlan,
    /// Columns that the rollup does not have exactly.
    vague: HashMap<Column, Exactness>,
}

/// An aggregate over rows that stand for several, where that says the same.
fn counted(aggregate: &Aggregate) -> DfResult<Option<LogicalPlan>> {
    let is_set = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
    let has_name = |field: &FieldRef| field.name().starts_with(COUNTED);
    if aggregate.group_expr.iter().any(is_set) || aggregate.schema.fields().iter().any(has_name) || counts_all(aggregate)? {
        return Ok(None);
    }
    let Some(merged_rows) = merged_rows(&aggregate.input)?.filter(|_| stands_alone(&aggregate.input)) else { return Ok(None) };
    if !aggregate.group_expr.iter().all(|expr| merged_rows.is_exact(expr)) {
        return Ok(None);
    }
    // A group that is named twice is one column.
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut counts = Counts::default();
    let mut measures = Vec::with_capacity(aggregate.aggr_expr.len());
    for (at, expr) in aggregate.aggr_expr.iter().enumerate() {
        let Expr::AggregateFunction(function) = unaliased(expr) else { return Ok(None) };
        let Some(measure) = merged_rows.measure(function, expr, &mut counts)? else { return Ok(None) };
        let (relation, field) = aggregate.schema.qualified_field(groups + at);
        measures.push(measure.alias_qualified(relation.cloned(), field.name()));
    }
    let group = aggregate.group_expr.clone();
    let counted = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(merged_rows.plan), group, counts.0)?);
    let mut columns: Vec<Expr> = (0..groups).map(|at| Expr::Column(Column::from(counted.schema().qualified_field(at)))).collect();
    columns.extend(measures);
    Ok(Some(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(counted))?)))
}

/// The different rows of a plan.
fn distinct(input: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
    let all_exact = |merged_rows: &MergedRows| merged_rows.vague.is_empty() && stands_alone(input);
    let Some(merged_rows) = merged_rows(input)?.filter(all_exact) else { return Ok(None) };
    let columns = merged_rows.plan.schema().columns().into_iter().filter(|column| !is_own(column)).map(Expr::Column);
    let columns = Projection::try_new(columns.collect(), Arc::new(merged_rows.plan))?;
    Ok(Some(LogicalPlan::Distinct(Distinct::All(Arc::new(LogicalPlan::Projection(columns))))))
}

/// Does a plan depend on no other's columns, and has none of its rows been made to stand for several before?
fn stands_alone(plan: &LogicalPlan) -> bool {
    let depends = |plan: &LogicalPlan| match plan {
        LogicalPlan::Subquery(subquery) => !subquery.outer_ref_columns.is_empty(),
        LogicalPlan::TableScan(scan) => scan.projected_schema.fields().iter().any(|field| field.name() == ROWS),
        plan => plan.contains_outer_reference(),
    };
    plan.exists(|plan| Ok(depends(plan))).is_ok_and(|depends| !depends)
}

/// The plan with rows that stand for several; none where it asks what rollups do not tell, or is of another table.
fn merged_rows(plan: &LogicalPlan) -> DfResult<Option<MergedRows>> {
    let some = |plan, vague| Some(MergedRows { plan, vague });
    Ok(match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let Some(view) = scanned(plan)? else { return Ok(None) };
            let source = provider_as_source(Arc::new(view));
            let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, None)?.build()?;
            let vague = plan.schema().columns().into_iter().map(|column| (exactness(&column.name), column));
            let vague = vague
                .filter(|(exactness, _)| *exactness != Exactness::Exactly)
                .map(|(exactness, column)| (column, exactness))
                .collect();
            some(plan, vague)
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
            let Some(input) = merged_rows(input)? else { return Ok(None) };
            let renamed = |(column, exactness): (Column, Exactness)| (Column::new(Some(alias.clone()), column.name), exactness);
            let vague = input.vague.into_iter().map(renamed).collect();
            some(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input.plan), alias.clone())?), vague)
        }
        LogicalPlan::Filter(filter) => {
            let Some(input) = merged_rows(&filter.input)? else { return Ok(None) };
            if !input.is_exact(&filter.predicate) {
                return Ok(None);
            }
            let plan = LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), Arc::new(input.plan))?);
            some(plan, input.vague)
        }
        LogicalPlan::Projection(projection) => match merged_rows(&projection.input)? {
            Some(input) => input.project(projection)?,
            None => None,
        },
        LogicalPlan::Join(join) => joined(plan, join)?,
        _ => None,
    })
}

/// The table that a plan scans, rolled up, if it has rollups.
fn scanned(plan: &LogicalPlan) -> DfResult<Option<TableView>> {
    let LogicalPlan::TableScan(scan) = plan else { return Ok(None) };
    let Ok(provider) = source_as_provider(&scan.source) else { return Ok(None) };
    Ok(provider.downcast_ref::<TableView>().and_then(TableView::rolled_up))
}

/// A join repeats the rows of one side as often as they match, whatever they stand for.
fn joined(plan: &LogicalPlan, join: &Join) -> DfResult<Option<MergedRows>> {
    let keeps_left = matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti);
    let keeps_right = matches!(join.join_type, JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti);
    let (left, right) = (&join.left, &join.right);
    let (side, inputs) = match (keeps_left, keeps_right) {
        (true, _) if let Some(side) = merged_rows(left)? => {
            let inputs = vec![side.plan.clone(), right.as_ref().clone()];
            (side, inputs)
        }
        (_, true) if let Some(side) = merged_rows(right)? => {
            let inputs = vec![left.as_ref().clone(), side.plan.clone()];
            (side, inputs)
        }
        _ => return Ok(None),
    };
    let on = join.on.iter().flat_map(|(left, right)| [left, right]);
    if names_own(&join.schema) || !on.chain(&join.filter).all(|expr| side.is_exact(expr)) {
        return Ok(None);
    }
    let plan = plan.with_new_exprs(plan.expressions(), inputs)?;
    Ok(Some(MergedRows { plan, ..side }))
}

impl MergedRows {
    /// One of its own columns.
    fn own(&self, name: &str) -> DfResult<Expr> {
        let found = self.plan.schema().iter().find(|(_, field)| field.name() == name);
        let (relation, _) = found.ok_or_else(|| internal_datafusion_err!("rows that are counted together have no {name}"))?;
        Ok(Expr::Column(Column::new(relation.cloned(), name)))
    }

    fn exactness(&self, expr: &Expr) -> Exactness {
        match expr {
            Expr::Column(column) => self.exactness_of(column),
            _ => Exactness::Nothing,
        }
    }

    fn exactness_of(&self, column: &Column) -> Exactness {
        // Plans name columns in full; should one not, it may be any of that name.
        let by_name = || self.vague.iter().find(|(vague, _)| column.relation.is_none() && vague.name == column.name);
        self.vague.get_key_value(column).or_else(by_name).map_or(Exactness::Exactly, |(_, exactness)| *exactness)
    }

    /// See [`is_exact`].
    fn is_exact(&self, expr: &Expr) -> bool {
        is_exact(expr, &|column| self.exactness_of(column))
    }

    /// The same, projected. An expression that the rollup does not have becomes null, as long as no later operator uses it.
    fn project(self, projection: &Projection) -> DfResult<Option<Self>> {
        if names_own(&projection.schema) {
            return Ok(None);
        }
        let mut vague = Vec::new();
        let mut columns = Vec::with_capacity(projection.expr.len() + 3);
        for (expr, (relation, field)) in projection.expr.iter().zip(projection.schema.iter()) {
            if expr.is_volatile() {
                return Ok(None);
            }
            let (exactness, expr) = match self.exactness(unaliased(expr)) {
                _ if self.is_exact(expr) => (Exactness::Exactly, expr.clone()),
                Exactness::Exactly | Exactness::Nothing => {
                    let null = ScalarValue::try_from(field.data_type())?;
                    (Exactness::Nothing, lit(null).alias_qualified(relation.cloned(), field.name()))
                }
                exactness => (exactness, expr.clone()),
            };
            columns.push(expr);
            vague.push(exactness);
        }
        for name in [ROWS, FIRST, LAST] {
            columns.push(self.own(name)?);
        }
        let plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(self.plan))?);
        let vague =
            plan.schema().columns().into_iter().zip(vague).filter(|(_, exactness)| *exactness != Exactness::Exactly).collect();
        Ok(Some(Self { plan, vague }))
    }

    /// What an aggregate over the rows is, said by aggregates over rows that stand for several.
    fn measure(&self, function: &AggregateFunction, whole: &Expr, counts: &mut Counts) -> DfResult<Option<Expr>> {
        let params = &function.params;
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            return Ok(None);
        }
        if params.filter.as_ref().is_some_and(|filter| !self.is_exact(filter)) {
            return Ok(None);
        }
        let filtered = |aggregate: Expr| with_filter(aggregate, params.filter.as_deref());
        let [arg] = params.args.as_slice() else { return Ok(None) };
        let rows = self.own(ROWS)?;
        let is_exact = self.is_exact(arg);
        let name = function.func.name();
        Ok(match name {
            "count" | "sum" | "avg" | "min" | "max" | "bool_and" | "bool_or"
                if is_exact && (params.distinct || is_of_sets(name)) =>
            {
                Some(counts.column(unaliased(whole).clone()))
            }
            _ if params.distinct => None,
            "min" if self.exactness(arg) == Exactness::Hour => Some(counts.column(filtered(min(self.own(FIRST)?))?)),
            "max" if self.exactness(arg) == Exactness::Hour => Some(counts.column(filtered(max(self.own(LAST)?))?)),
            "count" if is_exact || self.exactness(arg) != Exactness::Nothing => {
                let rows = match arg {
                    Expr::Literal(value, _) if !value.is_null() => rows,
                    _ => when(arg.clone().is_not_null(), rows).end()?,
                };
                let count = counts.column(filtered(sum(rows))?);
                Some(when(count.clone().is_null(), lit(0i64)).otherwise(count)?)
            }
            // Its argument would be computed twice, which DataFusion plans with two opinions on whether a function may be null.
            "avg" if arg.exists(|expr| Ok(matches!(expr, Expr::ScalarFunction(_))))? => None,
            "sum" | "avg" if is_exact => {
                let whole_number = match arg.get_type(self.plan.schema())? {
                    DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => true,
                    DataType::Float64 => false,
                    _ => return Ok(None),
                };
                let number = if whole_number && name == "sum" { DataType::Int64 } else { DataType::Float64 };
                let times = cast(arg.clone(), number.clone()) * cast(rows.clone(), number);
                let total = counts.column(filtered(sum(times))?);
                if name == "sum" {
                    return Ok(Some(total));
                }
                let count = counts.column(filtered(sum(when(arg.clone().is_not_null(), rows).end()?))?);
                Some(when(count.clone().gt(lit(0i64)), total / cast(count, DataType::Float64)).end()?)
            }
            _ => None,
        })
    }
}

/// How the names begin under which aggregates are computed.
const COUNTED: &str = "__counted_";

/// The aggregates that are computed, each once, under names of their own.
#[derive(Default)]
struct Counts(Vec<Expr>);

impl Counts {
    fn column(&mut self, aggregate: Expr) -> Expr {
        let place = self.0.iter().position(|known| *unaliased(known) == aggregate).unwrap_or_else(|| {
            let name = format!("{COUNTED}{}", self.0.len());
            self.0.push(aggregate.alias(name));
            self.0.len() - 1
        });
        Expr::Column(Column::new(None::<TableReference>, format!("{COUNTED}{place}")))
    }
}

/// Does it only count the rows of a table? The log knows how many there are.
fn counts_all(aggregate: &Aggregate) -> DfResult<bool> {
    let counts = |expr: &Expr| match unaliased(expr) {
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            func.name() == "count" && params.filter.is_none() && matches!(params.args.as_slice(), [Expr::Literal(..)])
        }
        _ => false,
    };
    let chooses = aggregate.input.exists(|plan| Ok(matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_))))?;
    Ok(aggregate.group_expr.is_empty() && !chooses && aggregate.aggr_expr.iter().all(counts))
}

/// Is a function the same of rows as of the set of them?
fn is_of_sets(function: &str) -> bool {
    matches!(function, "min" | "max" | "bool_and" | "bool_or")
}

fn is_own(column: &Column) -> bool {
    [ROWS, FIRST, LAST].contains(&column.name.as_str())
}

/// Has somebody given a column the name of one of ours?
fn names_own(schema: &DFSchema) -> bool {
    schema.columns().iter().any(is_own)
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}

fn with_filter(aggregate: Expr, filter: Option<&Expr>) -> DfResult<Expr> {
    match (aggregate, filter) {
        (Expr::AggregateFunction(mut function), Some(filter)) => {
            function.params.filter = Some(Box::new(filter.clone()));
            Ok(Expr::AggregateFunction(function))
        }
        (aggregate, _) => Ok(aggregate),
    }
}

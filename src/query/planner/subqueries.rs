//! Rewrites `IN`, `ANY`, `ALL` and `EXISTS` with subqueries, so that nulls count as the SQL standard says.
//!
//! **Why.** `x NOT IN (SELECT y …)` is unknown if no y equals x and either some y is null, or x is null and there is a y.
//! DataFusion 55.2 does this right in one case only: x is a column, the subquery is not correlated, and nothing but AND surrounds
//! the condition. In all other cases it silently gives wrong rows.
//!
//! **How.** Each condition is rewritten in terms of `EXISTS`, which is never unknown:
//! - In a filter, where only true counts: no y equals x, and no y is null, and x is not null or there is no y.
//! - Elsewhere: `CASE WHEN` some y equals x `THEN true WHEN` x is null or some y is `THEN null ELSE false END`, where x counts as
//!   null only if there is a y.
//!
//! DataFusion plans an `EXISTS` as a semi or an anti join; inside another expression, or in the list of a SELECT, as a mark join.
//! The columns by which these join get names that nothing else has. A condition without columns of its own that has a subquery also
//! becomes an `EXISTS`, one that is not moved.
//!
//! **Faults of DataFusion 55.2 that this is about**, to be looked at with each upgrade. `tests/it/sqlite/upstream.rs` asks each of
//! DataFusion itself and fails when it is mended; `tests/it/sqlite` compares our answers with SQLite's:
//!
//! | asked | DataFusion 55.2 | upstream (apache/datafusion) |
//! |---|---|---|
//! | `3 NOT IN (SELECT y …)`, correlated by `=` | keeps rows whose y is null | issue 25347 |
//! | `x NOT IN (SELECT y … WHERE v.b > t.b)` | no rows at all where a y is null | issue 25336, pull request 25339 |
//! | `x NOT IN (SELECT y … WHERE y = x)` | the correlation is lost | issue 25480 |
//! | `3 NOT IN (SELECT y …)` | keeps every row | issue 25340, mended by 25348 after 55.2 |
//! | `nullif(n, n) NOT IN (SELECT n …)` over columns that are never null | keeps every row | issues 25473, 25474 |
//! | `(x IN (SELECT y …)) IS NULL`, `NOT (x IN …)` within OR | null is taken for false | issue 25336 (second part) |
//! | `x IN (SELECT count(*) … WHERE v.a = t.a)`, `EXISTS (SELECT count(*) …)` | no row where nothing is counted | not found there |
//! | `EXISTS (SELECT … WHERE v.a NOT IN (…) OR v.b = t.b)` | two marks are taken for one: wrong rows | not found there |
//! | `SELECT … FROM (SELECT max(k) FROM t) WHERE 1 = (SELECT …)`, `HAVING (SELECT …) > 1` | a row although it is not true | not found there |
//! | `(SELECT count(*) FROM v, w WHERE v.a = t.a AND w.a = t.b)`, and so `IN`, `EXISTS` | two columns of one name are taken for one: wrong rows; as a value refused here | not found there |
//! | `EXISTS (SELECT … WHERE v.a = t.a GROUP BY ROLLUP (v.b))`, or `HAVING` without `GROUP BY` | no row where nothing is; refused here | issue 25519 |
//! | `EXISTS (SELECT v.b AS a … WHERE v.a = t.a)` | refused: one name twice | not found there |
//! | `(SELECT 'b' AS c, max(k) AS m …) x LEFT JOIN (the same) y ON x.c = y.c AND x.c IS NULL`: a condition that names nothing goes below an aggregate of all rows | the condition is lost: answered by [`super::one_row`] | not found there |
//! | `(SELECT n FROM v WHERE …) IS NULL`, where n is never null and there may be no row | taken for false: answered by [`super::empty_values`] | issue 24513, mended by 24516 after 55.2 |
//! | `x IN (SELECT …)` in the list of a SELECT | refused with a syntax tree | pull request 25338 |

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DfResult, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Case, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery,
    binary_expr, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use crate::error::sql_errors::ANOTHER_WAY;

/// The name of a subquery's column; no other column may have it.
const ANSWER: &str = "__answer";

/// Rewrites conditions on subqueries. It runs after types are coerced.
#[derive(Debug)]
pub struct NullsInSubqueries;

impl AnalyzerRule for NullsInSubqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let mut marks = 0;
        plan.transform_up_with_subqueries(|node| rewritten(node, &mut marks)).data()
    }

    fn name(&self) -> &str {
        "nulls_in_subqueries"
    }
}

fn rewritten(node: LogicalPlan, marks: &mut usize) -> DfResult<Transformed<LogicalPlan>> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= expr.exists(|expr| Ok(asks(expr) || matches!(expr, Expr::ScalarSubquery(_))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    match node {
        node if !found => Ok(Transformed::no(node)),
        LogicalPlan::Filter(filter) => filtered(filter, marks),
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => with_marks(node, marks),
        node => Ok(Transformed::no(node)),
    }
}

fn asks(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

fn filtered(filter: Filter, marks: &mut usize) -> DfResult<Transformed<LogicalPlan>> {
    let schema = filter.input.schema().clone();
    let mut input = filter.input.as_ref().clone();
    let mut conditions = Vec::new();
    for condition in split_conjunction_owned(kept(filter.predicate, &schema, true)?) {
        let condition = renamed_values(condition)?;
        let exists = match condition {
            Expr::InSubquery(_) => {
                conditions.push(condition);
                continue;
            }
            Expr::Exists(exists) if is_one_row(&exists.subquery.subquery) => {
                conditions.push(lit(!exists.negated));
                continue;
            }
            Expr::Exists(exists) => exists,
            condition if asks_of_itself(&condition)? => {
                // Where it stands it asks of one row, and below an aggregate it would ask of others.
                let plan = LogicalPlanBuilder::empty(true).filter(condition)?.build()?;
                let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns: Vec::new(), spans: Default::default() };
                Exists { subquery, negated: false }
            }
            condition => {
                let Some(condition) = marked_in(condition, &mut input, marks)? else { return plan_err!("{ANOTHER_WAY}") };
                conditions.push(condition);
                continue;
            }
        };
        *marks += 1;
        let how = if exists.negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
        let Some(plan) = joined(&input, &exists, how, &format!("__asked_{marks}"))? else { return plan_err!("{ANOTHER_WAY}") };
        input = plan;
    }
    let has_marks = input.schema().fields().len() != schema.fields().len();
    let plan = match conjunction(conditions) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?),
        None => input,
    };
    Ok(Transformed::yes(match has_marks {
        true => LogicalPlanBuilder::from(plan).project(schema.columns().into_iter().map(Expr::from))?.build()?,
        false => plan,
    }))
}

/// Is it of no column, here or around, and of another statement?
fn asks_of_itself(condition: &Expr) -> DfResult<bool> {
    let asks_another = condition.exists(|expr| Ok(matches!(expr, Expr::ScalarSubquery(asked) if !is_correlated(asked))))?;
    let names = |expr: &Expr| match expr {
        Expr::Column(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::ScalarSubquery(asked) => is_correlated(asked),
        expr => asks(expr),
    };
    Ok(asks_another && !condition.is_volatile() && !condition.exists(|expr| Ok(names(expr)))?)
}

/// A condition of which only what is true is kept, so that false is as good as null; `alone` when nothing but AND is around it.
fn kept(expr: Expr, schema: &DFSchema, alone: bool) -> DfResult<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let alone = alone && op == Operator::And;
            Ok(binary_expr(kept(*left, schema, alone)?, op, kept(*right, schema, alone)?))
        }
        Expr::Not(inner) if matches!(*inner, Expr::InSubquery(_)) => match *inner {
            Expr::InSubquery(asked) => kept(Expr::InSubquery(InSubquery { negated: !asked.negated, ..asked }), schema, alone),
            inner => Ok(Expr::Not(Box::new(inner))),
        },
        Expr::Not(inner) if matches!(*inner, Expr::Exists(_)) => match *inner {
            Expr::Exists(asked) => kept(Expr::Exists(Exists { negated: !asked.negated, ..asked }), schema, alone),
            inner => Ok(Expr::Not(Box::new(inner))),
        },
        Expr::InSubquery(asked) => {
            let is_one_row = is_one_row(&asked.subquery.subquery);
            let is_correlated = is_correlated(&asked.subquery);
            match asked.negated {
                _ if is_one_row && is_correlated => Question::of(asked, schema)?.three_valued(),
                false if alone && !is_correlated => Ok(Expr::InSubquery(asked)),
                false => Question::of(asked, schema)?.is_among(),
                true if alone && !is_correlated && is_column(&asked.expr) => Ok(Expr::InSubquery(asked)),
                true => Question::of(asked, schema)?.is_not_among(),
            }
        }
        expr => three_valued(expr, schema),
    }
}

/// An expression with all three outcomes of its questions.
fn three_valued(expr: Expr, schema: &DFSchema) -> DfResult<Expr> {
    expr.transform_up(|expr| {
        Ok(Transformed::yes(match expr {
            Expr::InSubquery(asked) => Question::of(asked, schema)?.three_valued()?,
            Expr::SetComparison(asked) => quantified(asked, schema)?,
            Expr::Exists(exists) if is_one_row(&exists.subquery.subquery) => lit(!exists.negated),
            expr => return Ok(Transformed::no(expr)),
        }))
    })
    .data()
}

/// The question whether x is among the rows of a subquery.
struct Question {
    /// As the statement sees it: of the one around.
    x: Expr,
    /// As it is here.
    own_x: Expr,
    x_may_be_null: bool,
    negated: bool,
    subquery: Subquery,
}

impl Question {
    fn of(asked: InSubquery, schema: &DFSchema) -> DfResult<Self> {
        let InSubquery { expr, subquery, negated } = asked;
        let x_may_be_null = expr.nullable(schema).unwrap_or(true);
        let subquery = with_plan(&subquery, renamed(subquery.subquery.as_ref().clone())?);
        Ok(Self { x: from_within(&expr, schema)?, own_x: *expr, x_may_be_null, negated, subquery })
    }

    fn y(&self) -> Expr {
        output(&self.subquery)
    }

    fn exists(&self, condition: Option<Expr>, negated: bool) -> DfResult<Expr> {
        exists(&self.subquery, condition, negated)
    }

    /// There is a y that is x: true, or something that is not.
    fn is_among(&self) -> DfResult<Expr> {
        self.exists(Some(self.y().eq(self.x.clone())), false)
    }

    /// No y is x, none is null, and neither is x, unless there is no y: true, or something that is not.
    fn is_not_among(&self) -> DfResult<Expr> {
        let no_null = self.exists(Some(self.y().is_null()), true)?;
        let no_match = self.exists(Some(self.y().eq(self.x.clone())), true)?;
        let both = no_match.and(no_null);
        match self.x_may_be_null {
            true => Ok(both.and(self.own_x.clone().is_not_null().or(self.exists(None, true)?))),
            false => Ok(both),
        }
    }

    fn three_valued(self) -> DfResult<Expr> {
        if is_one_row(&self.subquery.subquery) {
            // One row, whatever it counts: a value.
            let value = Expr::ScalarSubquery(self.subquery);
            return Ok(if self.negated { self.own_x.not_eq(value) } else { self.own_x.eq(value) });
        }
        let is_match = self.exists(Some(self.y().eq(self.x.clone())), false)?;
        let has_null = self.exists(Some(self.y().is_null()), false)?;
        let unknown = match self.x_may_be_null {
            true => has_null.or(self.own_x.clone().is_null().and(self.exists(None, false)?)),
            false => has_null,
        };
        Ok(case(is_match, !self.negated, unknown, self.negated))
    }
}

/// `x < ANY (SELECT y …)`, `x < ALL (SELECT y …)`.
fn quantified(asked: SetComparison, schema: &DFSchema) -> DfResult<Expr> {
    let SetComparison { expr, subquery, op, quantifier } = asked;
    let subquery = with_plan(&subquery, renamed(subquery.subquery.as_ref().clone())?);
    if is_one_row(&subquery.subquery) {
        return Ok(binary_expr(*expr, op, Expr::ScalarSubquery(subquery)));
    }
    let compared = binary_expr(from_within(&expr, schema)?, op, output(&subquery));
    let is_all = matches!(quantifier, SetQuantifier::All);
    let decides = if is_all { Expr::Not(Box::new(compared.clone())) } else { compared.clone() };
    let (decides, unknown) = (exists(&subquery, Some(decides), false)?, exists(&subquery, Some(compared.is_null()), false)?);
    Ok(case(decides, !is_all, unknown, is_all))
}

/// `CASE WHEN decided THEN outcome WHEN unknown THEN null ELSE other END`.
fn case(decided: Expr, outcome: bool, unknown: Expr, other: bool) -> Expr {
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    let branch = |when: Expr, then: Expr| (Box::new(when), Box::new(then));
    let branches = vec![branch(decided, lit(outcome)), branch(unknown, null)];
    Expr::Case(Case { expr: None, when_then_expr: branches, else_expr: Some(Box::new(lit(other))) })
}

/// The one column of a statement.
fn output(subquery: &Subquery) -> Expr {
    Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)))
}

/// Is there a row of this statement of which the condition is true?
fn exists(subquery: &Subquery, condition: Option<Expr>, negated: bool) -> DfResult<Expr> {
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let plan = match condition {
        Some(condition) => plan.filter(condition)?,
        // One row tells.
        None if !is_correlated(subquery) => plan.limit(0, Some(1))?,
        None => plan,
    };
    Ok(Expr::Exists(Exists { subquery: with_plan(subquery, plan.build()?), negated }))
}

fn with_plan(subquery: &Subquery, plan: LogicalPlan) -> Subquery {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() }
}

/// A statement of one column, which is called [`ANSWER`]: what is taken out of its place brings other columns along.
fn renamed(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) if projection.expr.len() == 1 => {
            let expr = projection.expr.into_iter().map(|expr| expr.unalias().alias(ANSWER)).collect();
            Ok(LogicalPlan::Projection(Projection::try_new(expr, projection.input)?))
        }
        LogicalPlan::Distinct(Distinct::All(inner)) => {
            Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(renamed(inner.as_ref().clone())?))))
        }
        plan => Ok(plan),
    }
}

/// Values of other statements that ask of this one, each with its column renamed.
fn renamed_values(expr: Expr) -> DfResult<Expr> {
    expr.transform_up(|expr| match expr {
        Expr::ScalarSubquery(asked) if is_correlated(&asked) => {
            names_are_unique(&asked.subquery)?;
            let plan = renamed(asked.subquery.as_ref().clone())?;
            Ok(Transformed::yes(Expr::ScalarSubquery(with_plan(&asked, plan))))
        }
        expr => Ok(Transformed::no(expr)),
    })
    .data()
}

/// DataFusion takes a value out of its place by the names of the columns it is joined by: two of one name would be taken for one.
fn names_are_unique(plan: &LogicalPlan) -> DfResult<()> {
    let mut columns: Vec<Column> = Vec::new();
    plan.apply(|node| {
        let LogicalPlan::Filter(filter) = node else { return Ok(TreeNodeRecursion::Continue) };
        for condition in split_conjunction(&filter.predicate).into_iter().filter(|condition| condition.contains_outer()) {
            columns.extend(condition.column_refs().into_iter().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let are_two = |one: &Column, other: &Column| one.name == other.name && one.relation != other.relation;
    match columns.iter().any(|one| columns.iter().any(|other| are_two(one, other))) {
        true => plan_err!(
            "the subquery is joined with the statement around it by two columns of one name, of two tables: give one another name in a \
             WITH, or write a JOIN with a GROUP BY"
        ),
        false => Ok(()),
    }
}

/// A statement of which only counts whether it has rows: without its list, whose names may be in the way.
fn rows_alone(asked: Subquery) -> DfResult<Subquery> {
    let mut plan = asked.subquery.as_ref();
    while let LogicalPlan::Projection(projection) = plan {
        // A list may ask, or be of a window: then it is left.
        if projection.expr.iter().any(|expr| expr.exists(|expr| Ok(asks(expr) || expr.contains_outer())).unwrap_or(true)) {
            break;
        }
        plan = projection.input.as_ref();
    }
    Ok(with_plan(&asked, plan.clone()))
}

/// An expression of the statement around, as the one within sees it.
fn from_within(expr: &Expr, schema: &DFSchema) -> DfResult<Expr> {
    let within = |expr: Expr| match expr {
        Expr::Column(column) => {
            let field = schema.field_from_column(&column)?.clone();
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        Expr::OuterReferenceColumn(..) => plan_err!("{ANOTHER_WAY}"),
        expr if asks(&expr) || matches!(expr, Expr::ScalarSubquery(_)) => plan_err!("{ANOTHER_WAY}"),
        expr => Ok(Transformed::no(expr)),
    };
    expr.clone().transform_down(within).data()
}

fn is_correlated(subquery: &Subquery) -> bool {
    !subquery.outer_ref_columns.is_empty() || !subquery.subquery.all_out_ref_exprs().is_empty()
}

/// A column, or one that is read as another type.
fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Cast(cast) => is_column(&cast.expr),
        _ => false,
    }
}

/// Has it one row, whatever there is: an aggregate of all rows?
pub(super) fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Sort(sort) => sort.fetch.is_none() && is_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Is there an aggregate that has a row even where nothing is, above a question to the statement around? Taken out of its place, it
/// would have none.
fn has_a_row_of_nothing(plan: &LogicalPlan) -> DfResult<bool> {
    plan.exists(|node| match node {
        LogicalPlan::Aggregate(aggregate) => {
            let of_nothing =
                aggregate.group_expr.is_empty() || aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
            Ok(of_nothing && !node.all_out_ref_exprs().is_empty())
        }
        _ => Ok(false),
    })
}

/// What is asked in the list of a SELECT, from columns that say of each row whether there is such a one.
fn with_marks(node: LogicalPlan, marks: &mut usize) -> DfResult<Transformed<LogicalPlan>> {
    let mut input = node.inputs()[0].clone();
    let schema = input.schema().clone();
    let names = NamePreserver::new(&node);
    let mut expressions = Vec::new();
    for expr in node.expressions() {
        let name = names.save(&expr);
        let expr = renamed_values(three_valued(expr, &schema)?)?;
        let Some(expr) = marked_in(expr, &mut input, marks)? else { return plan_err!("{ANOTHER_WAY}") };
        expressions.push(name.restore(expr));
    }
    Ok(Transformed::yes(node.with_new_exprs(expressions, vec![input])?))
}

/// An expression whose every `EXISTS` is a mark of its input's rows. None where one cannot be taken out of its place.
fn marked_in(expr: Expr, input: &mut LogicalPlan, marks: &mut usize) -> DfResult<Option<Expr>> {
    let mut refused = false;
    let marked = expr.transform_up(|expr| {
        let Expr::Exists(exists) = &expr else { return Ok(Transformed::no(expr)) };
        *marks += 1;
        let Some(plan) = joined(input, exists, JoinType::LeftMark, &format!("__asked_{marks}"))? else {
            refused = true;
            return Ok(Transformed::no(expr));
        };
        *input = plan;
        let mark = Expr::Column(Column::new_unqualified(format!("__asked_{marks}")));
        Ok(Transformed::yes(if exists.negated { Expr::Not(Box::new(mark)) } else { mark }))
    })?;
    Ok((!refused).then_some(marked.data))
}

/// The rows of a plan for which a statement has a row, or has none, or all, each with a mark of this name that says so. None where
/// the statement cannot be taken out of its place.
fn joined(input: &LogicalPlan, asked: &Exists, how: JoinType, name: &str) -> DfResult<Option<LogicalPlan>> {
    let mut pulled = PullUpCorrelatedExpr::new().with_exists_sub_query(true);
    let plan = rows_alone(asked.subquery.clone())?.subquery.as_ref().clone().rewrite(&mut pulled).data()?;
    if !pulled.can_pull_up || !plan.all_out_ref_exprs().is_empty() || has_a_row_of_nothing(&asked.subquery.subquery)? {
        return Ok(None);
    }
    let columns: Vec<Column> = pulled.correlated_subquery_cols_map.into_values().flatten().collect();
    // Each under a name of its own: two tables of the statement may have columns of one name.
    let mut list: Vec<(Column, String)> = Vec::new();
    let aliased = |expr: Expr| match expr {
        Expr::Column(column) if columns.contains(&column) => {
            let at = list.iter().position(|(known, _)| *known == column).unwrap_or_else(|| {
                list.push((column.clone(), format!("c{}", list.len())));
                list.len() - 1
            });
            Ok(Transformed::yes(Expr::Column(Column::new(Some(name), list[at].1.clone()))))
        }
        expr => Ok(Transformed::no(expr)),
    };
    let on = conjunction(pulled.join_filters).unwrap_or_else(|| lit(true)).transform_up(aliased).data()?;
    let right = LogicalPlanBuilder::from(plan);
    let right = match list.is_empty() {
        true => right.project([lit(true).alias("c0")])?,
        false => right.project(list.into_iter().map(|(column, name)| Expr::Column(column).alias(name)))?,
    };
    let joined = LogicalPlanBuilder::from(input.clone()).join_on(right.alias(name)?.build()?, how, Some(on))?;
    if how != JoinType::LeftMark {
        return Ok(Some(joined.build()?));
    }
    let own = input.schema().columns().into_iter().map(Expr::from);
    let mark = Expr::Column(Column::new(Some(name), "mark")).alias(name);
    Ok(Some(joined.project(own.chain([mark]))?.build()?))
}

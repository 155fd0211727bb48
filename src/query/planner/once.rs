//! Evaluates a filter on a text column once for each distinct value of a batch.
//!
//! **Why.** `strpos(lower(email_name), 'gala') > 0` over forty million rows makes as many lower-case texts, of a few thousand
//! different names: a batch of 8,192 rows, sorted by person, holds as many names as there were sends in its month.
//!
//! **How.** Pages of labels are dictionaries, and rows of one label share its bytes, so two rows with the same view have the same
//! text, whatever its length. An expression over only one such column is evaluated for one row of each view, and the result is
//! repeated. Once a condition meets a batch with many different texts, it is evaluated row by row from then on.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, LikeExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::shortcuts::Shortcuts;

/// A batch is worth the trouble when each of its different texts has so many rows, on average.
const ROWS_EACH: usize = 8;

/// Fewer rows are evaluated as they are, and tell nothing of the column.
const ROWS_LEAST: usize = 64;

/// Conditions on one text column, that call a function or compare with a pattern, are evaluated by [`OncePerText`].
#[derive(Debug)]
pub struct TextsOnce;

impl PhysicalOptimizerRule for TextsOnce {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, options: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        if !Shortcuts::of(options).texts_once {
            return Ok(plan);
        }
        plan.transform_up(|plan| {
            let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(plan)) };
            let schema = filter.input().schema();
            let once = filter.predicate().clone().transform_down(|part| OncePerText::of(part, &schema))?;
            if !once.transformed {
                return Ok(Transformed::no(plan));
            }
            let filter = FilterExecBuilder::from(filter).with_predicate(once.data).build()?;
            Ok(Transformed::yes(Arc::new(filter) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &str {
        "TextsOnce"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A condition on one text, evaluated once for each different text.
#[derive(Debug)]
struct OncePerText {
    /// The text's column.
    text: Arc<dyn PhysicalExpr>,
    /// The condition, on a batch of nothing but this column; `own` is its schema.
    condition: Arc<dyn PhysicalExpr>,
    own: SchemaRef,
    /// Has the column few different texts, as far as was seen?
    is_worth_it: AtomicBool,
}

impl OncePerText {
    /// This part of a condition as one of ours, where it is such; else its own parts are to be looked at.
    fn of(part: Arc<dyn PhysicalExpr>, schema: &Schema) -> DfResult<Transformed<Arc<dyn PhysicalExpr>>> {
        // What AND and OR spare their right side depends on how many rows the left one leaves: that is theirs to see.
        let joins = |part: &BinaryExpr| matches!(part.op(), Operator::And | Operator::Or);
        let is_one = !part.exists(|part| Ok(part.downcast_ref::<BinaryExpr>().is_some_and(joins)))?;
        let columns = collect_columns(&part);
        let mut columns = columns.iter();
        let (Some(text), None) = (columns.next(), columns.next()) else { return Ok(Transformed::no(part)) };
        let is_text = *schema.field(text.index()).data_type() == DataType::Utf8View;
        if !is_one || !is_text || part.data_type(schema)? != DataType::Boolean || is_volatile(&part) || !is_costly(&part) {
            return Ok(Transformed::no(part));
        }
        let own = Arc::new(schema.project(&[text.index()])?);
        let alone = |expr: Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Column>() {
            Some(column) => Ok(Transformed::yes(Arc::new(Column::new(column.name(), 0)) as Arc<dyn PhysicalExpr>)),
            None => Ok(Transformed::no(expr)),
        };
        let condition = part.transform_up(alone).data()?;
        let once = Self { text: Arc::new(text.clone()), condition, own, is_worth_it: AtomicBool::new(true) };
        Ok(Transformed::new(Arc::new(once), true, TreeNodeRecursion::Jump))
    }

    fn outcomes(&self, texts: ArrayRef) -> DfResult<ArrayRef> {
        let rows = texts.len();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        self.condition.evaluate(&RecordBatch::try_new_with_options(self.own.clone(), vec![texts], &options)?)?.into_array(rows)
    }
}

/// Does a condition call a function or match a pattern, so that it is costly?
fn is_costly(part: &Arc<dyn PhysicalExpr>) -> bool {
    use Operator::{RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch};
    let has_pattern = |part: &BinaryExpr| matches!(part.op(), RegexMatch | RegexIMatch | RegexNotMatch | RegexNotIMatch);
    let costs = |part: &Arc<dyn PhysicalExpr>| {
        part.is::<ScalarFunctionExpr>() || part.is::<LikeExpr>() || part.downcast_ref::<BinaryExpr>().is_some_and(has_pattern)
    };
    part.exists(|part| Ok(costs(part))).unwrap_or(false)
}

/// Rows that stand for all: a row of each different view, and for each row, which of these has its view. None when there are too many.
fn different(texts: &StringViewArray) -> Option<(Vec<u32>, Vec<u32>)> {
    let most = texts.len() / ROWS_EACH;
    let mut known: HashMap<Option<u128>, u32> = HashMap::new();
    let (mut firsts, mut which) = (Vec::new(), Vec::with_capacity(texts.len()));
    for (row, view) in texts.views().iter().enumerate() {
        let view = texts.is_valid(row).then_some(*view);
        let place = match known.entry(view) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if firsts.len() == most => return None,
            Entry::Vacant(new) => {
                firsts.push(row as u32);
                *new.insert(firsts.len() as u32 - 1)
            }
        };
        which.push(place);
    }
    Some((firsts, which))
}

impl PhysicalExpr for OncePerText {
    fn data_type(&self, _: &Schema) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> DfResult<bool> {
        self.condition.nullable(&self.own)
    }

    fn return_field(&self, _: &Schema) -> DfResult<FieldRef> {
        self.condition.return_field(&self.own)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        let texts = self.text.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(views) = texts.as_string_view_opt() else { return internal_err!("{} is no text", self.text) };
        if views.len() < ROWS_LEAST || !self.is_worth_it.load(Ordering::Relaxed) {
            return Ok(ColumnarValue::Array(self.outcomes(texts)?));
        }
        let Some((firsts, which)) = different(views) else {
            self.is_worth_it.store(false, Ordering::Relaxed);
            return Ok(ColumnarValue::Array(self.outcomes(texts)?));
        };
        let outcomes = self.outcomes(take(&texts, &UInt32Array::from(firsts), None)?)?;
        Ok(ColumnarValue::Array(take(&outcomes, &UInt32Array::from(which), None)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.text]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        let Some(text) = children.pop() else { return internal_err!("once_per_text needs its text") };
        let (condition, own) = (self.condition.clone(), self.own.clone());
        Ok(Arc::new(Self { text, condition, own, is_worth_it: AtomicBool::new(true) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

impl fmt::Display for OncePerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "once_per_text({})", self.condition)
    }
}

impl PartialEq for OncePerText {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq(&other.text) && self.condition.eq(&other.condition)
    }
}

impl Eq for OncePerText {}

impl Hash for OncePerText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.condition.hash(state);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Int32Array, StringViewBuilder};
    use arrow::datatypes::Field;
    use datafusion::common::DFSchema;
    use datafusion::datasource::MemTable;
    use datafusion::functions::expr_fn::{lower, strpos};
    use datafusion::logical_expr::{Expr, col, lit};
    use datafusion::prelude::SessionContext;
    use proptest::prelude::*;

    use super::*;

    fn schema() -> SchemaRef {
        let text = Field::new("text", DataType::Utf8View, true);
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true), text]))
    }

    /// Rows of these texts; the same text has the same view, as from a dictionary.
    fn batch(texts: &[Option<&str>], rows: &[usize]) -> RecordBatch {
        let mut all = StringViewBuilder::new();
        texts.iter().for_each(|text| all.append_option(*text));
        let rows: UInt32Array = rows.iter().map(|row| (row % texts.len()) as u32).collect();
        let texts = take(&all.finish(), &rows, None).unwrap();
        let numbers = Int32Array::from_iter_values(0..rows.len() as i32);
        RecordBatch::try_new(schema(), vec![Arc::new(numbers), texts]).unwrap()
    }

    fn physical(expr: Expr) -> Arc<dyn PhysicalExpr> {
        SessionContext::new().create_physical_expr(expr, &DFSchema::try_from(schema()).unwrap()).unwrap()
    }

    fn once(expr: Expr) -> Arc<dyn PhysicalExpr> {
        physical(expr).transform_down(|part| OncePerText::of(part, &schema())).data().unwrap()
    }

    fn outcomes(condition: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> ArrayRef {
        condition.evaluate(batch).unwrap().into_array(batch.num_rows()).unwrap()
    }

    #[test]
    fn only_costly_conditions_on_one_text_are_evaluated_so() {
        let named = strpos(lower(col("text")), lit("gala")).gt(lit(0));
        let shown = |expr: Expr| once(expr).to_string();
        assert_eq!(shown(col("n").gt(lit(3)).and(named.clone())), "n@0 > 3 AND once_per_text(strpos(lower(text@0), gala) > 0)");
        // Each side by itself: what OR spares the right one stays as it is.
        for both in [col("text").like(lit("%gala%")).or(named.clone()), !col("text").like(lit("%gala%")).and(named.clone())] {
            let both = shown(both);
            assert_eq!(both.matches("once_per_text(").count(), 2, "{both}");
        }
        let of_two = strpos(lower(col("text")), lit("gala")).gt(col("n"));
        for plain in [col("text").eq(lit("gala")), of_two, lower(lit("A")).eq(lit("a"))] {
            let shown = shown(plain);
            assert!(!shown.contains("once_per_text"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_plan_takes_it_unless_it_is_switched_off() {
        let context = SessionContext::new();
        context.register_table("t", Arc::new(MemTable::try_new(schema(), vec![vec![]]).unwrap())).unwrap();
        let frame = context.sql("SELECT n FROM t WHERE n > 3 AND lower(text) LIKE '%gala%'").await.unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        let shown = |options: &ConfigOptions| {
            let plan = TextsOnce.optimize(plan.clone(), options).unwrap();
            datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
        };
        let mut options = ConfigOptions::new();
        assert!(shown(&options).contains("once_per_text(lower(text@0) LIKE %gala%)"), "{}", shown(&options));
        options.extensions.insert(Shortcuts::without("texts_once").unwrap());
        assert!(!shown(&options).contains("once_per_text"));
    }

    proptest! {
        #[test]
        fn outcomes_are_those_of_each_row(
            texts in prop::collection::vec(prop::option::of("[aäB]{0,20}"), 1..40),
            batches in prop::collection::vec(prop::collection::vec(0usize..40, 0..300), 1..4),
        ) {
            let texts: Vec<Option<&str>> = texts.iter().map(|text| text.as_deref()).collect();
            for expr in [strpos(lower(col("text")), lit("ab")).gt(lit(0)), lower(col("text")).like(lit("%bä%")).is_not_true()] {
                let (plain, once) = (physical(expr.clone()), once(expr));
                for rows in &batches {
                    let batch = batch(&texts, rows);
                    prop_assert_eq!(&outcomes(&once, &batch), &outcomes(&plain, &batch));
                }
            }
        }
    }
}

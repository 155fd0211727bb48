//! `count(DISTINCT x)` by group, with one hash table for all groups.
//!
//! **Why.** DataFusion 55.2 has such a table for integers only. For text it makes a set for each group. Each set takes some 33 KB
//! before its first value, and the memory pool is not told: four hundred thousand people took 14 GiB, whatever the limit.
//!
//! Here each different value is stored once and gets a number, and a pair of numbers says which group has it. All of it is
//! accounted for in the memory pool. Other aggregates, and types not listed in [`ValueTypes::of`], stay DataFusion's.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{and, cast, filter, is_not_null, prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result as DfResult, ScalarValue, internal_err, resources_datafusion_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use hashbrown::HashSet;

/// Puts `count` with this way of counting what is distinct in the place of DataFusion's.
pub fn register(context: &SessionContext) -> DfResult<()> {
    let inner = FunctionRegistry::udaf(context, "count")?;
    context.register_udaf(AggregateUDF::from(Count { inner }));
    Ok(())
}

/// `count`: DataFusion's, but for `DISTINCT` on most types.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Count {
    inner: Arc<AggregateUDF>,
}

/// The types in which values are kept, and handed on.
#[derive(Clone, Debug)]
struct ValueTypes {
    /// In the table.
    kept: DataType,
    /// Between the two halves of an aggregate, and on disk. Texts with offsets: rows taken out of a batch bring only their own
    /// bytes along, where views would bring those of all.
    handed: DataType,
}

impl ValueTypes {
    /// How values of a type are kept; none for types whose accumulators of DataFusion's are as good, or compare otherwise
    /// (floating point: zeros of either sign are one group there, and two values here).
    fn of(values: &DataType) -> Option<Self> {
        let (kept, handed) = match values {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (DataType::Utf8View, DataType::LargeUtf8),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => (DataType::BinaryView, DataType::LargeBinary),
            DataType::Boolean
            | DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Decimal128(..) => (values.clone(), values.clone()),
            _ => return None,
        };
        Some(Self { kept, handed })
    }

    fn of_args(args: &AccumulatorArgs) -> Option<Self> {
        match args.expr_fields {
            [value] if args.is_distinct => Self::of(value.data_type()),
            _ => None,
        }
    }

    fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(self.handed.clone(), true))
    }
}

impl AggregateUDFImpl for Count {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.inner.return_type(types)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        match args.input_fields {
            [value] if args.is_distinct => match ValueTypes::of(value.data_type()) {
                Some(kept) => {
                    let name = format_state_name(args.name, "count distinct");
                    Ok(vec![Arc::new(Field::new_list(name, kept.item(), false))])
                }
                None => self.inner.state_fields(args),
            },
            _ => self.inner.state_fields(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        match ValueTypes::of_args(&args) {
            Some(kept) => Ok(Box::new(DistinctCount(DistinctCounts::new(kept)?))),
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        ValueTypes::of_args(&args).is_some() || self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        match ValueTypes::of_args(&args) {
            Some(kept) => Ok(Box::new(DistinctCounts::new(kept)?)),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn default_value(&self, data_type: &DataType) -> DfResult<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The different values of each group.
struct DistinctCounts {
    types: ValueTypes,
    /// Each value of any group once, in the order of its number. In a lock because nobody promises that two threads may read it;
    /// it is never waited for.
    values: Mutex<Box<dyn GroupValues>>,
    /// Which group has which value.
    pairs: HashSet<Pair>,
    /// How many values each group has.
    counts: Vec<i64>,
    /// The numbers of the values at hand.
    numbers: Vec<usize>,
}

/// A group's number in the upper half, a value's in the lower.
type Pair = u64;

fn pair(group: usize, value: usize) -> DfResult<Pair> {
    match (u32::try_from(group), u32::try_from(value)) {
        (Ok(group), Ok(value)) => Ok(u64::from(group) << 32 | u64::from(value)),
        _ => Err(resources_datafusion_err!("more than 4,294,967,295 groups or different values in one count(DISTINCT)")),
    }
}

fn group_of(pair: Pair) -> usize {
    (pair >> 32) as usize
}

fn value_of(pair: Pair) -> u32 {
    (pair & u64::from(u32::MAX)) as u32
}

fn no_values(kept: &DataType) -> DfResult<Box<dyn GroupValues>> {
    new_group_values(Arc::new(Schema::new(vec![Field::new("value", kept.clone(), true)])), &GroupOrdering::None)
}

impl DistinctCounts {
    fn new(types: ValueTypes) -> DfResult<Self> {
        let values = Mutex::new(no_values(&types.kept)?);
        Ok(Self { types, values, pairs: HashSet::default(), counts: Vec::new(), numbers: Vec::new() })
    }

    /// Notes values, none of them null, of groups.
    fn add(&mut self, values: &ArrayRef, groups: impl Iterator<Item = usize>) -> DfResult<()> {
        let values = cast(values, &self.types.kept)?;
        let known = self.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        known.intern(&[values], &mut self.numbers)?;
        for (group, value) in groups.zip(&self.numbers) {
            if self.pairs.insert(pair(group, *value)?) {
                self.counts[group] += 1;
            }
        }
        Ok(())
    }

    /// Takes the first groups out: how many values each has, all values there are, and the pairs of these groups.
    fn leave(&mut self, emit_to: EmitTo) -> DfResult<(Vec<i64>, ArrayRef, Vec<Pair>)> {
        let counts = emit_to.take_needed(&mut self.counts);
        let known = self.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(values) = known.emit(EmitTo::All)?.pop() else { return internal_err!("values of no column") };
        *known = no_values(&self.types.kept)?;
        let (leaving, staying): (Vec<Pair>, Vec<Pair>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|pair| group_of(*pair) < counts.len());
        if !staying.is_empty() {
            // Values of groups that have left are not kept for ever.
            let theirs = take(&values, &UInt32Array::from_iter_values(staying.iter().copied().map(value_of)), None)?;
            known.intern(&[theirs], &mut self.numbers)?;
            for (staying, value) in staying.into_iter().zip(&self.numbers) {
                self.pairs.insert(pair(group_of(staying) - counts.len(), *value)?);
            }
        }
        Ok((counts, values, leaving))
    }

    /// Lists of values as they are handed on; `values` stand group by group.
    fn lists(&self, values: ArrayRef, lengths: impl Iterator<Item = usize>) -> DfResult<Vec<ArrayRef>> {
        if i32::try_from(values.len()).is_err() {
            return Err(resources_datafusion_err!("more than 2,147,483,647 different values at once in one count(DISTINCT)"));
        }
        Ok(vec![Arc::new(ListArray::try_new(self.types.item(), OffsetBuffer::from_lengths(lengths), values, None)?)])
    }
}

/// Rows that count: not null, and not filtered out; none where that is all of them.
fn counting(values: &ArrayRef, condition: Option<&BooleanArray>) -> DfResult<Option<BooleanArray>> {
    let condition = condition.map(|condition| match condition.null_count() {
        0 => condition.clone(),
        _ => prep_null_mask_filter(condition),
    });
    Ok(match (condition, values.null_count()) {
        (condition, 0) => condition,
        (None, _) => Some(is_not_null(values)?),
        (Some(condition), _) => Some(and(&condition, &is_not_null(values)?)?),
    })
}

fn only(values: &[ArrayRef]) -> DfResult<&ArrayRef> {
    match values {
        [values] => Ok(values),
        _ => internal_err!("count(DISTINCT) of {} columns", values.len()),
    }
}

impl GroupsAccumulator for DistinctCounts {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        condition: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        let values = only(values)?;
        self.counts.resize(total_num_groups, 0);
        match counting(values, condition)? {
            None => self.add(values, groups.iter().copied()),
            Some(counting) => self.add(&filter(values, &counting)?, counting.values().set_indices().map(|row| groups[row])),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total_num_groups: usize) -> DfResult<()> {
        self.counts.resize(total_num_groups, 0);
        let lists = only(states)?.as_list::<i32>();
        let (Some(first), Some(last)) = (lists.offsets().first(), lists.offsets().last()) else { return Ok(()) };
        let values = lists.values().slice(*first as usize, (*last - *first) as usize);
        let lengths = lists.offsets().lengths();
        self.add(&values, groups.iter().zip(lengths).flat_map(|(group, length)| std::iter::repeat_n(*group, length)))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let (counts, ..) = self.leave(emit_to)?;
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        let (counts, values, pairs) = self.leave(emit_to)?;
        let lengths = counts.iter().map(|count| *count as usize);
        let mut places: Vec<usize> = lengths
            .clone()
            .scan(0, |next, length| {
                let place = *next;
                *next += length;
                Some(place)
            })
            .collect();
        let mut order = vec![0; pairs.len()];
        for pair in pairs {
            let place = &mut places[group_of(pair)];
            order[*place] = value_of(pair);
            *place += 1;
        }
        self.lists(take(&cast(&values, &self.types.handed)?, &UInt32Array::from(order), None)?, lengths)
    }

    fn convert_to_state(&self, values: &[ArrayRef], condition: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let values = only(values)?;
        match counting(values, condition)? {
            None => self.lists(cast(values, &self.types.handed)?, std::iter::repeat_n(1, values.len())),
            Some(counting) => {
                let counted = cast(&filter(values, &counting)?, &self.types.handed)?;
                self.lists(counted, counting.values().iter().map(usize::from))
            }
        }
    }

    fn size(&self) -> usize {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner).size();
        size_of::<Self>()
            + values
            + self.pairs.allocation_size()
            + self.counts.capacity() * size_of::<i64>()
            + self.numbers.capacity() * size_of::<usize>()
    }
}

/// The different values of all rows.
struct DistinctCount(DistinctCounts);

impl std::fmt::Debug for DistinctCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DistinctCount({:?}, {} values)", self.0.types, self.0.pairs.len())
    }
}

impl Accumulator for DistinctCount {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.update_batch(values, &vec![0; only(values)?.len()], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.0.merge_batch(states, &vec![0; only(states)?.len()], 1)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.0.counts.first().copied().unwrap_or(0))))
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.0.counts.resize(1, 0);
        let lists = self.0.state(EmitTo::All)?;
        Ok(vec![ScalarValue::List(Arc::new(only(&lists)?.as_list::<i32>().clone()))])
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::array::{Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Int64Type, TimeUnit};
    use datafusion::datasource::MemTable;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::{SQLOptions, SessionConfig};
    use proptest::prelude::*;

    use super::*;
    use crate::query::memory::Shares;

    /// Rows of a group, a text and a moment.
    type Row = (i32, Option<String>, Option<i64>);

    fn table(batches: &[Vec<Row>]) -> MemTable {
        let schema = Arc::new(Schema::new(vec![
            Field::new("g", DataType::Int32, false),
            Field::new("x", DataType::Utf8View, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ]));
        let batches = batches.iter().map(|rows| {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()),
                Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringViewArray>()),
                Arc::new(rows.iter().map(|row| row.2).collect::<TimestampMicrosecondArray>()),
            ];
            RecordBatch::try_new(schema.clone(), columns).unwrap()
        });
        let batches: Vec<RecordBatch> = batches.collect();
        let half = batches.len() / 2;
        MemTable::try_new(schema, vec![batches[..half].to_vec(), batches[half..].to_vec()]).unwrap()
    }

    fn context(batches: &[Vec<Row>], memory_bytes: usize, batch_size: usize) -> SessionContext {
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(Shares::new(memory_bytes))).build_arc().unwrap();
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(batch_size)
            .with_sort_spill_reservation_bytes(memory_bytes / 64)
            .set_usize("datafusion.execution.max_spill_file_size_bytes", 1);
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_table("rows", Arc::new(table(batches))).unwrap();
        context
    }

    async fn answer(context: &SessionContext, sql: &str) -> BTreeSet<String> {
        let frame = context.sql_with_options(sql, SQLOptions::new()).await.unwrap();
        let batches = frame.collect().await.unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        shown.lines().filter(|line| line.starts_with('|')).map(|line| line.split_whitespace().collect()).collect()
    }

    /// Every way a distinct count can be asked for beside others.
    const STATEMENTS: [&str; 9] = [
        "SELECT g, count(*) n, count(DISTINCT x) d FROM rows GROUP BY g",
        "SELECT g, count(DISTINCT x) a, count(DISTINCT t) b, count(DISTINCT lower(x)) c, sum(g) s FROM rows GROUP BY g",
        "SELECT g, count(DISTINCT x) FILTER (WHERE CAST(t AS BIGINT) > 1) a, count(t) b FROM rows GROUP BY g HAVING count(DISTINCT t) > 1",
        "SELECT g, x, count(*) n, count(DISTINCT t) d FROM rows GROUP BY ROLLUP (g, x)",
        "SELECT g, t, count(*) n, count(DISTINCT x) d FROM rows GROUP BY GROUPING SETS ((g), (t), ())",
        "SELECT count(*) n, count(DISTINCT x) a, count(DISTINCT t) b, count(DISTINCT CAST(t AS BIGINT) > 2) c FROM rows",
        "SELECT g, t, count(DISTINCT x) OVER (PARTITION BY g) a, count(DISTINCT x) OVER (PARTITION BY g ORDER BY t) b FROM rows",
        "SELECT g, count(DISTINCT x) d, count(*) n FROM (SELECT * FROM rows ORDER BY g, t) s GROUP BY g",
        "SELECT n, count(DISTINCT d) e, max(n) m FROM (SELECT g, count(*) n, count(DISTINCT x) d FROM rows GROUP BY g) s GROUP BY n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn answers_are_those_of_sets_by_group(
            rows in prop::collection::vec(
                prop::collection::vec((0i32..40, prop::option::of("[aB]{0,3}(a long tail of it)?"), prop::option::of(0i64..4)), 0..60),
                2..12,
            ),
            batch_size in prop::sample::select(vec![3usize, 64, 8192]),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let plain = context(&rows, 64 << 20, batch_size);
                let ours = context(&rows, 64 << 20, batch_size);
                register(&ours).unwrap();
                for sql in STATEMENTS {
                    assert_eq!(answer(&ours, sql).await, answer(&plain, sql).await, "{sql}");
                }
            });
        }
    }

    /// Many groups, each with some texts of its own.
    fn many() -> Vec<Vec<Row>> {
        let row = |n: i32| (n % 4_000, Some(format!("a text that is too long for a view {}", n % 9_001)), Some(i64::from(n % 7)));
        (0..20).map(|batch| (0..2_000).map(|place| row(batch * 2_000 + place)).collect()).collect()
    }

    #[tokio::test]
    async fn distinct_values_that_outgrow_their_memory_are_spilled() {
        let sql = "SELECT g, count(*) n, count(DISTINCT x) d, count(DISTINCT t) e FROM rows GROUP BY g";
        let (roomy, tight) = (context(&many(), 256 << 20, 512), context(&many(), 4 << 20, 512));
        register(&roomy).unwrap();
        register(&tight).unwrap();
        assert_eq!(answer(&tight, sql).await, answer(&roomy, sql).await);
        let plan = tight.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        datafusion::physical_plan::collect(plan.clone(), tight.task_ctx()).await.unwrap();
        let shown = datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false);
        assert!(!shown.to_string().contains("spill_count=0, spilled_bytes=0.0 B, spilled_rows=0, batches_split"), "{shown}");
        assert_eq!(tight.runtime_env().memory_pool.reserved(), 0);
    }

    #[test]
    fn the_memory_held_is_reported() {
        let texts = |from: usize| -> ArrayRef {
            Arc::new(
                (from..from + 1_000)
                    .map(|n| Some(format!("a text that is too long for a view {n}")))
                    .collect::<StringViewArray>(),
            )
        };
        let mut counts = DistinctCounts::new(ValueTypes::of(&DataType::Utf8View).unwrap()).unwrap();
        let groups: Vec<usize> = (0..1_000).collect();
        counts.update_batch(&[texts(0)], &groups, None, 1_000).unwrap();
        let small = counts.size();
        assert!((50_000..400_000).contains(&small), "{small}");
        for batch in 1..100 {
            counts.update_batch(&[texts(batch * 1_000)], &groups, None, 1_000).unwrap();
        }
        let large = counts.size();
        assert!(large > 20 * small, "{small} {large}");
        let counted = counts.evaluate(EmitTo::First(999)).unwrap();
        assert!(counted.as_primitive::<Int64Type>().values().iter().all(|count| *count == 100));
        assert!(counts.size() < small, "what has left is not held: {}", counts.size());
        assert_eq!(counts.evaluate(EmitTo::All).unwrap().as_primitive::<Int64Type>().values(), &[100]);
    }
}

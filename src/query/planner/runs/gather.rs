//! Finds the runs of equal groups in batches, and aggregates their rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Builder, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::logical_expr::{ColumnarValue, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;

use super::aggregate::{Aggregate, GroupExpr, Key};
use super::number::{NUMBER, UnknownTexts};

/// With so many groups, what has been gathered goes on.
const GROUPS_MAX: usize = 8192;

/// And after so many rows, however few groups they are of: some functions hold on to them.
const ROWS_MAX: usize = 16 * GROUPS_MAX;

/// Groups that were gathered and not yet passed on.
pub(super) struct Gathering {
    columns: Vec<GroupColumn>,
    accumulators: Vec<Accumulator>,
    unknown_texts: Arc<UnknownTexts>,
    schema: SchemaRef,
    groups: usize,
    rows: usize,
    /// Of each row of a batch: does it begin a run, and of which group is it?
    begins: Vec<bool>,
    group_of: Vec<usize>,
}

struct GroupColumn {
    group: GroupExpr,
    /// What the last row had: if the next has the same, it is of the same group.
    last: Option<ArrayRef>,
    values: GroupValues,
}

enum GroupValues {
    Plain(Vec<ArrayRef>),
    Numbers(Decimal128Builder),
}

struct Accumulator {
    state: Box<dyn GroupsAccumulator>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Gathering {
    pub fn new(
        group_by: &[GroupExpr],
        aggregates: &[Aggregate],
        unknown_texts: &Arc<UnknownTexts>,
        schema: &SchemaRef,
    ) -> DfResult<Self> {
        let columns = group_by.iter().map(|group| GroupColumn {
            group: group.clone(),
            last: None,
            values: match group.key {
                Key::Plain => GroupValues::Plain(Vec::new()),
                Key::Person | Key::OfPerson { .. } => GroupValues::Numbers(Decimal128Builder::new().with_data_type(NUMBER)),
            },
        });
        let accumulators = aggregates.iter().map(|Aggregate { function, filter }| {
            let state = function.create_groups_accumulator()?;
            Ok(Accumulator { state, arguments: function.expressions(), filter: filter.clone() })
        });
        Ok(Self {
            columns: columns.collect(),
            accumulators: accumulators.collect::<DfResult<_>>()?,
            unknown_texts: unknown_texts.clone(),
            schema: schema.clone(),
            groups: 0,
            rows: 0,
            begins: Vec::new(),
            group_of: Vec::new(),
        })
    }

    /// Takes a batch's rows in.
    pub fn add(&mut self, batch: &RecordBatch) -> DfResult<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.begins.clear();
        self.begins.resize(rows, false);
        let compared = self.columns.iter_mut().map(|column| column.compare(batch, &mut self.begins));
        let compared = compared.collect::<DfResult<Vec<ColumnarValue>>>()?;

        let mut heads: Vec<u32> = Vec::new();
        self.group_of.clear();
        for (row, begins) in self.begins.iter().enumerate() {
            if *begins {
                heads.push(row as u32);
            }
            // The first row begins a run unless there is one to go on with, so there is a group.
            self.group_of.push((self.groups + heads.len()).saturating_sub(1));
        }
        let heads = UInt32Array::from(heads);
        for (column, compared) in self.columns.iter_mut().zip(compared) {
            column.tell(&compared, &heads, rows, &self.unknown_texts)?;
        }
        self.groups += heads.len();
        self.rows += rows;
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.add(batch, &self.group_of, self.groups))
    }

    /// Is there enough to be passed on?
    pub fn is_full(&self) -> bool {
        self.groups >= GROUPS_MAX || self.rows >= ROWS_MAX
    }

    /// What was gathered, if anything; the next row begins anew.
    pub fn take(&mut self) -> DfResult<Option<RecordBatch>> {
        if std::mem::take(&mut self.groups) == 0 {
            return Ok(None);
        }
        self.rows = 0;
        let mut columns = self.columns.iter_mut().map(GroupColumn::take).collect::<DfResult<Vec<ArrayRef>>>()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state.state(EmitTo::All)?);
        }
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

impl GroupColumn {
    /// Marks the rows that differ from the row before, and returns what was compared.
    fn compare(&mut self, batch: &RecordBatch, begins: &mut [bool]) -> DfResult<ColumnarValue> {
        let compared = match &self.group.key {
            Key::OfPerson { id, .. } => id.evaluate(batch)?,
            Key::Person | Key::Plain => self.group.expr.evaluate(batch)?,
        };
        let (first, last) = match &compared {
            ColumnarValue::Array(values) => {
                mark_changes(values, begins)?;
                (values.slice(0, 1), values.slice(values.len() - 1, 1))
            }
            // One value for all rows.
            ColumnarValue::Scalar(value) => {
                let value = value.to_array()?;
                (value.clone(), value)
            }
        };
        begins[0] |= match &self.last {
            Some(last) => distinct(last, &first)?.value(0),
            None => true,
        };
        self.last = Some(last);
        Ok(compared)
    }

    /// Notes the values of the groups that begin in these rows.
    fn tell(&mut self, compared: &ColumnarValue, heads: &UInt32Array, rows: usize, unknown_texts: &UnknownTexts) -> DfResult<()> {
        let mut values = match compared {
            ColumnarValue::Array(values) if heads.len() == rows => values.clone(),
            ColumnarValue::Array(values) => take(values, heads, None)?,
            ColumnarValue::Scalar(value) => value.to_array_of_size(heads.len())?,
        };
        if let Key::OfPerson { function, ids, .. } = &self.group.key {
            let batch = RecordBatch::try_new(ids.clone(), vec![values])?;
            values = function.evaluate(&batch)?.into_array(heads.len())?;
        }
        match (&mut self.values, values.as_string_view_opt()) {
            (GroupValues::Numbers(numbers), Some(texts)) => unknown_texts.append_numbers(texts, numbers),
            (GroupValues::Numbers(_), None) => return internal_err!("a person's id is text, not {}", values.data_type()),
            // A few texts should not keep all those of a file's page in memory.
            (GroupValues::Plain(pieces), Some(texts)) => pieces.push(Arc::new(texts.gc())),
            (GroupValues::Plain(pieces), None) => pieces.push(values),
        }
        Ok(())
    }

    fn take(&mut self) -> DfResult<ArrayRef> {
        self.last = None;
        match &mut self.values {
            GroupValues::Numbers(numbers) => Ok(Arc::new(numbers.finish())),
            GroupValues::Plain(pieces) => {
                let pieces = std::mem::take(pieces);
                Ok(concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?)
            }
        }
    }
}

impl Accumulator {
    fn add(&mut self, batch: &RecordBatch, group_of: &[usize], groups: usize) -> DfResult<()> {
        let rows = batch.num_rows();
        let array = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(rows);
        let arguments = self.arguments.iter().map(array).collect::<DfResult<Vec<ArrayRef>>>()?;
        let filter = self.filter.as_ref().map(array).transpose()?;
        let filter = filter.as_ref().map(|filter| as_boolean_array(filter)).transpose()?;
        self.state.update_batch(&arguments, group_of, filter, groups)
    }
}

/// Marks the rows whose value differs from that of the row before; nulls are alike.
fn mark_changes(values: &ArrayRef, begins: &mut [bool]) -> DfResult<()> {
    let rows = values.len();
    match values.data_type() {
        DataType::Utf8View if values.null_count() == 0 => mark_changed_texts(values.as_string_view(), begins),
        _ => {
            let changed = distinct(&values.slice(1, rows - 1), &values.slice(0, rows - 1))?;
            for row in changed.values().set_indices() {
                begins[row + 1] = true;
            }
        }
    }
    Ok(())
}

/// The same for texts without nulls. Equal texts of a dictionary have equal views; texts of other length or beginning differ in
/// the view's lower half; only for the rest are the characters compared.
fn mark_changed_texts(texts: &StringViewArray, begins: &mut [bool]) {
    for (row, pair) in texts.views().windows(2).enumerate() {
        let (before, here) = (pair[0], pair[1]);
        let is_same = before == here || (before as u64 == here as u64 && texts.value(row) == texts.value(row + 1));
        begins[row + 1] |= !is_same;
    }
}

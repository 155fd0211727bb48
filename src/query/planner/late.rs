//! The filter that hides overridden rows: an archived row is not shown if a late row in hot has its key.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashSet;

use crate::error::Result;
use crate::lake::file::tags::ANYWHERE;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::{Partition, Role, first_of_month};
use crate::tiers::pin::Pinned;

/// The keys of late rows, and the archive's months that may hold them.
#[derive(Debug, Default)]
pub struct LateKeys {
    keys: HashSet<String>,
    months: BTreeSet<Partition>,
    anywhere: bool,
}

impl LateKeys {
    /// Reads the keys of the late rows of a pinned pair.
    pub async fn read(hot: &LakeTable, pinned: &Pinned) -> Result<Self> {
        let mut late = Self { keys: pinned.late_keys(hot).await?, ..Self::default() };
        for file in pinned.hot.files().filter(|file| pinned.is_late(file)) {
            if pinned.is_before(file) {
                late.months.insert(Role::Archive.partition_of(file.partition.0));
            }
            for day in file.late_days() {
                if day == ANYWHERE {
                    late.anywhere = true;
                } else {
                    late.months.insert(Partition(Some(first_of_month(day))));
                }
            }
        }
        Ok(late)
    }

    /// Number of late rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Does a late row override the archived one of this key?
    pub fn overrides(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// May an archive file hold overridden rows?
    pub fn touches(&self, file: &DataFile) -> bool {
        !self.keys.is_empty() && (self.anywhere || self.months.contains(&file.partition))
    }
}

/// "This archived row is not overridden": true for keys no late row has.
#[derive(Clone, Debug)]
pub struct NotOverridden {
    key: Arc<dyn PhysicalExpr>,
    late: Arc<LateKeys>,
}

impl NotOverridden {
    /// The condition on a key column.
    pub fn new(key: Arc<dyn PhysicalExpr>, late: Arc<LateKeys>) -> Self {
        Self { key, late }
    }
}

impl fmt::Display for NotOverridden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not_late({}, {} keys)", self.key, self.late.len())
    }
}

impl PartialEq for NotOverridden {
    fn eq(&self, other: &Self) -> bool {
        self.key.eq(&other.key) && Arc::ptr_eq(&self.late, &other.late)
    }
}

impl Eq for NotOverridden {}

impl Hash for NotOverridden {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        Arc::as_ptr(&self.late).hash(state);
    }
}

impl PhysicalExpr for NotOverridden {
    fn data_type(&self, _input: &Schema) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _input: &Schema) -> DfResult<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        let passes = |key: Option<&str>| key.is_none_or(|key| !self.late.overrides(key));
        match self.key.evaluate(batch)? {
            ColumnarValue::Array(keys) => {
                let keep: BooleanArray = match keys.data_type() {
                    DataType::Utf8View => keys.as_string_view().iter().map(|key| Some(passes(key))).collect(),
                    DataType::Utf8 => keys.as_string::<i32>().iter().map(|key| Some(passes(key))).collect(),
                    other => return internal_err!("keys are text, not {other}"),
                };
                Ok(ColumnarValue::Array(Arc::new(keep)))
            }
            ColumnarValue::Scalar(key) => {
                Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(passes(key.try_as_str().flatten())))))
            }
        }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(key) => Ok(Arc::new(Self { key, late: self.late.clone() })),
            None => internal_err!("not_late needs its key"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

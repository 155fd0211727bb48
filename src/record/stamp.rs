//! The stamp of a version, made of its SystemModstamp and LastModifiedDate. It says which of two versions is newer.

use std::cmp::Ordering;

use arrow::array::PrimitiveArray;
use arrow::datatypes::TimestampMicrosecondType;

use crate::error::Result;
use crate::record::fields::Table;

/// SystemModstamp and LastModifiedDate, in microseconds.
///
/// A version is placed by its SystemModstamp or, where its export had none, by its LastModifiedDate. That is never later than the
/// record's SystemModstamp, so a version with LastModifiedDate = t alone was stamped at t or later, and goes after one stamped at t;
/// then the later LastModifiedDate goes after. A version with neither is older than any. The order is total, and two stamps are
/// equal in it only when they are the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    /// SystemModstamp.
    pub modstamp: Option<i64>,
    /// LastModifiedDate.
    pub modified: Option<i64>,
}

impl Stamp {
    fn place(self) -> (Option<i64>, bool, Option<i64>) {
        (self.modstamp.or(self.modified), self.modstamp.is_none(), self.modified)
    }
}

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The stamp of a value: `None` when no version ever provided it.
pub type ValueStamp = Option<Stamp>;

/// A table without the column (an attribute table, say) has no stamps: all its versions are equally old.
pub fn or_missing<'a>(
    table: &Table,
    name: &str,
    stamp: &dyn Fn(&str) -> Result<&'a PrimitiveArray<TimestampMicrosecondType>>,
) -> Result<&'a PrimitiveArray<TimestampMicrosecondType>> {
    if table.field(name).is_some() { stamp(name) } else { Ok(&NO_STAMP) }
}

static NO_STAMP: std::sync::LazyLock<PrimitiveArray<TimestampMicrosecondType>> =
    std::sync::LazyLock::new(|| PrimitiveArray::from_iter([None::<i64>]));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_with_only_its_last_modified_date_is_placed_by_that() {
        let stamp = |modstamp, modified| Stamp { modstamp, modified };
        let ascending = [
            stamp(None, None),
            stamp(Some(4), Some(4)),
            stamp(Some(5), None),
            stamp(Some(5), Some(3)),
            stamp(Some(5), Some(5)),
            stamp(None, Some(5)),
            stamp(Some(6), None),
            stamp(Some(6), Some(1)),
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (than, other) in ascending.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&than), "{one:?} and {other:?}");
            }
        }
    }
}

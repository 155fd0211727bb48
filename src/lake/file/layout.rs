//! The layout of a data file: encodings, pages, row groups, and the tags of its log entry.
//!
//! Every number here was chosen by measurement (`benches/workload.rs`); its comment says what it gains.

use std::sync::Arc;

use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{BloomFilterProperties, EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::lake::paths::Role;
use crate::record::fields::{Kind, Table, hidden};

/// Rows in a row group: enough to keep dictionaries and footers small beside the data, few enough that a writer holds
/// one encoded group (about 40 MB) in memory and a month can be read by two threads.
pub const ROW_GROUP_ROWS: usize = 512 * 1024;

/// Rows in a page. A look-up reads one page a column: pages of 4,096 rows made it slower.
pub const PAGE_ROWS: usize = 2048;

/// A page is stored uncompressed when compression would leave more than this share of it. Timestamps are delta-encoded and names
/// dictionary-encoded, so zstd gains little there, and a look-up spent a twelfth of its time on setting up decompression. Files
/// grow by a thirtieth.
const COMPRESSED_MAX: f64 = 0.75;

/// A file is closed when it has grown to this many bytes; what follows goes to the next, which begins at a later key.
pub const FILE_BYTES: u64 = 192 << 20;

/// False positives of the filter on keys. An upsert of new keys probes the filters of every file; at 1 in 100,000 hardly
/// any file has to be read in vain, for about 3.5 bytes a row.
pub const KEY_FILTER_FPP: f64 = 1e-5;

/// How the `created_by` of this engine's files begins.
pub const CREATED_BY: &str = "ier ";

/// The effort spent on compression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effort {
    /// Rewritten within days: speed first.
    Hot,
    /// Kept for years.
    Archive,
    /// Kept for years more, and not expected to change again.
    Best,
}

impl Effort {
    fn level(self) -> i32 {
        match self {
            Self::Hot => 1,
            Self::Archive => 3,
            Self::Best => 9,
        }
    }

    /// What the log says of it in [`super::tags::EFFORT`].
    pub fn tag(self) -> Option<&'static str> {
        (self == Self::Best).then_some("best")
    }

    /// What a tier's files get as a rule.
    pub fn of(role: Role) -> Self {
        if role == Role::Hot { Self::Hot } else { Self::Archive }
    }
}

/// Parquet settings of a table's files.
pub fn writer_properties(table: &Table, effort: Effort) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(effort.level())?;
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(format!("{CREATED_BY}{}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_data_page_v2_compression_ratio_threshold(COMPRESSED_MAX)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorting_columns(table)?));
    for field in &table.fields {
        let column = ColumnPath::from(field.name.as_ref());
        let (dictionary, encoding) = match field.kind {
            // A dictionary page is read whole even when one page of values is wanted.
            Kind::Id | Kind::Text => (false, Some(Encoding::DELTA_BYTE_ARRAY)),
            // The moments of sync runs repeat: a dictionary takes 1.5 bytes a row where delta packing takes 4.3. Those of
            // people's actions do not, and look-ups read them: without one, a page is enough.
            Kind::Time => (field.shared, Some(Encoding::DELTA_BINARY_PACKED)),
            Kind::Long => (false, Some(Encoding::DELTA_BINARY_PACKED)),
            Kind::Bool => (false, None),
            Kind::Label | Kind::LabelId | Kind::Int | Kind::Date => (true, None),
        };
        properties = properties.set_column_dictionary_enabled(column.clone(), dictionary);
        if let Some(encoding) = encoding {
            properties = properties.set_column_encoding(column.clone(), encoding);
        }
        // A page index costs bytes in every footer: it is kept where look-ups and ranges prune by it.
        if field.stats {
            properties = properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::Page);
        }
        if field.name == hidden::KEY {
            let filter = BloomFilterProperties::builder()
                .with_fpp(KEY_FILTER_FPP)
                .with_max_ndv(ROW_GROUP_ROWS as u64)
                .try_build()
                .map_err(|error| Error::internal(phrase!("key filter: {error}")))?;
            properties = properties.set_column_bloom_filter_properties(column, filter);
        }
    }
    Ok(properties.build())
}

fn sorting_columns(table: &Table) -> Result<Vec<SortingColumn>> {
    table
        .sort_columns()
        .iter()
        .map(|name| {
            let at = table
                .fields
                .iter()
                .position(|field| field.name == *name)
                .ok_or_else(|| Error::internal(phrase!("{} has no sort column {name}", table.name)))?;
            Ok(SortingColumn { column_idx: at as i32, descending: false, nulls_first: true })
        })
        .collect()
}

/// The Arrow schema in which a stored file is read for folding: the file's own columns, labels as dictionaries.
pub fn lake_schema_of(table: &Table, stored: &Schema) -> SchemaRef {
    let fields: Vec<ArrowField> = stored
        .fields()
        .iter()
        .map(|field| match table.field(field.name()) {
            Some(own) => field.as_ref().clone().with_data_type(own.kind.lake_type()),
            None => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

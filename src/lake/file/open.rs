//! An open data file: reads all rows or some columns, in file order, in lake types. Finds rows by their keys or by values of a column.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::PageIndexPolicy;

use super::layout::lake_schema_of;
use super::pages::fetched;
use super::reader::Reader;
use super::sort::{BATCH_ROWS, Sorted};
use crate::error::{Context, Error, Result};
use crate::lake::columns::pad;
use crate::record::fields::{Table, hidden};

/// An open file: its footer is read, its rows are not.
pub struct OpenFile {
    table: Arc<Table>,
    name: String,
    reader: Reader,
    metadata: ArrowReaderMetadata,
}

/// Opens a file of a table that its log need not name any more; so nothing is known that would prove its pages.
pub(crate) async fn open_at(table: Arc<Table>, store: Arc<dyn ObjectStore>, path: Path, bytes: u64) -> Result<OpenFile> {
    open_as(table, Reader::new(store, path, bytes, None)).await
}

/// Opens what a reader reads, in lake types.
pub(crate) async fn open_as(table: Arc<Table>, mut reader: Reader) -> Result<OpenFile> {
    let name = reader.path().to_string();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let plain = ArrowReaderMetadata::load_async(&mut reader, options.clone()).await.context(|| phrase!("cannot read {name}"))?;
    let schema = lake_schema_of(&table, plain.schema());
    let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options.with_schema(schema))
        .context(|| phrase!("{name} does not have the columns of {}", table.name))?;
    Ok(OpenFile { table, name, reader, metadata })
}

impl OpenFile {
    /// Rows in the file.
    pub fn rows(&self) -> usize {
        self.metadata.metadata().file_metadata().num_rows().max(0) as usize
    }

    fn builder(&self) -> ParquetRecordBatchStreamBuilder<Reader> {
        ParquetRecordBatchStreamBuilder::new_with_metadata(self.reader.clone(), self.metadata.clone()).with_batch_size(BATCH_ROWS)
    }

    /// The rows in file order, with all columns of the table (absent ones null) or only those named. With `rows`, only
    /// these (ascending) are read.
    pub fn stream(&self, columns: Option<&[&str]>, rows: Option<&[u32]>) -> Result<Sorted> {
        let mut builder = self.builder();
        if let Some(columns) = columns {
            let stored = self.metadata.parquet_schema();
            let roots =
                columns.iter().filter_map(|name| stored.columns().iter().position(|column| column.path().string() == *name));
            let mask = ProjectionMask::leaves(stored, roots);
            builder = builder.with_projection(mask);
        }
        if let Some(rows) = rows {
            builder = builder.with_row_selection(selection(rows, self.rows()));
        }
        let target = match columns {
            None => self.table.lake_schema(),
            Some(columns) => project(&self.table.lake_schema(), columns)?,
        };
        let name = self.name.clone();
        let stream = builder.build().context(|| phrase!("cannot read {name}"))?;
        Ok(stream
            .map_err(Error::from)
            .map(move |batch| batch.and_then(|batch| pad(&batch, &target)).context(|| phrase!("cannot read {name}")))
            .boxed())
    }

    /// Places (ascending) of the rows whose key is wanted, with their keys. Row groups whose filter excludes all wanted
    /// keys are not read.
    pub async fn find_keys(&self, wanted: &HashSet<&str>) -> Result<Vec<(u32, String)>> {
        let mut found = Vec::new();
        let mut first = 0u32;
        for group in 0..self.metadata.metadata().num_row_groups() {
            let rows = self.metadata.metadata().row_group(group).num_rows().max(0) as u32;
            let candidates: HashSet<&str> = match self.key_filter(group).await? {
                Some(filter) => wanted.iter().filter(|key| filter.check(**key)).copied().collect(),
                None => wanted.clone(),
            };
            if !candidates.is_empty() {
                self.find_in_group(group, first, &candidates, &mut found).await?;
            }
            first += rows;
        }
        Ok(found)
    }

    async fn find_in_group(
        &self,
        group: usize,
        first: u32,
        wanted: &HashSet<&str>,
        found: &mut Vec<(u32, String)>,
    ) -> Result<()> {
        let at = self.column(hidden::KEY)?;
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), [at]);
        let stream = self.builder().with_row_groups(vec![group]).with_projection(mask).build();
        let mut stream = stream.context(|| phrase!("cannot read {}", self.name))?;
        let mut row = first;
        while let Some(batch) = stream.try_next().await.context(|| phrase!("cannot read {}", self.name))? {
            let keys: &StringArray = batch.column(0).as_string();
            for key in keys.iter() {
                if let Some(key) = key.filter(|key| wanted.contains(key)) {
                    found.push((row, key.to_owned()));
                }
                row += 1;
            }
        }
        Ok(())
    }

    /// Places (ascending) of the rows in which a text column holds one of these values (ascending). Pages that cannot hold
    /// one, as far as the page index tells, are not read.
    pub async fn find_values(&self, column: &str, sorted: &[&str]) -> Result<Vec<u32>> {
        let stored = self.metadata.parquet_schema();
        let Some(at) = stored.columns().iter().position(|own| own.path().string() == column) else { return Ok(Vec::new()) };
        let metadata = self.metadata.metadata();
        let mut candidates: Vec<Range<usize>> = Vec::new();
        let mut first = 0;
        for group in 0..metadata.num_row_groups() {
            let total = metadata.row_group(group).num_rows().max(0) as usize;
            let pages = fetched::that_may_hold(metadata, group, at, sorted);
            candidates.extend(pages.into_iter().map(|rows| first + rows.start..first + rows.end));
            first += total;
        }
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let selection = RowSelection::from_consecutive_ranges(candidates.iter().cloned(), self.rows());
        let mask = ProjectionMask::leaves(stored, [at]);
        let stream = self.builder().with_projection(mask).with_row_selection(selection).build();
        let mut stream = stream.context(|| phrase!("cannot read {}", self.name))?;
        let mut places = candidates.into_iter().flatten();
        let mut found = Vec::new();
        while let Some(batch) = stream.try_next().await.context(|| phrase!("cannot read {}", self.name))? {
            let values = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            for value in values.as_string::<i32>() {
                let place = places.next();
                let place = place.ok_or_else(|| Error::corrupt(phrase!("{} has more rows than its index says", self.name)))?;
                if value.is_some_and(|value| sorted.binary_search(&value).is_ok()) {
                    found.push(place as u32);
                }
            }
        }
        Ok(found)
    }

    /// May a text column hold what lies within bounds for which this is true? They are those of its row groups, least and greatest
    /// value; of a group without known bounds it is not known.
    pub fn may_hold(&self, column: &str, within: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let Ok(at) = self.column(column) else { return false };
        self.metadata.metadata().row_groups().iter().any(|group| {
            let Some(statistics) = group.column(at).statistics() else { return true };
            match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
                (Some(least), Some(greatest)) => within(least, greatest),
                // Without bounds there are nulls only, if it is known that all are.
                _ => statistics.null_count_opt() != u64::try_from(group.num_rows()).ok(),
            }
        })
    }

    async fn key_filter(&self, group: usize) -> Result<Option<Sbbf>> {
        let at = self.column(hidden::KEY)?;
        self.builder().get_row_group_column_bloom_filter(group, at).await.context(|| phrase!("cannot read {}", self.name))
    }

    fn column(&self, name: &str) -> Result<usize> {
        let stored = self.metadata.parquet_schema();
        stored
            .columns()
            .iter()
            .position(|column| column.path().string() == name)
            .ok_or_else(|| Error::corrupt(phrase!("{} has no column {name}", self.name)))
    }
}

fn selection(rows: &[u32], total: usize) -> RowSelection {
    let mut selectors = Vec::new();
    let mut next = 0usize;
    for &row in rows {
        let row = row as usize;
        if row > next {
            selectors.push(RowSelector::skip(row - next));
        }
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    if total > next {
        selectors.push(RowSelector::skip(total - next));
    }
    RowSelection::from(selectors)
}

fn project(schema: &Schema, columns: &[&str]) -> Result<SchemaRef> {
    let at: Vec<usize> = columns.iter().map(|name| schema.index_of(name)).collect::<Result<_, _>>()?;
    Ok(Arc::new(schema.project(&at)?))
}

//! Rows read here are the rows the parquet crate reads, and no damage makes reading them panic.
#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat, concat_batches};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;

use super::*;
use crate::lake::file::layout::{Effort, PAGE_ROWS, writer_properties};
use crate::lake::file::pages::fetched::{self, Dictionaries, Nulls};
use crate::record::fields::{Kind, known};

/// Numbers that look random; the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// A column: how many of a hundred are null, how many different values it has, and whether they come in order.
fn column(numbers: &mut Numbers, kind: Kind, rows: usize, is_nullable: bool) -> ArrayRef {
    let nulls = if is_nullable { numbers.one_of(&[0, 0, 2, 50, 98, 100]) } else { 0 };
    let different = numbers.one_of(&[1, 7, 300, usize::MAX]);
    let mut values: Vec<u64> = (0..rows).map(|_| numbers.below(different) as u64).collect();
    if numbers.below(2) == 0 {
        values.sort_unstable();
    }
    let present: Vec<Option<u64>> = values.into_iter().map(|value| (numbers.below(100) >= nulls).then_some(value)).collect();
    let wide = numbers.one_of(&[8, 20, 64]);
    let whole = |value: &Option<u64>| value.map(|value| value as i64 >> (64 - wide));
    let lake = kind.lake_type();
    match kind {
        Kind::Id | Kind::Text | Kind::Label | Kind::LabelId => {
            let pad = "a long text that makes a dictionary too large, ".repeat(numbers.one_of(&[0, 1, 20]));
            let texts: StringArray = present
                .iter()
                .map(|value| value.map(|value| if value == 0 { String::new() } else { format!("{pad}ä{value:x}") }))
                .collect();
            cast(&texts, &lake).unwrap()
        }
        Kind::Bool => Arc::new(present.iter().map(|value| value.map(|value| value % 3 == 1)).collect::<BooleanArray>()),
        Kind::Int | Kind::Date => {
            cast(&present.iter().map(|value| whole(value).map(|value| value as i32)).collect::<Int32Array>(), &lake).unwrap()
        }
        Kind::Long | Kind::Time => cast(&present.iter().map(whole).collect::<Int64Array>(), &lake).unwrap(),
    }
}

/// A file of IERs with these many rows a row group, and what the crate reads from it.
fn file(numbers: &mut Numbers, rows: usize, group_rows: usize) -> (Bytes, RecordBatch) {
    let table = known("ier").unwrap();
    let schema = table.lake_schema();
    let columns = table.fields.iter().zip(schema.fields());
    let columns = columns.map(|(own, field)| column(numbers, own.kind, rows, field.is_nullable())).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let properties = writer_properties(table, Effort::Archive).unwrap().into_builder();
    let properties = properties.set_max_row_group_row_count(Some(group_rows)).build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = Bytes::from(file);
    let options = ArrowReaderOptions::new().with_schema(table.scan_schema());
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    (file, concat_batches(&table.scan_schema(), &batches).unwrap())
}

fn footer(file: &Bytes) -> Arc<ParquetMetaData> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap().metadata().clone()
}

/// Runs of rows, ascending, often beside the ends of pages.
fn some_rows(numbers: &mut Numbers, total: usize) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut next = 0;
    while next < total && runs.len() < 6 {
        let near = numbers.one_of(&[0, 2_047, 2_048, 8_191]);
        let start = (next + numbers.below(3_000)).max(near.min(total)).max(next);
        let end = (start + numbers.one_of(&[0, 1, 2, 40, 5_000])).min(total);
        if start < end {
            runs.push(start..end);
        }
        next = end.max(start) + 1;
    }
    runs
}

#[test]
fn rows_are_those_the_parquet_crate_reads() {
    for seed in 0..24 {
        let mut numbers = Numbers(seed);
        let (rows, group_rows) = (1 + numbers.below(14_000), numbers.one_of(&[5_000, 100_000]));
        let (bytes, whole) = file(&mut numbers, rows, group_rows);
        let metadata = footer(&bytes);
        let fetched = Fetched::new(bytes.len() as u64, std::slice::from_ref(&(0..bytes.len() as u64)), vec![bytes]);
        let every: Vec<usize> = (0..whole.num_columns()).collect();
        assert!(is_ours(&metadata, &every));
        let mut point_reader = PointReader::new().unwrap();
        let mut first = 0;
        for group in 0..metadata.num_row_groups() {
            let total = metadata.row_group(group).num_rows() as usize;
            let runs = some_rows(&mut numbers, total);
            for (place, field) in whole.schema().fields().iter().enumerate() {
                let chunk = Chunk::new(&metadata, group, place, &fetched).unwrap();
                let mut values = Values::of(field.data_type());
                point_reader.take(&chunk, &runs, &mut values).unwrap();
                let column = whole.column(place).slice(first, total);
                let wanted: Vec<ArrayRef> = runs.iter().map(|run| column.slice(run.start, run.len())).collect();
                let wanted: Vec<&dyn Array> = wanted.iter().map(AsRef::as_ref).collect();
                let found = values.finish().unwrap();
                match wanted.is_empty() {
                    true => assert!(found.is_empty()),
                    false => assert_eq!(&found, &concat(&wanted).unwrap(), "seed {seed}, {}, {runs:?}", field.name()),
                }
            }
            first += total;
        }
    }
}

#[test]
fn a_dictionary_that_is_known_is_not_fetched_again() {
    let (bytes, whole) = file(&mut Numbers(7), 6_000, 5_000);
    let metadata = footer(&bytes);
    let runs = [1_000..1_003, 4_990..4_995];
    let take = |place: usize, known: Dictionaries| {
        let ranges = fetched::ranges(&metadata, 0, &[place], &runs, &known);
        let parts = ranges.iter().map(|range| bytes.slice(range.start as usize..range.end as usize)).collect();
        let fetched = Fetched::new(bytes.len() as u64, &ranges, parts).with(Arc::new(known));
        let (mut point_reader, mut values) = (PointReader::new().unwrap(), Values::of(whole.column(place).data_type()));
        point_reader.take(&Chunk::new(&metadata, 0, place, &fetched).unwrap(), &runs, &mut values).unwrap();
        (values.finish().unwrap(), point_reader.learned(), ranges.iter().map(|range| range.end - range.start).sum::<u64>())
    };
    let mut with_dictionary = 0;
    for place in 0..whole.num_columns() {
        let (values, learned, fetched) = take(place, Dictionaries::default());
        // Where a dictionary grew too large, later pages do without.
        let has_one = !learned.is_empty();
        with_dictionary += usize::from(has_one);
        let (again, nothing, less) = take(place, Dictionaries::default().and(learned));
        assert_eq!(
            (&again, nothing.is_empty(), less < fetched),
            (&values, true, has_one),
            "{}",
            whole.schema().field(place).name()
        );
    }
    assert!(with_dictionary > 5);
}

#[test]
fn null_counts_of_pages_are_those_of_their_rows() {
    let table = known("ier").unwrap();
    let mut null_counts = Vec::new();
    for seed in 200..212 {
        let mut numbers = Numbers(seed);
        let (bytes, whole) = file(&mut numbers, 9_000, 5_000);
        let metadata = footer(&bytes);
        for (place, field) in whole.schema().fields().iter().enumerate() {
            let rows = some_rows(&mut numbers, 4_000);
            if rows.is_empty() {
                continue;
            }
            // All rows of the pages in which these are.
            let page = |row: usize| row / PAGE_ROWS;
            let in_pages = |row: &usize| rows.iter().any(|run| (page(run.start)..=page(run.end - 1)).contains(&page(*row)));
            let column = whole.column(place);
            let (nulls, values): (Vec<usize>, Vec<usize>) = (0..5_000).filter(in_pages).partition(|row| column.is_null(*row));
            let expected = match (nulls.is_empty(), values.is_empty()) {
                (true, _) => Nulls::None,
                (_, true) => Nulls::All,
                _ => Nulls::Some,
            };
            let found = fetched::nulls(&metadata, place, &[(0, rows)]);
            // Where pages have no statistics, only what is so of the whole row group is known.
            if found != Nulls::Some || table.field(field.name()).is_some_and(|field| field.stats) {
                assert_eq!(found, expected, "seed {seed}, {}", field.name());
            }
            null_counts.push(found);
        }
    }
    for nulls in [Nulls::All, Nulls::None, Nulls::Some] {
        assert!(null_counts.iter().filter(|null_counts| **null_counts == nulls).count() > 10, "{nulls:?}");
    }
}

#[test]
fn rows_found_by_a_text_are_those_that_have_it() {
    let place = known("ier").unwrap().lake_schema().index_of("person_id").unwrap();
    for seed in 100..130 {
        let mut numbers = Numbers(seed);
        let rows = 1 + numbers.below(10_000);
        let (bytes, whole) = file(&mut numbers, rows, 100_000);
        let metadata = footer(&bytes);
        let fetched = Fetched::new(bytes.len() as u64, std::slice::from_ref(&(0..bytes.len() as u64)), vec![bytes]);
        let chunk = Chunk::new(&metadata, 0, place, &fetched).unwrap();
        let people = whole.column(place).as_string_view();
        let candidates = some_rows(&mut numbers, rows);
        let mut wanted: Vec<String> =
            (0..4).filter_map(|_| people.iter().nth(numbers.below(rows)).flatten()).map(str::to_owned).collect();
        wanted.extend(["nobody".to_owned(), "a".to_owned()]);
        wanted.sort_unstable();
        wanted.dedup();
        let found = PointReader::new().unwrap().find(&chunk, &candidates, &wanted).unwrap();
        let is_wanted = |row: &usize| people.is_valid(*row) && wanted.iter().any(|text| text == people.value(*row));
        let expected: Vec<usize> = candidates.into_iter().flatten().filter(is_wanted).collect();
        let found: Vec<(usize, &str)> =
            found.iter().flat_map(|(run, which)| run.clone().map(|row| (row, wanted[*which].as_str()))).collect();
        let expected: Vec<(usize, &str)> = expected.into_iter().map(|row| (row, people.value(row))).collect();
        assert_eq!(found, expected, "seed {seed}");
    }
}

/// Checksums find damage before anything is decoded; files without them are decoded as they are.
#[test]
fn damaged_pages_end_in_an_error_or_other_values() {
    let mut numbers = Numbers(7);
    let (bytes, whole) = file(&mut numbers, 9_000, 100_000);
    let metadata = footer(&bytes);
    let mut errors = 0;
    for _ in 0..2_000 {
        let place = numbers.below(whole.num_columns());
        let (start, size) = metadata.row_group(0).column(place).byte_range();
        let mut damaged = bytes[start as usize..(start + size) as usize].to_vec();
        // Headers more often than their share.
        let end = if numbers.below(2) == 0 { damaged.len().min(40) } else { damaged.len() };
        for _ in 0..1 + numbers.below(3) {
            let at = numbers.below(end);
            damaged[at] = numbers.next() as u8;
        }
        let fetched = Fetched::new(bytes.len() as u64, std::slice::from_ref(&(start..start + size)), vec![Bytes::from(damaged)]);
        let chunk = Chunk::new(&metadata, 0, place, &fetched).unwrap();
        let mut values = Values::of(whole.schema().field(place).data_type());
        let mut point_reader = PointReader::new().unwrap();
        let taken = point_reader.take(&chunk, &[10..12, 5_000..5_003], &mut values);
        if *whole.schema().field(place).data_type() == DataType::Utf8View {
            errors += point_reader.find(&chunk, std::slice::from_ref(&(0..9_000)), &["x".to_owned()]).is_err() as usize;
        }
        errors += taken.is_err() as usize;
    }
    assert!(errors > 500, "{errors}");
}

/// Streams no writer writes: reading them ends.
#[test]
fn any_bytes_are_read_to_an_end() {
    let mut numbers = Numbers(11);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..numbers.below(60)).map(|_| numbers.one_of(&[0, 1, 2, 32, 127, 128, 255, 4, 8])).collect();
        let (mut some, mut others) = (Vec::new(), Vec::new());
        deltas(&bytes, numbers.below(5_000), &mut some);
        let wanted = numbers.below(5_000);
        if let Some(texts) = Shared::read(&bytes, wanted, &mut some, &mut others) {
            texts.pick(&(numbers.below(wanted)..wanted), |_| Some(()));
            texts.find(b"003", |_| ());
        }
        let width = numbers.below(40) as u32;
        if let Some(values) = Hybrid::new(&bytes, width) {
            values.pick(&(3..numbers.below(5_000)), |_| ());
        }
        if let Some(levels) = Hybrid::new(&bytes, 1) {
            levels.ones(numbers.below(5_000));
        }
        Header::read(&bytes);
    }
}

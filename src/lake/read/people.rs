//! Reads the rows of a few people in as few requests as possible.
//!
//! Files are sorted by person, so a person's rows are adjacent. The page index tells which pages of `person_id` may hold them.
//! These pages, and the same rows' pages of the other columns, are fetched in one wave, and only the person's rows are decoded.
//! Several files are fetched at once: on an object store a history of three years takes about as long as one of a month.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::tier::Tier;
use crate::error::{Context, Error, Result};
use crate::lake::columns::{pad, schema, with_tier};
use crate::lake::file::pages::fetched::{self, Dictionaries, Fetched, FetchedGroup, Nulls};
use crate::lake::file::pages::point::{self, Chunk, PointReader, Values};
use crate::lake::file::reader::Reader;
use crate::lake::log::snapshot::{DataFile, files_shown};
use crate::lake::log::table::LakeTable;
use crate::record::fields::{TIER, Table};

/// The column by which files are sorted first.
pub const PERSON: &str = "person_id";

/// A row filed under a contact has that contact's id as its person (Rule 3): where it has a contact, it is the person.
const CONTACT: &str = "contact_id";

/// More people than this are read faster by a scan, which holds less at once.
const PEOPLE_MAX: usize = 256;

/// Of more people than this, all rows of a page are decoded to be searched: each of few is searched for alone.
const FEW: usize = 16;

/// Files on their way at once, a thread: a store answers many requests as fast as one.
const FILES_AHEAD: usize = 64;

/// Files whose rows of few people become one batch, where they have arrived: a batch costs more than the two or three rows of a file.
const FILES_TOGETHER: usize = 16;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// The people that rows must belong to for all filters to hold, in order; `None` when filters do not name them. A [`CONTACT`]
/// names the person too.
pub fn named_people(table: &Table, filters: &[Expr]) -> Option<Vec<String>> {
    if !table.tiered {
        return None;
    }
    filters.iter().find_map(|filter| {
        let mut people = Vec::new();
        // A list of two or three comes as an OR of comparisons.
        let mut alternatives = vec![filter];
        while let Some(alternative) = alternatives.pop() {
            match alternative {
                Expr::BinaryExpr(binary) if binary.op == Operator::Or => alternatives.extend([&*binary.left, &*binary.right]),
                Expr::BinaryExpr(binary) if binary.op == Operator::Eq && names(&binary.left) => people.push(text(&binary.right)?),
                Expr::BinaryExpr(binary) if binary.op == Operator::Eq && names(&binary.right) => people.push(text(&binary.left)?),
                Expr::InList(list) if !list.negated && names(&list.expr) => {
                    people.extend(list.list.iter().map(text).collect::<Option<Vec<String>>>()?);
                }
                _ => return None,
            }
        }
        people.sort_unstable();
        people.dedup();
        (people.len() <= PEOPLE_MAX).then_some(people)
    })
}

/// Is it a column that names a row's person?
fn names(column: &Expr) -> bool {
    match column {
        Expr::Column(column) => column.name == PERSON || column.name == CONTACT,
        _ => false,
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

/// Reads the rows of a few people from a tier's files.
pub struct PeopleExec {
    reading: Arc<Reading>,
    /// By thread.
    groups: Vec<Vec<Arc<DataFile>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The state that all threads share.
struct Reading {
    lake: Arc<LakeTable>,
    tier: Tier,
    people: Vec<String>,
    /// What comes out.
    schema: SchemaRef,
    /// Its columns that stand in files.
    stored: SchemaRef,
    /// The names of these, and that by which people are searched: what is read of a file's page indexes.
    names: Arc<str>,
    /// The types in which columns are decoded.
    types: SchemaRef,
}

impl PeopleExec {
    /// A plan that returns some columns (places in [`schema`]) of these people's rows in these files.
    pub fn new(
        lake: &Arc<LakeTable>,
        tier: Tier,
        groups: Vec<Vec<Arc<DataFile>>>,
        projection: &[usize],
        people: Vec<String>,
    ) -> Result<Self> {
        let schema = Arc::new(schema(&lake.table).project(projection)?);
        let stored: Vec<_> = schema.fields().iter().filter(|field| field.name() != TIER).cloned().collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let mut names: Vec<&str> = stored.iter().map(|field| field.name().as_str()).chain([PERSON]).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.join(",");
        let types = lake.table.scan_schema();
        let (lake, stored) = (lake.clone(), Arc::new(Schema::new(stored)));
        Ok(Self {
            reading: Arc::new(Reading { lake, tier, people, schema, stored, names: names.into(), types }),
            groups,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl fmt::Debug for PeopleExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Verbose, f)
    }
}

impl DisplayAs for PeopleExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { lake, tier, people, stored, .. } = self.reading.as_ref();
        let files = files_shown(&lake.folder, self.groups.iter().flatten(), format);
        let columns: Vec<&str> = stored.fields().iter().map(|field| field.name().as_str()).collect();
        let (tier, people, how) = (tier.name, people.join(", "), if tier.raw_pages { "" } else { ", raw_pages=off" });
        write!(f, "PeopleExec: tier={tier}, people=[{people}], projection=[{}], {files}{how}", columns.join(", "))
    }
}

impl ExecutionPlan for PeopleExec {
    fn name(&self) -> &str {
        "PeopleExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let Some(files) = self.groups.get(partition) else { return internal_err!("there is no partition {partition}") };
        let counts = Arc::new(Counts::new(&self.metrics, partition));
        let (reading, fetching) = (self.reading.clone(), counts.clone());
        let together = if reading.people.len() <= FEW { FILES_TOGETHER } else { 1 };
        let fetched = stream::iter(files.clone()).map({
            let reading = reading.clone();
            move |file| {
                let (reading, counts) = (reading.clone(), fetching.clone());
                async move { reading.fetched(&file, &counts).await }
            }
        });
        let batches = fetched
            .buffered(FILES_AHEAD)
            .ready_chunks(together)
            .map(move |files| {
                let own = reading.rows_of(files.into_iter().collect::<Result<_>>()?, &counts)?;
                Ok::<_, Error>(stream::iter(own.batches.into_iter().map(Ok)))
            })
            .try_flatten()
            .map_err(|error: Error| error.into());
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.reading.schema.clone(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The metrics that `EXPLAIN ANALYZE` shows.
struct Counts {
    output_rows: Count,
    files_read: Count,
    rows_searched: Count,
    bytes_scanned: Count,
}

impl Counts {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            output_rows: MetricBuilder::new(metrics).output_rows(partition),
            files_read: counter("files_read"),
            rows_searched: counter("rows_searched"),
            bytes_scanned: counter("bytes_scanned"),
        }
    }
}

/// The bytes fetched of a file to decode a few people's rows.
struct Fetch {
    path: Path,
    metadata: Arc<ParquetMetaData>,
    /// The column of persons.
    person: usize,
    /// Where the columns of [`Reading::stored`] come from.
    sources: Vec<Source>,
    /// Rows of row groups in which these people's may be.
    candidates: Vec<(usize, Vec<Range<usize>>)>,
    /// Is the file laid out as this engine lays files out?
    is_ours: bool,
    fetched: Arc<Fetched>,
    /// The dictionaries that were known before.
    known: Arc<Dictionaries>,
}

/// The source of a column's values.
#[derive(Clone, Copy)]
enum Source {
    /// It has none here, or the file is older than the column.
    Nowhere,
    /// They are the person's.
    Person,
    /// From its pages: its place in the file.
    Pages(usize),
}

/// The decoded rows of a few people.
#[derive(Default)]
struct PersonRows {
    batches: Vec<RecordBatch>,
    /// Where in the file they stand, in the same order.
    places: Vec<Range<usize>>,
}

/// Values collected for the next batch.
struct PendingBatch {
    columns: Vec<Values>,
    rows: usize,
}

/// These people's rows in one file, with some columns (places in [`schema`]), and the place in the file of each: by the
/// same way as the plan's.
pub(crate) async fn with_places(
    lake: &Arc<LakeTable>,
    tier: Tier,
    file: &DataFile,
    projection: &[usize],
    people: Vec<String>,
) -> Result<(RecordBatch, Vec<u32>)> {
    let plan = PeopleExec::new(lake, tier, Vec::new(), projection, people)?;
    let counts = Counts::new(&plan.metrics, 0);
    let own = plan.reading.rows_of(vec![plan.reading.fetched(file, &counts).await?], &counts)?;
    let places = own.places.into_iter().flatten().map(|place| place as u32).collect();
    Ok((concat_batches(&plan.reading.schema, &own.batches)?, places))
}

impl Reading {
    /// Fetches what these people's rows in a file are decoded from.
    async fn fetched(&self, file: &DataFile, counts: &Counts) -> Result<Fetch> {
        let path = file.path(&self.lake.folder);
        let reader = Reader::new(self.lake.store.clone(), path, file.bytes(), file.tail()?);
        let name = reader.path().clone();
        self.fetched_by(reader, file, counts).await.context(|| cannot_read(&name))
    }

    async fn fetched_by(&self, mut reader: Reader, file: &DataFile, counts: &Counts) -> Result<Fetch> {
        let raw_pages = self.tier.raw_pages && self.people.len() <= FEW;
        let metadata = match self.tier.raw_pages {
            true => self.lake.footers.load_some(&mut reader, &self.names).await?,
            false => self.lake.footers.load(&mut reader).await?,
        };
        let stored = metadata.file_metadata().schema_descr();
        let place = |name: &str| stored.columns().iter().position(|column| column.name() == name);
        let person = place(PERSON).ok_or_else(|| Error::corrupt(phrase!("it has no column {PERSON}")))?;
        let candidates: Vec<(usize, Vec<Range<usize>>)> = (0..metadata.num_row_groups())
            .map(|group| (group, fetched::that_may_hold(&metadata, group, person, &self.people)))
            .filter(|(_, rows)| !rows.is_empty())
            .collect();
        let columns: Vec<Option<usize>> = self.stored.fields().iter().map(|field| place(field.name())).collect();
        let all: Vec<usize> = columns.iter().flatten().copied().chain([person]).collect();
        let is_ours = raw_pages && point::is_ours(&metadata, &all);
        let source = |(field, column): (&FieldRef, &Option<usize>)| match *column {
            None => Source::Nowhere,
            Some(column) if column == person => Source::Person,
            Some(column) if is_ours => match fetched::nulls(&metadata, column, &candidates) {
                Nulls::All => Source::Nowhere,
                Nulls::None if field.name() == CONTACT => Source::Person,
                _ => Source::Pages(column),
            },
            Some(column) => Source::Pages(column),
        };
        let sources: Vec<Source> = self.stored.fields().iter().zip(&columns).map(source).collect();
        // `person` is read to be searched, and counts rows where nothing else does.
        let read = sources.iter().filter_map(|source| if let Source::Pages(column) = source { Some(*column) } else { None });
        let read: Vec<usize> = read.chain([person]).collect();
        let known = if is_ours { self.lake.footers.dictionaries(reader.path()) } else { Arc::default() };
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (group, rows) in &candidates {
            ranges.extend(fetched::ranges(&metadata, *group, &read, rows, &known));
        }
        ranges.sort_unstable_by_key(|range| range.start);
        let mut bytes = Vec::new();
        if !ranges.is_empty() {
            counts.files_read.add(1);
            counts.bytes_scanned.add(ranges.iter().map(|range| (range.end - range.start) as usize).sum());
            bytes = reader.get_byte_ranges(ranges.clone()).await?;
        }
        let fetched = Arc::new(Fetched::new(file.bytes(), &ranges, bytes).with(known.clone()));
        let path = reader.path().clone();
        Ok(Fetch { path, metadata, person, sources, candidates, is_ours, fetched, known })
    }

    /// These people's rows, of all these files.
    fn rows_of(&self, files: Vec<Fetch>, counts: &Counts) -> Result<PersonRows> {
        PointReader::lent(|point_reader| {
            let mut own = PersonRows::default();
            let mut pending = PendingBatch::new(&self.stored);
            for file in files {
                self.take(point_reader, &file, &mut pending, &mut own, counts).context(|| cannot_read(&file.path))?;
                if pending.rows > BATCH_ROWS {
                    own.batches.push(self.finished(std::mem::replace(&mut pending, PendingBatch::new(&self.stored)))?);
                }
            }
            if pending.rows > 0 {
                own.batches.push(self.finished(pending)?);
            }
            counts.output_rows.add(own.batches.iter().map(RecordBatch::num_rows).sum());
            Ok(own)
        })
    }

    fn take(
        &self,
        point_reader: &mut PointReader,
        file: &Fetch,
        pending: &mut PendingBatch,
        own: &mut PersonRows,
        counts: &Counts,
    ) -> Result<()> {
        for (group, rows) in &file.candidates {
            let before: usize = file.metadata.row_groups()[..*group].iter().map(|group| group.num_rows().max(0) as usize).sum();
            counts.rows_searched.add(rows.iter().map(Range::len).sum());
            let runs = match file.is_ours {
                true => self.decoded_here(point_reader, file, *group, rows, pending)?,
                false => {
                    let (runs, batches) = self.decoded_by_the_crate(file, *group, rows)?;
                    own.batches.extend(batches);
                    runs
                }
            };
            own.places.extend(runs.into_iter().map(|run| before + run.start..before + run.end));
        }
        self.lake.footers.learn(&file.path, &file.known, point_reader.learned());
        Ok(())
    }

    fn finished(&self, pending: PendingBatch) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = pending.columns.into_iter().map(Values::finish).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(pending.rows));
        with_tier(&RecordBatch::try_new_with_options(self.stored.clone(), arrays, &options)?, &self.schema, self.tier.name)
    }

    /// Takes the rows of the wanted people from a row group of a file of this engine, and returns which rows they are.
    fn decoded_here(
        &self,
        point_reader: &mut PointReader,
        file: &Fetch,
        group: usize,
        candidates: &[Range<usize>],
        pending: &mut PendingBatch,
    ) -> Result<Vec<Range<usize>>> {
        let chunk = |column| Chunk::new(&file.metadata, group, column, &file.fetched);
        let found = point_reader.find(&chunk(file.person)?, candidates, &self.people)?;
        let owned: Vec<Range<usize>> = found.iter().map(|(run, _)| run.clone()).collect();
        let rows: usize = owned.iter().map(Range::len).sum();
        if rows == 0 {
            return Ok(owned);
        }
        for (source, values) in file.sources.iter().zip(&mut pending.columns) {
            match *source {
                Source::Pages(column) => point_reader.take(&chunk(column)?, &owned, values)?,
                Source::Nowhere => values.push_nulls(rows),
                Source::Person => {
                    for (run, which) in &found {
                        values.push_texts(self.people.get(*which).map_or("", String::as_str), run.len());
                    }
                }
            }
        }
        pending.rows += rows;
        Ok(owned)
    }

    /// Takes the rows of the wanted people from a row group of a file of any engine, and returns which rows they are.
    fn decoded_by_the_crate(
        &self,
        file: &Fetch,
        group: usize,
        candidates: &[Range<usize>],
    ) -> Result<(Vec<Range<usize>>, Vec<RecordBatch>)> {
        let group = &FetchedGroup { metadata: &file.metadata, group, fetched: file.fetched.clone() };
        let columns = file.sources.iter().filter_map(|source| match source {
            Source::Nowhere => None,
            Source::Person => Some(file.person),
            Source::Pages(column) => Some(*column),
        });
        let columns: Vec<usize> = columns.collect();
        let stored = group.metadata.file_metadata().schema_descr();
        let searched = self.decoding(stored, &[file.person])?;
        let decoded = if columns.is_empty() { searched.clone() } else { self.decoding(stored, &columns)? };
        let owned = self.own_rows(&searched, group, candidates)?;
        let rows = selection(group.metadata, group.group, &owned);
        let mut batches = Vec::new();
        if rows.selects_any() {
            for batch in ParquetRecordBatchReader::try_new_with_row_groups(&decoded, group, BATCH_ROWS, Some(rows))? {
                batches.push(with_tier(&pad(&batch?, &self.stored)?, &self.schema, self.tier.name)?);
            }
        }
        Ok((owned, batches))
    }

    /// How some columns of a file are decoded: as SQL shows them.
    fn decoding(&self, stored: &SchemaDescriptor, columns: &[usize]) -> Result<FieldLevels> {
        let mask = ProjectionMask::leaves(stored, columns.iter().copied());
        let hint: Fields = stored
            .columns()
            .iter()
            .map(|column| self.types.field_with_name(column.name()).cloned())
            .collect::<Result<Vec<_>, _>>()?
            .into();
        Ok(parquet_to_arrow_field_levels(stored, mask, Some(&hint))?)
    }

    /// Of the candidates, the rows of the wanted people.
    fn own_rows(
        &self,
        searched: &FieldLevels,
        group: &FetchedGroup<'_>,
        candidates: &[Range<usize>],
    ) -> Result<Vec<Range<usize>>> {
        let rows = selection(group.metadata, group.group, candidates);
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(searched, group, BATCH_ROWS, Some(rows))?;
        let mut owned: Vec<Range<usize>> = Vec::new();
        let mut places = candidates.iter().cloned().flatten();
        for batch in reader {
            let people = batch?.column(0).clone();
            for person in people.as_string_view() {
                let Some(row) = places.next() else { return Err(Error::corrupt("it has more rows than its index says")) };
                if person.is_some_and(|person| self.people.binary_search_by(|wanted| wanted.as_str().cmp(person)).is_ok()) {
                    match owned.last_mut() {
                        Some(run) if run.end == row => run.end += 1,
                        _ => owned.push(row..row + 1),
                    }
                }
            }
        }
        Ok(owned)
    }
}

impl PendingBatch {
    /// None yet.
    fn new(schema: &Schema) -> Self {
        Self { columns: schema.fields().iter().map(|field| Values::of(field.data_type())).collect(), rows: 0 }
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {path}")
}

/// These rows of a row group.
fn selection(metadata: &ParquetMetaData, group: usize, rows: &[Range<usize>]) -> RowSelection {
    RowSelection::from_consecutive_ranges(rows.iter().cloned(), metadata.row_group(group).num_rows().max(0) as usize)
}

//! A world with every kind of row a statement can meet, and a plain map of all that was ever loaded of each.
//!
//! The map knows nothing of files, tiers or folds: it keeps all versions, gives each column the greatest (stamp, value) of
//! those that tell it, and notes who was archived. Its rows are the reference; the engine's code is not asked for any. It is
//! simpler than Rule 2 in what it tells: links keep to IERs that keep their id, and nobody exports `clicked`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use ier::lake::paths::Role;
use ier::record::fields::{CUSTOM, Field, Kind, Source, TIER, Table, UTC, known};
use ier::record::key::{DAY_MICROS, day_of};

use super::edges;
use crate::world::records::{contact_id, id, ier_id, lead_id};
use crate::world::turns::Dice;
use crate::world::{World, day};

/// The first day anything is sent, and the day of the story.
const FIRST: &str = "2026-03-01";
const TODAY: &str = "2026-07-01";

const HOUR: i64 = 3_600_000_000;

/// Rows of a world.
const MAILS: u32 = 500;
const LINKS: u32 = 200;
const PEOPLE: u32 = 70;
const SENDS: u32 = 14;
const AFFILIATIONS: u32 = 130;

/// The header under which one of the org's own fields is exported.
const REGION: &str = "Region__c";

const WORDS: [&str; 8] =
    ["News", "news", "Zoë's letter", "50% off_now", "Gala \"2026\"", "a, b", "🎓 Class of 26", "null & void"];

/// A value of a column.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Value {
    Day(i32),
    Moment(i64),
    Text(String),
    Whole(i32),
    Yes(bool),
}

/// What an export tells of a row; a column that is missing here is missing from the export.
type Provided = BTreeMap<String, Option<Value>>;

/// Columns that are not null.
type Row = BTreeMap<String, Value>;

/// Columns computed from other objects, which change while the stamp does not.
const FORMULAS: [&str; 2] = ["current_email", "triggered_send_definition_name"];

/// (SystemModstamp, LastModifiedDate).
type Stamp = (Option<i64>, Option<i64>);

#[derive(Clone, Debug)]
struct Version {
    stamp: Stamp,
    /// Which load brought it.
    seen: u32,
    provided: Provided,
}

/// All that was ever loaded of a table's rows, by number.
struct Kept {
    table: Arc<Table>,
    versions: BTreeMap<u32, Vec<Version>>,
    archived: BTreeSet<u32>,
}

/// A world and its plain map.
pub struct Story {
    pub world: World,
    dice: Dice,
    tables: BTreeMap<&'static str, Kept>,
    boundary: i32,
    loads: u32,
}

fn text(value: impl Into<String>) -> Option<Value> {
    Some(Value::Text(value.into()))
}

fn micros_of(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

impl Value {
    /// As exports write it.
    fn exported(&self) -> String {
        match self {
            Self::Day(day) => {
                DateTime::from_timestamp_micros(i64::from(*day) * DAY_MICROS).expect("a day").date_naive().to_string()
            }
            Self::Moment(micros) => {
                DateTime::from_timestamp_micros(*micros).expect("a moment").to_rfc3339_opts(SecondsFormat::Micros, true)
            }
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Yes(yes) => yes.to_string(),
        }
    }
}

impl Kept {
    fn new(table: Arc<Table>) -> Self {
        Self { table, versions: BTreeMap::new(), archived: BTreeSet::new() }
    }

    /// Each row as its versions make it, before what is derived from other tables.
    fn rows(&self) -> BTreeMap<u32, Row> {
        self.versions.iter().map(|(number, versions)| (*number, self.row(versions))).collect()
    }

    fn row(&self, versions: &[Version]) -> Row {
        let mut row = Row::new();
        for field in self.table.fields.iter().filter(|field| field.source == Source::Export || field.name == CUSTOM) {
            let name = field.name.as_ref();
            let provided = versions.iter().filter_map(|version| Some((version.stamp, version.provided.get(name)?)));
            if name == CUSTOM {
                // One that is there and empty is empty.
                let region = provided.max().map(|(_, region)| region.as_ref().map(|region| format!("\"{}\"", region.exported())));
                let object = region.map(|region| format!("{{\"{REGION}\":{}}}", region.as_deref().unwrap_or("null")));
                row.extend(object.map(|object| (CUSTOM.to_owned(), Value::Text(object))));
                continue;
            }
            let newest = provided.filter(|(_, value)| !field.sticky || value.is_some()).max();
            let newest = match newest {
                // Of a formula the value first seen last.
                Some((stamp, Some(_))) if FORMULAS.contains(&name) => {
                    let provided = versions.iter().filter(|version| version.stamp == stamp);
                    let mut seen: BTreeMap<&Value, u32> = BTreeMap::new();
                    for (value, at) in provided.filter_map(|version| Some((version.provided.get(name)?.as_ref()?, version.seen)))
                    {
                        let first = seen.entry(value).or_insert(at);
                        *first = at.min(*first);
                    }
                    seen.into_iter().max_by_key(|(value, at)| (*at, *value)).map(|(value, _)| value.clone())
                }
                newest => newest.and_then(|(_, value)| value.clone()),
            };
            row.extend(newest.map(|value| (name.to_owned(), value)));
        }
        let (modstamp, modified) = versions.iter().map(|version| version.stamp).max().expect("a version");
        row.extend(modstamp.map(|micros| ("system_modstamp".to_owned(), Value::Moment(micros))));
        row.extend(modified.map(|micros| ("last_modified_date".to_owned(), Value::Moment(micros))));
        if self.table.name == "individual_email_result" {
            derive(&mut row);
        }
        row
    }
}

/// What follows from an IER's own columns.
fn derive(row: &mut Row) {
    let person = row.get("contact_id").or(row.get("lead_id")).cloned();
    let moment = row.get("date_sent").or(row.get("created_date")).cloned();
    row.extend(person.map(|person| ("person_id".to_owned(), person)));
    if let Some(Value::Moment(micros)) = moment {
        row.insert("sent_date".to_owned(), Value::Day(day_of(micros)));
    }
    if let Some(Value::Whole(clicks)) = row.get("number_of_unique_clicks") {
        let clicked = Value::Yes(*clicks > 0);
        row.insert("clicked".to_owned(), clicked);
    }
}

impl Story {
    /// A world of this seed with files in hot and archive, months in several files and one compacted, and late rows of every kind.
    pub async fn new(seed: u64) -> Self {
        let named = |name: &'static str| (name, Kept::new(known(name).expect("a table").clone()));
        let mut tables: BTreeMap<&'static str, Kept> =
            ["ier", "individual_link", "email_send", "contact"].into_iter().map(named).collect();
        let headers = ["Id", "ContactId", "Affiliation", "Campus", "Since"];
        tables.insert("affiliation", Kept::new(Arc::new(Table::attributes("affiliation", headers))));
        let mut story = Self { world: World::on(TODAY), dice: Dice::new(seed), tables, boundary: i32::MIN, loads: 0 };
        story.begin().await;
        story
    }

    async fn begin(&mut self) {
        for (table, rows) in [("email_send", SENDS), ("contact", PEOPLE), ("affiliation", AFFILIATIONS)] {
            self.load_new(table, 1..rows + 1, &[]).await;
        }
        self.load_new("ier", 0..MAILS / 2, &[]).await;
        self.load_new("individual_link", 0..LINKS / 2, &[]).await;
        for (until, mails) in [("2026-04-01", 5), ("2026-04-20", 6), ("2026-05-01", 7)] {
            self.archive(until).await;
            self.load_new("ier", mails * MAILS / 10..(mails + 1) * MAILS / 10, &["CampaignMemberId"]).await;
        }
        // March is full and in several files: it becomes one. April and May have several each.
        self.compact().await;
        self.load_new("ier", 8 * MAILS / 10..MAILS * 9 / 10, &["DateUnsubscribed", "Tracking_As_Of"]).await;
        self.load_new("individual_link", LINKS / 2..LINKS, &[]).await;
        for until in ["2026-05-10", "2026-06-05"] {
            self.archive(until).await;
            self.load_changes("ier", 25).await;
        }
        self.load_late().await;
    }

    /// New rows and changes of old ones, whatever their tier.
    pub async fn load_late(&mut self) {
        self.load_changes("ier", 60).await;
        self.load_changes("individual_link", 15).await;
        self.load_changes("email_send", 2).await;
        let first = self.tables["ier"].versions.len() as u32;
        self.load_new("ier", first..first + MAILS / 20, &[]).await;
    }

    /// It has what makes the engine go its ways: late rows, rows without a day, deleted ones, months of one file and of several.
    pub async fn is_varied(&self) {
        let late = format!("tier = 'hot' AND sent_date < DATE '{}'", Value::Day(self.boundary).exported());
        for rows in [late.as_str(), "sent_date IS NULL", "is_deleted", "tier = 'archive'", "contact_id IS NULL"] {
            let count = self.world.line(&format!("SELECT count(*) FROM ier WHERE {rows}")).await;
            assert!(count.parse::<usize>().is_ok_and(|count| count > 3), "{count} rows of {rows}");
        }
        let tables = self.world.warehouse.existing().await.expect("tables");
        let archive = tables.into_iter().find(|lake| lake.table.name == "individual_email_result" && lake.role == Role::Archive);
        let snapshot = archive.expect("an archive").snapshot().await.expect("a snapshot");
        let mut files: BTreeMap<_, usize> = BTreeMap::new();
        snapshot.files().for_each(|file| *files.entry(file.partition).or_default() += 1);
        assert!(files.values().any(|count| *count == 1) && files.values().any(|count| *count > 1), "files by month: {files:?}");
    }

    /// Archives what was sent before a day.
    pub async fn archive(&mut self, until: &str) {
        self.world.archive(until).await;
        self.boundary = self.boundary.max(day_of(micros_of(day(until))));
        self.all_are_archived();
    }

    /// Compacts the archive, which folds late rows in first.
    pub async fn compact(&mut self) {
        self.world.compact().await;
        self.all_are_archived();
    }

    fn all_are_archived(&mut self) {
        for name in ["ier", "individual_link"] {
            let before = |row: &Row| matches!(row.get("sent_date"), Some(Value::Day(day)) if *day < self.boundary);
            let archived = self.rows(name).into_iter().filter(|(_, row)| before(row)).map(|(number, _)| number).collect();
            self.table(name).archived = archived;
        }
    }

    fn table(&mut self, name: &str) -> &mut Kept {
        self.tables.get_mut(name).expect("a table")
    }

    /// What SQL must show of a table, by the map.
    fn rows(&self, name: &str) -> BTreeMap<u32, Row> {
        let mut rows = self.tables[name].rows();
        if name == "individual_link" {
            let homes: BTreeMap<Value, Row> =
                self.tables["ier"].rows().into_values().map(|ier| (ier["ier_id"].clone(), ier)).collect();
            for row in rows.values_mut() {
                let Some(home) = row.get("ier_id").and_then(|ier| homes.get(ier)) else { continue };
                for column in ["person_id", "date_sent", "sent_date"] {
                    row.extend(home.get(column).map(|value| (column.to_owned(), value.clone())));
                }
            }
        }
        let kept = &self.tables[name];
        for (number, row) in rows.iter_mut().filter(|_| kept.table.tiered) {
            let tier = if kept.archived.contains(number) { "archive" } else { "hot" };
            row.insert(TIER.to_owned(), Value::Text(tier.to_owned()));
        }
        rows
    }

    /// The rows of a table as SQL shows them, by the map.
    pub fn batch(&self, name: &str, schema: &SchemaRef) -> RecordBatch {
        let rows: Vec<Row> = self.rows(name).into_values().collect();
        let columns = schema.fields().iter().map(|field| {
            let values = rows.iter().map(|row| row.get(field.name()));
            column(field.data_type(), values)
        });
        RecordBatch::try_new(schema.clone(), columns.collect()).expect("the rows of the map")
    }

    /// The tables there are.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.tables.keys().copied()
    }

    async fn load_new(&mut self, name: &'static str, numbers: std::ops::Range<u32>, lacking: &[&str]) {
        let versions = numbers.map(|number| (number, self.first_version(name, number))).collect();
        self.load(name, versions, lacking).await;
    }

    async fn load_changes(&mut self, name: &'static str, count: usize) {
        let mut versions = Vec::new();
        for _ in 0..count {
            let known: Vec<u32> = self.tables[name].versions.keys().copied().collect();
            let number = known[self.dice.below(known.len())];
            versions.push((number, self.next_version(name, number)));
        }
        self.load(name, versions, &[]).await;
    }

    /// Loads versions as a file whose columns are all those any version tells, without those it lacks.
    async fn load(&mut self, name: &'static str, mut versions: Vec<(u32, Version)>, lacking: &[&str]) {
        let table = self.tables[name].table.clone();
        let provided = |field: &&Field| versions.iter().any(|(_, version)| version.provided.contains_key(field.name.as_ref()));
        let fields: Vec<&Field> =
            table.fields.iter().filter(|field| !lacking.contains(&field.api.as_ref())).filter(provided).collect();
        for (_, version) in &mut versions {
            version.provided.retain(|column, _| fields.iter().any(|field| field.name == *column));
            for field in &fields {
                version.provided.entry(field.name.to_string()).or_insert(None);
            }
        }
        let before = ["ier", "individual_link"].map(|tiered| (tiered, self.rows(tiered)));
        self.world.clock.tick(chrono::Duration::seconds(1));
        for (_, version) in &mut versions {
            version.seen = self.loads;
        }
        for (number, version) in &versions {
            self.table(name).versions.entry(*number).or_default().push(version.clone());
        }
        for (tiered, before) in before {
            let after = self.rows(tiered);
            let same = |number: &u32| before.get(number) == after.get(number);
            self.table(tiered).archived.retain(same);
            if tiered == name {
                // What changes nothing to be seen may still change what is noted beside it, and so the tier, which is not the map's
                // business: nobody is told.
                let idle: BTreeSet<u32> = versions.iter().map(|(number, _)| *number).filter(same).collect();
                for (number, _) in versions.extract_if(.., |(number, _)| idle.contains(number)) {
                    self.table(name).versions.entry(number).or_default().pop();
                }
            }
        }
        let file = if table.tiered { format!("{name}-{}.csv", self.loads) } else { format!("{name}.csv") };
        self.loads += 1;
        let csv = csv(&table, &fields, &versions);
        let report = self.world.load_files(&[self.world.text(&file, &csv)]).await.expect("the load");
        assert_eq!(report.tables.iter().map(|table| table.rejected).sum::<u64>(), 0, "{name}");
    }

    fn first_version(&mut self, name: &str, number: u32) -> Version {
        let fields: Vec<Field> = self.tables[name].table.exported().cloned().collect();
        let mut provided = Provided::new();
        for field in
            fields.iter().filter(|field| !["system_modstamp", "last_modified_date", "clicked"].contains(&field.name.as_ref()))
        {
            let value = self.value(name, number, field);
            provided.insert(field.name.to_string(), value);
        }
        if name == "ier" && self.dice.below(2) == 0 {
            provided.insert(
                CUSTOM.to_owned(),
                if self.dice.below(3) == 0 { None } else { text(["West", "East"][self.dice.below(2)]) },
            );
        }
        if name == "affiliation" {
            return Version { stamp: (None, None), seen: 0, provided };
        }
        let sent = match provided.get("date_sent") {
            Some(Some(Value::Moment(micros))) => *micros,
            _ => micros_of(day(FIRST)),
        };
        let stamp = sent + HOUR * (1 + self.dice.below(40) as i64);
        Version { stamp: (Some(stamp), Some(stamp)), seen: 0, provided }
    }

    /// A later version, or now and then one that should have come earlier, of which a few columns have changed.
    fn next_version(&mut self, name: &str, number: u32) -> Version {
        let kept = &self.tables[name];
        let last = kept.versions[&number].iter().max_by_key(|version| version.stamp).expect("a version").clone();
        let fields: Vec<Field> =
            kept.table.exported().filter(|field| last.provided.contains_key(field.name.as_ref())).cloned().collect();
        let mut provided = last.provided;
        for _ in 0..1 + self.dice.below(4) {
            let field = &fields[self.dice.below(fields.len())];
            let is_key =
                ["ier_id", "merge_id", "job_id", "list_id", "batch_id", "subscriber_id", "link_id", "unique_link_id", "id"];
            if is_key.contains(&field.name.as_ref()) || (name == "individual_link" && field.name == "ier_id") {
                continue;
            }
            let value = self.value(name, number, field);
            provided.insert(field.name.to_string(), value);
        }
        if name == "ier" {
            match self.dice.below(8) {
                // Corrected, perhaps into the other tier; taken back; deleted; deleted and made anew.
                0 => drop(provided.insert("date_sent".to_owned(), Some(Value::Moment(self.sent())))),
                1 => provided.extend([("date_sent".to_owned(), None), ("created_date".to_owned(), None)]),
                2 => drop(provided.insert("is_deleted".to_owned(), Some(Value::Yes(true)))),
                3 if has_other_ids(number) => drop(provided.insert("ier_id".to_owned(), text(ier_id(number + 500_000)))),
                4 => drop(provided.insert("contact_id".to_owned(), None)),
                _ => drop(provided.insert("opened".to_owned(), Some(Value::Yes(true)))),
            }
        }
        let by = match self.dice.below(10) {
            0 => -HOUR / 2,
            1 => 0,
            hours => HOUR * hours as i64,
        };
        let stamp = last.stamp.0.map(|micros| micros + by);
        Version { stamp: (stamp, stamp), seen: 0, provided }
    }

    /// A moment on one of a few days, each of which is a file: some a microsecond before a month or the boundary, or on it.
    fn sent(&mut self) -> i64 {
        let edges = edges();
        let day = micros_of(edges[self.dice.below(edges.len())]);
        match self.dice.below(6) {
            0 => day - 1,
            1 => day,
            2 => day + HOUR * self.dice.below(24) as i64,
            _ => day + 1_000 * self.dice.below(86_400_000) as i64,
        }
    }

    /// Any moment.
    fn moment(&mut self) -> i64 {
        match self.dice.below(3) {
            0 => self.sent(),
            _ => micros_of(day(FIRST)) + 1_000 * self.dice.below(122 * 86_400_000) as i64,
        }
    }

    fn maybe(&mut self, value: Option<Value>) -> Option<Value> {
        if self.dice.below(5) == 0 { None } else { value }
    }

    /// Few people get most of the mail.
    fn person(&mut self) -> u32 {
        let most = 1 + self.dice.below(PEOPLE as usize);
        1 + self.dice.below(most) as u32
    }

    fn value(&mut self, table: &str, number: u32, field: &Field) -> Option<Value> {
        let own = |prefix: &str| text(id(prefix, number));
        match (table, field.name.as_ref()) {
            ("ier", "ier_id") => text(ier_id(number)),
            ("ier", "merge_id") if number % 10 < 8 => {
                if self.dice.below(2) == 0 {
                    text(format!("Mail-{number}"))
                } else {
                    text(format!("mAIL-{number}"))
                }
            }
            ("ier", "merge_id") => None,
            ("ier", "list_id") if number % 10 == 8 => text("5"),
            ("ier", "job_id") if number % 10 == 8 => text("7"),
            ("ier", "batch_id") if number % 10 == 8 => text("1"),
            ("ier", "subscriber_id") => {
                if number % 10 < 9 {
                    text(format!("sub-{number}"))
                } else {
                    None
                }
            }
            ("ier", "contact_id") if self.dice.below(6) > 0 || !has_other_ids(number) => text(contact_id(self.person())),
            ("ier", "contact_id") => None,
            ("ier", "lead_id") => {
                if self.dice.below(5) == 0 {
                    text(lead_id(self.person()))
                } else {
                    None
                }
            }
            ("individual_link", "link_id") => own("a0E"),
            ("individual_link", "unique_link_id") => text(format!("L-{number}")),
            ("individual_link", "ier_id") => match self.dice.below(20) {
                0 => None,
                1 => text(ier_id(900_000 + number)),
                _ => {
                    let mail = self.dice.below(MAILS as usize) as u32;
                    text(ier_id(if has_other_ids(mail) { mail - 1 } else { mail }))
                }
            },
            ("email_send", "id") => own("a0B"),
            ("affiliation", "id") => own("a1A"),
            ("contact", "id") => text(contact_id(number)),
            ("contact", "master_record_id") => None,
            ("affiliation", "contact_id") => text(contact_id(self.person() + if self.dice.below(9) == 0 { PEOPLE } else { 0 })),
            ("affiliation", "affiliation") => text(["Faculty", "Staff", "Alumni", "Donor"][self.dice.below(4)]),
            ("affiliation", "campus") => {
                let campus = text(["Boulder", "Denver", "Anschutz"][self.dice.below(3)]);
                self.maybe(campus)
            }
            (_, "send_definition_id") => {
                let send = text(id("a0B", 1 + self.dice.below(SENDS as usize + 2) as u32));
                self.maybe(send)
            }
            (_, "job_id") => {
                let job = text((8_000 + self.dice.below(SENDS as usize)).to_string());
                self.maybe(job)
            }
            ("ier", "created_date") => {
                if self.dice.below(5) == 0 {
                    None
                } else {
                    Some(Value::Moment(self.sent()))
                }
            }
            ("ier", "date_sent") => {
                let sent = Some(Value::Moment(self.sent()));
                if self.dice.below(12) == 0 { None } else { sent }
            }
            (_, name) => {
                let value = self.anything(name, field.kind);
                self.maybe(value)
            }
        }
    }

    fn anything(&mut self, name: &str, kind: Kind) -> Option<Value> {
        match kind {
            Kind::Id | Kind::LabelId => text(id("005", self.dice.below(4) as u32)),
            Kind::Text | Kind::Label => {
                let word = WORDS[self.dice.below(WORDS.len())];
                text(if self.dice.below(3) == 0 { format!("{name} {word}") } else { word.to_owned() })
            }
            Kind::Bool => Some(Value::Yes(self.dice.below(2) == 0)),
            Kind::Int | Kind::Long => Some(Value::Whole([0, 0, 1, 2, 3, 7, 1_000, 999_999][self.dice.below(8)])),
            Kind::Time => Some(Value::Moment(self.moment())),
            Kind::Date => Some(Value::Day(day_of(self.moment()))),
        }
    }
}

/// Versions as an export file.
fn csv(table: &Table, fields: &[&Field], versions: &[(u32, Version)]) -> String {
    let header = |field: &&Field| if field.name == CUSTOM { REGION.to_owned() } else { field.api_name() };
    let stamps: Vec<String> = stamp_headers(table).collect();
    let mut lines = vec![fields.iter().map(header).chain(stamps.iter().cloned()).collect::<Vec<String>>()];
    for (_, version) in versions {
        let provided = fields.iter().map(|field| version.provided.get(field.name.as_ref()).cloned().flatten());
        let stamped = [version.stamp.0, version.stamp.1].into_iter().take(stamps.len()).map(|micros| micros.map(Value::Moment));
        let cells = provided.chain(stamped);
        lines.push(cells.map(|value| value.map_or_else(String::new, |value| value.exported())).collect());
    }
    let quoted = |line: &Vec<String>| line.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>();
    lines.iter().map(|line| quoted(line).join(",") + "\n").collect()
}

/// Headers of the stamps, where a table has them.
fn stamp_headers(table: &Table) -> impl Iterator<Item = String> {
    let stamps = ["system_modstamp", "last_modified_date"].into_iter().filter_map(|name| table.field(name));
    stamps.map(Field::api_name).collect::<Vec<_>>().into_iter()
}

/// IERs that may be deleted and made anew under another id; they have no links, and some have no contact.
fn has_other_ids(number: u32) -> bool {
    number % 10 == 4
}

/// Values as a column of this type.
fn column<'a>(data_type: &DataType, values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    let wrong = |value: &Value| -> ! { panic!("{value:?} in a column of {data_type}") };
    let texts = |value: Option<&'a Value>| match value {
        Some(Value::Text(text)) => Some(text.as_str()),
        Some(other) => wrong(other),
        None => None,
    };
    match data_type {
        DataType::Utf8View => Arc::new(values.map(texts).collect::<StringViewArray>()),
        DataType::Utf8 => Arc::new(values.map(texts).collect::<StringArray>()),
        DataType::Boolean => {
            let yes = |value: &Value| if let Value::Yes(yes) = value { *yes } else { wrong(value) };
            Arc::new(values.map(|value| value.map(yes)).collect::<BooleanArray>())
        }
        DataType::Int32 => {
            let whole = |value: &Value| if let Value::Whole(number) = value { *number } else { wrong(value) };
            Arc::new(values.map(|value| value.map(whole)).collect::<Int32Array>())
        }
        DataType::Date32 => {
            let day = |value: &Value| if let Value::Day(day) = value { *day } else { wrong(value) };
            Arc::new(values.map(|value| value.map(day)).collect::<Date32Array>())
        }
        DataType::Timestamp(..) => {
            let moment = |value: &Value| if let Value::Moment(micros) = value { *micros } else { wrong(value) };
            let moments: TimestampMicrosecondArray = values.map(|value| value.map(moment)).collect();
            Arc::new(moments.with_timezone(UTC.clone()))
        }
        other => panic!("no table has columns of {other}"),
    }
}

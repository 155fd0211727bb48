//! Finds the rows that have expired, and those of them that a hold keeps. Nothing is written here.
//!
//! A row expires by its visible version: an archived row that a late row in hot overrides expires exactly when the late row does.
//! Files whose days are too young are not opened. If all rows of a file are past every term that could cover them, and no hold can
//! cover any by its days and people, only the columns for the totals are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;

use super::terms::{Cutoff, Terms};
use super::totals::{Total, TotalKey, Totals};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::fold::locate;
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::read;
use crate::ledgers::holds::{Holds, PEOPLE_COLUMNS, days, people};
use crate::ledgers::sends::{MAILING_COLUMNS, Mailings, Sends};
use crate::record::fields::{Table, hidden, known};
use crate::settings::retain::{Object, Retain};
use crate::tiers::links;
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::{Tiers, Warehouse};

/// Links checked at once: their IERs are looked up together.
const LINKS_AT_ONCE: usize = 1 << 20;

/// The rows of a file to remove.
#[derive(Clone, Debug)]
pub enum ExpiredRows {
    /// The whole file.
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

/// A file with rows that go, or that would but for a hold.
#[derive(Clone, Debug)]
pub struct FileExpiry {
    /// The file.
    pub file: Arc<DataFile>,
    /// What goes.
    pub outgoing: ExpiredRows,
    /// Visible rows among what goes.
    pub expired: u64,
    /// Visible rows that have expired and are held.
    pub held: u64,
}

impl FileExpiry {
    /// Does anything go?
    pub fn loses(&self) -> bool {
        !matches!(&self.outgoing, ExpiredRows::Some(rows) if rows.is_empty())
    }
}

/// What has expired in one lake of a table.
#[derive(Debug)]
pub struct LakeExpiry {
    /// The lake.
    pub lake: Arc<LakeTable>,
    /// The snapshot that was read.
    pub base: Arc<Snapshot>,
    /// Its files that matter.
    pub files: Vec<FileExpiry>,
    /// What the visible rows that go tell.
    pub totals: Totals,
}

impl LakeExpiry {
    /// Does nothing go?
    pub fn is_empty(&self) -> bool {
        !self.files.iter().any(FileExpiry::loses)
    }
}

/// What has expired in a table, and what is held.
#[derive(Debug)]
pub struct TableExpiry {
    /// Which.
    pub object: Object,
    /// Archive, then hot; or the one reference table.
    pub lakes: Vec<LakeExpiry>,
    /// By hold: rows that have expired and are kept by it.
    pub held: BTreeMap<String, u64>,
    /// Archived rows among what goes that late ones hide.
    pub copies: usize,
}

/// What decides whether a row has expired: terms, holds, and what is known of sends.
pub struct ExpiryRules {
    /// Rules.
    terms: Terms,
    /// Holds.
    pub holds: Holds,
    sends: Arc<Sends>,
    /// The IERs that links are of; only where rules or holds ask what those say.
    iers: Option<(Tiers, Pinned)>,
}

/// Late rows of hot: does the one of this key go?
type Late = HashMap<String, bool>;

/// What has expired in one file, with what is needed for the other files.
struct Found {
    expiry: FileExpiry,
    totals: Totals,
    held: BTreeMap<String, u64>,
    late: Vec<(String, bool)>,
}

/// The keys of a file that are needed.
#[derive(Clone)]
enum Keys {
    /// None.
    NotNeeded,
    /// Those of late rows: all rows are late, or only marked ones.
    Late { all: bool },
    /// Rows of these are hidden.
    Hidden(Arc<Late>),
}

impl ExpiryRules {
    /// Reads what decides today. The tables to be read are pinned before, so that a hold placed later fences them off.
    async fn read(warehouse: &Warehouse, retain: &Retain, today: NaiveDate, object: Object) -> Result<Arc<Self>> {
        let sends = Arc::new(Sends::read(warehouse).await?);
        let terms = Terms::new(retain, today, &sends);
        let holds = Holds::with_sends(warehouse, sends.clone()).await?;
        let asks = terms.ask_for_mailings(object) || holds.name_sends() || holds.name_people();
        let iers = if object == Object::IndividualLink && asks {
            let tiers = warehouse.tiers(links::ier_table()?).await?;
            let pinned = pin(&tiers).await?;
            Some((tiers, pinned))
        } else {
            None
        };
        Ok(Arc::new(Self { terms, holds, sends, iers }))
    }

    /// Finds what has expired in one file.
    async fn file(self: Arc<Self>, object: Object, lake: Arc<LakeTable>, file: Arc<DataFile>, keys: Keys) -> Result<Found> {
        let (first, last) = sent_between(&file);
        let (earliest, latest) = self.terms.bounds(object);
        // Statistics of links say nothing of the other ids of their IER's person.
        let may_be =
            |ids: &[&str]| object == Object::IndividualLink || PEOPLE_COLUMNS.iter().any(|column| may_hold(&file, column, ids));
        let certain = last.is_some_and(|last| last < earliest)
            && has_no_nulls(&file, "sent_date")
            && !self.holds.may_cover(first, last, may_be);
        let mut columns: Vec<&str> = match object {
            Object::NotSent => vec!["event_date", "job_id", "person_id"],
            Object::IndividualLink => vec!["sent_date"],
            Object::IndividualEmailResult => {
                let columns = ["opened", "clicked", "hard_bounce", "soft_bounce", "date_unsubscribed", "sent_date"];
                columns.into_iter().chain(MAILING_COLUMNS).collect()
            }
        };
        let asks_iers = self.iers.is_some() && !certain;
        match object {
            Object::IndividualLink if asks_iers => columns.extend(["ier_id", "person_id"]),
            Object::IndividualEmailResult if self.holds.name_people() && !certain => columns.extend(PEOPLE_COLUMNS),
            _ => {}
        }
        if !matches!(keys, Keys::NotNeeded) {
            columns.push(hidden::KEY);
        }
        if matches!(keys, Keys::Late { all: false }) {
            columns.push(hidden::LATE);
        }
        let mut scan = ExpiryScan {
            rules: self.as_ref(),
            object,
            certain,
            mailings: Mailings::default(),
            verdicts: Vec::new(),
            outgoing: Vec::new(),
            rows: 0,
            expired: 0,
            held_rows: 0,
            totals: BTreeMap::new(),
            held: BTreeMap::new(),
            late: Vec::new(),
        };
        let mut rows = read::open(&lake, &file).await?.stream(Some(&columns), None)?;
        let mut waiting: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            if !asks_iers {
                scan.take(&batch, &keys)?;
                continue;
            }
            waiting.push(batch);
            if waiting.iter().map(RecordBatch::num_rows).sum::<usize>() >= LINKS_AT_ONCE {
                let links = concat_batches(&waiting[0].schema(), &std::mem::take(&mut waiting))?;
                scan.take_links(&links, &keys, latest).await?;
            }
        }
        if let Some(batch) = waiting.first() {
            scan.take_links(&concat_batches(&batch.schema(), &waiting)?, &keys, latest).await?;
        }
        Ok(scan.done(file))
    }
}

/// One file while its rows are checked.
struct ExpiryScan<'a> {
    rules: &'a ExpiryRules,
    object: Object,
    /// Every row has expired, and none is held.
    certain: bool,
    mailings: Mailings,
    /// By mailing: its cutoff, and the holds that may cover its rows.
    verdicts: Vec<(Cutoff, Vec<usize>)>,
    outgoing: Vec<u32>,
    rows: u32,
    expired: u64,
    held_rows: u64,
    totals: BTreeMap<(i32, u32), Total>,
    held: BTreeMap<usize, u64>,
    late: Vec<(String, bool)>,
}

impl ExpiryScan<'_> {
    /// Checks rows by what they say themselves.
    fn take(&mut self, batch: &RecordBatch, keys: &Keys) -> Result<()> {
        let numbers = match self.object {
            Object::IndividualLink => vec![Mailings::UNKNOWN; batch.num_rows()],
            _ => self.mailings.of(batch)?,
        };
        self.scan_rows(batch, &numbers, &people(batch)?, keys)
    }

    /// Checks links by what their IERs say.
    async fn take_links(&mut self, batch: &RecordBatch, keys: &Keys, latest: Cutoff) -> Result<()> {
        let rules = self.rules;
        let Some((tiers, pinned)) = &rules.iers else { return Err(Error::internal("links judged without their IERs")) };
        let days = days(batch)?;
        let ids = links::ier_ids(batch)?;
        let old = |row: &usize| days.is_valid(*row) && days.value(*row) < latest && ids.is_valid(*row);
        let mut wanted: Vec<&str> = (0..batch.num_rows()).filter(old).map(|row| ids.value(row)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found: HashMap<&str, (u32, Option<String>, Option<String>)> = HashMap::new();
        for (lake, snapshot) in [(&tiers.hot, &pinned.hot), (&tiers.archive, &pinned.archive)] {
            for file in snapshot.files().filter(|file| !wanted.is_empty() && file.may_hold("ier_id", &wanted)) {
                let columns: Vec<&str> = ["ier_id", "contact_id", "lead_id"].into_iter().chain(MAILING_COLUMNS).collect();
                let mut rows = read::open(lake, file).await?.stream(Some(&columns), None)?;
                while let Some(iers) = rows.try_next().await? {
                    let [ids, contacts, leads] = [0, 1, 2].map(|at| iers.column(at).as_string::<i32>());
                    let text = |column: &StringArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
                    let mut numbers = None;
                    for row in (0..iers.num_rows()).filter(|row| ids.is_valid(*row)) {
                        let Ok(at) = wanted.binary_search(&ids.value(row)) else { continue };
                        let numbers: &Vec<u32> = match &numbers {
                            Some(numbers) => numbers,
                            None => numbers.insert(self.mailings.of(&iers)?),
                        };
                        // Hot is read first: its version is the visible one.
                        found.entry(wanted[at]).or_insert_with(|| (numbers[row], text(contacts, row), text(leads, row)));
                    }
                }
            }
        }
        let ier = |row: usize| ids.is_valid(row).then(|| found.get(ids.value(row))).flatten();
        let rows = 0..batch.num_rows();
        let numbers: Vec<u32> = rows.clone().map(|row| ier(row).map_or(Mailings::UNKNOWN, |ier| ier.0)).collect();
        let mut people = people(batch)?;
        people.push(rows.clone().map(|row| ier(row).and_then(|ier| ier.1.as_deref())).collect());
        people.push(rows.map(|row| ier(row).and_then(|ier| ier.2.as_deref())).collect());
        self.scan_rows(batch, &numbers, &people, keys)
    }

    fn scan_rows(&mut self, batch: &RecordBatch, numbers: &[u32], people: &[StringArray], of_keys: &Keys) -> Result<()> {
        let rules = self.rules;
        let new = &self.mailings.all()[self.verdicts.len()..];
        let verdict = |mailing| (rules.terms.cutoff(self.object, mailing, &rules.sends), rules.holds.of_mailing(mailing));
        let new: Vec<_> = new.iter().map(verdict).collect();
        self.verdicts.extend(new);
        let days = days(batch)?;
        let flags = Flags::of(batch);
        let keys = match of_keys {
            Keys::NotNeeded => None,
            _ => Some(keys(batch)?),
        };
        let key = |row: usize| keys.map(|keys| keys.value(row)).unwrap_or_default();
        let marks = batch.column_by_name(hidden::LATE);
        for (row, number) in numbers.iter().enumerate() {
            if let Keys::Hidden(late) = of_keys
                && late.contains_key(key(row))
            {
                continue;
            }
            let (cutoff, holds) = &self.verdicts[*number as usize];
            let day = days.is_valid(row).then(|| days.value(row));
            let expired = self.certain || day.is_some_and(|day| day < *cutoff);
            let mut outgoing = expired;
            if expired && !self.certain {
                for &hold in holds {
                    let own = people.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
                    if rules.holds.covers(hold, day, own) {
                        *self.held.entry(hold).or_default() += 1;
                        outgoing = false;
                    }
                }
                self.held_rows += u64::from(!outgoing);
            }
            if let Keys::Late { all } = of_keys
                && (*all || marks.is_some_and(|marks| marks.is_valid(row)))
            {
                self.late.push((key(row).to_owned(), outgoing));
            }
            if let Some(day) = day.filter(|_| outgoing) {
                self.outgoing.push(self.rows + row as u32);
                self.expired += 1;
                self.totals.entry((crate::lake::paths::first_of_month(day), *number)).or_default().add(&flags.of_row(row));
            }
        }
        self.rows += batch.num_rows() as u32;
        Ok(())
    }

    fn done(self, file: Arc<DataFile>) -> Found {
        let mut totals = Totals::new();
        for ((month, number), total) in &self.totals {
            // Links are summed up by month: what they are of, their IERs' totals say.
            let of = match self.object {
                Object::IndividualLink => TotalKey { month: *month, send: None, triggered: None, job: None },
                _ => TotalKey::new(*month, &self.mailings.all()[*number as usize]),
            };
            totals.entry(of).or_default().add(total);
        }
        let name = |hold: &usize| self.rules.holds.nth_active(*hold).map(|hold| hold.hold_id.clone()).unwrap_or_default();
        let held = self.held.iter().map(|(hold, rows)| (name(hold), *rows)).collect();
        let outgoing = places(&file, self.outgoing);
        let expiry = FileExpiry { file, outgoing, expired: self.expired, held: self.held_rows };
        Found { expiry, totals, held, late: self.late }
    }
}

/// The columns of an IER that the totals count.
struct Flags<'a> {
    flags: [Option<&'a BooleanArray>; 4],
    unsubscribed: Option<&'a arrow::array::ArrayRef>,
}

impl<'a> Flags<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let flag = |name: &str| batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
        Self {
            flags: ["opened", "clicked", "hard_bounce", "soft_bounce"].map(flag),
            unsubscribed: batch.column_by_name("date_unsubscribed"),
        }
    }

    fn of_row(&self, row: usize) -> Total {
        let [opened, clicked, hard_bounced, soft_bounced] =
            self.flags.map(|flag| i64::from(flag.is_some_and(|flag| flag.is_valid(row) && flag.value(row))));
        let unsubscribed = i64::from(self.unsubscribed.is_some_and(|dates| dates.is_valid(row)));
        Total { rows: 1, opened, clicked, hard_bounced, soft_bounced, unsubscribed }
    }
}

fn places(file: &DataFile, rows: Vec<u32>) -> ExpiredRows {
    if rows.len() as u64 == file.rows { ExpiredRows::All } else { ExpiredRows::Some(rows) }
}

/// The first and the last day of a file's rows, where the log knows.
fn sent_between(file: &DataFile) -> (Option<i32>, Option<i32>) {
    let day = |value: &ScalarValue| match value {
        ScalarValue::Date32(day) => *day,
        _ => None,
    };
    file.ranges.get("sent_date").map_or((None, None), |range| (day(&range.min), day(&range.max)))
}

fn has_no_nulls(file: &DataFile, column: &str) -> bool {
    file.ranges.get(column).is_some_and(|range| range.nulls == Some(0))
}

/// May a column of the file hold one of these? Not where all of it is null.
fn may_hold(file: &DataFile, column: &str, ids: &[&str]) -> bool {
    let nothing = file.ranges.get(column).is_some_and(|range| range.nulls == Some(file.rows));
    !nothing && file.may_hold(column, ids)
}

/// May rows of a file be old enough?
fn may_expire(file: &DataFile, latest: Cutoff) -> bool {
    match sent_between(file).0 {
        Some(first) => first < latest,
        // All of it without a date; or nothing is known.
        None => file.ranges.get("sent_date").is_none_or(|range| range.nulls != Some(file.rows)),
    }
}

/// Finds what has expired in a table of both tiers, or in that of withheld e-mails, and returns the rules by which.
pub async fn table(
    warehouse: &Arc<Warehouse>,
    retain: &Retain,
    today: NaiveDate,
    object: Object,
) -> Result<(Arc<ExpiryRules>, TableExpiry, Option<Pinned>)> {
    let table = table_of(object)?;
    if !table.tiered {
        let lake = warehouse.reference(table).await?;
        let base = lake.snapshot().await?;
        let rules = ExpiryRules::read(warehouse, retain, today, object).await?;
        let mut expiry = TableExpiry { object, lakes: Vec::new(), held: BTreeMap::new(), copies: 0 };
        let files: Vec<_> = base.files().cloned().map(|file| (file, Keys::NotNeeded)).collect();
        expiry.lake(&rules, lake, base, files).await?;
        return Ok((rules, expiry, None));
    }
    let tiers = warehouse.tiers(table).await?;
    let pinned = pin(&tiers).await?;
    let rules = ExpiryRules::read(warehouse, retain, today, object).await?;
    let (_, latest) = rules.terms.bounds(object);
    let mut expiry = TableExpiry { object, lakes: Vec::new(), held: BTreeMap::new(), copies: 0 };

    let with_keys = |file: &Arc<DataFile>| {
        let keys = if pinned.is_late(file) { Keys::Late { all: pinned.is_before(file) } } else { Keys::NotNeeded };
        (file.clone(), keys)
    };
    let wanted = |file: &&Arc<DataFile>| pinned.is_late(file) || may_expire(file, latest);
    let hot_files = pinned.hot.files().filter(wanted).map(with_keys).collect();
    let late = Arc::new(expiry.lake(&rules, tiers.hot.clone(), pinned.hot.clone(), hot_files).await?);

    let archive_files = pinned.archive.files().filter(|file| may_expire(file, latest)).cloned();
    let keys = if late.is_empty() { Keys::NotNeeded } else { Keys::Hidden(late.clone()) };
    let archive_files = archive_files.map(|file| (file, keys.clone())).collect();
    expiry.lake(&rules, tiers.archive.clone(), pinned.archive.clone(), archive_files).await?;
    // The copies that late rows hide go before these do: else they would show again.
    let going: HashSet<&str> = late.iter().filter(|(_, outgoing)| **outgoing).map(|(key, _)| key.as_str()).collect();
    if let Some(archive) = expiry.lakes.last_mut() {
        expiry.copies = archive.hide(&going).await?;
    }
    expiry.lakes.reverse();
    Ok((rules, expiry, Some(pinned)))
}

/// The table of an object that expires.
pub fn table_of(object: Object) -> Result<&'static Arc<Table>> {
    known(object.table()).ok_or_else(|| Error::internal(phrase!("no table {}", object.table())))
}

impl TableExpiry {
    /// Finds what has expired in files of a lake. Returns its late rows.
    async fn lake(
        &mut self,
        rules: &Arc<ExpiryRules>,
        lake: Arc<LakeTable>,
        base: Arc<Snapshot>,
        files: Vec<(Arc<DataFile>, Keys)>,
    ) -> Result<Late> {
        let (rules, of, object) = (rules.clone(), lake.clone(), self.object);
        let found = in_parallel(files, move |(file, keys)| rules.clone().file(object, of.clone(), file, keys)).await?;
        let mut expiry = LakeExpiry { lake, base, files: Vec::new(), totals: Totals::new() };
        let mut late = Late::new();
        for found in found {
            for (of, total) in found.totals {
                expiry.totals.entry(of).or_default().add(&total);
            }
            for (hold, rows) in found.held {
                *self.held.entry(hold).or_default() += rows;
            }
            late.extend(found.late);
            if found.expiry.loses() || found.expiry.held > 0 {
                expiry.files.push(found.expiry);
            }
        }
        expiry.files.sort_by(|a, b| a.file.add.path.cmp(&b.file.add.path));
        self.lakes.push(expiry);
        Ok(late)
    }
}

impl LakeExpiry {
    /// Adds the archived copies of these keys to the rows to remove. They are not visible, so totals do not count them. Returns
    /// how many there are.
    async fn hide(&mut self, going: &HashSet<&str>) -> Result<usize> {
        let files: Vec<Arc<DataFile>> = self.base.files().cloned().collect();
        let located = locate(&self.lake, &files, going).await?;
        let copies = located.len();
        for (path, hits) in located.hits {
            let found = self.files.iter_mut().find(|expiry| expiry.file.add.path == path);
            let expiry = match found {
                Some(expiry) => expiry,
                None => {
                    let new = FileExpiry { file: hits.file, outgoing: ExpiredRows::Some(Vec::new()), expired: 0, held: 0 };
                    self.files.push(new);
                    let Some(new) = self.files.last_mut() else { continue };
                    new
                }
            };
            if let ExpiredRows::Some(rows) = &mut expiry.outgoing {
                rows.extend(hits.rows);
                rows.sort_unstable();
                rows.dedup();
                expiry.outgoing = places(&expiry.file, std::mem::take(rows));
            }
        }
        Ok(copies)
    }
}

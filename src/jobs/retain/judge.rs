//! Decides which rows of which files have expired, and which of those are held. Nothing is written here.
//!
//! A row is judged by its visible version: an archived row that a late row in hot overrides expires exactly when the late row
//! does. Files whose days are too young are not opened. A file is read only as far as the totals need when all its rows have
//! outlived every term that could cover them, and no hold can touch it by its days and people.

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

/// Links judged at once: those of as many IERs are looked up together.
const LINKS_AT_ONCE: usize = 1 << 20;

/// The rows of a file to remove.
#[derive(Clone, Debug)]
pub enum Places {
    /// The whole file.
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

/// A file with rows that go, or that would but for a hold.
#[derive(Clone, Debug)]
pub struct FileJudged {
    /// The file.
    pub file: Arc<DataFile>,
    /// What goes.
    pub outgoing: Places,
    /// Visible rows among what goes.
    pub expired: u64,
    /// Visible rows that have expired and are held.
    pub held: u64,
}

impl FileJudged {
    /// Does anything go?
    pub fn loses(&self) -> bool {
        !matches!(&self.outgoing, Places::Some(rows) if rows.is_empty())
    }
}

/// The verdict on one lake of a table.
#[derive(Debug)]
pub struct LakeJudged {
    /// The lake.
    pub lake: Arc<LakeTable>,
    /// The snapshot that was judged.
    pub base: Arc<Snapshot>,
    /// Its files that matter.
    pub files: Vec<FileJudged>,
    /// What the visible rows that go tell.
    pub totals: Totals,
}

impl LakeJudged {
    /// Does nothing go?
    pub fn is_empty(&self) -> bool {
        !self.files.iter().any(FileJudged::loses)
    }
}

/// A table judged.
#[derive(Debug)]
pub struct Judged {
    /// Which.
    pub object: Object,
    /// Archive, then hot; or the one reference table.
    pub lakes: Vec<LakeJudged>,
    /// By hold: rows that have expired and are kept by it.
    pub held: BTreeMap<String, u64>,
    /// Archived rows among what goes that late ones hide.
    pub copies: usize,
}

/// The rules of the decision: terms, holds and sends.
pub struct Judge {
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

/// The verdict on one file.
struct Found {
    judged: FileJudged,
    totals: Totals,
    held: BTreeMap<String, u64>,
    late: Vec<(String, bool)>,
}

/// The keys of a file that are needed.
#[derive(Clone)]
enum Keys {
    /// None.
    NotNeeded,
    /// Those of late rows are to be told: all rows are, or only marked ones.
    Late { all: bool },
    /// Rows of these are hidden.
    Hidden(Arc<Late>),
}

impl Judge {
    /// Reads what decides today. The tables to be judged are pinned before, so that a hold placed later fences them off.
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

    /// Judges one file.
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
        let mut judging = Judging {
            judge: self.as_ref(),
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
                judging.take(&batch, &keys)?;
                continue;
            }
            waiting.push(batch);
            if waiting.iter().map(RecordBatch::num_rows).sum::<usize>() >= LINKS_AT_ONCE {
                let links = concat_batches(&waiting[0].schema(), &std::mem::take(&mut waiting))?;
                judging.take_links(&links, &keys, latest).await?;
            }
        }
        if let Some(batch) = waiting.first() {
            judging.take_links(&concat_batches(&batch.schema(), &waiting)?, &keys, latest).await?;
        }
        Ok(judging.done(file))
    }
}

/// A file being judged.
struct Judging<'a> {
    judge: &'a Judge,
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

impl Judging<'_> {
    /// Judges rows by what they say themselves.
    fn take(&mut self, batch: &RecordBatch, keys: &Keys) -> Result<()> {
        let numbers = match self.object {
            Object::IndividualLink => vec![Mailings::UNKNOWN; batch.num_rows()],
            _ => self.mailings.of(batch)?,
        };
        self.judge_rows(batch, &numbers, &people(batch)?, keys)
    }

    /// Judges links by what their IERs say.
    async fn take_links(&mut self, batch: &RecordBatch, keys: &Keys, latest: Cutoff) -> Result<()> {
        let judge = self.judge;
        let Some((tiers, pinned)) = &judge.iers else { return Err(Error::internal("links judged without their IERs")) };
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
        self.judge_rows(batch, &numbers, &people, keys)
    }

    fn judge_rows(&mut self, batch: &RecordBatch, numbers: &[u32], people: &[StringArray], of_keys: &Keys) -> Result<()> {
        let judge = self.judge;
        let new = &self.mailings.all()[self.verdicts.len()..];
        let verdict = |mailing| (judge.terms.cutoff(self.object, mailing, &judge.sends), judge.holds.of_mailing(mailing));
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
                    if judge.holds.covers(hold, day, own) {
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
        let name = |hold: &usize| self.judge.holds.nth_active(*hold).map(|hold| hold.hold_id.clone()).unwrap_or_default();
        let held = self.held.iter().map(|(hold, rows)| (name(hold), *rows)).collect();
        let outgoing = places(&file, self.outgoing);
        let judged = FileJudged { file, outgoing, expired: self.expired, held: self.held_rows };
        Found { judged, totals, held, late: self.late }
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

fn places(file: &DataFile, rows: Vec<u32>) -> Places {
    if rows.len() as u64 == file.rows { Places::All } else { Places::Some(rows) }
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

/// Judges a table of both tiers, or the one of withheld mails, with the judge whose word it is.
pub async fn table(
    warehouse: &Arc<Warehouse>,
    retain: &Retain,
    today: NaiveDate,
    object: Object,
) -> Result<(Arc<Judge>, Judged, Option<Pinned>)> {
    let table = table_of(object)?;
    if !table.tiered {
        let lake = warehouse.reference(table).await?;
        let base = lake.snapshot().await?;
        let judge = Judge::read(warehouse, retain, today, object).await?;
        let mut judged = Judged { object, lakes: Vec::new(), held: BTreeMap::new(), copies: 0 };
        let files: Vec<_> = base.files().cloned().map(|file| (file, Keys::NotNeeded)).collect();
        judged.lake(&judge, lake, base, files).await?;
        return Ok((judge, judged, None));
    }
    let tiers = warehouse.tiers(table).await?;
    let pinned = pin(&tiers).await?;
    let judge = Judge::read(warehouse, retain, today, object).await?;
    let (_, latest) = judge.terms.bounds(object);
    let mut judged = Judged { object, lakes: Vec::new(), held: BTreeMap::new(), copies: 0 };

    let with_keys = |file: &Arc<DataFile>| {
        let keys = if pinned.is_late(file) { Keys::Late { all: pinned.is_before(file) } } else { Keys::NotNeeded };
        (file.clone(), keys)
    };
    let wanted = |file: &&Arc<DataFile>| pinned.is_late(file) || may_expire(file, latest);
    let hot_files = pinned.hot.files().filter(wanted).map(with_keys).collect();
    let late = Arc::new(judged.lake(&judge, tiers.hot.clone(), pinned.hot.clone(), hot_files).await?);

    let archive_files = pinned.archive.files().filter(|file| may_expire(file, latest)).cloned();
    let keys = if late.is_empty() { Keys::NotNeeded } else { Keys::Hidden(late.clone()) };
    let archive_files = archive_files.map(|file| (file, keys.clone())).collect();
    judged.lake(&judge, tiers.archive.clone(), pinned.archive.clone(), archive_files).await?;
    // The copies that late rows hide go before these do: else they would show again.
    let going: HashSet<&str> = late.iter().filter(|(_, outgoing)| **outgoing).map(|(key, _)| key.as_str()).collect();
    if let Some(archive) = judged.lakes.last_mut() {
        judged.copies = archive.hide(&going).await?;
    }
    judged.lakes.reverse();
    Ok((judge, judged, Some(pinned)))
}

/// The columns of an object.
pub fn table_of(object: Object) -> Result<&'static Arc<Table>> {
    known(object.table()).ok_or_else(|| Error::internal(phrase!("no table {}", object.table())))
}

impl Judged {
    /// Judges files of a lake. Returns its late rows.
    async fn lake(
        &mut self,
        judge: &Arc<Judge>,
        lake: Arc<LakeTable>,
        base: Arc<Snapshot>,
        files: Vec<(Arc<DataFile>, Keys)>,
    ) -> Result<Late> {
        let (judge, of, object) = (judge.clone(), lake.clone(), self.object);
        let found = in_parallel(files, move |(file, keys)| judge.clone().file(object, of.clone(), file, keys)).await?;
        let mut judged = LakeJudged { lake, base, files: Vec::new(), totals: Totals::new() };
        let mut late = Late::new();
        for found in found {
            for (of, total) in found.totals {
                judged.totals.entry(of).or_default().add(&total);
            }
            for (hold, rows) in found.held {
                *self.held.entry(hold).or_default() += rows;
            }
            late.extend(found.late);
            if found.judged.loses() || found.judged.held > 0 {
                judged.files.push(found.judged);
            }
        }
        judged.files.sort_by(|a, b| a.file.add.path.cmp(&b.file.add.path));
        self.lakes.push(judged);
        Ok(late)
    }
}

impl LakeJudged {
    /// Adds the archived copies of these keys to the rows to remove. They are not visible, so totals do not count them. Returns
    /// how many there are.
    async fn hide(&mut self, going: &HashSet<&str>) -> Result<usize> {
        let files: Vec<Arc<DataFile>> = self.base.files().cloned().collect();
        let located = locate(&self.lake, &files, going).await?;
        let copies = located.len();
        for (path, hits) in located.hits {
            let found = self.files.iter_mut().find(|judged| judged.file.add.path == path);
            let judged = match found {
                Some(judged) => judged,
                None => {
                    let new = FileJudged { file: hits.file, outgoing: Places::Some(Vec::new()), expired: 0, held: 0 };
                    self.files.push(new);
                    let Some(new) = self.files.last_mut() else { continue };
                    new
                }
            };
            if let Places::Some(rows) = &mut judged.outgoing {
                rows.extend(hits.rows);
                rows.sort_unstable();
                rows.dedup();
                judged.outgoing = places(&judged.file, std::mem::take(rows));
            }
        }
        Ok(copies)
    }
}

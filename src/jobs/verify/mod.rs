//! `ier verify`: checks that everything is still as it was written. Reads everything, changes nothing.
//!
//! For every table: each object of the log carries its seal. Each live file exists and has the size and hash in the log. Its rows
//! are as many, in order, in their partition, and consistent with the log's statistics and marks. No key is stored twice, over
//! all partitions and both tiers, except where a late row overrides an archived one. For the log of look-ups: its chain of
//! hashes. A damaged object does not end the run: each is named, with what is wrong and what to do.
//!
//! It also lists the garbage of killed runs. Only when asked and confirmed does it delete that, as `ier vacuum` would
//! ([`crate::lake::log::vacuum`]); and never from a table with damage, because its garbage may serve to restore it.
//!
//! **Races.** Both tiers are pinned as a reader pins them, so no row is missed or seen twice. A file that a job replaces and a
//! vacuum deletes meanwhile is not reported: before a file counts as missing, the newest log is read. An object of the log that
//! clean-up removed meanwhile is not reported either: only existing objects are checked, and gaps between them.
//!
//! **Memory** is bounded: files are held whole, but only so many bytes of them at once; keys wait on disk
//! ([`super::duplicates`]).

use std::fmt;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use object_store::path::Path;
use serde::Serialize;
use tokio::sync::Semaphore;

pub use self::report::{Damage, DeadFile, Leftover, TableReport, VerifyReport};
use super::duplicates::{Duplicates, listed};
use crate::error::{Error, Kind, Result};
use crate::human;
use crate::lake::file::tags;
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::log::{logs, tally, vacuum};
use crate::lake::parallel::in_parallel;
use crate::lake::paths::{self, Role};
use crate::lake::read::inspect;
use crate::ledgers::lookups::{KEY_REMEDY, LookUpLog};
use crate::progress::{Progress, Unit};
use crate::record::fields::{TABLES, Table};
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::suppressed;
use crate::tiers::warehouse::Warehouse;

// The report of a verification, for people and machines.
mod report;

/// Bytes of files held at once, in MiB. A larger file than this is read alone.
const HELD_MIB: usize = 512;

/// Keys found twice that are named, a table.
const KEYS_NAMED: usize = 10;

/// What to do about a damaged data file.
const RESTORE_FILE: &str = "restore it from a copy of the warehouse; where there is none, `ier verify --give-up` says what was in it \
                            and takes it out of the log, and loading the exports again fills the gap";
/// What to do about rows that are not what the log says although the bytes are as written.
const REPORT: &str = "its bytes are as they were written, so this is a fault of what wrote it: report it";
/// What to do about what another engine wrote.
const UNDO: &str = "`ier verify --undo-foreign` says what that was, and takes it back";
/// What to do about a log.
const RESTORE_LOG: &str = "restore it from a copy of the warehouse";

/// The plan: what a run checks.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyPlan {
    /// By table.
    pub tables: Vec<TableReport>,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    groups: Vec<Group>,
    /// What is so damaged that it cannot even be planned.
    damages: Vec<Damage>,
    /// All tables, and what belongs to none.
    #[serde(skip)]
    whole: bool,
}

/// The lake tables of one name: both tiers, or one.
#[derive(Clone, Debug, Default)]
struct Group {
    name: String,
    lakes: Vec<(Arc<LakeTable>, Option<Arc<Snapshot>>)>,
    /// For a tiered table both of whose logs can be read.
    pinned: Option<Pinned>,
}

/// Options of a run.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The key of the log of look-ups, where the settings have one.
    pub look_up_key: Option<String>,
    /// Objects used or written within this time are not left over.
    pub retain: Duration,
    /// Delete what is left over.
    pub sweep: bool,
}

impl fmt::Display for VerifyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}", human::bytes(self.bytes))?;
        for table in &self.tables {
            let (files, rows) = (human::counted(table.files, "file"), human::counted(table.rows, "row"));
            write!(f, "\n{}: {files}, {rows}, {}", table.table, human::bytes(table.bytes))?;
        }
        for damage in &self.damages {
            write!(f, "\nDAMAGED {damage}")?;
        }
        Ok(())
    }
}

/// Looks which files there are; `only` names one table, by any of its names.
///
/// # Errors
/// Not found when there is no such table. A log that cannot be read is no error here: the report will name it.
pub async fn plan(warehouse: &Arc<Warehouse>, only: Option<&str>) -> Result<VerifyPlan> {
    let wanted = |table: &Table| {
        only.is_none_or(|only| {
            let bare = Role::ALL.iter().find_map(|role| only.strip_prefix(role.folder())?.strip_prefix('/')).unwrap_or(only);
            table.name == bare || table.short == Some(bare)
        })
    };
    let mut plan = VerifyPlan { tables: Vec::new(), bytes: 0, groups: Vec::new(), damages: Vec::new(), whole: only.is_none() };
    for table in TABLES.iter().filter(|table| wanted(table)) {
        let group = if table.tiered {
            plan.tiered(warehouse, table).await?
        } else {
            plan.single(warehouse.table(Role::Reference, table).await?).await
        };
        plan.groups.push(group);
    }
    for name in warehouse.attribute_names().await? {
        if only.is_some_and(|only| only != name && only.strip_prefix("reference/") != Some(name.as_str())) {
            continue;
        }
        match warehouse.attributes(&name, None).await {
            Ok(Some(lake)) => {
                let group = plan.single(lake).await;
                plan.groups.push(group);
            }
            Ok(None) => {}
            Err(error) => {
                // Its columns are in its log; without them only the log itself can be looked at.
                let lake = warehouse.bare_attributes(&name)?;
                plan.damages.push(Damage::of_error(
                    Some(&lake.name()),
                    format!("{}/_delta_log", lake.folder),
                    &error,
                    RESTORE_LOG,
                ));
                plan.groups.push(Group { name, lakes: vec![(lake, None)], pinned: None });
            }
        }
    }
    if let Some(only) = only.filter(|_| plan.groups.is_empty()) {
        return Err(Error::not_found(phrase!("there is no table {only}: `ier status` lists them")));
    }
    for (lake, snapshot) in plan.groups.iter().flat_map(|group| &group.lakes) {
        let Some(snapshot) = snapshot.as_ref().filter(|snapshot| snapshot.version.is_some()) else { continue };
        plan.tables.push(TableReport {
            table: lake.name(),
            files: snapshot.files().count() as u64,
            rows: snapshot.rows(),
            bytes: snapshot.files().map(|file| file.bytes()).sum(),
        });
    }
    plan.bytes = plan.tables.iter().map(|table| table.bytes).sum();
    Ok(plan)
}

impl VerifyPlan {
    async fn single(&mut self, lake: Arc<LakeTable>) -> Group {
        let snapshot = self.readable(&lake).await;
        Group { name: lake.table.name.to_string(), lakes: vec![(lake, snapshot)], pinned: None }
    }

    async fn tiered(&mut self, warehouse: &Warehouse, table: &Arc<Table>) -> Result<Group> {
        let tiers = warehouse.tiers(table).await?;
        let name = table.name.to_string();
        if let Ok(pinned) = pin(&tiers).await {
            let lakes = vec![(tiers.hot, Some(pinned.hot.clone())), (tiers.archive, Some(pinned.archive.clone()))];
            return Ok(Group { name, lakes, pinned: Some(pinned) });
        }
        let hot = self.readable(&tiers.hot).await;
        let archive = self.readable(&tiers.archive).await;
        Ok(Group { name, lakes: vec![(tiers.hot, hot), (tiers.archive, archive)], pinned: None })
    }

    async fn readable(&mut self, lake: &Arc<LakeTable>) -> Option<Arc<Snapshot>> {
        match lake.snapshot().await {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                self.damages.push(Damage::of_error(
                    Some(&lake.name()),
                    format!("{}/_delta_log", lake.folder),
                    &error,
                    RESTORE_LOG,
                ));
                None
            }
        }
    }
}

/// Checks everything that was planned, and deletes garbage if asked to.
///
/// # Errors
/// Damage is none: the report names it ([`VerifyReport::verdict`]). Unavailable when the temporary folder is full.
pub async fn execute(
    warehouse: &Arc<Warehouse>,
    plan: VerifyPlan,
    choices: Choices,
    progress: Arc<dyn Progress>,
) -> Result<VerifyReport> {
    let started = warehouse.clock().now();
    progress.count(Unit::Bytes, plan.bytes);
    let mut report = VerifyReport { tables: plan.tables, ..VerifyReport::default() };
    let memory = Arc::new(Semaphore::new(HELD_MIB));
    for group in plan.groups {
        progress.say(&format!("verifying {}", group.name));
        let before = report.damages.len();
        let run = Arc::new(Run::new(group, memory.clone(), progress.clone()));
        let files = run.all_files();
        report.without_checksums += files.iter().filter(|(_, file)| file.tag(tags::TAIL).is_none()).count() as u64;
        report.damages.extend(run.logs(&mut report.log_objects).await);
        report.damages.extend(run.tallies().await);
        report.damages.extend(run.files().await?);
        report.dead.append(&mut *run.dead.lock().map_err(|_| Error::internal("the list of dead files is poisoned"))?);
        report.damages.extend(run.keys_twice().await?);
        let sound = report.damages.len() == before && run.group.lakes.iter().all(|(_, snapshot)| snapshot.is_some());
        for (lake, _) in &run.group.lakes {
            match vacuum::plan(lake, choices.retain, warehouse.clock().as_ref()).await {
                Ok(objects) => {
                    if choices.sweep && sound {
                        vacuum::execute(lake, &objects).await?;
                        report.swept += objects.len() as u64;
                    }
                    report.leftovers.extend(objects.into_iter().map(|object| Leftover {
                        table: lake.name(),
                        object: object.location.to_string(),
                        bytes: object.size,
                    }));
                }
                // A log that cannot be read has been named.
                Err(_) if !sound => {}
                Err(error) => report.damages.push(Damage::of_error(Some(&lake.name()), &lake.folder, &error, RESTORE_LOG)),
            }
        }
    }
    // Why a log cannot be read is said best by the objects of it that are damaged.
    let named = |table: &Option<String>| report.damages.iter().any(|damage| damage.table == *table);
    let unread: Vec<Damage> = plan.damages.into_iter().filter(|damage| !named(&damage.table)).collect();
    report.damages.extend(unread);
    if plan.whole {
        look_ups(warehouse, choices.look_up_key.as_deref(), &mut report).await;
        if let Err(error) = suppressed::list(warehouse).await {
            let object = Path::from_iter(warehouse.root().base.parts().chain(Path::from(paths::ERASED_KEY).parts()));
            report.damages.push(Damage::of_error(None, object, &error, RESTORE_LOG));
        }
    }
    report.seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(report)
}

/// The chain of look-ups, and the key it was made under.
async fn look_ups(warehouse: &Warehouse, key: Option<&str>, report: &mut VerifyReport) {
    let read = async {
        let log = LookUpLog::open(warehouse, "verify", key).await?;
        let found = log.verify().await?;
        Ok::<_, Error>((log, found))
    };
    match read.await {
        Ok((log, found)) => {
            if let Some(damage) = &found.damage {
                let object = log.object(damage.sequence);
                report.damages.push(Damage {
                    table: None,
                    object,
                    what: damage.to_string(),
                    remedy: RESTORE_LOG.to_owned(),
                    kind: Kind::Corrupt,
                });
            }
            if let Some(what) = log.key_wrong(&found) {
                report.damages.push(Damage {
                    table: None,
                    object: log.key_object(),
                    what: what.to_owned(),
                    remedy: KEY_REMEDY.to_owned(),
                    kind: Kind::Corrupt,
                });
            }
            report.look_ups = Some(found);
        }
        Err(error) => {
            // Of what is read to open the log, only the key and its id can be damaged.
            let place = match error.kind() {
                Kind::Corrupt if error.to_string().contains(paths::LOOKUP_KEY_ID) => paths::LOOKUP_KEY_ID,
                Kind::Corrupt => paths::LOOKUP_KEY,
                _ => paths::LOOKUPS,
            };
            let object = Path::from_iter(warehouse.root().base.parts().chain(Path::from(place).parts()));
            report.damages.push(Damage::of_error(None, object, &error, RESTORE_LOG));
        }
    }
}

/// One table being looked at.
struct Run {
    group: Group,
    memory: Arc<Semaphore>,
    progress: Arc<dyn Progress>,
    duplicates: Duplicates,
    dead: Mutex<Vec<DeadFile>>,
}

impl Run {
    fn new(group: Group, memory: Arc<Semaphore>, progress: Arc<dyn Progress>) -> Self {
        let duplicates = Duplicates::new(group.pinned.clone());
        Self { group, memory, progress, duplicates, dead: Mutex::default() }
    }

    fn all_files(&self) -> Vec<(Arc<LakeTable>, Arc<DataFile>)> {
        let of = |(lake, snapshot): &(Arc<LakeTable>, Option<Arc<Snapshot>>)| -> Vec<_> {
            snapshot.iter().flat_map(|snapshot| snapshot.files().map(|file| (lake.clone(), file.clone()))).collect()
        };
        self.group.lakes.iter().flat_map(of).collect()
    }

    /// Looks at every object of the logs; `objects` counts them.
    async fn logs(&self, objects: &mut u64) -> Vec<Damage> {
        let mut damages = Vec::new();
        for (lake, _) in &self.group.lakes {
            let name = lake.name();
            match logs::look(lake).await {
                Ok(found) => {
                    *objects += found.objects;
                    let remedy = |object: &Path| if found.foreign.contains(object) { UNDO } else { RESTORE_LOG };
                    let wrong = found.wrong.iter().map(|(object, what)| Damage::corrupt(&name, object, what, remedy(object)));
                    damages.extend(wrong);
                    let unread = found.unread.iter();
                    damages.extend(unread.map(|(object, error)| Damage::of_error(Some(&name), object, error, RESTORE_LOG)));
                }
                Err(error) => damages.push(Damage::of_error(Some(&name), &lake.folder, &error, RESTORE_LOG)),
            }
        }
        damages
    }

    /// Looks at the tallies that hold.
    async fn tallies(&self) -> Vec<Damage> {
        let mut damages = Vec::new();
        for (lake, snapshot) in self.group.lakes.iter().filter_map(|(lake, snapshot)| Some((lake, snapshot.as_ref()?))) {
            let place = match tally::live(lake, snapshot).await {
                Ok(None) => continue,
                Ok(Some(place)) => place,
                Err(error) => {
                    damages.push(Damage::of_error(Some(&lake.name()), &lake.folder, &error, RESTORE_LOG));
                    continue;
                }
            };
            match tally::read(lake, snapshot).await {
                // Replaced and swept meanwhile.
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => damages.push(Damage::of_error(Some(&lake.name()), place, &error, RESTORE_LOG)),
                Ok(_) => {}
            }
        }
        damages
    }

    /// Looks at every file.
    async fn files(self: &Arc<Self>) -> Result<Vec<Damage>> {
        let run = self.clone();
        let found = in_parallel(self.all_files(), move |(lake, file)| {
            let run = run.clone();
            async move { run.file(&lake, &file).await }
        });
        let mut damages: Vec<Damage> = found.await?.into_iter().flatten().collect();
        damages.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(damages)
    }

    /// Notes a file of which nothing can be read any more.
    fn dead(&self, lake: &Arc<LakeTable>, file: &Arc<DataFile>, reason: String) -> Result<Vec<Damage>> {
        let damage = Damage::corrupt(&lake.name(), file.path(&lake.folder), &reason, RESTORE_FILE);
        let dead = DeadFile { lake: lake.clone(), file: file.clone(), reason };
        self.dead.lock().map_err(|_| Error::internal("the list of dead files is poisoned"))?.push(dead);
        Ok(vec![damage])
    }

    async fn file(&self, lake: &Arc<LakeTable>, file: &Arc<DataFile>) -> Result<Vec<Damage>> {
        let name = lake.name();
        let path = file.path(&lake.folder);
        let mib = (file.bytes() >> 20).min(HELD_MIB as u64 - 1) as u32 + 1;
        let _held = self.memory.acquire_many(mib).await.map_err(|_| Error::internal("the memory of a run was closed"))?;
        let bytes = match inspect::fetch(lake, file, &|bytes| self.progress.advance(bytes)).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => {
                let newest = lake.snapshot().await;
                // Replaced and swept meanwhile: no longer of any concern.
                if newest.is_ok_and(|newest| newest.files().all(|live| live.add.path != file.add.path)) {
                    return Ok(Vec::new());
                }
                return self.dead(lake, file, "is missing".to_owned());
            }
            Err(error) => return Ok(vec![Damage::of_error(Some(&name), &path, &error, RESTORE_FILE)]),
        };
        if let Some(wrong) = inspect::bytes_wrong(file, &bytes) {
            return self.dead(lake, file, wrong);
        }
        let mut take = |batch: &arrow::array::RecordBatch| self.duplicates.take(lake, file, batch);
        Ok(match inspect::rows_wrong(lake, file, bytes, &mut take).await {
            Ok(wrong) => wrong.into_iter().map(|wrong| Damage::corrupt(&name, &path, wrong, REPORT)).collect(),
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => vec![Damage::corrupt(&name, &path, inspect::unreadable(&error), REPORT)],
        })
    }

    /// Keys that are stored twice, each with its files and row numbers.
    async fn keys_twice(&self) -> Result<Vec<Damage>> {
        let found = self.duplicates.found(&self.all_files()).await?;
        let name = &self.group.name;
        let mut damages = Vec::new();
        for (key, places) in found.iter().take(KEYS_NAMED) {
            let what = format!("key {key} is there {} times: {}", places.len(), listed(places));
            let remedy = "`ier reconcile --repair` mends it; until then questions count the record more than once";
            damages.push(Damage::corrupt(name, name, what, remedy));
        }
        let more = found.len().saturating_sub(KEYS_NAMED);
        if more > 0 {
            let what = format!("{} keys more are there more than once", human::count(more as u64));
            damages.push(Damage::corrupt(name, name, what, "`ier reconcile --repair` mends them all"));
        }
        Ok(damages)
    }
}

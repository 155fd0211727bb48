//! A table of the lake: its folder, its columns, and its newest snapshot.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::table::state::DeltaTableState;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;

use super::marker::Markers;
use super::root::Root;
use super::sealed::Sealed;
use super::snapshot::{DataFile, Snapshot};
use crate::error::{Error, Result};
use crate::lake::file::footers::Footers;
use crate::lake::paths::{self, Role};
use crate::record::fields::Table;

/// Application transaction of the archive: days since 1970; rows sent before it belong to the archive.
pub const ARCHIVED_UNTIL: &str = "ier.archived_until";
/// Application transaction of the archive: the version of the hot table its last run read.
pub const HOT_VERSION: &str = "ier.hot_version";
/// Application transaction of the archive: the version of the hot table from which a job is about to remove rows.
pub const HOT_CLAIM: &str = "ier.hot_claim";
/// Application transaction of a commit that removed expired rows: the number under which their totals were put down before.
pub const REMOVAL: &str = "ier.removal";
/// Application transaction of every commit: a random number by which a writer recognises its own commit.
pub const COMMIT: &str = "ier.commit";

/// One Delta table.
pub struct LakeTable {
    /// What its columns are.
    pub table: Arc<Table>,
    /// Which folder it stands in.
    pub role: Role,
    /// Its folder in the store.
    pub folder: Path,
    /// The whole store.
    pub store: Arc<dyn ObjectStore>,
    /// Footers of its files.
    pub footers: Arc<Footers>,
    /// What a rollup of its files has to be worth; see [`Root::rollup_rows_each`].
    pub rollup_rows_each: usize,
    /// How rare rows of its files have to be; see [`Root::rare_rows_each`].
    pub rare_rows_each: usize,
    /// What the warehouse says of itself.
    pub(crate) markers: Arc<Markers>,
    pub(crate) log_store: LogStoreRef,
    sealed: Sealed,
    /// None until it has been looked for.
    newest: Mutex<Option<Arc<Snapshot>>>,
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl LakeTable {
    /// The table of this role under a root; it need not exist yet.
    pub fn new(root: &Root, role: Role, table: Arc<Table>) -> Result<Self> {
        let name = paths::table(role, &table.name);
        let folder = Path::from_iter(root.base.parts().chain(Path::from(name.as_str()).parts()));
        let url = root
            .url
            .join(&format!("{name}/"))
            .map_err(|error| Error::internal(phrase!("cannot build the URL of {name}: {error}")))?;
        let sealed = Sealed::new(root.store.clone(), root.markers.clone(), &name);
        let prefixed: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(sealed.clone(), folder.clone()));
        let log_store = default_logstore(prefixed, Arc::new(sealed.clone()), &url, &StorageConfig::default());
        let newest = Mutex::default();
        Ok(Self {
            table,
            role,
            folder,
            store: root.store.clone(),
            footers: root.footers.clone(),
            rollup_rows_each: root.rollup_rows_each,
            rare_rows_each: root.rare_rows_each,
            markers: root.markers.clone(),
            log_store,
            sealed,
            newest,
        })
    }

    /// `hot/individual_email_result`: the name messages and reports use.
    pub fn name(&self) -> String {
        paths::table(self.role, &self.table.name)
    }

    /// The newest snapshot. Costs two requests, one after the other, when nothing has changed since the last call.
    ///
    /// **It is provably the newest**, however long ago the last call was and whatever was deleted meanwhile. That there is no
    /// entry of the next version is no proof: a clean-up may have deleted it. But a clean-up deletes entries from the oldest on
    /// ([`super::cleanup`]), so as long as the entry of the version known is there, none after it was ever deleted. Hence the
    /// order: first what came after, then whether the known entry still stands. Where it does not, the log is read from its
    /// newest checkpoint on. No clock has a part in this.
    ///
    /// Where a checkpoint is damaged, the log entries it stands for are read instead, as long as they are there.
    ///
    /// # Errors
    /// Unavailable when the store does not answer, corrupt when an object of the log is damaged, or when all of it is gone.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut newest = self.newest.lock().await;
        let known = newest.clone().unwrap_or_default();
        let Some(version) = known.version else {
            let found = self.read_all().await?.map_or(known, Arc::new);
            return Ok(newest.insert(found).clone());
        };
        let grown = match self.has_entry(version + 1).await? {
            false => None,
            true => Some(self.read_from(known.state.as_ref()).await),
        };
        let found = match (self.has_entry(version).await?, grown) {
            (true, None) => known,
            (true, Some(grown)) => Arc::new(grown?),
            (false, _) => {
                let read = self.read_all().await?;
                Arc::new(read.ok_or_else(|| {
                    Error::corrupt(phrase!(
                        "the log of {} is gone, of which version {version} was known: restore it from a copy of the warehouse",
                        self.name()
                    ))
                })?)
            }
        };
        Ok(newest.insert(found).clone())
    }

    /// Reads the log from its newest checkpoint on; none where there is no log.
    async fn read_all(&self) -> Result<Option<Snapshot>> {
        // What is read ahead is kept until the end, whatever comes of it.
        self.sealed.begin();
        match self.sealed.read_ahead(&self.folder).await {
            Ok(true) => self.read_on(None).await.map(Some),
            Ok(false) => {
                self.sealed.end();
                Ok(None)
            }
            Err(error) => {
                self.sealed.end();
                Err(self.unread(error.into()))
            }
        }
    }

    /// Reads what came after a state, or all of the log.
    async fn read_from(&self, known: Option<&DeltaTableState>) -> Result<Snapshot> {
        self.sealed.begin();
        self.read_on(known).await
    }

    /// Continues an earlier read, without the damaged objects if necessary.
    async fn read_on(&self, known: Option<&DeltaTableState>) -> Result<Snapshot> {
        let mut damage: Option<Error> = None;
        loop {
            let read = self.read_log(known.filter(|_| damage.is_none())).await;
            let (found, avoided) = self.sealed.end();
            match read {
                Ok(snapshot) => return Ok(snapshot),
                // The damage itself says more than what became of it on its way through other crates.
                Err(error) => {
                    let first = damage.take().or(found).unwrap_or_else(|| self.sealed.behind(error));
                    if !avoided {
                        return Err(self.unread(first));
                    }
                    damage = Some(first);
                    self.sealed.begin();
                }
            }
        }
    }

    fn unread(&self, error: Error) -> Error {
        error.context(phrase!("cannot read the log of {}", self.name()))
    }

    /// Deletes an object; that it is gone already is no error.
    pub(crate) async fn delete(&self, place: &Path) -> Result<()> {
        match self.store.delete(place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::from(error).context(phrase!("cannot delete {place}"))),
        }
    }

    /// A sealed object of this table, as it is named below the warehouse's folder.
    pub(crate) fn sealed_name(&self, place: &Path) -> String {
        paths::sealed_name(&self.name(), place)
    }

    /// Is the log entry of a version there?
    pub(crate) async fn has_entry(&self, version: u64) -> Result<bool> {
        self.has_object(&paths::log_entry(version)).await
    }

    /// Is this object in the log's folder?
    pub(crate) async fn has_object(&self, name: &str) -> Result<bool> {
        match self.store.head(&self.folder.clone().join(paths::LOG).join(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.unread(error.into())),
        }
    }

    /// The newest snapshot that this process has read, without a request to the store; none when it has read none.
    pub async fn known(&self) -> Option<Arc<Snapshot>> {
        self.newest.lock().await.clone()
    }

    async fn read_log(&self, known: Option<&DeltaTableState>) -> Result<Snapshot> {
        let mut delta = DeltaTable::new(self.log_store.clone());
        match known {
            Some(state) => {
                delta.state = Some(state.clone());
                delta.update_incremental(None).await?;
            }
            None => delta.load().await?,
        }
        let state = delta.state.ok_or_else(|| Error::internal("a loaded table has no state"))?;
        self.snapshot_of(state).await
    }

    /// Makes a snapshot of a state just committed the newest, and returns it.
    pub(crate) async fn committed(&self, state: DeltaTableState) -> Result<Arc<Snapshot>> {
        let snapshot = Arc::new(self.snapshot_of(state).await?);
        *self.newest.lock().await = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// The value an application transaction had at a snapshot, also one that snapshots do not carry. Reads the log.
    ///
    /// # Errors
    /// Corrupt, naming the object, when the part of the log in which it is looked for is damaged.
    pub async fn transaction(&self, snapshot: &Snapshot, name: &str) -> Result<Option<i64>> {
        match &snapshot.state {
            None => Ok(None),
            Some(state) => self.transaction_of(state, name).await,
        }
    }

    async fn transaction_of(&self, state: &DeltaTableState, name: &str) -> Result<Option<i64>> {
        let found = state.transaction_version(self.log_store.as_ref(), name).await;
        found.map_err(|error| self.sealed.damage_met().unwrap_or_else(|| self.sealed.behind(self.unread(error.into()))))
    }

    async fn snapshot_of(&self, state: DeltaTableState) -> Result<Snapshot> {
        let mut partitions: BTreeMap<_, Vec<Arc<DataFile>>> = BTreeMap::new();
        for view in state.log_data().iter() {
            #[expect(deprecated, reason = "the whole entry, tags included, is what a later remove has to repeat")]
            let file = DataFile::new(&self.table, self.role, view.add_action())?;
            partitions.entry(file.partition).or_default().push(Arc::new(file));
        }
        for files in partitions.values_mut() {
            files.sort_by(|a, b| a.add.path.cmp(&b.add.path));
        }
        let mut snapshot = Snapshot { version: Some(state.version()), partitions, ..Snapshot::default() };
        if self.role == Role::Archive {
            for name in [ARCHIVED_UNTIL, HOT_VERSION] {
                if let Some(value) = self.transaction_of(&state, name).await? {
                    snapshot.transactions.insert(name, value);
                }
            }
        }
        snapshot.columns = state.schema().fields().map(|field| field.name().clone()).collect();
        snapshot.state = Some(state);
        Ok(snapshot)
    }
}

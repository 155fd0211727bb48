//! A warehouse: opens its tables, which share one root and one clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::Mutex;

use super::erased;
use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::lake::log::root::Root;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::{MARKER, Role};
use crate::record::fields::{self, TABLES, Table};

/// All tables under one root.
pub struct Warehouse {
    root: Root,
    clock: Arc<dyn Clock>,
    tables: Mutex<HashMap<(Role, String), Arc<LakeTable>>>,
    /// What was erased, as it was last read.
    pub(super) suppressed: Mutex<erased::Read>,
}

impl fmt::Debug for Warehouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warehouse {}", self.root.url)
    }
}

impl Warehouse {
    /// Opens the warehouse at a URL or local folder.
    ///
    /// # Errors
    /// Invalid for what is no place, not found where there is no warehouse.
    pub async fn open(location: &str, options: &BTreeMap<String, String>, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let warehouse = Self::place(location, options, clock)?;
        warehouse.must_exist().await?;
        Ok(warehouse)
    }

    /// The place at a URL or local folder, for jobs that create a warehouse there. The engine refuses questions about a place
    /// without a warehouse.
    pub fn place(location: &str, options: &BTreeMap<String, String>, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        Ok(Self::at(Root::open(location, options)?, clock))
    }

    /// The warehouse under a root.
    pub fn at(root: Root, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { root, clock, tables: Mutex::default(), suppressed: Mutex::default() })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        self.root.url.as_str()
    }

    /// Its store.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The clock its jobs go by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// One of the tables every warehouse knows.
    pub async fn table(&self, role: Role, table: &Arc<Table>) -> Result<Arc<LakeTable>> {
        let mut tables = self.tables.lock().await;
        let key = (role, table.name.to_string());
        if let Some(open) = tables.get(&key) {
            // An attribute table's columns may have grown since it was opened; or it was dropped, and made anew with others.
            if open.table.fields.iter().map(|field| &field.name).eq(table.fields.iter().map(|field| &field.name)) {
                return Ok(open.clone());
            }
        }
        let open = Arc::new(LakeTable::new(&self.root, role, table.clone())?);
        tables.insert(key, open.clone());
        Ok(open)
    }

    /// The hot and archive tables of a tiered table.
    pub async fn tiers(&self, table: &Arc<Table>) -> Result<Tiers> {
        Ok(Tiers { hot: self.table(Role::Hot, table).await?, archive: self.table(Role::Archive, table).await? })
    }

    /// An attribute table as its log alone, without the columns that files brought: all that is left of one that was dropped.
    pub fn bare_attributes(&self, name: &str) -> Result<Arc<LakeTable>> {
        let bare = Arc::new(Table::attributes(name, std::iter::empty::<&str>()));
        Ok(Arc::new(LakeTable::new(&self.root, Role::Reference, bare)?))
    }

    /// An attribute table with the columns it has in the lake and those of `wanted`; `None` when there is neither, as of one that was
    /// dropped.
    pub async fn attributes(&self, name: &str, wanted: Option<&Arc<Table>>) -> Result<Option<Arc<LakeTable>>> {
        let stored = self.bare_attributes(name)?.snapshot().await?;
        let mut headers: Vec<String> =
            stored.columns.iter().filter(|column| !fields::is_hidden(column) && !fields::is_span(column)).cloned().collect();
        for field in wanted.iter().flat_map(|table| table.exported()) {
            if !headers.iter().any(|header| *header == field.name) {
                headers.push(field.name.to_string());
            }
        }
        if headers.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.table(Role::Reference, &Arc::new(Table::attributes(name, headers))).await?))
    }

    /// The lake table of a reference table: known, or an attribute table with its columns merged.
    pub async fn reference(&self, table: &Arc<Table>) -> Result<Arc<LakeTable>> {
        if fields::known(&table.name).is_some() {
            return self.table(Role::Reference, table).await;
        }
        let found = self.attributes(&table.name, Some(table)).await?;
        found.ok_or_else(|| Error::invalid(phrase!("{} has no columns", table.name)))
    }

    /// Names of the attribute tables in the warehouse, those that were dropped among them.
    pub async fn attribute_names(&self) -> Result<Vec<String>> {
        let folder = Path::from_iter(self.root.base.parts().chain(Path::from(Role::Reference.folder()).parts()));
        let listed = self.root.store.list_with_delimiter(Some(&folder)).await.context(|| phrase!("cannot list {folder}"))?;
        let names: BTreeSet<String> = listed
            .common_prefixes
            .iter()
            .filter_map(|path| path.filename().map(str::to_owned))
            .filter(|name| fields::known(name).is_none())
            .collect();
        Ok(names.into_iter().collect())
    }

    /// Every lake table that may stand under the root, in a fixed order. Of attribute tables that were dropped, or whose first load was cut
    /// short, there are files until they are vacuumed.
    pub async fn all(&self) -> Result<Vec<Arc<LakeTable>>> {
        let mut found = Vec::new();
        for table in TABLES.iter() {
            let roles: &[Role] = if table.tiered { &[Role::Hot, Role::Archive] } else { &[Role::Reference] };
            for role in roles {
                found.push(self.table(*role, table).await?);
            }
        }
        for name in self.attribute_names().await? {
            found.push(match self.attributes(&name, None).await? {
                Some(table) => table,
                None => self.bare_attributes(&name)?,
            });
        }
        Ok(found)
    }

    /// Every lake table that has been committed to and was not dropped, in a fixed order.
    pub async fn existing(&self) -> Result<Vec<Arc<LakeTable>>> {
        let mut existing = Vec::new();
        for table in self.all().await? {
            if table.snapshot().await?.version.is_some() && table.table.exported().next().is_some() {
                existing.push(table);
            }
        }
        Ok(existing)
    }

    /// Is there a warehouse: one with a marker, or one from before there were markers, which has tables?
    ///
    /// # Errors
    /// Invalid when a newer program made it, corrupt when its marker is damaged.
    pub async fn exists(&self) -> Result<bool> {
        Ok(self.root.markers.known().await?.is_some() || self.root.markers.has_log_below(&self.root.base).await?)
    }

    /// Fails where there is no warehouse: an answer would look like that of a warehouse that knows nobody.
    ///
    /// # Errors
    /// Not found, naming the warehouse one folder above or below, if there is one.
    pub async fn must_exist(&self) -> Result<()> {
        if self.exists().await? {
            return Ok(());
        }
        let near: Vec<String> = self.near().await?.iter().map(|folder| self.root.location_of(folder)).collect();
        let instead = match near.as_slice() {
            [] => "`ier load` makes one, --warehouse names another".to_owned(),
            near => format!("there is one at {}: name it with --warehouse", near.join(" and at ")),
        };
        Err(Error::not_found(phrase!("there is no warehouse at {}; {instead}", self.root.location())))
    }

    /// Folders above and below in which there is a warehouse.
    async fn near(&self) -> Result<Vec<Path>> {
        let parts: Vec<_> = self.root.base.parts().collect();
        let above = parts.split_last().map(|(_, above)| Path::from_iter(above.iter().cloned()));
        let below = self.root.store.list_with_delimiter(Some(&self.root.base)).await;
        let below = below.context(|| phrase!("cannot list {}", self.root.location()))?.common_prefixes;
        let mut near = Vec::new();
        for folder in above.into_iter().chain(below.into_iter().take(NEAR)) {
            let marker = folder.clone().join(MARKER);
            // Whoever may read one folder need not be allowed to read those around it.
            let is_marked = self.root.store.head(&marker).await.is_ok();
            if is_marked || self.root.markers.has_log_below(&folder).await.unwrap_or(false) {
                near.push(folder);
            }
        }
        Ok(near)
    }
}

/// Folders below that are looked into for a warehouse.
const NEAR: usize = 50;

/// The two lakes of one table.
#[derive(Clone, Debug)]
pub struct Tiers {
    /// Young rows.
    pub hot: Arc<LakeTable>,
    /// Old rows.
    pub archive: Arc<LakeTable>,
}

//! Opens the warehouse and the engine for a verb, as the settings say.

use std::sync::Arc;
use std::time::Duration;

use crate::calendar::local::Calendar;
use crate::error::Result;
use crate::jobs::compact::CompactOptions;
use crate::ledgers::lookups::LookUpLog;
use crate::query::engine::Engine;
use crate::query::limits::Limits;
use crate::query::look_ups::Requester;
use crate::query::planner::shortcuts::Shortcuts;
use crate::tiers::warehouse::Warehouse;

use super::session::Session;

/// Settings count in MiB.
const MIB: u64 = 1 << 20;

impl Session {
    /// The warehouse the settings name. Refuses a place where there is none: only what fills one makes one.
    pub async fn warehouse(&self) -> Result<Arc<Warehouse>> {
        let warehouse = self.place()?;
        warehouse.must_exist().await?;
        Ok(warehouse)
    }

    /// The place the settings name, for what makes a warehouse there.
    pub fn place(&self) -> Result<Arc<Warehouse>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let warehouse = Warehouse::place(&self.settings.warehouse, &self.settings.store, self.clock.clone())?;
        Ok(self.opened.get_or_init(|| warehouse).clone())
    }

    /// The engine over it.
    pub async fn engine(&self) -> Result<Engine> {
        self.engine_for(None).await
    }

    /// The engine over it, for somebody who says why they look.
    pub async fn engine_for(&self, reason: Option<&str>) -> Result<Engine> {
        Ok(self.warehouse_and_engine_for(reason).await?.1)
    }

    /// The warehouse and the engine over it.
    pub async fn warehouse_and_engine(&self) -> Result<(Arc<Warehouse>, Engine)> {
        self.warehouse_and_engine_for(None).await
    }

    /// The warehouse and the engine over it, for somebody who says why they look.
    pub async fn warehouse_and_engine_for(&self, reason: Option<&str>) -> Result<(Arc<Warehouse>, Engine)> {
        let warehouse = self.warehouse().await?;
        let engine = self.engine_over(&warehouse).await?.shown_to(self.requester(reason));
        Ok((warehouse, engine))
    }

    /// Who looks, and why as stated.
    fn requester(&self, reason: Option<&str>) -> Requester {
        let audit = &self.settings.audit;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
        Requester { who: audit.who.clone(), key: audit.key.clone(), reason, reason_required: audit.reason_required }
    }

    /// [`Session::warehouse_and_engine_for`], if there is one; refuses a place named by flag where there is none.
    pub async fn warehouse_and_engine_if_any(&self, reason: Option<&str>) -> Result<Option<(Arc<Warehouse>, Engine)>> {
        match self.global.warehouse.is_some() || self.place()?.exists().await? {
            true => self.warehouse_and_engine_for(reason).await.map(Some),
            false => Ok(None),
        }
    }

    /// The engine over it for a server, which looks after the time of statements itself.
    pub async fn engine_to_serve(&self, reason: Option<&str>) -> Result<Engine> {
        let limits = Limits { statement: None, ..self.limits()? };
        Ok(self.engine_within(&self.warehouse().await?, limits).await?.shown_to(self.requester(reason)))
    }

    async fn engine_over(&self, warehouse: &Arc<Warehouse>) -> Result<Engine> {
        self.engine_within(warehouse, self.limits()?).await
    }

    async fn engine_within(&self, warehouse: &Arc<Warehouse>, limits: Limits) -> Result<Engine> {
        let calendar = Calendar { zone: self.settings.zone, terms: self.settings.terms.clone() };
        Engine::open_in(warehouse.clone(), limits, calendar).await
    }

    /// The log of look-ups, for this run's user.
    pub async fn look_ups(&self) -> Result<LookUpLog> {
        let audit = &self.settings.audit;
        LookUpLog::open(&*self.warehouse().await?, &audit.who, audit.key.as_deref()).await
    }

    /// Refuses silence about why somebody looks where the settings want a reason: before anything else is looked at.
    pub fn check_reason(&self, stated: Option<&str>) -> Result<()> {
        self.requester(stated).check()
    }

    /// What statements may use.
    pub fn limits(&self) -> Result<Limits> {
        let query = &self.settings.query;
        Ok(Limits {
            memory_bytes: (query.memory_mb * MIB) as usize,
            spill_folder: Some(query.spill_folder.clone()),
            statement: (query.timeout_secs > 0).then(|| Duration::from_secs(query.timeout_secs)),
            metadata_cache_bytes: (query.metadata_cache_mb * MIB) as usize,
            threads: query.threads,
            shortcuts: Shortcuts::without(&query.without)?,
        })
    }

    /// How months are compacted, without a limit of time.
    pub fn compact_options(&self) -> CompactOptions {
        let compact = &self.settings.compact;
        CompactOptions {
            budget: None,
            memory_bytes: compact.memory_mb * MIB,
            best_after: (compact.best_after_days > 0).then(|| chrono::Duration::days(compact.best_after_days.into())),
        }
    }

    /// Rows a load gathers before it folds.
    pub fn load_buffer_bytes(&self) -> usize {
        (self.settings.load.buffer_mb * MIB) as usize
    }
}

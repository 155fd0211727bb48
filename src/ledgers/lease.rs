//! The lease of a warehouse: of all schedulers that run for it, only the holder of the lease works.
//!
//! **How it is stored.** The lease is a chain of small objects, `lease/<number>.json`. Each is made by a conditional put (create,
//! never overwrite), which every store has; a local folder has no conditional update. The entry with the highest number counts. To
//! take or to renew the lease, a process creates the next number. Of all that try, one succeeds; a holder that was overtaken sees
//! that its own put fails. So an entry is never changed, and numbers only grow. The number under which a holder began is its
//! *term*, and serves as the fencing token. A renewal deletes entries far below its own. A process that slept so long that it
//! creates a deleted number looks again afterwards, finds higher numbers, and has lost.
//!
//! **When another process may take it.**
//! - At once, if the newest entry says that the lease was released.
//! - If the newest entry has not changed for [`Terms::ttl`], by the other process's own watch.
//! - If the other process has only just started, and the entry expired more than [`Terms::skew`] ago by both clocks.
//!
//! So processes that keep watching need clocks of the same pace, not of the same time. A process that has just started, and whose
//! clock is ahead by more than the allowed skew, may take a lease that is still held.
//!
//! **What is guaranteed.** A holder counts its time from before the put that renewed the lease, by a clock that cannot be set. It
//! stops work when that time is over, or when a renewal fails because another process came first. So two work at the same time only
//! if a clock is wrong by more than the allowed skew (until the next renewal), or if a process was halted between its check and its
//! action. A request on its way to the store cannot be called back, and a store does not check tokens. Even then nothing is
//! damaged, because every job is safe beside itself and every other, and each commit is a compare-and-swap. The lease saves work;
//! the tables do not depend on it.
//!
//! An entry that a power cut damaged does not hold longer than any other: its time counts from when the store says it was written.
//!
//! # Decisions
//! - 2026-11-22 **The lease is a chain of objects made by conditional put, a new one for each renewal.** A local folder
//!   knows no conditional update; and a renewal that overwrites could succeed after another took over. The number is the
//!   fencing token.
//! - 2026-11-22 **Who waits for the lease goes by its own watch, not by the holder's clock.** Only who has just come
//!   compares clocks, and allows for a minute.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::{Context, Error, Kind, Result};
use crate::lake::paths;
use crate::tiers::warehouse::Warehouse;

/// Entries kept below the newest, so that a process that listed the chain a moment ago can still read them.
const KEPT: u64 = 8;

/// How often the newest entry may be swept away between listing and reading it.
const LOOKS: usize = 10;

/// For how long a lease holds, and what clocks may differ by.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A lease that is not renewed is over after this.
    pub ttl: Duration,
    /// It is renewed this long after it was last.
    pub renew: Duration,
    /// A renewal that fails is tried again after this.
    pub retry: Duration,
    /// Two machines' clocks are taken to agree to within this.
    pub skew: Duration,
}

impl Default for Terms {
    /// A store that does not answer for half a minute costs no lease; a scheduler that died is followed after one or two.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { ttl: seconds(60), renew: seconds(20), retry: seconds(2), skew: seconds(60) }
    }
}

/// An entry of the chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// The number of the holder's first entry since it last took the lease: the fencing token.
    pub term: u64,
    /// Who holds the lease, for people.
    pub holder: String,
    /// A number nobody else uses, by which a holder knows its own entries.
    pub lease_id: String,
    /// When the entry was made.
    pub at: DateTime<Utc>,
    /// Until when the lease holds, by the holder's clock.
    pub until: DateTime<Utc>,
    /// Was the lease given back?
    pub released: bool,
}

/// The newest entry, as somebody found it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Newest {
    /// Its number.
    pub number: u64,
    /// The entry; none where it cannot be read.
    pub entry: Option<Entry>,
    /// Until when it holds.
    pub until: DateTime<Utc>,
}

impl Newest {
    /// Who holds the lease, unless it was given back.
    pub fn holder(&self) -> Option<&str> {
        match &self.entry {
            Some(entry) if entry.released => None,
            Some(entry) => Some(&entry.holder),
            None => Some("somebody whose entry cannot be read"),
        }
    }
}

/// The chain of entries of a warehouse's lease.
#[derive(Clone)]
struct Chain {
    store: Arc<dyn ObjectStore>,
    base: Path,
    clock: Arc<dyn Clock>,
    terms: Terms,
}

/// A process that competes for the lease and watches its holder.
pub struct Candidate {
    chain: Chain,
    holder: String,
    lease_id: String,
    /// The newest entry when it was first seen, and that moment.
    watched: Option<(u64, DateTime<Utc>)>,
}

/// The result of an attempt to take the lease.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Ours(Lease),
    /// Another holds it.
    Held(Newest),
}

/// The lease, held.
pub struct Lease {
    chain: Chain,
    entry: Entry,
    expires: Instant,
    /// A renewal of unknown outcome: its number, and when it will be over if it was made.
    trying: Option<(u64, Instant)>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} of {}", self.entry.number, self.entry.holder)
    }
}

/// Who holds the lease of a warehouse, if anybody ever did. Costs a listing and a request.
pub async fn newest(warehouse: &Warehouse, terms: Terms) -> Result<Option<Newest>> {
    Chain::of(warehouse, terms).newest().await
}

impl Candidate {
    /// A contender with this name, which is shown to people. Nothing is read or written.
    pub fn new(warehouse: &Warehouse, holder: &str, terms: Terms) -> Self {
        Self {
            chain: Chain::of(warehouse, terms),
            holder: holder.to_owned(),
            lease_id: Uuid::new_v4().simple().to_string(),
            watched: None,
        }
    }

    /// Takes the lease if it is free; else returns its holder. Call it again: a lease that has not changed for long enough is
    /// taken over.
    ///
    /// # Errors
    /// Unavailable when the store does not answer. An entry may have been made all the same: asking again takes it up.
    pub async fn take(&mut self) -> Result<Attempt> {
        let newest = self.chain.newest().await?;
        if let Some(newest) = &newest
            && !self.is_free(newest)
        {
            return Ok(Attempt::Held(newest.clone()));
        }
        let number = newest.map_or(1, |newest| newest.number + 1);
        let expires = sleep(self.chain.terms.ttl).deadline();
        let entry = self.chain.entry(number, number, &self.holder, &self.lease_id);
        match self.chain.claim(entry).await? {
            Some(entry) => Ok(Attempt::Ours(Lease { chain: self.chain.clone(), entry, expires, trying: None })),
            None => match self.chain.newest().await? {
                Some(newest) => Ok(Attempt::Held(newest)),
                None => Err(Error::unavailable("the lease was there and is gone: try again")),
            },
        }
    }

    fn is_free(&mut self, newest: &Newest) -> bool {
        let now = self.chain.clock.now();
        let since = match self.watched {
            Some((number, since)) if number == newest.number => since,
            _ => self.watched.insert((newest.number, now)).1,
        };
        let Terms { ttl, skew, .. } = self.chain.terms;
        let ours = newest.entry.as_ref().is_some_and(|entry| entry.lease_id == self.lease_id);
        ours || newest.holder().is_none() || now > newest.until + delta(skew) || now > since + delta(ttl)
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl Lease {
    /// The fencing token: greater than that of every spell of work before.
    pub fn term(&self) -> u64 {
        self.entry.term
    }

    /// Makes sure that the lease is still ours, and holds for the whole of its time from now.
    ///
    /// # Errors
    /// Conflict when another came first: stop work. Unavailable when the store does not answer: the lease holds as long as it
    /// did, and this may be tried again.
    pub async fn renew(&mut self) -> Result<()> {
        let number = self.entry.number + 1;
        let expires = match self.trying {
            Some((tried, expires)) if tried == number => expires,
            _ => self.trying.insert((number, sleep(self.chain.terms.ttl).deadline())).1,
        };
        let Entry { term, holder, lease_id, .. } = &self.entry;
        let Some(entry) = self.chain.claim(self.chain.entry(number, *term, holder, lease_id)).await? else {
            return Err(self.lost("another came first"));
        };
        (self.entry, self.expires, self.trying) = (entry, expires, None);
        self.chain.sweep(number).await;
        Ok(())
    }

    /// Renews the lease again and again; returns, with the reason, when it is lost.
    pub async fn keep(&mut self) -> Error {
        let Terms { ttl, renew, retry, .. } = self.chain.terms;
        loop {
            // Work must have stopped when the time is over, not begin to stop.
            let give_up = self.expires - retry;
            sleep_until(self.expires - (ttl - renew)).await;
            let renewing = async {
                loop {
                    match self.renew().await {
                        Err(error) if error.kind() != Kind::Conflict => sleep(retry).await,
                        done => break done,
                    }
                }
            };
            match timeout_at(give_up, renewing).await {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => return lost,
                Err(_elapsed) => return self.lost("the store did not answer in time"),
            }
        }
    }

    /// Gives the lease back, so that another need not wait for it to expire.
    ///
    /// # Errors
    /// When the store does not answer: the lease expires by itself.
    pub async fn release(self) -> Result<()> {
        let Entry { number, term, holder, lease_id, .. } = &self.entry;
        let mut entry = self.chain.entry(number + 1, *term, holder, lease_id);
        (entry.until, entry.released) = (entry.at, true);
        // Where another has it already there is nothing to give back.
        self.chain.claim(entry).await.map(drop)
    }

    fn lost(&self, why: &str) -> Error {
        Error::conflict(phrase!("the lease, term {}, is lost: {why}", self.entry.term))
    }
}

impl Chain {
    fn of(warehouse: &Warehouse, terms: Terms) -> Self {
        let root = warehouse.root();
        Self { store: root.store.clone(), base: root.base.clone(), clock: warehouse.clock().clone(), terms }
    }

    fn place(&self, below: &str) -> Path {
        Path::from_iter(self.base.parts().chain(Path::from(below).parts()))
    }

    fn entry(&self, number: u64, term: u64, holder: &str, lease_id: &str) -> Entry {
        let at = self.clock.now().trunc_subsecs(3);
        let (holder, lease_id) = (holder.to_owned(), lease_id.to_owned());
        Entry { number, term, holder, lease_id, at, until: at + delta(self.terms.ttl), released: false }
    }

    /// Makes an entry; gives back the one that stands, which an earlier try of the same spell may have made. None when the number
    /// is another's, or others are further already.
    async fn claim(&self, entry: Entry) -> Result<Option<Entry>> {
        let place = self.place(&paths::lease(entry.number));
        let text = serde_json::to_vec(&entry).map_err(|error| Error::internal(phrase!("an entry is no json: {error}")))?;
        let put = self.store.put_opts(&place, text.into(), PutOptions::from(PutMode::Create)).await;
        let stands = match put {
            Ok(_) => entry,
            Err(error) => match self.read(&place).await? {
                // The call failed, or it was made before; either way it landed.
                Some(Some(stands)) if stands.lease_id == entry.lease_id && stands.released == entry.released => stands,
                None => return Err(error).context(|| phrase!("cannot write {place}")),
                Some(_) => return Ok(None),
            },
        };
        // An old number may be free only because it was swept.
        let highest = self.numbers().await?.into_iter().map(|(number, _)| number).max();
        Ok((highest == Some(stands.number)).then_some(stands))
    }

    async fn newest(&self) -> Result<Option<Newest>> {
        for _ in 0..LOOKS {
            let Some((number, meta)) = self.numbers().await?.into_iter().max_by_key(|(number, _)| *number) else {
                return Ok(None);
            };
            let Some(entry) = self.read(&meta.location).await? else { continue };
            let until = entry.as_ref().map_or(meta.last_modified + delta(self.terms.ttl), |entry| entry.until);
            return Ok(Some(Newest { number, entry, until }));
        }
        Err(Error::unavailable("the lease changes faster than it can be read: try again"))
    }

    async fn numbers(&self) -> Result<Vec<(u64, ObjectMeta)>> {
        let folder = self.place(paths::LEASE);
        let listed: Vec<ObjectMeta> =
            self.store.list(Some(&folder)).try_collect().await.context(|| phrase!("cannot list {folder}"))?;
        let number = |meta: ObjectMeta| Some((paths::numbered(meta.location.filename()?)?, meta));
        Ok(listed.into_iter().filter_map(number).collect())
    }

    /// None where there is nothing; an entry that cannot be read is there all the same.
    async fn read(&self, place: &Path) -> Result<Option<Option<Entry>>> {
        let read = async { self.store.get(place).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).ok())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::from(error).context(phrase!("cannot read {place}"))),
        }
    }

    /// Deletes entries far below a number. What cannot be deleted now is deleted after a later renewal: the lease does not
    /// depend on it.
    async fn sweep(&self, number: u64) {
        let Ok(numbers) = self.numbers().await else { return };
        for (old, meta) in numbers {
            if old + KEPT < number && self.store.delete(&meta.location).await.is_err() {
                return;
            }
        }
    }
}

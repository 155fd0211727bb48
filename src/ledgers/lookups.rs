//! The log of look-ups: who asked for whose records, when, and why. An entry is written before the first row is shown.
//!
//! Each look-up is one object, `lookups/<number>.json`, created by a conditional put. Of two processes that try the same number,
//! one takes the next, so numbers have no gap. Each entry has the hash of the one before it, so none can be changed, removed or
//! exchanged without being noticed. Each is sealed with a key, so that nobody without the key can make a new chain. People stand in
//! it as hashes under the same key: whoever has an id and the key can search for it, and nobody can read ids from the log.
//!
//! **What it cannot show**: that entries were cut off at its end. To find that, note elsewhere the number and the hash that `ier
//! log` prints last; later runs can be compared with them.
//!
//! **Invariant**: an entry is never changed. No job deletes one.
//!
//! # Decisions
//! - 2026-11-22 **The log of look-ups is objects made by conditional put, not a Delta table.** An entry is one request and
//!   durable before the answer shows; nothing rewrites or compacts it.
//! - 2026-11-22 **Its end is found by asking for places, not by listing.** A new process needs some tens of small requests
//!   in two to four waves, while the history is computed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::human;
use crate::lake::log::marker::Markers;
use crate::lake::paths;
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// How often an entry may lose its number to another before it gives up: each time, another one was written.
const ATTEMPTS: usize = 200;
/// Places asked for at once when the newest entry is looked for.
const PROBES: u64 = 32;
/// Entries read at once.
const READS: usize = 32;
/// What to do about a key that has changed.
pub const KEY_REMEDY: &str = "restore it from a copy of the warehouse; or, if another key was used, name it in audit.key";
/// What makes a key of a text; another program's keys made of the same text are others.
const KEY_CONTEXT: &str = "ier 2026-11 key of the look-up log";

/// One look-up, as the caller describes it.
#[derive(Clone, Debug)]
pub struct LookUp<'a> {
    /// How: `history`, `audit`, the name of a SQL function.
    pub verb: &'a str,
    /// Whose.
    pub person: SfId,
    /// Why, as stated.
    pub reason: Option<&'a str>,
    /// Rows found.
    pub rows: u64,
}

/// An entry of the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// When, in UTC.
    pub at: DateTime<Utc>,
    /// Who, by their settings.
    pub who: String,
    /// How.
    pub verb: String,
    /// Whose: the keyed blake3 hash of the 18-character id, in hexadecimal.
    pub subject: String,
    /// Why, as stated.
    pub reason: Option<String>,
    /// Rows found.
    pub rows: u64,
    /// blake3 hash of the bytes of the entry before; empty for the first.
    pub previous: String,
    /// A number nobody else uses, by which a writer knows its own entry again.
    pub nonce: String,
    /// Tells under which key it was made, and nothing about the key.
    pub key_id: String,
    /// Keyed blake3 hash of the entry without it.
    pub seal: String,
}

impl Entry {
    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(phrase!("an entry cannot be written as json: {error}")))
    }
}

/// The key that hashes people and seals entries.
#[derive(Clone)]
struct Key([u8; 32]);

impl Key {
    /// 64 hexadecimal digits are the key itself; of any other text it is derived.
    fn of_text(text: &str) -> Self {
        let exact = blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes());
        Self(exact.unwrap_or_else(|_| blake3::derive_key(KEY_CONTEXT, text.as_bytes())))
    }

    fn hash(&self, bytes: &[u8]) -> String {
        blake3::keyed_hash(&self.0, bytes).to_hex().to_string()
    }

    fn id(&self) -> String {
        self.hash(b"which key")[..16].to_owned()
    }

    fn seal(&self, entry: &Entry) -> Result<String> {
        Ok(self.hash(&Entry { seal: String::new(), ..entry.clone() }.bytes()?))
    }
}

/// The newest entry known: number and hash of its bytes; 0 and nothing before the first.
#[derive(Clone, Debug, Default)]
struct Newest {
    sequence: u64,
    hash: String,
}

/// The log of a warehouse.
pub struct LookUpLog {
    store: Arc<dyn ObjectStore>,
    base: Path,
    clock: Arc<dyn Clock>,
    who: String,
    key: OnceCell<Key>,
    /// Do the settings name the key?
    key_is_set: bool,
    newest: Mutex<Newest>,
}

impl fmt::Debug for LookUpLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "look-ups below {}", self.base)
    }
}

impl LookUpLog {
    /// Opens the log; nothing is written. `who` and `key` are as the settings say; without a key the warehouse's own is
    /// used, which the first entry makes.
    ///
    /// Costs one request for the key, and beside it those that find the newest entry: see [`LookUpLog::newest_after`].
    ///
    /// # Errors
    /// Unavailable when the store does not answer, corrupt when the stored key is none.
    pub async fn open(warehouse: &Warehouse, who: &str, key: Option<&str>) -> Result<Self> {
        let log = Self {
            store: warehouse.root().store.clone(),
            base: warehouse.root().base.clone(),
            clock: warehouse.clock().clone(),
            who: who.to_owned(),
            key: OnceCell::new(),
            key_is_set: key.is_some(),
            newest: Mutex::default(),
        };
        let (stored, newest) = tokio::try_join!(
            async {
                match key {
                    Some(text) => Ok(Some(Key::of_text(text))),
                    None => log.own_key(&warehouse.root().markers).await,
                }
            },
            log.newest_after(0),
        )?;
        *log.newest.lock().await = newest;
        Ok(Self { key: stored.map_or_else(OnceCell::new, OnceCell::from), ..log })
    }

    /// The hash that represents a person in the log; none before the warehouse has a key.
    pub fn subject(&self, person: &SfId) -> Option<String> {
        self.key.get().map(|key| key.hash(person.as_str().as_bytes()))
    }

    /// What is wrong with the warehouse's own key, if its log was found to hold entries and none was made under it.
    pub fn key_wrong(&self, found: &LogReport) -> Option<&'static str> {
        let is_own = !self.key_is_set && self.key.get().is_some();
        (is_own && found.entries > 0 && found.entries == found.other_keys)
            .then_some("none of the look-ups was made under this key")
    }

    /// The object of the entry with this number.
    pub fn object(&self, sequence: u64) -> String {
        self.place(&paths::lookup(sequence)).to_string()
    }

    /// The object of the warehouse's own key.
    pub fn key_object(&self) -> String {
        self.place(paths::LOOKUP_KEY).to_string()
    }

    /// Writes an entry. When this returns it is durable.
    ///
    /// Costs one conditional put as long as nobody else writes; after losing the number to another, the requests that find
    /// the newest entry again.
    ///
    /// # Errors
    /// Unavailable when the store does not answer: the entry may be there all the same, and the look-up must not be shown.
    pub async fn append(&self, look_up: LookUp<'_>) -> Result<Entry> {
        let key = self.key.get_or_try_init(|| self.made_key()).await?;
        let nonce = Uuid::new_v4().simple().to_string();
        let mut newest = self.newest.lock().await;
        for _ in 0..ATTEMPTS {
            let mut entry = Entry {
                sequence: newest.sequence + 1,
                at: self.clock.now().trunc_subsecs(6),
                who: self.who.clone(),
                verb: look_up.verb.to_owned(),
                subject: key.hash(look_up.person.as_str().as_bytes()),
                reason: look_up.reason.map(str::to_owned),
                rows: look_up.rows,
                previous: newest.hash.clone(),
                nonce: nonce.clone(),
                key_id: key.id(),
                seal: String::new(),
            };
            entry.seal = key.seal(&entry)?;
            let bytes = Bytes::from(entry.bytes()?);
            let place = self.place(&paths::lookup(entry.sequence));
            if self.create(&place, bytes.clone()).await? {
                *newest = Newest { sequence: entry.sequence, hash: hash(&bytes) };
                return Ok(entry);
            }
            // Another took the number; or it was this entry, and only the answer got lost.
            let ours = self.get(&place).await?.is_some_and(|there| there == bytes);
            *newest = self.newest_after(entry.sequence).await?;
            if ours {
                return Ok(entry);
            }
        }
        Err(Error::conflict("others write to the log of look-ups all the time: try again"))
    }

    /// Is the log whole? See [`LookUpLog::read`].
    pub async fn verify(&self) -> Result<LogReport> {
        self.read(|_| ()).await
    }

    /// Reads and verifies all of the log, oldest first; `each` gets the entries that can be read, damaged or not. Costs a
    /// request an entry, many at once, and one for every thousand to list them.
    ///
    /// # Errors
    /// Unavailable when the store does not answer. Damage is no error here: the report tells the first.
    pub async fn read(&self, mut each: impl FnMut(Entry)) -> Result<LogReport> {
        let folder = self.place(paths::LOOKUPS);
        let listed = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await.context(|| phrase!("cannot list {folder}"))?;
        let mut numbers: Vec<u64> =
            listed.iter().filter_map(|object| object.location.filename().and_then(paths::lookup_sequence)).collect();
        numbers.sort_unstable();
        let mut report = LogReport::default();
        let mut before: Option<Bytes> = None;
        let mut reads = futures::stream::iter(numbers)
            .map(|number| async move { Ok::<_, Error>((number, self.get(&self.place(&paths::lookup(number))).await?)) })
            .buffered(READS);
        while let Some((number, bytes)) = reads.try_next().await? {
            let expected = report.newest + 1;
            // Listed and gone since: as missing as if it had not been listed.
            let Some(bytes) = bytes else { continue };
            if number != expected {
                report.damaged(expected, "is missing");
                before = None;
            }
            let entry = self.check(number, &bytes, before.as_ref(), &mut report);
            report.entries += 1;
            report.newest = number;
            report.newest_blake3 = hash(&bytes);
            before = Some(bytes);
            entry.into_iter().for_each(&mut each);
        }
        Ok(report)
    }

    /// Checks one entry; `before` is the one it follows, unless that is missing.
    fn check(&self, number: u64, bytes: &Bytes, before: Option<&Bytes>, report: &mut LogReport) -> Option<Entry> {
        let entry: Entry = match serde_json::from_slice(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                report.damaged(number, &format!("cannot be read: {error}"));
                return None;
            }
        };
        let key = self.key.get().filter(|key| key.id() == entry.key_id);
        report.other_keys += u64::from(key.is_none());
        let as_written = entry.bytes().is_ok_and(|written| *bytes == written);
        let sealed = key.is_none_or(|key| key.seal(&entry).is_ok_and(|seal| seal == entry.seal));
        let follows = match before {
            Some(before) => entry.previous == hash(before),
            None => number > 1 || entry.previous.is_empty(),
        };
        if entry.sequence != number {
            report.damaged(number, &format!("is another, number {}", entry.sequence));
        } else if !as_written || !sealed {
            report.damaged(number, "was altered");
        } else if !follows {
            report.damaged(number, "does not follow the one before it: one of the two was altered or replaced");
        }
        Some(entry)
    }

    /// The newest entry at or after a number known to be taken (0: none known).
    ///
    /// Places 1, 2, 4 … beyond it are asked for at once, then those between the last taken and the first free one, 32 at a
    /// time: two waves of requests for a log that grew by some tens, four for a hundred thousand, and one that reads the
    /// entry found. An entry removed from the middle may be taken for the end. What is then written there does not fit what
    /// follows it, so the damage shows as it did before.
    async fn newest_after(&self, known: u64) -> Result<Newest> {
        let mut taken = known;
        let mut free: Option<u64> = None;
        while free.is_none_or(|free| taken + 1 < free) {
            let places: Vec<u64> = match free {
                None => (0..PROBES).map(|power| taken + (1 << power)).collect(),
                Some(free) => {
                    let between = free - taken - 1;
                    let probes = between.min(PROBES);
                    (1..=probes).map(|probe| taken + probe * (between + 1) / (probes + 1)).collect()
                }
            };
            let asked = futures::future::try_join_all(places.iter().map(|&number| self.is_taken(number))).await?;
            let first_free = asked.iter().position(|taken| !taken);
            taken = places[..first_free.unwrap_or(places.len())].last().copied().unwrap_or(taken);
            free = first_free.map(|at| places[at]).or(free);
        }
        if taken == 0 {
            return Ok(Newest::default());
        }
        let place = self.place(&paths::lookup(taken));
        let bytes = self.get(&place).await?.ok_or_else(|| Error::corrupt(phrase!("{place} was there and is gone")))?;
        Ok(Newest { sequence: taken, hash: hash(&bytes) })
    }

    async fn is_taken(&self, number: u64) -> Result<bool> {
        let place = self.place(&paths::lookup(number));
        match self.store.head(&place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::from(error).context(phrase!("cannot look for {place}"))),
        }
    }

    /// The warehouse's own key, if it has one.
    async fn stored_key(&self) -> Result<Option<Key>> {
        let place = self.place(paths::LOOKUP_KEY);
        let Some(bytes) = self.get(&place).await? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
        // Capital letters would do, too, but are not what was written.
        let key = blake3::Hash::from_hex(text).ok().filter(|key| key.to_hex().as_str() == text);
        key.map(|key| Some(Key(*key.as_bytes()))).ok_or_else(|| Error::corrupt(phrase!("{place} is no key: restore it")))
    }

    /// The warehouse's own key, if it has one and it is the one it was: its id stands beside it, or, of a key made before
    /// that was so, what an upgrade of the warehouse noted.
    async fn own_key(&self, markers: &Markers) -> Result<Option<Key>> {
        let id_at = self.place(paths::LOOKUP_KEY_ID);
        let (key, id) = tokio::try_join!(self.stored_key(), self.get(&id_at))?;
        let is_right = match &id {
            Some(bytes) => {
                let id = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
                if *bytes != id_with_check(std::str::from_utf8(id).unwrap_or_default()) {
                    return Err(Error::corrupt(phrase!("{id_at} is damaged: restore it from a copy of the warehouse")));
                }
                key.as_ref().is_some_and(|key| key.id().as_bytes() == id)
            }
            None => markers.is_as_upgraded(paths::LOOKUP_KEY).await?,
        };
        match (is_right, &key) {
            (true, _) => Ok(key),
            (false, None) => Err(Error::corrupt(phrase!("{} is gone: {KEY_REMEDY}", self.key_object()))),
            (false, Some(_)) => Err(Error::corrupt(phrase!("{} is not the key it was: {KEY_REMEDY}", self.key_object()))),
        }
    }

    /// Makes the warehouse a key of its own, or takes the one another has just made.
    async fn made_key(&self) -> Result<Key> {
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let key = blake3::hash(&random);
        let place = self.place(paths::LOOKUP_KEY);
        if self.create(&place, Bytes::from(key.to_hex().to_string())).await? {
            let key = Key(*key.as_bytes());
            self.create(&self.place(paths::LOOKUP_KEY_ID), Bytes::from(id_with_check(&key.id()))).await?;
            return Ok(key);
        }
        self.stored_key().await?.ok_or_else(|| Error::unavailable(phrase!("{place} was there and is gone: try again")))
    }

    /// Creates an object; false when there is one already.
    async fn create(&self, place: &Path, bytes: Bytes) -> Result<bool> {
        match self.store.put_opts(place, bytes.into(), PutOptions::from(PutMode::Create)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => {
                Err(Error::from(error).context(phrase!("a look-up is entered in the log first, and {place} cannot be written")))
            }
        }
    }

    async fn get(&self, place: &Path) -> Result<Option<Bytes>> {
        let read = async { self.store.get(place).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::from(error).context(phrase!("cannot read {place}"))),
        }
    }

    fn place(&self, below: &str) -> Path {
        Path::from_iter(self.base.parts().chain(Path::from(below).parts()))
    }
}

/// The id of a key as it stands beside it: with the beginning of its own hash, so that it is known which of the two is damaged.
fn id_with_check(id: &str) -> String {
    format!("{id} {}", &hash(id.as_bytes())[..16])
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The result of checking the whole log.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct LogReport {
    /// Entries there are.
    pub entries: u64,
    /// The number of the newest; 0 in an empty log.
    pub newest: u64,
    /// The blake3 hash of its bytes. Noted elsewhere it proves later that nothing before it has changed.
    pub newest_blake3: String,
    /// Entries made under another key than this run has: their place in the chain was checked, their seal was not.
    pub other_keys: u64,
    /// The first that is not as it was written.
    pub damage: Option<Damage>,
}

/// An entry that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Damage {
    /// Its number.
    pub sequence: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "look-up {} {}", self.sequence, self.what)
    }
}

impl LogReport {
    fn damaged(&mut self, sequence: u64, what: &str) {
        self.damage.get_or_insert_with(|| Damage { sequence, what: what.to_owned() });
    }
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries == 0 {
            return f.write_str("no look-up was ever recorded here");
        }
        write!(f, "{}", human::counted(self.entries, "look-up"))?;
        if self.other_keys > 0 {
            write!(f, ", {} under another key: their seals were not checked", human::count(self.other_keys))?;
        }
        match &self.damage {
            Some(damage) => write!(f, "; DAMAGED: {damage}"),
            None => write!(f, "; none was altered or removed up to number {}, blake3 {}", self.newest, self.newest_blake3),
        }
    }
}

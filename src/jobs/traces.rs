//! Searches every object under the warehouse, decompressed, for texts that should be gone. Changes nothing.

use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Serialize;

use crate::error::{Context, Error, Kind, Result};
use crate::human;
use crate::lake::file::search::{Needle, search};
use crate::lake::parallel::at_most;
use crate::progress::{Progress, Unit};
use crate::tiers::warehouse::Warehouse;

/// Objects held in memory at once.
const OBJECTS: usize = 2;

/// The plan: the objects to search.
#[derive(Clone, Debug, Serialize)]
pub struct TracesPlan {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    needles: Vec<Needle>,
    #[serde(skip)]
    listed: Vec<ObjectMeta>,
}

/// The report: the objects in which something was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TracesReport {
    /// Objects searched.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What some of them hold.
    pub found: Vec<Trace>,
    /// Objects that could not be decoded: what they hold is not known.
    pub unreadable: Vec<String>,
}

/// An object that holds a text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Trace {
    /// The object.
    pub object: String,
    /// The text, as it was asked for.
    pub text: String,
    /// What of the object holds it.
    pub places: Vec<String>,
}

impl TracesReport {
    /// How many objects hold any of the texts.
    pub fn holding(&self) -> usize {
        let mut objects: Vec<&str> = self.found.iter().map(|trace| trace.object.as_str()).collect();
        objects.dedup();
        objects.len()
    }
}

impl fmt::Display for TracesPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "search {} ({})", human::counted(self.objects, "object"), human::bytes(self.bytes))
    }
}

impl fmt::Display for TracesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for trace in &self.found {
            writeln!(f, "FOUND {:?} in {}: {}", trace.text, trace.object, trace.places.join(", "))?;
        }
        for object in &self.unreadable {
            writeln!(f, "UNREADABLE {object}")?;
        }
        write!(f, "searched {} ({}): ", human::counted(self.objects, "object"), human::bytes(self.bytes))?;
        match self.holding() {
            0 => write!(f, "none holds any of it"),
            1 => write!(f, "1 holds some of it"),
            holding => write!(f, "{} hold some of it", human::count(holding as u64)),
        }
    }
}

/// Lists every object under the warehouse.
///
/// # Errors
/// Invalid for a text too short to look for.
pub async fn plan(warehouse: &Arc<Warehouse>, texts: &[String]) -> Result<TracesPlan> {
    let needles = texts.iter().map(|text| Needle::new(text)).collect::<Result<_>>()?;
    let root = warehouse.root();
    let listed = root.store.list(Some(&root.base)).try_collect::<Vec<_>>().await;
    let mut listed: Vec<ObjectMeta> = listed.context(|| phrase!("cannot list {}", warehouse.url()))?;
    listed.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(TracesPlan { objects: listed.len() as u64, bytes: listed.iter().map(|object| object.size).sum(), needles, listed })
}

/// Searches them.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: TracesPlan, progress: Arc<dyn Progress>) -> Result<TracesReport> {
    progress.say("searching");
    progress.count(Unit::Bytes, plan.bytes);
    let (store, needles) = (warehouse.root().store.clone(), Arc::new(plan.needles));
    let mut report = TracesReport { objects: plan.objects, bytes: plan.bytes, ..TracesReport::default() };
    let asked = needles.clone();
    let done = at_most(OBJECTS, plan.listed, move |object| {
        let (store, needles, progress) = (store.clone(), asked.clone(), progress.clone());
        async move {
            let place = object.location.to_string();
            let bytes = match async { store.get(&object.location).await?.bytes().await }.await {
                Ok(bytes) => bytes,
                // Deleted since it was listed: it holds nothing any more.
                Err(object_store::Error::NotFound { .. }) => return Ok((place, Ok(Default::default()))),
                Err(error) => return Err(Error::from(error).context(phrase!("cannot read {place}"))),
            };
            let found = tokio::task::spawn_blocking(move || search(&bytes, &needles)).await?;
            progress.advance(object.size);
            match found {
                Err(error) if [Kind::Corrupt, Kind::Internal].contains(&error.kind()) => Ok((place, Err(error))),
                found => Ok((place, Ok(found?))),
            }
        }
    });
    for (object, found) in done.await? {
        match found {
            Err(error) => report.unreadable.push(format!("{object}: {error}")),
            Ok(found) => report.found.extend(needles.iter().enumerate().filter_map(|(at, needle)| {
                let places: Vec<String> = found.iter().filter(|(of, _)| *of == at).map(|(_, place)| place.clone()).collect();
                (!places.is_empty()).then(|| Trace { object: object.clone(), text: needle.text.clone(), places })
            })),
        }
    }
    report.found.sort_by(|a, b| (&a.object, &a.text).cmp(&(&b.object, &b.text)));
    report.unreadable.sort();
    Ok(report)
}

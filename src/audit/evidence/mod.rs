//! The evidence pack: an answer that stands up later, before people who do not trust it.
//!
//! A pack is the answer of an audit as a page for people and as JSON, the rows it rests on, and a manifest that says where
//! each of these rows stood (table version, file, hash of the file, row in it) and what every file of the pack hashes to.
//! [`verify`] finds any byte changed since, and holds the rows against the archive.
//!
//! **Invariants**. All of a pack comes from one version of every table. Two packs of the same question at the same versions
//! are the same bytes but for the time and the asker, which stand in the manifest and on the page only.

// The versions of all tables an answer is made of.
mod held;

// What a pack says of itself: the question, where each row stood, and what every file of the pack hashes to.
mod manifest;

// The answer as a page for people: one file without scripts or outside references, to be read, printed and filed.
mod page;

// What is found in a pack.
mod report;

// The rows an answer rests on, read again from the tables, each with the place where it stands.
mod rows;

// What was recorded about a mail, as a picture: moments on a line of time, in proportion.
pub mod timeline;

// Files in one zip, always the same bytes for the same files.
mod zip;

// A pack: made in memory, written whole or not at all, as a folder or a zip, and opened again.
pub mod pack;

// Is a pack what was once written?
pub mod verify;

// A pack held against the archive: do the records still stand where it says, and say what it says?
mod against;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::held::Held;
use self::manifest::{AliasUsed, Person};
pub use self::pack::Pack;
use super::{Audit, Question, answered};
use crate::error::{Error, Result};
use crate::lake::log::commit::ATTEMPTS;
use crate::query::engine::Engine;
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// How often others may write while an answer is made before it is given up: as often as a job lets others come first.
const TRIES: usize = ATTEMPTS;

/// What is asked, about whom, and by whom.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The person, as the asker named them.
    pub who: String,
    /// The question.
    pub question: Question,
    /// Who asks.
    pub asked_by: String,
}

/// Answers a question, packs what the answer rests on, as of `made_at`, which is told and decides nothing, and enters the look-up in
/// its log.
///
/// All answers come from one version of each table: the versions are noted before the first statement and looked at again
/// after the last row, and where one has moved between, everything is read again.
///
/// # Errors
/// As [`super::audit`]'s; unavailable when tables change all the time; internal when the rows read for the pack are not those the
/// statements told of.
pub async fn pack(
    warehouse: &Arc<Warehouse>,
    engine: &Engine,
    inquiry: &Inquiry,
    made_at: DateTime<Utc>,
) -> Result<(Audit, Pack)> {
    let (answer, pack) = packed(warehouse, engine, inquiry, made_at).await?;
    engine.looked_up("audit", &SfId::of_person(&answer.person)?, answer.sends.len() as u64).await?;
    Ok((answer, pack))
}

/// [`pack`] for who enters the look-up otherwise.
async fn packed(warehouse: &Arc<Warehouse>, engine: &Engine, inquiry: &Inquiry, made_at: DateTime<Utc>) -> Result<(Audit, Pack)> {
    for _ in 0..TRIES {
        let held = Held::now(warehouse, engine).await?;
        let person = engine.person(&inquiry.who).await?;
        let mut answer = answered(engine, &person, inquiry.question.clone()).await?;
        answer.asked_at = made_at;
        let rows = rows::behind(&held, &answer).await;
        if !held.is_newest().await? {
            continue;
        }
        let person = Person {
            asked: inquiry.who.trim().to_owned(),
            id: answer.person.clone(),
            ids: answer.person_ids.clone(),
            aliases: answer.aliases.iter().map(AliasUsed::of).collect(),
        };
        let pack = pack::build(&answer, person, &held, rows?, &inquiry.asked_by, made_at)?;
        return Ok((answer, pack));
    }
    Err(Error::unavailable("the tables are written to faster than evidence can be gathered: try again"))
}

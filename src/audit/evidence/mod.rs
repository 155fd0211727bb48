//! The evidence pack: an audit's answer that can be checked years later, also by people who do not trust whoever made it.
//!
//! A pack contains the answer as a page for people and as JSON, the rows on which it is based, and a manifest. The manifest names
//! for each row the table's version, the file, the file's hash and the row's number in it; and it has the hash of every file of the
//! pack. [`verify`] finds every byte that was changed since, and compares the rows with the archive.
//!
//! **Invariants**. All of a pack comes from one version of every table. Two packs of the same question at the same versions have
//! the same bytes, except for the time and the asker, which stand in the manifest and on the page only.

// The pinned version of each table that an answer was made from.
mod pinned;

// The manifest of a pack: the question, where each row stands, and the hash of each file of the pack.
mod manifest;

// The answer as a page for people: one HTML file without scripts or outside references.
mod page;

// What the check of a pack finds: its problems, and the files it read.
mod report;

// Reads the rows on which an answer is based, each with its file and its number in it.
mod rows;

// Draws what was recorded about an e-mail on a time line, as SVG.
pub mod timeline;

// Writes and reads a zip that always has the same bytes for the same files.
mod zip;

// Makes a pack in memory, writes it as a folder or a zip, whole or not at all, and opens it again.
pub mod pack;

// Checks that a pack is as it was written.
pub mod verify;

// Compares a pack with today's archive: do the records still stand where it says, with the same values?
mod archive_check;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::manifest::{AliasUsed, Person};
pub use self::pack::Pack;
use self::pinned::PinnedVersions;
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

/// Answers a question, packs what the answer rests on, as of `made_at`, which is shown and decides nothing, and enters the look-up in
/// its log.
///
/// All answers come from one version of each table: the versions are noted before the first statement and looked at again
/// after the last row, and where one has moved between, everything is read again.
///
/// # Errors
/// As [`super::audit`]'s; unavailable when tables change all the time; internal when the rows read for the pack are not those the
/// statements returned.
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
        let pinned = PinnedVersions::now(warehouse, engine).await?;
        let person = engine.person(&inquiry.who).await?;
        let mut answer = answered(engine, &person, inquiry.question.clone()).await?;
        answer.asked_at = made_at;
        let rows = rows::behind(&pinned, &answer).await;
        if !pinned.is_newest().await? {
            continue;
        }
        let person = Person {
            asked: inquiry.who.trim().to_owned(),
            id: answer.person.clone(),
            ids: answer.person_ids.clone(),
            aliases: answer.aliases.iter().map(AliasUsed::of).collect(),
        };
        let pack = pack::build(&answer, person, &pinned, rows?, &inquiry.asked_by, made_at)?;
        return Ok((answer, pack));
    }
    Err(Error::unavailable("the tables are written to faster than evidence can be gathered: try again"))
}

//! `ier alias add`: a person declares that two ids belong to one person, and why.
//!
//! Loads learn the aliases that Salesforce shows; this is for those it no longer shows, or never did. An alias cannot be taken
//! back.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::record::id::SfId;
use crate::record::identity::{AliasSource, Edge};
use crate::tiers::aliases::{self, Aliases};
use crate::tiers::suppressed::{self, Subject};
use crate::tiers::warehouse::Warehouse;

/// The request of a user.
#[derive(Clone, Debug)]
pub struct AliasRequest {
    /// The id that was given up.
    pub alias_id: String,
    /// The id it became.
    pub person_id: String,
    /// Why they are one person.
    pub reason: String,
    /// Who says so.
    pub author: String,
}

/// The result of the request.
#[derive(Clone, Debug, Serialize)]
pub struct AliasReport {
    /// The id that was given up.
    pub alias_id: String,
    /// The id it became.
    pub person_id: String,
    /// When that was learned.
    pub learned_at: DateTime<Utc>,
    /// Why they are one person.
    pub reason: Option<String>,
    /// Who said so.
    pub author: Option<String>,
    /// Is it new? Otherwise the ledger holds what was said first, and nothing was changed.
    pub added: bool,
    /// The id by which the person is counted now.
    pub canonical_id: String,
    /// All ids of the person now.
    pub ids: Vec<String>,
}

impl fmt::Display for AliasReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nobody = || "somebody".to_owned();
        let (author, reason) = (self.author.clone().unwrap_or_else(nobody), self.reason.clone().unwrap_or_default());
        if self.added {
            write!(f, "{} became {}: {reason} ({author})", self.alias_id, self.person_id)?;
        } else {
            write!(f, "known already, nothing changed: {} became {}, ", self.alias_id, self.person_id)?;
            write!(f, "says {author} since {}: {reason}", human::moment(self.learned_at))?;
        }
        write!(f, "\none person, {}, with {} ids: {}", self.canonical_id, self.ids.len(), self.ids.join(", "))
    }
}

/// A request that was checked and can be carried out.
struct Checked {
    alias: SfId,
    person: SfId,
    reason: String,
    ledger: Aliases,
}

/// Looks whether an alias can be added, and adds none.
///
/// # Errors
/// Those of [`add`], but for the conflicts.
pub async fn check(warehouse: &Arc<Warehouse>, request: &AliasRequest) -> Result<()> {
    checked(warehouse, request).await.map(drop)
}

async fn checked(warehouse: &Arc<Warehouse>, request: &AliasRequest) -> Result<Checked> {
    let (alias, person) = (SfId::of_person(&request.alias_id)?, SfId::of_person(&request.person_id)?);
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(Error::invalid("an alias needs a reason: say with --reason why the two are one person"));
    }
    if alias == person {
        return Err(Error::invalid(phrase!("{alias} is given twice: an alias is between two ids")));
    }
    let erased = suppressed::list(warehouse).await?;
    if let Some(gone) = [&alias, &person].into_iter().find(|id| erased.find(Subject::Person(id)).is_some()) {
        return Err(Error::invalid(phrase!("{gone} was erased on request: nothing about it is kept")));
    }
    let ledger = Aliases::open(warehouse).await?;
    let identities = ledger.identities().await?;
    let back = identities.alias_path(&person, &alias);
    if !back.is_empty() {
        let described = |edge: &&Edge| {
            format!("{} became {} ({}, learned {})", edge.alias, edge.person, edge.how.name(), human::moment(edge.learned_at))
        };
        let steps: Vec<String> = back.iter().map(described).collect();
        return Err(Error::invalid(phrase!(
            "{alias} cannot become {person}, it is the other way round: {}; the two are one person already",
            steps.join(", ")
        )));
    }
    Ok(Checked { alias, person, reason: reason.to_owned(), ledger })
}

/// Adds an alias to the ledger.
///
/// # Errors
/// Invalid for what is no person's id, an id and itself, no reason, an id that was erased, and where the second id is known to
/// have become the first: that would close a loop.
pub async fn add(warehouse: &Arc<Warehouse>, request: &AliasRequest) -> Result<AliasReport> {
    let Checked { alias, person, reason, ledger } = checked(warehouse, request).await?;
    let edge = Edge {
        learned_at: warehouse.clock().now(),
        alias,
        person,
        how: AliasSource::Hand,
        reason: Some(reason.as_str().into()),
        author: Some(request.author.as_str().into()),
    };
    let added = aliases::record(warehouse, &[edge]).await? > 0;
    let identities = ledger.identities().await?;
    let edge =
        identities.find(&alias, &person, AliasSource::Hand).ok_or_else(|| Error::internal("the ledger lacks what was added"))?;
    Ok(AliasReport {
        alias_id: alias.to_string(),
        person_id: person.to_string(),
        learned_at: edge.learned_at.trunc_subsecs(0),
        reason: edge.reason.as_deref().map(str::to_owned),
        author: edge.author.as_deref().map(str::to_owned),
        added,
        canonical_id: identities.canonical(alias.as_str()).to_owned(),
        ids: identities.ids_of(alias.as_str()).into_iter().map(str::to_owned).collect(),
    })
}

//! A person who was asked for, and all ids known for them.

use std::sync::Arc;

use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::session_state::SessionState;

use super::planner::provider::PinnedBefore;
use crate::error::Result;
use crate::record::id::SfId;
use crate::record::identity::{Edge, Identities};
use crate::tiers::links;
use crate::tiers::pin::Pinned;

/// Which ids are one person, and the IERs, both as of the moment of the look-up.
#[derive(Clone, Debug)]
pub(super) struct People {
    pub identities: Arc<Identities>,
    pub pinned: Pinned,
}

impl People {
    /// Lets a statement answer from the IERs of that moment.
    pub(super) fn pin(&self, state: &mut SessionState) -> Result<()> {
        let before = PinnedBefore { table: links::ier_table()?.name.clone(), pinned: self.pinned.clone() };
        state.config_mut().set_extension(Arc::new(before));
        Ok(())
    }
}

/// A person who was asked for, with all their ids known at that moment.
#[derive(Clone, Debug)]
pub struct Person {
    pub(super) id: SfId,
    pub(super) ids: Vec<SfId>,
    pub(super) people: People,
}

impl Person {
    /// The id that was asked for, or the canonical id of a person asked for by address.
    pub fn id(&self) -> &SfId {
        &self.id
    }

    /// The id by which they are counted.
    pub fn canonical_id(&self) -> &str {
        self.identities().canonical(self.id.as_str())
    }

    /// All their ids, ascending.
    pub fn ids(&self) -> &[SfId] {
        &self.ids
    }

    /// All their ids but the one asked by.
    pub fn other_ids(&self) -> impl Iterator<Item = &SfId> {
        self.ids.iter().filter(|id| **id != self.id)
    }

    /// Which of the ids became which, how, and when that was learned.
    pub fn edges(&self) -> &[Edge] {
        self.identities().edges_of(self.id.as_str())
    }

    /// Who is one person, as was known when this one was asked for.
    pub fn identities(&self) -> &Arc<Identities> {
        &self.people.identities
    }

    /// A statement about them: `$ids` in it are all their ids, each a parameter, because a list is no value that can be bound.
    pub(super) fn statement(&self, sql: &str) -> (String, ParamValues) {
        let places: Vec<String> = (1..=self.ids.len()).map(|place| format!("${place}")).collect();
        // A statement's head comment names its parameters too.
        let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
        let values: Vec<ScalarValue> = self.ids.iter().map(|id| ScalarValue::Utf8View(Some(id.to_string()))).collect();
        (sql.join("\n").replace("$ids", &places.join(", ")), ParamValues::from(values))
    }

    /// The same, with the IERs of that moment.
    pub(super) fn people(&self) -> &People {
        &self.people
    }
}

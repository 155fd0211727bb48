//! Which sends are those of some business units: by the unit a send names, else by the name that was saved on it.

use std::collections::HashSet;
use std::sync::Arc;

use super::columns::Of;

/// The SQL of all sends and their units; see the file's head.
pub(in crate::query) const SENDS: &str = include_str!("../../../sql/sends_of_units.sql");

/// What is of some units. A unit that is not known has nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::query) struct Units {
    sends: Arc<HashSet<String>>,
    triggered: Arc<HashSet<String>>,
    jobs: Arc<HashSet<String>>,
    units: Arc<HashSet<String>>,
}

/// One row of [`SENDS`].
#[derive(Clone, Copy, Debug)]
pub(in crate::query) struct Row<'a> {
    /// `send`, `triggered`, `job` or `unit`.
    pub kind: &'a str,
    /// The id, or the job's number.
    pub id: &'a str,
    /// What its unit is called: id, name, MID.
    pub names: [Option<&'a str>; 3],
}

impl Units {
    /// Those of the rows that are of the units of these names.
    pub(in crate::query) fn of_rows<'a>(rows: impl Iterator<Item = Row<'a>>, names: &[String]) -> Self {
        let mut found: [HashSet<String>; 4] = Default::default();
        let kinds = ["send", "triggered", "job", "unit"];
        for row in rows.filter(|row| row.names.iter().flatten().any(|name| names.iter().any(|known| known == name))) {
            if let Some(at) = kinds.iter().position(|kind| *kind == row.kind) {
                found[at].insert(row.id.to_owned());
            }
        }
        let [sends, triggered, jobs, units] = found.map(Arc::new);
        Self { sends, triggered, jobs, units }
    }

    pub(super) fn of(&self, of: Of) -> &Arc<HashSet<String>> {
        match of {
            Of::Send => &self.sends,
            Of::Triggered => &self.triggered,
            Of::Job => &self.jobs,
            Of::Unit => &self.units,
        }
    }
}

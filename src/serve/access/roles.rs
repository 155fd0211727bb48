//! What each role is for: the one table of rights.
//!
//! Roles do not include each other, and whatever is not in the table is refused.

use serde::{Deserialize, Serialize};

use crate::query::policy::masks::Masks;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// Ask any statement.
    Sql,
    /// Look at a person: their history, an audit, a pack of evidence.
    People,
    /// See files, jobs and failures.
    Operations,
    /// See who looked at whom.
    LookUps,
}

/// What somebody is there for; it says what they may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Whoever started the server, and can read every file of it anyway. No list of users has one.
    #[serde(skip)]
    Owner,
    /// Asks about many, and sees nobody's name or address.
    Analyst,
    /// Looks at one person at a time, and says why.
    Auditor,
    /// Keeps the warehouse running, and sees no records.
    Operator,
    /// Answers for people's data: sees it, and who looked at it.
    PrivacyOfficer,
}

/// What a role is for.
struct Grant {
    rights: &'static [Right],
    /// Names and addresses are shown as they are, in any statement.
    is_raw: bool,
    /// Nobody is looked up without a reason.
    gives_reasons: bool,
}

/// All roles that a list of users knows, as people write them.
pub const ROLES: [(&str, Role); 4] = [
    ("analyst", Role::Analyst),
    ("auditor", Role::Auditor),
    ("operator", Role::Operator),
    ("privacy-officer", Role::PrivacyOfficer),
];

impl Role {
    /// The table.
    const fn grant(self) -> Grant {
        use Right::{LookUps, Operations, People, Sql};
        match self {
            Self::Owner => Grant { rights: &[Sql, People, Operations, LookUps], is_raw: true, gives_reasons: false },
            Self::Analyst => Grant { rights: &[Sql], is_raw: false, gives_reasons: false },
            Self::Auditor => Grant { rights: &[Sql, People], is_raw: false, gives_reasons: true },
            Self::Operator => Grant { rights: &[Operations], is_raw: false, gives_reasons: false },
            Self::PrivacyOfficer => Grant { rights: &[Sql, People, LookUps], is_raw: true, gives_reasons: true },
        }
    }

    /// Whether this is among what the role is for.
    pub fn may(self, right: Right) -> bool {
        self.grant().rights.contains(&right)
    }

    /// Does it see names and addresses as they are, in any statement?
    pub fn is_raw(self) -> bool {
        self.grant().is_raw
    }

    /// Must it say why it looks somebody up?
    pub fn gives_reasons(self) -> bool {
        self.grant().gives_reasons
    }

    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("owner", |(name, _)| name)
    }
}

/// Somebody who came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Who {
    /// As whom they signed in: what the log of look-ups says.
    pub name: String,
    /// What they are there for.
    pub role: Role,
    /// The business units whose sends they see, by name, id or MID; empty for all.
    pub units: Vec<String>,
    /// How columns are masked for them, where that is not as usual.
    pub masks: Masks,
    /// By which token they came in; `None` for a password.
    pub token: Option<String>,
}

impl Who {
    /// Somebody for whom nothing is out of the usual.
    pub fn of(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, units: Vec::new(), masks: Masks::default(), token: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_of_the_table_of_roles_is_as_it_was_decided() {
        use Right::{LookUps, Operations, People, Sql};
        let rights = [Sql, People, Operations, LookUps];
        for (role, may, is_raw, gives_reasons) in [
            (Role::Owner, [true, true, true, true], true, false),
            (Role::Analyst, [true, false, false, false], false, false),
            (Role::Auditor, [true, true, false, false], false, true),
            (Role::Operator, [false, false, true, false], false, false),
            (Role::PrivacyOfficer, [true, true, false, true], true, true),
        ] {
            assert_eq!(rights.map(|right| role.may(right)), may, "{role:?}");
            assert_eq!((role.is_raw(), role.gives_reasons()), (is_raw, gives_reasons), "{role:?}");
        }
        assert!(ROLES.iter().all(|(name, role)| role.name() == *name && *role != Role::Owner));
    }
}

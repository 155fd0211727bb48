//! Decides how an e-mail arrived, as far as its record shows: one rule for audits, questions and statements.
//!
//! Audits call [`outcome`] with what they have read. SQL calls it as `mail_outcome(…)`, for which `outcome(i)` of `sql/macros.sql`
//! is short. The measure `delivered(i)` is something else: the vendor's formula, which subtracts every bounce, so that rates can be
//! compared with those of Marketing Cloud.

use serde::Serialize;

/// How a mail arrived, as far as is recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No bounce was recorded, or something only a delivered mail allows was recorded after it.
    Delivered,
    /// The address does not exist, or refuses for good.
    BouncedHard,
    /// Refused for a time, and nothing later tells of a delivery.
    BouncedSoft,
    /// A bounce of no recorded kind, or of both.
    Bounced,
}

impl Outcome {
    /// As JSON and SQL name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::BouncedHard => "bounced_hard",
            Self::BouncedSoft => "bounced_soft",
            Self::Bounced => "bounced",
        }
    }
}

/// A moment, in microseconds since 1970; none where it was not recorded.
pub type MaybeMicros = Option<i64>;

/// The marks of a record from which its outcome follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// Is it marked as refused for good?
    pub hard_bounce: bool,
    /// Is it marked as refused for a time?
    pub soft_bounce: bool,
    /// When it bounced.
    pub bounced_at: MaybeMicros,
    /// Whether it was opened, clicked, and unsubscribed by, and when.
    pub used: [Option<MaybeMicros>; 3],
}

/// Decides how an e-mail arrived from the marks of its record.
///
/// A person who opens, clicks or unsubscribes has received the mail, so an earlier soft bounce was overcome. A hard bounce is
/// believed nevertheless, because machines open mails, too.
pub fn outcome(marks: &Marks) -> Outcome {
    let is_later = |at: &MaybeMicros| match (marks.bounced_at, at) {
        (Some(bounced), Some(at)) => *at >= bounced,
        _ => true,
    };
    match (marks.hard_bounce, marks.soft_bounce) {
        (false, false) if marks.bounced_at.is_none() => Outcome::Delivered,
        (true, false) => Outcome::BouncedHard,
        (false, true) if marks.used.iter().flatten().any(is_later) => Outcome::Delivered,
        (false, true) => Outcome::BouncedSoft,
        _ => Outcome::Bounced,
    }
}

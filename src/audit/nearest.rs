//! Suggests sends with a similar name when no send has the words that were asked for. A suggestion is not a verdict: the user can
//! ask again with the right name.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::facts::{self, Send};
use crate::error::Result;
use crate::query::engine::Engine;
use crate::record::text_match::{Words, plain};

/// How many are named.
const NAMED: usize = 5;

/// A name is named when it is so like what was asked for: two of three words, or all of them nearly.
const ALIKE: f64 = 0.6;

/// A send whose name is like what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimilarSend {
    /// The e-mail's name, or else its subject.
    pub name: String,
    /// When it was sent.
    pub date_sent: Option<DateTime<Utc>>,
}

/// Where no send known here has these words in its name, subject or sender: those that are like it.
pub async fn where_none_has(engine: &Engine, text: &str) -> Result<Option<Vec<SimilarSend>>> {
    let (words, sends) = (Words::of(text), facts::sends(engine, None, None).await?);
    let has = |send: &Send| {
        let names = [&send.email_name, &send.subject, &send.from_name];
        names.into_iter().flatten().any(|name| words.occur_in(&plain(name)))
    };
    Ok((!sends.iter().any(has)).then(|| nearest(text, sends.into_iter())))
}

/// Those of these sends whose name, subject or sender is most like a text, the likest first, then the newest.
pub fn nearest(text: &str, sends: impl Iterator<Item = Send>) -> Vec<SimilarSend> {
    let words = Words::of(text);
    let mut alike: Vec<(f64, SimilarSend)> = Vec::new();
    for send in sends {
        let names = [&send.email_name, &send.subject, &send.from_name];
        let likeness = names.into_iter().flatten().map(|name| words.likeness(&plain(name))).fold(0.0, f64::max);
        let Some(name) = send.email_name.or(send.subject).filter(|_| likeness >= ALIKE) else { continue };
        alike.push((likeness, SimilarSend { name, date_sent: send.date_sent }));
    }
    alike.sort_by(|(a, near), (b, other)| b.total_cmp(a).then_with(|| other.date_sent.cmp(&near.date_sent)));
    let mut named: Vec<SimilarSend> = Vec::with_capacity(NAMED);
    for (_, near) in alike {
        if named.len() < NAMED && !named.iter().any(|known| known.name == near.name && known.date_sent == near.date_sent) {
            named.push(near);
        }
    }
    named
}

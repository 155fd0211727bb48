//! What several pages have: why somebody looks, and what was loaded.

use chrono_tz::Tz;
use maud::{Markup, html};

use super::words::moment;
use crate::audit::wording::CAVEAT;
use crate::human::counted;
use crate::ledgers::coverage::IerCoverage;
use crate::serve::access::Who;
use crate::serve::http::app::App;

/// Why somebody looks. It comes first.
pub(super) fn reason(app: &App, who: &Who, given: &str) -> Markup {
    let is_wanted = app.engine(who, None).wants_reason();
    html! {
        label for="reason" { "Reason" @if !is_wanted { span.small { " (optional)" } } }
        input id="reason" name="reason" value=(given) placeholder="ticket 4711" required[is_wanted] autocomplete="off"
            aria-describedby="logged";
        p.small id="logged" { "This look-up is logged: who looked, whom they looked up, when, and this reason." }
    }
}

/// What was loaded, from when to when: nothing else can be found here.
pub(super) fn coverage(loaded: Option<&IerCoverage>, zone: Tz) -> Markup {
    html! {
        p.note role="note" {
            @match loaded {
                Some(IerCoverage { files, first_sent: Some(first), last_sent: Some(last), .. }) => {
                    "What was loaded here comes from " (counted(*files, "file")) ", sent " (moment(Some(*first), zone)) " to " (moment(Some(*last), zone))
                    ". What was sent before, after, or without tracking is not here: no record is no proof that nothing was sent."
                }
                _ => "No mails were ever loaded here: no record is no proof that nothing was sent.",
            }
            " " (CAVEAT)
        }
    }
}

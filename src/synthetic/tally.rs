//! The totals that Marketing Cloud counts for a send, and for its links.

use super::ier::last_clicked;
use super::lifecycle::Lifecycle;
use super::sends::Send;

/// Totals of one link of a send.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkTally {
    /// Clicks.
    pub total: i64,
    /// People who clicked it.
    pub people: i64,
    /// The last click.
    pub last: Option<i64>,
}

/// Totals of one send, over everybody it was sent to, whether their IERs arrived or not.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Recipients.
    pub sent: i64,
    /// When the last of them was served.
    pub last_served: Option<i64>,
    /// People who unsubscribed.
    pub unsubscribed: i64,
    /// Hard bounces.
    pub hard: i64,
    /// Soft bounces.
    pub soft: i64,
    /// Opens.
    pub opens: i64,
    /// People who opened.
    pub openers: i64,
    /// Clicks.
    pub clicks: i64,
    /// People who clicked.
    pub clickers: i64,
    /// By link, in the send's order.
    pub links: Vec<LinkTally>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(send: &Send) -> Self {
        Self { links: vec![LinkTally::default(); send.links().len()], ..Self::default() }
    }

    /// Counts one recipient. People open again: every second opener once more.
    pub fn count(&mut self, lifecycle: &Lifecycle, person: u32) {
        self.sent += 1;
        self.last_served = self.last_served.max(Some(lifecycle.sent));
        self.unsubscribed += i64::from(lifecycle.unsubscribed.is_some());
        self.hard += i64::from(lifecycle.hard);
        self.soft += i64::from(lifecycle.soft);
        if lifecycle.opened.or(lifecycle.late).is_some() {
            self.openers += 1;
            self.opens += 1 + i64::from(person % 2);
        }
        self.clickers += i64::from(!lifecycle.clicks().is_empty());
        for click in lifecycle.clicks() {
            self.clicks += i64::from(click.times);
            let link = &mut self.links[click.link];
            link.total += i64::from(click.times);
            link.people += 1;
            link.last = link.last.max(Some(last_clicked(*click)));
        }
    }

    /// Adds another month of the same triggered send.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.last_served = self.last_served.max(other.last_served);
        self.unsubscribed += other.unsubscribed;
        self.hard += other.hard;
        self.soft += other.soft;
        self.opens += other.opens;
        self.openers += other.openers;
        self.clicks += other.clicks;
        self.clickers += other.clickers;
        for (link, more) in self.links.iter_mut().zip(&other.links) {
            link.total += more.total;
            link.people += more.people;
            link.last = link.last.max(more.last);
        }
    }

    /// The value of a counter column; `None` where the column is no counter.
    pub fn counter(&self, column: &str) -> Option<i64> {
        Some(match column {
            "number_sent" => self.sent,
            "number_unsubscribed" => self.unsubscribed,
            "number_of_hard_bounces" => self.hard,
            "number_of_soft_bounces" => self.soft,
            "number_of_total_opens" => self.opens,
            "number_of_unique_opens" => self.openers,
            "number_of_total_clicks" => self.clicks,
            "number_of_unique_clicks" => self.clickers,
            "number_of_existing_undeliverables" | "number_of_existing_unsubscribes" => self.sent / 400,
            "number_of_subscribers_forwarding_email" => 0,
            _ => return None,
        })
    }
}

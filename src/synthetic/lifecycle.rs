//! What one person does with one e-mail (opens, clicks, unsubscribes), and the versions of the IER that follow from it.

use super::calendar::{DAY, HOUR, MINUTE, SECOND, synced};
use super::dice::{Dice, On};
use super::sends::{Plan, Send};

/// Openers who click.
const CLICK: f64 = 0.2;
/// E-mails to a dead address that are reported as hard bounces.
const HARD: f64 = 2.0 / 3.0;
/// Unopened e-mails that bounce softly.
const SOFT: f64 = 0.01;
/// E-mails that make the recipient unsubscribe; all of them were opened, so the chance for an opener is greater.
const UNSUBSCRIBE: f64 = 0.001 / 0.35;
/// Bounces marked both hard and soft.
const BOTH_BOUNCES: f64 = 0.03;
/// Clickers whose images were blocked, so that no open was seen.
const UNSEEN_OPEN: f64 = 0.02;
/// Unopened e-mails that are opened after weeks or months.
const LATE_OPEN: f64 = 0.003;
/// Most versions an IER has: sent, opened, three clicks, bounced, unsubscribed.
const MOST_VERSIONS: usize = 7;

/// Clicks on one link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Click {
    /// Place in the send's links.
    pub link: usize,
    /// The first one.
    pub at: i64,
    /// How many.
    pub times: i32,
}

/// All that happens to one e-mail until the end of the period, as Marketing Cloud will have reported it by then.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// When it was sent.
    pub sent: i64,
    /// First open within three days.
    pub opened: Option<i64>,
    /// First open long after.
    pub late: Option<i64>,
    clicks: [Click; 3],
    clicked: usize,
    /// Bounced hard.
    pub hard: bool,
    /// Bounced softly.
    pub soft: bool,
    /// When it bounced.
    pub bounced: Option<i64>,
    /// When the recipient unsubscribed.
    pub unsubscribed: Option<i64>,
}

impl Lifecycle {
    /// What `person` does with `send`, sent to them at `sent`.
    pub fn of(plan: &Plan, send: &Send, person: u32, sent: i64) -> Self {
        let dice = lifecycle_dice(plan, send, person);
        let mut lifecycle = Self { sent, ..Self::default() };
        let known = |at: i64| synced(at) < plan.end;
        let dead = plan.people.is_dead(person);
        if !dead && dice.chance(On::Open, plan.people.propensity(person)) {
            let after = 3.0 * DAY as f64 * dice.share(On::OpenDelay).powi(3);
            let opened = sent + 20 * SECOND + after as i64 / SECOND * SECOND;
            lifecycle.opened = Some(opened).filter(|&at| known(at));
            lifecycle.click(plan, send, dice, opened);
            if dice.chance(On::Unsubscribe, UNSUBSCRIBE) {
                lifecycle.unsubscribed = Some(opened + (1 + dice.below(On::Hour, 59) as i64) * MINUTE).filter(|&at| known(at));
            }
            return lifecycle;
        }
        if dead && dice.chance(On::Bounce, HARD) {
            lifecycle.hard = true;
            lifecycle.bounced = Some(sent + (5 + dice.below(On::BounceDelay, 600) as i64) * SECOND);
        } else if !dead && dice.chance(On::Bounce, SOFT) {
            lifecycle.soft = true;
            lifecycle.bounced = Some(sent + HOUR + dice.below(On::BounceDelay, 86_400) as i64 * SECOND);
        }
        if lifecycle.bounced.is_some_and(|at| !known(at)) {
            (lifecycle.hard, lifecycle.soft, lifecycle.bounced) = (false, false, None);
        }
        if !plan.recipe.misbehaviour {
            return lifecycle;
        }
        if lifecycle.bounced.is_some() && dice.chance(On::Quirk, BOTH_BOUNCES) {
            (lifecycle.hard, lifecycle.soft) = (true, true);
        } else if lifecycle.bounced.is_none() && dice.chance(On::Late, LATE_OPEN) && plan.people.gone(person).is_none() {
            let after = (10 + dice.below(On::LateDelay, 290)) as i64 * DAY + dice.below(On::Hour, 86_400) as i64 * SECOND;
            lifecycle.late = Some(sent + after).filter(|&at| known(at));
        }
        lifecycle
    }

    fn click(&mut self, plan: &Plan, send: &Send, dice: Dice, opened: i64) {
        if !dice.chance(On::Click, CLICK) {
            return;
        }
        let links = send.links().len();
        let wanted = 1 + [0, 0, 0, 1, 1, 2][dice.below(On::Clicks, 6) as usize];
        let first = dice.below(On::ClickLink, links as u64) as usize;
        let mut at = opened;
        for step in 0..wanted.min(links) {
            let dice = dice.at(step as u64);
            at += (5 + dice.below(On::ClickDelay, 3_600) as i64) * SECOND;
            if synced(at) >= plan.end {
                break;
            }
            let times = 1 + [0, 0, 0, 0, 1, 2][dice.below(On::ClickTimes, 6) as usize];
            self.clicks[self.clicked] = Click { link: (first + step) % links, at, times };
            self.clicked += 1;
        }
        if self.clicked > 0 && plan.recipe.misbehaviour && dice.chance(On::Quirk, UNSEEN_OPEN) {
            self.opened = None;
        }
    }

    /// Clicks, one entry a link, in order of time.
    pub fn clicks(&self) -> &[Click] {
        &self.clicks[..self.clicked]
    }

    /// The stamps of the IER's versions, oldest first: one a sync cycle in which something happened. Late opens are left out.
    pub fn stamps(&self) -> Stamps {
        let mut stamps = Stamps { stamps: [i64::MAX; MOST_VERSIONS], count: 0 };
        stamps.add(self.sent);
        self.opened.into_iter().chain(self.bounced).chain(self.unsubscribed).for_each(|at| stamps.add(at));
        self.clicks().iter().for_each(|click| stamps.add(click.at));
        stamps.stamps[..stamps.count].sort_unstable();
        stamps
    }
}

/// Stamps of an IER's versions.
pub struct Stamps {
    stamps: [i64; MOST_VERSIONS],
    count: usize,
}

impl Stamps {
    fn add(&mut self, moment: i64) {
        let stamp = synced(moment);
        if !self.all().contains(&stamp) {
            self.stamps[self.count] = stamp;
            self.count += 1;
        }
    }

    /// All of them.
    pub fn all(&self) -> &[i64] {
        &self.stamps[..self.count]
    }

    /// The last one; at least the sending has left one.
    pub fn last(&self) -> i64 {
        self.stamps[self.count.saturating_sub(1)]
    }
}

/// Rolls about one person in one send, other than whether they are in it.
pub fn lifecycle_dice(plan: &Plan, send: &Send, person: u32) -> Dice {
    plan.dice.of(On::Fate, send.number).at(u64::from(person))
}

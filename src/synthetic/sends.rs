//! The sends of each month: whom they reach, and the texts that all of their IERs have.

use chrono::Datelike;

use super::calendar::{self, DAY, HOUR, MINUTE, Month, SECOND};
use super::dice::{Dice, On};
use super::ids;
use super::people::People;
use super::recipe::Recipe;
use super::wording::{BROKEN_SUBJECT, MAILINGS, Mailing, TRIGGERED, Target, UNITS};
use crate::error::{Error, Result};

/// Sends by the share of contacts they reach: (share of sends, share of contacts), widest reach first.
const REACH: [(f64, f64); 3] = [(0.1, 0.4), (0.3, 0.04), (0.6, 0.004)];
/// The golden ratio's fraction: its multiples fill 0..1 evenly, so that every run of sends has its shares.
const GOLDEN: f64 = 0.618_033_988_749_894_9;
/// One send in so many also goes to leads.
const TO_LEADS_ONE_IN: u64 = 4;
/// One send in so many is not seen whole.
const PARTIAL_ONE_IN: u64 = 50;
/// One send in so many is not tracked by person.
const UNTRACKED_ONE_IN: u64 = 80;
/// The first send of the period that is not tracked by person, so that the smallest recipe has one.
const FIRST_UNTRACKED: u64 = 5;
/// The first send of the period that is not seen whole.
const FIRST_PARTIAL: u64 = 3;

/// How much of a send arrives as IERs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sync {
    /// All of it.
    Whole,
    /// About three quarters: the sync was cut off.
    Partial,
    /// Nothing: Individual_Tracking_Disabled.
    Untracked,
}

/// How an e-mail went out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// One job: an Email Send.
    Job,
    /// One by one, by the triggered send with this place in [`TRIGGERED`]; a month's worth of it counts as one send here.
    Triggered(usize),
}

/// One send.
pub struct Send {
    pub number: u64,
    pub way: Way,
    pub mailing: &'static Mailing,
    pub dice: Dice,
    /// A person is in the send when the roll on it is below this.
    threshold: u64,
    pub to_leads: bool,
    pub start: i64,
    pub spread: i64,
    pub sync: Sync,
    /// Comes as a report, not in the monthly export.
    pub reported: bool,
    pub has_merge_id: bool,
    /// Id of the Email Send or of the Triggered Send.
    pub id: String,
    pub email_name: String,
    pub subject: String,
    pub job_id: String,
    pub list_id: String,
    pub batch_id: String,
    pub dm_tracking_id: String,
    pub email_id: String,
    pub email_asset_id: String,
    pub owner_id: String,
    pub campaign_id: Option<String>,
    /// What follows the subscriber in a MergeId.
    pub merge_tail: String,
    /// Places in the queue; one for each person there is.
    places: u64,
    stride: u64,
    offset: u64,
}

impl Send {
    /// Is this person in the send?
    pub fn reaches(&self, person: u32) -> bool {
        self.dice.at(u64::from(person)).raw() < self.threshold
    }

    /// The first place in the queue that is served at or after `moment`.
    fn place_at(&self, moment: i64) -> u64 {
        if moment <= self.start {
            return 0;
        }
        let passed = i128::from(moment - self.start) * i128::from(self.places);
        let spread = i128::from(self.spread);
        (((passed + spread - 1) / spread) as u64).min(self.places)
    }

    /// Everybody served in `from..until`, in order: (place, person, moment in whole seconds).
    pub fn served(&self, from: i64, until: i64) -> impl Iterator<Item = (u64, u32, i64)> + '_ {
        let (first, end) = (self.place_at(from), self.place_at(until));
        // The queue is the people in steps of `stride`, which has no factor in common with their number: everyone once.
        let start = ((u128::from(first) * u128::from(self.stride) + u128::from(self.offset)) % u128::from(self.places)) as u64;
        let people = std::iter::successors(Some(start), |person| Some((person + self.stride) % self.places));
        (first..end).zip(people).filter(|&(_, person)| self.reaches(person as u32)).map(|(place, person)| {
            let after = (i128::from(self.spread) * i128::from(place) / i128::from(self.places)) as i64;
            (place, person as u32, (self.start + after) / SECOND * SECOND)
        })
    }

    /// The number of an IER of this send, from which its id is made.
    pub fn ier_number(&self, place: u64) -> u64 {
        1_000_000 + self.number * self.places + place
    }

    /// The unit that sends.
    pub fn unit(&self) -> &'static super::wording::Unit {
        &UNITS[self.mailing.unit]
    }

    /// The links in the e-mail.
    pub fn links(&self) -> &'static [Target] {
        self.mailing.links
    }

    /// Is it an Email Send (rather than triggered)?
    pub fn is_job(&self) -> bool {
        self.way == Way::Job
    }
}

/// The whole recipe, worked out: months, people, and how to get the sends of a month.
pub struct Plan {
    pub recipe: Recipe,
    pub months: Vec<Month>,
    pub people: People,
    pub dice: Dice,
    pub start: i64,
    pub end: i64,
}

impl Plan {
    /// Works a recipe out.
    ///
    /// # Errors
    /// Refuses recipes nothing can be made of.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        let months = calendar::months(recipe)?;
        let (start, end) = match (months.first(), months.last()) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => return Err(Error::internal("a period without months")),
        };
        let contacts = u32::try_from(recipe.contacts).ok().filter(|&contacts| contacts > 0 && contacts <= 1 << 31);
        let contacts =
            contacts.ok_or_else(|| Error::invalid(phrase!("{} contacts: give a number from 1 to 2^31", recipe.contacts)))?;
        if recipe.sends_per_month == 0 || recipe.sends_per_month > 10_000 {
            return Err(Error::invalid(phrase!("{} sends a month: give a number from 1 to 10000", recipe.sends_per_month)));
        }
        let dice = Dice::new(recipe.seed);
        let people = People::new(dice, contacts, start, end, recipe.misbehaviour);
        Ok(Self { recipe: recipe.clone(), months, people, dice, start, end })
    }

    /// Do the troubles apply that only a CSV can have?
    pub fn troubled_csv(&self) -> bool {
        self.recipe.misbehaviour && self.recipe.format == super::recipe::Format::Csv
    }

    /// Jobs of a month: as many as the recipe says, fewer when the month is cut.
    pub fn jobs(&self, month: &Month) -> u64 {
        let whole = u64::from(self.recipe.sends_per_month);
        (whole * u64::from(month.days)).div_ceil(u64::from(month.calendar_days)).max(1)
    }

    /// Share of contacts a job reaches, by its number.
    fn reach(&self, number: u64) -> f64 {
        let place = (number as f64 * GOLDEN + self.dice.share(On::Spread)).fract();
        let mut below = 0.0;
        for (sends, contacts) in REACH {
            below += sends;
            if place < below {
                return contacts;
            }
        }
        REACH[REACH.len() - 1].1
    }

    /// Numbers of sends a month takes up, triggered ones included.
    fn numbers_per_month(&self) -> u64 {
        u64::from(self.recipe.sends_per_month) + TRIGGERED.len() as u64
    }

    /// Does the job of this number go to leads too?
    fn to_leads(&self, number: u64) -> bool {
        self.dice.of(On::Leads, number).raw().is_multiple_of(TO_LEADS_ONE_IN)
    }

    /// About how many IERs the recipe makes.
    pub fn expected(&self) -> u64 {
        let (contacts, all) = (f64::from(self.people.contacts()), f64::from(self.people.all()));
        let mut expected = 0.0;
        for month in &self.months {
            let first = u64::from(month.index) * self.numbers_per_month();
            for job in 0..self.jobs(month) {
                let number = first + job;
                let seen = match self.sync(number) {
                    Sync::Whole => 1.0,
                    Sync::Partial => 0.75,
                    Sync::Untracked => 0.0,
                };
                expected += seen * self.reach(number) * if self.to_leads(number) { all } else { contacts };
            }
            let share = f64::from(month.days) / f64::from(month.calendar_days);
            expected += TRIGGERED.iter().map(|(_, _, reach)| reach * share * contacts).sum::<f64>();
        }
        expected as u64
    }

    fn sync(&self, number: u64) -> Sync {
        let roll = self.dice.of(On::Missing, number).raw();
        match self.recipe.misbehaviour {
            true if number == FIRST_UNTRACKED || roll % UNTRACKED_ONE_IN == 1 => Sync::Untracked,
            true if number == FIRST_PARTIAL || roll.is_multiple_of(PARTIAL_ONE_IN) => Sync::Partial,
            _ => Sync::Whole,
        }
    }

    /// The sends of a month: jobs in order of their start, then the month's triggered ones.
    ///
    /// # Errors
    /// Only a fault of the engine.
    pub fn sends(&self, month: &Month) -> Result<Vec<Send>> {
        let first = u64::from(month.index) * self.numbers_per_month();
        let jobs = self.jobs(month);
        let mut starts: Vec<i64> = (0..jobs).map(|job| self.start_of(month, self.dice.of(On::Day, first + job))).collect();
        starts.sort_unstable();
        let mut sends: Vec<Send> = starts
            .into_iter()
            .enumerate()
            .map(|(job, start)| self.send(month, first + job as u64, Way::Job, start))
            .collect::<Result<_>>()?;
        if let Some(send) = self.report_of(month).and_then(|number| sends.iter_mut().find(|send| send.number == number)) {
            send.reported = true;
        }
        for way in 0..TRIGGERED.len() {
            let number = first + u64::from(self.recipe.sends_per_month) + way as u64;
            sends.push(self.send(month, number, Way::Triggered(way), month.start)?);
        }
        Ok(sends)
    }

    /// Which job of the month comes as a report: the first small one of the last month but one.
    fn report_of(&self, month: &Month) -> Option<u64> {
        let chosen = (self.months.len() as u32).saturating_sub(2);
        if !self.troubled_csv() || month.index != chosen {
            return None;
        }
        let first = u64::from(month.index) * self.numbers_per_month();
        let small = REACH[REACH.len() - 1].1;
        (first..first + self.jobs(month)).find(|&number| self.sync(number) == Sync::Whole && self.reach(number) <= small)
    }

    /// A working day, in Denver's morning or afternoon. On the month's last day early enough to be done before its end.
    fn start_of(&self, month: &Month, dice: Dice) -> i64 {
        let mut day = dice.below(On::Day, u64::from(month.days)) as i64;
        // 1 January 1970 was a Thursday: days 2 and 3 of the week counted from it are the weekend.
        let weekday = |day: i64| (month.start / DAY + day).rem_euclid(7);
        if weekday(day) == 2 && day >= 1 {
            day -= 1;
        } else if weekday(day) == 3 && day >= 2 {
            day -= 2;
        }
        let hours = if day == i64::from(month.days) - 1 { 2 } else { 9 };
        month.start + day * DAY + 13 * HOUR + dice.below(On::Hour, hours * 4) as i64 * 15 * MINUTE
    }

    fn send(&self, month: &Month, number: u64, way: Way, start: i64) -> Result<Send> {
        let dice = self.dice.of(On::Send, number);
        let (mailing, reach, spread) = match way {
            Way::Job => {
                (dice.pick(On::Words, MAILINGS), self.reach(number), HOUR + dice.below(On::Spread, 7 * 60) as i64 * MINUTE)
            }
            Way::Triggered(place) => {
                let (_, mailing, reach) = &TRIGGERED[place];
                let share = f64::from(month.days) / f64::from(month.calendar_days);
                // Done early enough for the last one to be reported before the month is over.
                (mailing, reach * share, month.end - month.start - HOUR)
            }
        };
        let places = u64::from(self.people.all());
        let job = way == Way::Job;
        let broken = self.recipe.misbehaviour && job && number % 23 == 2;
        let sent_day = calendar::day(start);
        let worded = |text: &str| {
            text.replace("{month}", &sent_day.format("%B").to_string())
                .replace("{year}", &sent_day.year().to_string())
                .replace("{day}", &sent_day.day().to_string())
                .replace("{n}", &(number + 1).to_string())
        };
        let (id, job_id, batch_id) = match way {
            Way::Job => (ids::id(ids::EMAIL_SEND, 20_000 + 5 * number)?, 1_200_000 + 17 * number, 1 + dice.below(On::Unit, 3)),
            // A triggered send has one job for ever; its batches tell its e-mails to one person apart.
            Way::Triggered(place) => {
                (ids::id(ids::TRIGGERED_SEND, 300 + place as u64)?, 1_100_000 + place as u64, 1 + u64::from(month.index))
            }
        };
        let list_id = 500 + mailing.unit;
        let quarter = (self.months.len() as u32) / 4;
        Ok(Send {
            number,
            way,
            mailing,
            threshold: (reach * u64::MAX as f64) as u64,
            to_leads: job && self.to_leads(number),
            start,
            spread,
            sync: if job { self.sync(number) } else { Sync::Whole },
            reported: false,
            has_merge_id: !(self.troubled_csv() && month.index < quarter),
            id: id.to_string(),
            email_name: worded(mailing.name),
            subject: worded(if broken { BROKEN_SUBJECT } else { mailing.subject }),
            merge_tail: format!("-{job_id}-{list_id}-{batch_id}-{:08X}", dice.roll(On::Tail) as u32),
            job_id: job_id.to_string(),
            list_id: list_id.to_string(),
            batch_id: batch_id.to_string(),
            dm_tracking_id: format!("{}", 90_000_000 + 3 * number),
            email_id: if job { (30_000 + number).to_string() } else { job_id.to_string() },
            email_asset_id: (410_000 + 2 * number).to_string(),
            owner_id: self.people.user(mailing.unit as u64)?.to_string(),
            campaign_id: if job && dice.chance(On::Campaign, 0.25) {
                Some(ids::id(ids::CAMPAIGN, 7_000 + number)?.to_string())
            } else {
                None
            },
            places,
            stride: stride(places, dice),
            offset: dice.below(On::Start, places),
            dice,
        })
    }
}

/// A step through `places` that meets each once.
fn stride(places: u64, dice: Dice) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let wish = (places as f64 * (0.3 + 0.4 * dice.share(On::Step))) as u64;
    (wish.max(1)..).find(|&step| gcd(step, places) == 1).unwrap_or(1)
}

//! The columns of one version of an IER, and of a link: which value stands in which column.

use super::calendar::synced;
use super::cell::Cell;
use super::ids;
use super::lifecycle::{Click, Lifecycle};
use super::sends::{Plan, Send, Way};
use super::wording::TRIGGERED;
use crate::error::Result;
use crate::record::id::SfId;

/// One version of an IER. What all IERs of a send share is read from the send.
#[derive(Clone)]
pub struct Ier<'a> {
    pub send: &'a Send,
    pub id: SfId,
    pub merge_id: Option<String>,
    pub contact_id: Option<SfId>,
    pub lead_id: Option<SfId>,
    pub subscriber_id: String,
    pub email: String,
    pub date_sent: Option<i64>,
    pub date_opened: Option<i64>,
    pub total_clicks: i32,
    pub unique_clicks: i32,
    pub hard: bool,
    pub soft: bool,
    pub date_bounced: Option<i64>,
    pub date_unsubscribed: Option<i64>,
    pub created: i64,
    pub stamp: i64,
    pub is_deleted: bool,
}

impl<'a> Ier<'a> {
    /// The IER as it was written when the e-mail was sent.
    pub fn new(plan: &Plan, send: &'a Send, place: u64, person: u32, sent: i64) -> Result<Self> {
        let (person_id, subscriber_id) = (plan.people.id(person)?, plan.people.subscriber_id(person).to_string());
        let is_lead = plan.people.is_lead(person);
        Ok(Self {
            send,
            id: ids::id(ids::IER, send.ier_number(place))?,
            merge_id: send.has_merge_id.then(|| format!("{subscriber_id}{}", send.merge_tail)),
            contact_id: (!is_lead).then_some(person_id),
            lead_id: is_lead.then_some(person_id),
            subscriber_id,
            email: plan.people.email(person),
            date_sent: Some(sent),
            date_opened: None,
            total_clicks: 0,
            unique_clicks: 0,
            hard: false,
            soft: false,
            date_bounced: None,
            date_unsubscribed: None,
            created: synced(sent),
            stamp: synced(sent),
            is_deleted: false,
        })
    }

    /// Turns it into the version with this stamp: all that was known by then. Late opens count only when `late`.
    pub fn at(&mut self, lifecycle: &Lifecycle, stamp: i64, late: bool) {
        let known = |at: &i64| synced(*at) <= stamp;
        self.stamp = stamp;
        self.date_opened = lifecycle.opened.or(lifecycle.late.filter(|_| late)).filter(known);
        self.date_bounced = lifecycle.bounced.filter(known);
        self.hard = lifecycle.hard && self.date_bounced.is_some();
        self.soft = lifecycle.soft && self.date_bounced.is_some();
        self.date_unsubscribed = lifecycle.unsubscribed.filter(known);
        let clicks = lifecycle.clicks().iter().filter(|click| known(&click.at));
        (self.unique_clicks, self.total_clicks) = clicks.fold((0, 0), |(links, all), click| (links + 1, all + click.times));
    }

    /// The value of one of the table's columns.
    pub fn cell(&self, column: &str) -> Cell<'_> {
        let send = self.send;
        match column {
            "ier_id" => Cell::Id(self.id),
            "merge_id" => Cell::text_or_empty(self.merge_id.as_deref()),
            "email_name" => Cell::Text(&send.email_name),
            "contact_id" => Cell::id_or_empty(self.contact_id),
            "lead_id" => Cell::id_or_empty(self.lead_id),
            "subscriber_id" => Cell::Text(&self.subscriber_id),
            "date_sent" => Cell::time_or_empty(self.date_sent),
            "opened" => Cell::Bool(self.date_opened.is_some()),
            "date_opened" => Cell::time_or_empty(self.date_opened),
            "clicked" => Cell::Bool(self.unique_clicks > 0),
            "number_of_total_clicks" => Cell::Int(self.total_clicks.into()),
            "number_of_unique_clicks" => Cell::Int(self.unique_clicks.into()),
            "hard_bounce" => Cell::Bool(self.hard),
            "soft_bounce" => Cell::Bool(self.soft),
            "date_bounced" => Cell::time_or_empty(self.date_bounced),
            "date_unsubscribed" => Cell::time_or_empty(self.date_unsubscribed),
            "tracking_as_of" => Cell::Time(self.stamp),
            "current_email" => Cell::Text(&self.email),
            "created_date" => Cell::Time(self.created),
            "last_modified_date" | "system_modstamp" => Cell::Time(self.stamp),
            "is_deleted" => Cell::Bool(self.is_deleted),
            _ => Cell::text_or_empty(send_text(send, column)),
        }
    }
}

/// What all IERs of a send have in one of the table's columns; `None` where the column is empty or differs by person.
pub fn send_text<'a>(send: &'a Send, column: &str) -> Option<&'a str> {
    let job = send.is_job();
    match column {
        "email_name" => Some(send.email_name.as_str()),
        "send_definition_id" => job.then_some(send.id.as_str()),
        "triggered_send_definition_id" => (!job).then_some(send.id.as_str()),
        "triggered_send_definition_name" => match send.way {
            Way::Job => None,
            Way::Triggered(place) => Some(TRIGGERED[place].0),
        },
        "job_id" => Some(send.job_id.as_str()),
        "batch_id" => Some(send.batch_id.as_str()),
        "list_id" => Some(send.list_id.as_str()),
        "dm_tracking_id" => Some(send.dm_tracking_id.as_str()),
        "email_id" => Some(send.email_id.as_str()),
        "email_asset_id" => Some(send.email_asset_id.as_str()),
        "from_name" => Some(send.unit().from_name),
        "from_address" => Some(send.unit().from_address),
        "subject_line" => Some(send.subject.as_str()),
        "owner_id" | "created_by_id" | "last_modified_by_id" => Some(send.owner_id.as_str()),
        _ => None,
    }
}

/// One link detail: a link that one recipient clicked.
pub struct Link<'a> {
    pub send: &'a Send,
    pub id: SfId,
    pub ier_id: SfId,
    pub unique_link_id: String,
    pub click: Click,
}

impl<'a> Link<'a> {
    /// The link detail of a click. `number` is the IER's.
    pub fn new(send: &'a Send, number: u64, ier_id: SfId, click: Click) -> Result<Self> {
        let id = ids::id(ids::LINK, number * 8 + click.link as u64)?;
        let unique_link_id = format!("{}-{}-{}", send.job_id, exact_target_link_id(send, click.link), ier_id);
        Ok(Self { send, id, ier_id, unique_link_id, click })
    }

    /// When it was last clicked.
    pub fn last_clicked(&self) -> i64 {
        last_clicked(self.click)
    }

    /// The value of one of the table's columns.
    pub fn cell(&self, column: &str) -> Cell<'_> {
        match column {
            "link_id" => Cell::Id(self.id),
            "unique_link_id" => Cell::Text(&self.unique_link_id),
            "link_name" => Cell::Text(self.send.links()[self.click.link].0),
            "ier_id" => Cell::Id(self.ier_id),
            "exact_target_link_id" => Cell::Number(exact_target_link_id(self.send, self.click.link)),
            "link_url" => Cell::Text(self.send.links()[self.click.link].1),
            "number_of_total_clicks" => Cell::Int(self.click.times.into()),
            "last_clicked" => Cell::Time(self.last_clicked()),
            "created_date" => Cell::Time(synced(self.click.at)),
            "last_modified_date" | "system_modstamp" => Cell::Time(synced(self.last_clicked())),
            "owner_id" | "created_by_id" | "last_modified_by_id" => Cell::Text(&self.send.owner_id),
            "is_deleted" => Cell::Bool(false),
            _ => Cell::Empty,
        }
    }
}

/// The last of several clicks on a link; they are ten seconds apart, so that all fall into about one cycle.
pub fn last_clicked(click: Click) -> i64 {
    click.at + i64::from(click.times - 1) * 10 * super::calendar::SECOND
}

/// Marketing Cloud's number of a link.
pub fn exact_target_link_id(send: &Send, link: usize) -> u64 {
    60_000_000 + send.number * 16 + link as u64
}

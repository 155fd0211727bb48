//! Writes the files of one month: its IERs in all versions of that month, its links, and at times a report.

use std::path::Path;

use super::calendar::{DAY, HOUR, Month, SECOND, synced};
use super::cell::ExportStyle;
use super::dice::{Dice, On};
use super::ids;
use super::ier::{Ier, Link};
use super::lifecycle::{Lifecycle, lifecycle_dice};
use super::people::Gone;
use super::recipe::MadeFile;
use super::sends::{Plan, Send, Sync};
use super::sink::{Corruption, CsvQuirks, Sink};
use super::tally::Tally;
use crate::error::Result;

/// Days after a send in which something may still happen to its IERs: opens after three days, and their sync.
const TAIL_DAYS: i64 = 5;
/// IERs whose versions come newest first.
const REVERSED: f64 = 0.01;
/// Versions that come twice.
const REPEATED: f64 = 0.005;
/// IERs without DateSent.
const UNDATED: f64 = 0.000_5;
/// Clicked IERs with fewer clicks than clicked links.
const FEW_CLICKS: f64 = 0.005;
/// IERs whose later versions write their MergeId in lower case.
const SMALL_LETTERS: f64 = 0.01;
/// Links whose IER was never exported.
const ORPHANS: f64 = 0.002;
/// Rows that a partial sync left out.
const LEFT_OUT: f64 = 0.25;
/// IERs marked deleted in Salesforce some time after the 90 days they are kept there.
const DELETED: f64 = 0.002;
/// Late opens that find their IER deleted, so that it is created again under a new Id.
const CREATED_AGAIN: f64 = 0.25;
/// Numbers of IERs created again begin far above all others.
const AGAIN: u64 = 1 << 40;

/// The columns of the report, as somebody chose them, with their labels. It has no MergeId, as reports have not.
const REPORT: [(&str, &str); 21] = [
    ("ier_id", "Record ID"),
    ("email_name", "Email Name"),
    ("contact_id", "Contact: Contact ID"),
    ("lead_id", "Lead: Lead ID"),
    ("send_definition_id", "Email Send"),
    ("job_id", "Job ID"),
    ("from_name", "From Name"),
    ("from_address", "From Email Address"),
    ("subject_line", "Subject"),
    ("date_sent", "Date Sent"),
    ("opened", "Opened"),
    ("date_opened", "Date Opened"),
    ("clicked", "Clicked"),
    ("number_of_total_clicks", "Total Clicks"),
    ("number_of_unique_clicks", "Links Clicked"),
    ("hard_bounce", "Hard Bounce"),
    ("soft_bounce", "Soft Bounce"),
    ("date_bounced", "Date Bounced"),
    ("date_unsubscribed", "Date Unsubscribed"),
    ("created_date", "Created Date"),
    ("last_modified_date", "Last Modified Date"),
];

/// A month's files, and what was counted of each of its sends.
pub struct MonthMade {
    pub index: u32,
    pub files: Vec<MadeFile>,
    pub tallies: Vec<Tally>,
}

/// One e-mail to one person.
#[derive(Clone, Copy)]
struct Served {
    sent: i64,
    send: usize,
    person: u32,
    place: u64,
}

/// Calls `each` for every e-mail of a month sent from `from` on, in order of date.
///
/// A day's e-mails are held at a time: from noon to noon, because no send runs through noon UTC.
fn each_served(plan: &Plan, month: &Month, sends: &[Send], from: i64, mut each: impl FnMut(Served) -> Result<()>) -> Result<()> {
    let mut day: Vec<Served> = Vec::new();
    let mut noon = month.start - 12 * HOUR;
    while noon < month.end {
        let next = noon + DAY;
        if next > from {
            for (at, send) in sends.iter().enumerate() {
                let (begin, end) = (noon.max(send.start), next.min(send.start + send.spread));
                if begin < end {
                    let meant = |person: u32| match plan.people.is_lead(person) && !send.to_leads {
                        true => false,
                        false => plan.people.left_at(person).is_none_or(|left| begin < left),
                    };
                    let served = send.served(begin, end).filter(|&(_, person, _)| meant(person));
                    day.extend(served.map(|(place, person, sent)| Served { sent, send: at, person, place }));
                }
            }
            day.sort_unstable_by_key(|served| (served.sent, served.send, served.place));
            day.drain(..).try_for_each(&mut each)?;
        }
        noon = next;
    }
    Ok(())
}

/// Does this person's IER arrive?
fn arrives(send: &Send, dice: Dice) -> bool {
    match send.sync {
        Sync::Whole => true,
        Sync::Partial => !dice.chance(On::Missing, LEFT_OUT),
        Sync::Untracked => false,
    }
}

/// The habit of a month's export, and what is peculiar about it.
fn style(plan: &Plan, month: &Month) -> (ExportStyle, CsvQuirks) {
    let style = if month.index % 3 == 2 { ExportStyle::DataLoader } else { ExportStyle::Bulk };
    let troubled = plan.troubled_csv();
    (style, CsvQuirks { extra: troubled && month.index % 4 == 3, not_applicable: troubled && month.index % 5 == 1 })
}

/// Writes a month's files. `note` hears of every so many rows.
pub fn write_month(plan: &Plan, month: &Month, folder: &Path, note: &dyn Fn(u64)) -> Result<MonthMade> {
    let (format, label) = (plan.recipe.format, month.label());
    let sends = plan.sends(month)?;
    let mut tallies: Vec<Tally> = sends.iter().map(Tally::new).collect();
    let (style, quirks) = style(plan, month);
    let table = "individual_email_result";
    let mut iers = Sink::create(folder, &format!("{table}-{label}"), table, format, style, quirks)?;
    let mut links =
        Sink::create(folder, &format!("individual_link-{label}"), "individual_link", format, style, CsvQuirks::default())?;
    let mut report = match sends.iter().any(|send| send.reported) {
        true => Some(Sink::report(folder, &format!("report-{label}"), table, &REPORT)?),
        false => None,
    };
    let mut spoilt = spoilt_of(plan, month);
    if let Some(previous) =
        (month.index as usize).checked_sub(1).map(|index| &plan.months[index]).filter(|_| plan.recipe.versions)
    {
        let sends = plan.sends(previous)?;
        each_served(plan, previous, &sends, previous.end - TAIL_DAYS * DAY, |served| {
            let send = &sends[served.send];
            let dice = lifecycle_dice(plan, send, served.person);
            if !arrives(send, dice) || send.reported {
                return Ok(());
            }
            let lifecycle = Lifecycle::of(plan, send, served.person, served.sent);
            if lifecycle.stamps().last() < month.start {
                return Ok(());
            }
            let ier = Ier::new(plan, send, served.place, served.person, served.sent)?;
            write_versions(plan, month, &mut iers, ier, &lifecycle, dice)
        })?;
    }
    let mut done = 0;
    each_served(plan, month, &sends, month.start, |served| {
        let send = &sends[served.send];
        let dice = lifecycle_dice(plan, send, served.person);
        let lifecycle = Lifecycle::of(plan, send, served.person, served.sent);
        tallies[served.send].count(&lifecycle, served.person);
        if !arrives(send, dice) {
            return Ok(());
        }
        done += 1;
        if done % 8_192 == 0 {
            note(8_192);
        }
        let mut ier = Ier::new(plan, send, served.place, served.person, served.sent)?;
        write_links(plan, &mut links, send, served.place, &ier, &lifecycle)?;
        if let Some(report) = report.as_mut().filter(|_| send.reported) {
            ier.at(&lifecycle, lifecycle.stamps().last(), false);
            return report.write(&ier);
        }
        if ier.contact_id.is_some()
            && let Some(spoilt) = spoilt.pop()
        {
            iers.write_spoilt(&ier, spoilt)?;
        }
        write_versions(plan, month, &mut iers, ier, &lifecycle, dice)
    })?;
    note(done % 8_192);
    let mut files: Vec<MadeFile> = iers.finish()?.into_iter().chain(links.finish()?).collect();
    if let Some(report) = report {
        files.extend(report.finish()?);
    }
    Ok(MonthMade { index: month.index, files, tallies })
}

/// The bad rows of a recipe: all in one month, two thirds through.
fn spoilt_of(plan: &Plan, month: &Month) -> Vec<Corruption> {
    match plan.troubled_csv() && month.index as usize == plan.months.len() * 2 / 3 {
        true => Corruption::ALL.to_vec(),
        false => Vec::new(),
    }
}

/// Writes the versions of an IER that were written in `month`, or its last one where a recipe wants no versions.
fn write_versions(plan: &Plan, month: &Month, out: &mut Sink, mut ier: Ier<'_>, lifecycle: &Lifecycle, dice: Dice) -> Result<()> {
    let stamps = lifecycle.stamps();
    let troubled = plan.recipe.misbehaviour;
    if troubled && dice.chance(On::Day, UNDATED) {
        ier.date_sent = None;
    }
    let few_clicks = troubled && dice.chance(On::Extra, FEW_CLICKS);
    let small_letters = troubled && dice.chance(On::Words, SMALL_LETTERS);
    let mut write = |stamp: i64, first: bool| -> Result<()> {
        ier.at(lifecycle, stamp, false);
        if few_clicks && ier.unique_clicks > 0 {
            ier.total_clicks = ier.unique_clicks - 1;
        }
        if small_letters
            && !first
            && let Some(merge_id) = &mut ier.merge_id
        {
            merge_id.make_ascii_lowercase();
        }
        out.write(&ier)?;
        if troubled && dice.at(stamp as u64).chance(On::Repeat, REPEATED) {
            out.write(&ier)?;
        }
        Ok(())
    };
    if !plan.recipe.versions {
        // Tracking is refreshed for some days after a send, whether anything happened or not.
        let refreshed = synced(lifecycle.sent + (dice.share(On::Touch) * 3.5 * DAY as f64) as i64 / SECOND * SECOND);
        return write(if refreshed < plan.end { stamps.last().max(refreshed) } else { stamps.last() }, true);
    }
    let in_month = |stamp: &&i64| (month.start..month.end).contains(*stamp);
    if troubled && dice.chance(On::Step, REVERSED) {
        // The first version comes last here, and may not be taken for a later one: its MergeId stays as it was.
        let newest_first = stamps.all().iter().rev().filter(in_month);
        return newest_first.copied().try_for_each(|stamp| write(stamp, true));
    }
    let first = stamps.all()[0];
    stamps.all().iter().filter(in_month).copied().try_for_each(|stamp| write(stamp, stamp == first))
}

fn write_links(plan: &Plan, out: &mut Sink, send: &Send, place: u64, ier: &Ier<'_>, lifecycle: &Lifecycle) -> Result<()> {
    for &click in lifecycle.clicks() {
        let number = send.ier_number(place);
        out.write(&Link::new(send, number, ier.id, click)?)?;
        if plan.recipe.misbehaviour && plan.dice.of(On::Orphan, number).chance(On::Click, ORPHANS) {
            let lost = AGAIN * 2 + number;
            out.write(&Link::new(send, lost, ids::id(ids::IER, lost)?, click)?)?;
        }
    }
    Ok(())
}

/// Writes what came long after: opens after weeks and months, IERs whose contact was deleted, IERs deleted in Salesforce.
pub fn write_late(plan: &Plan, folder: &Path) -> Result<Option<MadeFile>> {
    let Some(last) = plan.months.last().filter(|_| plan.recipe.misbehaviour) else { return Ok(None) };
    let table = "individual_email_result";
    let mut out = Sink::create(
        folder,
        &format!("late-{}", last.label()),
        table,
        plan.recipe.format,
        ExportStyle::Bulk,
        CsvQuirks::default(),
    )?;
    for month in &plan.months {
        let sends = plan.sends(month)?;
        each_served(plan, month, &sends, month.start, |served| {
            let send = &sends[served.send];
            let dice = lifecycle_dice(plan, send, served.person);
            match arrives(send, dice) && !send.reported {
                true => write_late_version(plan, &mut out, send, served, dice),
                false => Ok(()),
            }
        })?;
    }
    out.finish()
}

fn write_late_version(plan: &Plan, out: &mut Sink, send: &Send, served: Served, dice: Dice) -> Result<()> {
    let lifecycle = Lifecycle::of(plan, send, served.person, served.sent);
    let ier = || Ier::new(plan, send, served.place, served.person, served.sent);
    let settled = served.sent + TAIL_DAYS * DAY;
    if let Some((Gone::Deleted, at)) = plan.people.gone(served.person).filter(|(_, at)| *at > settled) {
        let mut ier = ier()?;
        ier.at(&lifecycle, at, true);
        ier.contact_id = None;
        return out.write(&ier);
    }
    if let Some(opened) = lifecycle.late {
        let mut ier = ier()?;
        ier.at(&lifecycle, synced(opened), true);
        if dice.chance(On::Merged, CREATED_AGAIN) {
            ier.id = ids::id(ids::IER, AGAIN + send.ier_number(served.place))?;
            ier.created = ier.stamp;
        }
        return out.write(&ier);
    }
    let at = synced(served.sent + (91 + dice.below(On::Hour, 30) as i64) * DAY);
    if dice.chance(On::Deleted, DELETED) && at < plan.end {
        let mut ier = ier()?;
        ier.at(&lifecycle, at, false);
        ier.is_deleted = true;
        return out.write(&ier);
    }
    Ok(())
}

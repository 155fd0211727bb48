//! Writes the small objects: sends, link totals, triggered sends, units, and people with their attributes.
//!
//! They are CSV whatever the recipe's format, because Salesforce exports nothing else.

use std::path::Path;

use super::calendar::{DAY, HOUR, SECOND, day, synced};
use super::cell::{Cell, ExportStyle};
use super::dice::On;
use super::file::{Csv, Wrap};
use super::ids;
use super::ier::exact_target_link_id;
use super::people::Gone;
use super::recipe::MadeFile;
use super::sends::{Plan, Send, Sync, Way};
use super::sink::table_of;
use super::tally::Tally;
use super::wording::{AFFILIATIONS, CAMPUSES, COMPANIES, DEPARTMENTS, SCHOOLS, TITLES, TRIGGERED, UNITS};
use crate::error::Result;

/// A CSV of a known table, with all its columns.
struct Export {
    csv: Csv,
    columns: Vec<&'static str>,
}

impl Export {
    fn create(folder: &Path, table: &'static str, style: ExportStyle, wrap: Wrap) -> Result<Self> {
        let fields = table_of(table)?;
        let headers: Vec<String> = fields.exported().map(|field| style.header(field, None)).collect();
        let name = if wrap == Wrap::Gzip { format!("{table}.csv.gz") } else { format!("{table}.csv") };
        let columns = fields.exported().map(|field| field.name.as_ref()).collect();
        Ok(Self { csv: Csv::create(folder, &name, table, style, wrap, &headers)?, columns })
    }

    fn row<'a>(&mut self, cell: impl Fn(&str) -> Cell<'a>) -> Result<()> {
        for column in &self.columns {
            self.csv.cell(cell(column))?;
        }
        self.csv.end_row()
    }
}

/// Writes sends, link totals and triggered sends; `tallies` holds what was counted, by month and send.
pub fn write_sends(plan: &Plan, folder: &Path, tallies: &[Vec<Tally>]) -> Result<Vec<MadeFile>> {
    let mut sends_out = Export::create(folder, "email_send", ExportStyle::Bulk, Wrap::Gzip)?;
    let mut links_out = Export::create(folder, "aggregate_link", ExportStyle::DataLoader, Wrap::Gzip)?;
    let mut triggered: Vec<Option<(Send, Tally)>> = TRIGGERED.iter().map(|_| None).collect();
    for (month, tallies) in plan.months.iter().zip(tallies) {
        for (send, tally) in plan.sends(month)?.into_iter().zip(tallies) {
            match send.way {
                Way::Job => {
                    write_send(plan, &mut sends_out, &send, tally)?;
                    write_link_totals(plan, &mut links_out, &send, tally)?;
                }
                Way::Triggered(place) => match &mut triggered[place] {
                    Some((_, sum)) => sum.add(tally),
                    first => *first = Some((send, tally.clone())),
                },
            }
        }
    }
    // One small object comes in the encoding of old tools.
    let wrap = if plan.recipe.misbehaviour { Wrap::Utf16 } else { Wrap::Gzip };
    let mut triggered_out = Export::create(folder, "triggered_send", ExportStyle::Bulk, wrap)?;
    for (place, (send, tally)) in triggered.iter().enumerate().filter_map(|(place, entry)| Some((place, entry.as_ref()?))) {
        write_link_totals(plan, &mut links_out, send, tally)?;
        let unit = unit_id(send.mailing.unit)?;
        let definition = format!("def-{}", send.job_id);
        triggered_out.row(|column| match column {
            "id" => Cell::Text(&send.id),
            "name" => Cell::Text(TRIGGERED[place].0),
            "email_id" => Cell::Text(&send.email_id),
            "email_name" => Cell::Text(&send.email_name),
            "from_name" => Cell::Text(send.unit().from_name),
            "from_email" => Cell::Text(send.unit().from_address),
            "subject" => Cell::Text(&send.subject),
            "business_unit_id" => Cell::Text(&unit),
            "member_id" => Cell::Text(send.unit().mid),
            "et_triggered_send_def_id" => Cell::Text(&definition),
            "individual_tracking_disabled" => Cell::Bool(false),
            _ => tally.counter(column).map_or_else(|| send_system(plan, send, tally, column), Cell::Int),
        })?;
    }
    let units = write_units(plan, folder)?;
    let files = [sends_out.csv.finish()?, links_out.csv.finish()?, triggered_out.csv.finish()?, units];
    Ok(files.into_iter().flatten().collect())
}

fn unit_id(unit: usize) -> Result<String> {
    Ok(ids::id(ids::BUSINESS_UNIT, 40 + unit as u64)?.to_string())
}

fn write_send(plan: &Plan, out: &mut Export, send: &Send, tally: &Tally) -> Result<()> {
    let name = format!("ES-{:06}", 20_000 + send.number);
    let unit = unit_id(send.mailing.unit)?;
    // The package writes this one field with a backslash before an apostrophe.
    let escaped = send.subject.replace('\'', "\\'");
    out.row(|column| match column {
        "id" => Cell::Text(&send.id),
        "name" => Cell::Text(&name),
        "job_id" => Cell::Text(&send.job_id),
        "member_id" => Cell::Text(send.unit().mid),
        "email_id" => Cell::Text(&send.email_id),
        "email_name" => Cell::Text(&send.email_name),
        "subject" => Cell::Text(&escaped),
        "subject_line" => Cell::Text(&send.subject),
        "from_name" => Cell::Text(send.unit().from_name),
        "from_email" => Cell::Text(send.unit().from_address),
        "business_unit_id" => Cell::Text(&unit),
        "business_unit_saved" => Cell::Text(send.unit().name),
        "campaign_id" => Cell::text_or_empty(send.campaign_id.as_deref()),
        "date_sent" => Cell::Time(send.start),
        "send_status" => Cell::Text("Completed"),
        "individual_tracking_disabled" => Cell::Bool(send.sync == Sync::Untracked),
        "tracking_expiration_date" => Cell::Date(day(send.start + 365 * DAY)),
        _ => tally.counter(column).map_or_else(|| send_system(plan, send, tally, column), Cell::Int),
    })
}

/// The system columns of a send: made when it began, last written when its tracking settled.
fn send_system<'a>(plan: &Plan, send: &'a Send, tally: &Tally, column: &str) -> Cell<'a> {
    let settled = synced(tally.last_served.unwrap_or(send.start) + 4 * DAY).min(plan.end - SECOND);
    match column {
        "owner_id" | "created_by_id" | "last_modified_by_id" => Cell::Text(&send.owner_id),
        "created_date" => Cell::Time(send.start - HOUR),
        "last_modified_date" | "system_modstamp" => Cell::Time(settled),
        "is_deleted" => Cell::Bool(false),
        _ => Cell::Empty,
    }
}

fn write_link_totals(plan: &Plan, out: &mut Export, send: &Send, tally: &Tally) -> Result<()> {
    for (place, (link, total)) in send.links().iter().zip(&tally.links).enumerate() {
        let target = exact_target_link_id(send, place);
        let unique = format!("{}-{target}", send.job_id);
        let id = ids::id(ids::AGGREGATE_LINK, 70_000 + send.number * 16 + place as u64)?;
        out.row(|column| match column {
            "id" => Cell::Id(id),
            "name" => Cell::Text(link.0),
            "send_definition_id" if send.is_job() => Cell::Text(&send.id),
            "triggered_send_definition_id" if !send.is_job() => Cell::Text(&send.id),
            "unique_link_id" => Cell::Text(&unique),
            "exact_target_link_id" => Cell::Number(target),
            "link_url" => Cell::Text(link.1),
            "number_of_total_clicks" => Cell::Int(total.total),
            "number_of_unique_clicks" => Cell::Int(total.people),
            "last_clicked" => Cell::time_or_empty(total.last),
            _ => send_system(plan, send, tally, column),
        })?;
    }
    Ok(())
}

fn write_units(plan: &Plan, folder: &Path) -> Result<Option<MadeFile>> {
    let mut out = Export::create(folder, "business_unit", ExportStyle::Bulk, Wrap::Gzip)?;
    let user = plan.people.user(0)?;
    for (place, unit) in UNITS.iter().enumerate() {
        let id = unit_id(place)?;
        out.row(|column| match column {
            "id" => Cell::Text(&id),
            "name" => Cell::Text(unit.name),
            "business_unit_id" => Cell::Text(unit.mid),
            "enabled" => Cell::Bool(true),
            "is_parent_account_mid" => Cell::Bool(place == 0),
            "owner_id" | "created_by_id" | "last_modified_by_id" => Cell::Id(user),
            "created_date" | "last_modified_date" | "system_modstamp" => Cell::Time(plan.start - 400 * DAY),
            "is_deleted" => Cell::Bool(false),
            _ => Cell::Empty,
        })?;
    }
    out.csv.finish()
}

/// Writes contacts, leads, affiliations and employments.
pub fn write_people(plan: &Plan, folder: &Path) -> Result<Vec<MadeFile>> {
    let mut contacts = Export::create(folder, "contact", ExportStyle::Bulk, Wrap::Gzip)?;
    let mut leads = Export::create(folder, "lead", ExportStyle::Bulk, Wrap::Gzip)?;
    for person in 0..plan.people.all() {
        write_person(plan, if plan.people.is_lead(person) { &mut leads } else { &mut contacts }, person)?;
    }
    let files =
        [contacts.csv.finish()?, leads.csv.finish()?, write_affiliations(plan, folder)?, write_employments(plan, folder)?];
    Ok(files.into_iter().flatten().collect())
}

fn write_person(plan: &Plan, out: &mut Export, person: u32) -> Result<()> {
    let people = &plan.people;
    let dice = people.dice(person);
    let (id, owner, email) = (people.id(person)?, people.owner(person)?, people.email(person));
    let (first, last) = people.name(person);
    let full = format!("{first} {last}");
    let account = ids::id(ids::ACCOUNT, 5_000 + dice.below(On::Account, 300))?;
    let company = dice.pick::<&str>(On::Words, COMPANIES);
    let (gone, converted) = (people.gone(person), people.converted(person));
    let winner = match gone {
        Some((Gone::Merged(winner), _)) => Some(people.id(winner)?),
        _ => None,
    };
    let contact = converted.map(|(contact, _)| people.id(contact)).transpose()?;
    let created = people.created(person);
    let changed = gone.map(|(_, at)| at).or(converted.map(|(_, at)| at)).unwrap_or(created + DAY);
    out.row(|column| match column {
        "id" => Cell::Id(id),
        "master_record_id" => Cell::id_or_empty(winner),
        "name" => Cell::Text(&full),
        "first_name" => Cell::Text(first),
        "last_name" => Cell::Text(last),
        "email" => Cell::Text(&email),
        "has_opted_out_of_email" => Cell::Bool(dice.below(On::OptOut, 50) == 0),
        "account_id" => Cell::Id(account),
        "company" => Cell::Text(company),
        "is_converted" => Cell::Bool(converted.is_some()),
        "converted_contact_id" => Cell::id_or_empty(contact),
        "converted_date" => converted.map_or(Cell::Empty, |(_, at)| Cell::Date(day(at))),
        "owner_id" | "created_by_id" | "last_modified_by_id" => Cell::Id(owner),
        "created_date" => Cell::Time(created),
        "last_modified_date" | "system_modstamp" => Cell::Time(changed),
        "is_deleted" => Cell::Bool(gone.is_some()),
        _ => Cell::Empty,
    })
}

/// Everybody who has a record: contacts that were not merged or deleted.
fn present(plan: &Plan) -> impl Iterator<Item = u32> + '_ {
    (0..plan.people.contacts()).filter(|&person| plan.people.gone(person).is_none())
}

fn write_affiliations(plan: &Plan, folder: &Path) -> Result<Option<MadeFile>> {
    let headers = ["ContactId", "Affiliation", "Campus", "School", "StartDate"].map(str::to_owned);
    let mut csv = Csv::create(folder, "affiliation.csv.gz", "affiliation", ExportStyle::Bulk, Wrap::Gzip, &headers)?;
    for person in present(plan) {
        let dice = plan.people.dice(person);
        let first = dice.below(On::Affiliation, AFFILIATIONS.len() as u64) as usize;
        // One to three kinds, all different: an alumna may be on the staff and a donor too.
        let kinds = 1 + [0, 0, 0, 1, 1, 2][dice.below(On::Step, 6) as usize];
        for kind in 0..kinds {
            let dice = dice.at(kind as u64);
            csv.cell(Cell::Id(plan.people.id(person)?))?;
            csv.cell(Cell::Text(AFFILIATIONS[(first + kind * 2) % AFFILIATIONS.len()]))?;
            csv.cell(Cell::Text(dice.pick::<&str>(On::Unit, CAMPUSES)))?;
            csv.cell(Cell::Text(dice.pick::<&str>(On::Words, SCHOOLS)))?;
            csv.cell(Cell::Date(day(plan.start - dice.below(On::Start, 9_000) as i64 * DAY)))?;
            csv.end_row()?;
        }
    }
    csv.finish()
}

fn write_employments(plan: &Plan, folder: &Path) -> Result<Option<MadeFile>> {
    let headers = ["ContactId", "Title", "Department", "Campus", "StartDate", "EndDate"].map(str::to_owned);
    let mut csv = Csv::create(folder, "employment.csv.gz", "employment", ExportStyle::Bulk, Wrap::Gzip, &headers)?;
    for person in present(plan) {
        let dice = plan.people.dice(person);
        // Two of five work here; some of them in two places, or did before.
        for job in 0..[0, 0, 0, 1, 2][dice.below(On::Employment, 5) as usize] {
            let dice = dice.at(100 + job);
            let start = plan.start - dice.below(On::Start, 6_000) as i64 * DAY;
            csv.cell(Cell::Id(plan.people.id(person)?))?;
            csv.cell(Cell::Text(dice.pick::<&str>(On::Words, TITLES)))?;
            csv.cell(Cell::Text(dice.pick::<&str>(On::Unit, DEPARTMENTS)))?;
            csv.cell(Cell::Text(dice.pick::<&str>(On::Affiliation, CAMPUSES)))?;
            csv.cell(Cell::Date(day(start)))?;
            let ended = dice.chance(On::Gone, 0.3).then(|| start + (30 + dice.below(On::Day, 2_000) as i64) * DAY);
            csv.cell(ended.map_or(Cell::Empty, |at| Cell::Date(day(at))))?;
            csv.end_row()?;
        }
    }
    csv.finish()
}

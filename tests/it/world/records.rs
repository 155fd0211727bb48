//! Records as Salesforce exports them: a few fields set, the rest empty.

use std::collections::BTreeSet;

const PACKAGE_FIELDS: [&str; 25] = [
    "MergeId",
    "Contact",
    "Lead",
    "SendDefinition",
    "JobId",
    "BatchId",
    "ListId",
    "SubscriberId",
    "SubjectLine",
    "DateSent",
    "Opened",
    "DateOpened",
    "Clicked",
    "NumberOfTotalClicks",
    "NumberOfUniqueClicks",
    "HardBounce",
    "SoftBounce",
    "DateBounced",
    "DateUnsubscribed",
    "Email",
    "Unique_Link_ID",
    "Individual_Email_Result",
    "LinkURL",
    "Last_Clicked",
    "JobId",
];

/// One row of an export.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<(&'static str, String)>);

/// An IER: its Id, a MergeId that is not the Id, an e-mail name.
pub fn ier(number: u32) -> Record {
    Record::default()
        .set("Id", ier_id(number))
        .set("MergeId", format!("M-{number}"))
        .set("Name", "CU Connections")
        .set("HardBounce", "false")
        .set("IsDeleted", "false")
}

/// A link of an IER.
pub fn link(number: u32, of: u32) -> Record {
    Record::default()
        .set("Id", id("a0E", number))
        .set("Unique_Link_ID", format!("L-{number}"))
        .set("Name", "Read more")
        .set("Individual_Email_Result", ier_id(of))
        .set("LinkURL", format!("https://example.edu/{number}"))
        .set("NumberOfTotalClicks", "1")
}

/// A send and how many mails it says it sent.
pub fn send(number: u32, number_sent: u32) -> Record {
    Record::default()
        .set("Id", id("a0B", number))
        .set("Name", format!("ES-{number}"))
        .set("SendStatus", "Completed")
        .set("NumberSent", number_sent.to_string())
}

/// A contact, not merged.
pub fn contact(number: u32) -> Record {
    Record::default().set("Id", contact_id(number)).set("MasterRecordId", "").set("IsDeleted", "false")
}

/// A lead, not converted.
pub fn lead(number: u32) -> Record {
    Record::default()
        .set("Id", lead_id(number))
        .set("IsConverted", "false")
        .set("ConvertedContactId", "")
        .set("MasterRecordId", "")
}

/// The 18-character id of an object's nth record: digits and lower-case letters only have the checksum `AAA` or similar.
pub fn id(prefix: &str, number: u32) -> String {
    ier::record::id::SfId::parse(&format!("{prefix}f4{number:010}")).expect("a well-formed id").as_str().to_owned()
}

/// The nth IER's id.
pub fn ier_id(number: u32) -> String {
    id("a0D", number)
}

/// The nth contact's id.
pub fn contact_id(number: u32) -> String {
    id("003", number)
}

/// The nth lead's id.
pub fn lead_id(number: u32) -> String {
    id("00Q", number)
}

/// `2026-08-06 15:00` (UTC) as exports write it; a bare day means noon.
pub fn moment(text: &str) -> String {
    match text.split_once(' ') {
        Some((day, time)) => format!("{day}T{time}:00.000Z"),
        None => format!("{text}T12:00:00.000Z"),
    }
}

impl Record {
    /// Sets a field, by its API name without package prefix; an empty text is null.
    pub fn set(mut self, field: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some(slot) => slot.1 = value,
            None => self.0.push((field, value)),
        }
        self
    }

    /// The export had no such column.
    pub fn without(mut self, field: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self
    }

    /// The send it belongs to.
    pub fn of_send(self, number: u32) -> Self {
        self.set("SendDefinition", id("a0B", number))
    }

    /// The contact written to.
    pub fn contact(self, number: u32) -> Self {
        self.set("Contact", contact_id(number))
    }

    /// The lead written to.
    pub fn lead(self, number: u32) -> Self {
        self.set("Lead", lead_id(number))
    }

    /// Merged into a contact, and so deleted.
    pub fn merged_into(self, winner: u32) -> Self {
        self.set("MasterRecordId", contact_id(winner)).set("IsDeleted", "true")
    }

    /// Converted into a contact.
    pub fn converted_into(self, contact: u32) -> Self {
        self.set("IsConverted", "true").set("ConvertedContactId", contact_id(contact))
    }

    /// When it was sent (and the record made).
    pub fn sent(self, at: &str) -> Self {
        self.set("DateSent", moment(at)).set("CreatedDate", moment(at))
    }

    /// When Salesforce last touched it.
    pub fn stamp(self, at: &str) -> Self {
        self.set("SystemModstamp", moment(at)).set("LastModifiedDate", moment(at))
    }

    /// Opened at this moment.
    pub fn opened(self, at: &str) -> Self {
        self.set("Opened", "true").set("DateOpened", moment(at))
    }

    /// Not opened.
    pub fn unopened(self) -> Self {
        self.set("Opened", "false").set("DateOpened", "")
    }

    /// So many clicks, on so many links.
    pub fn clicks(self, total: u32, unique: u32) -> Self {
        self.set("NumberOfTotalClicks", total.to_string()).set("NumberOfUniqueClicks", unique.to_string())
    }
}

/// An export file: the columns are those any of the records sets.
pub fn csv(records: &[Record]) -> String {
    let fields: BTreeSet<&str> = records.iter().flat_map(|record| record.0.iter().map(|(field, _)| *field)).collect();
    let header: Vec<String> = fields
        .iter()
        .map(|field| if PACKAGE_FIELDS.contains(field) { format!("\"et4ae5__{field}__c\"") } else { format!("\"{field}\"") })
        .collect();
    let line = |record: &Record| {
        let value = |field: &&str| record.0.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value.as_str());
        fields.iter().map(|field| format!("\"{}\"", value(field).replace('"', "\"\""))).collect::<Vec<_>>().join(",")
    };
    let lines: Vec<String> = std::iter::once(header.join(",")).chain(records.iter().map(line)).collect();
    lines.join("\n") + "\n"
}

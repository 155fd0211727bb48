//! Arguments that write an answer as an audience.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::query::audience::Audience;
use crate::record::id::SfId;

/// What an answer is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum As {
    /// People's ids for Data Loader: each person once, without those who opted out
    Audience,
}

/// How an audience is written.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Audience")]
pub struct AudienceArgs {
    /// Write people's ids for Data Loader to the file of -o: each person once, without those who opted out or are deleted
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    pub written_as: Option<As>,

    /// Make them members of this campaign: CampaignId, ContactId or LeadId, Status
    #[arg(long, value_name = "ID", requires = "written_as")]
    pub campaign: Option<String>,

    /// Their status as members
    #[arg(long, value_name = "TEXT", requires = "campaign", default_value = "Sent")]
    pub status: String,

    /// Write ids of 15 characters rather than 18
    #[arg(long, requires = "written_as")]
    pub short_ids: bool,

    /// Keep those who unsubscribed by an e-mail; who opted out of all stays out
    #[arg(long, requires = "written_as")]
    pub with_unsubscribed: bool,

    /// Leave these out, too: a statement with a column person_id, contact_id, lead_id or id
    #[arg(long, value_name = "SQL", requires = "written_as")]
    pub leave_out: Option<String>,
}

impl AudienceArgs {
    /// The audience that is wished for, if one is.
    ///
    /// # Errors
    /// Invalid for an id that is no campaign's.
    pub fn audience(&self) -> Result<Option<Audience>> {
        let Some(As::Audience) = self.written_as else { return Ok(None) };
        let campaign = |text: &String| {
            let id = SfId::parse(text).map_err(|error| Error::invalid(phrase!("--campaign {text}: {error}")))?;
            match id.has_prefix(CAMPAIGN_PREFIX) {
                true => Ok(id),
                false => Err(Error::invalid(phrase!("--campaign {id}: a campaign's id begins with {CAMPAIGN_PREFIX}"))),
            }
        };
        Ok(Some(Audience {
            campaign: self.campaign.as_ref().map(campaign).transpose()?,
            status: self.status.clone(),
            short_ids: self.short_ids,
            with_unsubscribed: self.with_unsubscribed,
            leave_out: self.leave_out.clone(),
        }))
    }
}

const CAMPAIGN_PREFIX: &str = "701";

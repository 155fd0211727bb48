//! What a site is told of the settings.

use std::path::PathBuf;

use chrono_tz::Tz;

/// What of the settings concerns answers over HTTP.
#[derive(Clone, Debug)]
pub struct Site {
    /// The zone in which people read moments, and days are counted.
    pub zone: Tz,
    /// A folder of further questions.
    pub questions: Option<PathBuf>,
    /// The address of the org, for links to people's records.
    pub org_url: Option<String>,
    /// Where spreadsheets wait while they are made.
    pub spill_folder: Option<PathBuf>,
}

//! Settings: from one file (`ier.toml`), environment variables `IER_*` and flags, each overriding the one before, checked once.
//!
//! A setting that is unknown or out of range is refused. The error names the line of the file or the variable, and says what would
//! be right; nothing falls back silently. This is the only file that reads the environment, and only in [`environment`]; everything
//! else gets the values as arguments. Without any settings, everything works on a local folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;

pub use self::load::Load;
use self::load::LoadLayer;
use self::retain::{Length, Retain, RetainLayer};
use self::run::{Consent, RunLayer};
pub use self::run::{DESTROYING_JOBS, RUN_JOBS, Run};
use self::serve::{Serve, ServeLayer};
use self::variables::{truth, unknown, variable};
use crate::calendar::local::{Calendar, Term};
use crate::error::{Context, Error, Result};

// `[load]`: the memory of a load, and how files that come every day are read.
mod load;

// Expands paths and addresses from settings and flags, such as `~/ier`.
pub mod paths;

// `[retain]`: how long records are kept.
pub mod retain;

// `[run]`: which jobs `ier run` does, when, and which of them may destroy.
mod run;

// `[serve]`: limits of `ier serve`.
pub mod serve;

// Environment variables: their names, and how yes and no are written.
mod variables;

// Options of object stores, and suggestions for mistyped ones.
pub mod store;

/// The settings file looked for where `--config` and `IER_CONFIG` name none.
pub const FILE_NAME: &str = "ier.toml";

/// A shorter key could be found by trying.
const KEY_LENGTH_MIN: usize = 16;

/// Every knob, checked. [`Settings::template`] says what each means, its default and its price.
#[derive(Clone, Eq, PartialEq)]
pub struct Settings {
    /// Where the tables live: a folder or the URL of an object store.
    pub warehouse: String,
    /// The time zone of people's dates.
    pub zone: Tz,
    /// When records move to the archive.
    pub archive: Archive,
    /// How archive files are merged.
    pub compact: Compact,
    /// How long records are kept.
    pub retain: Retain,
    /// What a statement may use.
    pub query: Query,
    /// What a load may use.
    pub load: Load,
    /// The interactive shell.
    pub shell: Shell,
    /// The log of look-ups.
    pub audit: Audit,
    /// What `ier run` does.
    pub run: Run,
    /// What `ier serve` allows.
    pub serve: Serve,
    /// The terms of the academic year.
    pub terms: Vec<Term>,
    /// The questions of `ier ask`.
    pub ask: Ask,
    /// Options of the object store, by its own names (`aws_endpoint`, …). May hold secrets: never printed.
    pub store: BTreeMap<String, String>,
}

/// When records move to the archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archive {
    /// Records sent longer ago than this move.
    pub older_than_days: u32,
}

/// How archive files are merged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compact {
    /// Memory for the months being merged, in MiB.
    pub memory_mb: u64,
    /// A month whose files are this old is written once more, with the best compression; 0 = never.
    pub best_after_days: u32,
}

/// What a statement may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// Memory of all running statements together, in MiB.
    pub memory_mb: u64,
    /// Where a statement that outgrows its memory puts sorted runs.
    pub spill_folder: PathBuf,
    /// A statement is stopped after this long; 0 = never.
    pub timeout_secs: u64,
    /// Memory kept for file footers, page indexes, dictionaries and rollups, in MiB.
    pub metadata_cache_mb: u64,
    /// Threads at work; never 0.
    pub threads: usize,
    /// Short ways of the planner that are not taken, with commas between.
    pub without: String,
}

/// The questions of `ier ask`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ask {
    /// A folder of one's own.
    pub folder: Option<PathBuf>,
    /// The org's address, for links to people's records.
    pub org_url: Option<String>,
}

/// The interactive shell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shell {
    /// Where the lines typed are kept; `None` = nowhere.
    pub history: Option<PathBuf>,
    /// The command that shows answers longer than the terminal is high; `None` = they run through.
    pub pager: Option<String>,
    /// The command that edits a file: the system's.
    pub editor: String,
}

/// The log of look-ups: who asked for whose history.
#[derive(Clone, Eq, PartialEq)]
pub struct Audit {
    /// Who looks, as the log names them. The user's name on this machine unless set: a claim, not a proof.
    pub who: String,
    /// Looking without a stated reason is refused.
    pub reason_required: bool,
    /// Under which key people's ids are hashed in the log and its entries sealed; `None` = a random one kept in the warehouse
    /// beside the log. That one keeps people's names from who sees entries alone (a copy, a printout). It does not keep
    /// who can read the whole warehouse from finding out who was looked up, nor who can write there from making
    /// entries that pass: only a key kept elsewhere does. Never printed.
    pub key: Option<String>,
}

/// What flags said; `None` = nothing.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--warehouse`
    pub warehouse: Option<String>,
    /// `--zone`
    pub zone: Option<String>,
    /// `--older-than`
    pub older_than_days: Option<u32>,
    /// `--timeout`
    pub timeout_secs: Option<u64>,
}

/// One source of settings; what it does not name, the one below decides. Doubles as the shape of the file.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layer {
    warehouse: Option<String>,
    zone: Option<String>,
    archive: ArchiveLayer,
    compact: CompactLayer,
    retain: RetainLayer,
    query: QueryLayer,
    load: LoadLayer,
    shell: ShellLayer,
    audit: AuditLayer,
    run: RunLayer,
    serve: ServeLayer,
    calendar: CalendarLayer,
    ask: AskLayer,
    store: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ArchiveLayer {
    older_than_days: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CompactLayer {
    memory_mb: Option<u64>,
    best_after_days: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QueryLayer {
    memory_mb: Option<u64>,
    spill_folder: Option<PathBuf>,
    timeout_secs: Option<u64>,
    metadata_cache_mb: Option<u64>,
    threads: Option<u64>,
    without: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ShellLayer {
    history: Option<PathBuf>,
    pager: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditLayer {
    who: Option<String>,
    reason_required: Option<bool>,
    key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CalendarLayer {
    terms: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AskLayer {
    folder: Option<PathBuf>,
    org_url: Option<String>,
}

/// The environment's variables; those that are not UTF-8 are no settings of ours. Where none says who is at work, as in containers and
/// under cron, the system does.
#[expect(clippy::disallowed_methods, reason = "here the environment is read")]
pub fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: Vec<(String, String)> = variables.collect();
    if !variables.iter().any(|(name, value)| USERS.contains(&name.as_str()) && !value.is_empty()) {
        variables.extend(system_user().map(|user| (USERS[0].to_owned(), user)));
    }
    variables
}

/// Variables that say who is at work, the first that is set.
const USERS: [&str; 3] = ["USER", "LOGNAME", "USERNAME"];

/// Who the system says is at work: their name, or where the system has none for it, the number they have.
#[cfg(unix)]
fn system_user() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // A process's own folder is its user's; elsewhere than on Linux there is none, and the variables are set.
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    Some(name.unwrap_or_else(|| format!("uid {id}")))
}

#[cfg(not(unix))]
fn system_user() -> Option<String> {
    None
}

/// The user's own folder, as the environment names it.
pub fn home(env: &[(String, String)]) -> Option<PathBuf> {
    let named = |wanted: &str| env.iter().find(|(name, value)| name == wanted && !value.is_empty());
    named("HOME").or_else(|| named("USERPROFILE")).map(|(_, home)| PathBuf::from(home))
}

impl Settings {
    /// The settings file to read: the flag's, else the one `IER_CONFIG` names, else `ier.toml` in `folder` if there is one.
    pub fn locate(flag: Option<&Path>, env: &[(String, String)], folder: &Path) -> Option<PathBuf> {
        let named = env.iter().find(|(name, value)| name == "IER_CONFIG" && !value.is_empty());
        let beside = folder.join(FILE_NAME);
        flag.map(Path::to_owned)
            .or_else(|| named.map(|(_, value)| PathBuf::from(value)))
            .or_else(|| beside.is_file().then_some(beside))
    }

    /// Reads `file` (if any), lays the environment over it and the flags over both. Refuses unknown keys and variables, and
    /// values out of range, naming where they stand.
    pub fn resolve(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, overrides: Overrides) -> Result<Self> {
        let mut settings = Self::defaults();
        let env: Vec<(String, String)> = env.collect();
        settings.surroundings(&env);
        let home = home(&env);
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).context(|| phrase!("cannot read the settings file {}", path.display()))?;
            let place = path.display().to_string();
            let layer = Layer::from_toml(&text, &place)?.placed(path.parent().unwrap_or(Path::new("")), home.as_deref())?;
            settings.apply(layer, &|key| format!("{place}: {key}"))?;
        }
        let here = Path::new("");
        settings.apply(Layer::from_env(&env)?.placed(here, home.as_deref())?, &|key| {
            format!("environment variable {}", variable(key))
        })?;
        let flags = Layer {
            warehouse: overrides.warehouse,
            zone: overrides.zone,
            archive: ArchiveLayer { older_than_days: overrides.older_than_days.map(u64::from) },
            query: QueryLayer { timeout_secs: overrides.timeout_secs, ..QueryLayer::default() },
            ..Layer::default()
        };
        settings.apply(flags.placed(here, home.as_deref())?, &|key| format!("flag for {key}"))?;
        Ok(settings)
    }

    /// A settings file with every knob at its default, its meaning and its price.
    pub fn template() -> &'static str {
        include_str!("../settings.toml")
    }

    /// What holds where nothing is set.
    fn defaults() -> Self {
        Self {
            warehouse: "./warehouse".to_owned(),
            zone: Tz::America__Denver,
            archive: Archive { older_than_days: 90 },
            compact: Compact { memory_mb: 1024, best_after_days: 365 },
            retain: Retain::default(),
            query: Query {
                memory_mb: 2048,
                spill_folder: PathBuf::from("/tmp"),
                timeout_secs: 300,
                metadata_cache_mb: 256,
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                without: String::new(),
            },
            load: Load {
                buffer_mb: 512,
                record_mb: 16,
                keep_versions: true,
                earliest: NaiveDate::from_ymd_opt(1999, 1, 1).unwrap_or_default(),
                files: Vec::new(),
            },
            shell: Shell { history: None, pager: None, editor: "vi".to_owned() },
            audit: Audit { who: "unknown".to_owned(), reason_required: false, key: None },
            run: Run::defaults(),
            serve: Serve::default(),
            terms: Calendar::default().terms,
            ask: Ask::default(),
            store: BTreeMap::new(),
        }
    }

    /// Takes from the system's own variables what they are for: the temporary folder, the home of the shell's history, who
    /// is at work, and the credentials cloud tools share (`AWS_*`, `AZURE_*`, `GOOGLE_*`), below everything a settings file says.
    fn surroundings(&mut self, env: &[(String, String)]) {
        let get = |wanted: &str| env.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, v)| v.as_str());
        if let Some(folder) = get("TMPDIR").or_else(|| get("TEMP")) {
            self.query.spill_folder = PathBuf::from(folder);
        }
        let data = get("XDG_DATA_HOME").map(PathBuf::from);
        let home = home(env).map(|home| home.join(".local/share"));
        self.shell.history = data.or(home).map(|folder| folder.join("ier").join("history"));
        self.shell.pager = get("PAGER").map(str::to_owned);
        if let Some(editor) = get("VISUAL").or_else(|| get("EDITOR")) {
            self.shell.editor = editor.to_owned();
        }
        if let Some(user) = USERS.into_iter().find_map(get) {
            self.audit.who = user.to_owned();
        }
        self.run.host = ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(get).map(str::to_owned);
        for (name, value) in env {
            if ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)) {
                self.store.insert(name.to_ascii_lowercase(), value.clone());
            }
        }
    }

    /// Lays one source over what is known; `place` names a key's place in it for the error.
    fn apply(&mut self, layer: Layer, place: &dyn Fn(&str) -> String) -> Result<()> {
        let number = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(value);
            }
            Err(Error::invalid(phrase!("{} is {value}; give a number from {least} to {most}", place(key))))
        };
        if let Some(warehouse) = layer.warehouse {
            if warehouse.trim().is_empty() {
                let right = "give a folder or a URL such as s3://bucket/path";
                return Err(Error::invalid(phrase!("{} is empty; {right}", place("warehouse"))));
            }
            self.warehouse = warehouse;
        }
        if let Some(zone) = layer.zone {
            self.zone = zone.parse().map_err(|_| {
                let right = "give an IANA name such as America/Denver or UTC";
                Error::invalid(phrase!("{} is \"{zone}\", which is no time zone; {right}", place("zone")))
            })?;
        }
        if let Some(days) = layer.archive.older_than_days {
            // 100 years: more is a slip of the finger.
            self.archive.older_than_days = number("archive.older_than_days", days, 1, 36_500)? as u32;
        }
        if let Some(mb) = layer.compact.memory_mb {
            self.compact.memory_mb = number("compact.memory_mb", mb, 256, 1 << 20)?;
        }
        if let Some(days) = layer.compact.best_after_days {
            self.compact.best_after_days = number("compact.best_after_days", days, 0, 36_500)? as u32;
        }
        self.retain.apply(layer.retain, place)?;
        if let Some(mb) = layer.query.memory_mb {
            self.query.memory_mb = number("query.memory_mb", mb, 64, 1 << 24)?;
        }
        if let Some(folder) = layer.query.spill_folder.filter(|folder| !folder.as_os_str().is_empty()) {
            self.query.spill_folder = folder;
        }
        if let Some(secs) = layer.query.timeout_secs {
            self.query.timeout_secs = number("query.timeout_secs", secs, 0, 7 * 86_400)?;
        }
        if let Some(mb) = layer.query.metadata_cache_mb {
            self.query.metadata_cache_mb = number("query.metadata_cache_mb", mb, 0, 1 << 20)?;
        }
        if let Some(threads) = layer.query.threads.map(|n| number("query.threads", n, 0, 4096)).transpose()?.filter(|&n| n > 0) {
            self.query.threads = threads as usize;
        }
        if let Some(without) = layer.query.without {
            self.query.without = without;
        }
        self.load.apply(layer.load)?;
        if let Some(path) = layer.shell.history.filter(|path| !path.as_os_str().is_empty()) {
            self.shell.history = Some(path);
        }
        if let Some(pager) = layer.shell.pager.filter(|pager| !pager.trim().is_empty()) {
            self.shell.pager = Some(pager);
        }
        if let Some(who) = layer.audit.who.filter(|who| !who.trim().is_empty()) {
            self.audit.who = who.trim().to_owned();
        }
        if let Some(required) = layer.audit.reason_required {
            self.audit.reason_required = required;
        }
        if let Some(key) = layer.audit.key.filter(|key| !key.is_empty()) {
            if key.len() < KEY_LENGTH_MIN {
                let right = "give at least 16, such as the 64 of `openssl rand -hex 32`";
                return Err(Error::invalid(phrase!("{} has {} characters; {right}", place("audit.key"), key.len())));
            }
            self.audit.key = Some(key);
        }
        if let Some(text) = layer.calendar.terms.filter(|text| !text.trim().is_empty()) {
            let right = "give names and first days (month-day), in order, such as Spring 01-01, Summer 05-15, Fall 08-15";
            let wrong = || Error::invalid(phrase!("{} is \"{text}\"; {right}", place("calendar.terms")));
            self.terms = Calendar::terms_from(&text).ok_or_else(wrong)?;
        }
        if let Some(folder) = layer.ask.folder.filter(|folder| !folder.as_os_str().is_empty()) {
            self.ask.folder = Some(folder);
        }
        if let Some(url) = layer.ask.org_url {
            self.ask.org_url = paths::org(&url)?;
        }
        self.run.apply(layer.run, place)?;
        self.serve.apply(layer.serve, &number)?;
        for (key, value) in layer.store {
            // Two spellings of one option must not both reach the store.
            let option = key.to_ascii_lowercase();
            if !store::is_known(&option) {
                let (place, meant) = (place(&format!("store.{option}")), store::nearest(&option));
                return Err(Error::invalid(phrase!("{place} is no option of a store; did you mean {meant}?")));
            }
            self.store.insert(option, value);
        }
        Ok(())
    }
}

impl Layer {
    fn from_toml(text: &str, place: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| format!(" line {}", before.matches('\n').count() + 1)).unwrap_or_default();
            let written = before.and_then(|before| before.rsplit('\n').next()).and_then(|line| line.split_once('='));
            let key = written.map(|(key, _)| format!(": {}", key.trim())).unwrap_or_default();
            let detail = error.message().trim().replace('\n', ", ").replace("expected u64", "expected a whole number");
            Error::invalid(phrase!("{place}{line}{key}: {}", detail.replace("expected u32", "expected a whole number")))
        })
    }

    /// Paths are meant from `folder`: where the file is, not where the command is typed.
    fn placed(mut self, folder: &Path, home: Option<&Path>) -> Result<Self> {
        let known = [&mut self.query.spill_folder, &mut self.shell.history, &mut self.ask.folder, &mut self.run.metrics_file];
        let known = known.into_iter().chain(self.serve.paths());
        for path in known.flatten().filter(|path| !path.as_os_str().is_empty()) {
            *path = folder.join(paths::expanded(std::mem::take(path), home)?);
        }
        if let Some(warehouse) = self.warehouse.as_mut().filter(|warehouse| !warehouse.trim().is_empty()) {
            *warehouse = paths::warehouse(warehouse, folder, home)?;
        }
        Ok(self)
    }

    fn from_env(env: &[(String, String)]) -> Result<Self> {
        let mut layer = Self::default();
        for (name, value) in env {
            // The convention of shells: an empty variable is an unset one.
            let Some(key) = name.strip_prefix("IER_").filter(|_| !value.is_empty()) else { continue };
            let number = || {
                value.trim().parse::<u64>().map(Some).map_err(|_| {
                    Error::invalid(phrase!("environment variable {name} is \"{value}\"; give a whole number, without a unit"))
                })
            };
            match key {
                "CONFIG" => {}
                "WAREHOUSE" => layer.warehouse = Some(value.clone()),
                "ZONE" => layer.zone = Some(value.clone()),
                "ARCHIVE_OLDER_THAN_DAYS" => layer.archive.older_than_days = number()?,
                "COMPACT_MEMORY_MB" => layer.compact.memory_mb = number()?,
                "COMPACT_BEST_AFTER_DAYS" => layer.compact.best_after_days = number()?,
                "RETAIN_YEARS" => {
                    let years = Length::parse(value);
                    let wrong =
                        || Error::invalid(phrase!("environment variable {name} is \"{value}\"; give a whole number, or never"));
                    layer.retain.years = Some(years.ok_or_else(wrong)?);
                }
                "QUERY_MEMORY_MB" => layer.query.memory_mb = number()?,
                "QUERY_SPILL_FOLDER" => layer.query.spill_folder = Some(PathBuf::from(value)),
                "QUERY_TIMEOUT_SECS" => layer.query.timeout_secs = number()?,
                "QUERY_METADATA_CACHE_MB" => layer.query.metadata_cache_mb = number()?,
                "QUERY_THREADS" => layer.query.threads = number()?,
                "QUERY_WITHOUT" => layer.query.without = Some(value.clone()),
                "LOAD_BUFFER_MB" => layer.load.buffer_mb = number()?,
                "LOAD_RECORD_MB" => layer.load.record_mb = number()?,
                "LOAD_EARLIEST" => layer.load.earliest = Some(value.clone()),
                "LOAD_KEEP_VERSIONS" => layer.load.keep_versions = Some(truth(name, value)?),
                "SHELL_PAGER" => layer.shell.pager = Some(value.clone()),
                "SHELL_HISTORY" => layer.shell.history = Some(PathBuf::from(value)),
                "AUDIT_WHO" => layer.audit.who = Some(value.clone()),
                "AUDIT_REASON_REQUIRED" => layer.audit.reason_required = Some(truth(name, value)?),
                "AUDIT_KEY" => layer.audit.key = Some(value.clone()),
                "CALENDAR_TERMS" => layer.calendar.terms = Some(value.clone()),
                "ASK_FOLDER" => layer.ask.folder = Some(PathBuf::from(value)),
                "ASK_ORG_URL" => layer.ask.org_url = Some(value.clone()),
                "RUN_CONFIRM" => layer.run.confirm = Some(Consent::parse(value)),
                "RUN_METRICS_FILE" => layer.run.metrics_file = Some(PathBuf::from(value)),
                key if key.strip_prefix("RUN_").is_some_and(is_job) => {
                    layer.run.jobs.insert(key["RUN_".len()..].to_ascii_lowercase(), value.clone());
                }
                key if layer.serve.set_path(key, value).is_some() => {}
                key if layer.serve.set(key, number)?.is_some() => {}
                key => match key.strip_prefix("STORE_") {
                    Some(option) if !option.is_empty() => {
                        layer.store.insert(option.to_ascii_lowercase(), value.clone());
                    }
                    _ => {
                        return Err(unknown(name));
                    }
                },
            }
        }
        Ok(layer)
    }
}

/// Is this, in capitals, a job that can be scheduled?
fn is_job(name: &str) -> bool {
    RUN_JOBS.iter().any(|(job, _)| job.eq_ignore_ascii_case(name))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("warehouse", &self.warehouse)
            .field("zone", &self.zone)
            .field("archive", &self.archive)
            .field("compact", &self.compact)
            .field("retain", &self.retain)
            .field("query", &self.query)
            .field("load", &self.load)
            .field("shell", &self.shell)
            .field("audit", &(&self.audit.who, self.audit.reason_required, self.audit.key.is_some()))
            .field("run", &self.run)
            .field("serve", &self.serve)
            .field("terms", &self.terms)
            .field("ask", &self.ask)
            .field("store", &self.store.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests;

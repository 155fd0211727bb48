//! Environment variables: their names, and how yes and no are written.

use crate::error::{Error, Result};

/// All of them.
const KNOWN: &str = "IER_CONFIG, IER_WAREHOUSE, IER_ZONE, IER_ARCHIVE_OLDER_THAN_DAYS, IER_COMPACT_MEMORY_MB, \
     IER_COMPACT_BEST_AFTER_DAYS, IER_CALENDAR_TERMS, IER_ASK_FOLDER, IER_ASK_ORG_URL, IER_RETAIN_YEARS, \
     IER_QUERY_MEMORY_MB, IER_QUERY_SPILL_FOLDER, IER_QUERY_TIMEOUT_SECS, IER_QUERY_METADATA_CACHE_MB, \
     IER_QUERY_THREADS, IER_QUERY_WITHOUT, IER_LOAD_BUFFER_MB, IER_LOAD_RECORD_MB, IER_LOAD_EARLIEST, \
     IER_LOAD_KEEP_VERSIONS, IER_SHELL_HISTORY, IER_SHELL_PAGER, IER_AUDIT_WHO, \
     IER_AUDIT_REASON_REQUIRED, IER_AUDIT_KEY, IER_RUN_<JOB>, IER_RUN_CONFIRM, IER_RUN_METRICS_FILE, \
     IER_SERVE_CONNECTIONS, IER_SERVE_STATEMENTS, IER_SERVE_TIMEOUT_SECS, IER_SERVE_USERS, \
     IER_SERVE_TLS_CERTIFICATE, IER_SERVE_TLS_KEY, IER_STORE_<OPTION>";

/// Yes or no from a variable.
pub(super) fn truth(name: &str, value: &str) -> Result<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(Error::invalid(phrase!("environment variable {name} is \"{value}\"; give true or false"))),
    }
}

/// `query.memory_mb` as `IER_QUERY_MEMORY_MB`.
pub(super) fn variable(key: &str) -> String {
    format!("IER_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// A variable that is no setting.
pub(super) fn unknown(name: &str) -> Error {
    Error::invalid(phrase!("environment variable {name} is no setting; unset it, or give one of {KNOWN}"))
}

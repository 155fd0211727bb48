//! What is counted of requests: how many, and what became of them. No names, no addresses, no paths with parts that somebody chose.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Requests by the way they took and the status they got.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>);

impl Counters {
    /// One more.
    pub(crate) fn count(&self, method: &'static str, path: &'static str, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((method, path, status)).or_default() += 1;
    }

    /// In the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text =
            "# HELP ier_http_requests_total Requests by way and status.\n# TYPE ier_http_requests_total counter\n".to_owned();
        for ((method, path, status), number) in counted.iter() {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "ier_http_requests_total{{method=\"{method}\",path=\"{path}\",status=\"{status}\"}} {number}");
        }
        text
    }
}

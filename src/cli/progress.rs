//! A progress bar on standard error while a job runs, if standard error is a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::human::printable;
use crate::progress::{Progress, Silent, Unit};

/// How often the bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// A bar, or silence when `silent` or when standard error is no terminal. The bar goes when its last holder does.
pub fn start(silent: bool) -> Result<Arc<dyn Progress>> {
    if silent || !std::io::stderr().is_terminal() {
        return Ok(Arc::new(Silent));
    }
    Ok(Arc::new(Bar::new(ProgressDrawTarget::stderr())?))
}

/// What is drawn of a count whose total is not known, or before anything is counted.
const WITHOUT_TOTAL: &str = "{wide_msg} {elapsed}";

/// What is drawn of a count.
fn template(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "{wide_msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left",
        Unit::Files => "{wide_msg} [{bar:30}] {human_pos}/{human_len} files, {eta} left",
        Unit::Rows => "{wide_msg} [{bar:30}] {human_pos}/{human_len} rows, {eta} left",
        Unit::Tables => "{wide_msg} [{bar:30}] {human_pos}/{human_len} tables, {eta} left",
    }
}

fn style(template: &str) -> Result<ProgressStyle> {
    let style = ProgressStyle::with_template(template);
    let style = style.map_err(|error| Error::internal("the progress bar's template is wrong").with_source(error))?;
    Ok(style.progress_chars("=> "))
}

struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(target: ProgressDrawTarget) -> Result<Self> {
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style(WITHOUT_TOTAL)?);
        bar.enable_steady_tick(REDRAW);
        Ok(Self { bar })
    }
}

impl Progress for Bar {
    fn count(&self, unit: Unit, total: u64) {
        // A test draws each of them, so none is missed here.
        if let Ok(style) = style(if total == 0 { WITHOUT_TOTAL } else { template(unit) }) {
            self.bar.set_style(style);
        }
        self.bar.reset();
        self.bar.set_length(total);
    }

    fn advance(&self, by: u64) {
        self.bar.inc(by);
        // What others write meanwhile may be more than was counted: never more than all is done.
        if self.bar.length().is_some_and(|total| self.bar.position() > total) {
            self.bar.set_length(self.bar.position());
        }
    }

    fn say(&self, what: &str) {
        self.bar.set_message(printable(what));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_count_begins_at_0_and_has_a_total_of_its_own() {
        let bar = Bar::new(ProgressDrawTarget::hidden()).unwrap();
        for unit in [Unit::Bytes, Unit::Files, Unit::Rows, Unit::Tables] {
            style(template(unit)).unwrap();
            bar.count(unit, 10);
            bar.advance(3);
            bar.say("fold\u{1b}ing");
            let shown = (bar.bar.length(), bar.bar.position(), bar.bar.message());
            assert_eq!(shown, (Some(10), 3, "fold\u{FFFD}ing".to_owned()));
        }
        bar.advance(9);
        assert_eq!((bar.bar.length(), bar.bar.position()), (Some(12), 12), "never 12 of 10");
        bar.count(Unit::Rows, 0);
        assert_eq!(bar.bar.position(), 0);
    }
}

//! A bar on standard error while a job runs, when somebody is there to see it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::human::printable;
use crate::progress::{Progress, Silent};

/// How often the bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// What a job counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Bytes read.
    Bytes,
    /// Rows written.
    Rows,
}

/// A bar, or silence when `silent` or when standard error is no terminal. The bar goes when its last holder does.
pub fn start(unit: Unit, silent: bool) -> Result<Arc<dyn Progress>> {
    if silent || !std::io::stderr().is_terminal() {
        return Ok(Arc::new(Silent));
    }
    Ok(Arc::new(Bar::new(unit, ProgressDrawTarget::stderr())?))
}

struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(unit: Unit, target: ProgressDrawTarget) -> Result<Self> {
        let template = match unit {
            Unit::Bytes => "{wide_msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left",
            Unit::Rows => "{wide_msg} [{bar:30}] {human_pos}/{human_len} {per_sec:.0}, {eta} left",
        };
        let style = ProgressStyle::with_template(template);
        let style = style.map_err(|error| Error::internal("the progress bar's template is wrong").with_source(error))?;
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style.progress_chars("=> "));
        bar.enable_steady_tick(REDRAW);
        Ok(Self { bar })
    }
}

impl Progress for Bar {
    fn total(&self, total: u64) {
        self.bar.set_length(total);
    }

    fn advance(&self, by: u64) {
        self.bar.inc(by);
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
    fn both_bars_can_be_drawn() {
        for unit in [Unit::Bytes, Unit::Rows] {
            let bar = Bar::new(unit, ProgressDrawTarget::hidden()).unwrap();
            bar.total(10);
            bar.advance(3);
            bar.say("fold\u{1b}ing");
            assert_eq!((bar.bar.length(), bar.bar.position(), bar.bar.message()), (Some(10), 3, "fold\u{FFFD}ing".to_owned()));
        }
    }
}

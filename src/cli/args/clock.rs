//! The flag by which the user confirms that the machine's clock is right. All verbs that depend on the clock have it.

/// Whether to believe the clock.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ClockArgs {
    /// The clock is right, although nothing happened here for weeks, or something at a later time: written down, and believed from now on
    #[arg(long)]
    pub clock_is_right: bool,
}

//! Arguments of `ier drop`.

/// Drop a table of people's attributes, with all its rows
///
/// For a table that was made by mistake, or is not needed any more. Tables of records are never dropped. Drops only with --confirm;
/// without, says what would go. A file loaded later makes the table anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier drop affilation
  ier drop affilation --confirm")]
pub struct Drop {
    /// The table
    #[arg(value_name = "TABLE")]
    pub table: String,

    /// Do drop it
    #[arg(long)]
    pub confirm: bool,

    /// Say what would be dropped, and drop nothing (this is also what happens without --confirm)
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,
}

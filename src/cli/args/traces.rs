//! The words of the search for what should be gone.

/// Search every object of the warehouse, decompressed, for ids, addresses or names that should be gone
///
/// Data files are decoded column by column, dictionaries included; footers, logs, checkpoints and all else are searched as they
/// are. An id is found in both its forms. Exit code 6: something was found, or cannot be searched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier traces 003f400000JJbuPAAT ana.ortiz@example.edu \"Ana Ortiz\"")]
pub struct Traces {
    /// Ids, addresses, names
    #[arg(required = true, value_name = "TEXT")]
    pub texts: Vec<String>,
}

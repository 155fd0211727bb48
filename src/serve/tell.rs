//! What an operator should know while a server runs: that a file it reads again is broken, say.

use std::sync::Arc;

/// Hears it.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

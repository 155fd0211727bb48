//! The names of the tags that we add to a file's log entry, such as `ier.blake3` for its hash.

/// blake3 hash of the file's bytes, in hexadecimal.
pub const BLAKE3: &str = "ier.blake3";
/// Size and blake3 hash of the file's end: checksums, page indexes and footer. See [`crate::lake::file::checksums`].
pub const TAIL: &str = "ier.tail";
/// Place and blake3 hash of the file's rollup, where it has one. See [`crate::lake::file::rollup`].
pub const ROLLUP: &str = "ier.rollup";
/// Place and blake3 hash of the file's rare rows, where it has some; in its footer, too. See [`crate::lake::file::rare`].
pub const RARE: &str = "ier.rare";
/// For hot files with marked rows: the days (since 1970, comma-separated) under which the archive may hold their keys.
pub const LATE: &str = "ier.late_from";
/// How much effort went into a file's compression, where that is more than its tier's own.
pub const EFFORT: &str = "ier.effort";
/// The mark of a row whose key the archive may hold under any day.
pub const ANYWHERE: i32 = i32::MIN;

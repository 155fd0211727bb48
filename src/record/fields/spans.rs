//! The columns `valid_from` and `valid_to`, which say from when until when a row of people's attributes holds.

/// Since when a row of people's attributes holds; null: from the beginning of the records.
pub const VALID_FROM: &str = "valid_from";
/// Until when it does; null: still.
pub const VALID_TO: &str = "valid_to";

/// Does a column say when a row of people's attributes holds?
pub fn is_span(name: &str) -> bool {
    name == VALID_FROM || name == VALID_TO
}

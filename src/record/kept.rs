//! What a row says of the columns that its newest version did not provide.

use super::fields::Field;

/// The stamp of a value that no version ever provided.
pub(super) const NEVER: &str = "never";

/// A column that is computed from another where that is provided, and the other: the two are one register, because a
/// computed click must not outlive the number it was computed from.
pub(super) const COMPUTED: (&str, &str) = ("clicked", "number_of_unique_clicks");

/// The [`KEPT`](super::fields::hidden::KEPT) text of a version whose export lacked these columns; `None` when no note is needed.
pub fn never_provided(absent: &[&Field]) -> Option<String> {
    let computed = |field: &Field| field.name == COMPUTED.0 && !absent.iter().any(|other| other.name == COMPUTED.1);
    let noted = absent.iter().filter(|field| !field.sticky && !is_stamp(field) && !computed(field));
    let noted: Vec<String> = noted.map(|field| format!("{}={NEVER}", field.name)).collect();
    (!noted.is_empty()).then(|| noted.join(";"))
}

/// The stamps themselves are no registers: they say which version is newer.
pub(super) fn is_stamp(field: &Field) -> bool {
    field.name == "system_modstamp" || field.name == "last_modified_date"
}

//! How a tier's files may be read for a statement: whether the wanted rows are few, whether all of them are rare rows, and whether
//! raw pages are allowed.

/// What is known about a tier's rows before they are read, and how they may be read.
#[derive(Clone, Copy, Debug)]
pub struct Tier {
    /// As SQL shows it.
    pub name: &'static str,
    /// Those for which the filters hold are few.
    pub few: bool,
    /// All of those are [rare](crate::lake::file::rare).
    pub rare: bool,
    /// Those of a few people may be read straight from the bytes of their [pages](crate::lake::file::pages).
    pub raw_pages: bool,
}

impl Tier {
    /// Of which nothing is known.
    pub fn new(name: &'static str) -> Self {
        Self { name, few: false, rare: false, raw_pages: true }
    }
}

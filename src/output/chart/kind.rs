//! The kinds of charts, and the word by which a user asks for each.

use clap::ValueEnum;

/// What is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Kind {
    /// A line for each column of numbers, or for each value of a column of text, over time
    Line,
    /// A bar for each number, by label
    Bar,
    /// A field for each pair of labels, the darker the greater
    Heat,
}

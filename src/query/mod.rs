//! The one door for questions: what can be asked, and how answers are written down.

pub mod ask;

pub mod output;

//! What runs unattended, one verb a file: plan, then execute, then report.

pub mod load;

pub mod alias;

pub mod coverage;

pub mod archive;

pub mod compact;

pub mod vacuum;

pub mod erase;

pub mod traces;

pub mod status;

pub mod reconcile;

//! What runs unattended, one verb a file: plan, then execute, then report.

pub mod load;

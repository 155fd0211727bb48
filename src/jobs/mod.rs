//! What runs unattended, one verb a file: plan, then execute, then report. Each run is recorded; the scheduler does them by itself.

pub mod record;

pub mod clock;

pub mod load;

pub mod alias;

pub mod coverage;

pub mod archive;

pub mod compact;

pub mod vacuum;

pub mod release;

pub mod schedule;

pub mod metrics;

pub mod erase;

pub mod scheduler;

pub mod traces;

pub mod doubles;

pub mod repair;

pub mod verify;

pub mod undo;

pub mod give_up;

pub mod status;

pub mod reconcile;

pub mod hold;

pub mod retain;

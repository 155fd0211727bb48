//! What runs unattended, one verb a file: plan, then execute, then report. Each run is recorded; the scheduler does them by itself.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// Is the clock to be believed?
pub mod clock;

// `ier load`: export files into the hot tier and the reference tables.
pub mod load;

// `ier alias add`: somebody says that two ids are one person, and why.
pub mod alias;

// `ier archive`: rows past the boundary move from hot days to archive months; late rows are folded in.
pub mod archive;

// `ier compact`: a month of many or overlapping archive files becomes few sorted ones that do not overlap.
pub mod compact;

// `ier vacuum`: deletes files no reader can need any more.
pub mod vacuum;

// `ier release`: the ids of records that are archived and proved to be, as lists for deleting them in Salesforce.
pub mod release;

// What is due: a pure function of the schedule, the clock and what the ledger of runs knows.
pub mod schedule;

// Figures for a monitor, in Prometheus' text format: how the jobs do, what stands in each tier, who is at work.
pub mod metrics;

// `ier erase`: everything about one person goes, and may never come back.
pub mod erase;

// `ier run`: all jobs on their schedules, in one process, under the warehouse's lease.
pub mod scheduler;

// What should be gone: does any object still hold it?
pub mod traces;

// Finds keys that are stored more than once in a table.
pub mod duplicates;

// Records stored more than once: finds them in both tiers, and makes one of each when told to.
pub mod repair;

// `ier verify`: is everything still as it was written?
pub mod verify;

// `ier verify --undo-foreign`: takes back what other engines committed to our tables, which nobody can read since.
pub mod undo;

// `ier verify --give-up`: takes files that are gone or damaged out of their tables' logs, so that all jobs work again.
pub mod give_up;

// `ier status`: what the warehouse holds, how far that reaches, and what it costs beside Salesforce.
pub mod status;

// `ier reconcile`: do the books balance, and is every record there once?
pub mod reconcile;

// `ier hold add|list|release`: legal holds, which keep records from retention and erasure.
pub mod hold;

// `ier drop`: a table of people's attributes goes.
pub mod drop;

// `ier retain`: records that have outlived their terms go, in both tiers, unless a hold covers them.
pub mod retain;

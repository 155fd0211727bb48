//! The jobs, one verb a file: plan, then execute, then report. Each run is entered in the ledger of runs. The scheduler runs them by itself.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// Decides whether the machine's clock can be believed.
pub mod clock;

// `ier load`: loads export files into the hot tier and the reference tables.
pub mod load;

// `ier alias add`: a person declares that two ids belong to one person.
pub mod alias;

// `ier archive`: moves rows past the boundary from hot days to archive months, and folds late rows into the archive.
pub mod archive;

// `ier compact`: rewrites a month of many or overlapping archive files as few sorted files.
pub mod compact;

// `ier vacuum`: deletes files that no reader needs any more.
pub mod vacuum;

// `ier release`: lists the ids of records that are archived and verified, so that Data Loader can delete them in Salesforce.
pub mod release;

// Decides when a job is due: a pure function of its schedule, the clock and the ledger of runs.
pub mod schedule;

// Metrics in Prometheus' text format: the jobs' runs, the contents of each tier, the holder of the lease.
pub mod metrics;

// `ier erase`: removes people from every table, from old versions and from rejects files.
pub mod erase;

// `ier run`: runs all jobs on their schedules, in one process, under the warehouse's lease.
pub mod scheduler;

// Searches every object under the warehouse for texts that should be gone.
pub mod traces;

// Finds keys that are stored more than once in a table.
pub mod duplicates;

// Finds records that are stored more than once, and merges each into one when asked to.
pub mod repair;

// `ier verify`: checks that everything is still as it was written.
pub mod verify;

// `ier verify --undo-foreign`: takes back what other engines committed to our tables.
pub mod undo;

// `ier verify --give-up`: takes missing or damaged files out of their tables' logs, so that all jobs work again.
pub mod give_up;

// `ier status`: what the warehouse holds, which days it covers, and what it costs compared with Salesforce.
pub mod status;

// `ier reconcile`: checks that the books balance and that every record is stored once.
pub mod reconcile;

// `ier hold add|list|release`: legal holds, which protect records from retention and erasure.
pub mod hold;

// `ier drop`: removes a table of people's attributes.
pub mod drop;

// `ier retain`: removes records that have outlived their terms from both tiers, unless a hold covers them.
pub mod retain;

//! The command line: parses arguments, calls a job, prints its report, and returns the exit code of the error's kind. One verb a
//! file; the logic is in the jobs.
//!
//! What every verb needs (settings, clock, JSON or not) is decided once, in [`session::Session`].

// `ier alias`: which ids are one person.
mod alias;

// Writes an answer to standard output or a file, in the chosen format, or as an audience.
mod answer;

// `ier archive`: moves old records from hot to the archive.
mod archive;

// `ier ask`: answers a question of the library, by its name.
mod ask;

// `ier audit`: was this person told? Also checks a pack of evidence.
mod audit;

// `ier compact`: rewrites many small archive files as few sorted ones.
mod compact;

// `ier demo`: makes exports, loads them and asks questions, in a folder of its own.
mod demo;

// `ier drop`: removes a table of people's attributes, with `--confirm`.
mod drop;

// `ier erase`: removes people everywhere and for good, with `--confirm`.
mod erase;

// `ier generate`: writes invented exports.
mod generate;

// Says what to type instead of a verb of another tool, such as `import` or `delete`.
pub mod hints;

// `ier history`: shows one person's e-mails, newest first.
mod history;

// `ier hold`: places, lists and releases legal holds.
mod hold;

// `ier inspect`: shows how files would be read, without storing anything.
mod inspect;

// `ier load`: loads export files.
mod load;

// `ier log`: shows the newest look-ups, and whether the log of look-ups is intact.
mod log;

// `ier manual`: the manual, a chapter at a time, and man pages.
mod manual;

// Opens the warehouse and the engine as the settings say.
mod open;

// `ier reconcile`: checks that the books balance and that every record is stored once.
mod reconcile;

// `ier release`: writes lists of ids that may be deleted in Salesforce.
mod release;

// `ier retain`: removes records that are older than their term, with `--confirm`.
mod retain;

// Dispatches each verb to its file.
mod run;

// `ier run`: runs all jobs on their schedules.
mod scheduler;

// `ier serve`: the warehouse for others to ask, until told to stop.
mod serve;

// `ier status`: shows what is stored, and what it costs.
mod status;

// `ier verify --erased`: searches all objects for texts that should be gone.
mod traces;

// `ier user`: writes the file of who may come in at `ier serve`.
mod user;

// Decides whom `ier serve` serves, by its flags and the settings.
mod served;

// `ier vacuum`: deletes files that no table uses any more, with `--confirm`.
mod vacuum;

// `ier verify`: reads everything, names what is damaged, and fails if anything is.
mod verify;

// `ier who`: finds people by parts of their names and addresses.
mod who;

// The command-line arguments of all verbs, and their help texts.
pub mod args;

// `ier completions`: prints a shell's completion script.
mod completions;

// Stops on request: Ctrl-C, and the signal of a service manager.
pub mod interrupt;

// Prints reports on standard output and errors on standard error, for people or as JSON.
pub mod print;

// A progress bar on standard error, if that is a terminal.
pub mod progress;

// One run of `ier`: its settings, its clock, and how it prints.
pub mod session;

// The interactive shell: statements over several lines, history, `\d`, timing; and the same for statements from a pipe.
pub mod shell;

// `ier sql`: runs statements from the command line, a file or a pipe, or opens a shell.
pub mod sql;

// Splits a text into SQL statements.
mod statements;

pub use run::start;

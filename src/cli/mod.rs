//! The command line: arguments in, a report out, an exit code by the kind of error. One verb a file, no logic.
//!
//! Everything a verb needs (settings, clock, whether to speak JSON) is decided once, in [`session::Session`].

// `ier alias`: which ids are one person.
mod alias;

// Where an answer goes and in what form: what `ier sql` and `ier history` share.
mod answer;

// `ier archive`: hot records that have come of age move to the archive.
mod archive;

// `ier ask`: the questions people bring, by name.
mod ask;

// `ier audit`: was this person told?
mod audit;

// `ier compact`: many small files become few sorted ones.
mod compact;

// `ier demo`: one record's life in a folder of its own, from made-up exports to answers.
mod demo;

// `ier drop`: a table of people's attributes goes, when confirmed.
mod drop;

// `ier erase`: people go for good, when confirmed.
mod erase;

// `ier generate`: made-up exports.
mod generate;

// Verbs that people try, and what does here what they mean.
pub mod hints;

// `ier history`: one person's mails, newest first, after the look-up was recorded.
mod history;

// `ier hold`: what must not be removed.
mod hold;

// `ier inspect`: how files would be read, and what they would become.
mod inspect;

// `ier load`: exports in, counts out.
mod load;

// `ier log`: the newest look-ups, and whether the log is whole.
mod log;

// `ier manual`: the manual, a chapter at a time, and man pages.
mod manual;

// What a verb works on, opened as the settings say.
mod open;

// `ier reconcile`: do the books balance, and is every record there once?
mod reconcile;

// `ier release`: ids that may be deleted in Salesforce, as lists.
mod release;

// `ier retain`: what has outlived its term is removed, when confirmed.
mod retain;

// From a verb to the file that does it.
mod run;

// `ier run`: all jobs on their schedules.
mod scheduler;

// `ier serve`: the warehouse for others to ask, until told to stop.
mod serve;

// `ier status`: what is stored, and what it costs.
mod status;

// `ier verify --erased`: does any object still hold what should be gone?
mod traces;

// `ier user`: who may come in at `ier serve`.
mod user;

// Whom `ier serve` serves, by its flags and the settings.
mod served;

// `ier vacuum`: files no table uses any more are deleted, when confirmed.
mod vacuum;

// `ier verify`: reads everything, names what is damaged, and fails when anything is.
mod verify;

// `ier who`: people by parts of their names and addresses.
mod who;

// The words of the command line and the help that teaches them.
pub mod args;

// `ier completions`: the script that completes `ier`'s words in a shell.
mod completions;

// Stopping on request: Ctrl-C and the signal a service manager sends.
pub mod interrupt;

// What the command line says: reports on standard output, errors on standard error, for people or as JSON.
pub mod print;

// A bar on standard error while a job runs, when somebody is there to see it.
pub mod progress;

// What one run of `ier` knows: its settings, its clock, and whom it talks to.
pub mod session;

// The interactive shell: statements over several lines, history, `\d`, timing; and the same for statements from a pipe.
pub mod shell;

// `ier sql`: statements from the command line, a file or a pipe, or a shell for a person.
pub mod sql;

// Where one SQL statement ends and the next begins.
mod statements;

pub use run::start;

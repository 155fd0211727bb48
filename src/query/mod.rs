//! One door: SQL over hot and archive as one table.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// The log of look-ups as the engine writes it: whatever shows somebody leaves an entry.
pub mod look_ups;

// Whom a statement names by an id: it is a look-up of them.
mod named;

// Functions of SQL: who is one person, local time, measures, versions.
pub mod functions;

// What a statement is planned into: the tables as plans see them, and the short ways through them.
pub mod planner;

// `data_file`: the files of all tables, as a table.
pub mod files;

// `ier_as_of(TIMESTAMP)`: the records as they were known at a moment.
pub mod as_of;

// What there is: tables, views, schemas.
pub mod catalog;

// What somebody may see: which rows, and which columns under a mask.
pub mod policy;

// A question people bring, as an SQL file with a head: what it answers, its parameters, its columns.
pub mod question;

// How deep a statement may be.
pub mod depth;

// What the columns of an answer are called.
mod naming;

// A statement as it is planned: parsed, its parameters bound, its macros replaced.
mod statement;

// A statement that was parsed before it came to the engine.
pub mod parsed;

// What one statement may use.
pub mod limits;

// The memory of an engine's statements, and who may hold how much of it.
mod memory;

// The threads on which statements run.
mod workers;

// Somebody asked for, and all that is known of their ids.
pub mod people;

// What a shell (or any front door) needs of the engine.
pub mod ask;

// Why a statement cannot be planned, where a table is not there.
mod missing;

// The answers that are no rows of a table: what its columns are, how a statement is planned.
mod described;

// Answers SQL over a warehouse.
pub mod engine;

// What may be seen by whom a statement is for, with the units as they are when it begins.
mod seen;

// What a server asks of the engine: statements parsed already, what they will answer, and the tables there are.
mod served;

// Finding a person: by id, by e-mail address, by words of a name.
pub mod who;

// How the engine writes the log of look-ups: the entry before the rows.
mod look_up_entry;

// Suggests which id was meant when an id belongs to nobody.
mod unknown_id;

// Resolves the values given for a question's parameters.
mod parameter_values;

// An answer that lists people by their ids, with their names and addresses.
mod with_names;

// An answer as an audience: people's ids that load back into Salesforce.
pub mod audience;

// Shows whom an irreversible verb concerns.
pub mod named_person;

//! The engine: SQL over hot and archive as one table.
//!
//! Decisions, with what was refused: `DECISIONS.md`, in this folder.

// The log of look-ups, as the engine writes it.
pub mod look_ups;

// Finds the people that a statement names by an id.
mod named;

// SQL functions of our own: who is one person, local time, measures, versions.
pub mod functions;

// The planner: how tables appear in a plan, and the shortcuts through them.
pub mod planner;

// `data_file`: a table of all data files, with rows and bytes by table, tier and period.
pub mod files;

// `ier_as_of(TIMESTAMP)`: the records as they were known at a moment.
pub mod as_of;

// The tables, views and schemas that SQL knows.
pub mod catalog;

// What somebody may see: which rows, and which columns under a mask.
pub mod policy;

// A question as an SQL file, whose head declares parameters and columns.
pub mod question;

// Limits how deeply a statement may be nested.
pub mod depth;

// Names the columns of an answer as Postgres does.
mod naming;

// Prepares a statement for planning: parses it, binds parameters, names columns, replaces macros.
mod statement;

// A statement that was parsed before it reaches the engine.
pub mod parsed;

// The limits of a statement: memory, time, threads.
pub mod limits;

// The memory pool of an engine's statements.
mod memory;

// Runs statements on threads of their own.
mod workers;

// A person who was asked for, and all ids known for them.
pub mod people;

// The trait by which the shell and other front ends use the engine.
pub mod ask;

// Says why a statement cannot be planned where a table is not there.
mod missing;

// Answers that are no rows of a table: DESCRIBE and EXPLAIN.
pub mod described;

// The rules by which statements are planned: DataFusion's and ours, in the order in which they run.
mod rules;

// The engine: runs SQL over a warehouse.
pub mod engine;

// Applies a policy to a plan, with the business units as they are when the statement begins.
mod seen;

// What a server needs of the engine: parsed statements run, answers described before they run, tables listed.
mod served;

// Finds people: by id, by e-mail address, by words of a name.
pub mod who;

// Checks the reason for a look-up, and writes its entry before rows are shown.
mod look_up_entry;

// Suggests which id was meant when an id belongs to nobody.
mod unknown_id;

// Resolves the values given for a question's parameters.
mod parameter_values;

// Adds names and addresses to an answer that lists people by their ids.
mod with_names;

// Turns an answer into an audience: ids of people that load back into Salesforce.
pub mod audience;

// Checks before an irreversible verb: who is it, is the send known, does the reason name somebody?
pub mod named_person;

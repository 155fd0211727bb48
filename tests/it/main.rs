//! One test binary; this is its table of contents.

#![allow(clippy::disallowed_methods)]

/// A warehouse in memory with a clock that the test sets, records to fill it, and a store that counts, fails and waits.
mod world;

/// A warehouse filled from `data/`, as a user would.
mod fixture;

/// One record's life as a story: every day another job, every day the same answer.
mod life;

/// The peculiarities of the data: a test for each item of the domain's list, by its number.
mod boundary;

/// Which version wins: any order, any duplication, any grouping gives the same row.
mod versions;

/// Any interleaving of loads and jobs equals a plain map.
mod model;

/// Random SQL: hot over archive answers as the same rows in memory do, whatever is asked and whatever job has just run.
mod random_sql;

/// Random SQL against SQLite: an oracle that is not DataFusion.
mod sqlite;

/// The planner's shortcuts change no answer, and are taken where they should be.
mod shortcuts;

/// Processes that run for months: each read is of the newest version, each commit on the newest base.
mod long_lived;

/// Every object in its place: seals that say where they belong, keys that prove themselves, a warehouse that knows it is one.
mod places;

/// Warehouses of earlier formats: read, continued and verified by this build.
mod golden;

/// Loading: the forms in which other tools write exports.
mod door;

/// Loading: headers, encodings, zones, rejects.
mod exports;

/// Loading: damaged exports.
mod door_damage;

/// Loading: files with random damage, which nobody would make on purpose.
mod fuzz;

/// The hand-checked answers of `data/README.md`, before and after every job.
mod answers;

/// Which months are compacted, in what order, within what limits.
mod compact;

/// The ledger of runs: how each job ended, whatever else happened.
mod jobs;

/// How far the records reach: the ledger of loads, sends seen in part, e-mails recorded as not sent.
mod coverage;

/// Who looked up whom: every look-up is in the log before it is shown, and nothing in the log can be altered unseen.
mod lookups;

/// The warehouse served to others by Postgres' wire protocol: what clients do, and what attackers try.
mod serve;

/// SQL as text: answers, refusals, and plans that open only what they must.
mod slt;

/// The binary as a person or a script meets it: transcripts, exit codes, pipes, a load killed in the middle.
mod cli;

/// Was this person told? Each case as an auditor meets it.
mod audit;

/// What was known when: every past state of the table can be queried.
mod as_of;

/// The evidence pack: the same question gives the same bytes, and no byte of it can change unseen.
mod evidence;

/// The questions people bring, each with a hand-checked answer.
mod questions;

/// Audits, questions and views say the same of every record.
mod agree;

/// Answers as audiences that load back into Salesforce.
mod audience;

/// People's attributes in time: what they were then, what they are now.
mod spans;

/// The look-up of a few people's rows finds what a scan finds, and reads hardly anything.
mod people;

/// How many requests a look-up sends to a distant store, and how many of them wait for each other.
mod waves;

/// One person under all their ids: merges, conversions, aliases by hand, whoever asks by whatever they have.
mod identity;

/// Versions of one record become one record, by whichever of its names they are known and however these are written.
mod namesakes;

/// The books balance: rows taken in are there, erased or expired.
mod reconcile;

/// Records stored more than once are found and made one of.
mod repair;

/// Ids given out for deletion: only what was read back, each once, none lost.
mod release;

/// A store that does not keep what commits rely on is refused before a record is lost.
mod promises;

/// The lease of a warehouse: of all schedulers, one works.
mod lease;

/// Statements that want too much time or memory.
mod limits;

/// Statements as deep as programs write them: answered or refused, and the process lives.
mod deep;

/// What a process takes, measured from outside, and what becomes of rows that outgrow it.
mod memory;

/// Whatever fails, wherever and whenever: every call of every job in every way, pairs of jobs over seeds, power cuts, lost
/// answers of S3, kills of the binary. `cargo test faults` runs it, `IER_TEST_FAULTS=long` for longer.
mod faults;

/// Two jobs at once, at the worst moments.
mod races;

/// Erasure: afterwards no object holds the person, nobody else has changed, and nothing of theirs comes back.
mod erase;

/// How long records are kept, and what holds keep longer.
mod retain;

/// Retention killed at any write, and beside every other job.
mod retain_races;

/// Random rules, holds, records and moments of archiving: exactly the right rows go.
mod retain_model;

/// `ier verify`: a story for each kind of damage it names, and that what is sound is called sound.
mod verify;

/// Files that are gone are given up, what another engine committed is taken back, and every job works again.
mod way_back;

/// A clock that is wrong destroys nothing.
mod clocks;

/// Bit rot: bytes that change in the store give the right answer or a named error, never another answer, and verify names them.
mod rot;

/// README and manual say what the program does: blocks are run, links followed, names looked for.
mod manual;

/// Rules of the source that a machine can check: imports between rooms, sizes of files, SQL files, dependencies.
mod tidy;

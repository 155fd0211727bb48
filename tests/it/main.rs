//! The integration tests: one binary, each file one kind of promise.

mod house;

mod answers;

mod exports;

mod slt;

mod cli;

mod limits;

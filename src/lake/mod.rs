//! One kind of table: sorted Parquet files and a Delta log.
//!
//! A [`table::LakeTable`] has a [`snapshot::Snapshot`] (which files are live), and changes only by a [`fold`] followed by one
//! [`commit`]. The lake knows columns, partitions and keys; it does not know hot from archive.

pub mod store;

mod remote;

pub mod promise;

mod warm;

pub mod durable;

pub mod traffic;

pub mod paths;

pub mod marker;

pub mod seal;

pub mod table;

pub mod snapshot;

pub mod layout;

pub mod sort;

mod thrift;

pub mod sums;

mod sink;

pub mod appendix;

pub mod rollup;

pub mod rare;

pub mod appendix_scan;

pub mod reader;

pub mod read;

pub mod write;

mod scratch;

pub mod wanderers;

pub mod spill;

pub mod parallel;

pub mod fold;

pub mod tally;

pub mod splice;

mod cleanup;

mod landed;

pub mod commit;

pub mod verify;

pub mod proof;

pub mod inspect;

pub mod logs;

pub mod footers;

pub mod scan;

pub mod pages;

mod encodings;

mod point;

pub mod people;

pub mod placed;

pub mod vacuum;

pub mod foreign;

mod hiding;

pub mod purge;

pub mod search;

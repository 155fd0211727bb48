//! Arguments of `ier serve`.

use std::path::PathBuf;

use clap::ValueHint;

use super::path::path;

/// Serve the warehouse to browsers, and to psql, DBeaver, Python and whatever else speaks Postgres' protocol, until told to stop
///
/// Serves you, on this machine: prints a link that signs your browser in once, and a command for psql with a password that is made anew
/// at each start. With a file of users (`ier user`) it serves these, each what their role is for, and with a certificate also from other
/// machines. Answers questions and changes nothing. Sees what is loaded as soon as it is loaded.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier serve                                   pages at 127.0.0.1:8427, Postgres' protocol at 127.0.0.1:5427
  ier serve --http 127.0.0.1:0 --pg off       pages alone, at any port that is free
  ier serve --pg 0.0.0.0:5427 --http 0.0.0.0:8427 --tls-certificate cert.pem --tls-key key.pem
  ier serve --reason \"ticket 4711\"            why whoever is looked up is looked up

SIGHUP has users and certificate read again at once. Ctrl-C and SIGTERM stop it: nobody new is let in, and what runs has 30 seconds to end; a second one stops it at once.")]
pub struct Serve {
    /// Where to listen for browsers and HTTP: an address of this machine, and a port (0 is any that is free); or off
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8427")]
    pub http: String,

    /// Where to listen for Postgres' protocol: an address of this machine, and a port (0 is any that is free); or off
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5427")]
    pub pg: String,

    /// The file of users (else the setting serve.users, else ier-users.toml beside the settings)
    #[arg(value_parser = path(), long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub users: Option<PathBuf>,

    /// A certificate in PEM, with those it was signed by behind it
    #[arg(value_parser = path(), long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls_certificate: Option<PathBuf>,

    /// Its private key in PEM
    #[arg(value_parser = path(), long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,

    /// Why you look, for the log of look-ups: for statements that name a person to contact_history or person_ids
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

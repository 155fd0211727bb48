//! Says what to type instead of a verb that does not exist here but in other tools.

use clap::error::{ContextKind, ContextValue};

/// A verb of another tool, and what to type here.
const VERBS: [(&str, &str); 25] = [
    ("backup", "copy the warehouse's folder or bucket while nothing runs; `ier verify` proves a copy whole"),
    ("delete", "`ier erase` takes out a person, `ier retain` what has outlived its term, `ier drop` a table of attributes"),
    ("describe", "`ier sql \"\\d TABLE\"` lists the columns of a table"),
    ("dump", "`ier sql -o FILE \"SELECT …\"` writes an answer to a file"),
    ("export", "`ier sql -o FILE \"SELECT …\"` writes an answer to a file"),
    ("find", "`ier who TEXT` finds people by parts of their names and addresses"),
    ("import", "`ier load FILE…` takes in exports"),
    ("info", "`ier status` says what is stored"),
    ("ingest", "`ier load FILE…` takes in exports"),
    ("init", "`ier load FILE…` makes a warehouse; `ier demo` shows one at work"),
    ("list", "`ier sql \"\\d\"` lists tables, `ier ask` questions"),
    ("lookup", "`ier history ID` shows a person's mails, `ier who TEXT` finds people"),
    ("merge", "`ier alias add FROM TO` says that two ids are one person"),
    ("optimize", "`ier compact` rewrites many small files as few sorted ones"),
    ("purge", "`ier erase` takes out a person, `ier retain` what has outlived its term, `ier vacuum` files nobody uses"),
    ("query", "`ier sql \"SELECT …\"` asks, `ier sql` is a shell"),
    ("remove", "`ier erase` takes out a person, `ier retain` what has outlived its term, `ier drop` a table of attributes"),
    ("restore", "a warehouse is restored by copying it back; `ier verify` says what is damaged"),
    ("search", "`ier who TEXT` finds people, `ier audit ID --about TEXT` what they were sent"),
    ("select", "`ier sql \"SELECT …\"`"),
    ("server", "`ier serve` lets psql, DBeaver and Python ask; `ier run` does the jobs on their schedules"),
    ("shell", "`ier sql` without a statement is a shell"),
    ("show", "`ier status` says what is stored, `ier sql \"\\d\"` lists tables"),
    ("tables", "`ier sql \"\\d\"` lists tables"),
    ("version", "`ier --version`"),
];

/// What to type instead of a verb there is not; none where the words are wrong otherwise, or nobody can tell.
pub fn instead(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    VERBS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(verb)).map(|(_, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::Args;

    #[test]
    fn what_people_try_is_answered_and_hides_no_verb_of_ours() {
        let ours: Vec<String> = Args::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for (theirs, says) in VERBS {
            assert!(!ours.iter().any(|verb| verb == theirs), "{theirs} is a verb");
            let refused = Args::try_parse_from(["ier", theirs]).map(|_| ()).expect_err("no verb");
            assert_eq!(instead(&refused), Some(says), "{theirs}");
        }
        let other = Args::try_parse_from(["ier", "lod"]).map(|_| ()).expect_err("no verb");
        assert_eq!(instead(&other), None);
    }
}

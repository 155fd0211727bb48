#![allow(clippy::unwrap_used)]

use super::*;

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

fn from_file(text: &str, variables: &[(&str, &str)], overrides: Overrides) -> Result<Settings> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, text)?;
    Settings::resolve(Some(&path), env(variables), overrides)
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    from_file(text, variables, Overrides::default()).unwrap_err().to_string()
}

#[test]
fn nothing_set_works_on_a_local_folder() {
    let settings = Settings::resolve(None, env(&[("HOME", "/home/ann")]), Overrides::default()).unwrap();
    assert_eq!(settings.warehouse, "./warehouse");
    assert_eq!(settings.zone, Tz::America__Denver);
    assert_eq!(settings.query.timeout_secs, 300);
    assert_eq!(settings.shell.history, Some(PathBuf::from("/home/ann/.local/share/ier/history")));
}

#[test]
fn the_template_parses_to_the_defaults() {
    let mut settings = from_file(Settings::template(), &[], Overrides::default()).unwrap();
    // The one default that is a folder beside the file.
    assert!(settings.warehouse.ends_with("./warehouse"), "{}", settings.warehouse);
    settings.warehouse = "./warehouse".to_owned();
    assert_eq!(settings, Settings::defaults());
}

#[test]
fn flags_beat_variables_beat_the_file() {
    let file = "warehouse = 's3://a/b'\nzone = 'UTC'\n[query]\nmemory_mb = 100\ntimeout_secs = 1\n[store]\naws_region = 'x'\n";
    let variables = [
        ("IER_ZONE", "Europe/Berlin"),
        ("IER_QUERY_TIMEOUT_SECS", "2"),
        ("IER_STORE_AWS_REGION", "y"),
        ("AWS_REGION", "ambient"),
        ("AWS_ACCESS_KEY_ID", "k"),
    ];
    let overrides = Overrides { timeout_secs: Some(3), ..Overrides::default() };
    let settings = from_file(file, &variables, overrides).unwrap();
    assert_eq!(settings.warehouse, "s3://a/b");
    assert_eq!(settings.zone, Tz::Europe__Berlin);
    assert_eq!((settings.query.memory_mb, settings.query.timeout_secs), (100, 3));
    assert_eq!((settings.store["aws_region"].as_str(), settings.store["aws_access_key_id"].as_str()), ("y", "k"));
}

#[test]
fn secrets_of_the_store_are_not_printed() {
    let secrets = [("AWS_SECRET_ACCESS_KEY", "hush"), ("IER_AUDIT_KEY", "hush hush hush hush")];
    let settings = Settings::resolve(None, env(&secrets), Overrides::default()).unwrap();
    let printed = format!("{settings:?}");
    assert!(printed.contains("aws_secret_access_key") && !printed.contains("hush"), "{printed}");
}

#[test]
fn who_looks_is_the_user_unless_said() {
    let user = ("USER", "ann");
    let who = |text: &str, variables: &[_]| from_file(text, variables, Overrides::default()).unwrap().audit.who;
    assert_eq!(who("", &[]), "unknown");
    assert_eq!(who("", &[user]), "ann");
    assert_eq!(who("audit.who = ' desk 3 '", &[user]), "desk 3");
    assert_eq!(who("audit.who = 'desk 3'", &[user, ("IER_AUDIT_WHO", "bob")]), "bob");
    let required = from_file("", &[("IER_AUDIT_REASON_REQUIRED", "Yes")], Overrides::default()).unwrap();
    assert!(required.audit.reason_required);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (file, variables, said) in [
        ("zone = 'UTC'\nwarehuose = 'x'\n", &[][..], "ier.toml line 2: unknown field `warehuose`"),
        (
            "[query]\nmemory_mb = 'much'\n",
            &[],
            "ier.toml line 2: memory_mb: invalid type: string \"much\", expected a whole number",
        ),
        ("[query]\nmemory_mb = 1\n", &[], "query.memory_mb is 1; give a number from 64 to"),
        ("zone = 'Denver'\n", &[], "zone is \"Denver\", which is no time zone"),
        ("warehouse = ''\n", &[], "warehouse is empty"),
        ("", &[("IER_QUERY_MEMORY_MB", "2G")], "IER_QUERY_MEMORY_MB is \"2G\"; give a whole number"),
        ("", &[("IER_QUERY_MEMORY_MB", "2")], "environment variable IER_QUERY_MEMORY_MB is 2; give"),
        ("", &[("IER_RETAIN_YEARS", "0")], "environment variable IER_RETAIN_YEARS is 0; give a number from 1"),
        ("", &[("IER_RETAIN_YEARS", "long")], "IER_RETAIN_YEARS is \"long\"; give a whole number, or never"),
        ("[[retain.rules]]\nname = 'x'\nyears = 1\n", &[], "ier.toml: retain.rules.name \"x\" covers everything"),
        ("", &[("IER_MEMORY", "2")], "IER_MEMORY is no setting"),
        ("", &[("IER_AUDIT_REASON_REQUIRED", "maybe")], "IER_AUDIT_REASON_REQUIRED is \"maybe\"; give true or false"),
        ("[run]\narchive = 'dayly at 2'\n", &[], "ier.toml: run.archive is \"dayly at 2\"; give off, every 15m"),
        ("[run]\narchvie = 'off'\n", &[], "ier.toml: run.archvie is no setting; give one of run.archive, run.compact"),
        ("", &[("IER_RUN_ARCHIVE", "never")], "environment variable IER_RUN_ARCHIVE is \"never\"; give off"),
        ("", &[("IER_RUN_AWAY", "off")], "IER_RUN_AWAY is no setting"),
        ("[run]\nconfirm = ['archive']\n", &[], "run.confirm names \"archive\"; give any of the jobs that destroy: \"vacuum\""),
        ("[run]\nconfirm = 1\n", &[], "a list of jobs, such as [\"vacuum\"]"),
        ("", &[("IER_RUN_CONFIRM", "vacuum,retian")], "IER_RUN_CONFIRM names \"retian\"; give any of"),
        ("[audit]\nkey = 'short'\n", &[], "audit.key has 5 characters; give at least 16"),
        (
            "[store]\naws_endponnt = 'x'\n",
            &[],
            "ier.toml: store.aws_endponnt is no option of a store; did you mean aws_endpoint?",
        ),
        ("", &[("IER_STORE_AWS_ENDPONNT", "x")], "environment variable IER_STORE_AWS_ENDPONNT is no option of a store"),
        ("warehouse = 's3:/bucket'\n", &[], "give s3://bucket"),
        ("", &[("IER_ARCHIVE_OLDER_THAN_DAYS", "0")], "IER_ARCHIVE_OLDER_THAN_DAYS is 0; give a number from 1"),
    ] {
        let message = refusal(file, variables);
        assert!(message.contains(said), "{message}");
    }
    let missing = Settings::resolve(Some(Path::new("/no/such.toml")), env(&[]), Overrides::default()).unwrap_err();
    assert_eq!(missing.kind(), crate::error::Kind::NotFound);
    assert!(missing.to_string().contains("/no/such.toml"));
}

#[test]
fn jobs_run_when_it_is_said() {
    let file = "[run]\narchive = 'daily at 01:15'\nvacuum = 'off'\nconfirm = ['vacuum']\nmetrics_file = 'ier.prom'\n";
    let settings = from_file(file, &[("IER_RUN_VACUUM", "every 6h"), ("HOSTNAME", "ark")], Overrides::default()).unwrap();
    let printed: Vec<String> = settings.run.jobs.values().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            "daily at 01:15",
            "weekly on sunday at 03:00",
            "daily at 04:00",
            "weekly on sunday at 06:00",
            "monthly on 1 at 04:00",
            "every 6h",
            "monthly on 1 at 05:00"
        ]
    );
    assert!(settings.run.confirm.iter().eq(["vacuum"]) && settings.run.metrics_file.unwrap().ends_with("ier.prom"));
    assert_eq!(settings.run.host.as_deref(), Some("ark"));
}

/// What once let everything that destroys run by itself names what it would have to say now, and lets nothing.
#[test]
fn an_old_consent_to_everything_is_refused_with_the_new_words() {
    for (file, variables) in [("[run]\nconfirm = true\n", &[][..]), ("", &[("IER_RUN_CONFIRM", "true")])] {
        let message = refusal(file, variables);
        for said in ["is true", "[\"vacuum\", \"retain\", \"finish_erasures\"]", "retain.years", "three years are no longer"] {
            assert!(message.contains(said), "{said} is not in: {message}");
        }
    }
    let confirmed = |file: &str, variables: &[_]| from_file(file, variables, Overrides::default()).unwrap().run.confirm;
    assert!(confirmed("", &[]).is_empty() && confirmed("[run]\nconfirm = false\n", &[]).is_empty());
    assert!(confirmed("", &[("IER_RUN_CONFIRM", "vacuum, retain")]).iter().eq(["retain", "vacuum"]));
    assert!(confirmed("[run]\nconfirm = ['retain']\n", &[("IER_RUN_CONFIRM", "no")]).is_empty(), "a variable beats the file");
}

#[test]
fn the_file_is_the_flags_then_the_variables_then_the_one_beside() {
    let folder = tempfile::tempdir().unwrap();
    let named: Vec<_> = env(&[("IER_CONFIG", "/c.toml")]).collect();
    assert_eq!(Settings::locate(None, &[], folder.path()), None);
    std::fs::write(folder.path().join(FILE_NAME), "").unwrap();
    assert_eq!(Settings::locate(None, &[], folder.path()), Some(folder.path().join(FILE_NAME)));
    assert_eq!(Settings::locate(None, &named, folder.path()), Some(PathBuf::from("/c.toml")));
    assert_eq!(Settings::locate(Some(Path::new("f")), &named, folder.path()), Some(PathBuf::from("f")));
}

#[test]
fn folders_in_a_file_are_meant_from_the_file() {
    let settings = from_file("warehouse = 'data'\n[query]\nspill_folder = '/s'\n", &[], Overrides::default()).unwrap();
    assert!(settings.warehouse.ends_with("/data") && settings.warehouse.len() > "/data".len());
    assert_eq!(settings.query.spill_folder, PathBuf::from("/s"));
    let at_home =
        from_file("warehouse = '~/wh'\nask.folder = '~/asked'\n", &[("HOME", "/home/ann")], Overrides::default()).unwrap();
    assert_eq!(at_home.warehouse, "/home/ann/wh");
    assert_eq!(at_home.ask.folder, Some(PathBuf::from("/home/ann/asked")));
}

#[test]
fn every_knob_is_named_where_a_wrong_variable_is_refused_and_where_settings_are_shown() {
    let printed = refusal("", &[("IER_MEMORY", "2")]);
    for key in Settings::template().lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
        let known = key.starts_with('#') || RUN_JOBS.iter().any(|(job, _)| *job == key);
        assert!(known || printed.contains(&key.to_ascii_uppercase()), "{key} is missing in: {printed}");
    }
    let shown = format!("{:?}", Settings::defaults());
    for section in Settings::template().lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']')) {
        assert!(shown.contains(if section == "calendar" { "terms" } else { section }), "{section} is missing in: {shown}");
    }
}

#[test]
fn files_that_come_every_day_need_no_flags() {
    let text = "[[load.files]]\npattern = 'hr-*.csv'\ntable = 'employment'\nzone = 'Etc/GMT+6'\ndates = 'day-first'\n\
                columns = { 'Emp' = 'ContactId' }\n";
    let settings = from_file(text, &[], Overrides::default()).unwrap();
    let rule = &settings.load.files[0];
    assert!(rule.pattern.matches("hr-2026-11-28.csv") && !rule.pattern.matches("ier.csv"));
    assert_eq!((rule.table.as_deref(), rule.zone), (Some("employment"), Some(chrono_tz::Etc::GMTPlus6)));
    assert_eq!(rule.columns["Emp"], "ContactId");
    for wrong in ["pattern = '[a'", "pattern = 'a'\nzone = 'Mars'", "pattern = 'a'\ndates = 'year-first'", "table = 'x'"] {
        assert!(from_file(&format!("[[load.files]]\n{wrong}\n"), &[], Overrides::default()).is_err(), "{wrong}");
    }
    assert!(from_file("load.earliest = 'long ago'", &[], Overrides::default()).is_err());
}

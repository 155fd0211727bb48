//! Delimited text, as spreadsheets, reports and tools of other countries and other makers write it.

use ier::jobs::load::{LoadReport, TableCounts};

use crate::fixture::Fixture;

const ONE: &str = "a0Df40000000001EAA";
const TWO: &str = "a0Df40000000002EAA";

async fn loaded(name: &str, bytes: impl AsRef<[u8]>) -> (Fixture, LoadReport) {
    let fixture = Fixture::empty().await;
    let report =
        fixture.load_as([fixture.file(name, bytes)], Some("ier")).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(report.tables.iter().all(|table| table.read == table.accounted_for()), "{report}");
    (fixture, report)
}

fn only(report: &LoadReport) -> &TableCounts {
    let [table] = report.tables.as_slice() else { panic!("{report}") };
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_end_as_those_of_old_macs_are_rows() {
    let few = format!("Id,Name,Opened\r{ONE},A,true\r{TWO},\"B, C\",false\r");
    let many: String = (0..20_000).map(|row| format!("m-{row},A,true\r")).collect();
    let (fixture, report) = loaded("mac.csv", &few).await;
    assert_eq!((only(&report).read, only(&report).inserted), (2, 2), "{report}");
    assert_eq!(
        fixture.ask("SELECT ier_id, email_name, opened FROM ier ORDER BY 1").await,
        [format!("{ONE} | A | true"), format!("{TWO} | B, C | false")]
    );
    let (_, report) = loaded("mac.csv", format!("MergeId,Name,Opened\r{many}")).await;
    assert_eq!((only(&report).read, only(&report).inserted), (20_000, 20_000), "{report}");
    // Letters of Windows: read twice.
    let bytes: Vec<u8> = format!("Id,Name,Opened\r{ONE},Caf\u{e9},true\r").chars().map(|character| character as u8).collect();
    let (fixture, _) = loaded("mac.csv", bytes).await;
    assert_eq!(fixture.ask("SELECT email_name FROM ier").await, ["Caf\u{e9}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_behind_a_report_in_any_language_are_no_rows() {
    let head = format!(
        "\"Individual Email Result: ID\",\"Email Name\",\"Links Clicked\"\n\"{ONE}\",\"OE\",\"3\"\n\"{TWO}\",\"OE\",\"4\"\n"
    );
    for (lines, behind) in [
        (1, "Gesamtsummen (2 Datens\u{e4}tze),,7\n"),
        (1, "\"Gesamtsumme\",\"\",\"7\"\n"),
        (1, "Total g\u{e9}n\u{e9}ral,,7\n"),
        (1, "Totales generales (2 registros)\n"),
        (1, "\u{5408}\u{8a08} (2 \u{30ec}\u{30b3}\u{30fc}\u{30c9})\n"),
        (1, "Total,,7\n"),
        (3, "\nMein Bericht\nCopyright (c) 2000-2026 salesforce.com, inc. Alle Rechte vorbehalten.\nErstellt von: Ada\n"),
        (2, "Grand Totals (2 records),,7\nConfidential Information - Do Not Distribute\n"),
    ] {
        let (_, report) = loaded("report1787000000000.csv", format!("{head}{behind}")).await;
        let counts = only(&report);
        assert_eq!((counts.read, counts.inserted, counts.rejected, counts.trailing), (2, 2, 0, lines), "{behind}");
    }
    // People's attributes end as they should, because no row of them was refused.
    let fixture = Fixture::empty().await;
    let file = |rows: &str| fixture.file("affiliation.csv", format!("ContactId,Campus\n{rows}Gesamtsummen (1 Datensatz),\n"));
    fixture.load([file("003f40000000001AAA,Boulder\n003f40000000001AAA,Denver\n")]).await.unwrap();
    let report = fixture.load([file("003f40000000001AAA,Boulder\n")]).await.unwrap();
    assert_eq!((only(&report).rejected, only(&report).ended), (0, 1), "{report}");
    // A mail may be called what a total is called.
    let (_, report) = loaded("x.csv", format!("Name,Id,Opened\nTotal,{ONE},true\nGrand total of gifts,{TWO},true\n")).await;
    assert_eq!((only(&report).inserted, only(&report).trailing), (2, 0), "{report}");
    // What goes on behind it is reported.
    let (_, report) = loaded("x.csv", format!("Id,Name,Opened\n{ONE},A,1\nTotal,,\n{TWO},A,1\n")).await;
    assert_eq!((only(&report).inserted, only(&report).rejected), (2, 1), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_which_a_spreadsheet_dropped_digits_are_no_keys() {
    let text = format!(
        "Id,MergeId,JobId,SubscriberId,Name\n{ONE},m-1,9.013E+03,4.1E+08,1.5E+10\n{TWO},1.23457E+15,9013,410000001,x\n\
         a0Df40000000003EAA,m-3,9013,4.10001E+08,x\n"
    );
    let (fixture, report) = loaded("x.csv", text).await;
    assert_eq!((only(&report).inserted, only(&report).rejected), (0, 3), "{report}");
    let rejects = std::fs::read_to_string(fixture.rejects()).unwrap();
    assert!(rejects.contains("a spreadsheet has dropped digits of this number"), "{rejects}");
    let (fixture, report) = loaded("x.csv", format!("Id,MergeId,JobId,Name\n{ONE},12E4,9.013E+03,1.5E+10\n")).await;
    assert_eq!(only(&report).rejected, 0, "{report}");
    assert_eq!(fixture.ask("SELECT merge_id, job_id, email_name FROM ier").await, ["12E4 | 9013 | 1.5E+10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tools_add_is_no_data_and_makes_no_version() {
    let columns = "_dbt_source_relation,dbt_scd_id,dbt_valid_from,METADATA$ACTION,_PARTITIONTIME,_rescued_data,__hevo_id,_ab_source_file_url,...1";
    let sync = |run: &str| {
        let own = [run; 9].join(",");
        format!("Id,MergeId,SystemModstamp,Region__c,{columns}\n{ONE},m,2026-08-06T15:00:00Z,West,{own}\n")
    };
    let (fixture, _) = loaded("1.csv", sync("1")).await;
    let report = fixture.load([fixture.file("2.csv", sync("2"))]).await.unwrap();
    assert_eq!((only(&report).unchanged, report.changed()), (1, false), "{report}");
    assert_eq!(fixture.ask("SELECT custom FROM ier").await, [r#"{"Region__c":"West"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkboxes_in_other_languages() {
    let words = [
        ("Ja", "Nein"),
        ("oui", "NON"),
        ("S\u{ed}", "no"),
        ("Sim", "N\u{e3}o"),
        ("WAHR", "FALSCH"),
        ("On", "Off"),
        ("vrai", "faux"),
    ];
    for (yes, no) in words {
        let (fixture, _) = loaded("x.csv", format!("Id,Opened,HardBounce\n{ONE},{yes},{no}\n")).await;
        assert_eq!(fixture.ask("SELECT opened, hard_bounce FROM ier").await, ["true | false"], "{yes}, {no}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_never_ends_is_refused_and_two_of_one_column_are_one() {
    let fixture = Fixture::empty().await;
    let wide = format!("Id,MergeId,{}\n{ONE},m,{}\n", ["A"; 9_000].join(","), ["x"; 9_000].join(","));
    let error = fixture.load([fixture.file("wide.csv", wide)]).await.unwrap_err().to_string();
    assert!(error.contains("9,002 columns, more than any object has fields"), "{error}");
    let many = format!("Id,MergeId,{}\n{ONE},m,{}\n", ["A"; 3_000].join(","), ["x"; 3_000].join(","));
    fixture.load([fixture.file("many.csv", many)]).await.unwrap();
    assert_eq!(fixture.ask("SELECT custom_field(custom, 'A#3000'), custom_field(custom, 'A#3001') FROM ier").await, ["x | -"]);
    let twice = "ContactId,Contact ID,Campus\n003f40000000001AAA,003f40000000001AAA,Denver\n";
    let report = fixture.load([fixture.file("affiliation.csv", twice)]).await.unwrap();
    assert_eq!(only(&report).table, "affiliation", "no contact: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_name_each_file_once() {
    let fixture = Fixture::empty().await;
    let file = |name: &str, id: &str| fixture.file(name, format!("Id,MergeId,Name,DateSent\n{id},{id},5\" wide,8/6/2026\n"));
    let report = fixture.load([file("b.csv", TWO), file("a.csv", ONE)]).await.unwrap();
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    for note in &report.notes {
        let (names, _) = note.split_once(": ").unwrap();
        let names: Vec<&str> = names.split(", ").map(|name| name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.csv", "b.csv"], "{note}");
    }
}

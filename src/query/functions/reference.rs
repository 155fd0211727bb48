//! The reference of all functions of this engine, with what each answers: the manual prints it, and a test compares it with the
//! functions that SQL knows.

/// Calls and their meanings, in the order in which the manual lists them. Measures are not among them: see `sql/macros.sql`.
pub const OURS: [(&str, &str); 25] = [
    ("sf_id18(text)", "the id with 18 characters, null when the text is no id"),
    ("sf_id15(text)", "the id with 15 characters, null when the text is no id"),
    ("sf_id_valid(text)", "whether the text is an id"),
    ("custom_field(custom, 'Region__c')", "the value of one of the org's own fields, as text"),
    ("contact_history('003…')", "the rows of `ier` under all ids of a person, newest first"),
    ("person_ids('003…')", "all ids of a person, a row each: `id is_canonical became_id how learned_at reason author`"),
    ("contact_observed('003…')", "the rows of `ier_observed` under all ids of a person"),
    ("contact_links('003…')", "the links that a person clicked, under all their ids"),
    ("canonical_person(person_id)", "the one id under which a person is counted, null when it is no id"),
    ("ier_as_of(TIMESTAMP '2026-03-01 12:00:00')", "the table `ier` as it was known here at a moment (UTC)"),
    ("observed_versions(observed)", "the versions of a row of `ier_observed`; the view `ier_versions` is easier to use"),
    ("has_words(text, 'giving day')", "whether the text has all these words, or words that begin so; as audits compare texts"),
    ("has_part(text, 'example.org/give')", "whether this is a part of the text, such as of an address"),
    ("same_text(text, 'Alumni')", "whether the text is this, without regard to case, accents and punctuation"),
    (
        "mail_outcome(hard_bounce, soft_bounce, …)",
        "how a mail arrived, by the rule of audits; the measure `outcome(i)` is easier to use",
    ),
    ("local_day(moment)", "the day of a moment in your zone"),
    ("local_week(moment)", "the Monday of its week"),
    ("local_month(moment)", "the first day of its month"),
    ("local_quarter(moment)", "the first day of its quarter"),
    ("local_year(moment)", "the first day of its year"),
    ("local_hour(moment)", "the hour of a moment in your zone, 0 to 23"),
    ("local_weekday(moment)", "its weekday, Monday is 1"),
    ("academic_term(moment)", "the term of a moment, such as `Fall 2026`"),
    ("academic_term_start(moment)", "the first day of that term"),
    ("day_start(DATE '2026-08-01')", "the moment at which a day begins in your zone"),
];

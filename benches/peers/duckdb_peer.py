"""Answers the benchmark's statements with DuckDB, for a comparison in one run: on the same Parquet files or, where a folder is given,
on tables in its own format, made there of the same rows.

Reads from standard input: first which files are which tables, as JSON (`ier`: those of IERs, `others`: one a table), then one SQL
statement a line. Prints the milliseconds of each, and what the answer says as `answers.said` tells it. Needs the Python package `duckdb`.
"""
import json
import sys
import time

import duckdb

from answers import is_made_of, note_made, said

tables = json.loads(sys.stdin.readline())
own = len(sys.argv) > 1
connection = duckdb.connect(f"{sys.argv[1]}/duckdb.db" if own else ":memory:")
connection.execute("SET threads = 2")
connection.execute("SET TimeZone = 'UTC'")


def make(name, parquet, is_there):
    """A view of the files; or a table, without the columns that nobody sees."""
    if not own:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {parquet}")
        return
    if not is_there:
        seen = "COLUMNS(lambda c: c NOT IN ('record_key', 'kept_stamps', 'late_from', 'observed'))"
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {seen} FROM {parquet}")


iers = f"read_parquet({tables['ier']!r}, hive_partitioning = false)"
has_tier = "tier" in [column for (column, *_) in connection.execute(f"DESCRIBE SELECT * FROM {iers}").fetchall()]
is_there = own and ("ier",) in connection.execute("SHOW TABLES").fetchall() and is_made_of(sys.argv[1], tables["ier"])
make("ier", iers if has_tier else f"(SELECT *, 'archive' AS tier FROM {iers})", is_there)
if own:
    note_made(sys.argv[1], tables["ier"])
for name, path in tables["others"].items():
    make(name, f"read_parquet('{path}')", is_there=False)

# The functions of our own that questions use. Who is who is only looked up where somebody has two ids.
function = lambda head, body: connection.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}")
zone = "America/Denver"
known = "alias" in tables["others"] and connection.execute("SELECT count(*) FROM alias").fetchone()[0] > 0
function("canonical_person(given)", "coalesce((SELECT a.person_id FROM alias a WHERE a.alias_id = given), given)" if known else "given")
function("contact_history(given)", "TABLE SELECT * FROM ier WHERE canonical_person(person_id) = canonical_person(given)")
others = "UNION SELECT alias_id FROM alias WHERE person_id = canonical_person(given)" if known else ""
function("person_ids(given)", f"TABLE SELECT canonical_person(given) AS id UNION SELECT given {others}")
function("day_start(day)", f"timezone('{zone}', CAST(day AS TIMESTAMP))")
function("local_month(moment)", f"CAST(date_trunc('month', timezone('{zone}', moment)) AS DATE)")
function("local_hour(moment)", f"CAST(date_part('hour', timezone('{zone}', moment)) AS INTEGER)")
function("to_char(moment, form)", "strftime(moment, form)")
# Words as people compare them, of texts without accents; a beginning of three letters or more will do.
plain = lambda text: f"trim(regexp_replace(replace(lower({text}), chr(39), ''), '[^a-z0-9]+', ' ', 'g'))"
is_word = f"contains(' ' || {plain('text')} || ' ', ' ' || w || ' ')"
begins = f"(regexp_full_match(w, '[a-z]{{3,}}') AND contains(' ' || {plain('text')}, ' ' || w))"
function("has_words(text, words)", f"list_bool_and(list_transform(string_split({plain('words')}, ' '), w -> {is_word} OR {begins}))")
function("has_part(text, part)", f"contains({plain('text')}, {plain('part')})")
function("same_text(one, other)", f"{plain('one')} = {plain('other')}")
later = lambda moment: f"(at IS NULL OR {moment} IS NULL OR {moment} >= at)"
function(
    "mail_outcome(hard, soft, at, opened, opened_at, clicked, clicked_at, left_at)",
    "CASE WHEN hard AND NOT coalesce(soft, false) THEN 'bounced_hard' WHEN hard THEN 'bounced' "
    f"WHEN soft AND ((opened AND {later('opened_at')}) OR (clicked AND {later('clicked_at')}) OR coalesce(left_at >= at, left_at IS NOT NULL)) "
    "THEN 'delivered' WHEN soft THEN 'bounced_soft' WHEN at IS NOT NULL THEN 'bounced' ELSE 'delivered' END",
)
# When a row was first seen is not among what is copied.
function("contact_observed(given)", "TABLE SELECT *, NULL AS observed FROM ier WHERE canonical_person(person_id) = canonical_person(given)")
function("contact_links(given)", "TABLE SELECT * FROM individual_link WHERE canonical_person(person_id) = canonical_person(given)")
function("observed_versions(given)", "[{'seen_at': CAST(NULL AS TIMESTAMPTZ)}]")
print("ready", duckdb.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    try:
        rows = connection.execute(line).fetchall()
    except duckdb.Error as error:
        print("error", " ".join(str(error).split())[:300], flush=True)
        continue
    print((time.perf_counter() - start) * 1000, said(rows), flush=True)

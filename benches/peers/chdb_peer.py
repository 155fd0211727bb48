"""Answers the benchmark's statements with chdb (ClickHouse in the process) on its own MergeTree, for a comparison in one run.

Reads from standard input: first which files are which tables, as JSON (`ier`: those of IERs, `others`: one a table), then one SQL
statement a line. Prints the milliseconds of each, and what the answer says as `answers.said` tells it. Tables are made from the files in
the folder given as the first argument; that of IERs, with the columns the statements ask for, ordered by contact and date, is used
again when it was made of the same files. Needs the Python package `chdb`.
"""
import datetime
import json
import sys
import time

from chdb import session

from answers import is_made_of, note_made, said

# Those the statements ask for.
COLUMNS = """ier_id, email_name, person_id, contact_id, lead_id, send_definition_id, triggered_send_definition_id, owner_id, from_name,
    subject_line, date_sent, sent_date, opened, date_opened, clicked, number_of_total_clicks, number_of_unique_clicks, hard_bounce,
    soft_bounce, date_bounced, date_unsubscribed, system_modstamp, current_email, tier"""

tables = json.loads(sys.stdin.readline())
chdb = session.Session(sys.argv[1])
ask = lambda sql: chdb.query(sql, "CSV")
ask("SET max_threads = 2")
# As the standard has it: a null stays one in a CAST, and a name is a column's before it is an alias.
ask("SET cast_keep_nullable = 1, prefer_column_name_to_alias = 1")
ask("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
ask("USE bench")


def make(name, files, columns, order):
    seen = {line.split(",")[0].strip('"') for line in str(ask(f"DESCRIBE file('{files[0]}', Parquet)")).splitlines()}
    columns = columns if columns == "*" or "tier" in seen else columns.replace("tier", "'archive' AS tier")
    ask(f"DROP TABLE IF EXISTS {name}")
    settings = "SETTINGS allow_nullable_key = 1"
    ask(f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY {order} {settings} EMPTY AS SELECT {columns} FROM file('{files[0]}', Parquet)")
    for path in files:
        ask(f"INSERT INTO {name} SELECT {columns} FROM file('{path}', Parquet)")
    ask(f"OPTIMIZE TABLE {name} FINAL")


ask("SET min_insert_block_size_rows = 2000000, min_insert_block_size_bytes = 2000000000")
made_of = [COLUMNS, *tables["ier"]]
if not is_made_of(sys.argv[1], made_of) or str(ask("EXISTS TABLE ier")).strip() != "1":
    make("ier", tables["ier"], COLUMNS, "(contact_id, date_sent)")
    note_made(sys.argv[1], made_of)
for name, path in tables["others"].items():
    make(name, [path], "*", "(person_id)" if name == "individual_link" else "tuple()")

# The functions of our own that questions use. Who is who is not known here: to be asked where nobody has two ids.
zone = "'America/Denver'"
for head, body in [
    ("canonical_person AS (given)", "given"),
    ("day_start AS (day)", f"toDateTime64(toString(toDate(day)), 6, {zone})"),
    ("local_month AS (moment)", f"toStartOfMonth(toTimeZone(moment, {zone}))"),
    ("local_hour AS (moment)", f"toHour(toTimeZone(moment, {zone}))"),
    ("strpos AS (text, part)", "position(text, part)"),
    ("plain_text AS (text)", "trim(replaceRegexpAll(replaceAll(lower(text), char(39), ''), '[^a-z0-9]+', ' '))"),
    ("has_part AS (text, part)", "position(plain_text(text), plain_text(part)) > 0"),
    ("same_text AS (one, other)", "plain_text(one) = plain_text(other)"),
    (
        "has_words AS (text, words)",
        "arrayAll(w -> match(concat(' ', plain_text(text), ' '), concat(' ', w, if(match(w, '^[a-z]{3,}$'), '', ' '))), "
        "splitByChar(' ', plain_text(words)))",
    ),
    ("to_char AS (moment, form)", "formatDateTime(moment, form)"),
]:
    ask(f"CREATE OR REPLACE FUNCTION {head} -> {body}")
print("ready", str(ask("SELECT version()")).strip().strip('"'), flush=True)


def values(text):
    """The rows of an answer, moments, days and fractions as what they are."""
    lines = [json.loads(line) for line in text.splitlines()]
    kinds = lines[1] if lines else []
    of_kind = lambda kind: datetime.datetime.fromisoformat if "Date" in kind else float if "Float" in kind else lambda value: value
    for row in lines[2:]:
        yield [None if value is None else of_kind(kind)(value) for kind, value in zip(kinds, row)]


for line in sys.stdin:
    start = time.perf_counter()
    try:
        answer = chdb.query(line, "JSONCompactEachRowWithNamesAndTypes").bytes()
    except Exception as error:
        print("error", " ".join(str(error).split())[:300], flush=True)
        continue
    took = (time.perf_counter() - start) * 1000
    print(took, said(list(values(answer.decode()))), flush=True)

"""Answers the benchmark's statements with chdb (ClickHouse in the process) on its own MergeTree, for a comparison in one run.

Reads from standard input: first a JSON list of the Parquet files that make up the table `ier`, then one SQL statement a line.
Prints the milliseconds of each, the number of rows, and what they say as a number. The table is made from the files in the folder given as the first
argument, with the columns the statements ask for, ordered by contact and date, and is used again when it has as many rows.
Needs the Python package `chdb`.
"""
import datetime
import json
import sys
import time

from chdb import session

from answers import digest

# Those the statements ask for.
COLUMNS = """ier_id, email_name, person_id, contact_id, lead_id, send_definition_id, from_name, subject_line, date_sent, sent_date, opened,
    date_opened, clicked, number_of_total_clicks, number_of_unique_clicks, hard_bounce, soft_bounce, date_bounced, date_unsubscribed, current_email"""

files = json.loads(sys.stdin.readline())
chdb = session.Session(sys.argv[1])
ask = lambda sql: chdb.query(sql, "CSV")
ask("SET max_threads = 2")
ask("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
ask("USE bench")
count = lambda path: int(str(ask(f"SELECT count() FROM file('{path}', Parquet)")).strip())
stored = int(str(ask("SELECT sum(rows) FROM system.parts WHERE database = 'bench' AND table = 'ier' AND active")).strip() or 0)
has = {line.strip('"') for line in str(ask("SELECT name FROM system.columns WHERE database = 'bench' AND table = 'ier'")).split()}
if stored != sum(map(count, files)) or has != {name.strip() for name in COLUMNS.split(",")}:
    ask("DROP TABLE IF EXISTS ier")
    ask("SET min_insert_block_size_rows = 2000000, min_insert_block_size_bytes = 2000000000")
    order = "ENGINE = MergeTree ORDER BY (contact_id, date_sent) SETTINGS allow_nullable_key = 1"
    ask(f"CREATE TABLE ier {order} EMPTY AS SELECT {COLUMNS} FROM file('{files[0]}', Parquet)")
    for path in files:
        ask(f"INSERT INTO ier SELECT {COLUMNS} FROM file('{path}', Parquet)")
    ask("OPTIMIZE TABLE ier FINAL")
print("ready", str(ask("SELECT version()")).strip().strip('"'), flush=True)


def values(text):
    """The rows of an answer, moments and days as what they are."""
    lines = [json.loads(line) for line in text.splitlines()]
    kinds = lines[1] if lines else []
    for row in lines[2:]:
        yield [
            datetime.datetime.fromisoformat(value) if value is not None and "Date" in kind else value
            for kind, value in zip(kinds, row)
        ]


for line in sys.stdin:
    start = time.perf_counter()
    answer = chdb.query(line, "JSONCompactEachRowWithNamesAndTypes").bytes()
    took = (time.perf_counter() - start) * 1000
    rows = list(values(answer.decode()))
    print(took, len(rows), digest(rows), flush=True)

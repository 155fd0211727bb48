"""Answers the benchmark's statements with DuckDB, for a comparison in one run: on the same Parquet files or, where a folder is given,
on a table in its own format, made there of the same rows.

Reads from standard input: first a JSON list of the files that make up the table `ier`, then one SQL statement a line. Prints the
milliseconds of each, the number of rows, and what they say as a number. Needs the Python package `duckdb`.
"""
import json
import sys
import time

import duckdb

from answers import digest

files = json.loads(sys.stdin.readline())
parquet = f"(SELECT *, 'archive' AS tier FROM read_parquet({files!r}, hive_partitioning = false))"
connection = duckdb.connect(f"{sys.argv[1]}/duckdb.db" if len(sys.argv) > 1 else ":memory:")
connection.execute("SET threads = 2")
connection.execute("SET TimeZone = 'UTC'")
if len(sys.argv) > 1:
    count = lambda table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
    columns = [column for (column, *_) in connection.execute("DESCRIBE ier").fetchall()] if "ier" in tables else []
    if "tier" not in columns or count("ier") != count(parquet):
        connection.execute(f"CREATE OR REPLACE TABLE ier AS SELECT * EXCLUDE (record_key, kept_stamps, late_from, observed) FROM {parquet}")
else:
    connection.execute(f"CREATE VIEW ier AS SELECT * FROM {parquet}")
# The functions of our own that questions use; the workload has nobody under two ids.
zone = "America/Denver"
connection.execute("CREATE OR REPLACE TEMP MACRO canonical_person(id) AS id")
connection.execute(f"CREATE OR REPLACE TEMP MACRO day_start(day) AS timezone('{zone}', CAST(day AS TIMESTAMP))")
connection.execute(f"CREATE OR REPLACE TEMP MACRO local_month(moment) AS CAST(date_trunc('month', timezone('{zone}', moment)) AS DATE)")
connection.execute(f"CREATE OR REPLACE TEMP MACRO local_hour(moment) AS CAST(date_part('hour', timezone('{zone}', moment)) AS INTEGER)")
print("ready", duckdb.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    rows = connection.execute(line).fetchall()
    print((time.perf_counter() - start) * 1000, len(rows), digest(rows), flush=True)

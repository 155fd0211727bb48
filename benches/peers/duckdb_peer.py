"""Answers the benchmark's statements with DuckDB on the same Parquet files, for a comparison in one run.

Reads from standard input: first a JSON list of the files that make up the table `ier`, then one SQL statement a line.
Prints the milliseconds of each, and the number of rows. Needs the Python package `duckdb`.
"""
import json
import sys
import time

import duckdb

connection = duckdb.connect()
connection.execute("SET threads = 2")
connection.execute("SET TimeZone = 'UTC'")
files = json.loads(sys.stdin.readline())
connection.execute(f"CREATE VIEW ier AS SELECT * FROM read_parquet({files!r}, hive_partitioning = false)")
# The functions of our own that questions use; the workload has nobody under two ids.
zone = "America/Denver"
connection.execute("CREATE MACRO canonical_person(id) AS id")
connection.execute(f"CREATE MACRO day_start(day) AS timezone('{zone}', CAST(day AS TIMESTAMP))")
connection.execute(f"CREATE MACRO local_month(at) AS CAST(date_trunc('month', timezone('{zone}', at)) AS DATE)")
print("ready", duckdb.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    rows = connection.execute(line).fetchall()
    print((time.perf_counter() - start) * 1000, len(rows), flush=True)

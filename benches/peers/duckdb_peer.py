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
print("ready", duckdb.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    rows = connection.execute(line).fetchall()
    print((time.perf_counter() - start) * 1000, len(rows), flush=True)

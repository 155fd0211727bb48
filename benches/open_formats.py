"""Reads a warehouse's archive with other engines and compares the rows with each other.

    python3 benches/open_formats.py WAREHOUSE_FOLDER

Needs the Python packages `deltalake`, `polars` and `duckdb`. Ends with an error when any row differs.
"""
import pathlib
import sys

import deltalake
import duckdb
import polars

warehouse = pathlib.Path(sys.argv[1])
for log in sorted(warehouse.glob("*/*/_delta_log")):
    table = log.parent
    files = deltalake.DeltaTable(str(table)).file_uris()
    if not files:
        print(f"{table.relative_to(warehouse)}: no files")
        continue
    by_polars = polars.read_delta(str(table))
    columns = [column for column in by_polars.columns if column not in ("sent_day", "sent_month")]
    by_polars = by_polars.select(columns).sort("record_key")
    names = ", ".join(f'"{column}"' for column in columns)
    by_duckdb = duckdb.sql(f"SELECT {names} FROM read_parquet({files!r}, hive_partitioning = false)").pl()
    by_duckdb = by_duckdb.cast(dict(by_polars.schema)).sort("record_key")
    if not by_polars.equals(by_duckdb):
        sys.exit(f"{table}: the rows differ")
    print(f"{table.relative_to(warehouse)}: {by_polars.height} rows in {len(files)} files, the same by deltalake + polars and by DuckDB")

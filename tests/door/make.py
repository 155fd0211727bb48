"""Makes the Parquet files of this folder: the same two mails and two affiliations as several writers write them.

    pip install pandas==3.1.1 pyarrow==26.0.1 duckdb==2.0.1 fastparquet==2026.9.0 && python make.py

Spark's and BigQuery's and Snowflake's habits are written with pyarrow, type by type as they do; everything is invented.
"""

import datetime as dt
import decimal as de
import uuid

import duckdb
import fastparquet
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

UTC = dt.timezone.utc
SENT = [dt.datetime(2026, 8, 6, 15, 0, 0, 123456), dt.datetime(2026, 8, 7, 15)]
IDS = ["a0Df40000000001EAA", "a0Df40000000002EAA"]
PEOPLE = ["003f40000000001AAA", None]
NAMES = ["OE 2026 – “deadline” 🎓", None]
EPOCH = [int(sent.replace(tzinfo=UTC).timestamp() * 1000) for sent in SENT]


def mails(**columns):
    common = {"Id": IDS, "et4ae5__MergeId__c": ["m-1", "m-2"], "et4ae5__Contact__c": PEOPLE, "Name": NAMES}
    return pa.table({**common, **columns})


# Spark: INT96, no strings but UTF8, rows in several groups of which one is empty.
spark = mails(et4ae5__JobId__c=pa.array([9013, 9013], pa.int32()), et4ae5__DateSent__c=pa.array(SENT, pa.timestamp("us")))
with pq.ParquetWriter("spark.parquet", spark.schema, use_deprecated_int96_timestamps=True, store_schema=False) as writer:
    writer.write_table(spark.slice(0, 1))
    writer.write_table(spark.slice(0, 0))
    writer.write_table(spark.slice(1, 1))
pq.write_table(spark.slice(0, 0), "no-rows.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
pq.write_table(
    pa.table({
        "ContactId": ["003f40000000001AAA", "003f40000000003AAA"],
        "Affiliation": ["Faculty", "Alumni"],
        "StartDate": pa.array([dt.datetime(2020, 8, 1), dt.datetime(2001, 8, 1)], pa.timestamp("us")),
        "EndDate": pa.array([dt.datetime(9999, 12, 31), dt.datetime(2021, 6, 30)], pa.timestamp("us")),
    }),
    "affiliation.parquet", use_deprecated_int96_timestamps=True, store_schema=False,
)

# pandas: an index, floats where something is missing, categories, nanoseconds with a zone.
frame = pd.DataFrame({
    "Id": IDS, "et4ae5__MergeId__c": ["m-1", "m-2"], "et4ae5__Contact__c": PEOPLE, "Name": pd.Categorical(NAMES),
    "et4ae5__JobId__c": [9013.0, 9013.0], "et4ae5__NumberOfTotalClicks__c": [3.0, None],
    "et4ae5__DateSent__c": pd.to_datetime(SENT, utc=True).tz_convert("America/Denver").astype("datetime64[ns, America/Denver]"),
}, index=[7, 8])
frame.to_parquet("pandas.parquet")
naive = frame.assign(et4ae5__DateSent__c=pd.to_datetime(SENT).astype("datetime64[ns]"))
naive.to_parquet("pandas-local.parquet")
fastparquet.write("fastparquet.parquet", naive.astype({"Name": object}).reset_index(drop=True), object_encoding="utf8", times="int96")

# Snowflake: NUMBER(38, 0) as decimals, names in capitals, local timestamps.
snowflake = mails(
    et4ae5__JobId__c=pa.array([de.Decimal(9013)] * 2, pa.decimal128(38, 0)),
    et4ae5__NumberOfTotalClicks__c=pa.array([de.Decimal("3.00"), None], pa.decimal128(10, 2)),
        et4ae5__DateSent__c=pa.array(SENT, pa.timestamp("us")),
    et4ae5__Opened__c=pa.array([de.Decimal(1), de.Decimal(0)], pa.decimal128(1, 0)),
    RATE__c=pa.array([de.Decimal("0.50"), None], pa.decimal128(4, 2)),
)
pq.write_table(snowflake.rename_columns([name.upper() for name in snowflake.column_names]), "snowflake.parquet")

# BigQuery: instants in microseconds, lists of structs, attributes as the API gives them.
pq.write_table(
    mails(
        attributes=pa.array([{"type": "x", "url": "/x"}] * 2),
        et4ae5__JobId__c=["9013", "9013"],
        et4ae5__DateSent__c=pa.array([sent.replace(tzinfo=UTC) for sent in SENT], pa.timestamp("us", "UTC")),
        Tags__c=pa.array([[{"key": "a", "value": 1}], None]),
    ),
    "bigquery.parquet",
)
pq.write_table(mails(et4ae5__JobId__c=pa.array([[9013], [9013]])), "list.parquet")

# DuckDB, from its own types.
arrow = spark
duckdb.sql("COPY (SELECT *, uuid '6f1e0c1e-7d3e-4b8e-9a55-0d5f6a1c2b3d' AS Run__c FROM arrow) TO 'duckdb.parquet' (FORMAT parquet)")

# Bytes that are not said to be texts, ids of fixed width, large strings, whole numbers as moments, UUIDs.
binary = mails(
    et4ae5__JobId__c=pa.array([b"9013", b"9013"]),
    et4ae5__DateSent__c=pa.array(EPOCH, pa.int64()),
    Bytes__c=pa.array([b"\xff\x00", None]),
)
binary = binary.set_column(0, "Id", pa.array([text.encode() for text in IDS], pa.binary(18)))
binary = binary.set_column(3, "Name", pa.array(NAMES, pa.large_string()))
binary = binary.append_column("Run__c", pa.array([uuid.UUID(int=5).bytes] * 2, pa.uuid()))
pq.write_table(binary, "binary.parquet", store_schema=False)
pq.write_table(
    pa.table({"Id": ["003f40000000001AAA"], "FirstName": ["Null"], "LastName": ["NA"], "Email": pa.array([None], pa.string())}),
    "people.parquet",
)
pq.write_table(mails(et4ae5__DateSent__c=pa.array([EPOCH[0], EPOCH[1] // 1000], pa.int64())), "units.parquet")
pq.write_table(mails(et4ae5__DateSent__c=["06/08/2026 09:00", "31/08/2026 09:00"]), "day-first.parquet")

"""What an answer says, as one number: the same for the same rows in any order, whatever engine and type they come from."""
import datetime
import decimal
import json
import pathlib
import zlib


def is_made_of(folder, files):
    """Was the table of IERs in this folder made of these files? Their names are never used twice."""
    made = pathlib.Path(folder, "files.json")
    return made.exists() and json.loads(made.read_text()) == files


def note_made(folder, files):
    pathlib.Path(folder, "files.json").write_text(json.dumps(files))


def cell(value):
    if value is None:
        return ""
    if isinstance(value, (bool, int, float, decimal.Decimal)):
        if value == int(value):
            return str(int(value))
        # Engines round differently in the last digits.
        mantissa, exponent = f"{float(value):.5e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.timezone.utc) if value.tzinfo else value
        return str(utc.replace(tzinfo=None)).removesuffix(" 00:00:00")
    return str(value)


def digest(rows):
    return sum(zlib.crc32("\x1f".join(map(cell, row)).encode()) for row in rows)

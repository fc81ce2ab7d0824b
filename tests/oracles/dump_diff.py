# SPDX-License-Identifier: Apache-2.0
"""The oracle of dump_diff: `D`, `I` or `U`, then the row.

Readings chosen:

- All columns are used: rows are compared field by field behind the escapes, so two spellings of
  a row are equal, and the output has COPY's spelling. NULL differs from every text.
- Rows with different numbers of fields differ. NULL is a value, but in the key it is a reject; so
  is a row too short for the key, or one that ends in a lone backslash.
- The row of `I` and `U` is the new one. There is one line per key at most.
- Keys are ordered field by field, in the order `key` names them (`2,1` too); a column named twice
  or below 1: exit 64.
"""

from __future__ import annotations

from collections.abc import Iterator

import copy_text
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {"old": (), "new": ()}
PARAMS = {"key": "1"}

Row = tuple[bytes | None, ...]


def key_columns(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts) or (
            len(set(map(int, parts))) != len(parts)):
        raise Failure(EXIT_USAGE, f"key can't be {text}")
    return [int(part) - 1 for part in parts]


def read_dump(run: Run, name: str, columns: list[int]) -> dict[Row, Row]:
    rows: dict[Row, Row] = {}
    for place, fields in run.whole_rows(name):
        if len(fields) <= max(columns):
            run.reject(place)
            continue
        key = tuple(fields[column] for column in columns)
        if None in key or key in rows:
            run.reject(place)
        else:
            rows[key] = tuple(fields)
    return rows


def result(run: Run) -> Iterator[bytes]:
    columns = key_columns(run.params["key"])
    old = read_dump(run, "old", columns)
    new = read_dump(run, "new", columns)
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            yield copy_text.write_row(b"D", *old[key])
        elif key not in old:
            yield copy_text.write_row(b"I", *new[key])
        elif old[key] != new[key]:
            yield copy_text.write_row(b"U", *new[key])


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

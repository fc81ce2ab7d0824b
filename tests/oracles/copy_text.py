# SPDX-License-Identifier: Apache-2.0
"""What all oracles share: shards, lines, fields, COPY's escapes, rejects, the command line.

An oracle computes a job's output from the job's definition alone, slowly and plainly, to compare
with what the job wrote. It is a module with

    INPUTS   {input: its columns in order}; the first is the one an unnamed --input means
    PARAMS   {parameter: default}; the default's type is the parameter's
    result   a function from Run to the output's lines, without LF

Everything is bytes. The readings chosen where the definition of the text leaves room:

- LF always ends a line, also behind a backslash. A used field that ends in a lone backslash is a
  reject; in a field that isn't used it is nothing.
- Backslash and tab is a tab in the data, not the end of a field, as COPY reads it; so columns are
  counted with escapes in mind, also through those that aren't used.
- NULL is the field whose bytes, before escapes are read, are `\\N`. `\\\\N` is the text `\\N`.
- `\\x` without a hex digit is `x`; an octal escape beyond 255 is taken modulo 256.
- An empty line is a record with one empty field.
- Numbers and dates are looked at behind the escapes. `-0`, and any count of leading zeros, are
  numbers. Dates are days of the Gregorian calendar from 0001-01-01 to 9999-12-31.
- A key twice: the second *accepted* row is the reject. A row that is a reject for another reason
  doesn't take its key.
- Sums are checked where they are complete: parts of a sum may pass beyond int64 and come back.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import glob
import gzip
import math
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence

EXIT_USAGE = 64
EXIT_BAD_DATA = 65
EXIT_NO_INPUT = 66

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
GZIP_MAGIC = b"\x1f\x8b"


class Failure(Exception):
    """Ends the run with `exit_code` and one sentence."""

    def __init__(self, exit_code: int, sentence: str):
        super().__init__(sentence)
        self.exit_code = exit_code


# Fields.

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_READ_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_WRITTEN = {
    b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\v": b"\\v",
    b"\\": b"\\\\",
}
_TO_ESCAPE = re.compile(rb"[\b\f\n\r\t\v\\]")


def _read_escape(match: re.Match) -> bytes:
    octal, hexadecimal, other = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    return _READ_LETTERS.get(other, other)


def unescape(raw: bytes) -> bytes:
    """The text of a field that isn't NULL and doesn't end in a lone backslash."""
    return _ESCAPE.sub(_read_escape, raw) if b"\\" in raw else raw


def escape(text: bytes) -> bytes:
    """As COPY writes it."""
    return _TO_ESCAPE.sub(lambda match: _WRITTEN[match.group()], text)


def write_field(field: bytes | int | None) -> bytes:
    if field is None:
        return b"\\N"
    return b"%d" % field if isinstance(field, int) else escape(field)


def write_row(*fields: bytes | int | None) -> bytes:
    return b"\t".join(map(write_field, fields))


def ends_in_lone_backslash(raw: bytes) -> bool:
    # What stands before the last run of backslashes can't escape its first: it is none itself.
    return (len(raw) - len(raw.rstrip(b"\\"))) % 2 == 1


def split_raw(line: bytes) -> list[bytes]:
    """The fields between tabs that have no backslash before them, with their escapes."""
    pieces = line.split(b"\t")
    if b"\\\t" not in line:
        return pieces
    fields = [pieces[0]]
    for piece in pieces[1:]:
        if ends_in_lone_backslash(fields[-1]):
            fields[-1] += b"\t" + piece
        else:
            fields.append(piece)
    return fields


def is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_INTEGER = re.compile(rb"-?[0-9]+")


@functools.lru_cache(maxsize=1 << 16)
def parse_int(text: bytes) -> int | None:
    """The number, or None where it isn't `-?[0-9]+` in int64."""
    if _INTEGER.fullmatch(text) is None:
        return None
    # Python refuses thousands of digits; leading zeros may be as many.
    digits = text.lstrip(b"-").lstrip(b"0") or b"0"
    if len(digits) > 19:
        return None
    value = -int(digits) if text.startswith(b"-") else int(digits)
    return value if INT64_MIN <= value <= INT64_MAX else None


_DATE = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})")


@functools.lru_cache(maxsize=1 << 16)
def _day_of(ten: bytes) -> int | None:
    match = _DATE.fullmatch(ten)
    if match is None:
        return None
    try:
        return datetime.date(*map(int, match.groups())).toordinal()
    except ValueError:
        return None


def parse_day(text: bytes) -> int | None:
    """The number of the day that `text` starts with, or None; format_day is the way back."""
    return _day_of(text[:10])


@functools.lru_cache(maxsize=1 << 16)
def format_day(day: int) -> bytes:
    return datetime.date.fromordinal(day).isoformat().encode()


def checked(total: int, what: str) -> int:
    if not INT64_MIN <= total <= INT64_MAX:
        raise Failure(EXIT_BAD_DATA, f"{what} is beyond int64: {total}")
    return total


# Shards.


def without_compression(path: bytes) -> bytes:
    for suffix in (b".zst", b".gz"):
        if path.endswith(suffix):
            return path[: -len(suffix)]
    return path


def read_shard(path: bytes) -> bytes:
    """All of a file, decompressed as its first bytes say."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Failure(EXIT_NO_INPUT, f"{os.fsdecode(path)}: {error.strerror}") from error
    if data.startswith(GZIP_MAGIC):
        try:
            return gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise Failure(EXIT_BAD_DATA, f"{os.fsdecode(path)}: {error}") from error
    if ZSTD_MAGIC.match(data):
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failure(EXIT_BAD_DATA, f"{os.fsdecode(path)}: damaged")
        return done.stdout
    return data


def split_lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _is_skipped(name: bytes) -> bool:
    return name.startswith((b".", b"_"))


def find_files(pattern: bytes) -> list[bytes]:
    if os.path.isdir(pattern):
        found = []
        for folder, folders, names in os.walk(pattern):
            folders[:] = [name for name in folders if not _is_skipped(name)]
            found += [os.path.join(folder, name) for name in names if not _is_skipped(name)]
        return found
    if os.path.exists(pattern):
        return [pattern]
    found = [path for match in glob.glob(pattern) if not _is_skipped(os.path.basename(match))
             for path in find_files(match)]
    if not found:
        raise Failure(EXIT_NO_INPUT, f"no file matches {os.fsdecode(pattern)}")
    return found


# A place of a record: input, shard, offset in the decompressed shard.
Place = tuple[str, bytes, int]


class Run:
    """One run of an oracle: its inputs and parameters, what it rejected and counted."""

    def __init__(self, inputs: dict[str, Sequence[str]], files: dict[str, list[bytes]],
                 params: dict[str, object], columns: dict[tuple[str, str], int],
                 date: str | None):
        self._inputs = inputs
        self._files = files
        self._columns = columns
        self.params = params
        self.date = date
        self.rejects: list[Place] = []
        self.counters: dict[str, int] = {}

    def files(self, name: str) -> list[bytes]:
        """The input's shards, in their order."""
        return self._files[name]

    def reject(self, place: Place) -> None:
        self.rejects.append(place)

    def count(self, counter: str, n: int = 1) -> None:
        self.counters[counter] = self.counters.get(counter, 0) + n

    def _column(self, name: str, column: str) -> int:
        return self._columns.get((name, column), self._inputs[name].index(column) + 1) - 1

    def lines(self, name: str) -> Iterator[tuple[Place, bytes]]:
        for path in self._files[name]:
            offset = 0
            for line in split_lines(read_shard(path)):
                yield (name, path, offset), line
                offset += len(line) + 1

    def rows(self, name: str, *columns: str,
             nullable: Sequence[str] = ()) -> Iterator[tuple[Place, list[bytes | None]]]:
        """These columns of each record; only those in `nullable` may be NULL, which is None."""
        at = [self._column(name, column) for column in columns]
        required = [i for i, column in enumerate(columns) if column not in nullable]
        needed = max(at) + 1
        for place, line in self.lines(name):
            if b"\\" not in line:
                fields = line.split(b"\t", needed)
                if len(fields) < needed:
                    self.reject(place)
                else:
                    yield place, [fields[i] for i in at]
                continue
            raw = split_raw(line)
            if len(raw) < needed or (len(raw) == needed and ends_in_lone_backslash(raw[-1])):
                self.reject(place)
                continue
            values = [None if raw[i] == b"\\N" else unescape(raw[i]) for i in at]
            if any(values[i] is None for i in required):
                self.reject(place)
            else:
                yield place, values

    def whole_rows(self, name: str) -> Iterator[tuple[Place, list[bytes | None]]]:
        """All fields of each record, each of which may be NULL."""
        for place, line in self.lines(name):
            if b"\\" not in line:
                yield place, line.split(b"\t")
                continue
            raw = split_raw(line)
            if ends_in_lone_backslash(raw[-1]):
                self.reject(place)
            else:
                yield place, [None if field == b"\\N" else unescape(field) for field in raw]

    def written_rejects(self) -> list[bytes]:
        return sorted(b"%s\t%s\t%d" % (name.encode(), escape(os.path.basename(shard)), offset)
                      for name, shard, offset in self.rejects)


# The command line.


def _read_inputs(inputs: dict[str, Sequence[str]],
                 groups: Sequence[Sequence[str]]) -> dict[str, list[bytes]]:
    files: dict[str, list[bytes]] = {}
    for group in groups:
        name = next(iter(inputs))
        for argument in group:
            head, equals, tail = argument.partition("=")
            if equals and head in inputs:
                name, argument = head, tail
            files.setdefault(name, []).extend(find_files(os.fsencode(argument)))
    for name in inputs:
        if name not in files:
            raise Failure(EXIT_USAGE, f"no --input {name}=PATH")
        if len(set(map(os.path.realpath, files[name]))) != len(files[name]):
            raise Failure(EXIT_USAGE, f"input {name} has a file twice")
        files[name].sort(key=lambda path: (without_compression(path), path))
    return files


def _read_value(name: str, text: str, default: object) -> object:
    try:
        if isinstance(default, float):
            value = float(text)
            if not math.isfinite(value):
                raise ValueError
            return value
        if isinstance(default, int):
            return int(text)
    except ValueError:
        raise Failure(EXIT_USAGE, f"parameter {name} can't be {text}") from None
    return text


def _read_params(inputs: dict[str, Sequence[str]], defaults: dict[str, object],
                 arguments: Iterable[str]):
    params, columns = dict(defaults), {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            raise Failure(EXIT_USAGE, f"--param {argument} is not K=V")
        if name in defaults:
            params[name] = _read_value(name, text, defaults[name])
            continue
        source, dot, column = name.rpartition(".")
        owners = [i for i in inputs if column in inputs[i] and (not dot or i == source)]
        if len(owners) != 1:
            raise Failure(EXIT_USAGE, f"no such parameter: {name}")
        if not text.isdecimal() or int(text) < 1:
            raise Failure(EXIT_USAGE, f"column {name} can't be {text}")
        columns[owners[0], column] = int(text)
    return params, columns


def execute(inputs, params, result, arguments: Sequence[str]) -> tuple[Run, bytes]:
    """The run that the arguments ask for, and its output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", nargs="+", action="append", default=[],
                        metavar="[NAME=]PATH")
    parser.add_argument("--param", action="append", default=[], metavar="K=V")
    parser.add_argument("--date", metavar="YYYY-MM-DD")
    parser.add_argument("--rejects", metavar="FILE",
                        help="write the rejects: input, shard, offset; sorted as lines")
    parser.add_argument("--counters", metavar="FILE", help="write the counters: name, value")
    options = parser.parse_args(arguments)
    values, columns = _read_params(inputs, params, options.param)
    run = Run(inputs, _read_inputs(inputs, options.input), values, columns, options.date)
    output = b"".join(line + b"\n" for line in result(run))
    if options.rejects:
        with open(options.rejects, "wb") as file:
            file.writelines(line + b"\n" for line in run.written_rejects())
    if options.counters:
        with open(options.counters, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\t{n}\n" for name, n in sorted(run.counters.items()))
    return run, output


def main(inputs, params, result) -> None:
    try:
        _, output = execute(inputs, params, result, sys.argv[1:])
    except Failure as failure:
        print(f"{os.path.basename(sys.argv[0])}: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()

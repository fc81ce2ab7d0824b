# SPDX-License-Identifier: Apache-2.0
"""Inputs for the jobs that have an oracle: seeded, skewed, and as awkward as the definitions allow.

    generate.py JOB... --seed N --records N --out DIR [--clean]

writes DIR/JOB/INPUT/, folders to pass as --input INPUT=DIR/JOB/INPUT. Some shards are plain, some
gzip, some zstd (where the command is there), some with several members or frames; one is empty, one
has no LF at its end, and some files are to be skipped, since their names begin with `.` or `_`.
Names sort differently with and without `.gz`. About one record in a hundred is a reject for some
job; with --clean none is, though names stay strange: tabs, escapes, bytes that are no UTF-8.

`records` is the size of the largest input. The same arguments give the same bytes, except that
another version of zstd may compress differently.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from copy_text import INT64_MAX, INT64_MIN, escape, format_day, is_utf8, parse_day, unescape

BAD_SHARE = 0.01
RESPELLED_SHARE = 0.01

# Names of users, tracks and so on that a job must pass through.
STRANGE_NAMES = [
    b"", b" ", b"a\tb", b"a\nb", b"a\\b", b"\\", b"\\N", b"N", b"\r", b"x\r\n", b"\b\f\v",
    b"\x80", b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b"a", b"A", b"a\x00b", b"*", b"?", b"\"q\"",
    b"a,b:c%d", b"a/b", b"\x1b\x7f", b"-0", b"007", b"aa", b"a ", b"\\.", b"a" * 300,
]
BAD_NUMBERS = [
    b"", b"-", b"+5", b" 5", b"5 ", b"5.0", b"1e5", b"--5", b"0x10", b"5\r", b"\\N", b"\\\\N",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551617", b"9" * 5000,
    b"\xd9\xa3", b"5\\n", b"1_000",
]
BAD_DATES = [
    b"", b"2026-02-29", b"1900-02-29", b"2026-13-01", b"2026-00-10", b"2026-04-31", b"2026-1-01",
    b"2026-01-00", b"26-01-01", b"2026/01/01", b" 2026-01-01", b"2026-01-1T", b"\\N", b"+026-01-01",
    b"2026-01-", b"2026-01-0\xb9", b"today",
]
GOOD_DATES = [
    b"2026-02-28", b"2024-02-29T", b"2000-02-29junk", b"2026-03-01 00:00", b"2026\\x2d02\\05511",
    b"9999-12-31T23:59:59Z", b"0001-01-01", b"2026-02-01\r", b"2026-02-02\\N",
]
COUNTRIES = [b"SE", b"DE", b"US", b"BR", b"*", b"JP", b"?", b"", b"a\tb", b"\xe9", b"IN", b"NO",
             b"\\N", b"SE\r", b"se"]


def respell(text: bytes, rng: random.Random) -> bytes:
    """Some spelling that COPY reads as `text`."""
    if not text:
        return text
    spelled = []
    for byte, following in zip(text, text[1:] + b" "):
        way = rng.randrange(8)
        if way == 0:
            spelled.append(b"\\x%02x" % byte)
        elif way == 1:
            spelled.append(b"\\%03o" % byte)
        elif way == 2:
            spelled.append(b"\\%o" % (byte + 256))  # COPY drops the ninth bit.
        elif way == 3 and following not in b"0123456789abcdefABCDEF":
            spelled.append(b"\\x%X" % byte if byte % 2 else b"\\%o" % byte)
        elif way == 4 and byte not in b"01234567bfnrtvxN\n.":
            spelled.append(b"\\" + bytes([byte]))  # A tab, too: it ends no field then.
        else:
            spelled.append(escape(bytes([byte])))
    return b"".join(spelled)


def is_utf8_behind_escapes(line: bytes) -> bool:
    return is_utf8(unescape(line))


class Names:
    """Names with Zipf-like popularity; the strange ones are spread over the popular."""

    def __init__(self, rng: random.Random, kind: bytes, count: int, skew: float,
                 strange: Sequence[bytes] = STRANGE_NAMES):
        self.plain = [b"%s-%06d" % (kind, i) for i in range(count)]
        room = min(len(strange), count // 3)
        for name, at in zip(strange[:room], rng.sample(range(1, min(count, 4 * room + 1)), room)):
            self.plain[at] = name
        self.written = [escape(name) for name in self.plain]
        self._weights = list(itertools.accumulate((i + 1.0) ** -skew for i in range(count)))

    def draw(self, rng: random.Random, n: int) -> list[int]:
        return rng.choices(range(len(self.plain)), cum_weights=self._weights, k=n)

    def spell(self, rng: random.Random, i: int) -> bytes:
        if rng.random() < RESPELLED_SHARE:
            return respell(self.plain[i], rng)
        return self.written[i]


def number(rng: random.Random, low: int, high: int) -> bytes:
    """A good number, now and then with leading zeros."""
    value = rng.randint(low, high)
    if rng.random() < 0.99:
        return b"%d" % value
    return rng.choice([b"-0", b"0", b"000", b"00%d" % abs(value), b"\\x3%d" % (value % 10),
                       b"0" * 30 + b"7"])


def spoil(rng: random.Random, line: bytes, numbers: Sequence[int],
          dates: Sequence[int] = ()) -> bytes:
    """A line that some job can't read; `numbers` and `dates` are columns, from 0."""
    fields = line.split(b"\t")
    way = rng.randrange(6)
    if way == 0:
        return b"\t".join(fields[: rng.randrange(len(fields))])
    if way == 1:
        fields[rng.randrange(len(fields))] = b"\\N"
    elif way == 2:
        fields[-1] += b"\\"
    elif way == 3 and dates:
        fields[rng.choice(dates)] = rng.choice(BAD_DATES)
    elif numbers:
        fields[rng.choice(numbers)] = rng.choice(BAD_NUMBERS)
    else:
        fields = fields[:1]
    return b"\t".join(fields)


def decorate(rng: random.Random, lines: list[bytes], is_clean: bool, numbers: Sequence[int] = (),
             dates: Sequence[int] = (), extra: bool = True) -> None:
    """Adds bad lines, and fields that nobody reads, without changing what good lines say."""
    for i in rng.sample(range(len(lines)), len(lines) // 200) if extra else ():
        lines[i] += rng.choice([b"\textra", b"\t", b"\t\\N\t\xff", b"\tcr\r", b"\tlone\\"])
    if not is_clean:
        count = max(10, int(len(lines) * BAD_SHARE))
        bad = [spoil(rng, rng.choice(lines), numbers, dates) for _ in range(count)]
        lines += bad + [b"", b"\t\t\t\t\t", b"\r", b"\\"]


class Writer:
    """Writes an input's lines as shards below `folder`."""

    def __init__(self, rng: random.Random, folder: Path):
        self._rng, self._folder = rng, folder
        self._zstd = shutil.which("zstd")

    def _pack(self, data: bytes, way: str) -> bytes:
        half = len(data) // 2
        if way == "gz":
            return gzip.compress(data, compresslevel=1, mtime=0)
        if way == "gz2":
            return self._pack(data[:half], "gz") + self._pack(data[half:], "gz")
        if way == "zst":
            return subprocess.run([self._zstd, "-cq1"], input=data, check=True,
                                  capture_output=True).stdout
        if way == "zst2":
            return self._pack(data[:half], "zst") + self._pack(data[half:], "zst")
        return data

    def file(self, path: str, data: bytes, way: str = "plain") -> None:
        if way.startswith("zst") and self._zstd is None:
            way = way.replace("zst", "gz")
        if not path.endswith((".gz", ".zst")) and way != "plain" and not path.endswith(".hidden"):
            path += "." + way.rstrip("2")
        path = path.removesuffix(".hidden")
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._pack(data, way))

    def shards(self, lines: list[bytes]) -> None:
        self._rng.shuffle(lines)
        # "p-1.tsv" (from .gz) < "p-1.tsv-b" by names without .gz, but not by whole names.
        places = [("p-0.tsv", "plain"), ("p-1.tsv", "gz"), ("p-1.tsv-b", "plain"),
                  ("p-2.tsv", "zst"),
                  ("below/p-3.tsv", "gz2"), ("below/p-4", "zst2"), ("p-5.hidden", "gz"),
                  ("p-6.tsv", "plain")]
        cuts = sorted(self._rng.randrange(len(lines) + 1) for _ in range(len(places) - 1))
        for (path, way), begin, end in zip(places, [0] + cuts, cuts + [len(lines)]):
            data = b"".join(line + b"\n" for line in lines[begin:end])
            if path == "p-6.tsv" and begin < end and lines[end - 1]:
                data = data[:-1]
            self.file(path, data, way)
        self.file("p-7.tsv", b"")
        self.file("p-8.tsv", b"", "gz")
        self.file("p-9.tsv", b"", "zst")
        self.file("_SUCCESS", b"")
        self.file(".p-0.tsv", b"not\tto\tbe\tread\n")
        self.file("_below/p-0.tsv", b"not\tto\tbe\tread\n")


class Generator:
    def __init__(self, seed: int, records: int, out: Path, is_clean: bool):
        self._seed, self._records, self._out, self._is_clean = seed, records, out, is_clean

    def make(self, job: str) -> None:
        rng = random.Random(f"{self._seed} {job}")
        make: Callable = getattr(self, f"_{job}")
        make(rng, lambda name: Writer(rng, self._out / job / name))

    # The tables.

    def _play_names(self, rng: random.Random) -> tuple[Names, Names]:
        n = self._records
        return (Names(rng, b"user", max(12, n // 40), 0.5),
                Names(rng, b"track", max(12, n // 20), 0.9))

    def _plays(self, rng: random.Random, users: Names, tracks: Names) -> list[bytes]:
        n = self._records
        everyone, heavy = 0, len(users.plain) - 1
        first_day = parse_day(b"2026-01-01")
        starts = [first_day + rng.randrange(60) for _ in users.plain]
        days = {day: format_day(day) for day in range(first_day, first_day + 200)}
        countries = [escape(country) for country in COUNTRIES]

        who = list(range(len(users.plain)))  # Each plays the track that everyone plays.
        what = [everyone] * len(who)
        rest = max(0, n - len(who))
        # One user plays a lot: a few hundred tracks very often.
        often = rest // 20
        who += [heavy] * often
        what += [rng.randrange(min(len(tracks.plain), 800)) for _ in range(often)]
        who += users.draw(rng, rest - often)
        what += tracks.draw(rng, rest - often)
        where = rng.choices(range(len(countries)),
                            cum_weights=list(itertools.accumulate(2.0 ** -i for i in range(15))),
                            k=len(who))
        lines = []
        random_, spell_user, spell_track = rng.random, users.spell, tracks.spell
        for user, track, country in zip(who, what, where):
            chance = random_()
            day = starts[user] + int(40 * chance * chance)
            if chance < 0.002:
                stamp = rng.choice(GOOD_DATES)
            else:
                stamp = b"%sT%02d:%02d:00Z" % (days[day], int(chance * 24), int(random_() * 60))
            chance = random_()
            if chance < 0.003:
                ms_played = rng.choice([b"29999", b"30000", b"-0", b"0030000", b"-5",
                                        b"%d" % INT64_MAX,
                                        b"%d" % INT64_MIN, b"-00000000000000000000030000"])
            else:
                ms_played = b"%d" % (300000 * chance)
            lines.append(b"\t".join((stamp, spell_user(rng, user), spell_track(rng, track),
                                     countries[country], ms_played)))
        decorate(rng, lines, self._is_clean, numbers=[4], dates=[0])
        return lines

    def _keyed(self, rng: random.Random, names: Names, known: float, values: Sequence[bytes],
               last: Callable[[], bytes]) -> list[bytes]:
        """Rows of a table: key, value, last; some keys stand twice, if that may be."""
        lines = [b"\t".join((names.spell(rng, i), rng.choice(values), last()))
                 for i in range(len(names.plain)) if rng.random() < known]
        decorate(rng, lines, self._is_clean)
        if not self._is_clean:
            for i in rng.choices(range(len(names.plain)), k=max(3, len(lines) // 100)):
                lines.append(b"\t".join((respell(names.plain[i], rng), b"again", b"x")))
        return lines

    # The jobs.

    def _cooccurrence(self, rng: random.Random, writer) -> None:
        writer("plays").shards(self._plays(rng, *self._play_names(rng)))

    def _retention(self, rng: random.Random, writer) -> None:
        writer("plays").shards(self._plays(rng, *self._play_names(rng)))

    def _recommend(self, rng: random.Random, writer) -> None:
        users, tracks = self._play_names(rng)
        plays = self._plays(rng, users, tracks)
        lines, count = [], len(tracks.plain)
        for i in range(count):
            # Not too popular: each user would have nearly all tracks as candidates.
            size = rng.choice([0, 3, 12, 24])
            others = {int(count * rng.random() ** 1.4) for _ in range(size)} - {i}
            for rank, other in enumerate(sorted(others), start=1):
                score = number(rng, 0, rng.choice([3, 100, 1000000]))
                lines.append(b"\t".join((tracks.spell(rng, i), b"%d" % rank,
                                         tracks.spell(rng, other),
                                         b"7", score)))
        lines.append(b"never played\t1\tat the limit\t1\t%d" % INT64_MAX)
        lines.append(b"never played, too\t1\tat the limit\t1\t%d" % INT64_MIN)
        plays.append(b"2026-01-01\tlimits\tat the limit\tSE\t30000")
        decorate(rng, lines, self._is_clean, numbers=[4])
        writer("plays").shards(plays)
        writer("neighbours").shards(lines)

    def _revenue(self, rng: random.Random, writer) -> None:
        n = self._records
        users, products = Names(rng, b"user", max(12, n // 20), 0.6), Names(
            rng, b"product", max(12, n // 100), 0.8)
        first_day = parse_day(b"2026-01-01")
        days = [format_day(first_day + i) for i in range(60)]
        lines = []
        for txn, (user, product) in enumerate(zip(users.draw(rng, n), products.draw(rng, n))):
            chance = rng.random()
            who = b"\\N" if chance < 0.02 else users.spell(rng, user)
            what = b"\\N" if 0.015 < chance < 0.025 else products.spell(rng, product)
            day = rng.choice(GOOD_DATES) if chance > 0.998 else rng.choice(days)
            lines.append(b"\t".join((b"%d" % txn, who, what, number(rng, -500, 20000), day)))
        # Groups of their own: sums at the limits, and one that passes beyond and comes back.
        for day, amounts in ((b"1970-01-01", [INT64_MAX]), (b"1970-01-02", [INT64_MIN]),
                             (b"1970-01-03", [INT64_MAX, 5, INT64_MAX, INT64_MIN, -10]),
                             (b"1970-01-04", [3, -3])):
            for amount in amounts:
                lines.append(b"\t".join((b"x", users.written[0], products.written[0],
                                         b"%d" % amount, day)))
        decorate(rng, lines, self._is_clean, numbers=[3], dates=[4])
        writer("transactions").shards(lines)
        writer("users").shards(self._keyed(
            rng, users, 0.95, [escape(c) for c in COUNTRIES] + [b"\\N"],
            lambda: rng.choice([b"free", b"paid", b"\\N"])))
        writer("products").shards(self._keyed(
            rng, products, 0.9, [b"books", b"music", b"?", b"", b"a\\tb", b"\xff", b"\\N"],
            lambda: rng.choice([b"99", b"no number", b"\\N"])))

    def _accounting_import(self, rng: random.Random, writer) -> None:
        txns = Names(rng, b"txn", max(12, self._records), 0.0)
        first_day = parse_day(b"2026-01-01")
        days = [format_day(first_day + i) for i in range(60)]

        def line(txn: int, amount: bytes, day: bytes) -> bytes:
            return b"\t".join((txns.spell(rng, txn), rng.choice([b"ann", b"bob", b"\\N"]), b"book",
                               amount, day))

        lines = []
        for txn in range(len(txns.plain)):
            day = rng.choice(GOOD_DATES) if rng.random() > 0.998 else rng.choice(days)
            lines.append(line(txn, number(rng, -500, 20000), day))
        # Days of their own: at the limits, of refunds alone, of nothing.
        for day, amounts in ((b"1970-01-01", [INT64_MAX, -INT64_MAX]), (b"1970-01-02", [-3, -4]),
                             (b"1970-01-03", [0]), (b"1970-01-04", [INT64_MAX - 5, 5, -1])):
            lines += [b"%s %d\tann\tbook\t%d\t%s" % (day, i, amount, day)
                      for i, amount in enumerate(amounts)]
        decorate(rng, lines, self._is_clean, numbers=[3], dates=[4])
        if not self._is_clean:  # Which of two comes first is for the shards to say.
            lines += [line(txn, number(rng, -500, 20000), rng.choice(days))
                      for txn in rng.choices(range(len(txns.plain)), k=max(5, len(lines) // 100))]
        writer("transactions").shards(lines)

    def _royalties(self, rng: random.Random, writer) -> None:
        users, tracks = self._play_names(rng)
        holders = Names(rng, b"holder", max(12, self._records // 500), 0.8)
        plays = self._plays(rng, users, tracks)
        if not self._is_clean:
            plays.append(b"2026-01-01\tann\tonly rejects\tSE\t30000")
        lines = []
        for i in range(len(tracks.plain)):
            owners = sorted(set(holders.draw(rng, rng.choice([0, 1, 1, 2, 3, 7]))))
            cuts = sorted(rng.choice([0, 1, 3333, 5000, rng.randrange(10001)]) for _ in owners[1:])
            for owner, begin, end in zip(owners, [0] + cuts, cuts + [10000]):
                lines.append(b"\t".join((tracks.spell(rng, i), holders.spell(rng, owner),
                                         b"%s%d" % (rng.choice([b"", b"", b"00"]), end - begin))))
        # Its remainders are equal: ties go by holder, then track.
        lines += [b"even\tz\t2500", b"even\ty\t2500", b"even\t\t2500", b"even\t\xff\t2500"]
        plays += [b"2026-01-01\tann\teven\tTIES\t30000"] * 3
        rights_extra = [line + rng.choice([b"", b"\textra"]) for line in lines]
        if not self._is_clean:  # Rejects, without touching what sums to 10000.
            rights_extra += [b"only rejects\tx\t%s" % bad for bad in BAD_NUMBERS]
            rights_extra += [b"only rejects\t\\N\t5", b"\\N\tx\t5", b"only rejects\tx", b"",
                             b"only rejects\tx\t10000\\", b"%s\tx\t+1" % tracks.written[0]]
        pools = [b"%s\t%s" % (escape(country), number(rng, 0, 10**9)) for country in COUNTRIES[:12]]
        pools += [b"TIES\t0010", b"no plays\t5", b"none\t0", b"most\t%d" % INT64_MAX]
        plays += [b"2026-01-01\tann\t%s\tmost\t30000" % tracks.written[i % len(tracks.plain)]
                  for i in range(20)]
        if not self._is_clean:
            pools += [b"SE\t5", b"DE\t-1", b"minus\t-1", b"\\N\t5", b"bad\t5\r", b"short",
                      b"S\\x45\t6",
                      b"minus\t-9223372036854775808"]
        writer("plays").shards(plays)
        writer("rights").shards(rights_extra)
        writer("pools").shards(pools)

    def _mail_digest(self, rng: random.Random, writer) -> None:
        n = self._records
        users, tracks = Names(rng, b"user", max(12, n // 10), 0.5), Names(
            rng, b"track", max(12, n // 20), 0.8)
        lines = []
        for i in range(len(users.plain)):
            if rng.random() < 0.9:
                picks = list(dict.fromkeys(tracks.draw(rng, rng.choice([1, 3, 10, 15]))))
                for rank, track in enumerate(picks, start=1):
                    lines.append(b"\t".join((users.spell(rng, i), b"%d" % rank,
                                             tracks.spell(rng, track),
                                             b"%d" % rng.randrange(10**6))))
        addresses = [b"%s\t%s" % (users.spell(rng, i), rng.choice([
            b"u%d@example.com", b"\"u %d\"@example.com", b"u%d\\t\\x01@example.com",
            b"\xc3\xa9%d@example.com"] * 10 + [b"u\\\\%d@\xff", b"%.0a"]) % i)  # The last: none.
            for i in range(len(users.plain)) if rng.random() < 0.9]
        if self._is_clean:  # As text for JSON.
            lines = list(filter(is_utf8_behind_escapes, lines))
            addresses = list(filter(is_utf8_behind_escapes, addresses))
        decorate(rng, lines, self._is_clean, numbers=[1])
        decorate(rng, addresses, self._is_clean)
        suppressed = [users.spell(rng, i) for i in range(len(users.plain)) if rng.random() < 0.1]
        suppressed += suppressed[:5] + [b"nobody"]
        if not self._is_clean:
            addresses += [b"%s\tagain@example.com" % respell(users.plain[i], rng)
                          for i in rng.choices(range(len(users.plain)), k=max(3, n // 1000))]
            suppressed += [b"\\N", b"x\\", b"\\N\textra"]
        writer("recommendations").shards(lines)
        writer("addresses").shards(addresses)
        writer("suppressed").shards(suppressed)

    def _dump_diff(self, rng: random.Random, writer) -> None:
        # Columns 1 and 2 are a key together; 1 alone is one, too, except for some rejects.
        ids = Names(rng, b"id", max(12, self._records), 0.0)
        texts = [escape(text) for text in STRANGE_NAMES] + [b"\\N"] * 3 + [b"text"] * 30

        def spell_again(field: bytes) -> bytes:
            return field if b"\\" in field else respell(field, rng)

        old, new = [], []
        for i in range(len(ids.plain)):
            row = [ids.written[i], rng.choice((b"x", b"y", b"")), rng.choice(texts), b"%d" % i]
            chance = rng.random()
            if chance < 0.05:
                new.append(b"\t".join(row))
                continue
            old.append(b"\t".join(row))
            if chance < 0.1:
                continue
            if chance < 0.15:
                row[rng.choice((2, 3))] = rng.choice(texts)  # Maybe the same.
            elif chance < 0.2:
                row = [spell_again(field) for field in row]  # The same row.
            elif chance < 0.21:
                row.append(rng.choice((b"", b"\\N", b"more")))
            elif chance < 0.22:
                row.pop()
            elif chance < 0.23:
                row[1] = b"z"  # Another row, where it is in the key.
            new.append(b"\t".join(row))
        if not self._is_clean:
            for lines in (old, new):
                count = max(5, len(lines) // 200)
                again = rng.choices(lines, k=count)
                lines += [line + rng.choice((b"", b"\tagain")) for line in again]
                lines += [b"two\t1\t", b"two\t2\t", b"two\t3\t", b"\\N\tx\ty", b"x\\", b"short",
                          b"",
                          b"bad\tx\ty\\", b"null\t\\N\tz", b"\\N", b"\ttab\t", b"\\\tx\ty"]
        writer("old").shards(old)
        writer("new").shards(new)

    def _inverted_index(self, rng: random.Random, writer) -> None:
        words = Names(rng, b"w", max(50, min(self._records, 200000)), 1.0, strange=(
            b"The", b"THE", b"the", b"don't", b"caf\xc3\xa9", b"CAF\xc3\x89", b"\xff", b"a\\tb",
            b"42",
            b"007", b"x-y_z", b"`@[{", b"...", b"\r", b"\x00", b"A" * 500))
        out = writer("documents")
        strange = ["a,b", "a:b", "a0b", "a%b", "a%2Cb", "a b", "a.txt", "A.txt", "a\\b",
                   "caf\u00e9.txt",
                   "a.gz.txt", "below/c.txt", "below/deeper/d", "b.tsv", "-", "a.zstd"]
        if not self._is_clean:
            strange.append("tab\there")
        count = max(len(strange), min(self._records // 500, 2000))
        lines_left = self._records
        for i in range(count):
            path = strange[i] if i < len(strange) else f"{i % 7}/doc-{i:05d}.txt"
            lines = lines_left // (count - i)
            lines_left -= lines
            drawn = iter(words.draw(rng, 8 * lines))
            glue = [b" "] * 12 + [b"\t", b", ", b"-", b"\\", b"/", b"\r", b"\x1f", b"_"]
            text = b"\n".join(
                b"".join(words.plain[next(drawn)] + rng.choice(glue) for _ in range(8))
                for _ in range(lines))
            out.file(path, text + (b"\n" if i % 3 else b""),
                     ("plain", "gz", "plain", "zst", "gz2")[i % 5])
        out.file("empty", b"")
        out.file("no terms", b"... \n\n--- \t\r\n")
        out.file("packed.hidden", b"packed without saying so\n", "gz")
        out.file("_skipped", b"skipped\n")
        out.file(".skipped/x", b"skipped\n")


JOBS = ["accounting_import", "cooccurrence", "recommend", "revenue", "inverted_index", "royalties",
        "retention", "mail_digest", "dump_diff"]


def main() -> None:
    parser = argparse.ArgumentParser(description="inputs for the jobs that have an oracle")
    parser.add_argument("jobs", nargs="+", choices=JOBS + ["all"], metavar="JOB",
                        help=f"{', '.join(JOBS)}, or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=int, default=10000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clean", action="store_true", help="without anything that is a reject")
    options = parser.parse_args()
    if options.records < 1:
        parser.error("--records must be 1 or more")
    generator = Generator(options.seed, options.records, options.out, options.clean)
    for job in JOBS if "all" in options.jobs else options.jobs:
        if (options.out / job).exists():
            parser.error(f"{options.out / job} is there already")
        generator.make(job)


if __name__ == "__main__":
    main()

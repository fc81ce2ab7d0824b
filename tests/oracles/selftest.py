# SPDX-License-Identifier: Apache-2.0
"""Checks the oracles on a few records each, whose results were worked out by hand.

    python3 tests/oracles/selftest.py
"""

from __future__ import annotations

import gzip
import itertools
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import accounting_import
import cooccurrence
import copy_text
import dump_diff
import inverted_index
import mail_digest
import published_tables
import recommend
import retention
import revenue
import royalties
from copy_text import Failure

HERE = Path(__file__).parent


class OracleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="oracles-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_oracle(self, oracle, inputs: dict, *arguments: str):
        """`inputs` has bytes, or {shard: bytes}, by name."""
        command = list(arguments)
        for name, shards in inputs.items():
            folder = self.folder / f"{len(list(self.folder.iterdir()))}-{name}"
            folder.mkdir()
            for shard, data in ({"a": shards} if isinstance(shards, bytes) else shards).items():
                (folder / shard).parent.mkdir(parents=True, exist_ok=True)
                (folder / shard).write_bytes(data)
            command += ["--input", f"{name}={folder}"]
        return copy_text.execute(oracle.INPUTS, oracle.PARAMS, oracle.result, command)

    def check(self, oracle, inputs: dict, *arguments: str, want: bytes,
              rejects: list[bytes] | None = None):
        run, output = self.run_oracle(oracle, inputs, *arguments)
        self.assertEqual(output.decode("latin-1"), want.decode("latin-1"))
        self.assertEqual(run.written_rejects(), sorted(rejects or []))
        return run

    def check_fails(self, exit_code: int, oracle, inputs: dict, *arguments: str):
        with self.assertRaises(Failure) as caught:
            self.run_oracle(oracle, inputs, *arguments)
        self.assertEqual(caught.exception.exit_code, exit_code)


class CopyTextTest(OracleTest):
    def test_reads_what_copy_reads(self):
        for raw, text in [
                (rb"", b""), (rb"a", b"a"), (rb"\b\f\n\r\t\v\\", b"\x08\x0c\n\r\t\x0b\\"),
                (rb"\7", b"\x07"), (rb"\101", b"A"), (rb"\1018", b"A8"), (rb"\777", b"\xff"),
                (rb"\08", b"\x008"), (rb"\x4", b"\x04"), (rb"\x41", b"A"), (rb"\x414", b"A4"),
                (rb"\xg", b"xg"), (rb"\x", b"x"), (rb"\X41", b"X41"), (rb"\8", b"8"),
                (rb"\q", b"q"),
                (rb"\\N", rb"\N"), (rb"a\N", b"aN"), (rb"\.", b"."), (rb"\\\\t", rb"\\t"),
                (rb"\\\t", b"\\\t"), (b"\\\t", b"\t"), (b"\xff\r", b"\xff\r"),
                (rb"\xC3\xa9", b"\xc3\xa9")]:
            self.assertEqual(copy_text.unescape(raw), text, raw)

    def test_writes_what_copy_writes(self):
        self.assertEqual(copy_text.escape(b"\b\f\n\r\t\v\\"), rb"\b\f\n\r\t\v\\")
        self.assertEqual(copy_text.escape(b"\x00\x07\x1f\x7f\xff N\"'"),
                         b"\x00\x07\x1f\x7f\xff N\"'")
        self.assertEqual(copy_text.write_row(b"\\N", None, -5, b""), b"\\\\N\t\\N\t-5\t")

    def test_splits_at_tabs_without_backslash(self):
        for line, fields in [
                (b"", [b""]), (b"\t", [b"", b""]), (b"a\\\tb\tc", [b"a\\\tb", b"c"]),
                (b"a\\\\\tb", [b"a\\\\", b"b"]), (b"\\\\\\\tb", [b"\\\\\\\tb"]),
                (b"\\\t\\\t\\\t", [b"\\\t\\\t\\\t"]), (b"a\\\t", [b"a\\\t"]),
                (b"\\t\t", [b"\\t", b""])]:
            self.assertEqual(copy_text.split_raw(line), fields, line)

    def test_finds_lone_backslashes(self):
        for raw, is_lone in [(b"", False), (b"\\", True), (b"\\\\", False), (b"a\\\\\\", True),
                             (b"\\a", False), (b"\\\t", False)]:
            self.assertEqual(copy_text.ends_in_lone_backslash(raw), is_lone, raw)

    def test_knows_numbers(self):
        for text, value in [
                (b"0", 0), (b"-0", 0), (b"007", 7), (b"-007", -7), (b"0" * 5000 + b"1", 1),
                (b"9223372036854775807", 2**63 - 1), (b"-9223372036854775808", -(2**63)),
                (b"9223372036854775808", None), (b"-9223372036854775809", None), (b"", None),
                (b"-", None), (b"+1", None), (b" 1", None), (b"1 ", None), (b"1\n", None),
                (b"1\r", None),
                (b"1_0", None), (b"1.0", None), (b"--1", None), (b"\xb2", None),
                (b"9" * 5000, None)]:
            self.assertEqual(copy_text.parse_int(text), value, text[:30])

    def test_knows_dates(self):
        for text in [b"2024-02-29", b"2000-02-29", b"2026-12-31junk", b"0001-01-01", b"9999-12-31"]:
            self.assertEqual(copy_text.format_day(copy_text.parse_day(text)), text[:10])
        for text in [b"", b"2026-02-29", b"1900-02-29", b"2026-00-01", b"2026-01-00", b"2026-01-32",
                     b"2026-13-01", b"2026-1-01x", b"0000-01-01", b" 2026-01-01", b"2026-01-0",
                     b"2026/01/01"]:
            self.assertIsNone(copy_text.parse_day(text), text)

    def test_reads_lines_and_rejects_of_all_shards(self):
        # One column, `user`, is used, so: too few can't be; NULL and a lone backslash are rejects.
        plain = b"b\n\\N\n\nc\\\nd\r\n\\N\tx\ne\tx\\\nlast"  # Offsets 0 2 5 6 9 12 17 22.
        packed = gzip.compress(b"z\n\\N\n") + gzip.compress(b"y")
        shards = {"p.tsv-b": plain, "p.tsv.gz": packed, "empty": b"", "_skipped": b"no\n",
                  ".skipped/x": b"no\n", "below/q": b"w\n"}
        folder = self.folder / "in"
        for name, data in shards.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        inputs = {"in": ("user",)}
        rejects = self.folder / "rejects"
        run, output = copy_text.execute(
            inputs, {}, lambda run: (values[0] for _, values in run.rows("in", "user")),
            ["--input", str(folder), "--rejects", str(rejects)])
        # Without .gz, p.tsv is before p.tsv-b.
        self.assertEqual(output, b"w\nz\ny\nb\n\nd\r\ne\nlast\n")
        self.assertEqual(rejects.read_bytes(),
                         b"in\tp.tsv-b\t12\nin\tp.tsv-b\t2\nin\tp.tsv-b\t6\nin\tp.tsv.gz\t2\n")

    @unittest.skipUnless(shutil.which("zstd"), "needs zstd")
    def test_reads_zstd_by_content(self):
        frames = b"".join(subprocess.run(["zstd", "-cq"], input=text, capture_output=True,
                                         check=True).stdout for text in (b"a\n", b"b"))
        skippable = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
        path = self.folder / "plain-name"
        path.write_bytes(skippable + frames)
        self.assertEqual(copy_text.read_shard(bytes(path)), b"a\nb")

    def test_moves_columns(self):
        plays = b"A\tu\nB\tu\n"
        self.check(cooccurrence, {"plays": plays}, "--param", "track=1", "--param", "plays.user=2",
                   want=b"A\t1\tB\t1\t1000000\nB\t1\tA\t1\t1000000\n")
        tables = {"plays": b"", "neighbours": b""}
        self.check(recommend, tables, "--param", "neighbours.track=3", want=b"")
        self.check_fails(64, recommend, tables, "--param", "track=3")  # Both have it.
        self.check_fails(64, recommend, tables, "--param", "nothing=3")


def plays(*rows: str) -> bytes:
    """Of "user track" each; timestamp, country and ms_played are not looked at."""
    return b"".join(b"bad\t%s\t%s\t*\tbad\n" % tuple(row.encode().split()) for row in rows)


class CooccurrenceTest(OracleTest):
    # Baskets {A B} {A B C} {A C} {D}; n: A 3, B 2, C 2, D 1; both: AB 2, AC 2, BC 1.
    PLAYS = plays("u1 A", "u1 A", "u1 B", "u2 A", "u2 B", "u2 C", "u3 A", "u3 C", "u3 C", "u3 C",
                  "u4 D")

    def check_plays(self, rows: bytes, want: str, *params: str):
        arguments = [word for param in params for word in ("--param", param)]
        text = "".join("\t".join(line.split()) + "\n" for line in want.split(";") if line.strip())
        self.check(cooccurrence, {"plays": rows}, *arguments, want=text.encode())

    def test_cosine(self):
        self.check_plays(  # 2 / sqrt(6) = 0.8164965...; 1 / sqrt(4).
            self.PLAYS, "A 1 B 2 816496; A 2 C 2 816496; B 1 A 2 816496; B 2 C 1 500000;"
            "C 1 A 2 816496; C 2 B 1 500000")

    def test_dice_jaccard_shrink(self):
        self.check_plays(  # 4 / 5, 2 / 4.
            self.PLAYS, "A 1 B 2 800000; B 1 A 2 800000; C 1 A 2 800000", "similarity=dice", "k=1")
        self.check_plays(  # 2 / 3, 1 / 3.
            self.PLAYS, "A 1 B 2 666666; A 2 C 2 666666; B 1 A 2 666666; B 2 C 1 333333;"
            "C 1 A 2 666666; C 2 B 1 333333", "similarity=jaccard", "k=0")
        self.check_plays(  # 2 / (2.4494897 + 1) = 0.57979589...
            self.PLAYS, "A 1 B 2 579795; B 1 A 2 579795; C 1 A 2 579795", "shrink=1", "k=1")

    def test_caps_baskets(self):
        # {A B} {A B} {A C} {D}: n: A 3, B 2, C 1; AC: 1 / sqrt(3).
        self.check_plays(self.PLAYS,
                         "A 1 B 2 816496; A 2 C 1 577350; B 1 A 2 816496; C 1 A 1 577350",
                         "basket=2")
        self.check_plays(self.PLAYS, "", "basket=1")  # {A} {A} {C} {D}

    def test_by_score(self):
        rows = ["1 A", "1 B", "2 A", "2 B", "3 A", "3 C", "4 B", "4 D", "5 B", "5 E", "6 B", "6 F"]
        # n: A 3, B 5, others 1. AB 2 / sqrt(15) = 0.516397..., AC 1 / sqrt(3), BD 1 / sqrt(5).
        self.check_plays(
            plays(*rows), "A 1 C 1 577350; A 2 B 2 516397; B 1 A 2 516397; B 2 D 1 447213;"
            "C 1 A 1 577350; D 1 B 1 447213; E 1 B 1 447213; F 1 B 1 447213", "by=score", "k=2")
        # Without 6: B 4, AB 2 / sqrt(12) = AC 1 / sqrt(3); then B is first, but not for its count.
        self.check_plays(
            plays(*rows[:10]), "A 1 B 2 577350; B 1 A 2 577350; C 1 A 1 577350; D 1 B 1 500000;"
            "E 1 B 1 500000", "by=score", "k=1")

    def test_tfidf(self):
        # N = 4: size 2 weighs w = ln(4/3)^2 = 0.0827609748..., size 3 ln(1)^2 = 0.
        # c: AB w, AC w, BC 0; n: A 2w, B w, C w. AB w / sqrt(2w^2) = 0.70710678...
        self.check_plays(
            self.PLAYS, "A 1 B 2 707106; A 2 C 2 707106; B 1 A 2 707106; B 2 C 1 0;"
            "C 1 A 2 707106; C 2 B 1 0", "weight=tfidf")
        # w / (sqrt(2) w + 1) = 0.0740895...
        self.check_plays(self.PLAYS, "A 1 B 2 74089; B 1 A 2 74089; C 1 A 2 74089",
                         "weight=tfidf", "shrink=1", "k=1")
        # N = 3 = 1 + size: all weights and divisors are 0.
        self.check_plays(plays("u A", "u B", "v C"), "A 1 B 1 0; B 1 A 1 0", "weight=tfidf")

    def test_tfidf_units(self):
        # By bc, 40 digits.
        self.assertEqual(cooccurrence.tfidf_units(4, 3), 0)
        self.assertEqual(cooccurrence.tfidf_units(4, 2), 355455680)
        self.assertEqual(cooccurrence.tfidf_units(1000000, 50), 419563448214)
        self.assertEqual(cooccurrence.tfidf_units(2, 0), 2063529982)
        self.assertEqual(cooccurrence.tfidf_units(5, 2), 1120740869)

    def test_rejects_and_escapes(self):
        rows = (b"t\tu\n"  # 0: no track.
                b"t\t\\N\tA\n"  # 4: no user.
                b"t\tu\t\\N\n"  # 11
                b"t\tu\tA\\\n"  # 18: a lone backslash.
                b"t\tu\tA\tx\\\n"  # 25: here nobody looks.
                b"\\N\tu\t\\x41\n"  # 34: A again.
                b"t\\\tt\tu\t\n"  # 44: the first field is "t TAB t", the track is empty.
                b"t\tu\t\\\\N\n"  # 52: the track is \N.
                b"t\tu\ta\\tb")
        self.check(cooccurrence, {"plays": rows}, "--param", "k=1",
                   want=b"\t1\tA\t1\t1000000\nA\t1\t\t1\t1000000\n\\\\N\t1\t\t1\t1000000\n"
                        b"a\\tb\t1\t\t1\t1000000\n",
                   rejects=[b"plays\ta\t0", b"plays\ta\t4", b"plays\ta\t11", b"plays\ta\t18"])


class RecommendTest(OracleTest):
    PLAYS = plays("u1 A", "u1 A", "u1 B", "u2 C", "u3 Z")
    NEIGHBOURS = (b"C\tx\tA\tx\t100\nC\t\\N\tB\tx\t50\nD\t1\tA\t1\t150\nA\t1\tB\t1\t999\n"
                  b"E\t1\tC\t1\t007\nB\t1\tA\t1\t500\nF\t1\tY\t1\t5\nG\t1\tB\t1\t-0\n")

    def test_sums_over_the_basket(self):
        inputs = {"plays": self.PLAYS, "neighbours": self.NEIGHBOURS}
        self.check(recommend, inputs,
                   want=b"u1\t1\tC\t150\nu1\t2\tD\t150\nu1\t3\tG\t0\nu2\t1\tE\t7\n")
        self.check(recommend, inputs, "--param", "k=1", want=b"u1\t1\tC\t150\nu2\t1\tE\t7\n")
        # u1's basket is A; B is still left out, as it was played.
        self.check(recommend, inputs, "--param", "basket=1",
                   want=b"u1\t1\tD\t150\nu1\t2\tC\t100\nu2\t1\tE\t7\n")

    def test_rejects(self):
        neighbours = (b"X\t1\tA\t1\t9223372036854775807\n"  # 0
                      b"X\t1\tA\t1\t9223372036854775808\n"  # 28
                      b"X\t1\tA\t1\n"  # 56
                      b"X\t1\t\\N\t1\t5\n")  # 64
        self.check(recommend, {"plays": plays("u A") + b"u\n", "neighbours": neighbours},
                   want=b"u\t1\tX\t9223372036854775807\n",
                   rejects=[b"neighbours\ta\t28", b"neighbours\ta\t56", b"neighbours\ta\t64",
                            b"plays\ta\t14"])
        self.check_fails(65, recommend, {"plays": plays("u A", "u B"),
                                         "neighbours": neighbours[:28] + b"X\t1\tB\t1\t1\n"})


class RevenueTest(OracleTest):
    INPUTS = {
        "users": {"b": b"ann\tAT\n",  # Second: a reject.
                  "a.gz": gzip.compress(b"ann\tSE\tx\nbob\tDE\nnull\t\\N\n\\N\tSE\ncy\n"
                                       b"null\tSE\n")},  # 33: its key is taken.
        "products": b"p\tbooks\tno price\nq\ta\\tb\np\tagain\n",  # 24: a reject.
        "transactions": b"1\tann\tp\t100\t2026-01-01T10:00\n"  # 0
                        b"2\tann\tp\t-30\t2026-01-01\n"
                        b"3\tbob\tq\t5\t2026-01-02\n"
                        b"4\t\\N\tp\t7\t2026-01-02\n"
                        b"5\tbob\t\\N\t8\t2026-01-02\n"
                        b"6\tnobody\tnothing\t9\t2026-01-02\n"
                        b"7\tnull\tq\t1\t2026-01-02\n"
    }

    def test_joins(self):
        rejects = [b"users\tb\t0", b"users\ta.gz\t24", b"users\ta.gz\t30", b"users\ta.gz\t33",
                   b"products\ta\t24"]
        run = self.check(revenue, self.INPUTS, rejects=rejects,
                         want=b"?\t?\t2026-01-02\t9\t1\n"
                              b"?\ta\\tb\t2026-01-02\t1\t1\n"
                              b"?\tbooks\t2026-01-02\t7\t1\n"
                              b"DE\t?\t2026-01-02\t8\t1\n"
                              b"DE\ta\\tb\t2026-01-02\t5\t1\n"
                              b"SE\tbooks\t2026-01-01\t70\t2\n")
        self.assertEqual(run.counters, {"unknown": 4})
        run = self.check(revenue, self.INPUTS, "--param", "unknown=drop", rejects=rejects,
                         want=b"DE\ta\\tb\t2026-01-02\t5\t1\nSE\tbooks\t2026-01-01\t70\t2\n")
        self.assertEqual(run.counters, {"unknown": 4})

    def test_rejects(self):
        transactions = (b"1\tann\tp\tx\t2026-01-01\n"  # 0
                        b"2\tann\tp\t1\t2026-02-30\n"  # 21
                        b"3\t\\N\tp\t\\N\t2026-01-01\n"  # 42
                        b"4\tann\tp\t1\t\\N\n"  # 63
                        b"5\tann\tp\t1\n")  # 76
        run = self.check(revenue, {"users": b"", "products": b"", "transactions": transactions},
                         want=b"",
                         rejects=[b"transactions\ta\t%d" % at for at in (0, 21, 42, 63, 76)])
        self.assertEqual(run.counters, {"unknown": 0})

    def test_sums_to_the_limit(self):
        row = b"1\t\\N\t\\N\t%d\t2026-01-01\n"
        inputs = {"users": b"", "products": b""}
        amounts = [2**63 - 1, 1, -1]
        inputs["transactions"] = b"".join(row % amount for amount in amounts)
        self.check(revenue, inputs, want=b"?\t?\t2026-01-01\t9223372036854775807\t3\n")
        inputs["transactions"] = b"".join(row % amount for amount in amounts[:2])
        self.check_fails(65, revenue, inputs)


class InvertedIndexTest(OracleTest):
    def test_indexes(self):
        documents = {
            "a:b": b"The cat, the CAT\nthe\n",
            "a0b.gz": gzip.compress(b"cat-dog 42\r\n"),
            "below/x,y%.txt.zst": b"caf\xc3\xa9 a\\tdog \xff",
            "empty": b"",
            "_skipped": b"no",
        }
        self.check(inverted_index, {"documents": documents},
                   want=b"42\t1\ta0b:1\n"
                        b"a\t1\tx%2Cy%25.txt:1\n"
                        b"caf\xc3\xa9\t1\tx%2Cy%25.txt:1\n"
                        b"cat\t2\ta%3Ab:2,a0b:1\n"
                        b"dog\t1\ta0b:1\n"
                        b"tdog\t1\tx%2Cy%25.txt:1\n"
                        b"the\t1\ta%3Ab:3\n"
                        b"\xff\t1\tx%2Cy%25.txt:1\n")

    def test_escapes_names(self):
        self.check(inverted_index, {"documents": {"a\\b\tc": b"x"}}, want=b"x\t1\ta\\\\b\\tc:1\n")

    def test_refuses_a_name_twice(self):
        self.check_fails(64, inverted_index, {"documents": {"a.txt": b"", "below/a.txt.gz": b""}})


class RoyaltiesTest(OracleTest):
    @staticmethod
    def plays(*rows: str) -> bytes:
        """Of "track country ms_played" each."""
        return b"".join(b"t\tu\t%s\t%s\t%s\n" % tuple(row.encode().split()) for row in rows)

    def test_shares_a_pool(self):
        # w: (x, A) 2 * 6000, (y, A) 2 * 4000, (?, B) 1 * 10000; W = 30000. Of 100 micros:
        # 40, 26 rest 20000, 33 rest 10000; the one left goes to (y, A).
        rows = self.plays("A SE 30000", "A SE 30001", "A SE 29999", "B SE 99999", "A DE 50000",
                          "A SE -5", "C NO 1")
        run = self.check(royalties, {
            "plays": rows, "rights": b"A\tx\t6000\nA\ty\t4000\nZ\tx\t10000\n",
            "pools": b"SE\t100\nUS\t7\nNO\t7\n"},
            want=b"?\tB\tSE\t1\t33\nx\tA\tSE\t2\t40\ny\tA\tSE\t2\t27\n")
        self.assertEqual(run.counters, {"plays_without_pool": 1, "pools_without_plays": 2})
        self.check(royalties, {"plays": self.plays("A SE 5", "A SE 4"), "rights": b"",
                               "pools": b"SE\t9223372036854775807\n"}, "--param", "min_ms=5",
                   want=b"?\tA\tSE\t1\t9223372036854775807\n")

    def test_breaks_ties_by_holder_then_track(self):
        # w: x 5000 each in A and B, y likewise; W = 20000: of 7, each 1 rest 15000: three more.
        rows = self.plays("A SE 30000", "B SE 30000")
        rights = b"B\tx\t5000\nA\ty\t5000\nA\tx\t05000\nB\ty\t5000\n"
        self.check(royalties, {"plays": rows, "rights": rights, "pools": b"SE\t7\n"},
                   want=b"x\tA\tSE\t1\t2\nx\tB\tSE\t1\t2\ny\tA\tSE\t1\t2\ny\tB\tSE\t1\t1\n")

    def test_rows_without_money(self):
        rights = b"A\tx\t10000\nA\ty\t0\n"
        rows = self.plays("A SE 30000", "A DE 30000")
        self.check(royalties, {"plays": rows, "rights": rights, "pools": b"SE\t1\nDE\t0\n"},
                   want=b"x\tA\tDE\t1\t0\nx\tA\tSE\t1\t1\ny\tA\tDE\t1\t0\ny\tA\tSE\t1\t0\n")

    def test_rejects(self):
        rows = self.plays("A SE 30000", "A SE x") + b"t\tu\tA\t\\N\t30000\nt\t\\N\tA\tSE\t30000"
        self.check(royalties, {
            "plays": rows,  # 15 x, 26 NULL; the user isn't used.
            "rights": b"A\tx\tmany\nA\tx\t10000\n",  # 0
            "pools": b"SE\t-1\nSE\t4\nS\\105\t5\n"},  # 0 and 11; the second one is the first good.
            want=b"x\tA\tSE\t2\t4\n",
            rejects=[b"plays\ta\t15", b"plays\ta\t26", b"rights\ta\t0", b"pools\ta\t0",
                     b"pools\ta\t11"])

    def test_refuses_rights_that_do_not_sum(self):
        for rights in (b"Z\tx\t9999\n", b"Z\tx\t5000\nZ\tx\t5000\n", b"Z\tx\t10000\nZ\ty\t1\n",
                       b"Z\tx\t0\n"):
            self.check_fails(65, royalties, {"plays": b"", "rights": rights, "pools": b""})


class RetentionTest(OracleTest):
    PLAYS = (b"2026-01-30T10\tann\tx\n2026-01-30T11\tann\n2026-02-01\tann\n2026-03-01\tann\n"
             b"2026-01-30\tbob\n2026-02-10\tbob\n2026-02-01\tcy\n2026-02-03\tcy\n2026-02-30\tcy\n"
             b"2026-02-01\t\\N\n2026-02-01\n")

    def test_counts_days(self):
        # ann: cohort 01-30, n 0 2 30; bob: 0 11; cy: cohort 02-01, n 0 2.
        rejects = [b"plays\ta\t%d" % at for at in (126, 140, 154)]
        self.check(retention, {"plays": self.PLAYS}, rejects=rejects,
                   want=b"2026-01-30\t0\t2\n2026-01-30\t2\t1\n2026-01-30\t11\t1\n"
                        b"2026-01-30\t30\t1\n2026-02-01\t0\t1\n2026-02-01\t2\t1\n")
        self.check(retention, {"plays": self.PLAYS}, "--param", "days=2", rejects=rejects,
                   want=b"2026-01-30\t0\t2\n2026-01-30\t2\t1\n2026-02-01\t0\t1\n2026-02-01\t2\t1\n")
        self.check(retention, {"plays": self.PLAYS}, "--param", "days=0", rejects=rejects,
                   want=b"2026-01-30\t0\t2\n2026-02-01\t0\t1\n")


class MailDigestTest(OracleTest):
    INPUTS = {
        # 10 is after 2; cy has no address, dan is suppressed, eve has no tracks.
        "recommendations": b"bob\t10\tT\nbob\t2\ta\\\\\"\\t\\x01/\x7f\nbob\t1\tS\tx\nann\t1\tA\n"
                           b"cy\t1\tA\ndan\t1\tA\nbob\tx\tA\n"
                           b"bob\t3\tU\xff\nb\xe9\t1\tA\nann\t2\t\xed\xa0\x80\n",  # 69
        # ann's first counts, bob's first two are none.
        "addresses": b"ann\ta@x\nbob\t\nbob\t\xff@x\nbob\tb@x\ndan\td@x\neve\te@x\n"
                     b"ann\tother\nfay\n",
        "suppressed": b"dan\nnobody\ndan\n",
    }
    ANN = (b'{"template":"weekly","address":"a@x","tracks":["A"],'
           b'"key":"ann/c/2026-11-21"}\n')
    ARGUMENTS = ("--param", "template=weekly", "--param", "campaign=c", "--date", "2026-11-21")

    def test_writes_one_line_per_user(self):
        rejects = [b"recommendations\ta\t%d" % at for at in (61, 69, 78, 85)]
        rejects += [b"addresses\ta\t13", b"addresses\ta\t55"]
        self.check(mail_digest, self.INPUTS, *self.ARGUMENTS, rejects=rejects,
                   want=self.ANN + b'{"template":"weekly","address":"b@x",'
                        b'"tracks":["S","a\\\\\\"\\t\\u0001/\x7f","T"],"key":"bob/c/2026-11-21"}\n')
        self.check(mail_digest, self.INPUTS, *self.ARGUMENTS, "--param", "k=1", rejects=rejects,
                   want=self.ANN + b'{"template":"weekly","address":"b@x",'
                        b'"tracks":["S"],"key":"bob/c/2026-11-21"}\n')

    def test_needs_a_date(self):
        self.check_fails(64, mail_digest, self.INPUTS)


class AccountingImportTest(OracleTest):
    ROWS = (b"t3\tann\tbook\t-990\t2026-11-20T23:59\n"
            b"t1\t\\N\tbook\t1500\t2026-11-20\n"
            b"t2\tann\t\\N\t0990\t2026-11-20\n")

    def test_books_days(self):
        # printf '2:t1=1500;2:t2=990;2:t3=-990;' | xxhsum -H3
        day = b"2026-11-20-EUR-a096007e50090a79\t2026-11-20\t%s\tEUR\t%d\t%d\t%d\n"
        want = (day % (b"receivables", 2490, 990, 3) + day % (b"refunds", 990, 0, 1)
                + day % (b"revenue", 0, 2490, 2))
        self.check(accounting_import, {"transactions": self.ROWS}, want=want)
        # Rejects: a txn that was accepted, a bad amount, a bad day; none of these takes its txn.
        more = (b"t4\tann\tbook\t1.5\t2026-11-20\n"
                b"t5\tann\tbook\t1\t2026-11-31\n"
                b"t1\tann\tbook\t7\t2026-11-21\n")
        self.check(accounting_import, {"transactions": self.ROWS + more}, want=want,
                   rejects=[b"transactions\ta\t%d" % at for at in (
                       len(self.ROWS), len(self.ROWS) + 27, len(self.ROWS) + 52)])

    def test_refuses_what_is_beyond_int64(self):
        for amounts in ([2**63 - 1, 1], [-(2**63)], [-(2**63 - 1), -1]):
            rows = b"".join(b"%d\t\t\t%d\t2026-11-20\n" % (i, a) for i, a in enumerate(amounts))
            self.check_fails(65, accounting_import, {"transactions": rows})
        self.check_fails(64, accounting_import, {"transactions": b""}, "--param", "currency=")


class DumpDiffTest(OracleTest):
    OLD = (b"b\t1\tsame\n"  # 0
           b"c\t1\told\n"  # 9
           b"a\t1\tgone\n"  # 17
           b"b\t2\tsecond\n"  # 26: a reject where the key is 1.
           b"d\t1\tA\\x42\n"  # 37
           b"e\t1\t\\N\n")
    NEW = (b"d\t1\tAB\n"
           b"e\t1\t\\\\N\n"
           b"c\t1\tnew\\011\n"
           b"\\N\t1\tx\n"  # 27: a reject.
           b"b\t1\tsame\n"
           b"\t1\n"
           b"f\\\n")  # 46: a reject.

    def test_compares(self):
        self.check(dump_diff, {"old": self.OLD, "new": self.NEW},
                   want=b"I\t\t1\nD\ta\t1\tgone\nU\tc\t1\tnew\\t\nU\te\t1\t\\\\N\n",
                   rejects=[b"old\ta\t26", b"new\ta\t27", b"new\ta\t46"])

    def test_keys_of_two_columns(self):
        self.check(dump_diff, {"old": self.OLD, "new": self.NEW}, "--param", "key=1,2",
                   want=b"I\t\t1\nD\ta\t1\tgone\nD\tb\t2\tsecond\nU\tc\t1\tnew\\t\n"
                        b"U\te\t1\t\\\\N\n",
                   rejects=[b"new\ta\t27", b"new\ta\t46"])
        # By column 2, then 1.
        self.check(dump_diff, {"old": b"a\t2\nb\t1\n", "new": b"c\n"}, "--param", "key=2,1",
                   want=b"D\tb\t1\nD\ta\t2\n", rejects=[b"new\ta\t0"])

    def test_numbers_of_fields_differ(self):
        self.check(dump_diff, {"old": b"a\t1\nb\t1\t\n", "new": b"a\t1\t\nb\t1\t\n"},
                   want=b"U\ta\t1\t\n")

    def test_refuses_bad_keys(self):
        for key in ("0", "", "1,1", "x", "1,", "-1"):
            self.check_fails(64, dump_diff, {"old": b"", "new": b""}, "--param", f"key={key}")


class PublishedTablesTest(unittest.TestCase):
    def test_metrics_are_over_all_orders_of_equal_scores(self):
        # Items 0 to 6: 0 is known, 1 and 2 have the first score, 3 the second, 4 to 6 none.
        for relevant in ([1], [2, 4], [3, 5, 6], [1, 2, 3, 4]):
            split = published_tables.Split({8: [0]}, {8: relevant}, None, 7)
            orders = [first + (3,) + last for first in itertools.permutations((1, 2))
                      for last in itertools.permutations((4, 5, 6))]
            for cutoff in range(1, 7):
                figures = {"recall": [], "hit rate": [], "NDCG": []}
                for order in orders:
                    gains = [item in relevant for item in order[:cutoff]]
                    figures["recall"].append(sum(gains) / len(relevant))
                    figures["hit rate"].append(any(gains))
                    figures["NDCG"].append(
                        sum(gain / math.log2(2 + rank) for rank, gain in enumerate(gains)) /
                        sum(1 / math.log2(2 + rank) for rank in range(len(relevant))))
                found = {8: [(1, 9), (2, 9), (3, 5)]}
                for metric, got in published_tables.metrics(split, found, cutoff).items():
                    want = (statistics.fmean(figures[metric]), statistics.pstdev(figures[metric]))
                    for a, b in zip(got, want):
                        self.assertAlmostEqual(a, b, msg=f"{relevant} {cutoff} {metric}")

    def test_a_list_may_be_limited(self):
        split = published_tables.Split({8: [0]}, {8: [3]}, {8: [3, 5]}, 7)
        found = {8: [(1, 9), (5, 5), (3, 4)]}
        self.assertEqual(published_tables.metrics(split, found, 1)["recall"], (0, 0))
        self.assertEqual(published_tables.metrics(split, found, 2)["recall"], (1, 0))

    def test_what_a_user_knows_competes_with_nothing(self):
        split = published_tables.Split({8: [0]}, {8: [3]}, {8: [0, 3]}, 7)
        self.assertEqual(published_tables.metrics(split, {}, 1)["recall"], (1, 0))


class CommandLineTest(OracleTest):
    def call(self, *arguments: str):
        return subprocess.run([sys.executable, *arguments], capture_output=True, check=False)

    def test_exit_codes(self):
        path = self.folder / "plays"
        path.write_bytes(b"t\tu\tA\nt\tu\tB\n")
        done = self.call(HERE / "cooccurrence.py", "--input", path, "--param", "k=1")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b"A\t1\tB\t1\t1000000\nB\t1\tA\t1\t1000000\n", b""))
        rights = self.folder / "rights"
        rights.write_bytes(b"A\tx\t1\n")
        done = self.call(HERE / "royalties.py", "--input", f"plays={path}", "--input",
                         f"rights={rights}", "--input", f"pools={rights}")
        self.assertEqual((done.returncode, done.stdout), (65, b""))
        self.assertTrue(done.stderr)
        done = self.call(HERE / "cooccurrence.py", "--input", self.folder / "none")
        self.assertEqual((done.returncode, done.stdout), (66, b""))
        done = self.call(HERE / "cooccurrence.py", "--input", path, path)
        self.assertEqual(done.returncode, 64)

    def test_generates_the_same_again_and_clean_data_is_clean(self):
        out = [self.folder / name for name in ("one", "two", "clean")]
        for folder, more in zip(out, ([], [], ["--clean"])):
            done = self.call(HERE / "generate.py", "all", "--seed", "7", "--records", "600",
                             "--out",
                             folder, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
        for path in out[0].rglob("*"):
            if path.is_file():
                twin = out[1] / path.relative_to(out[0])
                self.assertEqual(path.read_bytes(), twin.read_bytes(), path)
        oracles = [cooccurrence, recommend, revenue, inverted_index, royalties, retention,
                   mail_digest,
                   dump_diff]
        for oracle in oracles:
            for folder in (out[0], out[2]):
                job = folder / oracle.__name__
                arguments = [f"--input={name}={job / name}" for name in oracle.INPUTS]
                run, output = copy_text.execute(oracle.INPUTS, oracle.PARAMS, oracle.result,
                                                [*arguments, "--date", "2026-11-21"])
                self.assertTrue(output, job)
                can_reject = folder == out[0] and oracle is not inverted_index
                self.assertEqual(bool(run.rejects), can_reject, job)


if __name__ == "__main__":
    unittest.main()

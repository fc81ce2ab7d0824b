# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmark's arithmetic, tables and child processes: python3 report_test.py"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import bench
import datasets
import measure
import report
from measure import Usage


def result(name: str, walls: list[float], **more) -> report.ProgramResult:
    runs = [Usage(wall_s=wall, user_s=2 * wall, system_s=0.5, peak_mib=100) for wall in walls]
    return report.ProgramResult(name, runs, ["h"] * len(runs), **{"is_equal": True, **more})


def job(*results: report.ProgramResult) -> report.JobResult:
    return report.JobResult("sort", "tera", 1000, 100_000_000, 256, list(results))


class RatioTest(unittest.TestCase):
    def test_is_of_medians_and_its_spread_of_rounds(self) -> None:
        ratio = report.ratio([4.0, 6.0, 9.0], [2.0, 2.0, 3.0])
        self.assertEqual(ratio, report.Ratio(of_medians=3.0, least=2.0, most=3.0))

    def test_is_infinite_where_nothing_was_used(self) -> None:
        self.assertEqual(report.ratio([1.0], [0.0]).of_medians, float("inf"))


class TableTest(unittest.TestCase):
    def test_has_figures_and_ratio_of_each_program(self) -> None:
        own, peer = report.rows_of(job(result("millrace", [1, 2, 3]), result("duckdb", [4, 6, 3])))
        self.assertEqual(own, ("sort", "millrace", "2.00", "1.00-3.00", "4.00", "0.500", "100",
                               "320", "50", "", "", "yes"))
        self.assertEqual(peer[9], "2.00 (1.00-4.00)")

    def test_says_when_the_limit_is_passed(self) -> None:
        own = result("millrace", [1])
        own.runs[0] = Usage(wall_s=1, user_s=1, system_s=0, peak_mib=321)
        self.assertEqual(report.rows_of(job(own))[0][7], "320 OVER")

    def test_has_no_times_of_a_wrong_result(self) -> None:
        rows = report.rows_of(job(result("millrace", [1]), result("polars", [1], is_equal=False)))
        self.assertEqual(rows[1][2:], ("the result differs: its times don't count",))

    def test_says_why_a_program_has_no_times(self) -> None:
        rows = report.rows_of(job(result("millrace", [1]),
                                  report.ProgramResult("mawk", problem="failed: stopped")))
        self.assertEqual(rows[1], ("sort", "mawk", "failed: stopped"))

    def test_is_aligned_whatever_a_reason_says(self) -> None:
        text = report.text_table([job(result("millrace", [1]), result("duckdb", [12.345]),
                                      report.ProgramResult("mawk", problem="failed: " + "x" * 99))])
        header, _, own, peer, _ = text.rstrip("\n").split("\n")
        for column in ("wall s", "MB/s"):
            end = header.index(column) + len(column)
            self.assertTrue(own[:end][-1].isdigit() and peer[:end][-1].isdigit(), text)
            self.assertEqual((own + " ")[end], " ", text)

    def test_replaces_the_section_of_a_page_and_nothing_else(self) -> None:
        old = f"before\n{report.MARK_BEGIN}\nold\n{report.MARK_END}\nafter\n"
        new = f"{report.MARK_BEGIN}\nnew\n{report.MARK_END}\n"
        self.assertEqual(report.put_section(old, new), old.replace("old", "new"))
        self.assertEqual(report.put_section("", new), new)


class VerdictTest(unittest.TestCase):
    def test_a_peer_may_fail_but_not_differ(self) -> None:
        failed = report.ProgramResult("mawk", problem="failed: stopped")
        self.assertTrue(bench.is_fine([job(result("millrace", [1]), failed)]))
        self.assertFalse(bench.is_fine([job(result("millrace", [1], problem="failed: 1"))]))
        self.assertFalse(bench.is_fine([job(result("millrace", [1]),
                                            result("duckdb", [1], is_equal=False))]))


class ArgumentsTest(unittest.TestCase):
    def test_sizes_are_millraces(self) -> None:
        for text, size in {"100": 100, "256M": 256 << 20, "2GiB": 2 << 30, "1k": 1024}.items():
            self.assertEqual(bench.size_bytes(text), size)

    def test_a_mistake_is_named(self) -> None:
        for arguments in (["--job", "no"], ["--runs", "0"], ["--memory", "5Q"], ["--qick"],
                          ["--peer", "none", "--peer", "mawk"]):
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as exit_:
                bench.parse_arguments(arguments)
            self.assertEqual(exit_.exception.code, bench.EXIT_USAGE)
            self.assertIn("scripts/bench --help", errors.getvalue())


class ChildTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"

    def run_shell(self, command: str, timeout_s: float = 60) -> Usage:
        return measure.run_child(["sh", "-c", command], {"GREETING": "hi"}, timeout_s, self.log)

    def test_is_measured(self) -> None:
        usage = self.run_shell("echo $GREETING")
        self.assertEqual(self.log.read_text(), "hi\n")
        self.assertGreater(usage.wall_s, 0)
        self.assertGreater(usage.peak_mib, 0)

    def test_that_fails_says_why(self) -> None:
        with self.assertRaisesRegex(measure.RunFailed, "^exit code 3: no room$"):
            self.run_shell("echo no room; exit 3")
        with self.assertRaisesRegex(measure.RunFailed, "can't start /no/program"):
            measure.run_child(["/no/program"], {}, 1, self.log)

    def test_that_takes_too_long_is_stopped_with_its_children(self) -> None:
        begin = time.monotonic()
        with self.assertRaisesRegex(measure.RunFailed, "stopped after 0.1 s"):
            self.run_shell("sleep 300 & echo $!; wait", timeout_s=0.1)
        self.assertLess(time.monotonic() - begin, 60)
        for _ in range(1000):  # Until its new parent has noticed.
            status = Path(f"/proc/{self.log.read_text().strip() or 0}/stat")
            if not status.exists() or ") Z " in status.read_text():
                return
            time.sleep(0.01)
        self.fail("its child still runs")

    def test_data_counts_only_with_its_stamp_and_files(self) -> None:
        shard = self.folder / "a.tsv"
        shard.write_text("x\n")
        self.assertFalse(datasets._is_complete(self.folder, "plain.json", {"rows": 1}))
        datasets._stamp(self.folder, "plain.json", {"rows": 1}, [shard])
        self.assertTrue(datasets._is_complete(self.folder, "plain.json", {"rows": 1}))
        self.assertFalse(datasets._is_complete(self.folder, "plain.json", {"rows": 2}))
        os.truncate(shard, 1)
        self.assertFalse(datasets._is_complete(self.folder, "plain.json", {"rows": 1}))


if __name__ == "__main__":
    unittest.main()

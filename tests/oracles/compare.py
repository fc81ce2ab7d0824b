# SPDX-License-Identifier: Apache-2.0
"""Compares jobs with their oracles: output, rejects and counters, on generated inputs.

    compare.py --millrace FILE [--seed N] [--records N] [--data DIR] [JOB...]

Each job runs on the same inputs with several sets of parameters, and each of those with several
executions: threads, memory, splits, parts, compression. The parts one after the other must be the
oracle's output, the rejects the oracle's, and _rejects.tsv the same bytes in all executions.

With MILLRACE_TEST_TIER=long there are a million records instead of some thousands. The seed is
printed; MILLRACE_TEST_SEED is taken, too. Where all is equal the data goes away again (with --data
it stays), else the message says where it is. Exit code: 0 equal, 1 not.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import copy_text
import generate

HERE = Path(__file__).parent
DATE = "2026-11-21"
SHOWN_MAX = 300

# By job: its inputs, the first as the oracle has it, and parameters to run it with.
JOBS = {
    "accounting_import": (["transactions"], [[], ["currency=SEK"]]),
    "cooccurrence": (["plays"], [[], ["by=score", "weight=tfidf"],
                                 ["similarity=dice", "k=0", "basket=7"],
                                 ["similarity=jaccard", "shrink=10", "k=5"]]),
    "dump_diff": (["old", "new"], [[], ["key=1,2"]]),
    "inverted_index": (["documents"], [[]]),
    "mail_digest": (["recommendations", "addresses", "suppressed"],
                    [[], ["k=2", "campaign=c", "template=t"]]),
    "recommend": (["plays", "neighbours"], [[], ["k=0", "basket=3"]]),
    "retention": (["plays"], [[], ["days=3"]]),
    "revenue": (["transactions", "users", "products"], [[], ["unknown=drop"]]),
    "royalties": (["plays", "rights", "pools"], [[], ["min_ms=1"]]),
}

# Each value of each option is there, most pairs of them, too.
EXECUTIONS = [
    "--parallel 1 --memory 64M --split-size 1M --parts 1",
    "--parallel 2 --memory 16M --split-size 64K --parts 7",
    "--parallel 4 --memory 64M --split-size 64K --parts 1 --compress zstd",
    "--parallel 1 --memory 16M --split-size 64K --parts 7 --compress gzip",
    "--parallel 4 --memory 16M --split-size 1M --parts 7 --compress zstd",
    "--parallel 2 --memory 64M --split-size 1M --parts 7",
]


class Different(Exception):
    """What is not as it should be."""


def shown(line: bytes) -> str:
    text = line[:SHOWN_MAX].decode("utf-8", "backslashreplace")
    return repr(text) + ("…" if len(line) > SHOWN_MAX else "")


def check_equal(what: str, got: bytes, wanted: bytes) -> None:
    if got == wanted:
        return
    mine, theirs = got.split(b"\n"), wanted.split(b"\n")
    at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b),
              min(len(mine), len(theirs)))

    def line(lines: list[bytes]) -> str:
        return shown(lines[at]) if at < len(lines) else "no such line"

    raise Different(f"{what}, line {at + 1}:\n  millrace: {line(mine)}\n  oracle:   {line(theirs)}")


def call(command: list[str], **options) -> tuple[subprocess.CompletedProcess, float]:
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, **options)
    return done, time.monotonic() - begin


def read_output(folder: Path) -> bytes:
    parts = sorted(folder.glob("part-*"))
    return b"".join(copy_text.read_shard(os.fsencode(part)) for part in parts)


def reject_places(text: bytes) -> bytes:
    """The rejects of a job as an oracle writes them."""
    places = []
    for row in text.split(b"\n")[:-1]:  # CR is data.
        name, shard, offset = row.split(b"\t")[:3]
        places.append(b"%s\t%s\t%s" % (name, shard.rpartition(b"/")[2], offset))
    return b"".join(place + b"\n" for place in sorted(places))


class Comparison:
    """One job on one set of inputs."""

    def __init__(self, millrace: str, job: str, data: Path):
        self._millrace, self._job, self._data = millrace, job, data
        self._inputs = [part for name in JOBS[job][0]
                        for part in ("--input", f"{name}={data / job / name}")]

    def check(self, params: list[str]) -> None:
        asked = self._inputs + ["--date", DATE]
        for param in params:
            asked += ["--param", param]
        rejects = self._data / f"{self._job}.rejects"
        counters = self._data / f"{self._job}.counters"
        oracle, oracle_seconds = call(
            [sys.executable, str(HERE / f"{self._job}.py"), *asked,
             "--rejects", str(rejects), "--counters", str(counters)])
        if oracle.returncode != 0:
            raise Different(f"{' '.join(params)}: the oracle ends with {oracle.returncode}: "
                            + oracle.stderr.decode(errors="replace"))
        all_seconds, first_rejects = [], None
        for execution in EXECUTIONS:
            out = self._data / f"{self._job}.out"
            shutil.rmtree(out, ignore_errors=True)
            command = [self._millrace, "run", self._job, *asked, "--output", str(out), "--quiet",
                       "--max-rejects", "50%", *execution.split()]
            done, seconds = call(command)
            all_seconds.append(seconds)
            try:
                if done.returncode != 0:
                    raise Different(f"millrace ends with {done.returncode}: "
                                    + done.stderr.decode(errors="replace"))
                check_equal("output", read_output(out), oracle.stdout)
                file = out / "_rejects.tsv"
                text = file.read_bytes() if file.exists() else b""
                check_equal("rejects, sorted", reject_places(text), rejects.read_bytes())
                first_rejects = text if first_rejects is None else first_rejects
                if text != first_rejects:
                    raise Different("_rejects.tsv is another one than in the first execution")
                self._check_counters(out, counters)
            except Different as difference:
                raise Different(f"{difference}\n  with: {shlex.join(command)}") from None
        print(f"{self._job} {' '.join(params) or '(defaults)'}: {oracle.stdout.count(10)} lines, "
              f"{rejects.read_bytes().count(10)} rejects, equal in {len(EXECUTIONS)} executions; "
              f"{min(all_seconds):.2f} to {max(all_seconds):.2f} s, oracle {oracle_seconds:.2f} s",
              flush=True)

    def _check_counters(self, out: Path, counters: Path) -> None:
        manifest = json.loads((out / "_manifest.json").read_text(encoding="utf-8"))
        for row in counters.read_text(encoding="utf-8").splitlines():
            name, wanted = row.split("\t")
            got = manifest.get("counters", {}).get(name, 0)
            if int(got) != int(wanted):
                raise Different(f"counter {name}: millrace {got}, oracle {wanted}")


def compare(options, data: Path) -> bool:
    """Whether all is equal."""
    is_equal = True
    for job in options.jobs or JOBS:
        if not (data / job).exists():
            generate.Generator(options.seed, options.records, data, is_clean=False).make(job)
        try:
            for params in JOBS[job][1]:
                Comparison(options.millrace, job, data).check(params)
        except Different as difference:
            is_equal = False
            print(f"{job}: {difference}", flush=True)
    return is_equal


def main() -> int:
    is_long = os.environ.get("MILLRACE_TEST_TIER") == "long"
    parser = argparse.ArgumentParser(description="compares jobs with their oracles")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    parser.add_argument("--millrace", required=True, metavar="FILE", help="the command")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("MILLRACE_TEST_SEED", "1")))
    parser.add_argument("--records", type=int, default=1000000 if is_long else 20000)
    parser.add_argument("--data", type=Path, help="a folder for the inputs, which stay there")
    options = parser.parse_args()
    unknown = [job for job in options.jobs if job not in JOBS]
    if unknown:
        parser.error(f"no such job: {', '.join(unknown)}")
    print(f"MILLRACE_TEST_SEED={options.seed}, {options.records} records", flush=True)
    data = options.data or Path(tempfile.mkdtemp(prefix="millrace-oracles-"))
    if compare(options, data):
        if options.data is None:
            shutil.rmtree(data)
        return 0
    print(f"DIFFERENT: the data is in {data}; MILLRACE_TEST_SEED={options.seed} repeats this")
    return 1


if __name__ == "__main__":
    sys.exit(main())

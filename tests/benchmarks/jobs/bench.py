# SPDX-License-Identifier: Apache-2.0
"""Runs whole jobs with Millrace and with other programs, in turn, and compares. See
docs/benchmarks.md; scripts/bench builds what this needs and calls it from the project's root."""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import datasets
import measure
import programs
import report

if sys.version_info < (3, 9):
    sys.exit("bench: needs Python 3.9 or newer")

BUILD = Path("build/release")
WORK = Path("build/bench-work")
UNITS = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
WARM_BYTES = 1 << 30
NO_PEER = "none"
EXIT_FAILED = 1
EXIT_USAGE = 64  # As of millrace.
EXIT_BUSY = 75


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


# --- arguments ---

def size_bytes(text: str) -> int:
    """As millrace reads sizes: 64M, 2GiB, 1048576."""
    match = re.fullmatch(r"(\d+)\s*(?:([kMGT])(?:i?B)?)?", text)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 256M or 1GiB")
    return int(match[1]) * UNITS[match[2] or ""]


def count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no count; write a whole number from 1")
    return int(text)


def file_to_write(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder of {text} doesn't exist; make it first")
    return path


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        self.exit(EXIT_USAGE, f"bench: {message}; see scripts/bench --help\n")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="scripts/bench", allow_abbrev=False,
                    description="Runs whole jobs with Millrace and with other programs, in turn.",
                    epilog="Exit code: 0, or 1 if a run of Millrace failed or a result differs.")
    add = parser.add_argument
    add("--quick", action="store_true", help="a twentieth of the data, two rounds")
    add("--job", action="append", choices=programs.JOBS, help="only this job; repeatable")
    add("--peer", action="append", choices=[*programs.PEERS, NO_PEER],
        help="only this peer; repeatable; 'none': Millrace alone")
    add("--runs", type=count, metavar="N", help="rounds (3; with --quick 2)")
    add("--zstd", action="store_true", help="read zstd copies of the data (level 3)")
    add("--memory", type=size_bytes, metavar="SIZE",
        help="millrace's --memory, for every job (1G; sort 256M, its peers too)")
    add("--timeout", type=count, metavar="SECONDS", default=600, help="of one run (600)")
    add("--data", type=Path, metavar="DIR", default=Path("build/bench-data"),
        help="where the data lies or goes (build/bench-data; 4 GB for all jobs)")
    add("--json", type=file_to_write, metavar="FILE", help="all raw figures, and the machine")
    add("--markdown", type=file_to_write, metavar="FILE",
        help="the table as a section; replaces the one in FILE, if there is one")
    add("--rows", type=count, metavar="N", help=argparse.SUPPRESS)  # Of each data set: for tests.
    add("--check", action="store_true", help=argparse.SUPPRESS)  # The arguments, and nothing else.
    options = parser.parse_args(arguments)
    options.runs = options.runs or (2 if options.quick else 3)
    options.job = list(dict.fromkeys(options.job or programs.JOBS))
    options.peer = list(dict.fromkeys(options.peer or programs.PEERS))
    if NO_PEER in options.peer:
        if len(options.peer) > 1:
            parser.error("--peer none goes with no other --peer")
        options.peer = []
    return options


def command_text(options: argparse.Namespace) -> str:
    """The command again, without the files of this machine."""
    words = ["scripts/bench"]
    words += ["--quick"] if options.quick else []
    words += [f"--rows {options.rows}"] if options.rows else []
    if options.job != list(programs.JOBS):
        words += [f"--job {name}" for name in options.job]
    if options.peer != list(programs.PEERS):
        words += [f"--peer {name}" for name in options.peer or [NO_PEER]]
    words += [f"--runs {options.runs}"]
    words += ["--zstd"] if options.zstd else []
    words += [f"--memory {options.memory}"] if options.memory else []
    return " ".join(words)


# --- the machine ---

def describe_machine(usable_cores: int) -> dict[str, object]:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "cpu": _field("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.machine(),
        "cores": usable_cores,
        "memory_gib": round(int(_field("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / (1 << 20)),
        "kernel": platform.release(),
        "compiler": _compiler(),
        "millrace": measure.first_line_of(["git", "describe", "--always", "--dirty"]) or "unknown",
        "load_at_start": os.getloadavg()[0],
    }


def _field(path: str, pattern: str) -> str:
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return match[1].strip() if match else ""


def _compiler() -> str:
    compiler = _field(str(BUILD / "CMakeCache.txt"), r"CMAKE_CXX_COMPILER:\w+=(.+)")
    version = measure.first_line_of([compiler, "--version"]) if compiler else ""
    return version or "unknown compiler"


# --- the run ---

def prepare_peers(names: Sequence[str]) -> tuple[list[programs.ScriptPeer], dict[str, str]]:
    """The peers that can run, and why the others can't."""
    ready, unavailable = [], {}
    for name in names:
        peer = programs.PEERS[name]
        try:
            peer.prepare()
            ready.append(peer)
        except programs.Unavailable as reason:
            unavailable[name] = str(reason)
            say(f"{name} is not run: {reason}")
    return ready, unavailable


def run_once(program: programs.Program, task: programs.Task, timeout_s: float,
             result: report.ProgramResult) -> None:
    """One round of one program; what it left is removed if it was right."""
    work = WORK / f"{task.job.name}-{program.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.sync()  # What the one before wrote isn't flushed in this one's time.
    measure.warm_memory(WARM_BYTES)
    command = program.command(task, work)
    try:
        usage = measure.run_child(command.argv, command.environment, timeout_s,
                                  WORK / f"{work.name}.log")
        digest = program.digest(work)
    except measure.RunFailed as error:
        result.problem = f"failed: {error}"
        return
    result.runs.append(usage)
    result.hashes.append(digest)


def compare(result: report.ProgramResult, own: report.ProgramResult) -> None:
    """Every result so far against Millrace's first."""
    if own.hashes and result.hashes:
        result.is_equal = set(result.hashes) == {own.hashes[0]}


def run_job(task: programs.Task, chosen: Sequence[programs.Program], runs: int,
            timeout_s: float) -> report.JobResult:
    """A B C A B C ...: Millrace first, as its result is what others are compared with."""
    files = task.dataset.plain_files(list(task.job.inputs.values()))
    job = report.JobResult(task.job.name, task.dataset.name, task.dataset.rows,
                           sum(file.stat().st_size for file in files),
                           task.memory_bytes / programs.MIB)
    datasets.read_once([file.with_name(file.name + task.suffix) for file in files])
    taking_part = [program for program in chosen
                   if program.name == programs.Millrace.name or program.name in task.job.peers]
    job.programs = [report.ProgramResult(program.name) for program in taking_part]
    own = job.programs[0]
    for number in range(1, runs + 1):
        for program, result in zip(taking_part, job.programs):
            if own.problem and result is not own and not result.problem:
                result.problem = "not run: nothing to compare with"
            if result.problem or result.is_equal is False:
                continue  # Once is enough.
            run_once(program, task, timeout_s, result)
            compare(result, own)
            say(f"{job.name}, round {number} of {runs}: {_outcome(result)}")
            if not result.problem and result.is_equal:
                shutil.rmtree(WORK / f"{job.name}-{program.name}")
    return job


def _outcome(result: report.ProgramResult) -> str:
    if result.problem:
        return f"{result.name} {result.problem}"
    differs = "" if result.is_equal else f", the result DIFFERS: kept in {WORK}"
    return f"{result.name} {report.number(result.runs[-1].wall_s)} s{differs}"


def is_fine(jobs: Sequence[report.JobResult]) -> bool:
    """No run of Millrace failed, and no result differs."""
    return all(not job.programs[0].problem and all(result.is_equal is not False
                                                   for result in job.programs) for job in jobs)


def write_reports(options: argparse.Namespace, jobs: Sequence[report.JobResult],
                  machine: dict[str, object], unavailable: dict[str, str]) -> None:
    command = command_text(options)
    if options.json:
        settings = {"command": command, "runs": options.runs, "zstd": options.zstd,
                    "timeout_s": options.timeout, "shards": datasets.SHARDS, "seed": datasets.SEED}
        text = json.dumps(report.as_json(jobs, machine, settings, unavailable), indent=2)
        options.json.write_text(text + "\n")
    if options.markdown:
        section = report.markdown_section(jobs, machine, unavailable, command)
        page = options.markdown.read_text() if options.markdown.exists() else ""
        options.markdown.write_text(report.put_section(page, section))


def run(options: argparse.Namespace) -> int:
    cores = len(os.sched_getaffinity(0))
    machine = describe_machine(cores)
    if machine["load_at_start"] > 0.5:
        say(f"others keep this machine busy (load {machine['load_at_start']:.1f}): "
            "ratios may hold, times don't")
    millrace = programs.Millrace(programs.BINARIES / "millrace")
    millrace.prepare()
    peers, unavailable = prepare_peers(options.peer)
    machine["versions"] = {peer.name: peer.version for peer in peers}

    options.data.mkdir(parents=True, exist_ok=True)
    tasks = []
    for job in (programs.JOBS[name] for name in options.job):
        full = datasets.FULL_ROWS[job.dataset]
        rows = options.rows or (full // datasets.QUICK_DIVISOR if options.quick else full)
        dataset = datasets.make(job.dataset, rows, options.data.resolve(),
                                programs.BINARIES / "millrace-datagen", options.zstd)
        memory = options.memory or size_bytes(job.memory)
        tasks.append(programs.Task(job, dataset, memory, ".zst" if options.zstd else "", cores))

    jobs = [run_job(task, [millrace, *peers], options.runs, options.timeout) for task in tasks]
    print(report.text_table(jobs), end="")
    for name, reason in unavailable.items():
        print(f"\n{name} was not run: {reason}")
    write_reports(options, jobs, machine, unavailable)
    return 0 if is_fine(jobs) else EXIT_FAILED


def main(arguments: Sequence[str]) -> int:
    options = parse_arguments(arguments)
    if options.check:
        return 0
    # Stopped from outside: as by Ctrl-C, with the child of the moment.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    WORK.parent.mkdir(exist_ok=True)
    with open(f"{WORK}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another scripts/bench runs in this checkout; both would be slower: try later")
            return EXIT_BUSY
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir()
        return run(options)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (datasets.DataFailed, measure.RunFailed, OSError) as failure:
        say(str(failure))
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)

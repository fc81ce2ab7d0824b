# SPDX-License-Identifier: Apache-2.0
"""What is compared: the jobs, Millrace, and the peers.

A new job is an entry of JOBS, and a query in each peer that shall run it. A new peer is an entry of
PEERS, a script in tests/benchmarks/peers/ that is called as duckdb/query.mjs says. "handwritten" is
called as a peer, but is the bound: C++ for this data alone, in tests/benchmarks/bounds/.
"""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import measure
from datasets import Dataset

MIB = 1 << 20
PEER_SCRIPTS = Path("tests/benchmarks/peers")
PEER_INSTALLS = Path("build/bench-peers")
BINARIES = Path("build/release/bin")
NPM_TIMEOUT_S = 600
PROBE_TIMEOUT_S = 120


@dataclass(frozen=True)
class Job:
    name: str
    dataset: str
    inputs: Mapping[str, str]  # Input of the Millrace job -> names of plain files in the dataset.
    millrace: tuple[str, ...]  # `millrace run` with these.
    peers: frozenset[str]
    memory: str = "1G"
    limits_peers: bool = False  # Peers that can be held to the same memory are.


# A user's job, of docs/examples/sessions.cc: loaded as one, while the others are built in.
SESSIONS_MODULE = "build/release/docs/examples/sessions.so"

ALL_PEERS = frozenset({"handwritten", "duckdb", "polars", "coreutils", "mawk"})

JOBS = {job.name: job for job in (
    Job("wordcount", "words", {"text": "words-*.txt"}, ("wordcount",), ALL_PEERS),
    Job("toplist", "plays", {"plays": "plays-*.tsv"}, ("toplist",), ALL_PEERS),
    Job("listeners", "plays", {"plays": "plays-*.tsv"}, ("toplist", "--param", "by=listeners"),
        ALL_PEERS),
    Job("sessions", "plays", {"plays": "plays-*.tsv"}, ("sessions", "--module", SESSIONS_MODULE),
        frozenset({"duckdb", "polars", "coreutils"})),
    Job("cooccurrence", "baskets", {"plays": "baskets-*.tsv"},
        ("cooccurrence", "--param", "user=1", "--param", "track=2"), frozenset({"duckdb"}),
        memory="512M"),
    Job("revenue", "report", {"transactions": "txns-*.tsv", "users": "users.tsv",
                              "products": "products.tsv"},
        ("revenue", "--param", "unknown=drop"), frozenset({"duckdb"})),
    Job("sort", "tera", {"lines": "tera-*.txt"}, ("sort",), ALL_PEERS - {"mawk"}, memory="256M",
        limits_peers=True),
)}


@dataclass(frozen=True)
class Task:
    """A job on its data, as every program gets it."""

    job: Job
    dataset: Dataset
    memory_bytes: int
    suffix: str  # ".zst" or nothing
    threads: int


@dataclass(frozen=True)
class Command:
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Unavailable(Exception):
    """A program can't be run here; the message is the reason, in one line."""


class Program(ABC):
    name: str
    version: str = ""

    def prepare(self) -> None:
        """Installs what lacks and sets `version`; raises Unavailable."""

    @abstractmethod
    def command(self, task: Task, work: Path) -> Command:
        """Runs the task; whatever it writes goes below `work`, an empty folder."""

    @abstractmethod
    def digest(self, work: Path) -> str:
        """The hash of the result's bytes."""


class Millrace(Program):
    name = "millrace"

    def __init__(self, binary: Path) -> None:
        self._binary = str(binary)

    def prepare(self) -> None:
        self.version = measure.first_line_of([self._binary, "--version"])

    def command(self, task: Task, work: Path) -> Command:
        argv = [self._binary, "run", *task.job.millrace]
        for name, pattern in task.job.inputs.items():
            argv += ["--input", f"{name}={task.dataset.folder / (pattern + task.suffix)}"]
        argv += ["--output", str(work / "output"), "--memory", str(task.memory_bytes)]
        return Command(argv + ["--parallel", str(task.threads), "--quiet"])

    def digest(self, work: Path) -> str:
        return measure.sha256_of_command([self._binary, "cat", str(work / "output")])


class ScriptPeer(Program):
    """A script or program that takes JOB FOLDER OUTPUT and the environment BENCH_*."""

    def __init__(self, name: str, start: list[str], tools: tuple[str, ...]) -> None:
        self.name = name
        self._start = start
        self._tools = tools

    def prepare(self) -> None:
        for tool in self._tools:
            if shutil.which(tool) is None:
                raise Unavailable(f"{tool} isn't there; scripts/setup --bench installs it")
        self._install()
        log = PEER_INSTALLS / f"{self.name}-version.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            measure.run_child([*self._start, "--version"], {}, PROBE_TIMEOUT_S, log)
        except measure.RunFailed as error:
            raise Unavailable(str(error)) from error
        self.version = log.read_text().strip().split("\n")[0]

    def _install(self) -> None:
        pass

    def command(self, task: Task, work: Path) -> Command:
        temp = work / "temp"
        temp.mkdir()
        is_limited = task.job.limits_peers
        argv = [*self._start, task.job.name, str(task.dataset.folder), str(work / "output")]
        return Command(argv, {
            "BENCH_THREADS": str(task.threads),
            "BENCH_SUFFIX": task.suffix,
            "BENCH_TEMP": str(temp),
            "BENCH_MEMORY_MIB": str(task.memory_bytes // MIB) if is_limited else "",
        })

    def digest(self, work: Path) -> str:
        return measure.sha256_of_file(work / "output")


class NodePeer(ScriptPeer):
    """A script for Node.js; its packages, in exact versions, are installed beside a copy of it."""

    def __init__(self, name: str) -> None:
        self._folder = PEER_INSTALLS / name
        super().__init__(name, ["node", str(self._folder / "query.mjs")], ("node", "npm"))

    def _install(self) -> None:
        source = PEER_SCRIPTS / self.name
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "query.mjs", self._folder / "query.mjs")
        wanted = (source / "package.json").read_text()
        stamp = self._folder / "installed.json"  # Written last.
        if stamp.exists() and stamp.read_text() == wanted:
            return
        (self._folder / "package.json").write_text(wanted)
        log = self._folder / "npm.log"
        npm = ["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund",
               "--fetch-retries=1", "--loglevel=error"]
        try:
            measure.run_child(npm, {}, NPM_TIMEOUT_S, log, cwd=self._folder)
        except measure.RunFailed as error:
            # The log may name hosts and folders, so a table gets npm's code for it alone.
            code = re.search(r"^npm (?:error|ERR!) code (\S+)", log.read_text(), re.MULTILINE)
            reason = code[1] if code else str(error).split(":")[0]
            raise Unavailable(f"npm install failed ({reason}): see {log}") from error
        stamp.write_text(wanted)


PEERS: dict[str, ScriptPeer] = {peer.name: peer for peer in (
    ScriptPeer("handwritten", [str(BINARIES / "millrace-bounds")], ()),
    NodePeer("duckdb"),
    NodePeer("polars"),
    ScriptPeer("coreutils", [str(PEER_SCRIPTS / "coreutils.sh")], ("sort", "mawk", "zstd")),
    ScriptPeer("mawk", [str(PEER_SCRIPTS / "mawk.sh")], ("mawk", "sort", "zstd")),
)}

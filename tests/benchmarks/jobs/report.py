# SPDX-License-Identifier: Apache-2.0
"""From figures to tables."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from measure import Usage

MARK_BEGIN = "<!-- figures: made by scripts/bench --markdown; don't edit -->"
MARK_END = "<!-- end of figures -->"
PEAK_ALLOWANCE_MIB = 64
TEXT_WIDTH = 100

HEADERS = ("job", "program", "wall s", "min-max", "user s", "sys s", "peak MiB", "limit", "MB/s",
           "wall ratio", "user ratio", "equal")
LEFT_COLUMNS = 2


@dataclass
class ProgramResult:
    """What a program did on one job: a run per round, or why there is none."""

    name: str
    runs: list[Usage] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    is_equal: bool | None = None  # None: nothing to compare.
    problem: str = ""

    def counts(self) -> bool:
        return bool(self.runs) and not self.problem and self.is_equal is True


@dataclass
class JobResult:
    name: str
    dataset: str
    rows: int
    input_bytes: int  # Plain text, also where compressed copies are read.
    memory_mib: float
    programs: list[ProgramResult] = field(default_factory=list)  # Millrace first.


@dataclass(frozen=True)
class Ratio:
    of_medians: float
    least: float  # Of the rounds' own ratios.
    most: float


def ratio(peer: Sequence[float], own: Sequence[float]) -> Ratio:
    """Round by round the two ran one after the other, so only those two are divided."""
    pairs = [_divide(a, b) for a, b in zip(peer, own)]
    return Ratio(_divide(statistics.median(peer), statistics.median(own)), min(pairs), max(pairs))


def _divide(a: float, b: float) -> float:
    return a / b if b > 0 else float("inf")


def number(value: float) -> str:
    """Three figures or a bit more: 0.123, 1.23, 12.3, 123."""
    size = abs(value)
    decimals = 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:.{decimals}f}"


def _ratio_text(value: Ratio) -> str:
    return f"{value.of_medians:.2f} ({value.least:.2f}-{value.most:.2f})"


# A row of cells, or the two names and a text in place of the figures.
Row = tuple[str, ...]


def rows_of(job: JobResult) -> list[Row]:
    own = job.programs[0]
    return [_row(job, program, own) for program in job.programs]


def _row(job: JobResult, program: ProgramResult, own: ProgramResult) -> Row:
    if program.problem:
        return job.name, program.name, program.problem
    if not program.counts():
        return job.name, program.name, "the result differs: its times don't count"
    wall = [run.wall_s for run in program.runs]
    user = [run.user_s for run in program.runs]
    peak_mib = max(run.peak_mib for run in program.runs)
    limit = wall_ratio = user_ratio = ""
    if program is own:
        limit_mib = job.memory_mib + PEAK_ALLOWANCE_MIB
        limit = f"{limit_mib:.0f}" + ("" if peak_mib <= limit_mib else " OVER")
    elif own.counts():
        wall_ratio = _ratio_text(ratio(wall, [run.wall_s for run in own.runs]))
        user_ratio = _ratio_text(ratio(user, [run.user_s for run in own.runs]))
    return (job.name, program.name, number(statistics.median(wall)),
            f"{number(min(wall))}-{number(max(wall))}", number(statistics.median(user)),
            number(statistics.median([run.system_s for run in program.runs])), f"{peak_mib:.0f}",
            limit, f"{job.input_bytes / 1e6 / statistics.median(wall):.0f}", wall_ratio, user_ratio,
            "yes")


def text_table(jobs: Sequence[JobResult]) -> str:
    """Aligned columns, an empty line between jobs."""
    groups = [rows_of(job) for job in jobs]
    rows = [HEADERS, *(row for group in groups for row in group)]
    full = [row for row in rows if len(row) == len(HEADERS)]
    widths = [max(len(row[i]) for row in (rows if i < LEFT_COLUMNS else full))
              for i in range(len(HEADERS))]

    def line(row: Row) -> str:
        cells = [cell.ljust(width) if i < LEFT_COLUMNS or len(row) < len(HEADERS)
                 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        return "  ".join(cells).rstrip()

    lines = [line(HEADERS)]
    for group in groups:
        lines += ["", *map(line, group)]
    return "\n".join(lines) + "\n"


def markdown_table(jobs: Sequence[JobResult]) -> str:
    def line(cells: Sequence[str]) -> str:
        padded = [*cells, *[""] * (len(HEADERS) - len(cells))]
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in padded) + " |"

    rule = "|" + "---|" * LEFT_COLUMNS + "---:|" * (len(HEADERS) - LEFT_COLUMNS)
    lines = [line(HEADERS), rule, *(line(row) for job in jobs for row in rows_of(job))]
    return "\n".join(lines) + "\n"


def machine_text(machine: Mapping[str, object]) -> str:
    kernel = str(machine["kernel"]).split("-")[0]
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"Linux {kernel}, {machine['compiler']}; {machine['millrace']}.")


def markdown_section(jobs: Sequence[JobResult], machine: Mapping[str, object],
                     unavailable: Mapping[str, str], command: str) -> str:
    """The table and what it was measured on, between two comments that find it again."""
    versions = ", ".join(f"{name}: {text}" for name, text in machine["versions"].items())
    paragraphs = [f"`{command}`, {machine['date']}.", machine_text(machine)]
    if versions:
        paragraphs.append(f"Peers: {versions}.")
    paragraphs += [f"Not run: {name}: {reason}." for name, reason in unavailable.items()]
    wrapped = [textwrap.fill(text, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
               for text in paragraphs]
    return "\n\n".join([MARK_BEGIN, *wrapped, markdown_table(jobs).rstrip(), MARK_END]) + "\n"


def put_section(page: str, section: str) -> str:
    """The page with the section in place of the one it has, or the section alone."""
    begin, end = page.find(MARK_BEGIN), page.find(MARK_END)
    if begin < 0 or end < begin:
        return section
    return page[:begin] + section.rstrip("\n") + page[end + len(MARK_END):]


def as_json(jobs: Sequence[JobResult], machine: Mapping[str, object],
            settings: Mapping[str, object], unavailable: Mapping[str, str]) -> dict[str, object]:
    """All figures, unrounded; dataclasses as objects."""
    return {"machine": machine, "settings": settings, "unavailable": dict(unavailable),
            "jobs": [asdict(job) for job in jobs]}

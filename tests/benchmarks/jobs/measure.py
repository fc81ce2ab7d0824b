# SPDX-License-Identifier: Apache-2.0
"""One child process: started, timed, and stopped if it takes too long."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20
PAGE_BYTES = 4096


def warm_memory(byte_count: int) -> None:
    """Writes to so much memory, in huge pages where the kernel has them, and gives it back.

    The host of a virtual machine takes back what was free for some seconds, large blocks first. The
    program that then asks for them, as Millrace does for its tables, waits for the host: up to ten
    times as long as for memory that was in use a moment ago. In a process of its own, as children
    inherit their parent's peak.
    """
    child = os.fork()
    if child == 0:
        try:
            memory = mmap.mmap(-1, byte_count, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with contextlib.suppress(OSError):
                memory.madvise(mmap.MADV_HUGEPAGE)
            for at in range(0, byte_count, PAGE_BYTES):
                memory[at] = 1
        finally:
            os._exit(0)  # Where there is no such memory, all programs go without.
    os.waitpid(child, 0)


class RunFailed(Exception):
    """A child that didn't do what it should; the message is one line."""


@dataclass(frozen=True)
class Usage:
    """What the kernel says a child took, its waited-for children included.

    The peak is that of the largest single process, not a pipeline's sum, and never below what this
    program itself has when it starts the child (some 20 MiB).
    """

    wall_s: float
    user_s: float
    system_s: float
    peak_mib: float


def run_child(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float, log: Path,
              cwd: Path | None = None) -> Usage:
    """Runs a command to its end, its output going to `log`.

    Raises RunFailed if it can't be started, fails, or takes longer than `timeout_s`. It has a
    process group of its own, and that alone is killed: not what others run under the same name.
    """
    with log.open("wb") as output:
        begin = time.monotonic()
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, cwd=cwd, start_new_session=True,
                                       env={**os.environ, **environment})
        except OSError as error:
            raise RunFailed(f"can't start {argv[0]}: {error.strerror}") from error
        in_time = False
        try:
            in_time = _ends_within(process.pid, timeout_s)
        finally:
            if not in_time:  # Too late, or this program is being stopped.
                os.killpg(process.pid, signal.SIGKILL)  # Not reaped yet: still its own number.
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.monotonic() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
    if not in_time:
        raise RunFailed(f"stopped after {timeout_s:g} s")
    if process.returncode != 0:
        raise RunFailed(_exit_in_words(process.returncode) + _last_line(log))
    return Usage(wall_s, usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024)


def _ends_within(pid: int, timeout_s: float) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(descriptor)


def _exit_in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:160]}" if last else ""


def sha256_of_file(path: Path) -> str:
    """Raises RunFailed if it isn't there."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise RunFailed(f"can't read its output: {error.strerror}") from error
    return digest.hexdigest()


def sha256_of_command(argv: Sequence[str]) -> str:
    """The hash of what a command prints; raises RunFailed if it fails."""
    digest = hashlib.sha256()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(BLOCK_BYTES):
            digest.update(block)
    if process.returncode != 0:
        raise RunFailed(f"{' '.join(argv[:2])}: {_exit_in_words(process.returncode)}")
    return digest.hexdigest()


def first_line_of(argv: Sequence[str]) -> str:
    """What a command prints first, for versions; empty if it can't be run."""
    try:
        output = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return output.strip().split("\n")[0]

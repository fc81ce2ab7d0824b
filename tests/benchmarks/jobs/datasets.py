# SPDX-License-Identifier: Apache-2.0
"""The input: made once by millrace-datagen, then used again.

    DATA/plays-20000000/plays-00000-of-00016.tsv ...    the shards
                        plays-00000-of-00016.tsv.zst    with --zstd: a copy, one frame
                        plain.json, zstd.json           stamps, written last: what is there

A folder without a stamp is never under its final name, so what is there is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import BLOCK_BYTES

SHARDS = 16
SEED = 1
ZSTD_LEVEL = 3
QUICK_DIVISOR = 20

# Rows at full size, by the name that millrace-datagen has for the set.
FULL_ROWS = {
    "plays": 20_000_000,
    "words": 17_000_000,
    "tera": 20_000_000,
    "report": 10_000_000,
    "baskets": 2_600_000,
}


class DataFailed(Exception):
    """The data can't be made; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    name: str
    rows: int
    folder: Path

    def plain_files(self, patterns: Sequence[str]) -> list[Path]:
        return sorted(file for pattern in patterns for file in self.folder.glob(pattern))


def make(name: str, rows: int, data: Path, datagen: Path, is_zstd: bool) -> Dataset:
    """The dataset with that many rows, made if it isn't there yet."""
    dataset = Dataset(name, rows, data / f"{name}-{rows}")
    wanted = {"rows": rows, "shards": SHARDS, "seed": SEED}
    if not _is_complete(dataset.folder, "plain.json", wanted):
        _generate(dataset, datagen, wanted)
    if is_zstd and not _is_complete(dataset.folder, "zstd.json", {"level": ZSTD_LEVEL}):
        _compress(dataset)
    return dataset


def read_once(files: Sequence[Path]) -> None:
    """Into the page cache, so that the first program measured doesn't wait for the disk."""
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(BLOCK_BYTES):
                pass


def _generate(dataset: Dataset, datagen: Path, wanted: dict[str, int]) -> None:
    if dataset.folder.exists():
        raise DataFailed(f"{dataset.folder} is there, but isn't the complete data set of "
                         f"{wanted}; remove it, or choose another folder with --data")
    partial = dataset.folder.with_name(f".{dataset.folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _call([str(datagen), dataset.name, str(partial), "--flat", "--rows", str(dataset.rows),
           "--shards", str(SHARDS), "--seed", str(SEED)])
    _stamp(partial, "plain.json", wanted, sorted(partial.iterdir()))
    partial.rename(dataset.folder)


def _compress(dataset: Dataset) -> None:
    plain = [dataset.folder / name for name in _read_stamp(dataset.folder, "plain.json")["files"]]
    _call(["zstd", f"-{ZSTD_LEVEL}", "-q", "-f", *map(str, plain)])
    copies = [path.with_name(path.name + ".zst") for path in plain]
    _stamp(dataset.folder, "zstd.json", {"level": ZSTD_LEVEL}, copies)


def _call(argv: Sequence[str]) -> None:
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=True)
    except FileNotFoundError as error:
        raise DataFailed(f"{argv[0]} isn't there; scripts/setup --bench installs it") from error
    except subprocess.CalledProcessError as error:
        raise DataFailed(f"{argv[0]} failed with exit code {error.returncode}") from error


def _stamp(folder: Path, name: str, wanted: dict[str, int], files: Sequence[Path]) -> None:
    text = json.dumps({**wanted, "files": {file.name: file.stat().st_size for file in files}})
    partial = folder / f".{name}.partial"
    partial.write_text(text + "\n")
    os.sync()  # The stamp vouches for the files, also after a power cut.
    partial.rename(folder / name)


def _read_stamp(folder: Path, name: str) -> dict:
    try:
        stamp = json.loads((folder / name).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _is_complete(folder: Path, name: str, wanted: dict[str, int]) -> bool:
    stamp = _read_stamp(folder, name)
    files = stamp.pop("files", None)
    if stamp != wanted or not files:
        return False
    return all((folder / file).is_file() and (folder / file).stat().st_size == size
               for file, size in files.items())

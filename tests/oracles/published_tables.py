# SPDX-License-Identifier: Apache-2.0
"""Compares cooccurrence and recommend with published tables of item-item recommendation.

    published_tables.py --millrace FILE [--splits DIR] [TABLE...]

The tables and parameters are those of M. Ferrari Dacrema, S. Boglio, P. Cremonesi, D. Jannach: A
Troubling Analysis of Reproducibility and Progress in Recommender Systems Research (ACM TOIS 39,
2021), additional material, rows ItemKNN CF. The splits are those in its repository: DIR is what
its folder Conferences is, by default what MILLRACE_SPLITS says. A table whose split isn't there is
skipped, saying so. One is in a file that only numpy reads.

Recall and hit rate at c are of the first c recommendations, NDCG has log2 discounts and the ideal
order of all test items. The paper ranks equal scores in no order, and ends a list that is too short
with items that score 0. So a figure here is the mean over all such orders, beside the standard
deviation that an order makes. It agrees where it is within 0.0005 of the published one or within
three standard deviations. Which of the neighbours with equal scores are kept at the cut of k is
open, too: the first by number, here. So where a figure differs, the items are numbered the other
way, too, and it agrees if it does with either.

Exit code: 0 all agree, 1 one doesn't, 2 no split is in DIR, 77 nobody said DIR.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TOLERANCE = 0.0005


class Split(NamedTuple):
    """Items by user; `ranked`: those that a user's list may have, None: all but train."""

    train: dict[int, list[int]]
    test: dict[int, list[int]]
    ranked: dict[int, list[int]] | None  # With the test items.
    item_count: int


class Table(NamedTuple):
    name: str
    read: Callable[[Path], Split]  # Makes the Split of a folder; FileNotFoundError: it isn't there.
    params: str
    published: dict[str, list[float]]  # By metric, one figure for each of `cutoffs`.
    cutoffs: list[int]


def users_by_line(path: Path, *, first_is_count: bool) -> dict[int, list[int]]:
    """A line is a user: a number, then its items. The number is the user's, or, if it is how many
    items there are, the line's number is."""
    users = {}
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines()):
        first, *items = (int(word) for word in line.split())
        if items:
            users[number if first_is_count else first] = sorted(set(items))
    return users


def citeulike_ten(variant: str, item_count: int):
    """Ten items of each user to train with, the others to test (Wang et al. 2011)."""
    def read(splits: Path) -> Split:
        folder = splits / "KDD/CollaborativeVAE_github/data" / f"citeulike-{variant}"
        train, test = (users_by_line(folder / f"cf-{part}-10-users.dat", first_is_count=True)
                       for part in ("train", "test"))
        return Split(train, test, None, item_count)
    return read


def movielens(splits: Path) -> Split:
    """MovieLens 1M as SpectralCF has it (Zheng et al. 2018)."""
    folder = splits / "RecSys/SpectralCF_github/data/ml-1m"
    train, test = (users_by_line(folder / f"{part}_users.dat", first_is_count=False)
                   for part in ("train", "test"))
    largest = max(max(items) for part in (train, test) for items in part.values())
    return Split(train, test, None, largest + 1)


def citeulike_left_out(splits: Path) -> Split:
    """One item of each user to test, among 100 others (Ebesu et al. 2018). The file holds pickled
    objects: reading it runs what it says."""
    import numpy  # Not needed for the other tables.

    data = numpy.load(splits / "SIGIR/CMN_github/data/citeulike-a.npz", allow_pickle=True,
                      encoding="latin1")
    train: dict[int, list[int]] = {}
    for user, item in data["train_data"].tolist():
        train.setdefault(user, []).append(item)
    users = data["test_data"].tolist()
    return Split(train, {int(user): [int(item)] for user, (item, _) in users.items()},
                 {int(user): [int(each) for each in [item, *others]]
                  for user, (item, others) in users.items()}, 16980)


def reverse(split: Split) -> Split:
    train, test, ranked = (
        None if users is None else
        {user: [split.item_count - 1 - item for item in items] for user, items in users.items()}
        for users in split[:3])
    return Split(train, test, ranked, split.item_count)


LEFT_OUT = [5, 10]
TEN = [50, 100, 150, 200, 250, 300]
MOVIELENS = [20, 40, 60, 80, 100]
TABLES = [
    Table("left-out-cosine", citeulike_left_out, "similarity=cosine weight=tfidf k=594 shrink=999",
          {"hit rate": [.8247, .8925], "NDCG": [.7045, .7267]}, LEFT_OUT),
    Table("left-out-dice", citeulike_left_out, "similarity=dice k=996 shrink=11",
          {"hit rate": [.8089, .8863], "NDCG": [.6823, .7075]}, LEFT_OUT),
    Table("left-out-jaccard", citeulike_left_out, "similarity=jaccard k=480 shrink=3",
          {"hit rate": [.8065, .8861], "NDCG": [.6793, .7053]}, LEFT_OUT),
    Table("ten-a-cosine", citeulike_ten("a", 16980),
          "similarity=cosine weight=tfidf k=423 shrink=936",
          {"recall": [.0989, .1441, .1752, .1982, .2156, .2300]}, TEN),
    Table("ten-a-dice", citeulike_ten("a", 16980), "similarity=dice k=540 shrink=61",
          {"recall": [.0945, .1373, .1675, .1912, .2092, .2233]}, TEN),
    Table("ten-a-jaccard", citeulike_ten("a", 16980), "similarity=jaccard k=612 shrink=93",
          {"recall": [.0917, .1340, .1642, .1876, .2062, .2207]}, TEN),
    Table("ten-t-dice", citeulike_ten("t", 25975), "similarity=dice k=760 shrink=991",
          {"recall": [.2157, .2681, .2995, .3206, .3366, .3492]}, TEN),
    Table("ten-t-jaccard", citeulike_ten("t", 25975), "similarity=jaccard k=754 shrink=378",
          {"recall": [.2167, .2685, .2994, .3205, .3366, .3491]}, TEN),
    Table("movielens-cosine", movielens, "similarity=cosine weight=tfidf k=615",
          {"recall": [.0676, .1217, .1632, .2004, .2326]}, MOVIELENS),
    Table("movielens-dice", movielens, "similarity=dice k=137",
          {"recall": [.0673, .1226, .1679, .2071, .2443]}, MOVIELENS),
    Table("movielens-jaccard", movielens, "similarity=jaccard k=135",
          {"recall": [.0670, .1218, .1664, .2051, .2438]}, MOVIELENS),
]


def recommendations(millrace: str, split: Split, params: str,
                    folder: Path) -> dict[int, list[tuple[int, int]]]:
    """All (item, score) by user, scores high to low."""
    # N of tf-idf counts all items, the job those played: each other item gets a user of its own.
    missing = set(range(split.item_count)).difference(*split.train.values())
    extra = max(split.train) + 1
    users = {**split.train, **{extra + item: [item] for item in missing}}
    plays = folder / "plays.tsv"
    with open(plays, "w", encoding="ascii") as out:
        for user, items in users.items():
            out.writelines(f"0\t{user:08}\t{item:08}\t?\t0\n" for item in items)
    run(millrace, "run", "cooccurrence", "--input", plays, "--output", folder / "near", "--param",
        "basket=0", "--param", "by=score", *[word for param in params.split()
                                             for word in ("--param", param)])
    run(millrace, "run", "recommend", "--input", f"plays={plays}", "--input",
        f"neighbours={folder / 'near'}", "--output", folder / "recommend", "--param", "basket=0",
        "--param", "k=0")
    found: dict[int, list[tuple[int, int]]] = {}
    for part in sorted((folder / "recommend").glob("part-*")):
        for line in part.read_text(encoding="ascii").splitlines():
            user, _, item, score = (int(column) for column in line.split("\t"))
            found.setdefault(user, []).append((item, score))
    return found


def run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command] + ["--quiet"], capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stderr.decode("utf-8", "replace"))


def chances(scored: list[tuple[int, int]], relevant: set[int], candidate_count: int,
            cutoff: int) -> list[tuple[int, int, int, int]]:
    """The runs of equal scores up to the cut: where each starts, how many it has, how many of these
    are relevant, how many are before the cut. The items without a score are one run, the last."""
    runs: list[tuple[int, int, int, int]] = []
    at = hits_before = 0
    while at < min(cutoff, candidate_count):
        end = at
        while end < len(scored) and scored[end][1] == scored[at][1]:
            end += 1
        if end == at:
            end, hits = candidate_count, len(relevant) - hits_before
        else:
            hits = sum(item in relevant for item, _ in scored[at:end])
        runs.append((at, end - at, hits, min(cutoff, end) - at))
        hits_before += hits
        at = end
    return runs


def metrics(split: Split, found: dict[int, list[tuple[int, int]]],
            cutoff: int) -> dict[str, tuple[float, float]]:
    """By metric: mean and standard deviation, over the orders of equal scores, of what it is in the
    mean over users."""
    sums = {metric: [0.0, 0.0] for metric in ("recall", "hit rate", "NDCG")}
    for user, items in split.test.items():
        known = set(split.train.get(user, []))
        relevant = set(items) - known
        scored = found.get(user, [])
        count = split.item_count - len(known)
        if split.ranked is not None:
            ranked = set(split.ranked[user]) - known
            scored = [each for each in scored if each[0] in ranked]
            count = len(ranked)
        recall = recall_variance = gain = gain_variance = 0.0
        miss = 1.0
        for start, size, hits, room in chances(scored, relevant, count, cutoff):
            discounts = [1 / math.log2(rank + 2) for rank in range(start, start + room)]
            recall += hits * room / size
            recall_variance += variance(size, hits, room, room)
            gain += hits * sum(discounts) / size
            gain_variance += variance(size, hits, sum(discounts), sum(d * d for d in discounts))
            miss *= math.comb(size - hits, room) / math.comb(size, room)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(len(items)))
        for metric, mean, spread in (
                ("recall", recall / len(items), recall_variance / len(items) ** 2),
                ("hit rate", 1 - miss, miss * (1 - miss)),
                ("NDCG", gain / ideal, gain_variance / ideal**2)):
            sums[metric][0] += mean
            sums[metric][1] += spread
    users = len(split.test)
    return {metric: (mean / users, math.sqrt(spread) / users)
            for metric, (mean, spread) in sums.items()}


def variance(size: int, hits: int, total: float, squares: float) -> float:
    """Of the sum of `hits` values drawn, none twice, from `size` ones with this sum and sum of
    squares."""
    if size < 2:
        return 0.0
    spread = max(0.0, squares / size - (total / size) ** 2)  # Rounding may leave less than none.
    return hits * spread * (size - hits) / (size - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millrace", required=True, type=os.path.abspath)
    parser.add_argument("--splits", default=os.environ.get("MILLRACE_SPLITS"))
    parser.add_argument("tables", nargs="*", metavar="TABLE",
                        help=", ".join(table.name for table in TABLES))
    options = parser.parse_args()
    unknown = set(options.tables) - {table.name for table in TABLES}
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    if not options.splits:
        print("skipped: MILLRACE_SPLITS is not the folder of the splits")
        return 77
    compared = exact = wrong = 0
    for table in TABLES:
        if options.tables and table.name not in options.tables:
            continue
        try:
            split = table.read(Path(options.splits))
        except FileNotFoundError as error:
            print(f"{table.name}: skipped: {error.filename} is not there", flush=True)
            continue
        left = {(metric, at) for metric in table.published for at in range(len(table.cutoffs))}
        compared += len(left)
        for order, numbered in (("", split), (", numbered the other way", reverse(split))):
            if not left:
                break
            print(f"{table.name}: {table.params}{order}", flush=True)
            with tempfile.TemporaryDirectory(prefix="published-") as folder:
                found = recommendations(options.millrace, numbered, table.params, Path(folder))
            for at, cutoff in enumerate(table.cutoffs):
                figures = metrics(numbered, found, cutoff)
                for metric, values in table.published.items():
                    mean, deviation = figures[metric]
                    difference = abs(mean - values[at])
                    agrees = difference <= max(TOLERANCE, 3 * deviation)
                    exact += difference <= TOLERANCE and not order
                    if agrees:
                        left.discard((metric, at))
                    print(f"  {metric}@{cutoff}: published {values[at]:.4f}, here {mean:.4f} "
                          f"(deviation {deviation:.4f}){'' if agrees else ' DIFFERS'}", flush=True)
        wrong += len(left)
    print(f"{compared} figures compared: {exact} within {TOLERANCE}, {wrong} differ")
    if compared == 0:
        print(f"no split is in {options.splits}", file=sys.stderr)
        return 2
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

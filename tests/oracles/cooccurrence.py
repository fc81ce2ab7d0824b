# SPDX-License-Identifier: Apache-2.0
"""The oracle of cooccurrence: track, rank, other, count, score.

Readings chosen:

- count is the plain number of baskets with both tracks, whatever the weight. A pair whose weights
  are all 0 stands in the output, with score 0.
- c and the n are summed exactly, each is rounded to a double once, and the formula is computed in
  doubles from left to right: n_a + n_b - c + shrink is ((n_a + n_b) - c) + shrink; dice multiplies
  10^6 * (2c), which is the same in any order.
- ln^2 is the exact value, rounded once to the nearest multiple of 2^-32, not a double's square.
- With by=score, equal scores go by `other` alone; count doesn't matter.
- N counts the tracks that stand in some basket, so those the cap cut everywhere don't count.
- shrink is a double; basket, k: 0 is no limit.
"""

from __future__ import annotations

import decimal
import functools
import heapq
import math
from collections import _count_elements  # Counter's loop, for plain dictionaries.
from collections.abc import Iterator
from decimal import Decimal

import copy_text
from baskets import PLAYS, basket_of, plays_by_user
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {"plays": PLAYS}
PARAMS = {"basket": 50, "k": 20, "by": "count", "similarity": "cosine", "weight": "1",
          "shrink": 0.0}

UNITS = 2**32  # of a weight, in 1.


@functools.lru_cache(maxsize=None)
def tfidf_units(tracks: int, size: int) -> int:
    """ln(tracks / (1 + size))^2 in units of 2^-32, rounded to the nearest."""
    if tracks == 1 + size:
        return 0
    # Else ln is irrational, so enough digits always tell on which side of a half it lies.
    for digits in (60, 120, 240, 480):
        with decimal.localcontext() as context:
            context.prec = digits
            exact = (Decimal(tracks) / Decimal(1 + size)).ln() ** 2 * UNITS
            error = Decimal(10) ** (20 - digits)
            low = (exact - error).to_integral_value(decimal.ROUND_HALF_EVEN)
            high = (exact + error).to_integral_value(decimal.ROUND_HALF_EVEN)
            if low == high:
                return int(low)
    raise AssertionError("too near to a half")


def score_of(similarity: str, c: float, n_a: float, n_b: float, shrink: float) -> int:
    numerator = 1e6 * c
    if similarity == "cosine":
        divisor = math.sqrt(n_a * n_b) + shrink
    elif similarity == "dice":
        numerator = 1e6 * (2.0 * c)
        divisor = n_a + n_b + shrink
    else:
        divisor = n_a + n_b - c + shrink
    return math.floor(numerator / divisor) if divisor != 0 else 0


def result(run: Run) -> Iterator[bytes]:
    params = run.params
    by, similarity, weight, k = params["by"], params["similarity"], params["weight"], params["k"]
    if (by not in ("count", "score") or similarity not in ("cosine", "dice", "jaccard")
            or weight not in ("1", "tfidf") or params["basket"] < 0 or k < 0):
        raise Failure(EXIT_USAGE, "a parameter is out of its range")
    baskets = [basket_of(counts, params["basket"]) for counts in plays_by_user(run).values()]
    tracks = sorted({track for basket in baskets for track in basket})
    ids = {track: i for i, track in enumerate(tracks)}  # In the order of the bytes.

    # counts[a][b]: baskets with both; counts[a][a]: baskets with a. sums: of weights, likewise.
    counts: list[dict[int, int]] = [{} for _ in tracks]
    sums = counts if weight == "1" else [{} for _ in tracks]
    for basket in baskets:
        members = [ids[track] for track in basket]
        for a in members:
            _count_elements(counts[a], members)
        if weight == "tfidf":
            units = tfidf_units(len(tracks), len(members))
            for a in members:
                row = sums[a]
                for b in members:
                    row[b] = row.get(b, 0) + units

    scale = 1 if weight == "1" else UNITS
    totals = [float(sums[a][a]) / scale for a in range(len(tracks))]
    for a, track in enumerate(tracks):
        row, row_sums = counts[a], sums[a]
        scored = []
        if by == "score":
            for b, count in row.items():
                if b != a:
                    score = score_of(similarity, float(row_sums[b]) / scale, totals[a], totals[b],
                                     params["shrink"])
                    scored.append((-score, b, count))
            best = heapq.nsmallest(k, scored) if k else sorted(scored)
            best = [(b, count, -score) for score, b, count in best]
        else:
            scored = [(-count, b) for b, count in row.items() if b != a]
            best = heapq.nsmallest(k, scored) if k else sorted(scored)
            best = [(b, -count, score_of(similarity, float(row_sums[b]) / scale, totals[a],
                                         totals[b], params["shrink"])) for count, b in best]
        for rank, (b, count, score) in enumerate(best, start=1):
            yield copy_text.write_row(track, rank, tracks[b], count, score)


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

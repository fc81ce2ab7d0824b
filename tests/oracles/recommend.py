# SPDX-License-Identifier: Apache-2.0
"""The oracle of recommend: user, rank, track, score.

The input `neighbours` has cooccurrence's columns: a row (track, rank, other, count, score) says
that `other` stands among the neighbours of the candidate `track`, with this score.

Readings chosen:

- Of `neighbours`, track, other and score are used; rank and count are not looked at.
- What the user ever played is left out: also tracks that the cap kept out of the basket.
- A candidate is any track with a neighbour in the basket, also where the sum is 0 or negative.
- A pair (track, other) that stands twice in `neighbours` counts twice.
- Only the sums of candidates that aren't left out can be beyond int64.
- A user without a candidate has no row.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import copy_text
from baskets import PLAYS, basket_of, plays_by_user
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {"plays": PLAYS, "neighbours": ("track", "rank", "other", "count", "score")}
PARAMS = {"basket": 50, "k": 10}


def read_candidates(run: Run) -> dict[bytes, list[tuple[bytes, int]]]:
    """From a track to the candidates that have it among their neighbours, with the scores."""
    candidates: dict[bytes, list[tuple[bytes, int]]] = {}
    names: dict[bytes, bytes] = {}
    for place, (track, other, text) in run.rows("neighbours", "track", "other", "score"):
        score = copy_text.parse_int(text)
        if score is None:
            run.reject(place)
            continue
        candidates.setdefault(other, []).append((names.setdefault(track, track), score))
    return candidates


def result(run: Run) -> Iterator[bytes]:
    k, cap = run.params["k"], run.params["basket"]
    if k < 0 or cap < 0:
        raise Failure(EXIT_USAGE, "a parameter is out of its range")
    users = plays_by_user(run)
    candidates = read_candidates(run)
    for user in sorted(users):
        played = users[user]
        sums: dict[bytes, int] = {}
        for track in basket_of(played, cap):
            for candidate, score in candidates.get(track, ()):
                sums[candidate] = sums.get(candidate, 0) + score
        scored = [(-copy_text.checked(total, "a score"), candidate)
                  for candidate, total in sums.items() if candidate not in played]
        best = heapq.nsmallest(k, scored) if k else sorted(scored)
        for rank, (score, track) in enumerate(best, start=1):
            yield copy_text.write_row(user, rank, track, -score)


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

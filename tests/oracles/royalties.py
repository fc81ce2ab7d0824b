# SPDX-License-Identifier: Apache-2.0
"""The oracle of royalties: holder, track, country, streams, amount_micros.

Readings chosen:

- ms_played is always looked at, also with min_ms=0 (then a negative one is no stream).
- A country `*` is a country like any other: that it is a reject is said of toplist alone.
- Each track in `rights` must sum to 10000, played or not. Rows that are rejects don't count in it,
  so a run that tolerates them may still end with exit 65.
- basis_points have no range of their own: 0 gives a row with amount 0, and whatever sums to 10000
  is computed as it stands.
- "Counted": plays_without_pool counts streams, pools_without_plays counts pools. The definition
  doesn't name the counters.
- A play too short is neither a stream nor a play without pool; a pool with only such plays is one
  without plays.
- A holder named `?` and the holder of tracks without rights are one.
"""

from __future__ import annotations

from collections.abc import Iterator

import copy_text
from baskets import PLAYS
from copy_text import EXIT_BAD_DATA, Failure, Run

INPUTS = {
    "plays": PLAYS,
    "rights": ("track", "holder", "basis_points"),
    "pools": ("country", "amount_micros"),
}
PARAMS = {"min_ms": 30000}

WHOLE = 10000  # basis points
NO_RIGHTS = {b"?": WHOLE}


def read_streams(run: Run) -> dict[bytes, dict[bytes, int]]:
    """By country, then by track."""
    streams: dict[bytes, dict[bytes, int]] = {}
    for place, (track, country, text) in run.rows("plays", "track", "country", "ms_played"):
        ms_played = copy_text.parse_int(text)
        if ms_played is None:
            run.reject(place)
        elif ms_played >= run.params["min_ms"]:
            tracks = streams.setdefault(country, {})
            tracks[track] = tracks.get(track, 0) + 1
    return streams


def read_rights(run: Run) -> dict[bytes, dict[bytes, int]]:
    """By track, then by holder."""
    rights: dict[bytes, dict[bytes, int]] = {}
    for place, (track, holder, text) in run.rows("rights", "track", "holder", "basis_points"):
        basis_points = copy_text.parse_int(text)
        if basis_points is None:
            run.reject(place)
            continue
        holders = rights.setdefault(track, {})
        if holder in holders:
            raise Failure(EXIT_BAD_DATA, f"rights: {track!r}, {holder!r} twice")
        holders[holder] = basis_points
    for track, holders in rights.items():
        if sum(holders.values()) != WHOLE:
            raise Failure(EXIT_BAD_DATA, f"rights of {track!r} don't sum to {WHOLE}")
    return rights


def read_pools(run: Run) -> dict[bytes, int]:
    pools: dict[bytes, int] = {}
    for place, (country, text) in run.rows("pools", "country", "amount_micros"):
        amount = copy_text.parse_int(text)
        if amount is None or amount < 0 or country in pools:
            run.reject(place)
        else:
            pools[country] = amount
    return pools


def share(pool: int, weights: dict[tuple[bytes, bytes], int]) -> dict[tuple[bytes, bytes], int]:
    """The pool over (holder, track) by weight, whole micros, to the last one."""
    total = sum(weights.values())
    amounts = {key: pool * weight // total for key, weight in weights.items()}
    rest = pool - sum(amounts.values())
    by_remainder = sorted(weights, key=lambda key: (-(pool * weights[key] % total), key))
    for key in by_remainder[:rest]:
        amounts[key] += 1
    return amounts


def result(run: Run) -> Iterator[bytes]:
    rights = read_rights(run)
    pools = read_pools(run)
    streams = read_streams(run)
    run.count("plays_without_pool", 0)
    run.count("pools_without_plays", sum(country not in streams for country in pools))
    rows = []
    for country, tracks in streams.items():
        if country not in pools:
            run.count("plays_without_pool", sum(tracks.values()))
            continue
        weights = {(holder, track): n * basis_points for track, n in tracks.items()
                   for holder, basis_points in rights.get(track, NO_RIGHTS).items()}
        for (holder, track), amount in share(pools[country], weights).items():
            rows.append((holder, track, country, tracks[track], amount))
    for row in sorted(rows):
        yield copy_text.write_row(*row)


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

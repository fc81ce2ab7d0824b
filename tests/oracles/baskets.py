# SPDX-License-Identifier: Apache-2.0
"""Users, what they played, and their baskets: shared by cooccurrence and recommend."""

from __future__ import annotations

from copy_text import Run

PLAYS = ("timestamp", "user", "track", "country", "ms_played")


def plays_by_user(run: Run) -> dict[bytes, dict[bytes, int]]:
    """How often each user played each track. Equal tracks are one object."""
    users: dict[bytes, dict[bytes, int]] = {}
    tracks: dict[bytes, bytes] = {}
    for _, (user, track) in run.rows("plays", "user", "track"):
        track = tracks.setdefault(track, track)
        counts = users.get(user)
        if counts is None:
            counts = users[user] = {}
        counts[track] = counts.get(track, 0) + 1
    return users


def basket_of(counts: dict[bytes, int], cap: int) -> list[bytes]:
    """The `cap` tracks played most (0: all), of equals the bytewise first."""
    if cap == 0 or len(counts) <= cap:
        return list(counts)
    return sorted(counts, key=lambda track: (-counts[track], track))[:cap]

# SPDX-License-Identifier: Apache-2.0
"""The oracle of retention: cohort date, n, users.

Readings chosen:

- Any row of `plays` makes its user active on the date its timestamp starts with; ms_played, track
  and country are not looked at.
- n is ordered as a number. days=0 leaves n = 0 alone (only of `k` is 0 "no limit").
"""

from __future__ import annotations

from collections.abc import Iterator

import copy_text
from baskets import PLAYS
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {"plays": PLAYS}
PARAMS = {"days": 30}


def result(run: Run) -> Iterator[bytes]:
    if run.params["days"] < 0:
        raise Failure(EXIT_USAGE, "days can't be negative")
    active: dict[bytes, set[int]] = {}
    for place, (timestamp, user) in run.rows("plays", "timestamp", "user"):
        day = copy_text.parse_day(timestamp)
        if day is None:
            run.reject(place)
            continue
        days = active.get(user)
        if days is None:
            days = active[user] = set()
        days.add(day)
    users: dict[tuple[int, int], int] = {}
    for days in active.values():
        cohort = min(days)
        for day in days:
            if day - cohort <= run.params["days"]:
                key = (cohort, day - cohort)
                users[key] = users.get(key, 0) + 1
    for cohort, n in sorted(users):
        yield copy_text.write_row(copy_text.format_day(cohort), n, users[cohort, n])


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

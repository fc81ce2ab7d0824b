# SPDX-License-Identifier: Apache-2.0
"""The oracle of mail_digest: one JSON line per user.

Readings chosen:

- A line is {"template":"…","address":"…","tracks":["…","…"],"key":"USER/CAMPAIGN/DATE"} without
  blanks. In strings `"` and `\\` are escaped, and the bytes below 0x20: as \\b \\f \\n \\r \\t, the
  others as \\u00xx with small hex digits. All else is raw, also 0x7F and `/`; COPY's escapes don't
  apply to JSON.
- JSON is UTF-8: a recommendation whose user or track is not, and an address that is not, are
  rejects. A user among the addresses or the suppressed need not be: no line has them.
- The parameters' names are `template` and `campaign`; always give both, as the defaults are open.
  The date is --date; without it: exit 64. A `/` within a user isn't escaped in the key.
- The first k tracks go by rank as a number, then by track. score isn't looked at. k=0: no limit.
- Of a user's addresses the first counts that is not empty; more are no rejects, as `addresses` is
  not among the inputs whose keys must differ. A user may be suppressed twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import copy_text
from copy_text import EXIT_USAGE, Failure, Run, is_utf8

INPUTS = {
    "recommendations": ("user", "rank", "track", "score"),
    "addresses": ("user", "address"),
    "suppressed": ("user",),
}
PARAMS = {"k": 5, "template": "digest", "campaign": "digest"}

_TO_ESCAPE = re.compile(rb'[\x00-\x1f"\\]')
_SHORT = {b'"': b'\\"', b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n",
          b"\r": b"\\r", b"\t": b"\\t"}


def json_string(text: bytes) -> bytes:
    def escaped(match: re.Match) -> bytes:
        byte = match.group()
        return _SHORT.get(byte) or b"\\u%04x" % byte[0]

    return b'"' + _TO_ESCAPE.sub(escaped, text) + b'"'


def result(run: Run) -> Iterator[bytes]:
    k = run.params["k"]
    if k < 0:
        raise Failure(EXIT_USAGE, "k can't be negative")
    if run.date is None or copy_text.parse_day(run.date.encode()) is None or len(run.date) != 10:
        raise Failure(EXIT_USAGE, "mail_digest needs --date YYYY-MM-DD")
    template = run.params["template"].encode("utf-8", "surrogateescape")
    campaign = run.params["campaign"].encode("utf-8", "surrogateescape")

    suppressed = {user for _, (user,) in run.rows("suppressed", "user")}
    addresses: dict[bytes, bytes] = {}
    for place, (user, address) in run.rows("addresses", "user", "address"):
        if not is_utf8(address):
            run.reject(place)
        elif not addresses.get(user):
            addresses[user] = address
    tracks: dict[bytes, list[tuple[int, bytes]]] = {}
    for place, (user, text, track) in run.rows("recommendations", "user", "rank", "track"):
        rank = copy_text.parse_int(text)
        if rank is None or not (is_utf8(user) and is_utf8(track)):
            run.reject(place)
        else:
            tracks.setdefault(user, []).append((rank, track))

    for user in sorted(tracks):
        if user in suppressed or not addresses.get(user):
            continue
        ranked = sorted(tracks[user])
        first = ranked[:k] if k else ranked
        yield b'{"template":%s,"address":%s,"tracks":[%s],"key":%s}' % (
            json_string(template), json_string(addresses[user]),
            b",".join(json_string(track) for _, track in first),
            json_string(b"%s/%s/%s" % (user, campaign, run.date.encode())))


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

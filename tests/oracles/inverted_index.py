# SPDX-License-Identifier: Apache-2.0
"""The oracle of inverted_index: term, documents, postings.

Readings chosen:

- Documents are plain text: escapes mean nothing in them, so `a\\nb` has the terms `a` and `nb`.
  NULL doesn't exist, and nothing can be a reject.
- One `.zst` or `.gz` is taken off a name, in lower case only, whatever the content is.
- A document *is* its name with `%25`, `%2C`, `%3A`, so postings are in the order of the names as
  they are written; COPY's escapes come last. This matters where a name has `,` or `:`.
- "The same name twice" is looked for before the files are read, also where a file has no term.
- The input's name is open; --input without a name works.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator

import copy_text
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {"documents": ()}
PARAMS: dict[str, object] = {}

TERM = re.compile(rb"[a-z0-9\x80-\xff]+")


def document_of(path: bytes) -> bytes:
    name = copy_text.without_compression(os.path.basename(path))
    return name.replace(b"%", b"%25").replace(b",", b"%2C").replace(b":", b"%3A")


def result(run: Run) -> Iterator[bytes]:
    paths: dict[bytes, bytes] = {}
    for path in run.files("documents"):
        document = document_of(path)
        if document in paths:
            raise Failure(EXIT_USAGE, f"document {os.fsdecode(document)} twice: "
                          f"{os.fsdecode(paths[document])}, {os.fsdecode(path)}")
        paths[document] = path
    postings: dict[bytes, list[bytes]] = {}
    for document in sorted(paths):
        # bytes.lower() lowers A to Z alone.
        terms = Counter(TERM.findall(copy_text.read_shard(paths[document]).lower()))
        for term, n in terms.items():
            postings.setdefault(term, []).append(b"%s:%d" % (document, n))
    for term in sorted(postings):
        yield copy_text.write_row(term, len(postings[term]), b",".join(postings[term]))


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

# SPDX-License-Identifier: Apache-2.0
"""The oracle of accounting_import: batch, date, account, currency, debit_cents, credit_cents,
transactions.

Readings chosen:

- Used columns: txn, amount_cents, timestamp. user and product may be NULL.
- A txn that was accepted before is a reject, with whatever day and amount; the order is that of the
  input.
- The day is the first 10 bytes of the timestamp. An amount below 0 is a refund, 0 a sale.
- A batch is DATE-CURRENCY-HASH, with 16 small hex digits: XXH3 (64 bits, seed 0) of
  `LENGTH:TXN=AMOUNT;` for each of the day's transactions in the order of the txn's bytes; LENGTH in
  bytes, AMOUNT as a plain number.
- Accounts that nothing was booked on have no row, but for receivables.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import copy_text
from copy_text import EXIT_BAD_DATA, EXIT_USAGE, INT64_MAX, Failure, Run

INPUTS = {"transactions": ("txn", "user", "product", "amount_cents", "timestamp")}
PARAMS = {"currency": "EUR"}


def xxh3(data: bytes) -> bytes:
    done = subprocess.run(["xxhsum", "-H3"], input=data, check=True, capture_output=True)
    return done.stdout.split()[-1]


def result(run: Run) -> Iterator[bytes]:
    currency = run.params["currency"].encode("utf-8", "surrogateescape")
    if not currency:
        raise Failure(EXIT_USAGE, "currency is empty")
    booked: set[bytes] = set()
    days: dict[bytes, list[tuple[bytes, int]]] = {}
    for place, (txn, text, timestamp) in run.rows("transactions", "txn", "amount_cents",
                                                  "timestamp"):
        amount = copy_text.parse_int(text)
        if amount is None or copy_text.parse_day(timestamp) is None or txn in booked:
            run.reject(place)
            continue
        booked.add(txn)
        days.setdefault(timestamp[:10], []).append((txn, amount))

    for day in sorted(days):
        transactions = sorted(days[day])
        amounts = [amount for _, amount in transactions]
        sales, refunds = [a for a in amounts if a >= 0], [-a for a in amounts if a < 0]
        if max(sum(sales), sum(refunds), *refunds, 0) > INT64_MAX:
            raise Failure(EXIT_BAD_DATA, f"the amounts of {day!r} are beyond int64")
        content = b"".join(b"%d:%s=%d;" % (len(txn), txn, a) for txn, a in transactions)
        batch = b"%s-%s-%s" % (day, currency, xxh3(content))

        def row(account: bytes, debit: int, credit: int, count: int) -> bytes:
            return copy_text.write_row(batch, day, account, currency, debit, credit, count)

        yield row(b"receivables", sum(sales), sum(refunds), len(amounts))
        if refunds:
            yield row(b"refunds", sum(refunds), 0, len(refunds))
        if sales:
            yield row(b"revenue", 0, sum(sales), len(sales))


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

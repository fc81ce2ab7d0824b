# SPDX-License-Identifier: Apache-2.0
"""The oracle of revenue: country, category, date, amount_cents, transactions.

Readings chosen:

- NULL as a transaction's user or product is an unknown user or product, and no reject; so are a
  user whose country is NULL and a product whose category is, and that row takes its key. NULL as a
  transaction's amount or timestamp is a reject, as is NULL as the key of `users` or `products`.
- Used columns: user, country; product, category; user, product, amount_cents, timestamp. plan,
  price_cents and txn are not looked at, so a price that is no number is no reject.
- The counter `unknown` counts transactions: one with both unknown counts once, also with
  unknown=drop. A transaction that is a reject doesn't count.
- Rows of an unknown country `?` and of a country that is named `?` are one group.
- Users and products without transactions make no rows. A group whose amounts sum to 0 is a row.
"""

from __future__ import annotations

from collections.abc import Iterator

import copy_text
from copy_text import EXIT_USAGE, Failure, Run

INPUTS = {
    "transactions": ("txn", "user", "product", "amount_cents", "timestamp"),
    "users": ("user", "country", "plan"),
    "products": ("product", "category", "price_cents"),
}
PARAMS = {"unknown": "keep"}

UNKNOWN = b"?"


def read_table(run: Run, name: str, key_column: str,
               value_column: str) -> dict[bytes, bytes | None]:
    table: dict[bytes, bytes | None] = {}
    for place, (key, value) in run.rows(name, key_column, value_column, nullable=[value_column]):
        if key in table:
            run.reject(place)
        else:
            table[key] = value
    return table


def result(run: Run) -> Iterator[bytes]:
    if run.params["unknown"] not in ("keep", "drop"):
        raise Failure(EXIT_USAGE, "unknown is keep or drop")
    countries = read_table(run, "users", "user", "country")
    categories = read_table(run, "products", "product", "category")
    run.count("unknown", 0)
    groups: dict[tuple[bytes, bytes, bytes], list[int]] = {}
    for place, (user, product, amount_text, timestamp) in run.rows(
            "transactions", "user", "product", "amount_cents", "timestamp",
            nullable=("user", "product")):
        amount, day = copy_text.parse_int(amount_text), copy_text.parse_day(timestamp)
        if amount is None or day is None:
            run.reject(place)
            continue
        country, category = countries.get(user), categories.get(product)  # None isn't a key.
        if country is None or category is None:
            run.count("unknown")
            if run.params["unknown"] == "drop":
                continue
        key = (UNKNOWN if country is None else country,
               UNKNOWN if category is None else category, timestamp[:10])
        group = groups.setdefault(key, [0, 0])
        group[0] += amount
        group[1] += 1
    for key in sorted(groups):
        total, transactions = groups[key]
        yield copy_text.write_row(*key, copy_text.checked(total, "a sum of amounts"), transactions)


if __name__ == "__main__":
    copy_text.main(INPUTS, PARAMS, result)

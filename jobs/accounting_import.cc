// SPDX-License-Identifier: Apache-2.0
// Transactions as balanced entries for the books: `batch, date, account, currency, debit_cents,
// credit_cents, transactions`. What a day's batch is called depends on what is in it, so a ledger
// that takes each batch once can be given the same day again.
#include <cstdio>
#include <limits>
#include <string>

#include "mapreduce/api/hash.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
constexpr TsvLayout kTransactions{"txn", "user", "product", "amount_cents", "timestamp"};

struct Transaction {
  Name txn;
  std::int64_t amount_cents = 0;
  Date timestamp;
  MR_FIELDS(Transaction, txn, amount_cents, timestamp)
};

struct Booked {
  Name date;
  std::int64_t amount_cents = 0;
  MR_FIELDS(Booked, date, amount_cents)
};
struct ByTransaction {
  void Map(const Transaction& row, Emitter<Name, Sourced<Booked>>& emit, Context& context) {
    emit(row.txn, {{row.timestamp.text, row.amount_cents}, context.origin()});
  }
};

using DayTransaction = std::tuple<Name, Name>;
struct ByDay {
  void Map(const KeyValue<Name, Booked>& row, Emitter<DayTransaction, std::int64_t>& emit) {
    emit({row.value.date, row.key}, row.value.amount_cents);
  }
};

struct Entry {
  Name account, currency;
  std::int64_t debit_cents = 0, credit_cents = 0, transactions = 0;
  MR_FIELDS(Entry, account, currency, debit_cents, credit_cents, transactions)
};

// One side of the books, in int64.
class Amount {
 public:
  void Add(std::int64_t cents) {
    is_beyond_ |= __builtin_add_overflow(cents_, cents, &cents_);
    ++count_;
  }
  std::int64_t cents() const { return cents_; }
  std::int64_t count() const { return count_; }
  bool is_beyond() const { return is_beyond_; }

 private:
  std::int64_t cents_ = 0, count_ = 0;
  bool is_beyond_ = false;
};

// A day's transactions come in the order of their names, each once. Sales are debited to the
// receivables and credited to revenue, refunds the other way round.
struct Book {
  std::string currency;
  void Reduce(const Name& date, Values<KeyValue<DayTransaction, std::int64_t>>& transactions,
              Emitter<std::tuple<std::string, Name>, Entry>& emit, Context& context) {
    Amount sales, refunds;
    Hasher64 content(0);
    for (const auto& [key, amount_cents] : transactions) {
      const Name txn = std::get<1>(key);
      content.Update(std::to_string(txn.size()) + ":");
      content.Update(txn);
      content.Update("=" + std::to_string(amount_cents) + ";");
      if (amount_cents == std::numeric_limits<std::int64_t>::min()) {
        return context.Fail("transaction " + std::string(txn) + " has the amount " +
                            std::to_string(amount_cents) +
                            ", whose credit is beyond int64; correct it in the input");
      }
      amount_cents < 0 ? refunds.Add(-amount_cents) : sales.Add(amount_cents);
    }
    if (sales.is_beyond() || refunds.is_beyond())
      return context.Fail("the amounts of " + std::string(date) +
                          " add up beyond int64; look for one that is too large in the input");
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(content.Digest()));
    const std::string batch = std::string(date) + "-" + currency + "-" + hash;
    const std::int64_t count = sales.count() + refunds.count();
    emit({batch, date}, {"receivables", currency, sales.cents(), refunds.cents(), count});
    if (refunds.count() > 0)
      emit({batch, date}, {"refunds", currency, refunds.cents(), 0, refunds.count()});
    if (sales.count() > 0)
      emit({batch, date}, {"revenue", currency, 0, sales.cents(), sales.count()});
  }
};

void AccountingImport(Job& job) {
  const auto currency = job.Param<std::string>("currency", "EUR", "of all amounts");
  if (currency.empty()) job.Fail("currency must not be empty: it is part of each batch's id");
  job.Read<Transaction>("transactions", kTransactions)
      .Map<ByTransaction>()
      .Reduce<KeepFirst<Name, Booked>>()
      .Map<ByDay>()
      .GroupBy<1>()
      .Reduce<Book>(currency)
      .Write<Tsv>("accounting_import", {"batch", "date", "account", "currency", "debit_cents",
                                        "credit_cents", "transactions"});
}
MR_JOB(accounting_import, AccountingImport, "balanced entries per day, account and currency")
}  // namespace

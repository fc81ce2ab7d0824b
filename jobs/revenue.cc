// SPDX-License-Identifier: Apache-2.0
// Turnover by country, category and day: `country, category, date, amount_cents, transactions`.
// Transactions are joined with users and products, which are small enough to look up in.
#include <optional>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
constexpr TsvLayout kTransactions{"txn", "user", "product", "amount_cents", "timestamp"};
constexpr TsvLayout kUsers{"user", "country", "plan"};
constexpr TsvLayout kProducts{"product", "category", "price_cents"};

struct User {
  Name user;
  std::optional<Name> country;
  MR_FIELDS(User, user, country)
};
struct Product {
  Name product;
  std::optional<Name> category;
  MR_FIELDS(Product, product, category)
};
struct Transaction {
  std::optional<Name> user, product;
  std::int64_t amount_cents = 0;
  Date timestamp;
  MR_FIELDS(Transaction, user, product, amount_cents, timestamp)
};

struct UserCountry {
  void Map(const User& row, Emitter<Name, Sourced<std::optional<Name>>>& emit, Context& context) {
    emit(row.user, {row.country, context.origin()});
  }
};
struct ProductCategory {
  void Map(const Product& row, Emitter<Name, Sourced<std::optional<Name>>>& emit,
           Context& context) {
    emit(row.product, {row.category, context.origin()});
  }
};

// NULL is unknown, on either side of a join: Name(), which no field is, not even an empty one.
bool IsUnknown(const Name& name) { return name.data() == nullptr; }
Name LookUp(const Table<Name, std::optional<Name>>& table, const std::optional<Name>& key) {
  if (!key) return Name();
  const std::optional<std::optional<Name>> found = table.Find(*key);
  return found && *found ? **found : Name();
}

using CountryCategoryDay = std::tuple<Name, Name, Date>;

struct Classify {
  Table<Name, std::optional<Name>> countries, categories;
  bool keeps_unknown;
  void Prefetch(const Transaction& row) {
    if (row.user) countries.Prefetch(*row.user);
    if (row.product) categories.Prefetch(*row.product);
  }
  void Map(const Transaction& row, Emitter<CountryCategoryDay, std::int64_t>& emit,
           Context& context) {
    const Name country = LookUp(countries, row.user);
    const Name category = LookUp(categories, row.product);
    if (IsUnknown(country) || IsUnknown(category)) {
      context.Count("unknown");
      if (!keeps_unknown) return;
    }
    emit({IsUnknown(country) ? "?" : country, IsUnknown(category) ? "?" : category, row.timestamp},
         row.amount_cents);
  }
};

struct Turnover {
  std::int64_t amount_cents = 0, transactions = 0;
  MR_FIELDS(Turnover, amount_cents, transactions)
};

// The sum and the count of the same values.
struct AddUp {
  using Amount = Sum::Of<std::int64_t>;
  struct State {
    Amount::State amount;
    std::int64_t transactions;
  };
  static void Add(State& state, std::int64_t amount_cents) {
    Amount::Add(state.amount, amount_cents);
    ++state.transactions;
  }
  static void Merge(State& state, const State& other) {
    Amount::Merge(state.amount, other.amount);
    state.transactions += other.transactions;
  }
  static std::optional<Turnover> Result(const State& state) {
    const std::optional<std::int64_t> amount = Amount::Result(state.amount);
    if (!amount) return std::nullopt;
    return Turnover{*amount, state.transactions};
  }
  static constexpr const char* kFailure = Amount::kFailure;
};

void Revenue(Job& job) {
  const auto unknown = job.Choice("unknown", "keep", {"keep", "drop"},
                                  "transactions of an unknown user or product: keep them as ?");
  auto transactions = job.Read<Transaction>("transactions", kTransactions);
  auto countries = job.Read<User>("users", kUsers).Map<UserCountry>().AsTable();
  auto categories = job.Read<Product>("products", kProducts).Map<ProductCategory>().AsTable();
  transactions.Map<Classify>(countries, categories, unknown == "keep")
      .Reduce<AddUp>()
      .Write<Tsv>("revenue", {"country", "category", "date", "amount_cents", "transactions"});
}
MR_JOB(revenue, Revenue, "turnover by country, category and day, of three joined inputs")
}  // namespace

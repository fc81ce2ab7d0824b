// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "tests/benchmarks/datagen/dataset.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {
namespace {

constexpr std::uint32_t kUsers = 500'000;
constexpr std::uint32_t kProducts = 50'000;
constexpr int kDays = 30;
constexpr std::uint64_t kSecondsPerDay = 86'400;
constexpr std::uint64_t kSeconds = kDays * kSecondsPerDay;
constexpr const char* kPlans[] = {"free", "free", "premium", "family", "student"};
constexpr const char* kCategories[] = {
    "audiobooks", "bags",    "books",   "cables",     "caps",     "cards",  "cassettes",
    "clothing",   "concert", "covers",  "cups",       "games",    "gifts",  "headphones",
    "jackets",    "lamps",   "lessons", "magazines",  "merch",    "movies", "music",
    "posters",    "records", "rings",   "scores",     "software", "socks",  "speakers",
    "stickers",   "strings", "tickets", "turntables", "upgrades", "videos", "vouchers"};

struct Tables {
  Zipf users, products;
  std::vector<std::uint32_t> price_cents;
  std::vector<std::string> dates;
  std::uint64_t rows;
};

// One transaction in 1000 lacks its user or its product: it is NULL, or an id that no table has.
void WriteUserAndProduct(std::uint32_t user, std::uint32_t product, Random& random, RowText& row) {
  const std::uint64_t lot = random.Uniform(4000);
  row.Char('\t');
  if (lot == 0) {
    row.Text("\\N");
  } else {
    row.Id('u', lot == 1 ? user + kUsers : user, 7);
  }
  row.Char('\t');
  if (lot == 2) {
    row.Text("\\N");
  } else {
    row.Id('p', lot == 3 ? product + kProducts : product, 5);
  }
  row.Char('\t');
}

void WriteTransactions(const Tables& tables, std::uint64_t begin, std::uint64_t end, Random& random,
                       RowText& row) {
  for (std::uint64_t i = begin; i < end; ++i) {
    const std::uint32_t user = tables.users.Draw(random);
    const std::uint32_t product = tables.products.Draw(random);
    const std::uint64_t pieces = random.Uniform(8) == 0 ? 1 + random.Uniform(4) : 1;
    row.Id('x', i, 8);
    WriteUserAndProduct(user, product, random, row);
    row.Number(tables.price_cents[product] * pieces);
    row.Char('\t');
    const std::uint64_t second = i * kSeconds / tables.rows;
    row.Timestamp(tables.dates[second / kSecondsPerDay],
                  static_cast<std::uint32_t>(second % kSecondsPerDay));
    row.EndRow();
  }
}

void WriteUsers(const std::vector<std::uint8_t>& countries, std::uint64_t seed, const Sink& sink) {
  Random random(seed);
  RowText row(sink);
  for (std::uint32_t user = 0; user < kUsers; ++user) {
    row.Id('u', user, 7);
    row.Char('\t');
    row.Text(kCountries[countries[user]]);
    row.Char('\t');
    row.Text(kPlans[random.Uniform(std::size(kPlans))]);
    row.EndRow();
  }
}

void WriteProducts(const Tables& tables, std::uint64_t seed, const Sink& sink) {
  Random random(seed);
  RowText row(sink);
  for (std::uint32_t product = 0; product < kProducts; ++product) {
    row.Id('p', product, 5);
    row.Char('\t');
    row.Text(kCategories[random.Uniform(std::size(kCategories))]);
    row.Char('\t');
    row.Number(tables.price_cents[product]);
    row.EndRow();
  }
}

}  // namespace

std::vector<DataFile> PlanReport(const DatasetOptions& options) {
  auto tables = std::make_shared<Tables>(
      Tables{Zipf(kUsers, 0.6, Zipf::Ids::kShuffled, SeedFor(options, "report.users")),
             Zipf(kProducts, 0.8, Zipf::Ids::kShuffled, SeedFor(options, "report.products")),
             {},
             {},
             options.rows});
  Random random(SeedFor(options, "report.prices"));
  for (std::uint32_t i = 0; i < kProducts; ++i) {
    const std::uint64_t span = random.Uniform(2) == 0 ? 900 : 9'000;  // Half cost below 10.00.
    tables->price_cents.push_back(static_cast<std::uint32_t>(99 + random.Uniform(span)));
  }
  for (int day = 1 - kDays; day <= 0; ++day) tables->dates.push_back(DatePlus(options.date, day));

  std::vector<DataFile> files =
      Shards(options, "txns", ".tsv",
             [tables](std::uint64_t begin, std::uint64_t end, Random& shard_random, RowText& row) {
               WriteTransactions(*tables, begin, end, shard_random, row);
             });
  files.push_back({"users.tsv", [countries = CountryOfUsers(options, kUsers),
                                 seed = SeedFor(options, "report.plans")](const Sink& sink) {
                     WriteUsers(countries, seed, sink);
                   }});
  files.push_back({"products.tsv", [tables, seed = SeedFor(options, "report.categories")](
                                       const Sink& sink) { WriteProducts(*tables, seed, sink); }});
  return files;
}

}  // namespace millrace

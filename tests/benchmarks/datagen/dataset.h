// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_DATAGEN_DATASET_H_
#define TESTS_BENCHMARKS_DATAGEN_DATASET_H_

// The datasets for benchmarks and examples. A file's bytes depend on the options alone: each file
// has a random generator of its own, so files can be written in any order, by any thread.
//
//   plays    timestamp user track country ms_played; a day; tracks Zipf 1.05 over 1 M, users
//            Zipf 0.6 over 500 k, 60 countries, each user in one, a quarter of the plays under 30 s
//   words    lines of 5 to 15 words, Zipf 1.0 over 1 M words
//   tera     lines of 100 bytes (with LF), the first 10 random
//   report   txns: txn user product amount_cents timestamp, over 30 days, one in 1000 without a
//            known user or product; users: user country plan; products: product category
//            price_cents
//   baskets  user track, with repeats; 13 rows per user, 1 to 50 distinct tracks, Zipf 0.9 over 50
//   k

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "tests/benchmarks/datagen/row_text.h"

namespace millrace {

struct DatasetOptions {
  std::uint64_t rows = 0;
  int shards = 16;
  std::uint64_t seed = 1;
  std::string date;  ///< YYYY-MM-DD: the day of plays, the last day of report.
};

struct DataFile {
  std::string name;  ///< "plays-00000-of-00016.tsv"
  std::function<void(const Sink&)> write;
};

/// The files of dataset `kind`. Shared tables are built here; `write` is thread-safe.
/// kInvalidArgument for an unknown kind, a bad date, or no shards.
Result<std::vector<DataFile>> PlanDataset(std::string_view kind, const DatasetOptions& options);

// One per kind, for PlanDataset, which has checked the options.
std::vector<DataFile> PlanPlays(const DatasetOptions& options);
std::vector<DataFile> PlanWords(const DatasetOptions& options);
std::vector<DataFile> PlanTera(const DatasetOptions& options);
std::vector<DataFile> PlanReport(const DatasetOptions& options);
std::vector<DataFile> PlanBaskets(const DatasetOptions& options);

/// A seed for one purpose: `what` and `index` name it.
std::uint64_t SeedFor(const DatasetOptions& options, std::string_view what, int index = 0);

/// Writes the rows `begin` to `end` of a dataset.
using WriteRows = std::function<void(std::uint64_t begin, std::uint64_t end, Random&, RowText&)>;

/// The rows cut into shards of equal size: "PREFIX-00000-of-00016EXTENSION" and so on.
std::vector<DataFile> Shards(const DatasetOptions& options, const std::string& prefix,
                             const std::string& extension, WriteRows write_rows);

/// The country of each of `users` users, as an index into kCountries.
inline constexpr int kCountryCount = 60;
extern const char* const kCountries[kCountryCount];
std::vector<std::uint8_t> CountryOfUsers(const DatasetOptions& options, std::uint32_t users);

}  // namespace millrace

#endif  // TESTS_BENCHMARKS_DATAGEN_DATASET_H_

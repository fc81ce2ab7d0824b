// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/datagen/dataset.h"

#include <utility>

#include "mapreduce/base/hash.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {

const char* const kCountries[kCountryCount] = {
    "US", "BR", "DE", "GB", "MX", "IN", "FR", "ES", "IT", "ID", "CA", "TR", "PH", "SE", "AR",
    "AU", "PL", "NL", "CO", "JP", "CL", "PE", "NO", "TW", "DK", "FI", "MY", "TH", "VN", "BE",
    "PT", "AT", "CH", "ZA", "EG", "KR", "IE", "NZ", "CZ", "HU", "RO", "GR", "IL", "SA", "AE",
    "SG", "HK", "EC", "GT", "CR", "UY", "SK", "BG", "HR", "LT", "LV", "EE", "SI", "IS", "LU"};

std::uint64_t SeedFor(const DatasetOptions& options, std::string_view what, int index) {
  return Hash64(std::string(what) + "/" + std::to_string(index), options.seed);
}

std::vector<DataFile> Shards(const DatasetOptions& options, const std::string& prefix,
                             const std::string& extension, WriteRows write_rows) {
  const auto padded = [](int number) {
    const std::string digits = std::to_string(number);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  std::vector<DataFile> files;
  const auto count = static_cast<std::uint64_t>(options.shards);
  for (int shard = 0; shard < options.shards; ++shard) {
    const auto border = [&](int i) {  // Shard sizes differ by at most one row.
      const auto index = static_cast<std::uint64_t>(i);
      return options.rows / count * index + options.rows % count * index / count;
    };
    files.push_back({prefix + "-" + padded(shard) + "-of-" + padded(options.shards) + extension,
                     [write_rows, begin = border(shard), end = border(shard + 1),
                      seed = SeedFor(options, prefix, shard)](const Sink& sink) {
                       Random random(seed);
                       RowText row(sink);
                       write_rows(begin, end, random, row);
                     }});
  }
  return files;
}

std::vector<std::uint8_t> CountryOfUsers(const DatasetOptions& options, std::uint32_t users) {
  const Zipf countries(kCountryCount, 0.9, Zipf::Ids::kByRank, 0);
  Random random(SeedFor(options, "countries"));
  std::vector<std::uint8_t> country(users);
  for (std::uint8_t& one : country) one = static_cast<std::uint8_t>(countries.Draw(random));
  return country;
}

Result<std::vector<DataFile>> PlanDataset(std::string_view kind, const DatasetOptions& options) {
  if (options.shards < 1 || options.shards > 99999) {
    return Status::InvalidArgument("--shards must be 1 to 99999, not ", options.shards);
  }
  if (DatePlus(options.date, 0).empty()) {
    return Status::InvalidArgument("--date must be a day as YYYY-MM-DD, not '", options.date, "'");
  }
  if (kind == "plays") return PlanPlays(options);
  if (kind == "words") return PlanWords(options);
  if (kind == "tera") return PlanTera(options);
  if (kind == "report") return PlanReport(options);
  if (kind == "baskets") return PlanBaskets(options);
  return Status::InvalidArgument("no dataset '", kind,
                                 "'; there are plays, words, tera, report, baskets");
}

}  // namespace millrace

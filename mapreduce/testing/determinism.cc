// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/determinism.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/base/size.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {
namespace {

constexpr std::uint64_t kDefaultSeed = 20261121;

// Runs whose part files must be equal one by one: where they end may depend on these alone.
using PartKey = std::tuple<int, ShardStorage, std::uint64_t>;

std::string_view StorageName(ShardStorage storage) {
  switch (storage) {
    case ShardStorage::kPlain:
      return "plain";
    case ShardStorage::kZstd:
      return "zstd";
    case ShardStorage::kGzip:
      return "gzip";
    case ShardStorage::kMixed:
      return "mixed";
  }
  return "";
}

std::string Describe(const TestExecution& execution) {
  std::ostringstream out;
  out << "parallel " << execution.parallel << ", memory " << FormatBytes(execution.memory_bytes)
      << ", splits of " << execution.split_bytes << " bytes, " << execution.parts << " parts, "
      << StorageName(execution.storage) << " shards";
  if (execution.spill_everything) out << ", spilling everything";
  if (!execution.call_combiners) out << ", without combiners";
  if (execution.task_by_task)
    out << ", task by task with kills and doubled attempts of seed " << execution.attempts_seed;
  return out.str();
}

// Bytes for a message: escaped and cut.
std::string Shown(std::string_view text) {
  constexpr std::size_t kShownMax = 200;
  RowBuffer row;
  AppendEscaped(row, text.substr(0, kShownMax));
  return "'" + std::string(row.view()) + (text.size() > kShownMax ? "'…" : "'");
}

// A number from 1 to `most`, small ones as often as large ones.
std::uint64_t AnySize(std::uint64_t most, Random& random) {
  int bits = 1;
  while (bits < 63 && std::uint64_t{1} << bits <= most) ++bits;
  const std::uint64_t limit = std::uint64_t{1}
                              << (random.Uniform(static_cast<std::uint64_t>(bits)) + 1);
  return 1 + random.Uniform(std::min(limit, most));
}

TestExecution AnyExecution(std::uint64_t shard_bytes_max, Random& random) {
  constexpr ShardStorage kStorages[] = {ShardStorage::kPlain, ShardStorage::kZstd,
                                        ShardStorage::kGzip, ShardStorage::kMixed};
  constexpr int kParts[] = {1, 2, 5};
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
  // Each split is a task, and may spill several files: some dozens will do.
  const std::uint64_t split_bytes_min = shard_bytes_max / 32;
  TestExecution execution;
  execution.parallel = 1 + static_cast<int>(random.Uniform(4));
  execution.memory_bytes = (std::uint64_t{1} << random.Uniform(8)) * 8 * kMebibyte;
  execution.split_bytes = split_bytes_min + AnySize(shard_bytes_max + 1, random);
  execution.parts = kParts[random.Uniform(3)];
  execution.compression = random.Uniform(4) == 0 ? Compression::kZstd : Compression::kNone;
  execution.spill_everything = random.Uniform(2) == 0;
  execution.call_combiners = random.Uniform(4) != 0;
  execution.storage = kStorages[random.Uniform(4)];
  execution.storage_seed = random.Uniform(2);
  // Two attempts that spill differently make the same bytes only behind the combiner.
  execution.task_by_task = random.Uniform(3) == 0 && execution.call_combiners;
  execution.attempts_seed = random.Next();
  return execution;
}

// An error names shards; how they are compressed may differ.
std::string WithoutExtensions(std::string message) {
  for (const std::string_view extension : {".zst", ".gz"}) {
    for (std::size_t at = 0; (at = message.find(extension, at)) != std::string::npos;) {
      message.erase(at, extension.size());
    }
  }
  return message;
}

std::optional<std::string> FirstDifference(const std::vector<std::string>& wanted,
                                           const std::vector<std::string>& got) {
  for (std::size_t row = 0; row < std::max(wanted.size(), got.size()); ++row) {
    if (row < wanted.size() && row < got.size() && wanted[row] == got[row]) continue;
    const auto shown = [row](const std::vector<std::string>& rows) {
      return row < rows.size() ? Shown(rows[row]) : std::string("no such row");
    };
    return "row " + std::to_string(row + 1) + ": " + shown(got) + ", undisturbed " + shown(wanted);
  }
  return std::nullopt;
}

std::vector<std::string> AsRows(const std::map<std::string, std::uint64_t>& counters) {
  std::vector<std::string> rows;
  for (const auto& [name, count] : counters) rows.push_back(name + " = " + std::to_string(count));
  return rows;
}

std::vector<std::string> AsRows(const std::vector<TestReject>& rejects) {
  std::vector<std::string> rows;
  for (const TestReject& reject : rejects) {
    std::ostringstream out;
    out << reject;
    rows.push_back(std::move(out).str());
  }
  return rows;
}

// What differs in `got`; nothing if all is as it should be.
std::optional<std::string> Difference(const TestResult& wanted, const TestResult& got) {
  if (wanted.ok() != got.ok() || wanted.status.code() != got.status.code() ||
      WithoutExtensions(wanted.status.message()) != WithoutExtensions(got.status.message())) {
    const auto shown = [](const Status& status) {
      return status.ok() ? "the run succeeds" : "the run fails: " + status.message();
    };
    return shown(got.status) + "; undisturbed " + shown(wanted.status);
  }
  if (!wanted.ok()) return std::nullopt;
  for (const auto& [name, parts] : wanted.parts) {
    const auto difference = FirstDifference(wanted.Rows(name), got.Rows(name));
    if (difference) return "output " + name + ", " + *difference;
    if (wanted.Text(name) != got.Text(name)) return "output " + name + ": the last LF";
  }
  if (const auto difference = FirstDifference(AsRows(wanted.counters), AsRows(got.counters))) {
    return "counters, " + *difference;
  }
  if (const auto difference = FirstDifference(AsRows(wanted.rejects), AsRows(got.rejects))) {
    return "rejects, " + *difference;
  }
  if (wanted.records_in != got.records_in) {
    return std::to_string(got.records_in) + " records were read, undisturbed " +
           std::to_string(wanted.records_in);
  }
  return std::nullopt;
}

// What differs between the part files of runs that may cut them nowhere else.
std::optional<std::string> PartDifference(const TestResult& wanted, const TestResult& got) {
  for (const auto& [name, parts] : wanted.parts) {
    if (got.parts.at(name) == parts) continue;
    std::string shown = "output " + name + ": its parts are cut elsewhere: bytes";
    for (const std::string& part : got.parts.at(name)) shown += " " + std::to_string(part.size());
    shown += ", in another run";
    for (const std::string& part : parts) shown += " " + std::to_string(part.size());
    return shown;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : kDefaultSeed;
}

testing::AssertionResult CheckDeterministic(const TestRun& run, const DeterminismOptions& options) {
  TestRun permuted = run;
  TestExecution undisturbed;
  undisturbed.parallel = 1;
  undisturbed.memory_bytes = std::uint64_t{1} << 30;
  undisturbed.split_bytes = std::uint64_t{1} << 40;
  const TestResult wanted = permuted.Execution(undisturbed).Run();
  if (wanted.status.code() == StatusCode::kInvalidArgument) {
    return testing::AssertionFailure() << wanted.status.message();
  }

  std::map<PartKey, TestResult> by_parts;
  Random random(options.seed);
  for (int i = 0; i < options.runs; ++i) {
    const TestExecution execution = AnyExecution(run.shard_bytes_max(), random);
    TestResult got = permuted.Execution(execution).Run();
    std::optional<std::string> difference = Difference(wanted, got);
    if (got.status.code() == StatusCode::kDiverged) {
      // Which record it is shows where such an attempt's result is kept.
      TestExecution whole = execution;
      whole.task_by_task = false;
      if (const auto row = Difference(wanted, permuted.Execution(whole).Run()))
        difference = *row + "; and " + got.status.message();
    }
    if (!difference && got.ok()) {
      const PartKey key(execution.parts, execution.storage, execution.storage_seed);
      const auto [same, is_first] = by_parts.try_emplace(key, got);
      if (!is_first) difference = PartDifference(same->second, got);
    }
    if (difference) {
      return testing::AssertionFailure()
             << *difference << "\n  in run " << i + 1 << " of MILLRACE_TEST_SEED=" << options.seed
             << ": " << Describe(execution);
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace millrace

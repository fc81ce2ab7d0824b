// SPDX-License-Identifier: Apache-2.0

// Writing, reading and merging run files, which lie in the page cache (TMPDIR). Yardsticks: copying
// the records by memcpy and hashing them by XXH3, which a writer and a reader must do at least;
// std::priority_queue over the same cursors.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <queue>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

std::string PathOf(std::uint64_t run) {
  return std::filesystem::temp_directory_path() / ("run_file_benchmark" + std::to_string(run));
}

RunInfo Write(const SortedRecords& records, std::uint64_t run) {
  std::filesystem::remove(PathOf(run));
  RunWriter writer(LocalFileSystem(), PathOf(run), {.file_id = run});
  for (const RecordView& record : records.views()) writer.Add(record);
  Result<RunInfo> info = writer.Close();
  if (!info.ok()) std::abort();
  return *std::move(info);
}

constexpr std::size_t kRecords = 200'000;

// Arguments: key bytes, value bytes.
void BM_RunWriter(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const SortedRecords records(1, kRecords, key_bytes, value_bytes);
  for (auto _ : state) Write(records, 0);
  std::filesystem::remove(PathOf(0));
  Report(state, kRecords, kRecords * (key_bytes + value_bytes));
}
BENCHMARK(BM_RunWriter)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

void BM_RunCursor(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const RunInfo info = Write(SortedRecords(1, kRecords, key_bytes, value_bytes), 0);
  for (auto _ : state) {
    const std::unique_ptr<RunCursor> cursor = *(*RunFile::Open(LocalFileSystem(), info))->Read({});
    std::span<const RecordView> batch;
    while (*cursor->Next(&batch)) benchmark::DoNotOptimize(batch.back().prefix);
  }
  std::filesystem::remove(PathOf(0));
  Report(state, kRecords, kRecords * (key_bytes + value_bytes));
}
BENCHMARK(BM_RunCursor)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

// Key and value of each record, one call of memcpy each, into blocks of 256 KiB.
void BM_RunByMemcpy(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const SortedRecords records(1, kRecords, key_bytes, value_bytes);
  std::string block(std::size_t{256} << 10, '\0');
  for (auto _ : state) {
    std::size_t used = 0;
    for (const RecordView& record : records.views()) {
      if (used + record.key_bytes + record.value_bytes > block.size()) used = 0;
      std::memcpy(block.data() + used, record.key, record.key_bytes);
      std::memcpy(block.data() + used + record.key_bytes, record.value, record.value_bytes);
      used += record.key_bytes + record.value_bytes;
      benchmark::ClobberMemory();
    }
  }
  Report(state, kRecords, records.bytes().size());
}
BENCHMARK(BM_RunByMemcpy)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

// All bytes at once: no record, no key is looked at.
void BM_RunByXxh3(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const SortedRecords records(1, kRecords, key_bytes, value_bytes);
  for (auto _ : state) benchmark::DoNotOptimize(Hash64(records.bytes()));
  Report(state, kRecords, records.bytes().size());
}
BENCHMARK(BM_RunByXxh3)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

using Cursors = std::vector<std::unique_ptr<RunCursor>>;

// Calls merge(Cursors) on sorted runs in files, 5 M records at most. Arguments: runs, key bytes,
// value bytes.
template <class Merge>
void MergeRuns(benchmark::State& state, Merge merge) {
  const auto run_count = static_cast<std::uint64_t>(state.range(0));
  const auto key_bytes = static_cast<std::size_t>(state.range(1));
  const auto value_bytes = static_cast<std::size_t>(state.range(2));
  const std::size_t run_records = std::min<std::size_t>(kRecords, 5'000'000 / run_count);
  std::vector<RunInfo> runs;
  for (std::uint64_t run = 0; run < run_count; ++run) {
    runs.push_back(Write(SortedRecords(run, run_records, key_bytes, value_bytes), run));
  }
  for (auto _ : state) {
    Cursors cursors;
    for (const RunInfo& run : runs) {
      cursors.push_back(*(*RunFile::Open(LocalFileSystem(), run))->Read({}));
    }
    merge(std::move(cursors));
  }
  for (const RunInfo& run : runs) std::filesystem::remove(run.path);
  Report(state, run_count * run_records, run_count * run_records * (key_bytes + value_bytes));
}
void BM_Merger(benchmark::State& state) {
  MergeRuns(state, [](Cursors cursors) {
    Merger merger(std::move(cursors));
    if (!merger.Start().ok()) std::abort();
    while (merger.Next()) benchmark::DoNotOptimize(merger.record().value[0]);
    if (!merger.status().ok()) std::abort();
  });
}

// The same order: ties go to the cursor with the lower index.
void BM_MergeByPriorityQueue(benchmark::State& state) {
  MergeRuns(state, [](const Cursors& cursors) {
    struct Source {
      std::span<const RecordView> batch;
      std::size_t index;
      bool operator<(const Source& other) const {
        const int order = CompareKeys(batch.front(), other.batch.front());
        return order != 0 ? order > 0 : index > other.index;
      }
    };
    std::priority_queue<Source> sources;
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      Source source{.batch = {}, .index = i};
      if (*cursors[i]->Next(&source.batch)) sources.push(source);
    }
    while (!sources.empty()) {
      Source source = sources.top();
      sources.pop();
      benchmark::DoNotOptimize(source.batch.front().value[0]);
      source.batch = source.batch.subspan(1);
      if (!source.batch.empty() || *cursors[source.index]->Next(&source.batch)) {
        sources.push(source);
      }
    }
  });
}

void MergeArguments(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({2, 6, 2})->Args({25, 6, 2})->Args({25, 10, 90})->Args({200, 10, 90});
  benchmark->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_Merger)->Apply(MergeArguments);
BENCHMARK(BM_MergeByPriorityQueue)->Apply(MergeArguments);

}  // namespace
}  // namespace millrace

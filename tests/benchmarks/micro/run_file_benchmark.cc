// SPDX-License-Identifier: Apache-2.0

// Writing, reading and merging run files. Yardsticks: XXH3 and memcpy run at some 10 GB/s a core;
// goals are 1 GB/s for write and read of 100-byte records, 60 ns a record for a merge of 25 runs,
// 20 ns for a merge of two runs of short keys. Files lie in the page cache (TMPDIR).

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {
namespace {

// Sorted records, one behind the other in memory, as a sort that gathers well leaves them.
class Records {
 public:
  Records(std::uint64_t seed, std::size_t count, std::size_t key_bytes, std::size_t value_bytes) {
    Random random(seed);
    std::vector<std::string> keys(count);
    for (std::string& key : keys) {
      while (key.size() < key_bytes) key += static_cast<char>(random.Next());
    }
    std::sort(keys.begin(), keys.end());
    const std::string value(value_bytes, 'v');
    for (const std::string& key : keys) (bytes_ += key) += value;
    for (std::size_t i = 0; i < count; ++i) {
      const char* const at = bytes_.data() + i * (key_bytes + value_bytes);
      views_.push_back(MakeRecordView({at, key_bytes}, {at + key_bytes, value_bytes}));
    }
  }
  const std::vector<RecordView>& views() const { return views_; }

 private:
  std::string bytes_;
  std::vector<RecordView> views_;
};

std::string PathOf(std::uint64_t run) {
  return std::filesystem::temp_directory_path() / ("run_file_benchmark" + std::to_string(run));
}

RunInfo Write(const Records& records, std::uint64_t run) {
  std::filesystem::remove(PathOf(run));
  RunWriter writer(LocalFileSystem(), PathOf(run), {.file_id = run});
  for (const RecordView& record : records.views()) writer.Add(record);
  Result<RunInfo> info = writer.Close();
  if (!info.ok()) std::abort();
  return *std::move(info);
}

void Report(benchmark::State& state, std::size_t records, std::size_t record_bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(records) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(records * record_bytes) * state.iterations());
}

constexpr std::size_t kRecords = 200'000;

// Arguments: key bytes, value bytes.
void BM_RunWriter(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const Records records(1, kRecords, key_bytes, value_bytes);
  for (auto _ : state) Write(records, 0);
  std::filesystem::remove(PathOf(0));
  Report(state, kRecords, key_bytes + value_bytes);
}
BENCHMARK(BM_RunWriter)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

void BM_RunCursor(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const auto value_bytes = static_cast<std::size_t>(state.range(1));
  const RunInfo info = Write(Records(1, kRecords, key_bytes, value_bytes), 0);
  for (auto _ : state) {
    const std::unique_ptr<RunCursor> cursor = *(*RunFile::Open(LocalFileSystem(), info))->Read({});
    std::span<const RecordView> batch;
    while (*cursor->Next(&batch)) benchmark::DoNotOptimize(batch.back().prefix);
  }
  std::filesystem::remove(PathOf(0));
  Report(state, kRecords, key_bytes + value_bytes);
}
BENCHMARK(BM_RunCursor)->Args({10, 90})->Args({6, 2})->Unit(benchmark::kMillisecond);

// Arguments: runs, key bytes, value bytes. Includes reading the files.
void BM_Merger(benchmark::State& state) {
  const auto run_count = static_cast<std::uint64_t>(state.range(0));
  const auto key_bytes = static_cast<std::size_t>(state.range(1));
  const auto value_bytes = static_cast<std::size_t>(state.range(2));
  std::vector<RunInfo> runs;
  for (std::uint64_t run = 0; run < run_count; ++run) {
    runs.push_back(Write(Records(run, kRecords, key_bytes, value_bytes), run));
  }
  for (auto _ : state) {
    std::vector<std::unique_ptr<RunCursor>> cursors;
    for (const RunInfo& run : runs) {
      cursors.push_back(*(*RunFile::Open(LocalFileSystem(), run))->Read({}));
    }
    Merger merger(std::move(cursors));
    if (!merger.Start().ok()) std::abort();
    while (merger.Next()) benchmark::DoNotOptimize(merger.record().value[0]);
    if (!merger.status().ok()) std::abort();
  }
  for (const RunInfo& run : runs) std::filesystem::remove(run.path);
  Report(state, run_count * kRecords, key_bytes + value_bytes);
}
BENCHMARK(BM_Merger)
    ->Args({2, 6, 2})
    ->Args({25, 6, 2})
    ->Args({25, 10, 90})
    ->Args({200, 10, 90})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace

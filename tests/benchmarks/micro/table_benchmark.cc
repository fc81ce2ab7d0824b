// SPDX-License-Identifier: Apache-2.0
// Combining: 2 M keys, drawn evenly from 1 M that the table already has, are counted. Yardsticks:
// as many increments of random counters in an array as large as the table's cells, which a table
// beyond the cache must do at least; std::unordered_map.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mapreduce/base/memory_budget.h"
#include "mapreduce/shuffle/combining_table.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

constexpr std::size_t kEmits = 2'000'000;
constexpr unsigned kDistinct = 1'000'000;

// Counts each key of each batch.
class CountingSink final : public EmitSink {
 public:
  explicit CountingSink(MemoryBudget& budget)
      : lease_(budget.Join()), table_(sizeof(std::uint64_t), lease_, budget.total()) {}

  Status Consume(EmitBatch& batch) override {
    CombiningTable::Chunk chunk;
    const Result<bool> has_room = table_.Resolve(batch, 0, batch.count(), &chunk);
    if (!has_room.ok() || !*has_room) std::abort();
    for (std::size_t i = 0; i < batch.count(); ++i) {
      ++*reinterpret_cast<std::uint64_t*>(chunk.states[i]);
    }
    return Status::Ok();
  }

 private:
  MemoryBudget::Lease lease_;
  CombiningTable table_;
};

// Argument of each: key bytes. Up to 15, up to 31 and beyond lie in different tables.

// Includes the copy of the keys into batches.
void BM_CombiningTable(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const std::string keys = IdKeys(1, kEmits, key_bytes, kDistinct);
  MemoryBudget budget(std::uint64_t{1} << 30, 1);
  CountingSink sink(budget);
  EmitBatch batch(sink);
  const auto count_all = [&] {
    for (std::size_t i = 0; i < kEmits; ++i) {
      char* const at = batch.Begin(key_bytes);
      std::memcpy(at, keys.data() + i * key_bytes, key_bytes);
      batch.Commit(at + key_bytes, at + key_bytes);
      batch.EndRecord();
    }
    batch.Flush();
  };
  count_all();
  for (auto _ : state) count_all();
  Report(state, kEmits, keys.size());
}

struct TransparentHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

void BM_CombineByUnorderedMap(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const std::string keys = IdKeys(1, kEmits, key_bytes, kDistinct);
  std::unordered_map<std::string, std::uint64_t, TransparentHash, std::equal_to<>> counts;
  const auto count_all = [&] {
    for (std::size_t i = 0; i < kEmits; ++i) {
      const std::string_view key(keys.data() + i * key_bytes, key_bytes);
      const auto found = counts.find(key);
      if (found != counts.end()) {
        ++found->second;
      } else {
        counts.emplace(key, 1);
      }
    }
  };
  count_all();
  for (auto _ : state) count_all();
  Report(state, kEmits, keys.size());
}

// Argument: bytes a cell. 2 M cells, as the table has for its 1 M keys.
void BM_CombineByIncrements(benchmark::State& state) {
  constexpr std::size_t kCells = std::size_t{1} << 21;
  const auto cell_words = static_cast<std::size_t>(state.range(0)) / sizeof(std::uint64_t);
  Random random(1);
  std::vector<std::uint32_t> places;
  for (std::size_t i = 0; i < kEmits; ++i) {
    places.push_back(static_cast<std::uint32_t>(random.Uniform(kCells) * cell_words));
  }
  std::vector<std::uint64_t> cells(kCells * cell_words);
  for (auto _ : state) {
    for (const std::uint32_t place : places) ++cells[place];
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kEmits) * state.iterations());
}

BENCHMARK(BM_CombiningTable)->Arg(8)->Arg(20)->Arg(40)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CombineByUnorderedMap)->Arg(8)->Arg(20)->Arg(40)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CombineByIncrements)->Arg(24)->Arg(40)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Emitting: keys and values encoded into a batch, which a sink throws away. Yardstick: their bytes
// copied by memcpy, one call for the key and one for the value, into a buffer of the same size.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>

#include "mapreduce/api/emitter.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

constexpr std::size_t kRecords = 4096;
constexpr std::size_t kValueBytes = 8;

class DiscardingSink final : public EmitSink {
 public:
  Status Consume(EmitBatch& batch) override {
    benchmark::DoNotOptimize(batch.begin());
    return Status::Ok();
  }
};

// Argument: key bytes. Values are integers of 8 bytes.
void BM_EmitBatch(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const std::string keys = IdKeys(1, kRecords, key_bytes, 1'000'000);
  DiscardingSink sink;
  EmitBatch batch(sink);
  for (auto _ : state) {
    for (std::size_t i = 0; i < kRecords; ++i) {
      char* const at = batch.Begin(key_bytes + kValueBytes);
      std::memcpy(at, keys.data() + i * key_bytes, key_bytes);
      std::memcpy(at + key_bytes, &i, kValueBytes);
      batch.Commit(at + key_bytes, at + key_bytes + kValueBytes);
      batch.EndRecord();
    }
  }
  Report(state, kRecords, kRecords * (key_bytes + kValueBytes));
}

// Emits as a job does, an integer as the value. `key_of`: the key as K, of its bytes.
template <class K, class KeyOf>
void EmitRecords(benchmark::State& state, KeyOf key_of) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const std::string keys = IdKeys(1, kRecords, key_bytes, 1'000'000);
  DiscardingSink sink;
  EmitBatch batch(sink);
  Emitter<K, std::int64_t> emit(batch);
  for (auto _ : state) {
    for (std::size_t i = 0; i < kRecords; ++i) {
      emit(key_of(std::string_view(keys.data() + i * key_bytes, key_bytes)),
           static_cast<std::int64_t>(i));
      batch.EndRecord();
    }
  }
  Report(state, kRecords, kRecords * (key_bytes + kValueBytes));
}

void BM_Emitter(benchmark::State& state) {
  EmitRecords<std::string_view>(state, [](std::string_view key) { return key; });
}

// A tuple of two strings, of which the first is encoded so that it ends before the second.
void BM_EmitterOfPairs(benchmark::State& state) {
  using Pair = std::tuple<std::string_view, std::string_view>;
  EmitRecords<Pair>(state,
                    [](std::string_view key) { return Pair(key.substr(0, 2), key.substr(2)); });
}

void BM_EmitByMemcpy(benchmark::State& state) {
  const auto key_bytes = static_cast<std::size_t>(state.range(0));
  const std::string keys = IdKeys(1, kRecords, key_bytes, 1'000'000);
  std::string block(kBatchRecords * (key_bytes + kValueBytes), '\0');
  for (auto _ : state) {
    char* at = block.data();
    for (std::size_t i = 0; i < kRecords; ++i) {
      if (i % kBatchRecords == 0) at = block.data();
      std::memcpy(at, keys.data() + i * key_bytes, key_bytes);
      std::memcpy(at + key_bytes, &i, kValueBytes);
      at += key_bytes + kValueBytes;
      benchmark::ClobberMemory();
    }
  }
  Report(state, kRecords, kRecords * (key_bytes + kValueBytes));
}

BENCHMARK(BM_EmitBatch)->Arg(8)->Arg(20)->Arg(40);
BENCHMARK(BM_Emitter)->Arg(8)->Arg(20)->Arg(40);
BENCHMARK(BM_EmitterOfPairs)->Arg(8)->Arg(20)->Arg(40);
BENCHMARK(BM_EmitByMemcpy)->Arg(8)->Arg(20)->Arg(40);

}  // namespace
}  // namespace millrace

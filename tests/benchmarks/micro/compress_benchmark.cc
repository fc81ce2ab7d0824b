// SPDX-License-Identifier: Apache-2.0
// What compressing costs and saves: one block of 256 KiB of a run file (plays by listener and time,
// prefix-compressed) and 1 MiB of text, the size of Millrace's zstd frames. Bytes are those of the
// plain side; `ratio` is plain by compressed. Yardstick: a copy by memcpy.

#include <benchmark/benchmark.h>
#include <lz4.h>
#include <zstd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_writer.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

constexpr std::size_t kRunBlockBytes = std::size_t{256} << 10;

// The bytes of the second block or so of a run file.
std::string RunBlock() {
  std::vector<std::string> keys;
  Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    char key[32];
    const int bytes = std::snprintf(
        key, sizeof key, "u%07uT%02u:%02u:%02uZ", static_cast<unsigned>(random.Uniform(10'000)),
        static_cast<unsigned>(random.Uniform(24)), static_cast<unsigned>(random.Uniform(60)),
        static_cast<unsigned>(random.Uniform(60)));
    keys.emplace_back(key, static_cast<std::size_t>(bytes));
  }
  const SortedRecords records(std::move(keys), "t0123456");
  const std::string path = std::filesystem::temp_directory_path() / "compress_benchmark";
  std::filesystem::remove(path);
  RunWriter writer(LocalFileSystem(), path, {.block_bytes = kRunBlockBytes});
  for (const RecordView& record : records.views()) writer.Add(record);
  if (!writer.Close().ok()) std::abort();
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  std::filesystem::remove(path);
  return bytes.substr(kRunBlockBytes, kRunBlockBytes);
}

enum DataKind : std::int64_t { kRun, kText };

std::string DataOf(std::int64_t kind) {
  return kind == kRun ? RunBlock() : PlaysText(std::size_t{1} << 20);
}

void ReportData(benchmark::State& state, const std::string& plain, std::size_t compressed_bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(plain.size()) * state.iterations());
  state.SetLabel(state.range(0) == kRun ? "run file" : "text");
  state.counters["ratio"] =
      static_cast<double>(plain.size()) / static_cast<double>(compressed_bytes);
}

// Arguments: data, level.
void BM_ZstdCompress(benchmark::State& state) {
  const std::string plain = DataOf(state.range(0));
  std::string compressed(ZSTD_compressBound(plain.size()), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = ZSTD_compressCCtx(context, compressed.data(), compressed.size(), plain.data(),
                              plain.size(), static_cast<int>(state.range(1)));
    benchmark::ClobberMemory();
  }
  ZSTD_freeCCtx(context);
  if (ZSTD_isError(bytes) != 0) state.SkipWithError(ZSTD_getErrorName(bytes));
  ReportData(state, plain, bytes);
}

void BM_ZstdDecompress(benchmark::State& state) {
  const std::string plain = DataOf(state.range(0));
  std::string compressed(ZSTD_compressBound(plain.size()), '\0');
  compressed.resize(ZSTD_compress(compressed.data(), compressed.size(), plain.data(), plain.size(),
                                  static_cast<int>(state.range(1))));
  std::string again(plain.size(), '\0');
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  for (auto _ : state) {
    ZSTD_decompressDCtx(context, again.data(), again.size(), compressed.data(), compressed.size());
    benchmark::ClobberMemory();
  }
  ZSTD_freeDCtx(context);
  if (again != plain) state.SkipWithError("other bytes came back");
  ReportData(state, plain, compressed.size());
}

std::string Lz4Of(const std::string& plain) {
  std::string compressed(
      static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(plain.size()))), '\0');
  const int bytes =
      LZ4_compress_default(plain.data(), compressed.data(), static_cast<int>(plain.size()),
                           static_cast<int>(compressed.size()));
  compressed.resize(static_cast<std::size_t>(bytes));
  return compressed;
}

// Argument: data.
void BM_Lz4Compress(benchmark::State& state) {
  const std::string plain = DataOf(state.range(0));
  const std::size_t compressed_bytes = Lz4Of(plain).size();
  std::string compressed(
      static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(plain.size()))), '\0');
  for (auto _ : state) {
    LZ4_compress_default(plain.data(), compressed.data(), static_cast<int>(plain.size()),
                         static_cast<int>(compressed.size()));
    benchmark::ClobberMemory();
  }
  ReportData(state, plain, compressed_bytes);
}

void BM_Lz4Decompress(benchmark::State& state) {
  const std::string plain = DataOf(state.range(0));
  const std::string compressed = Lz4Of(plain);
  std::string again(plain.size(), '\0');
  for (auto _ : state) {
    LZ4_decompress_safe(compressed.data(), again.data(), static_cast<int>(compressed.size()),
                        static_cast<int>(again.size()));
    benchmark::ClobberMemory();
  }
  if (again != plain) state.SkipWithError("other bytes came back");
  ReportData(state, plain, compressed.size());
}

void BM_CompressByMemcpy(benchmark::State& state) {
  const std::string plain = DataOf(state.range(0));
  std::string copy(plain.size(), '\0');
  for (auto _ : state) {
    std::memcpy(copy.data(), plain.data(), plain.size());
    benchmark::ClobberMemory();
  }
  ReportData(state, plain, copy.size());
}

void EachLevel(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t data : {kRun, kText}) {
    for (const std::int64_t level : {-5, 1, 3}) benchmark->Args({data, level});
  }
}
BENCHMARK(BM_ZstdCompress)->Apply(EachLevel);
BENCHMARK(BM_ZstdDecompress)->Apply(EachLevel);
BENCHMARK(BM_Lz4Compress)->Arg(kRun)->Arg(kText);
BENCHMARK(BM_Lz4Decompress)->Arg(kRun)->Arg(kText);
BENCHMARK(BM_CompressByMemcpy)->Arg(kRun)->Arg(kText);

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Sorting a million entries (8 key bytes, address of the key) by whole keys, each time from the
// same random order, with the copy of the entries. Yardsticks: std::sort, std::stable_sort, and
// Highway's vectorized quicksort on entries taken as 128-bit numbers, ties 8 bytes further on.

#include <benchmark/benchmark.h>
#include <hwy/contrib/sort/vqsort.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/shuffle/entry_sort.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

constexpr std::size_t kEntries = 1'000'000;

// All keys have the same length.
struct KeyAt {
  std::size_t key_bytes;
  std::string_view operator()(std::uint64_t ref) const {
    return {reinterpret_cast<const char*>(ref), key_bytes};
  }
};

// Argument of each.
enum KeyKind : std::int64_t {
  kRandomBytes,   // 10 bytes: 8 tell nearly all apart.
  kRepeatedIds,   // 8 bytes, 200 000 different keys.
  kCommonPrefix,  // 20 bytes, 1000 different first 16: "t0000123listener7654".
};
constexpr const char* kLabels[] = {"random", "ids", "common prefixes"};

class Input {
 public:
  explicit Input(std::int64_t kind) {
    Random random(1);
    switch (kind) {
      case kRandomBytes:
        key_bytes_ = 10;
        while (keys_.size() < kEntries * key_bytes_) keys_ += static_cast<char>(random.Next());
        break;
      case kRepeatedIds:
        key_bytes_ = 8;
        keys_ = IdKeys(1, kEntries, key_bytes_, 200'000);
        break;
      default:
        key_bytes_ = 20;
        for (std::size_t i = 0; i < kEntries; ++i) {
          char key[24];
          std::snprintf(key, sizeof key, "t%07ulistener%04u",
                        static_cast<unsigned>(random.Uniform(1000)),
                        static_cast<unsigned>(random.Uniform(10'000)));
          keys_.append(key, key_bytes_);
        }
    }
    keys_.append(16, '\0');
    for (std::size_t i = 0; i < kEntries; ++i) {
      const char* const key = keys_.data() + i * key_bytes_;
      entries_.push_back({KeyPrefix(key, key_bytes_), reinterpret_cast<std::uint64_t>(key)});
    }
  }
  const std::vector<SortEntry>& entries() const { return entries_; }
  KeyAt key_at() const { return {key_bytes_}; }

 private:
  std::size_t key_bytes_ = 0;
  std::string keys_;
  std::vector<SortEntry> entries_;
};

// sort: (std::vector<SortEntry>&, KeyAt).
template <class Sort>
void SortAll(benchmark::State& state, Sort sort) {
  const Input input(state.range(0));
  const KeyAt key_at = input.key_at();
  std::vector<SortEntry> entries = input.entries();
  for (auto _ : state) {
    std::copy(input.entries().begin(), input.entries().end(), entries.begin());
    sort(entries, key_at);
  }
  const bool is_sorted = std::is_sorted(
      entries.begin(), entries.end(),
      [&](const SortEntry& a, const SortEntry& b) { return key_at(a.ref) < key_at(b.ref); });
  if (!is_sorted) state.SkipWithError("it does not sort");
  state.SetLabel(kLabels[state.range(0)]);
  Report(state, kEntries, kEntries * sizeof(SortEntry));
}

void BM_EntrySorter(benchmark::State& state) {
  std::vector<SortEntry> scratch(kEntries);
  SortAll(state, [&](std::vector<SortEntry>& entries, KeyAt key_at) {
    EntrySorter sorter(scratch.data(), key_at);
    sorter.Sort(entries.data(), entries.size());
  });
}

struct Before {
  KeyAt key_at;
  bool operator()(const SortEntry& a, const SortEntry& b) const {
    return a.prefix != b.prefix ? a.prefix < b.prefix : key_at(a.ref) < key_at(b.ref);
  }
};

void BM_SortByStdSort(benchmark::State& state) {
  SortAll(state, [](std::vector<SortEntry>& entries, KeyAt key_at) {
    std::sort(entries.begin(), entries.end(), Before{key_at});
  });
}

void BM_SortByStableSort(benchmark::State& state) {
  SortAll(state, [](std::vector<SortEntry>& entries, KeyAt key_at) {
    std::stable_sort(entries.begin(), entries.end(), Before{key_at});
  });
}

// An entry is a number whose high half is the prefix. Equal keys come by address, which here is
// their first order.
class VqSorter {
 public:
  explicit VqSorter(KeyAt key_at) : key_at_(key_at) {}

  void Sort(hwy::uint128_t* entries, std::size_t count, std::size_t depth = 0) {
    sorter_(entries, count, hwy::SortAscending());
    if (depth + 8 >= key_at_.key_bytes) return;
    for (std::size_t begin = 0; begin < count;) {
      std::size_t end = begin + 1;
      while (end < count && entries[end].hi == entries[begin].hi) ++end;
      if (end - begin > 1) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::string_view rest = key_at_(entries[i].lo).substr(depth + 8);
          entries[i].hi = KeyPrefix(rest.data(), rest.size());
        }
        Sort(entries + begin, end - begin, depth + 8);
      }
      begin = end;
    }
  }

 private:
  const KeyAt key_at_;
  const hwy::Sorter sorter_;
};

void BM_SortByVqSort(benchmark::State& state) {
  std::vector<hwy::uint128_t> numbers(kEntries);
  SortAll(state, [&](std::vector<SortEntry>& entries, KeyAt key_at) {
    for (std::size_t i = 0; i < kEntries; ++i) {
      numbers[i].hi = entries[i].prefix;
      numbers[i].lo = entries[i].ref;
    }
    VqSorter(key_at).Sort(numbers.data(), kEntries);
    for (std::size_t i = 0; i < kEntries; ++i) entries[i].ref = numbers[i].lo;
  });
}

void EachKind(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(kRandomBytes)->Arg(kRepeatedIds)->Arg(kCommonPrefix);
  benchmark->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_EntrySorter)->Apply(EachKind);
BENCHMARK(BM_SortByVqSort)->Apply(EachKind);
BENCHMARK(BM_SortByStdSort)->Apply(EachKind);
BENCHMARK(BM_SortByStableSort)->Apply(EachKind);

}  // namespace
}  // namespace millrace

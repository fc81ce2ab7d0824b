// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_MICRO_SAMPLES_H_
#define TESTS_BENCHMARKS_MICRO_SAMPLES_H_

// What the micro benchmarks work on, the same bytes each time, and how they report: rows and bytes
// a second. A benchmark named BM_...By... is a yardstick: a plain way to do the same work, or the
// least that any way must do.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// Of one iteration.
inline void Report(benchmark::State& state, std::uint64_t rows, std::uint64_t bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(rows) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

/// Whole rows, `bytes` or a little more, like "2026-11-21T05:06:07.123Z u0001234 t0123456 SE
/// 187000" with TABs; `tail` goes behind the last field.
inline std::string PlaysText(std::size_t bytes, const char* tail = "") {
  Random random(7);
  const auto below = [&random](unsigned n) { return static_cast<unsigned>(random.Uniform(n)); };
  std::string text;
  while (text.size() < bytes) {
    char row[256];
    std::snprintf(row, sizeof row, "2026-11-21T05:%02u:%02u.%03uZ\tu%07u\tt%07u\t%c%c\t%u%s\n",
                  below(60), below(60), below(1000), below(5000000), below(1000000),
                  'A' + below(26), 'A' + below(26), below(600000), tail);
    text += row;
  }
  return text;
}

inline std::uint64_t CountLines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Keys like "t0123456", followed by a fill up to `key_bytes` (8 or more), one behind the other:
/// `count` of them, drawn from `distinct` ones.
inline std::string IdKeys(std::uint64_t seed, std::size_t count, std::size_t key_bytes,
                          unsigned distinct) {
  Random random(seed);
  std::string keys;
  keys.reserve(count * key_bytes + 16);
  for (std::size_t i = 0; i < count; ++i) {
    char id[16];
    std::snprintf(id, sizeof id, "t%07u", static_cast<unsigned>(random.Uniform(distinct)));
    keys.append(id, 8).append(key_bytes - 8, 'x');
  }
  return keys;
}

/// Sorted records with random keys, one behind the other in memory, as a sort that gathers well
/// leaves them.
class SortedRecords {
 public:
  SortedRecords(std::uint64_t seed, std::size_t count, std::size_t key_bytes,
                std::size_t value_bytes) {
    Random random(seed);
    std::vector<std::string> keys(count);
    for (std::string& key : keys) {
      while (key.size() < key_bytes) key += static_cast<char>(random.Next());
    }
    Gather(std::move(keys), std::string(value_bytes, 'v'));
  }
  SortedRecords(std::vector<std::string> keys, const std::string& value) {
    Gather(std::move(keys), value);
  }

  const std::vector<RecordView>& views() const { return views_; }
  std::string_view bytes() const { return bytes_; }

 private:
  void Gather(std::vector<std::string> keys, const std::string& value) {
    std::sort(keys.begin(), keys.end());
    for (const std::string& key : keys) (bytes_ += key) += value;
    const char* at = bytes_.data();
    for (const std::string& key : keys) {
      views_.push_back(MakeRecordView({at, key.size()}, {at + key.size(), value.size()}));
      at += key.size() + value.size();
    }
  }

  std::string bytes_;
  std::vector<RecordView> views_;
};

}  // namespace millrace

#endif  // TESTS_BENCHMARKS_MICRO_SAMPLES_H_

// SPDX-License-Identifier: Apache-2.0
// Integers out of text: TSV fields, one a line, in a block of 1 MiB in the cache. Argument: digits,
// at most. Yardsticks: std::from_chars and strtoull on the same fields.

#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/numbers.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/tsv_field.h"
#include "tests/benchmarks/micro/samples.h"

namespace millrace {
namespace {

struct Fields {
  std::string text;
  std::vector<std::string_view> views;
};

Fields MakeFields(std::int64_t digits_max) {
  std::uint64_t limit = 1;
  for (std::int64_t i = 0; i < digits_max; ++i) limit *= 10;
  Random random(7);
  Fields fields;
  std::vector<std::size_t> ends;
  while (fields.text.size() < std::size_t{1} << 20) {
    fields.text += std::to_string(random.Uniform(limit));
    ends.push_back(fields.text.size());
    fields.text += '\n';
  }
  fields.text.append(kLineBlockPadding, '\0');
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    fields.views.emplace_back(fields.text.data() + begin, end - begin);
    begin = end + 1;
  }
  return fields;
}

// parse: std::string_view -> std::int64_t.
template <class Parse>
void ParseAll(benchmark::State& state, Parse parse) {
  const Fields fields = MakeFields(state.range(0));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    for (const std::string_view field : fields.views) {
      sum += static_cast<std::uint64_t>(parse(field));
    }
  }
  benchmark::DoNotOptimize(sum);
  Report(state, fields.views.size(), fields.text.size() - kLineBlockPadding);
}

void BM_ReadTsvField(benchmark::State& state) {
  LastDate last_date;
  ParseAll(state, [&last_date](std::string_view field) {
    std::int64_t value = 0;
    if (ReadTsvField(field.data(), field.data() + field.size(), &value, last_date) !=
        TsvFieldError::kNone) {
      std::abort();
    }
    return value;
  });
}
void BM_ParseInt64(benchmark::State& state) {
  ParseAll(state, [](std::string_view field) {
    std::int64_t value = 0;
    if (!ParseInt64(field, &value)) std::abort();
    return value;
  });
}
void BM_IntegersByFromChars(benchmark::State& state) {
  ParseAll(state, [](std::string_view field) {
    std::int64_t value = 0;
    const auto result = std::from_chars(field.data(), field.data() + field.size(), value);
    if (result.ec != std::errc()) std::abort();
    return value;
  });
}
void BM_IntegersByStrtoull(benchmark::State& state) {
  ParseAll(state, [](std::string_view field) {
    return static_cast<std::int64_t>(std::strtoull(field.data(), nullptr, 10));
  });
}
BENCHMARK(BM_ReadTsvField)->Arg(6)->Arg(15);
BENCHMARK(BM_ParseInt64)->Arg(6)->Arg(15);
BENCHMARK(BM_IntegersByFromChars)->Arg(6)->Arg(15);
BENCHMARK(BM_IntegersByStrtoull)->Arg(6)->Arg(15);

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Reading: one block of 1 MiB in the cache, ns per row as "ns_per_record". Yardsticks: a memchr per
// line, and the portable search.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "mapreduce/base/fields.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/text.h"
#include "mapreduce/formats/tsv.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/formats/word_scanner.h"

namespace millrace {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

struct Play {
  std::string_view track, country;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, track, country, ms_played)
};
struct DatedPlay {
  Date timestamp;
  std::string_view user;
  MR_FIELDS(DatedPlay, timestamp, user)
};
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

std::uint32_t Next(std::uint32_t* state) { return *state = *state * 1664525 + 1013904223; }

// Rows like 2026-11-21T05:06:07.123Z u0001234 t0123456 SE 187000, of varying numbers; `tail` goes
// behind the last field.
std::string PlaysText(const char* tail) {
  std::string text;
  std::uint32_t state = 7;
  while (text.size() < kBlockBytes) {
    char row[256];
    std::snprintf(row, sizeof row, "2026-11-21T05:%02u:%02u.%03uZ\tu%07u\tt%07u\t%c%c\t%u%s\n",
                  Next(&state) % 60, Next(&state) % 60, Next(&state) % 1000, Next(&state) % 5000000,
                  Next(&state) % 1000000, 'A' + Next(&state) % 26, 'A' + Next(&state) % 26,
                  Next(&state) % 600000, tail);
    text += row;
  }
  return text;
}

std::string WordsText(int words_per_line) {
  std::string text;
  std::uint32_t state = 7;
  while (text.size() < kBlockBytes) {
    for (int word = 0; word < words_per_line; ++word) {
      if (word > 0) text += ' ';
      for (int i = 0; i < 5; ++i) text += static_cast<char>('a' + (Next(&state) >> 8) % 26);
    }
    text += '\n';
  }
  return text;
}

// Owns a text with the padding a block has.
class Block {
 public:
  explicit Block(std::string text) : text_(std::move(text)), bytes_(text_.size()) {
    text_.resize(bytes_ + kLineBlockPadding);
  }
  LineBlock block() const {
    return LineBlock{.begin = text_.data(), .end = text_.data() + bytes_, .offset = 0};
  }
  std::string_view view() const { return {text_.data(), bytes_}; }

 private:
  std::string text_;
  std::size_t bytes_;
};

void Report(benchmark::State& state, std::uint64_t records, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
  state.counters["ns_per_record"] =
      benchmark::Counter(static_cast<double>(records) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Row, class Bytes>
void ParseRows(benchmark::State& state, const char* tail) {
  const Block block(PlaysText(tail));
  const Result<TsvColumns> columns = TsvColumns::For<Row>(kPlays);
  BasicTsvParser<Row, Bytes> parser(*columns);
  std::uint64_t records = 0, sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(),
        [&](const Row& row, std::string_view) {
          ++records;
          if constexpr (std::is_same_v<Row, Play>) {
            sum += static_cast<std::uint64_t>(row.ms_played) + row.track.size() +
                   static_cast<unsigned char>(row.track[1]) + row.country.size() +
                   static_cast<unsigned char>(row.country[0]);
          } else {
            sum += row.user.size() + static_cast<unsigned char>(row.timestamp.text[9]);
          }
        },
        [&](std::string_view, std::string_view) { std::abort(); });
  }
  benchmark::DoNotOptimize(sum);
  Report(state, records, block.view().size());
}

void BM_TsvPlays(benchmark::State& state) { ParseRows<Play, Bytes64>(state, ""); }
void BM_TsvPlaysPortable(benchmark::State& state) { ParseRows<Play, PortableBytes64>(state, ""); }
void BM_TsvDates(benchmark::State& state) { ParseRows<DatedPlay, Bytes64>(state, ""); }
void BM_TsvLongRows(benchmark::State& state) {
  ParseRows<Play, Bytes64>(state,
                           "\tMozilla/5.0 (X11; Linux x86_64; rv:109.0)\t10.1.2.3\tstockholm");
}
void BM_TsvRowsWithNull(benchmark::State& state) { ParseRows<Play, Bytes64>(state, "\t\\N"); }
BENCHMARK(BM_TsvPlays);
BENCHMARK(BM_TsvPlaysPortable);
BENCHMARK(BM_TsvDates);
BENCHMARK(BM_TsvLongRows);
BENCHMARK(BM_TsvRowsWithNull);

void BM_LinesByMemchr(benchmark::State& state) {
  const Block block(PlaysText(""));
  std::uint64_t records = 0, sum = 0;
  for (auto _ : state) {
    const LineBlock lines = block.block();
    for (const char* line = lines.begin; line < lines.end; ++records) {
      const char* end = static_cast<const char*>(
          std::memchr(line, '\n', static_cast<std::size_t>(lines.end - line)));
      sum += static_cast<std::uint64_t>(end - line);
      line = end + 1;
    }
  }
  benchmark::DoNotOptimize(sum);
  Report(state, records, block.view().size());
}
void BM_LineParser(benchmark::State& state) {
  const Block block(PlaysText(""));
  LineParser parser;
  std::uint64_t records = 0, sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(),
        [&](const Line& line, std::string_view) {
          ++records;
          sum += line.text.size();
        },
        [](std::string_view, std::string_view) {});
  }
  benchmark::DoNotOptimize(sum);
  Report(state, records, block.view().size());
}
BENCHMARK(BM_LinesByMemchr);
BENCHMARK(BM_LineParser);

void BM_WordsOfLines(benchmark::State& state) {
  const Block block(WordsText(/*words_per_line=*/10));
  LineParser parser;
  std::uint64_t records = 0, sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(),
        [&](const Line& line, std::string_view) {
          ++records;
          ForEachWord(line.text, [&](std::string_view word) {
            sum += word.size() + static_cast<unsigned char>(word[0]);
          });
        },
        [](std::string_view, std::string_view) {});
  }
  benchmark::DoNotOptimize(sum);
  Report(state, records, block.view().size());
}
BENCHMARK(BM_WordsOfLines);

void BM_AppendTsvRow(benchmark::State& state) {
  const Block block(PlaysText(""));
  const Result<TsvColumns> columns = TsvColumns::For<Play>(kPlays);
  TsvParser<Play> parser(*columns);
  std::vector<Play> plays;
  parser.Parse(
      block.block(), [&](const Play& play, std::string_view) { plays.push_back(play); },
      [](std::string_view, std::string_view) {});
  RowBuffer out;
  std::uint64_t records = 0, bytes = 0;
  for (auto _ : state) {
    out.Clear();
    for (const Play& play : plays) AppendTsvRow(out, play.country, play);
    records += plays.size();
    bytes = out.size();
  }
  Report(state, records, bytes);
}
BENCHMARK(BM_AppendTsvRow);

}  // namespace
}  // namespace millrace

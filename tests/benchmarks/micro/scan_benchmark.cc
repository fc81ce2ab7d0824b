// SPDX-License-Identifier: Apache-2.0
// Reading: lines, fields and words of one block of 1 MiB in the cache. Yardsticks: memchr for each
// LF, TAB and space, and the portable search.

#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mapreduce/base/fields.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/text.h"
#include "mapreduce/formats/tsv.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/formats/word_scanner.h"
#include "tests/benchmarks/micro/samples.h"

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

std::string WordsText(int words_per_line) {
  Random random(7);
  std::string text;
  while (text.size() < kBlockBytes) {
    for (int word = 0; word < words_per_line; ++word) {
      if (word > 0) text += ' ';
      for (int i = 0; i < 5; ++i) text += static_cast<char>('a' + random.Uniform(26));
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

// What a benchmark does with a play, so that the fields are made.
std::uint64_t Use(std::string_view track, std::string_view country, std::int64_t ms_played) {
  return static_cast<std::uint64_t>(ms_played) + track.size() +
         static_cast<unsigned char>(track[1]) + country.size() +
         static_cast<unsigned char>(country[0]);
}

template <class Row, class Bytes>
void ParseRows(benchmark::State& state, const char* tail) {
  const Block block(PlaysText(kBlockBytes, tail));
  const Result<TsvColumns> columns = TsvColumns::For<Row>(kPlays);
  BasicTsvParser<Row, Bytes> parser(*columns);
  std::uint64_t sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(),
        [&](const Row& row, std::string_view) {
          if constexpr (std::is_same_v<Row, Play>) {
            sum += Use(row.track, row.country, row.ms_played);
          } else {
            sum += row.user.size() + static_cast<unsigned char>(row.timestamp.text[9]);
          }
        },
        [&](std::string_view, std::string_view) { std::abort(); });
  }
  benchmark::DoNotOptimize(sum);
  Report(state, CountLines(block.view()), block.view().size());
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

// Adds up what `use` makes of each line of plays; a memchr for each LF.
template <class UseLine>
void LinesByMemchr(benchmark::State& state, UseLine use) {
  const Block block(PlaysText(kBlockBytes));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    const LineBlock lines = block.block();
    for (const char* line = lines.begin; line < lines.end;) {
      const char* const end = static_cast<const char*>(
          std::memchr(line, '\n', static_cast<std::size_t>(lines.end - line)));
      sum += use(line, end);
      line = end + 1;
    }
  }
  benchmark::DoNotOptimize(sum);
  Report(state, CountLines(block.view()), block.view().size());
}

// A memchr for each TAB, too; the number by from_chars.
void BM_TsvPlaysByMemchr(benchmark::State& state) {
  LinesByMemchr(state, [](const char* at, const char* end) {
    std::string_view fields[5];
    for (std::string_view& field : fields) {
      const void* const tab = std::memchr(at, '\t', static_cast<std::size_t>(end - at));
      const char* const field_end = tab == nullptr ? end : static_cast<const char*>(tab);
      field = {at, static_cast<std::size_t>(field_end - at)};
      at = field_end + 1;
    }
    std::int64_t ms_played = 0;
    std::from_chars(fields[4].data(), fields[4].data() + fields[4].size(), ms_played);
    return static_cast<std::uint64_t>(Use(fields[2], fields[3], ms_played));
  });
}
BENCHMARK(BM_TsvPlaysByMemchr);

void BM_LinesByMemchr(benchmark::State& state) {
  LinesByMemchr(state, [](const char* line, const char* end) {
    return static_cast<std::uint64_t>(end - line);
  });
}
void BM_LineParser(benchmark::State& state) {
  const Block block(PlaysText(kBlockBytes));
  LineParser parser;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(), [&](const Line& line, std::string_view) { sum += line.text.size(); },
        [](std::string_view, std::string_view) {});
  }
  benchmark::DoNotOptimize(sum);
  Report(state, CountLines(block.view()), block.view().size());
}
BENCHMARK(BM_LinesByMemchr);
BENCHMARK(BM_LineParser);

void BM_WordsOfLines(benchmark::State& state) {
  const Block block(WordsText(/*words_per_line=*/10));
  LineParser parser;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    parser.Parse(
        block.block(),
        [&](const Line& line, std::string_view) {
          ForEachWord(line.text, [&](std::string_view word) {
            sum += word.size() + static_cast<unsigned char>(word[0]);
          });
        },
        [](std::string_view, std::string_view) {});
  }
  benchmark::DoNotOptimize(sum);
  Report(state, CountLines(block.view()), block.view().size());
}
BENCHMARK(BM_WordsOfLines);

// A memchr for each LF and each space.
void BM_WordsOfLinesByMemchr(benchmark::State& state) {
  const Block block(WordsText(/*words_per_line=*/10));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    const LineBlock lines = block.block();
    for (const char* word = lines.begin; word < lines.end;) {
      const char* const end = static_cast<const char*>(
          std::memchr(word, '\n', static_cast<std::size_t>(lines.end - word)));
      while (word <= end) {
        const void* const space = std::memchr(word, ' ', static_cast<std::size_t>(end - word));
        const char* const word_end = space == nullptr ? end : static_cast<const char*>(space);
        sum += static_cast<std::uint64_t>(word_end - word) + static_cast<unsigned char>(word[0]);
        word = word_end + 1;
      }
    }
  }
  benchmark::DoNotOptimize(sum);
  Report(state, CountLines(block.view()), block.view().size());
}
BENCHMARK(BM_WordsOfLinesByMemchr);

void BM_AppendTsvRow(benchmark::State& state) {
  const Block block(PlaysText(kBlockBytes));
  const Result<TsvColumns> columns = TsvColumns::For<Play>(kPlays);
  TsvParser<Play> parser(*columns);
  std::vector<Play> plays;
  parser.Parse(
      block.block(), [&](const Play& play, std::string_view) { plays.push_back(play); },
      [](std::string_view, std::string_view) {});
  RowBuffer out;
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    out.Clear();
    for (const Play& play : plays) AppendTsvRow(out, play.country, play);
    bytes = out.size();
  }
  Report(state, plays.size(), bytes);
}
BENCHMARK(BM_AppendTsvRow);

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Any bytes as TSV: the vector path and the portable one agree on every row and every reject, and
// what was read is read again from what AppendTsvRow writes.
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "mapreduce/formats/tsv.h"
#include "mapreduce/formats/tsv_writer.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

namespace {

struct Row {
  std::string_view text;
  std::int64_t number = 0;
  std::optional<std::string_view> maybe;
  MR_FIELDS(Row, text, number, maybe)
};
constexpr TsvLayout kLayout{"maybe", "text", "other", "number"};

/// Rows as they are written again, and rejects, one per line.
template <class Parser>
std::vector<std::string> Parse(std::string_view bytes, const TsvColumns& columns, bool swaps) {
  const auto padded = std::make_unique<char[]>(bytes.size() + kLineBlockPadding);
  if (!bytes.empty()) std::memcpy(padded.get(), bytes.data(), bytes.size());
  std::vector<std::string> lines;
  Parser parser(columns);
  parser.Parse(
      LineBlock{padded.get(), padded.get() + bytes.size(), 0},
      [&](const Row& row, std::string_view) {
        RowBuffer out;
        if (swaps) {
          AppendTsvRow(out, std::tuple(row.maybe, row.text), std::tuple("", row.number));
        } else {
          AppendTsvRow(out, row.text, std::tuple(row.number, row.maybe));
        }
        lines.emplace_back(out.view());
      },
      [&](std::string_view reason, std::string_view raw) {
        lines.push_back("reject " + std::string(reason) + " " + std::string(raw));
      });
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TsvColumns columns = *TsvColumns::For<Row>(kLayout);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  using Portable = BasicTsvParser<Row, PortableBytes64>;
  const std::vector<std::string> rows = Parse<TsvParser<Row>>(bytes, columns, false);
  FUZZ_CHECK((rows == Parse<Portable>(bytes, columns, false)));
  for (const std::string& line : Parse<TsvParser<Row>>(bytes, columns, true)) {
    if (line.starts_with("reject ")) continue;
    const std::vector<std::string> again = Parse<TsvParser<Row>>(line, columns, true);
    FUZZ_CHECK(again.size() == 1 && again.front() == line);
  }
  return 0;
}

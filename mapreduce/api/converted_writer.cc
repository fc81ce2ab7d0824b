// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/converted_writer.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;  // So that memory stays small.
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;  // Not a giant row's room.

}  // namespace

Status ConvertedWriter::Rows::AppendRows(std::string_view text, std::uint64_t rows) {
  while (text.size() > kPieceBytes) {
    const std::string_view piece = text.substr(0, text.find('\n', kPieceBytes) + 1);
    if (piece.size() == text.size()) break;
    const auto count = static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
    MR_RETURN_IF_ERROR(Convert(piece, count));
    text.remove_prefix(piece.size());
    rows -= count;
  }
  return Convert(text, rows);
}

Status ConvertedWriter::Rows::Convert(std::string_view text, std::uint64_t rows) {
  converted_.Clear();
  if (Status status = converter_->Append(text, converted_); !status.ok())
    return status.Annotate("output ", output_);
  const Status status = sink_.AppendRows(converted_.view(), rows);
  if (converted_.capacity() > kKeptBytesMax) converted_ = RowBuffer();
  return status;
}

}  // namespace millrace

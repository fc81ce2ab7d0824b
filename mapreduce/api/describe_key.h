// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_DESCRIBE_KEY_H_
#define MAPREDUCE_API_DESCRIBE_KEY_H_

#include <string>
#include <string_view>

#include "mapreduce/api/columns.h"
#include "mapreduce/api/key_codec.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {

/// An encoded key for a message: its columns as TSV (the encoded bytes, if it has none) in quotes,
/// cut at 80 bytes.
template <class K>
std::string DescribeKey(std::string_view encoded) {
  constexpr std::size_t kShownMax = 80;
  K key{};
  DecodeScratch scratch;
  DecodeKey<true>(encoded.data(), encoded.data() + encoded.size(), &key, scratch);
  RowBuffer row;
  if constexpr (HasColumns<std::remove_cvref_t<decltype(AsColumns(key))>>()) {
    AppendTsv(row, AsColumns(key));
  } else {
    AppendEscaped(row, encoded);
  }
  std::string shown(row.view().substr(0, kShownMax));
  if (row.size() > kShownMax) shown += "…";
  return "'" + shown + "'";
}

}  // namespace millrace

#endif  // MAPREDUCE_API_DESCRIBE_KEY_H_

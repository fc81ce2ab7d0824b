// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_WRITE_OPERATORS_H_
#define MAPREDUCE_API_WRITE_OPERATORS_H_

// Output formats, and the operator that turns emitted records into rows of one. A format whose
// AppendRow returns bool can fail: false ends the run with exit code 65 and the format's kFailure.
// One with kHasColumns makes lines of TSV with a column for each of ForEachColumn
// (output_columns.h); they can be written in other formats, too.

#include <cstring>
#include <string_view>
#include <type_traits>

#include "mapreduce/api/columns.h"
#include "mapreduce/api/describe_key.h"
#include "mapreduce/api/key_codec.h"
#include "mapreduce/api/operators.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {

/// Tab-separated columns of key and value, escaped as PostgreSQL's COPY writes text.
struct Tsv {
  static constexpr std::string_view kExtension = "tsv";
  static constexpr bool kHasColumns = true;
  template <class K, class V>
  static void AppendRow(RowBuffer& out, const K& key, const V& value) {
    AppendTsvRow(out, AsColumns(key), AsColumns(value));
  }
};

/// The key as a line of its own, its bytes as they are.
struct Text {
  static constexpr std::string_view kExtension = "tsv";
  template <class V>
  static void AppendRow(RowBuffer& out, std::string_view line, const V&) {
    char* const to = out.Room(line.size() + 1);  // At once: for a giant line the room is exact.
    if (!line.empty()) std::memcpy(to, line.data(), line.size());
    to[line.size()] = '\n';
    out.Commit(line.size() + 1);
  }
};

/// Whether the rows of a format have columns, which can be named.
template <class Format>
concept FormatWithColumns = requires {
  requires Format::kHasColumns;
};

template <class Format, class K, class V>
class FormatWriteOperator final : public WriteOperator {
 public:
  explicit FormatWriteOperator(RowSink& sink) : sink_(sink) {}

  Status Consume(EmitBatch& batch) override {
    for (std::size_t i = 0; i < batch.count(); ++i) {
      const char* const record = batch.begin() + batch.offset(i);
      const char* const key = EmitBatch::Key(record);
      const char* const value = key + EmitBatch::KeyBytes(record);
      scratch_.Clear();
      DecodeKey<true>(key, value, &key_, scratch_);
      DecodeValue<true>(value, value + EmitBatch::ValueBytes(record), &value_);
      if constexpr (std::is_void_v<decltype(Format::AppendRow(rows_, key_, value_))>) {
        Format::AppendRow(rows_, key_, value_);
      } else if (!Format::AppendRow(rows_, key_, value_)) {
        rows_.Clear();  // The last row is not whole.
        row_count_ = 0;
        return Status::BadData(Format::kFailure, " for the key ",
                               DescribeKey<K>({key, EmitBatch::KeyBytes(record)}));
      }
    }
    row_count_ += batch.count();
    return rows_.size() >= kFlushBytes ? Flush() : Status::Ok();
  }
  Status Close() override { return Flush(); }

 private:
  static constexpr std::size_t kFlushBytes = std::size_t{64} << 10;
  static constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;  // Not a giant row's room.

  Status Flush() {
    if (row_count_ == 0) return Status::Ok();
    const Status status = sink_.AppendRows(rows_.view(), row_count_);
    rows_.Clear();
    if (rows_.capacity() > kKeptBytesMax) rows_ = RowBuffer();
    row_count_ = 0;
    return status;
  }

  RowSink& sink_;
  RowBuffer rows_;
  std::uint64_t row_count_ = 0;
  K key_{};
  V value_{};
  DecodeScratch scratch_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_WRITE_OPERATORS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RANGE_SLICER_H_
#define MAPREDUCE_SHUFFLE_RANGE_SLICER_H_

// Cuts what a cursor reads block by block down to the range it was asked for: blocks begin before
// the range and end behind it.

#include <algorithm>
#include <cstddef>
#include <span>

#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// Takes the batches of one pass in order. One thread at a time.
class RangeSlicer {
 public:
  explicit RangeSlicer(const KeyRange& range) : range_(range), is_before_begin_(range.begin) {
    if (range_.begin) begin_ = MakeRecordView(*range_.begin, {});
    if (range_.end) end_ = MakeRecordView(*range_.end, {});
  }
  RangeSlicer(const RangeSlicer&) = delete;
  RangeSlicer& operator=(const RangeSlicer&) = delete;

  const KeyRange& range() const { return range_; }
  /// Whether no key can be in the range.
  bool is_empty() const { return range_.begin && range_.end && *range_.begin >= *range_.end; }
  /// Those of the next batch, of at least one, that are in the range.
  std::span<const RecordView> Slice(std::span<const RecordView> records) {
    if (is_before_begin_) {
      records = records.subspan(CountBefore(records, begin_));
      if (records.empty()) return records;
      is_before_begin_ = false;
    }
    if (range_.end && !KeyLess(records.back(), end_)) {
      records = records.first(CountBefore(records, end_));
      is_past_end_ = true;
    }
    return records;
  }
  /// Whether nothing that follows is in the range.
  bool is_past_end() const { return is_past_end_; }

 private:
  static std::size_t CountBefore(std::span<const RecordView> records, const RecordView& border) {
    return static_cast<std::size_t>(
        std::lower_bound(records.begin(), records.end(), border, KeyLess) - records.begin());
  }

  const KeyRange range_;
  RecordView begin_, end_;  // Of range_, where it has them.
  bool is_before_begin_;
  bool is_past_end_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RANGE_SLICER_H_

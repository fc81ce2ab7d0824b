// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_GROUP_READER_H_
#define MAPREDUCE_SHUFFLE_GROUP_READER_H_

// Cuts a merged stream into groups of equal keys, or of equal key prefixes (secondary sort). The
// values of a group stream by: one key may have a billion of them.
//
//   while (groups.NextGroup()) {
//     use(groups.key());
//     while (groups.NextValue()) use(groups.record());
//   }

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/merger.h"

namespace millrace {

/// One thread at a time. The merger is started and outlives it.
class GroupReader {
 public:
  /// How many bytes of an encoded key make its group.
  using PrefixBytes = std::size_t (*)(std::string_view key);

  /// `prefix_bytes` null: the whole key.
  explicit GroupReader(Merger& merger, PrefixBytes prefix_bytes = nullptr)
      : merger_(merger), prefix_bytes_(prefix_bytes) {
    has_record_ = merger_.Next();
  }

  /// Skips what is left of this group and goes to the next. False at the end or on error.
  bool NextGroup() {
    while (has_record_ && in_group_ && NextValue()) {
    }
    if (!has_record_) return false;
    const RecordView& record = merger_.record();
    const std::size_t bytes =
        prefix_bytes_ == nullptr ? record.key_bytes : prefix_bytes_(record.key_view());
    if (bytes > key_room_) [[unlikely]]
      GrowKey(bytes);
    CopyShort(key_.get(), record.key, bytes);
    key_bytes_ = bytes;
    prefix_ = record.prefix;
    in_group_ = true;
    at_first_ = true;
    return true;
  }

  /// Goes to the next value of the group, first to its first. False when the group has no more.
  bool NextValue() {
    if (!in_group_) return false;
    if (at_first_) {
      at_first_ = false;
      return true;
    }
    has_record_ = merger_.Next();
    in_group_ = has_record_ && IsSame(merger_.record());
    return in_group_;
  }

  /// The group's encoded key, or key prefix.
  std::string_view key() const { return {key_.get(), key_bytes_}; }
  /// The current record; its views live until the next call of NextValue or NextGroup.
  const RecordView& record() const { return merger_.record(); }
  const Status& status() const { return merger_.status(); }

 private:
  bool IsSame(const RecordView& record) const {
    if (prefix_bytes_ == nullptr) {
      if (record.prefix != prefix_ || record.key_bytes != key_bytes_) return false;
      return EqualBehindPrefix(record.key, key_.get(), key_bytes_);
    }
    return KeyStartsWith(record, key(), prefix_);
  }
  [[gnu::noinline]] void GrowKey(std::size_t bytes) {
    key_room_ = std::max(bytes, 2 * key_room_);
    key_ = std::make_unique_for_overwrite<char[]>(key_room_ + kCopyShortSlack);
  }

  Merger& merger_;
  const PrefixBytes prefix_bytes_;
  std::unique_ptr<char[]> key_ = std::make_unique<char[]>(kCopyShortSlack);  // Never null.
  std::size_t key_room_ = 0;
  std::size_t key_bytes_ = 0;
  std::uint64_t prefix_ = 0;
  bool has_record_ = false;
  bool in_group_ = false;
  bool at_first_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_GROUP_READER_H_

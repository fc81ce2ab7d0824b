// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_
#define MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// The digest of a run's records, whatever blocks they are in: XXH3-128 of
///
///   (key_bytes:u32 key value_bytes:u32 value)*        little-endian
///
/// With marks it also tells what it was at some keys: where two runs differ, the first mark that
/// does says from which of these keys on.
///
/// One thread at a time. Cost: a copy and a hash, some 10 ns for 50 bytes; with marks a compare of
/// a word for most records, and some 100 ns for each mark.
class RecordDigest {
 public:
  RecordDigest() = default;
  /// `mark_keys` are in order, and outlive it.
  explicit RecordDigest(const std::vector<std::string>& mark_keys) : mark_keys_(&mark_keys) {
    marks_.reserve(mark_keys.size());
    ShowNextMark();
  }

  void Add(const RecordView& record) {
    if (next_mark_ != nullptr && KeyLess(mark_view_, record)) [[unlikely]]
      PassMarks(record);
    AddPiece(record.key_view());
    AddPiece(record.value_view());
  }
  /// Of all records so far; more may follow.
  Hash128 Digest() {
    Flush();
    return hasher_.Digest();
  }
  /// For each mark: 32 bits of the digest of the records whose keys are not larger. Requires: the
  /// records came in key order; no more follow.
  const std::vector<std::uint32_t>& Marks() {
    if (mark_keys_ != nullptr && marks_.size() < mark_keys_->size())
      marks_.resize(mark_keys_->size(), Mark());
    return marks_;
  }

 private:
  std::uint32_t Mark() { return static_cast<std::uint32_t>(Digest().low); }
  void ShowNextMark() {
    next_mark_ = marks_.size() < mark_keys_->size() ? &(*mark_keys_)[marks_.size()] : nullptr;
    if (next_mark_ != nullptr) mark_view_ = MakeRecordView(*next_mark_, {});
  }
  // `record` comes behind the next mark.
  [[gnu::noinline]] void PassMarks(const RecordView& record) {
    const std::uint32_t mark = Mark();
    while (next_mark_ != nullptr && KeyLess(mark_view_, record)) {
      marks_.push_back(mark);
      ShowNextMark();
    }
  }

  static constexpr std::size_t kBufferBytes = 1024;

  // Short pieces are gathered: a call of the hasher costs more than a copy.
  void AddPiece(std::string_view piece) {
    if (kBufferBytes - used_ < 4 + piece.size()) Flush();
    StoreLittle32(buffer_ + used_, static_cast<std::uint32_t>(piece.size()));
    used_ += 4;
    if (kBufferBytes - used_ < piece.size()) {
      Flush();
      hasher_.Update(piece);
    } else if (!piece.empty()) {  // It may be null.
      CopyShort(buffer_ + used_, piece.data(), piece.size());
      used_ += piece.size();
    }
  }
  void Flush() {
    hasher_.Update({buffer_, used_});
    used_ = 0;
  }

  Hasher128 hasher_;
  char buffer_[kBufferBytes + kCopyShortSlack];
  std::size_t used_ = 0;
  const std::vector<std::string>* mark_keys_ = nullptr;
  const std::string* next_mark_ = nullptr;
  RecordView mark_view_;  // Its key.
  std::vector<std::uint32_t> marks_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_

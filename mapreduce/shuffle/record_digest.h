// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_
#define MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_

#include <cstddef>
#include <cstring>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// The digest of a run's records, whatever blocks they are in: XXH3-128 of
///
///   (key_bytes:u32 key value_bytes:u32 value)*        little-endian
///
/// One thread at a time. Cost: a copy and a hash, some 10 ns for 50 bytes.
class RecordDigest {
 public:
  void Add(const RecordView& record) {
    AddPiece(record.key_view());
    AddPiece(record.value_view());
  }
  /// Of all records so far; more may follow.
  Hash128 Digest() {
    Flush();
    return hasher_.Digest();
  }

 private:
  // Short pieces are gathered: a call of the hasher costs more than a copy.
  void AddPiece(std::string_view piece) {
    if (sizeof buffer_ - used_ < 4 + piece.size()) Flush();
    StoreLittle32(buffer_ + used_, static_cast<std::uint32_t>(piece.size()));
    used_ += 4;
    if (sizeof buffer_ - used_ < piece.size()) {
      Flush();
      hasher_.Update(piece);
    } else if (!piece.empty()) {  // It may be null.
      std::memcpy(buffer_ + used_, piece.data(), piece.size());
      used_ += piece.size();
    }
  }
  void Flush() {
    hasher_.Update({buffer_, used_});
    used_ = 0;
  }

  Hasher128 hasher_;
  char buffer_[1024];
  std::size_t used_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_DIGEST_H_

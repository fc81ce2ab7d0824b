// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_CODEC_H_
#define MAPREDUCE_SHUFFLE_RECORD_CODEC_H_

// Sorted records as the bytes of a block, in run files and in memory alike:
//
//   payload := (lengths key_tail value_tail)*
//   lengths := (4 * shared + form):varint [unshared:varint value_bytes:varint] [head:varint]
//
// `shared` is how many bytes the key has in common with the one before it. Bit 0 of `form`: key and
// value are as long as those before, which then are not said. Bit 1: the value shares its first
// `head` bytes with the block's last value that is there as a whole. A block's first record has
// form 0 and shares nothing, so a block stands alone. A record of 15 M listeners took 15 bytes this
// way instead of 46 as emitted and indexed, and a merge reads them forward instead of jumping.
// Costs about 7 ns to write and 16 to read, for short records in the cache.
//
// Heads are for values of which at least half is the same in row after row, as of those that say
// where they come from (Origin: revenue takes 71 instead of 91 MiB). One word in the middle tells
// of most others that they are not.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// Encodes the records of one run after the other. One thread at a time.
class RecordEncoder {
 public:
  /// Three varints of 32 bits; a value's head saves more than its length takes.
  static constexpr std::size_t kLengthsBytesMax = 3 * 5;
  /// What Put may write behind its end.
  static constexpr std::size_t kCopySlack = kCopyShortSlack;
  /// Keys share at most so many bytes; a longer key's rest is neither kept nor compared.
  static constexpr std::uint32_t kSharedBytesMax = std::uint32_t{1} << 20;

  struct Comparison {
    std::uint32_t shared;  ///< Bytes; 0 where they are too few to be worth it.
    bool is_sorted;        ///< Not smaller than the key before.
  };
  /// How the key relates to the one before it.
  Comparison Compare(const RecordView& record) const;

  /// Writes the record and returns its end. `shared`: Compare's. Requires: room for
  /// kLengthsBytesMax, key, value and kCopySlack bytes.
  char* Put(char* to, const RecordView& record, std::uint32_t shared);
  /// Put for a block's first record.
  char* PutFirst(char* to, const RecordView& record);
  /// The record was written elsewhere: it is now the one before the next.
  void Note(const RecordView& record, std::uint32_t shared);

 private:
  std::uint32_t HeadOf(const RecordView& record) const;
  char* PutTail(char* to, const RecordView& record, std::uint32_t shared, std::uint32_t head);
  void Grow(std::uint32_t bytes, std::uint32_t kept);

  std::unique_ptr<char[]> last_key_;
  std::uint32_t capacity_ = 0;
  std::uint32_t kept_key_bytes_ = 0;  // In last_key_.
  std::uint32_t last_key_bytes_ = 0;
  std::uint32_t last_value_bytes_ = 0;
  std::uint64_t last_prefix_ = 0;
  const char* whole_value_ = nullptr;  // The block's last, in the block.
  std::uint32_t whole_value_bytes_ = 0;
};

/// Decodes the records of one block after the other. One thread at a time. Memory: 2 KiB of views,
/// and `room` for the keys and values of a batch that had to be put together, or what the last key,
/// a key and a value take (RecordEncoder lets none of more than 1 KiB share a part).
class RecordDecoder {
 public:
  static constexpr std::size_t kViewBytes = std::size_t{2} << 10;

  explicit RecordDecoder(std::size_t room) : room_(room) {}
  /// Starts a block of `count` records. The payload outlives the views.
  void Begin(const char* payload, const char* end, std::uint32_t count);
  /// Records of the block that were not decoded yet.
  std::uint32_t records_left() const { return records_left_; }
  /// Gives up the rest of the block.
  void Skip() { records_left_ = 0; }

  /// The next records, at least one; or nothing where the bytes are no records. The views live
  /// until the next call. Requires: records_left() > 0.
  std::optional<std::span<const RecordView>> Next();
  /// Whether the last record ended with the payload. Requires: records_left() == 0.
  bool at_end() const { return at_ == end_; }

 private:
  struct Lengths {
    std::uint64_t shared, unshared, value_bytes, head;
  };
  const char* GetLengths(const char* from, Lengths* lengths) const;
  char* KeepLastKey();
  char* Grow(std::size_t bytes);

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::uint32_t records_left_ = 0;
  const char* last_key_ = nullptr;  // In the block, or in rebuilt_.
  std::size_t last_key_bytes_ = 0;
  std::size_t last_value_bytes_ = 0;
  const char* whole_value_ = nullptr;  // In the block.
  std::size_t whole_value_bytes_ = 0;

  const std::size_t room_;
  std::vector<RecordView> views_;
  std::unique_ptr<char[]> rebuilt_;  // Of this batch, and kCopySlack bytes of room.
  std::size_t rebuilt_bytes_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_CODEC_H_

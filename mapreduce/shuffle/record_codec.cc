// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

// 2 KiB of views: the heads of a merge of 60 runs stay in the cache (256: +15 % of a job's CPU
// time).
constexpr std::size_t kBatchRecords = 64;
constexpr std::size_t kBatchKeyBytes = std::size_t{64} << 10;  // Of rebuilt keys.
constexpr std::uint32_t kLastKeyBytesMin = 256;

// How many bytes, from byte 8 on, two keys share; their first 8 bytes are equal.
std::uint32_t SharedBehindPrefix(const char* a, const char* b, std::uint32_t shorter) {
  std::uint32_t i = 8;
  for (; i + 8 <= shorter; i += 8) {
    const std::uint64_t difference = LoadBig64(a + i) ^ LoadBig64(b + i);
    if (difference != 0) return i + static_cast<std::uint32_t>(std::countl_zero(difference)) / 8;
  }
  while (i < shorter && a[i] == b[i]) ++i;
  return i;
}

}  // namespace

RecordEncoder::Comparison RecordEncoder::Compare(const RecordView& record) const {
  const std::uint32_t shorter = std::min(record.key_bytes, last_key_bytes_);
  if (const std::uint64_t difference = record.prefix ^ last_prefix_; difference != 0) {
    return {std::min(static_cast<std::uint32_t>(std::countl_zero(difference)) / 8, shorter),
            record.prefix > last_prefix_};
  }
  const std::uint32_t shared =
      shorter <= 8 ? shorter : SharedBehindPrefix(record.key, last_key_.get(), shorter);
  return {shared, shared == shorter ? record.key_bytes >= last_key_bytes_
                                    : static_cast<unsigned char>(record.key[shared]) >
                                          static_cast<unsigned char>(last_key_[shared])};
}

char* RecordEncoder::Put(char* to, const RecordView& record, std::uint32_t shared) {
  const std::uint32_t unshared = record.key_bytes - shared;
  to = PutVarint(to, shared);
  to = PutVarint(to, unshared);
  to = PutVarint(to, record.value_bytes);
  if (unshared != 0) CopyShort(to, record.key + shared, unshared);  // The key may be null.
  to += unshared;
  if (record.value_bytes != 0) CopyShort(to, record.value, record.value_bytes);  // May be null.
  Note(record, shared);
  return to + record.value_bytes;
}

// Keeps the key; its first `shared` bytes are there already.
void RecordEncoder::Note(const RecordView& record, std::uint32_t shared) {
  const std::uint32_t kept_bytes = std::min(record.key_bytes, kSharedBytesMax);
  if (kept_bytes > capacity_) [[unlikely]]
    Grow(kept_bytes, std::min(shared, last_key_bytes_));
  last_key_bytes_ = kept_bytes;
  if (shared < kept_bytes)
    CopyShort(last_key_.get() + shared, record.key + shared, kept_bytes - shared);
  last_prefix_ = record.prefix;
}

void RecordEncoder::Grow(std::uint32_t bytes, std::uint32_t kept) {
  const std::uint32_t capacity = std::max({bytes, 2 * capacity_, kLastKeyBytesMin});
  auto larger = std::make_unique_for_overwrite<char[]>(capacity + kCopySlack);
  if (kept > 0) std::memcpy(larger.get(), last_key_.get(), kept);
  last_key_ = std::move(larger);
  capacity_ = capacity;
}

void RecordDecoder::Begin(const char* payload, const char* end, std::uint32_t count) {
  at_ = payload;
  end_ = end;
  records_left_ = count;
  last_key_ = nullptr;
  last_key_bytes_ = 0;
}

// A batch ends early where the room for rebuilt keys does: keys that share megabytes would fill
// any memory.
std::optional<std::span<const RecordView>> RecordDecoder::Next() {
  if (views_.empty()) views_.resize(kBatchRecords);
  char* key_to = KeepLastKey();
  const std::size_t count_max = std::min<std::size_t>(records_left_, kBatchRecords);
  std::size_t count = 0;
  while (count < count_max) {
    std::uint64_t shared, unshared, value_bytes;
    const char* const tail = GetLengths(at_, &shared, &unshared, &value_bytes);
    if (tail == nullptr) return std::nullopt;
    const auto room = static_cast<std::uint64_t>(end_ - tail);
    if (shared > last_key_bytes_ || unshared > room || value_bytes > room - unshared ||
        shared + unshared > kKeyBytesMax) {
      return std::nullopt;
    }
    const auto key_bytes = static_cast<std::size_t>(shared + unshared);
    const char* key;
    if (shared == 0) {
      key = tail;
    } else if (key_bytes == shared && shared == last_key_bytes_) {
      key = last_key_;
    } else {
      if (key_bytes > static_cast<std::size_t>(keys_.get() + keys_bytes_ - key_to)) {
        if (count > 0) break;
        key_to = GrowKeys(key_bytes);
      }
      CopyShort(key_to, last_key_, shared);
      CopyShort(key_to + shared, tail, unshared);
      key = key_to;
      key_to += key_bytes;
    }
    views_[count++] = {KeyPrefix(key, key_bytes), key, tail + unshared,
                       static_cast<std::uint32_t>(key_bytes),
                       static_cast<std::uint32_t>(value_bytes)};
    last_key_ = key;
    last_key_bytes_ = key_bytes;
    at_ = tail + unshared + value_bytes;
  }
  records_left_ -= static_cast<std::uint32_t>(count);
  return std::span<const RecordView>(views_.data(), count);
}

// The three lengths before a record; returns what is behind them, or nullptr on damage.
const char* RecordDecoder::GetLengths(const char* from, std::uint64_t* shared,
                                      std::uint64_t* unshared, std::uint64_t* value_bytes) const {
  if (end_ - from >= 3 && ((from[0] | from[1] | from[2]) & 0x80) == 0) [[likely]] {
    *shared = static_cast<unsigned char>(from[0]);
    *unshared = static_cast<unsigned char>(from[1]);
    *value_bytes = static_cast<unsigned char>(from[2]);
    return from + 3;
  }
  from = GetVarint(from, end_, shared);
  if (from != nullptr) from = GetVarint(from, end_, unshared);
  if (from != nullptr) from = GetVarint(from, end_, value_bytes);
  return from;
}

// Starts a new batch in keys_: its bytes are free but for the last key, which moves to the front.
// Returns where the next key goes.
char* RecordDecoder::KeepLastKey() {
  if (keys_ == nullptr) {
    keys_ = std::make_unique_for_overwrite<char[]>(kBatchKeyBytes + RecordEncoder::kCopySlack);
    keys_bytes_ = kBatchKeyBytes;
  }
  const bool is_in_keys = std::less_equal<>{}(static_cast<const char*>(keys_.get()), last_key_) &&
                          std::less<>{}(last_key_, keys_.get() + keys_bytes_);
  if (!is_in_keys) return keys_.get();
  std::memmove(keys_.get(), last_key_, last_key_bytes_);
  last_key_ = keys_.get();
  return keys_.get() + last_key_bytes_;
}

// Room for one more key behind the last one, of which no view exists in this batch.
char* RecordDecoder::GrowKeys(std::size_t key_bytes) {
  const std::size_t larger_bytes = last_key_bytes_ + key_bytes;
  auto larger = std::make_unique_for_overwrite<char[]>(larger_bytes + RecordEncoder::kCopySlack);
  std::memcpy(larger.get(), last_key_, last_key_bytes_);
  keys_ = std::move(larger);
  keys_bytes_ = larger_bytes;
  last_key_ = keys_.get();
  return keys_.get() + last_key_bytes_;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

// 2 KiB of views: the heads of a merge of 60 runs stay in the cache (256: +15 % of a job's CPU
// time).
constexpr std::size_t kBatchRecords = RecordDecoder::kViewBytes / sizeof(RecordView);
static_assert(kBatchRecords == 64);
constexpr std::uint32_t kLastKeyBytesMin = 256;
constexpr std::uint32_t kKeyBytesPerShared = 16;
constexpr std::uint32_t kRebuiltKeyBytesMax = RecordDecoder::kViewBytes / 2;

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
  const std::uint32_t shorter = std::min(record.key_bytes, kept_key_bytes_);
  // The reader puts a key that shares some bytes together anew: for few bytes of a long key that is
  // not worth it, and for a very long one it takes memory that nobody counts.
  const auto worth_sharing = [&](std::uint32_t shared) {
    if (shared == record.key_bytes) return shared;  // The reader has it.
    const bool is_worth_it =
        shared >= record.key_bytes / kKeyBytesPerShared && record.key_bytes <= kRebuiltKeyBytesMax;
    return is_worth_it ? shared : 0;
  };
  if (const std::uint64_t difference = record.prefix ^ last_prefix_; difference != 0) {
    const auto shared = static_cast<std::uint32_t>(std::countl_zero(difference)) / 8;
    return {worth_sharing(std::min(shared, shorter)), record.prefix > last_prefix_};
  }
  const std::uint32_t shared =
      shorter <= 8 ? shorter : SharedBehindPrefix(record.key, last_key_.get(), shorter);
  return {worth_sharing(shared), shared == shorter
                                     ? record.key_bytes >= kept_key_bytes_
                                     : static_cast<unsigned char>(record.key[shared]) >
                                           static_cast<unsigned char>(last_key_[shared])};
}

char* RecordEncoder::Put(char* to, const RecordView& record, std::uint32_t shared) {
  if (record.key_bytes != last_key_bytes_ || record.value_bytes != last_value_bytes_) {
    to = PutVarint(to, std::uint64_t{shared} << 1);
    to = PutVarint(to, record.key_bytes - shared);
    to = PutVarint(to, record.value_bytes);
  } else {
    to = PutVarint(to, std::uint64_t{shared} << 1 | 1);
  }
  return PutTail(to, record, shared);
}

char* RecordEncoder::PutFirst(char* to, const RecordView& record) {
  to = PutVarint(to, 0);
  to = PutVarint(to, record.key_bytes);
  to = PutVarint(to, record.value_bytes);
  return PutTail(to, record, 0);
}

inline char* RecordEncoder::PutTail(char* to, const RecordView& record, std::uint32_t shared) {
  const std::uint32_t unshared = record.key_bytes - shared;
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
    Grow(kept_bytes, std::min(shared, kept_key_bytes_));
  kept_key_bytes_ = kept_bytes;
  if (shared < kept_bytes)
    CopyShort(last_key_.get() + shared, record.key + shared, kept_bytes - shared);
  last_key_bytes_ = record.key_bytes;
  last_value_bytes_ = record.value_bytes;
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
  last_value_bytes_ = std::numeric_limits<std::size_t>::max();  // No record is so long.
}

// A batch ends early where the room for rebuilt keys does: keys that share megabytes would fill
// any memory.
std::optional<std::span<const RecordView>> RecordDecoder::Next() {
  if (views_.empty()) views_.resize(kBatchRecords);
  char* key_to = KeepLastKey();
  const std::size_t count_max = std::min<std::size_t>(records_left_, kBatchRecords);
  std::size_t count = 0;
  while (count < count_max) {
    Lengths lengths;
    const char* const tail = GetLengths(at_, &lengths);
    if (tail == nullptr) return std::nullopt;
    const auto& [shared, unshared, value_bytes] = lengths;
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
    // A key that was just put together would be waited for (4 % of merging 15 M listeners).
    const std::uint64_t prefix =
        shared >= 8 && count > 0 ? views_[count - 1].prefix : KeyPrefix(key, key_bytes);
    views_[count++] = {prefix, key, tail + unshared, static_cast<std::uint32_t>(key_bytes),
                       static_cast<std::uint32_t>(value_bytes)};
    last_key_ = key;
    last_key_bytes_ = key_bytes;
    last_value_bytes_ = static_cast<std::size_t>(value_bytes);
    at_ = tail + unshared + value_bytes;
  }
  records_left_ -= static_cast<std::uint32_t>(count);
  return std::span<const RecordView>(views_.data(), count);
}

// The lengths before a record; returns what is behind them, or nullptr on damage. A key that shares
// more than the last one has becomes one of nearly 2^64 unshared bytes: too long in any case.
inline const char* RecordDecoder::GetLengths(const char* from, Lengths* lengths) const {
  std::uint64_t shared_and_form;
  from = GetVarint(from, end_, &shared_and_form);
  if (from == nullptr) return nullptr;
  lengths->shared = shared_and_form >> 1;
  if ((shared_and_form & 1) != 0) [[likely]] {
    lengths->unshared = last_key_bytes_ - lengths->shared;
    lengths->value_bytes = last_value_bytes_;
    return from;
  }
  from = GetVarint(from, end_, &lengths->unshared);
  if (from != nullptr) from = GetVarint(from, end_, &lengths->value_bytes);
  return from;
}

// Starts a new batch in keys_: its bytes are free but for the last key, which moves to the front.
// Returns where the next key goes.
char* RecordDecoder::KeepLastKey() {
  if (keys_ == nullptr) {
    keys_ = std::make_unique_for_overwrite<char[]>(key_room_ + RecordEncoder::kCopySlack);
    keys_bytes_ = key_room_;
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

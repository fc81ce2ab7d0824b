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
constexpr std::uint32_t kHeadBytesMin = 16;  // A shorter head of a value is not shared.
constexpr std::uint32_t kRebuiltBytesMax = RecordDecoder::kViewBytes / 2;
// In the lengths' first number, below what is shared.
constexpr std::uint64_t kSameLengths = 1, kHasHead = 2;
constexpr int kFormBits = 2;

// How many bytes two strings share of `shorter`; their first 8 bytes are equal.
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
        shared >= record.key_bytes / kKeyBytesPerShared && record.key_bytes <= kRebuiltBytesMax;
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

// How many bytes the value shares with the last whole one; 0 where it is not worth it: like the
// key's, they are put together anew. It is asked of each record: sort, whose values share nothing,
// shall not notice.
inline std::uint32_t RecordEncoder::HeadOf(const RecordView& record) const {
  const std::uint32_t half = record.value_bytes / 2;
  if (half < kHeadBytesMin || half > whole_value_bytes_) return 0;
  if (LoadBig64(record.value + half - 8) != LoadBig64(whole_value_ + half - 8)) return 0;
  if (record.value_bytes > kRebuiltBytesMax) return 0;
  if (LoadBig64(record.value) != LoadBig64(whole_value_)) return 0;
  const std::uint32_t head = SharedBehindPrefix(record.value, whole_value_,
                                                std::min(record.value_bytes, whole_value_bytes_));
  return head >= half ? head : 0;
}

char* RecordEncoder::Put(char* to, const RecordView& record, std::uint32_t shared) {
  const std::uint32_t head = HeadOf(record);
  std::uint64_t shared_and_form = std::uint64_t{shared} << kFormBits;
  if (head != 0) shared_and_form |= kHasHead;
  if (record.key_bytes != last_key_bytes_ || record.value_bytes != last_value_bytes_) {
    to = PutVarint(to, shared_and_form);
    to = PutVarint(to, record.key_bytes - shared);
    to = PutVarint(to, record.value_bytes);
  } else {
    to = PutVarint(to, shared_and_form | kSameLengths);
  }
  if (head != 0) to = PutVarint(to, head);
  return PutTail(to, record, shared, head);
}

char* RecordEncoder::PutFirst(char* to, const RecordView& record) {
  to = PutVarint(to, 0);
  to = PutVarint(to, record.key_bytes);
  to = PutVarint(to, record.value_bytes);
  return PutTail(to, record, 0, 0);
}

inline char* RecordEncoder::PutTail(char* to, const RecordView& record, std::uint32_t shared,
                                    std::uint32_t head) {
  const std::uint32_t unshared = record.key_bytes - shared;
  if (unshared != 0) CopyShort(to, record.key + shared, unshared);  // The key may be null.
  to += unshared;
  const std::uint32_t value_tail = record.value_bytes - head;
  if (value_tail != 0) CopyShort(to, record.value + head, value_tail);  // May be null.
  if (head == 0) {
    whole_value_ = to;
    whole_value_bytes_ = record.value_bytes;
  }
  Note(record, shared);
  return to + value_tail;
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
  whole_value_ = nullptr;
  whole_value_bytes_ = 0;
}

// A batch ends early where the room does for what is put together: keys that share megabytes would
// fill any memory.
std::optional<std::span<const RecordView>> RecordDecoder::Next() {
  if (views_.empty()) views_.resize(kBatchRecords);
  char* to = KeepLastKey();
  const std::size_t count_max = std::min<std::size_t>(records_left_, kBatchRecords);
  std::size_t count = 0;
  while (count < count_max) {
    Lengths lengths;
    const char* const tail = GetLengths(at_, &lengths);
    if (tail == nullptr) return std::nullopt;
    const auto& [shared, unshared, value_bytes, head] = lengths;
    const auto room = static_cast<std::uint64_t>(end_ - tail);
    const std::uint64_t value_tail = value_bytes - head;  // Too much where the head is too long.
    if (shared > last_key_bytes_ || unshared > room || value_tail > room - unshared ||
        head > whole_value_bytes_ || shared + unshared > kKeyBytesMax) {
      return std::nullopt;
    }
    const auto key_bytes = static_cast<std::size_t>(shared + unshared);
    const bool has_key = shared == 0 || (unshared == 0 && shared == last_key_bytes_);
    if (!has_key || head != 0) {
      const std::size_t bytes =
          (has_key ? 0 : key_bytes) + (head == 0 ? 0 : static_cast<std::size_t>(value_bytes));
      if (bytes > static_cast<std::size_t>(rebuilt_.get() + rebuilt_bytes_ - to)) {
        if (count > 0) break;
        to = Grow(bytes);
      }
    }
    const char* key;
    if (has_key) {
      key = shared == 0 ? tail : last_key_;
    } else {
      CopyShort(to, last_key_, shared);
      CopyShort(to + shared, tail, unshared);
      key = to;
      to += key_bytes;
    }
    const char* value = tail + unshared;
    if (head == 0) {
      whole_value_ = value;
      whole_value_bytes_ = static_cast<std::size_t>(value_bytes);
    } else {
      std::memcpy(to, whole_value_, head);
      CopyShort(to + head, value, value_tail);
      value = to;
      to += value_bytes;
    }
    // A key that was just put together would be waited for (4 % of merging 15 M listeners).
    const std::uint64_t prefix =
        shared >= 8 && count > 0 ? views_[count - 1].prefix : KeyPrefix(key, key_bytes);
    views_[count++] = {prefix, key, value, static_cast<std::uint32_t>(key_bytes),
                       static_cast<std::uint32_t>(value_bytes)};
    last_key_ = key;
    last_key_bytes_ = key_bytes;
    last_value_bytes_ = static_cast<std::size_t>(value_bytes);
    at_ = tail + unshared + value_tail;
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
  lengths->shared = shared_and_form >> kFormBits;
  lengths->head = 0;
  if ((shared_and_form & kSameLengths) != 0) [[likely]] {
    lengths->unshared = last_key_bytes_ - lengths->shared;
    lengths->value_bytes = last_value_bytes_;
  } else {
    from = GetVarint(from, end_, &lengths->unshared);
    if (from != nullptr) from = GetVarint(from, end_, &lengths->value_bytes);
  }
  if ((shared_and_form & kHasHead) != 0 && from != nullptr) {
    from = GetVarint(from, end_, &lengths->head);
    if (lengths->head == 0) return nullptr;  // That has another form.
  }
  return from;
}

// Starts a new batch in rebuilt_: its bytes are free but for the last key, which moves to the
// front. Returns where the next one goes.
char* RecordDecoder::KeepLastKey() {
  if (rebuilt_ == nullptr) {
    rebuilt_ = std::make_unique_for_overwrite<char[]>(room_ + RecordEncoder::kCopySlack);
    rebuilt_bytes_ = room_;
  }
  const bool is_rebuilt =
      std::less_equal<>{}(static_cast<const char*>(rebuilt_.get()), last_key_) &&
      std::less<>{}(last_key_, rebuilt_.get() + rebuilt_bytes_);
  if (!is_rebuilt) return rebuilt_.get();
  std::memmove(rebuilt_.get(), last_key_, last_key_bytes_);
  last_key_ = rebuilt_.get();
  return rebuilt_.get() + last_key_bytes_;
}

// Room for `bytes` more behind the last key, if that is in rebuilt_. Requires: a batch begins.
char* RecordDecoder::Grow(std::size_t bytes) {
  const std::size_t kept_bytes = last_key_ == rebuilt_.get() ? last_key_bytes_ : 0;
  const std::size_t larger_bytes = kept_bytes + bytes;
  auto larger = std::make_unique_for_overwrite<char[]>(larger_bytes + RecordEncoder::kCopySlack);
  if (kept_bytes > 0) {
    std::memcpy(larger.get(), last_key_, kept_bytes);
    last_key_ = larger.get();
  }
  rebuilt_ = std::move(larger);
  rebuilt_bytes_ = larger_bytes;
  return rebuilt_.get() + kept_bytes;
}

}  // namespace millrace

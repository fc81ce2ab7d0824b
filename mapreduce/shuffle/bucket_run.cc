// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/bucket_run.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <utility>

#include "mapreduce/shuffle/entry_sort.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

BucketBorders::BucketBorders(std::vector<KeyHead>& heads) {
  std::sort(heads.begin(), heads.end());
  begins_.push_back(0);
  for (std::size_t i = 1; i < kBuckets && !heads.empty(); ++i) {
    const KeyHead begin = heads[heads.size() * i / kBuckets];
    if (begin > begins_.back()) begins_.push_back(begin);
  }
  begins_.resize(kBuckets, ~KeyHead{0});  // Buckets that stay empty, but for this one head.
}

void BucketBorders::Find(const KeyHead* heads, std::size_t count, std::uint32_t* buckets) const {
  static_assert(std::has_single_bit(kBuckets));
  std::fill_n(buckets, count, 0);
  for (std::uint32_t step = kBuckets / 2; step > 0; step /= 2) {
    const KeyHead* const begins = begins_.data() + step;
    for (std::size_t i = 0; i < count; ++i) {
      std::uint32_t is_behind = begins[buckets[i]] <= heads[i];
      asm("" : "+r"(is_behind));  // Else it becomes a branch, a coin toss.
      buckets[i] += step & -is_behind;
    }
  }
}

std::size_t BucketBorders::Find(KeyHead head) const {
  std::uint32_t bucket;
  Find(&head, 1, &bucket);
  return bucket;
}

BucketRun::BucketRun(BucketBorders borders, std::vector<Bucket> buckets, VirtualBuffer memory)
    : borders_(std::move(borders)), buckets_(std::move(buckets)), memory_(std::move(memory)) {
  std::size_t largest = 0;
  for (const Bucket& bucket : buckets_) largest = std::max(largest, bucket.record_count);
  cursor_bytes_ = 2 * sizeof(SortEntry) * largest;
}

/// Sorts one bucket after the other.
class BucketCursor final : public RunCursor {
 public:
  BucketCursor(const BucketRun& run, const KeyRange& range)
      : run_(run), range_(range), next_bucket_(range.begin ? BucketOf(*range.begin) : 0) {
    last_bucket_ = range.end ? BucketOf(*range.end) : run_.buckets_.size() - 1;
    if (range.begin && range.end && *range.begin >= *range.end) next_bucket_ = last_bucket_ + 1;
    first_bucket_ = next_bucket_;
  }

  Result<bool> Next(std::span<const RecordView>* batch) override {
    while (next_ == entry_count_) {
      if (next_bucket_ > last_bucket_) {
        *batch = {};
        return false;
      }
      SortBucket(next_bucket_++);
    }
    const std::size_t count = std::min(views_.size(), entry_count_ - next_);
    for (std::size_t i = 0; i < count; ++i) SetView(entries_[next_ + i].ref, &views_[i]);
    next_ += count;
    *batch = std::span<const RecordView>(views_.data(), count);
    return true;
  }

 private:
  // Of a key, what is behind the bytes that the bucket's keys have in common.
  struct KeyAt {
    std::size_t depth;
    std::string_view operator()(std::uint64_t ref) const {
      const BucketRecord record = BucketRecord::At(reinterpret_cast<const char*>(ref));
      return {record.key + depth, record.key_bytes - depth};
    }
  };

  // Field by field where the view is to be: to copy one that was just made is to wait for its
  // stores.
  static void SetView(std::uint64_t ref, RecordView* view) {
    const BucketRecord record = BucketRecord::At(reinterpret_cast<const char*>(ref));
    view->prefix = KeyPrefix(record.key, record.key_bytes);
    view->key = record.key;
    view->value = record.key + record.key_bytes;
    view->key_bytes = record.key_bytes;
    view->value_bytes = record.value_bytes;
  }

  std::size_t BucketOf(std::string_view key) const {
    return run_.borders_.Find(HeadOfKey(key.data(), key.size()));
  }

  void SortBucket(std::size_t index) {
    const BucketRun::Bucket& bucket = run_.buckets_[index];
    next_ = entry_count_ = 0;
    if (bucket.record_count == 0) return;
    if (bucket.record_count > capacity_) {
      entries_.reset();
      scratch_.reset();
      capacity_ = bucket.record_count;
      entries_ = std::make_unique_for_overwrite<SortEntry[]>(capacity_);
      scratch_ = std::make_unique_for_overwrite<SortEntry[]>(capacity_);
    }
    const KeyAt key_at{Fill(bucket)};
    if ((range_.begin && index == first_bucket_) || (range_.end && index == last_bucket_))
      KeepRange();
    if (key_at.depth > 0) {
      for (std::size_t i = 0; i < entry_count_; ++i) {
        const std::string_view rest = key_at(entries_[i].ref);
        entries_[i].prefix = KeyPrefix(rest.data(), rest.size());
      }
    }
    EntrySorter<KeyAt>(scratch_.get(), key_at).Sort(entries_.get(), entry_count_);
  }

  // Returns how many bytes all keys have in common, of the first 8.
  std::size_t Fill(const BucketRun::Bucket& bucket) {
    SortEntry* entry = entries_.get();
    std::uint64_t difference = 0;
    std::size_t shortest = SIZE_MAX;
    for (const BucketRun::Chunk* chunk = bucket.first; chunk != nullptr; chunk = chunk->next) {
      for (const char* at = chunk->begin(); at < chunk->end; ++entry) {
        const BucketRecord record = BucketRecord::At(at);
        const std::uint64_t prefix = KeyPrefix(record.key, record.key_bytes);
        *entry = {prefix, reinterpret_cast<std::uint64_t>(at)};
        difference |= prefix ^ entries_[0].prefix;
        shortest = std::min<std::size_t>(shortest, record.key_bytes);
        at = record.end();
      }
    }
    entry_count_ = bucket.record_count;
    return std::min(shortest, static_cast<std::size_t>(std::countl_zero(difference)) / 8);
  }

  void KeepRange() {
    const KeyAt key_at{0};
    const auto is_outside = [&](const SortEntry& entry) {
      const std::string_view key = key_at(entry.ref);
      return (range_.begin && key < *range_.begin) || (range_.end && key >= *range_.end);
    };
    SortEntry* const entries = entries_.get();
    entry_count_ = static_cast<std::size_t>(
        std::remove_if(entries, entries + entry_count_, is_outside) - entries);
  }

  const BucketRun& run_;
  const KeyRange range_;
  std::size_t first_bucket_, next_bucket_, last_bucket_;
  std::unique_ptr<SortEntry[]> entries_, scratch_;
  std::size_t capacity_ = 0;
  std::size_t entry_count_ = 0;
  std::size_t next_ = 0;
  std::array<RecordView, 64> views_;
};

std::unique_ptr<RunCursor> BucketRun::Read(const KeyRange& range) const {
  return std::make_unique<BucketCursor>(*this, range);
}

}  // namespace millrace

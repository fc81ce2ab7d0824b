// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/bucket_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

constexpr std::uint64_t kChargeStep = std::uint64_t{1} << 20;
constexpr std::uint64_t kPopulateStep = std::uint64_t{256} << 10;
constexpr std::size_t kSampledHeads = 8 * BucketBorders::kBuckets;

}  // namespace

Result<bool> BucketBuffer::Open(std::span<const SortEntry> records, std::uint64_t bytes) {
  // Pages of the usual size: it is written in order, page after page, and in a virtual machine a
  // huge page may cost five times as much to touch first (listeners: 0.5 s).
  MR_ASSIGN_OR_RETURN(arena_, VirtualBuffer::Reserve(reserve_bytes_, /*huge_pages=*/false));
  if (!EnsureRoom(records.size(), bytes)) {
    arena_ = VirtualBuffer();
    return false;
  }
  std::vector<KeyHead> heads;
  const std::size_t step = std::max<std::size_t>(1, records.size() / kSampledHeads);
  for (std::size_t i = 0; i < records.size(); i += step) {
    const char* const record = reinterpret_cast<const char*>(records[i].ref);
    heads.push_back(HeadOfKey(EmitBatch::Key(record), EmitBatch::KeyBytes(record)));
  }
  borders_ = BucketBorders(heads);
  cursors_.assign(BucketBorders::kBuckets, {});
  buckets_.assign(BucketBorders::kBuckets, {});
  const char* group[kGroup];
  for (std::size_t i = 0; i < records.size();) {
    std::size_t count = 0;
    for (; count < kGroup && i < records.size(); ++count)
      group[count] = reinterpret_cast<const char*>(records[i++].ref);
    AddGroup(group, count);
  }
  return true;
}

bool BucketBuffer::Add(const EmitBatch& batch) {
  if (!EnsureRoom(batch.count(), batch.bytes())) return false;
  const char* group[kGroup];
  for (std::size_t i = 0; i < batch.count();) {
    std::size_t count = 0;
    for (; count < kGroup && i < batch.count(); ++count)
      group[count] = batch.begin() + batch.offset(i++);
    AddGroup(group, count);
  }
  return true;
}

// Each bucket may begin a chunk, of which the last record may leave up to a half free; and each may
// become the largest one.
bool BucketBuffer::EnsureRoom(std::size_t records, std::uint64_t bytes) {
  const std::uint64_t arena =
      used_ + std::min(records, BucketBorders::kBuckets) * kChunkBytes + 3 * bytes + kChunkBytes;
  const std::uint64_t needed =
      arena + IndexBytes() + 2 * sizeof(SortEntry) * std::min(records, kChunkRecordsMax);
  if (needed <= charged_) return true;
  if (arena > reserve_bytes_) return false;
  const std::uint64_t step = std::max(needed - charged_, kChargeStep);
  if (!lease_.TryGrow(step)) return false;
  charged_ += step;
  return true;
}

void BucketBuffer::AddGroup(const char* const* records, std::size_t count) {
  KeyHead heads[kGroup] = {};
  std::uint32_t buckets[kGroup];
  for (std::size_t i = 0; i < count; ++i)
    heads[i] = HeadOfKey(EmitBatch::Key(records[i]), EmitBatch::KeyBytes(records[i]));
  borders_.Find(heads, count, buckets);
  for (std::size_t i = 0; i < count; ++i) {
    const char* const record = records[i];
    const std::uint32_t key_bytes = EmitBatch::KeyBytes(record);
    const std::uint32_t value_bytes = EmitBatch::ValueBytes(record);
    const std::size_t bytes = std::size_t{key_bytes} + value_bytes;
    const std::size_t record_bytes = BucketRecord::HeaderBytes(key_bytes, value_bytes) + bytes;
    Cursor& cursor = cursors_[buckets[i]];
    if (record_bytes > static_cast<std::size_t>(cursor.end - cursor.at)) [[unlikely]]
      NewChunk(buckets[i], record_bytes);
    char* const to = BucketRecord::PutHeader(cursor.at, key_bytes, value_bytes);
    const char* const key = EmitBatch::Key(record);
    if (bytes <= 48) [[likely]] {
      for (std::size_t at = 0; at < bytes; at += 16) std::memcpy(to + at, key + at, 16);
    } else {
      std::memcpy(to, key, bytes);
    }
    cursor.at = to + bytes;
    ++cursor.record_count;
  }
  record_count_ += count;
}

void BucketBuffer::NewChunk(std::size_t bucket, std::size_t record_bytes) {
  Cursor& cursor = cursors_[bucket];
  record_count_max_ = std::max(record_count_max_, cursor.record_count + kChunkRecordsMax);
  const std::size_t needed = sizeof(BucketRun::Chunk) + record_bytes + kCopySlack;
  const std::size_t bytes = (needed + kChunkBytes - 1) / kChunkBytes * kChunkBytes;
  auto* const chunk = reinterpret_cast<BucketRun::Chunk*>(arena_.data() + used_);
  used_ += bytes;
  if (used_ > populated_) {
    const std::uint64_t room = std::min<std::uint64_t>(charged_, arena_.size());
    const std::uint64_t end = std::max(used_, std::min(populated_ + kPopulateStep, room));
    PopulatePages(arena_.data() + populated_, end - populated_);
    populated_ = end;
  }
  chunk->next = nullptr;
  if (cursor.chunk == nullptr) {
    buckets_[bucket].first = chunk;
  } else {
    cursor.chunk->end = cursor.at;
    cursor.chunk->next = chunk;
  }
  cursor.chunk = chunk;
  cursor.at = chunk->begin();
  cursor.end = reinterpret_cast<char*>(chunk) + bytes - kCopySlack;
}

std::shared_ptr<const MemoryRun> BucketBuffer::TakeRun() {
  for (std::size_t i = 0; i < cursors_.size(); ++i) {
    if (cursors_[i].chunk == nullptr) continue;
    cursors_[i].chunk->end = cursors_[i].at;
    buckets_[i].record_count = cursors_[i].record_count;
  }
  arena_.Truncate(used_);
  auto buckets = std::make_unique<BucketRun>(std::move(borders_), std::exchange(buckets_, {}),
                                             std::move(arena_));
  lease_.Shrink(charged_ - used_);
  charged_ = 0;
  populated_ = 0;
  record_count_max_ = 0;
  return MemoryRun::OfBuckets(std::move(buckets), std::exchange(record_count_, 0),
                              std::exchange(used_, 0));
}

}  // namespace millrace

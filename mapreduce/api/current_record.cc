// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/current_record.h"

#include "mapreduce/api/shared_record.h"

namespace millrace {
namespace {

CurrentRecord* shared_page = nullptr;
std::atomic<bool> shared_is_taken{false};

std::string TextAt(const char* text, std::size_t room) {
  const void* const end = std::memchr(text, '\0', room);
  return std::string(
      text, end == nullptr ? room : static_cast<std::size_t>(static_cast<const char*>(end) - text));
}

}  // namespace

CurrentRecord*& ThisThreadsRecord() {
  thread_local CurrentRecord* record = nullptr;
  return record;
}

void ShareCurrentRecord(CurrentRecord* page) { shared_page = page; }

CurrentRecord* AcquireCurrentRecord() {
  if (shared_page == nullptr || shared_is_taken.exchange(true)) return new CurrentRecord;
  shared_page->notes_keys = true;
  return shared_page;
}

void ReleaseCurrentRecord(CurrentRecord* record) {
  if (record != shared_page) {
    delete record;
    return;
  }
  record->EndTask();
  shared_is_taken.store(false);
}

std::optional<RecordSnapshot> TakeSnapshot(const CurrentRecord& shared) {
  const std::uint32_t version = shared.version.load(std::memory_order_acquire);
  if (version % 2 == 1) return std::nullopt;
  RecordSnapshot snapshot;
  snapshot.task = TextAt(shared.task, sizeof shared.task);
  snapshot.shard = TextAt(shared.shard, sizeof shared.shard);
  snapshot.offset = shared.offset();
  const bool has_record = shared.record.load(std::memory_order_relaxed) != 0;
  const std::uint64_t group = shared.group.load(std::memory_order_relaxed);
  if (group > 0)
    snapshot.key.assign(shared.key, std::min<std::uint64_t>(group - 1, sizeof shared.key));
  snapshot.is_key_cut = group > sizeof shared.key + 1;
  std::atomic_thread_fence(std::memory_order_acquire);
  if (shared.version.load(std::memory_order_relaxed) != version) return std::nullopt;
  if (!has_record) snapshot.shard.clear();
  if (snapshot.shard.empty() && group == 0) return std::nullopt;
  return snapshot;
}

}  // namespace millrace

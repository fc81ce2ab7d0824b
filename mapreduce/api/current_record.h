// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_CURRENT_RECORD_H_
#define MAPREDUCE_API_CURRENT_RECORD_H_

// What a task is working on: for the message of a signal handler when a job's code crashes, and, in
// memory that a worker shares with its child (shared_record.h), for the worker, which reads it when
// the child has died of whatever cause. So there are no pointers in it to follow: addresses are
// numbers, strings are copied.
//
// Written with one plain store per record. What changes with a block or a shard changes under
// `version`, as in a seqlock: odd while it does.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace {

/// Written by one thread. All zero is a good beginning.
struct CurrentRecord {
  static constexpr std::size_t kTaskBytesMax = 64;
  static constexpr std::size_t kShardBytesMax = 4096;  ///< A longer path is cut.
  static constexpr std::size_t kKeyBytesMax = 256;     ///< A longer key is cut.

  char task[kTaskBytesMax] = {};               ///< "map-00012"
  char shard[kShardBytesMax] = {};             ///< Path, or "" in a reduce.
  std::atomic<std::uint32_t> version{0};       ///< Of shard, block and block_offset.
  std::atomic<std::uint64_t> block{0};         ///< Where the block of records begins in memory …
  std::atomic<std::uint64_t> block_offset{0};  ///< … and in the shard.
  std::atomic<std::uint64_t> record{0};        ///< Where the record begins in memory; 0: none yet.
  bool notes_keys = false;                     ///< Then, in a reduce:
  std::atomic<std::uint64_t> group_count{0};   ///< Begun so far.
  std::atomic<std::uint64_t> group{0};  ///< Bytes of its encoded key, and 1; 0: none is at work.
  char key[kKeyBytesMax] = {};

  /// Offset of the record in the shard's decompressed bytes.
  std::uint64_t offset() const {
    const std::uint64_t at = record.load(std::memory_order_relaxed);
    const std::uint64_t begin = block_offset.load(std::memory_order_relaxed);
    return at == 0 ? begin : begin + at - block.load(std::memory_order_relaxed);
  }

  void BeginTask(std::string_view name) { Copy(name, task, kTaskBytesMax); }
  void BeginShard(std::string_view path) {
    BeginChange();
    Copy(path, shard, kShardBytesMax);
    block.store(0, std::memory_order_relaxed);
    block_offset.store(0, std::memory_order_relaxed);
    record.store(0, std::memory_order_relaxed);
    EndChange();
  }
  void BeginBlock(const char* at, std::uint64_t offset_in_shard) {
    BeginChange();
    block.store(reinterpret_cast<std::uintptr_t>(at), std::memory_order_relaxed);
    block_offset.store(offset_in_shard, std::memory_order_relaxed);
    record.store(reinterpret_cast<std::uintptr_t>(at), std::memory_order_relaxed);
    EndChange();
  }
  void BeginRecord(const char* at) {
    record.store(reinterpret_cast<std::uintptr_t>(at), std::memory_order_relaxed);
  }
  /// A block whose lines aren't the shard's own bytes: each record says where it is.
  void BeginMadeBlock(std::uint64_t offset_in_shard) {
    BeginChange();
    block.store(kMadeBlock, std::memory_order_relaxed);
    block_offset.store(0, std::memory_order_relaxed);
    record.store(kMadeBlock + offset_in_shard, std::memory_order_relaxed);
    EndChange();
  }
  void BeginMadeRecord(std::uint64_t offset_in_shard) {
    record.store(kMadeBlock + offset_in_shard, std::memory_order_relaxed);
  }
  /// What comes next is no record's fault.
  void EndBlock() { record.store(0, std::memory_order_relaxed); }
  void BeginGroup(std::string_view encoded_key) {
    if (!notes_keys) return;
    const std::size_t bytes = std::min(encoded_key.size(), kKeyBytesMax);
    group.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (bytes > 0) std::memcpy(key, encoded_key.data(), bytes);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    group.store(encoded_key.size() + 1, std::memory_order_relaxed);
    group_count.store(group_count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// What comes next is no group's fault.
  void EndGroups() { group.store(0, std::memory_order_relaxed); }
  /// No record and no group any more.
  void EndTask() {
    BeginShard("");
    EndGroups();
  }

 private:
  static constexpr std::uint64_t kMadeBlock = 1;  // So that no record's place is 0.

  static void Copy(std::string_view text, char* to, std::size_t room) {
    const std::size_t bytes = std::min(text.size(), room - 1);
    if (bytes > 0) std::memcpy(to, text.data(), bytes);
    to[bytes] = '\0';
  }
  void BeginChange() {
    version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
  }
  void EndChange() {
    version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
};

/// Null while no job's code runs on this thread.
CurrentRecord*& ThisThreadsRecord();

/// What this thread does in its scope is no record's fault and no group's.
class Blameless {
 public:
  Blameless() {
    if (current_ == nullptr) return;
    record_ = current_->record.exchange(0, std::memory_order_relaxed);
    group_ = current_->group.exchange(0, std::memory_order_relaxed);
  }
  Blameless(const Blameless&) = delete;
  Blameless& operator=(const Blameless&) = delete;
  ~Blameless() {
    if (current_ == nullptr) return;
    current_->record.store(record_, std::memory_order_relaxed);
    current_->group.store(group_, std::memory_order_relaxed);
  }

 private:
  CurrentRecord* const current_ = ThisThreadsRecord();
  std::uint64_t record_ = 0, group_ = 0;
};

/// Where a new Context notes its record: in shared memory, where there is some that no other
/// Context uses (shared_record.h), else in memory of its own. To be given back. Thread-safe.
CurrentRecord* AcquireCurrentRecord();
void ReleaseCurrentRecord(CurrentRecord* record);

}  // namespace millrace

#endif  // MAPREDUCE_API_CURRENT_RECORD_H_

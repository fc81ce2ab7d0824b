// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_CURRENT_RECORD_H_
#define MAPREDUCE_API_CURRENT_RECORD_H_

// What this thread is working on, for the message of a signal handler when a job's code crashes.
// Written with one plain store per record, read by the handler on the same thread.

#include <atomic>
#include <cstdint>

namespace millrace {

/// The strings live as long as the task.
struct CurrentRecord {
  const char* task = "";                     ///< "map-00012"
  const char* shard = "";                    ///< Path, or "" in a reduce.
  const char* block = nullptr;               ///< Begin of the block of records in memory …
  std::uint64_t block_offset = 0;            ///< … and its offset in the shard.
  std::atomic<const char*> record{nullptr};  ///< Begin of the record in the block.

  /// Offset of the record in the shard's decompressed bytes.
  std::uint64_t offset() const {
    const char* const at = record.load(std::memory_order_relaxed);
    return at == nullptr || block == nullptr
               ? block_offset
               : block_offset + static_cast<std::uint64_t>(at - block);
  }
};

/// Null while no job's code runs on this thread.
CurrentRecord*& ThisThreadsRecord();

}  // namespace millrace

#endif  // MAPREDUCE_API_CURRENT_RECORD_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_SHARD_DIGEST_H_
#define MAPREDUCE_IO_SHARD_DIGEST_H_

// The digest of an input: what the plan says the bytes were. A tree of two levels, so that several
// readers of one shard hash their own part while they read it, and the result does not depend on
// how the shard was cut:
//
//   block digest := XXH3-128 of 1 MiB of stored bytes (the last block: of what is left)
//   root         := XXH3-128 of the block digests one after the other, each 16 bytes, big-endian

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

inline constexpr std::uint64_t kDigestBlockBytes = std::uint64_t{1} << 20;

/// Blocks of a shard: [begin, end).
struct DigestBlocks {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The blocks whose first byte lies in these stored bytes: those that who reads them digests.
inline DigestBlocks DigestBlocksOf(std::uint64_t stored_begin, std::uint64_t stored_end) {
  const auto first_from = [](std::uint64_t at) {
    return at / kDigestBlockBytes + (at % kDigestBlockBytes == 0 ? 0 : 1);
  };
  return {first_from(stored_begin), first_from(stored_end)};
}

/// The root of a shard whose blocks are these.
Hash128 DigestRoot(std::span<const Hash128> blocks);

/// Collects the block digests of one shard, or of a part of it.
class ShardDigest {
 public:
  explicit ShardDigest(std::uint64_t stored_bytes) : ShardDigest(DigestBlocksOf(0, stored_bytes)) {}
  explicit ShardDigest(const DigestBlocks& part);

  std::size_t block_count() const { return blocks_.size(); }
  /// The number of the first block.
  std::uint64_t first_block() const { return first_block_; }
  /// By block, from the first on. Requires: complete().
  const std::vector<Hash128>& blocks() const { return blocks_; }
  /// Thread-safe for distinct blocks. Requires: block `index` of the shard is one of these.
  void SetBlock(std::size_t index, const Hash128& hash);
  /// A block was set again, to another hash: the file changed between two readings. Thread-safe.
  bool has_changed() const { return has_changed_.load(std::memory_order_relaxed); }
  /// True when all blocks are set. Thread-safe; true makes the blocks visible to this thread.
  bool complete() const { return missing_count_.load(std::memory_order_acquire) == 0; }
  /// Requires: complete(), the whole shard.
  Hash128 Root() const;

 private:
  const std::uint64_t first_block_;
  std::vector<Hash128> blocks_;
  std::unique_ptr<std::atomic<bool>[]> is_set_;
  std::atomic<std::size_t> missing_count_;
  std::atomic<bool> has_changed_{false};
};

/// Reads a whole file and returns its Root(). `cancel` may be null; it is asked once per block.
Result<Hash128> DigestFile(FileSystem& files, const std::string& path, const CancelToken* cancel);

}  // namespace millrace

#endif  // MAPREDUCE_IO_SHARD_DIGEST_H_

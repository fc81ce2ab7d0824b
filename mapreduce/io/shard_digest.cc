// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard_digest.h"

#include <algorithm>

#include "mapreduce/base/bytes.h"

namespace millrace {

Hash128 DigestRoot(std::span<const Hash128> blocks) {
  Hasher128 hasher;
  for (const Hash128& block : blocks) {
    char canonical[16];
    StoreBig64(canonical, block.high);
    StoreBig64(canonical + 8, block.low);
    hasher.Update({canonical, sizeof(canonical)});
  }
  return hasher.Digest();
}

ShardDigest::ShardDigest(const DigestBlocks& part)
    : first_block_(part.begin),
      blocks_(part.end - part.begin),
      is_set_(new std::atomic<bool>[blocks_.size()]()),
      missing_count_(blocks_.size()) {}

void ShardDigest::SetBlock(std::size_t index, const Hash128& hash) {
  MR_CHECK(index >= first_block_ && index - first_block_ < blocks_.size());
  const std::size_t at = index - first_block_;
  if (is_set_[at].load(std::memory_order_acquire)) {
    if (blocks_[at] != hash) has_changed_.store(true, std::memory_order_relaxed);
    return;
  }
  blocks_[at] = hash;
  is_set_[at].store(true, std::memory_order_release);
  missing_count_.fetch_sub(1, std::memory_order_acq_rel);
}

Hash128 ShardDigest::Root() const {
  MR_CHECK(complete() && first_block_ == 0);
  return DigestRoot(blocks_);
}

Result<Hash128> DigestFile(FileSystem& files, const std::string& path, const CancelToken* cancel) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(path));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  ShardDigest digest(info.bytes);
  std::string block(std::min(info.bytes, kDigestBlockBytes), '\0');
  for (std::uint64_t offset = 0; offset < info.bytes; offset += kDigestBlockBytes) {
    if (cancel != nullptr) MR_RETURN_IF_ERROR(cancel->Check());
    const std::size_t wanted = std::min(info.bytes - offset, kDigestBlockBytes);
    MR_ASSIGN_OR_RETURN(const std::size_t got, file->ReadAt(offset, block.data(), wanted));
    if (got != wanted) {
      return Status::Error(StatusCode::kStale, path, " became shorter while it was read");
    }
    digest.SetBlock(offset / kDigestBlockBytes, HashOf128({block.data(), got}));
  }
  return digest.Root();
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard_digest.h"

#include <algorithm>

#include "mapreduce/base/bytes.h"

namespace millrace {

ShardDigest::ShardDigest(std::uint64_t stored_bytes)
    : blocks_((stored_bytes + kDigestBlockBytes - 1) / kDigestBlockBytes),
      is_set_(new std::atomic<bool>[blocks_.size()]()),
      missing_count_(blocks_.size()) {}

void ShardDigest::SetBlock(std::size_t index, const Hash128& hash) {
  MR_CHECK(index < blocks_.size());
  blocks_[index] = hash;
  if (!is_set_[index].exchange(true)) missing_count_.fetch_sub(1, std::memory_order_acq_rel);
}

Hash128 ShardDigest::Root() const {
  MR_CHECK(complete());
  Hasher128 hasher;
  for (const Hash128& block : blocks_) {
    char canonical[16];
    StoreBig64(canonical, block.high);
    StoreBig64(canonical + 8, block.low);
    hasher.Update({canonical, sizeof(canonical)});
  }
  return hasher.Digest();
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

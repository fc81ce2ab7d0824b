// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/stored_reader.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::uint64_t kForeignReadBytes = 64 << 10;

}  // namespace

Status CheckSameFile(const FileInfo& planned, const FileInfo& now) {
  // Planned on another machine, it has no device.
  const bool is_same_device = planned.device == 0 || now.device == planned.device;
  if (now.bytes == planned.bytes && now.mtime_ns == planned.mtime_ns &&
      now.inode == planned.inode && is_same_device) {
    return Status::Ok();
  }
  return Status::Error(StatusCode::kStale, planned.path,
                       " changed while the run was going on; run again when it is complete");
}

Result<StoredReader> StoredReader::Open(FileSystem& files, const Shard& shard,
                                        const ShardRange& range, ShardDigest* digest,
                                        PhaseTimer* timer) {
  StoredReader reader(shard, range, digest, timer);
  const PhaseScope scope(timer, Phase::kRead);
  MR_ASSIGN_OR_RETURN(reader.file_, files.OpenForRead(shard.file.path));
  MR_RETURN_IF_ERROR(reader.CheckUnchanged());
  return reader;
}

std::size_t StoredReader::NextBytes() const {
  const std::uint64_t block_end = (position_ / kDigestBlockBytes + 1) * kDigestBlockBytes;
  std::uint64_t end = std::min(block_end, planned_->bytes);
  if (!OwnsBlockAt(position_)) {
    // The rest of a block that belongs to the range before; or, beyond our end, the next range's.
    const std::uint64_t piece_end = (position_ / kForeignReadBytes + 1) * kForeignReadBytes;
    end = std::min(end, position_ < range_end_ ? range_end_ : piece_end);
  }
  return end - position_;
}

Result<std::size_t> StoredReader::Read(char* into) {
  const std::size_t wanted = NextBytes();
  if (wanted == 0) return std::size_t{0};
  const PhaseScope scope(timer_, Phase::kRead);
  MR_ASSIGN_OR_RETURN(const std::size_t got, file_->ReadAt(position_, into, wanted));
  if (got != wanted) {
    return Status::Error(StatusCode::kStale, path(),
                         " became shorter while it was read: it ends at byte ", position_ + got,
                         "; run again when it is complete");
  }
  if (digest_ != nullptr && OwnsBlockAt(position_)) {
    digest_->SetBlock(position_ / kDigestBlockBytes, HashOf128({into, got}));
  }
  position_ += got;
  if (timer_ != nullptr) timer_->AddBytes(Phase::kRead, got);
  return got;
}

Status StoredReader::Finish() {
  if (digest_ != nullptr) {
    // The first block that was not read; a block in the middle of which we stand is not ours.
    position_ = (position_ + kDigestBlockBytes - 1) / kDigestBlockBytes * kDigestBlockBytes;
    std::vector<char> block;
    while (position_ < planned_->bytes && OwnsBlockAt(position_)) {
      block.resize(kDigestBlockBytes);
      MR_RETURN_IF_ERROR(Read(block.data()).error());
    }
  }
  return CheckUnchanged();
}

Status StoredReader::CheckUnchanged() {
  MR_ASSIGN_OR_RETURN(const FileInfo now, file_->Stat());
  return CheckSameFile(*planned_, now);
}

}  // namespace millrace

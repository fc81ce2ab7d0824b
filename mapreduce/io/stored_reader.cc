// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/stored_reader.h"

#include <algorithm>

namespace millrace {
namespace {

// So few that the second cache still has them when they are hashed and parsed. (In pieces of 1 MiB
// they cost toplist, wordcount and revenue 0.1 to 0.2 s of the kernel's time, a twentieth of all.)
constexpr std::uint64_t kReadBytes = 256 << 10;
constexpr std::uint64_t kForeignReadBytes = 64 << 10;
static_assert(kDigestBlockBytes % kReadBytes == 0);

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
  std::uint64_t end = std::min((position_ / kReadBytes + 1) * kReadBytes, planned_->bytes);
  if (!OwnsBlockOf(position_)) {
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
  const std::uint64_t block = position_ / kDigestBlockBytes;
  const bool is_own = digest_ != nullptr && OwnsBlockOf(position_);
  if (is_own) {
    if (position_ % kDigestBlockBytes == 0) hasher_ = Hasher128();
    hasher_.Update({into, got});
  }
  position_ += got;
  if (is_own && (position_ % kDigestBlockBytes == 0 || AtEnd()))
    digest_->SetBlock(block, hasher_.Digest());
  if (timer_ != nullptr) timer_->AddBytes(Phase::kRead, got);
  return got;
}

Status StoredReader::Finish() {
  if (digest_ != nullptr) {
    // The first byte of our blocks that was not read.
    if (!OwnsBlockOf(position_))
      position_ = (position_ + kDigestBlockBytes - 1) / kDigestBlockBytes * kDigestBlockBytes;
    std::unique_ptr<char[]> piece;
    while (!AtEnd() && OwnsBlockOf(position_)) {
      if (piece == nullptr) piece = std::make_unique_for_overwrite<char[]>(kReadBytes);
      MR_RETURN_IF_ERROR(Read(piece.get()).error());
    }
  }
  return CheckUnchanged();
}

Status StoredReader::CheckUnchanged() {
  MR_ASSIGN_OR_RETURN(const FileInfo now, file_->Stat());
  return CheckSameFile(*planned_, now);
}

}  // namespace millrace

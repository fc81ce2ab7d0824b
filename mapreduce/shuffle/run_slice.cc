// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_slice.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/run_block.h"
#include "mapreduce/shuffle/run_format.h"

namespace millrace {
namespace {

// How large a block is, only its header says, which is not to be believed before the block's hash
// is right: so the size is bounded by what the slice can hold before anything is allocated. Each
// read brings along the header of the next block.
class RunSliceCursor final : public RunBlockCursor {
 public:
  RunSliceCursor(std::shared_ptr<RandomAccessFile> file, const RunSlice& slice,
                 const KeyRange& range)
      : RunBlockCursor(range, slice.file_id),
        file_(std::move(file)),
        slice_(slice),
        offset_(slice.bytes.begin) {
    if (range.begin && range.end && *range.begin >= *range.end) offset_ = slice.bytes.end;
  }

 private:
  std::string Name() const override {
    return slice_.path + ": run file " + std::to_string(slice_.file_id);
  }

  Result<bool> Load(RunBlock* block) override {
    if (offset_ >= slice_.bytes.end) return false;
    const std::uint64_t left = slice_.bytes.end - offset_;
    block->number = next_number_++;
    block->offset = offset_;
    if (left < kBlockHeaderBytes) return Damage(*block, "cut off");
    if (next_header_ == nullptr) {
      Reserve(kFirstBufferBytes);
      MR_RETURN_IF_ERROR(Read(*block, 0, kBlockHeaderBytes));
    } else {
      std::memmove(buffer_.get(), next_header_, kBlockHeaderBytes);
    }
    const std::uint64_t bytes = kBlockHeaderBytes + std::uint64_t{LoadLittle32(buffer_.get())};
    if (bytes > std::min(left, slice_.block_bytes_max)) return Damage(*block, "bad size");
    block->bytes = static_cast<std::size_t>(bytes);
    block->begin = Reserve(block->bytes + kBlockHeaderBytes);
    block->is_last = bytes == left;
    const auto ahead =
        static_cast<std::size_t>(std::min<std::uint64_t>(left - bytes, kBlockHeaderBytes));
    MR_RETURN_IF_ERROR(Read(*block, kBlockHeaderBytes, block->bytes + ahead));
    next_header_ = buffer_.get() + block->bytes;
    offset_ += bytes;
    return true;
  }

  // Bytes [from, to) of the block, and what is behind it, to their place in the buffer.
  Status Read(const RunBlock& block, std::size_t from, std::size_t to) {
    const std::uint64_t at = slice_.path_offset + (block.offset - slice_.bytes.begin) + from;
    MR_ASSIGN_OR_RETURN(const std::size_t count,
                        file_->ReadAt(at, buffer_.get() + from, to - from));
    if (count < to - from) return Damage(block, "the file ends at byte ", at + count);
    return Status::Ok();
  }

  // Grows the buffer; keeps a header at its front.
  char* Reserve(std::size_t bytes) {
    if (bytes <= buffer_bytes_) return buffer_.get();
    constexpr std::size_t kRounding = 4096;
    const std::size_t larger_bytes = (bytes + kRounding - 1) / kRounding * kRounding;
    auto larger = std::make_unique_for_overwrite<char[]>(larger_bytes);
    if (buffer_ != nullptr) std::memcpy(larger.get(), buffer_.get(), kBlockHeaderBytes);
    buffer_ = std::move(larger);
    buffer_bytes_ = larger_bytes;
    return buffer_.get();
  }

  static constexpr std::size_t kFirstBufferBytes = 4096;

  const std::shared_ptr<RandomAccessFile> file_;
  const RunSlice slice_;
  std::uint64_t offset_;  // Of the next block, in the run file.
  std::size_t next_number_ = 0;
  const char* next_header_ = nullptr;  // In buffer_; null before the first block.
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_bytes_ = 0;
};

}  // namespace

RunSlice SliceOf(const RunInfo& run, RunBytes bytes) {
  return {.path = run.path,
          .path_offset = bytes.begin,
          .file_id = run.file_id,
          .bytes = bytes,
          .block_bytes_max = run.block_bytes_max};
}

Result<std::shared_ptr<RandomAccessFile>> OpenRunSlices(FileSystem& files,
                                                        const std::string& path) {
  auto file = files.OpenForRead(path, FileUse::kScratch);
  if (file.has_value()) return std::shared_ptr<RandomAccessFile>(*std::move(file));
  if (file.error().code() != StatusCode::kNotFound) return file.error();
  return Status::Corrupt(path, ": the run file's slice is missing");
}

std::unique_ptr<RunCursor> ReadRunSlice(std::shared_ptr<RandomAccessFile> file,
                                        const RunSlice& slice, const KeyRange& range) {
  return std::make_unique<RunSliceCursor>(std::move(file), slice, range);
}

Status CheckRunSlice(FileSystem& files, const RunSlice& slice) {
  MR_ASSIGN_OR_RETURN(std::shared_ptr<RandomAccessFile> file, OpenRunSlices(files, slice.path));
  const std::unique_ptr<RunCursor> cursor = ReadRunSlice(std::move(file), slice, {});
  std::span<const RecordView> batch;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const bool more, cursor->Next(&batch));
    if (!more) return Status::Ok();
  }
}

}  // namespace millrace

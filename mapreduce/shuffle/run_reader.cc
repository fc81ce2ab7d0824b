// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_reader.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/run_block.h"
#include "mapreduce/shuffle/run_format.h"

namespace millrace {
namespace {

constexpr std::size_t kRecordBytesMin = 3;                    // Three lengths.
constexpr std::size_t kSpareBytesMax = std::size_t{1} << 20;  // What a read buffer may be too big.

// A key as an index has it.
std::string_view IndexKey(std::string_view key) { return key.substr(0, kIndexKeyBytesMax); }

}  // namespace

Result<std::shared_ptr<const RunFile>> RunFile::Open(FileSystem& files, const RunInfo& info) {
  std::shared_ptr<RunFile> run(new RunFile(info));
  auto file = files.OpenForRead(info.path, FileUse::kScratch);
  if (!file.has_value()) {
    // Lost is as good as damaged: in both cases the run has to be made again.
    if (file.error().code() == StatusCode::kNotFound) return run->Damage("the run file is missing");
    return file.error();
  }
  run->file_ = *std::move(file);
  MR_RETURN_IF_ERROR(run->LoadIndex());
  MR_RETURN_IF_ERROR(run->CheckHeader());
  return std::shared_ptr<const RunFile>(std::move(run));
}

Status RunFile::ReadExactly(std::uint64_t offset, char* into, std::size_t bytes) const {
  MR_ASSIGN_OR_RETURN(const std::size_t count, file_->ReadAt(offset, into, bytes));
  if (count < bytes) return Damage("ends at byte ", offset + count, ", too early");
  return Status::Ok();
}

Status RunFile::CheckHeader() const {
  char header[kRunHeaderBytes];
  MR_RETURN_IF_ERROR(ReadExactly(0, header, sizeof header));
  if (LoadLittle32(header) != kRunMagic) return Damage("not a run file");
  if (LoadLittle32(header + 4) != kRunVersion) {
    return Damage("run file version ", LoadLittle32(header + 4), ", not ", kRunVersion);
  }
  const std::uint64_t file_id = LoadLittle64(header + 8);
  if (file_id != info_.file_id) return Damage("run file ", file_id, ", not ", info_.file_id);
  return Status::Ok();
}

Status RunFile::LoadIndex() {
  MR_ASSIGN_OR_RETURN(const FileInfo stat, file_->Stat());
  if (stat.bytes != info_.file_bytes) {
    return Damage(stat.bytes, " bytes long, not ", info_.file_bytes);
  }
  if (stat.bytes < kRunHeaderBytes + kRunFooterBytes) return Damage("too short for a run file");
  const std::uint64_t footer_offset = stat.bytes - kRunFooterBytes;
  char footer[kRunFooterBytes];
  MR_RETURN_IF_ERROR(ReadExactly(footer_offset, footer, sizeof footer));
  if (LoadLittle32(footer + 28) != kRunMagic || LoadLittle32(footer + 24) != kRunVersion) {
    return Damage("no run file footer at byte ", footer_offset);
  }
  index_offset_ = LoadLittle64(footer);
  if (index_offset_ < kRunHeaderBytes || index_offset_ > footer_offset) {
    return Damage("index at byte ", index_offset_, ", outside the file");
  }
  const std::uint64_t index_bytes = footer_offset - index_offset_;
  // The file's size limits what is allocated below. That is no help in a large file whose index
  // offset is wrong; but an index begins with the offset of the first block, a constant.
  if (index_bytes > 0) {
    char first[8];
    if (index_bytes < sizeof first) return Damage("index at byte ", index_offset_, ": too short");
    MR_RETURN_IF_ERROR(ReadExactly(index_offset_, first, sizeof first));
    if (LoadLittle64(first) != kRunHeaderBytes) {
      return Damage("index at byte ", index_offset_, ": no index");
    }
  }
  std::string index(index_bytes + kRunFooterBytes, '\0');
  MR_RETURN_IF_ERROR(ReadExactly(index_offset_, index.data(), index.size()));
  index.erase(index_bytes + 16, 8);  // The hash is over all but itself.
  if (Hash64(index, RunHashSeed(info_.file_id, index_offset_)) != LoadLittle64(footer + 16)) {
    return Damage("index at byte ", index_offset_, ": hash mismatch");
  }
  const std::uint64_t record_count = LoadLittle64(footer + 8);
  if (record_count != info_.record_count) {
    return Damage(record_count, " records, not ", info_.record_count);
  }
  return ParseIndex(index.data(), index.data() + index_bytes);
}

Status RunFile::ParseIndex(const char* from, const char* end) {
  const auto bad = [this] { return Damage("index at byte ", index_offset_, ": bad layout"); };
  std::uint64_t offset_min = kRunHeaderBytes;
  while (from != end) {
    if (end - from < 8) return bad();
    Block block{.offset = LoadLittle64(from), .first_key = {}};
    std::uint64_t key_bytes;
    from = GetVarint(from + 8, end, &key_bytes);
    if (from == nullptr || key_bytes > static_cast<std::uint64_t>(end - from)) return bad();
    if (key_bytes > kIndexKeyBytesMax) return bad();
    block.first_key.assign(from, key_bytes);
    from += key_bytes;
    const bool is_next = blocks_.empty() ? block.offset == offset_min : block.offset >= offset_min;
    if (!is_next || block.offset > index_offset_) return bad();
    if (!blocks_.empty() && block.first_key < blocks_.back().first_key) return bad();
    offset_min = block.offset + kBlockHeaderBytes + kRecordBytesMin;
    blocks_.push_back(std::move(block));
  }
  if (offset_min > index_offset_ || blocks_.empty() != (index_offset_ == kRunHeaderBytes)) {
    return bad();
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    block_bytes_max_ = std::max<std::size_t>(block_bytes_max_, BlockEnd(i) - blocks_[i].offset);
  }
  return Status::Ok();
}

RunFile::BlockRange RunFile::BlocksOf(const KeyRange& range) const {
  if (range.begin && range.end && *range.begin >= *range.end) return {0, 0};
  BlockRange blocks{0, blocks_.size()};
  if (range.begin.has_value()) {
    // Equal keys may span blocks: those before the first block that starts with the key may end
    // with it, too. The index has the first keys cut off: cut off, the border may be equal to
    // keys that it is behind; then some blocks too many are read.
    const auto at = std::partition_point(
        blocks_.begin(), blocks_.end(),
        [border = IndexKey(*range.begin)](const Block& block) { return block.first_key < border; });
    blocks.begin = static_cast<std::size_t>(at - blocks_.begin());
    if (blocks.begin > 0) --blocks.begin;
  }
  if (range.end.has_value()) {
    const std::string_view border = IndexKey(*range.end);
    const bool is_cut_off = border.size() < range.end->size();
    const auto at = std::partition_point(blocks_.begin(), blocks_.end(), [&](const Block& block) {
      return block.first_key < border || (is_cut_off && block.first_key == border);
    });
    blocks.end = static_cast<std::size_t>(at - blocks_.begin());
  }
  blocks.end = std::max(blocks.begin, blocks.end);
  return blocks;
}

RunBytes RunFile::SliceBytes(const KeyRange& range) const {
  const auto [begin, end] = BlocksOf(range);
  if (begin == end) return {};
  return {blocks_[begin].offset, BlockEnd(end - 1)};
}

// Reads the blocks [next_block_, block_end_) one after the other.
class RunFileCursor final : public RunBlockCursor {
 public:
  RunFileCursor(std::shared_ptr<const RunFile> run, const KeyRange& range, std::size_t read_bytes)
      : RunBlockCursor(range, run->info_.file_id), run_(std::move(run)), read_bytes_(read_bytes) {
    const auto [begin, end] = run_->BlocksOf(range);
    next_block_ = loaded_end_ = begin;
    block_end_ = end;
  }

 private:
  std::string Name() const override { return run_->info_.path; }

  // Reads the next block unless the last read brought it along.
  Result<bool> Load(RunBlock* block) override {
    if (next_block_ >= block_end_) return false;
    if (next_block_ == loaded_end_) MR_RETURN_IF_ERROR(LoadBlocks());
    block->number = next_block_++;
    block->offset = run_->blocks_[block->number].offset;
    block->bytes = static_cast<std::size_t>(run_->BlockEnd(block->number) - block->offset);
    block->begin = buffer_.get() + (block->offset - buffer_offset_);
    block->is_last = next_block_ == run_->blocks_.size();
    return true;
  }

  Status LoadBlocks() {
    const std::uint64_t begin = run_->blocks_[next_block_].offset;
    loaded_end_ = next_block_ + 1;
    while (loaded_end_ < block_end_ && run_->BlockEnd(loaded_end_) - begin <= read_bytes_) {
      ++loaded_end_;
    }
    const auto bytes = static_cast<std::size_t>(run_->BlockEnd(loaded_end_ - 1) - begin);
    if (bytes > buffer_bytes_ || buffer_bytes_ - bytes > kSpareBytesMax) {
      constexpr std::size_t kRounding = 4096;  // Blocks differ by some bytes; few buffers do.
      buffer_.reset();
      buffer_bytes_ = (bytes + kRounding - 1) / kRounding * kRounding;
      buffer_ = std::make_unique_for_overwrite<char[]>(buffer_bytes_);
    }
    buffer_offset_ = begin;
    return run_->ReadExactly(begin, buffer_.get(), bytes);
  }

  const std::shared_ptr<const RunFile> run_;
  const std::size_t read_bytes_;

  std::size_t next_block_ = 0;
  std::size_t block_end_ = 0;
  std::size_t loaded_end_ = 0;  // Blocks up to here lie in buffer_.
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_bytes_ = 0;
  std::uint64_t buffer_offset_ = 0;  // Where in the file buffer_ begins.
};

Result<std::unique_ptr<RunCursor>> RunFile::Read(const KeyRange& range,
                                                 std::size_t read_bytes) const {
  return std::unique_ptr<RunCursor>(
      std::make_unique<RunFileCursor>(shared_from_this(), range, read_bytes));
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_reader.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/range_slicer.h"
#include "mapreduce/shuffle/run_format.h"

namespace millrace {
namespace {

constexpr std::size_t kKeyRoom = std::size_t{16} << 10;       // For the rebuilt keys of a batch.
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

// Reads the blocks [next_block_, block_end_) one after the other.
class RunFileCursor final : public RunCursor {
 public:
  RunFileCursor(std::shared_ptr<const RunFile> run, const KeyRange& range, std::size_t read_bytes)
      : run_(std::move(run)), slicer_(range), read_bytes_(read_bytes) {
    const std::vector<RunFile::Block>& blocks = run_->blocks_;
    block_end_ = blocks.size();
    if (range.begin.has_value()) {
      // Equal keys may span blocks: those before the first block that starts with the key may end
      // with it, too. The index has the first keys cut off: cut off, the border may be equal to
      // keys that it is behind; then some blocks too many are read.
      const auto at =
          std::partition_point(blocks.begin(), blocks.end(),
                               [border = IndexKey(*range.begin)](const RunFile::Block& block) {
                                 return block.first_key < border;
                               });
      next_block_ = static_cast<std::size_t>(at - blocks.begin());
      if (next_block_ > 0) --next_block_;
    }
    if (range.end.has_value()) {
      const std::string_view border = IndexKey(*range.end);
      const bool is_cut_off = border.size() < range.end->size();
      const auto at =
          std::partition_point(blocks.begin(), blocks.end(), [&](const RunFile::Block& block) {
            return block.first_key < border || (is_cut_off && block.first_key == border);
          });
      block_end_ = static_cast<std::size_t>(at - blocks.begin());
    }
    if (slicer_.is_empty()) block_end_ = 0;
    loaded_end_ = next_block_;
  }

  Result<bool> Next(std::span<const RecordView>* batch) override {
    *batch = {};
    while (true) {
      if (decoder_.records_left() == 0) {
        if (next_block_ >= block_end_) return false;
        MR_RETURN_IF_ERROR(OpenBlock());
      }
      const auto decoded = decoder_.Next();
      if (!decoded) return BlockDamage("bad record");
      if (decoder_.records_left() == 0 && !decoder_.at_end())
        return BlockDamage("bytes behind its records");
      *batch = slicer_.Slice(*decoded);
      if (slicer_.is_past_end()) {
        decoder_.Skip();
        next_block_ = block_end_;
      }
      if (!batch->empty()) return true;
    }
  }

 private:
  template <class... Parts>
  Status BlockDamage(const Parts&... parts) const {
    return run_->Damage("block ", block_, " at byte ", run_->blocks_[block_].offset, ": ",
                        parts...);
  }

  // Makes next_block_ the current one: reads it unless the last read brought it along, and checks
  // its hash and header.
  Status OpenBlock() {
    block_ = next_block_;
    if (block_ == loaded_end_) MR_RETURN_IF_ERROR(LoadBlocks());
    ++next_block_;
    const std::uint64_t offset = run_->blocks_[block_].offset;
    const auto block_bytes = static_cast<std::size_t>(run_->BlockEnd(block_) - offset);
    char* const block = buffer_.get() + (offset - buffer_offset_);
    // The hash lies between header and payload: moved together, one call hashes both.
    const std::uint64_t hash = LoadLittle64(block + kBlockHashOffset);
    char* const header = block + kBlockHeaderBytes - kBlockHashOffset;
    std::memmove(header, block, kBlockHashOffset);
    const char* const payload_end = block + block_bytes;
    if (Hash64({header, static_cast<std::size_t>(payload_end - header)},
               RunHashSeed(run_->info_.file_id, offset)) != hash) {
      return BlockDamage("hash mismatch");
    }
    const std::uint32_t codec = LoadLittle32(header + 8);
    if (codec != kCodecNone) return BlockDamage("unknown codec ", codec);
    const std::uint32_t record_count = LoadLittle32(header + 4);
    if (LoadLittle32(header) != block_bytes - kBlockHeaderBytes || LoadLittle32(header + 12) != 0 ||
        record_count == 0) {
      return BlockDamage("bad header");
    }
    decoder_.Begin(block + kBlockHeaderBytes, payload_end, record_count);
    return Status::Ok();
  }

  Status LoadBlocks() {
    const std::uint64_t begin = run_->blocks_[block_].offset;
    loaded_end_ = block_ + 1;
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
  RangeSlicer slicer_;
  const std::size_t read_bytes_;

  std::size_t block_ = 0;
  std::size_t next_block_ = 0;
  std::size_t block_end_ = 0;
  std::size_t loaded_end_ = 0;  // Blocks up to here lie in buffer_.
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_bytes_ = 0;
  std::uint64_t buffer_offset_ = 0;  // Where in the file buffer_ begins.

  RecordDecoder decoder_{kKeyRoom};
};

Result<std::unique_ptr<RunCursor>> RunFile::Read(const KeyRange& range,
                                                 std::size_t read_bytes) const {
  return std::unique_ptr<RunCursor>(
      std::make_unique<RunFileCursor>(shared_from_this(), range, read_bytes));
}

}  // namespace millrace

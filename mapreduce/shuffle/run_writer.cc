// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/run_format.h"

namespace millrace {
RunWriter::RunWriter(FileSystem& files, std::string path, const RunOptions& options)
    : files_(files), options_(options) {
  MR_CHECK(options.block_bytes <= kBlockPayloadBytesMax);
  info_.path = std::move(path);
  info_.file_id = options.file_id;
  auto file = files_.Create(info_.path, FileUse::kScratch);
  if (!file.has_value()) {
    status_ = file.error();
    return;
  }
  file_ = *std::move(file);
  is_created_ = true;
  buffer_ = std::make_unique_for_overwrite<char[]>(
      kRunHeaderBytes + kBlockHeaderBytes + options_.block_bytes + RecordEncoder::kCopySlack);
  char* const header = buffer_.get();
  StoreLittle32(header, kRunMagic);
  StoreLittle32(header + 4, kRunVersion);
  StoreLittle64(header + 8, info_.file_id);
  block_begin_ = kRunHeaderBytes;
  info_.file_bytes = kRunHeaderBytes;
  end_ = block() + kBlockHeaderBytes;
}

RunWriter::~RunWriter() {
  file_.reset();
  // Nobody is left to be told, and the folder is removed in the end.
  if (is_created_) static_cast<void>(files_.RemoveFile(info_.path).ok());
}

void RunWriter::Fail(const Status& error) {
  status_.Update(error);
  file_.reset();
  if (is_created_)
    static_cast<void>(files_.RemoveFile(info_.path).ok());  // The first error counts.
  is_created_ = false;
}

void RunWriter::Add(const RecordView& record) {
  if (!status_.ok()) return;
  const auto [shared, is_sorted] = encoder_.Compare(record);
  if (!is_sorted) [[unlikely]] {
    return Fail(Status::Internal(info_.path, ": the key of record ", info_.record_count,
                                 " is smaller than the one before"));
  }

  // As if nothing were shared: the first record of a block shares nothing, and near the end of a
  // block a few bytes don't matter.
  const std::size_t bytes_max = RecordEncoder::kLengthsBytesMax + std::size_t{record.key_bytes} +
                                std::size_t{record.value_bytes};
  if (static_cast<std::size_t>(end_ - block()) + bytes_max > options_.block_bytes) [[unlikely]] {
    if (block_records_ > 0) FinishBlock();
    if (kBlockHeaderBytes + bytes_max > options_.block_bytes) return AddLarge(record);
    if (!status_.ok()) return;
  }
  if (block_records_ == 0) {
    AppendToIndex(record);
    end_ = encoder_.PutFirst(end_, record);
  } else {
    end_ = encoder_.Put(end_, record, shared);
  }
  ++block_records_;
  CountAdded(record);
}

inline void RunWriter::CountAdded(const RecordView& record) {
  ++info_.record_count;
  info_.key_bytes += record.key_bytes;
  info_.value_bytes += record.value_bytes;
  if (options_.digest != nullptr) options_.digest->Add(record);
}

// A block of one record, hashed and written in pieces. Requires: the open block is empty.
void RunWriter::AddLarge(const RecordView& record) {
  const std::size_t record_bytes = std::size_t{record.key_bytes} + record.value_bytes;
  if (record_bytes + RecordEncoder::kLengthsBytesMax > kBlockPayloadBytesMax) {
    return Fail(Status::ResourceLimit(info_.path, ": record ", info_.record_count, " takes ",
                                      record_bytes, " bytes, more than the 4 GiB of a block"));
  }
  if (block_begin_ != 0) {  // The file's header still waits.
    end_ = block();
    FlushBuffer();
  }
  if (!status_.ok()) return;
  AppendToIndex(record);
  char head[kBlockHeaderBytes + RecordEncoder::kLengthsBytesMax];
  char* to = head + kBlockHeaderBytes;
  to = PutVarint(to, 0);
  to = PutVarint(to, record.key_bytes);
  to = PutVarint(to, record.value_bytes);
  const auto lengths_bytes = static_cast<std::size_t>(to - head - kBlockHeaderBytes);
  StoreLittle32(head, static_cast<std::uint32_t>(lengths_bytes + record_bytes));
  StoreLittle32(head + 4, 1);
  StoreLittle32(head + 8, kCodecNone);
  StoreLittle32(head + 12, 0);
  Hasher64 hasher(RunHashSeed(info_.file_id, info_.file_bytes));
  hasher.Update({head, kBlockHashOffset});
  hasher.Update({head + kBlockHeaderBytes, lengths_bytes});
  hasher.Update(record.key_view());
  hasher.Update(record.value_view());
  StoreLittle64(head + kBlockHashOffset, hasher.Digest());

  Status written = file_->Append({head, to});
  if (written.ok()) written = file_->Append(record.key_view());
  if (written.ok()) written = file_->Append(record.value_view());
  if (!written.ok()) return Fail(written);
  const std::uint64_t block_bytes = kBlockHeaderBytes + lengths_bytes + record_bytes;
  info_.file_bytes += block_bytes;
  info_.block_bytes_max = std::max(info_.block_bytes_max, block_bytes);
  encoder_.Note(record, 0);
  CountAdded(record);
}

void RunWriter::AppendToIndex(const RecordView& record) {
  const std::string_view key = record.key_view().substr(0, kIndexKeyBytesMax);
  char entry[8 + kVarintBytesMax];
  StoreLittle64(entry, info_.file_bytes);
  char* const entry_end = PutVarint(entry + 8, key.size());
  index_.append(entry, entry_end);
  index_.append(key);
}

// Header and hash of the open block, then one write. The header is put right before the payload,
// so that one call hashes both, and then moved to where it belongs.
void RunWriter::FinishBlock() {
  char* const begin = block();
  const auto block_bytes = static_cast<std::size_t>(end_ - begin);
  char* const header = begin + kBlockHeaderBytes - kBlockHashOffset;
  StoreLittle32(header, static_cast<std::uint32_t>(block_bytes - kBlockHeaderBytes));
  StoreLittle32(header + 4, block_records_);
  StoreLittle32(header + 8, kCodecNone);
  StoreLittle32(header + 12, 0);
  const std::uint64_t hash = Hash64({header, end_}, RunHashSeed(info_.file_id, info_.file_bytes));
  std::memmove(begin, header, kBlockHashOffset);
  StoreLittle64(begin + kBlockHashOffset, hash);
  info_.file_bytes += block_bytes;
  info_.block_bytes_max = std::max<std::uint64_t>(info_.block_bytes_max, block_bytes);
  block_records_ = 0;
  FlushBuffer();
}

void RunWriter::FlushBuffer() {
  const Status written = file_->Append({buffer_.get(), end_});
  block_begin_ = 0;
  end_ = block() + kBlockHeaderBytes;
  if (!written.ok()) Fail(written);
}

Result<RunInfo> RunWriter::Close() {
  if (status_.ok() && block_records_ > 0) FinishBlock();
  if (status_.ok()) AppendIndexAndFooter();
  if (status_.ok()) {
    const Status closed = file_->Close();
    file_.reset();
    if (!closed.ok()) Fail(closed);
  }
  if (!status_.ok()) return status_;
  is_created_ = false;  // It stays.
  return info_;
}

void RunWriter::AppendIndexAndFooter() {
  const std::uint64_t index_offset = info_.file_bytes;
  std::string tail;
  if (block_begin_ != 0) tail.assign(buffer_.get(), block_begin_);  // No block: the file's header.
  const std::size_t index_begin = tail.size();
  tail += index_;
  const std::size_t footer_begin = tail.size();
  // All but the hash first, hashed by one call; then the hash goes between them.
  char footer[kRunFooterBytes - 8];
  StoreLittle64(footer, index_offset);
  StoreLittle64(footer + 8, info_.record_count);
  StoreLittle32(footer + 16, kRunVersion);
  StoreLittle32(footer + 20, kRunMagic);
  tail.append(footer, sizeof footer);
  char hash[8];
  StoreLittle64(hash, Hash64(std::string_view(tail).substr(index_begin),
                             RunHashSeed(info_.file_id, index_offset)));
  tail.insert(footer_begin + 16, hash, sizeof hash);
  info_.file_bytes += tail.size() - index_begin;
  if (const Status written = file_->Append(tail); !written.ok()) Fail(written);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_sinks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/shuffle/record.h"

namespace millrace {
namespace {
// Memory comes in pieces that grow to this: many runs are small.
constexpr std::uint64_t kFirstPieceBytes = std::uint64_t{1} << 10;
constexpr std::uint64_t kPieceBytesMax = std::uint64_t{256} << 10;
// A slice of a run begins in the middle of a block: half of it is read for nothing.
constexpr std::uint32_t kBlockBytes = std::uint32_t{4} << 10;

std::size_t RoomFor(std::size_t record_bytes) {
  return record_bytes + RecordEncoder::kLengthsBytesMax + RecordEncoder::kCopySlack;
}

RecordView ViewOf(const EmitBatch& batch, std::size_t i) {
  const char* const record = batch.begin() + batch.offset(i);
  const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
  return MakeRecordView(key, {key.data() + key.size(), EmitBatch::ValueBytes(record)});
}

}  // namespace

Status RunFileSink::Consume(EmitBatch& batch) {
  for (std::size_t i = 0; i < batch.count(); ++i) writer_.Add(ViewOf(batch, i));
  return writer_.status();
}

Status MemoryRunSink::Consume(EmitBatch& batch) {
  for (std::size_t i = 0; i < batch.count(); ++i) Add(ViewOf(batch, i));
  return Status::Ok();
}

std::size_t MemoryRunSink::NextMemoryBytes(std::size_t bytes) const {
  return std::max<std::size_t>(bytes, std::clamp(memory_bytes_, kFirstPieceBytes, kPieceBytesMax));
}

std::uint64_t MemoryRunSink::BytesWith(std::size_t record_bytes) const {
  const std::size_t room = RoomFor(record_bytes);
  const std::uint64_t memory = room <= left_ ? 0 : NextMemoryBytes(room);
  // For a moment both sides of a growing list of blocks.
  const std::size_t blocks = blocks_.size() < blocks_.capacity() ? 0 : 2 * blocks_.size() + 1;
  return bytes() + memory + blocks * sizeof(MemoryRun::Block);
}

void MemoryRunSink::NewMemory(std::size_t bytes) {
  memory_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
  to_ = memory_.back().get();
  PopulatePages(to_, bytes);
  left_ = bytes;
  memory_bytes_ += bytes;
}

void MemoryRunSink::Add(const RecordView& record) {
  const std::size_t room = RoomFor(std::size_t{record.key_bytes} + record.value_bytes);
  const bool is_new_piece = room > left_;
  if (is_new_piece) NewMemory(NextMemoryBytes(room));
  char* end;
  if (is_new_piece || blocks_.back().bytes >= kBlockBytes) {
    blocks_.push_back({to_, 0, 0});
    end = encoder_.PutFirst(to_, record);
  } else {
    end = encoder_.Put(to_, record, encoder_.Compare(record).shared);
  }
  blocks_.back().bytes += static_cast<std::uint32_t>(end - to_);
  ++blocks_.back().record_count;
  ++record_count_;
  left_ -= static_cast<std::size_t>(end - to_);
  to_ = end;
}

std::shared_ptr<const MemoryRun> MemoryRunSink::TakeRun() {
  const std::uint64_t charged = bytes();
  left_ = 0;
  memory_bytes_ = 0;
  return MemoryRun::OfBlocks(std::exchange(blocks_, {}), std::exchange(memory_, {}),
                             std::exchange(record_count_, 0), charged);
}

Status CopyRun(RunCursor& cursor, RunWriter& writer) {
  std::span<const RecordView> batch;
  while (writer.status().ok()) {
    MR_ASSIGN_OR_RETURN(const bool more, cursor.Next(&batch));
    if (!more) break;
    for (const RecordView& record : batch) writer.Add(record);
  }
  return Status::Ok();
}

Status OperatorCombiner::Combine(Merger& in, RunWriter& out) {
  RunFileSink sink(out);
  return combiner_->Run(in, sink);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_sinks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/shuffle/record.h"

namespace millrace {
namespace {
// Blocks grow to this: many runs are small.
constexpr std::uint64_t kFirstBlockBytes = std::uint64_t{1} << 10;
constexpr std::uint64_t kBlockBytes = std::uint64_t{64} << 10;
}  // namespace

Status RunFileSink::Consume(EmitBatch& batch) {
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    writer_.Add(MakeRecordView(key, {key.data() + key.size(), EmitBatch::ValueBytes(record)}));
  }
  return writer_.status();
}

Status MemoryRunSink::Consume(EmitBatch& batch) {
  if (batch.bytes() > block_left_) {
    const std::size_t block_bytes = std::max<std::size_t>(
        batch.bytes(), std::clamp<std::uint64_t>(block_bytes_, kFirstBlockBytes, kBlockBytes));
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
    to_ = blocks_.back().get();
    block_left_ = block_bytes;
    block_bytes_ += block_bytes;
  }
  std::memcpy(to_, batch.begin(), batch.bytes());
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = to_ + batch.offset(i);
    entries_.push_back({KeyPrefix(EmitBatch::Key(record), EmitBatch::KeyBytes(record)),
                        reinterpret_cast<std::uint64_t>(record)});
  }
  to_ += batch.bytes();
  block_left_ -= batch.bytes();
  return Status::Ok();
}

std::shared_ptr<const MemoryRun> MemoryRunSink::TakeRun() {
  const std::uint64_t charged = bytes();
  block_left_ = 0;
  block_bytes_ = 0;
  return MemoryRun::OfBlocks(std::exchange(entries_, {}), std::exchange(blocks_, {}), charged);
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

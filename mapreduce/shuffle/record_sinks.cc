// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_sinks.h"

#include <cstring>
#include <utility>

#include "mapreduce/shuffle/record.h"

namespace millrace {

Status RunFileSink::Consume(EmitBatch& batch) {
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    writer_.Add(MakeRecordView(key, {key.data() + key.size(), EmitBatch::ValueBytes(record)}));
  }
  return writer_.status();
}

Status MemoryRunSink::Consume(EmitBatch& batch) {
  const std::size_t begin = bytes_.size();
  bytes_.insert(bytes_.end(), batch.begin(), batch.begin() + batch.bytes());
  for (std::size_t i = 0; i < batch.count(); ++i) offsets_.push_back(begin + batch.offset(i));
  return Status::Ok();
}

std::shared_ptr<const MemoryRun> MemoryRunSink::TakeRun() {
  const std::size_t count = offsets_.size();
  const std::size_t entries_bytes = count * sizeof(SortEntry);
  std::unique_ptr<char[]> block(new char[entries_bytes + bytes_.size()]);
  auto* const entries = reinterpret_cast<SortEntry*>(block.get());
  char* const records = block.get() + entries_bytes;
  if (!bytes_.empty()) std::memcpy(records, bytes_.data(), bytes_.size());
  for (std::size_t i = 0; i < count; ++i) {
    const char* const record = records + offsets_[i];
    entries[i] = {KeyPrefix(EmitBatch::Key(record), EmitBatch::KeyBytes(record)),
                  reinterpret_cast<std::uint64_t>(record)};
  }
  const std::uint64_t charged = bytes();
  bytes_ = {};
  offsets_ = {};
  return MemoryRun::OfRecords(entries, count, {}, std::move(block), charged);
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

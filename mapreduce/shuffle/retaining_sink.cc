// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/retaining_sink.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace millrace {
namespace {
constexpr std::uint64_t kRetainStep = std::uint64_t{64} << 10;
}  // namespace

Status RetainingSink::Consume(EmitBatch& batch) {
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    Add(MakeRecordView(key, {key.data() + key.size(), EmitBatch::ValueBytes(record)}));
  }
  return status();
}

Status RetainingSink::Copy(RunCursor& cursor) {
  std::span<const RecordView> batch;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const bool more, cursor.Next(&batch));
    if (!more) return status();
    for (const RecordView& record : batch) Add(record);
    MR_RETURN_IF_ERROR(status());
  }
}

inline void RetainingSink::Add(const RecordView& record) {
  if (writer_ == nullptr && !TryRetainFor(record)) MoveToFile();
  if (writer_ != nullptr) {
    writer_->Add(record);
  } else {
    memory_.Add(record);
  }
}

inline bool RetainingSink::TryRetainFor(const RecordView& record) {
  const std::uint64_t needed =
      memory_.BytesWith(std::size_t{record.key_bytes} + record.value_bytes);
  if (needed <= retained_bytes_) [[likely]]
    return true;
  const std::uint64_t step = std::max(needed - retained_bytes_, kRetainStep);
  if (!store_.TryRetain(step)) return false;
  retained_bytes_ += step;
  return true;
}

void RetainingSink::MoveToFile() {
  writer_ = store_.NewWriter();
  const std::shared_ptr<const MemoryRun> run = memory_.TakeRun();
  const std::unique_ptr<RunCursor> cursor = run->Read({});
  copied_ = CopyRun(*cursor, *writer_);
  store_.CancelRetain(std::exchange(retained_bytes_, 0));
}

Status RetainingSink::status() const {
  if (writer_ == nullptr) return Status::Ok();
  return copied_.ok() ? writer_->status() : copied_;
}

Status RetainingSink::Close(RunOrder order) {
  MR_RETURN_IF_ERROR(copied_);
  if (writer_ != nullptr) return store_.AddFile(order, *writer_);
  if (!memory_.empty())
    store_.AddMemory(order, memory_.TakeRun(), std::exchange(retained_bytes_, 0));
  return Status::Ok();
}

}  // namespace millrace

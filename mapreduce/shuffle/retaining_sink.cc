// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/retaining_sink.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {
constexpr std::uint64_t kRetainStep = std::uint64_t{64} << 10;
}  // namespace

Status RetainingSink::Consume(EmitBatch& batch) {
  if (writer_ == nullptr) {
    // At most a new block, and for a moment both sides of a growing list of entries.
    const std::uint64_t needed =
        memory_.bytes() + batch.bytes() + batch.count() * sizeof(SortEntry) + kRetainStep;
    if (needed > retained_bytes_) {
      const std::uint64_t step = std::max(needed - retained_bytes_, kRetainStep);
      if (store_.TryRetain(step)) {
        retained_bytes_ += step;
      } else {
        MR_RETURN_IF_ERROR(MoveToFile());
      }
    }
  }
  if (writer_ == nullptr) return memory_.Consume(batch);
  RunFileSink file(*writer_);
  return file.Consume(batch);
}

Status RetainingSink::MoveToFile() {
  writer_ = store_.NewWriter();
  const std::shared_ptr<const MemoryRun> run = memory_.TakeRun();
  const std::unique_ptr<RunCursor> cursor = run->Read({});
  MR_RETURN_IF_ERROR(CopyRun(*cursor, *writer_));
  store_.CancelRetain(std::exchange(retained_bytes_, 0));
  return writer_->status();
}

Status RetainingSink::Close(RunOrder order) {
  if (writer_ != nullptr) return store_.AddFile(order, *writer_);
  if (!memory_.empty())
    store_.AddMemory(order, memory_.TakeRun(), std::exchange(retained_bytes_, 0));
  return Status::Ok();
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_TASK_OUTPUTS_H_
#define MAPREDUCE_ENGINE_TASK_OUTPUTS_H_

// Where one task's emissions go, when not into a shuffle: rows of part files, maps of the stages
// that follow, or several of them.

#include <memory>
#include <vector>

#include "mapreduce/base/phase_clock.h"
#include "mapreduce/engine/part_file.h"
#include "mapreduce/shuffle/emit_batch.h"

namespace millrace {

/// Hands each batch to one sink after the other.
class FanOutSink final : public EmitSink {
 public:
  void Add(EmitSink* sink, Phase phase) { sinks_.push_back({sink, phase}); }
  void set_timer(PhaseTimer* timer) { timer_ = timer; }
  void set_batch_records(std::size_t count) { batch_records_ = count; }
  std::size_t batch_records() const override { return batch_records_; }

  Status Consume(EmitBatch& batch) override {
    Status status;
    for (const Target& target : sinks_) {
      const PhaseScope scope(timer_, target.phase);
      status.Update(target.sink->Consume(batch));
    }
    return status;
  }

 private:
  struct Target {
    EmitSink* sink;
    Phase phase;
  };
  PhaseTimer* timer_ = nullptr;
  std::size_t batch_records_ = kBatchRecords;
  std::vector<Target> sinks_;
};

/// The rows that one task adds to its part of each output of its stage.
class TaskWrites {
 public:
  /// `parts`: by write, then part.
  TaskWrites(const std::vector<StageWrite>& writes,
             std::vector<std::vector<std::unique_ptr<PartFile>>>& parts, std::size_t part,
             std::size_t task, PhaseTimer& timer, FanOutSink& out)
      : task_(task) {
    for (std::size_t w = 0; w < writes.size(); ++w) {
      files_.push_back(parts[w][part].get());
      sinks_.push_back(std::make_unique<PartFileSink>(*files_.back(), task, timer));
      writers_.push_back(writes[w].make_writer(*sinks_.back()));
      out.Add(writers_.back().get(), Phase::kWrite);
    }
  }
  Status Close() {
    for (std::size_t w = 0; w < files_.size(); ++w) {
      MR_RETURN_IF_ERROR(writers_[w]->Close());
      MR_RETURN_IF_ERROR(files_[w]->Finish(task_));
    }
    return Status::Ok();
  }

 private:
  const std::size_t task_;
  std::vector<PartFile*> files_;
  std::vector<std::unique_ptr<PartFileSink>> sinks_;
  std::vector<std::unique_ptr<WriteOperator>> writers_;
};

/// A task has failed: nobody behind it waits for it in any part.
inline void AbandonBehind(std::vector<std::vector<std::unique_ptr<PartFile>>>& parts,
                          std::size_t task) {
  for (auto& output : parts) {
    for (auto& part : output) part->AbandonBehind(task);
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_TASK_OUTPUTS_H_

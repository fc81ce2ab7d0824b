// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/map_task.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "mapreduce/engine/task_outputs.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {
namespace {

std::string TaskName(std::size_t task) {
  char name[32];
  std::snprintf(name, sizeof(name), "map-%05zu", task);
  return name;
}

class MapSlot final : public Slot {
 public:
  MapSlot(TaskEnvironment& environment, const MapPhase& phase)
      : environment_(environment),
        phase_(phase),
        stage_(environment.graph().stages[phase.stage]),
        lease_(environment.budget().Join()),
        timer_(times_) {
    if (stage_.has_reduce())
      collector_ = environment.MakeCollector(stage_, *phase.store, lease_, timer_, &combiner_);
  }
  ~MapSlot() override {
    timer_.Flush();
    environment_.AddTimes(times_);
  }

  Status Run(std::size_t task) override {
    const std::uint64_t reject_order = phase_.reject_order + task;
    const Split& split = (*phase_.splits)[task];
    TaskRejects rejects(environment_.rejects(), reject_order);
    const ExecutionInput& input =
        environment_.inputs()[static_cast<std::size_t>(phase_.source->input)];
    Context context(TaskName(phase_.first_number + task), input.name, environment_.options().date,
                    &rejects);
    context.set_tables(&environment_.tables());
    context.set_is_repeat(phase_.source->is_repeat);
    context.set_is_converted(!input.format.is_lines());
    ThisThreadsRecord() = context.current_record();
    Status status = collector_ != nullptr ? Collect(task, split, reject_order, context)
                                          : Write(task, split, reject_order, context);
    ThisThreadsRecord() = nullptr;
    if (!phase_.source->tables.empty()) status.Update(environment_.TableStatus());
    if (status.ok()) return rejects.Close();
    // Damage to a file is never a reject: what was made of it before it was noticed is none,
    // either.
    if (status.code() != StatusCode::kCancelled) rejects.Discard(status);
    return status;
  }

  Status Close() override { return collector_ != nullptr ? collector_->Close() : Status::Ok(); }

 private:
  Status Collect(std::size_t task, const Split& split, std::uint64_t reject_order,
                 Context& context) {
    collector_->BeginTask(phase_.order_base + task);
    MR_RETURN_IF_ERROR(MapSplit(split, reject_order, context, *collector_));
    return collector_->EndTask();
  }

  Status Write(std::size_t task, const Split& split, std::uint64_t reject_order, Context& context) {
    FanOutSink out;
    out.set_timer(&timer_);
    TaskWrites writes(stage_.writes, *phase_.parts, phase_.part_of_task[task], task, timer_, out);
    MR_RETURN_IF_ERROR(MapSplit(split, reject_order, context, out));
    return writes.Close();
  }

  Status MapSplit(const Split& split, std::uint64_t reject_order, Context& context,
                  EmitSink& sink) {
    const std::unique_ptr<MapOperator> mapper = phase_.source->make_map(context, sink);
    set_aside_count_ = 0;
    for (const SplitPiece& piece : split.pieces) {
      MR_RETURN_IF_ERROR(MapPiece(piece, reject_order, context, *mapper));
    }
    MR_RETURN_IF_ERROR(mapper->Close());
    environment_.AddTask(context,
                         phase_.source->is_repeat ? 0 : mapper->record_count() + set_aside_count_);
    environment_.AddProgress(0, 0, 1);
    return Status::Ok();
  }

  Status MapPiece(const SplitPiece& piece, std::uint64_t reject_order, Context& context,
                  MapOperator& mapper) {
    const ExecutionInput& input = environment_.inputs()[static_cast<std::size_t>(piece.input)];
    const Shard& shard = input.shards[static_cast<std::size_t>(piece.shard)];
    context.BeginShard(shard.file.path);
    FindSetAside(shard.file.path);
    timer_.Switch(Phase::kRead);
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                        ShardReader::Open(environment_.files(), shard, piece.range,
                                          environment_.digest(piece.input, piece.shard), &timer_));
    const std::uint64_t stored = piece.range.stored_end - piece.range.stored_begin;
    const bool is_plain = shard.compression == Compression::kNone;
    std::uint64_t reported = 0;  // Of compressed shards only the whole is known.
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<BlockReader> blocks,
                        OpenBlocks(input, shard, piece.range, *reader));
    const Status status =
        MapBlocks(*blocks, reject_order, context, mapper, is_plain ? stored : 0, &reported);
    timer_.Switch(Phase::kRead);
    if (status.code() == StatusCode::kCancelled && !is_plain)
      MR_RETURN_IF_ERROR(CheckRest(*reader, piece.range));
    MR_RETURN_IF_ERROR(status);
    MR_RETURN_IF_ERROR(reader->Finish());
    timer_.Switch(Phase::kMap);
    environment_.AddProgress(stored - reported, 0, 0);
    return Status::Ok();
  }

  Result<std::unique_ptr<BlockReader>> OpenBlocks(const ExecutionInput& input, const Shard& shard,
                                                  const ShardRange& range, ShardReader& reader) {
    if (input.format.is_lines()) {
      return std::unique_ptr<BlockReader>(std::make_unique<LineBlockReader>(
          reader, range, environment_.record_bytes_max(), shard.file.path, &line_buffer_));
    }
    return OpenRows({reader, shard, range, input.format, phase_.source->request,
                     environment_.record_bytes_max()});
  }

  Status MapBlocks(BlockReader& blocks, std::uint64_t reject_order, Context& context,
                   MapOperator& mapper, std::uint64_t report_bytes_max, std::uint64_t* reported) {
    LineBlock block;
    for (;;) {
      MR_RETURN_IF_ERROR(environment_.CheckGoOn(reject_order));
      timer_.Switch(Phase::kRead);
      MR_ASSIGN_OR_RETURN(const bool more, blocks.Next(&block));
      if (!more) return Status::Ok();
      timer_.Switch(Phase::kMap);
      const auto bytes = static_cast<std::uint64_t>(block.end - block.begin);
      timer_.AddBytes(Phase::kMap, bytes);
      const std::uint64_t records_before = mapper.record_count();
      MR_RETURN_IF_ERROR(set_aside_.empty() ? mapper.MapBlock(block)
                                            : MapAround(block, context, mapper));
      context.current_record()->EndBlock();
      const std::uint64_t done = std::min(report_bytes_max - *reported, bytes);
      *reported += done;
      environment_.AddProgress(done, mapper.record_count() - records_before, 0);
    }
  }

  // The places in a shard, in order.
  void FindSetAside(const std::string& path) {
    set_aside_.clear();
    if (phase_.set_aside == nullptr) return;
    for (const RecordPosition& position : *phase_.set_aside) {
      if (position.shard == path) set_aside_.push_back(position.offset);
    }
    std::sort(set_aside_.begin(), set_aside_.end());
  }

  // Cuts the block around the records that are set aside.
  Status MapAround(const LineBlock& block, Context& context, MapOperator& mapper) {
    return block.records == nullptr ? MapAroundLines(block, context, mapper)
                                    : MapAroundRecords(block, context, mapper);
  }

  Status MapAroundRecords(const LineBlock& block, Context& context, MapOperator& mapper) {
    LineBlock rest = block;
    for (const SourceRecord& record : *block.records) {
      if (!block.reject.empty() ||
          !std::binary_search(set_aside_.begin(), set_aside_.end(), record.offset)) {
        continue;
      }
      LineBlock front = rest;
      front.end = record.line;
      if (front.begin < front.end) MR_RETURN_IF_ERROR(mapper.MapBlock(front));
      const char* const newline = std::find(record.line, block.end, '\n');
      context.BeginBlock(rest);
      context.BeginRecord({record.line, static_cast<std::size_t>(newline - record.line)});
      MR_RETURN_IF_ERROR(context.ReportReject(kCrashReason, record.raw));
      ++set_aside_count_;
      rest.begin = newline + 1;  // Each line that was made ends with LF.
    }
    const bool is_left = rest.begin < rest.end || !block.reject.empty();
    return is_left ? mapper.MapBlock(rest) : Status::Ok();
  }

  Status MapAroundLines(const LineBlock& block, Context& context, MapOperator& mapper) {
    LineBlock rest = block;
    const auto size = [](const LineBlock& of) {
      return static_cast<std::uint64_t>(of.end - of.begin);
    };
    const auto cut = [&](const char* end) {
      const LineBlock front{.begin = rest.begin, .end = end, .offset = rest.offset};
      rest.offset += size(front);
      rest.begin = end;
      return front;
    };
    while (rest.begin < rest.end) {
      const auto next = std::lower_bound(set_aside_.begin(), set_aside_.end(), rest.offset);
      if (next == set_aside_.end() || *next - rest.offset >= size(rest)) break;
      // The line that holds the byte, though it should begin there.
      const char* begin = rest.begin + (*next - rest.offset);
      const char* const newline = std::find(begin, rest.end, '\n');
      while (begin > rest.begin && begin[-1] != '\n') --begin;
      if (begin > rest.begin) MR_RETURN_IF_ERROR(mapper.MapBlock(cut(begin)));
      const std::string_view line(begin, static_cast<std::size_t>(newline - begin));
      context.BeginBlock(rest);
      MR_RETURN_IF_ERROR(context.ReportReject(kCrashReason, line));
      ++set_aside_count_;
      cut(newline == rest.end ? newline : newline + 1);
    }
    return rest.begin < rest.end ? mapper.MapBlock(rest) : Status::Ok();
  }

  // What was rejected may be damage, which some compressed files tell only at their end.
  Status CheckRest(ShardReader& reader, const ShardRange& range) {
    std::vector<char> bytes;
    const CancelToken* const cancel = environment_.options().cancel;
    while (reader.offset() < range.end && (cancel == nullptr || !cancel->cancelled())) {
      bytes.resize(std::max(bytes.size(), reader.NextReadBytes()));
      MR_ASSIGN_OR_RETURN(const std::size_t count, reader.Read(bytes.data(), bytes.size()));
      if (count == 0) break;
    }
    return Status::Ok();
  }

  TaskEnvironment& environment_;
  const MapPhase& phase_;
  const StageSpec& stage_;
  MemoryBudget::Lease lease_;
  PhaseTimes times_;
  PhaseTimer timer_;
  std::unique_ptr<CombineOperator> combiner_;
  std::unique_ptr<Collector> collector_;
  std::vector<std::uint64_t> set_aside_;  // Offsets in the shard, in order.
  LineBuffer line_buffer_;
  std::uint64_t set_aside_count_ = 0;  // Of the task.
};

}  // namespace

Result<std::unique_ptr<Slot>> MakeMapSlot(TaskEnvironment& environment, const MapPhase& phase) {
  return std::unique_ptr<Slot>(std::make_unique<MapSlot>(environment, phase));
}

}  // namespace millrace

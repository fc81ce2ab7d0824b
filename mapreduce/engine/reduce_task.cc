// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reduce_task.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/part_ranges.h"
#include "mapreduce/engine/task_outputs.h"

namespace millrace {
namespace {

std::string TaskName(std::size_t task) {
  char name[32];
  std::snprintf(name, sizeof(name), "reduce-%05zu", task);
  return name;
}

/// A stage that reads this one's output, as one slot feeds it.
struct NextStage {
  const StageSource* source;
  std::unique_ptr<MemoryBudget::Lease> lease;
  std::unique_ptr<CombineOperator> combiner;
  std::unique_ptr<Collector> collector;
  std::uint64_t order_base;
  std::uint64_t reject_order;
};

/// A map of the next stage inside this reduce task. It has a context of its own: what it rejects
/// or draws at random must not depend on when the reduce hands on a batch.
struct NextMap {
  NextMap(TaskEnvironment& environment, const NextStage& next, std::size_t task,
          std::string task_name, const std::string& stage, std::uint64_t task_order)
      : rejects(environment.rejects(), next.reject_order + task, task_order),
        context(std::move(task_name), stage, environment.options().date, &rejects),
        map(MakeMap(environment, next)) {}
  std::unique_ptr<RecordMapOperator> MakeMap(TaskEnvironment& environment, const NextStage& next) {
    context.set_tables(&environment.tables());
    return next.source->make_record_map(context, *next.collector);
  }

  TaskRejects rejects;
  Context context;
  const std::unique_ptr<RecordMapOperator> map;
};

/// A map behind a reduce gets what several groups have emitted at once: what happens in it must not
/// be blamed on the group that is being reduced meanwhile.
class BlamelessSink final : public EmitSink {
 public:
  explicit BlamelessSink(EmitSink& sink) : sink_(sink) {}
  Status Consume(EmitBatch& batch) override {
    const Blameless blameless;
    return sink_.Consume(batch);
  }

 private:
  EmitSink& sink_;
};

/// Keeps what a reduce emits as a table.
class TableSink final : public EmitSink {
 public:
  TableSink(TableWriter& table, const StageSpec& stage) : table_(table), stage_(stage) {}
  Status Consume(EmitBatch& batch) override {
    for (std::size_t i = 0; i < batch.count(); ++i) {
      const char* const record = batch.begin() + batch.offset(i);
      const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
      const Status added =
          table_.Add(key, {key.data() + key.size(), EmitBatch::ValueBytes(record)});
      if (!added.ok()) return added.Annotate(stage_.name, ", ", stage_.reduce_name);
    }
    return Status::Ok();
  }

 private:
  TableWriter& table_;
  const StageSpec& stage_;
};

class ReduceSlot final : public Slot {
 public:
  ReduceSlot(TaskEnvironment& environment, const ReducePhase& phase)
      : environment_(environment),
        phase_(phase),
        stage_(environment.graph().stages[phase.stage]),
        lease_(environment.budget().Join()),
        timer_(times_, Phase::kMerge) {
    const std::vector<Follower> followers = Followers(environment.graph(), phase.stage);
    for (std::size_t i = 0; i < followers.size(); ++i) {
      const StageSpec& stage = environment.graph().stages[followers[i].stage];
      NextStage& target = next_.emplace_back();
      target.source = &stage.sources[followers[i].source];
      target.lease = std::make_unique<MemoryBudget::Lease>(environment.budget().Join());
      target.collector = environment.MakeCollector(stage, *phase.next_stores[i], *target.lease,
                                                   timer_, &target.combiner);
      target.order_base = static_cast<std::uint64_t>(followers[i].source) << 32;
      target.reject_order = phase.reject_order + phase.ranges.size() * next_.size();
    }
    // So that the collectors don't take it. Where it is more than the budget has, that is tiny.
    static_cast<void>(lease_.TryGrow(TaskEnvironment::CursorBytes(*phase.store)));
  }
  ~ReduceSlot() override {
    timer_.Flush();
    environment_.AddTimes(times_);
  }

  Status Run(std::size_t task) override {
    TaskRejects rejects(environment_.rejects(), phase_.reject_order + task);
    Context context(NameOf(task), stage_.name, environment_.options().date, &rejects);
    context.set_tables(&environment_.tables());
    context.set_groups_aside(phase_.groups_aside);
    ThisThreadsRecord() = context.current_record();
    Status status = ReduceRangeOf(task, context);
    ThisThreadsRecord() = nullptr;
    status.Update(environment_.TableStatus());
    MR_RETURN_IF_ERROR(status);
    MR_RETURN_IF_ERROR(rejects.Close());
    environment_.AddTask(context, 0);
    environment_.AddProgress(0, 0, 1);
    return Status::Ok();
  }

  Status Close() override {
    for (NextStage& next : next_) MR_RETURN_IF_ERROR(next.collector->Close());
    return Status::Ok();
  }

 private:
  std::string NameOf(std::size_t task) const { return TaskName(phase_.first_number + task); }

  Status ReduceRangeOf(std::size_t task, Context& context) {
    MR_RETURN_IF_ERROR(environment_.CheckGoOn(phase_.reject_order + task));
    timer_.Switch(Phase::kMerge);
    FanOutSink out;
    out.set_timer(&timer_);
    if (phase_.goes_one_by_one && !next_.empty()) out.set_batch_records(1);
    std::vector<std::unique_ptr<NextMap>> maps;
    std::vector<std::unique_ptr<EmitSink>> blameless;
    for (NextStage& next : next_) {
      next.collector->BeginTask(next.order_base + task);
      maps.push_back(std::make_unique<NextMap>(environment_, next, task, NameOf(task), stage_.name,
                                               phase_.reject_order + task));
      EmitSink* map = maps.back()->map.get();
      if (!phase_.goes_one_by_one)
        map = blameless.emplace_back(std::make_unique<BlamelessSink>(*map)).get();
      out.Add(map, Phase::kMap);
    }
    TaskWrites writes(stage_.writes, *phase_.parts, phase_.ranges[task].part, task, timer_, out);
    std::unique_ptr<TableWriter> table;
    std::optional<TableSink> table_sink;
    if (stage_.table >= 0) {
      MR_ASSIGN_OR_RETURN(table,
                          environment_.MakeTable(phase_.table_paths[task], phase_.held_bytes_max));
      out.Add(&table_sink.emplace(*table, stage_), Phase::kWrite);
    }
    {
      const std::unique_ptr<ReduceOperator> reducer = stage_.make_reduce(context, out);
      MR_ASSIGN_OR_RETURN(auto cursors, phase_.store->Read(phase_.ranges[task].keys));
      for (auto& cursor : cursors) cursor = Watch(std::move(cursor), task);
      Merger merger(std::move(cursors));
      MR_RETURN_IF_ERROR(merger.Start());
      timer_.Switch(Phase::kReduce);
      MR_RETURN_IF_ERROR(reducer->Run(merger));
      MR_RETURN_IF_ERROR(reducer->Close());
    }
    for (std::size_t i = 0; i < next_.size(); ++i) {
      MR_RETURN_IF_ERROR(maps[i]->map->Close());
      MR_RETURN_IF_ERROR(maps[i]->rejects.Close());
      environment_.AddCounters(maps[i]->context);
      MR_RETURN_IF_ERROR(next_[i].collector->EndTask());
    }
    timer_.Switch(Phase::kWrite);
    if (table != nullptr) {
      MR_ASSIGN_OR_RETURN((*phase_.tables_made)[task], table->Close(phase_.has_durable_tables));
    }
    return writes.Close();
  }

  /// Notes time and progress, and asks whether to go on, once per batch.
  class WatchedCursor final : public RunCursor {
   public:
    WatchedCursor(ReduceSlot& slot, std::unique_ptr<RunCursor> cursor, std::uint64_t order)
        : slot_(slot), cursor_(std::move(cursor)), order_(order) {}
    Result<bool> Next(std::span<const RecordView>* batch) override {
      MR_RETURN_IF_ERROR(slot_.environment_.CheckGoOn(order_));
      const PhaseScope scope(&slot_.timer_, Phase::kMerge);
      MR_ASSIGN_OR_RETURN(const bool more, cursor_->Next(batch));
      if (more) slot_.environment_.AddProgress(0, batch->size(), 0);
      return more;
    }

   private:
    ReduceSlot& slot_;
    const std::unique_ptr<RunCursor> cursor_;
    const std::uint64_t order_;
  };
  std::unique_ptr<RunCursor> Watch(std::unique_ptr<RunCursor> cursor, std::size_t task) {
    return std::make_unique<WatchedCursor>(*this, std::move(cursor), phase_.reject_order + task);
  }

  TaskEnvironment& environment_;
  const ReducePhase& phase_;
  const StageSpec& stage_;
  MemoryBudget::Lease lease_;
  PhaseTimes times_;
  PhaseTimer timer_;
  std::vector<NextStage> next_;
};

}  // namespace

std::vector<ReduceRange> CutRanges(const RunStore& store, int parts, std::size_t ranges_wanted) {
  const std::vector<std::string> samples = store.SampleKeys();
  std::vector<KeyRange> part_ranges = PartRanges(store.Borders(parts), parts);
  const std::size_t per_part =
      std::max<std::size_t>(1, (ranges_wanted + part_ranges.size() - 1) / part_ranges.size());
  std::vector<ReduceRange> ranges;
  for (std::size_t part = 0; part < part_ranges.size(); ++part) {
    KeyRange& keys = part_ranges[part];
    const auto first = keys.begin ? std::upper_bound(samples.begin(), samples.end(), *keys.begin)
                                  : samples.begin();
    const auto last =
        keys.end ? std::lower_bound(samples.begin(), samples.end(), *keys.end) : samples.end();
    const auto inside = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, last - first));
    const std::size_t pieces = std::min(per_part, inside + 1);
    for (std::size_t piece = 1; piece < pieces; ++piece) {
      const std::string& border = first[static_cast<std::ptrdiff_t>(inside * piece / pieces)];
      if (keys.begin && border <= *keys.begin) continue;
      ranges.push_back({{keys.begin, border}, part});
      keys.begin = border;
    }
    ranges.push_back({std::move(keys), part});
  }
  return ranges;
}

std::vector<std::size_t> StartOrder(const std::vector<ReduceRange>& ranges, int slots) {
  struct Place {
    std::size_t team, range_of_part, index;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;
  places.reserve(ranges.size());
  std::size_t first = 0;  // Of the range's part.
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].part != ranges[first].part) first = i;
    places.push_back({ranges[i].part / static_cast<std::size_t>(slots), i - first, i});
  }
  std::sort(places.begin(), places.end());
  std::vector<std::size_t> order;
  order.reserve(places.size());
  for (const Place& place : places) order.push_back(place.index);
  return order;
}

Result<std::unique_ptr<Slot>> MakeReduceSlot(TaskEnvironment& environment,
                                             const ReducePhase& phase) {
  return std::unique_ptr<Slot>(std::make_unique<ReduceSlot>(environment, phase));
}

}  // namespace millrace

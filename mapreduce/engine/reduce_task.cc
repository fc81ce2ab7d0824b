// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reduce_task.h"

#include <algorithm>
#include <cstdio>
#include <utility>

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
  NextMap(Execution& execution, const NextStage& next, std::size_t task, const std::string& stage,
          std::uint64_t task_order)
      : rejects(execution.rejects(), next.reject_order + task, task_order),
        context(TaskName(task), stage, execution.options().date, &rejects),
        map(next.source->make_record_map(context, *next.collector)) {}

  TaskRejects rejects;
  Context context;
  const std::unique_ptr<RecordMapOperator> map;
};

class ReduceSlot final : public Slot {
 public:
  ReduceSlot(Execution& execution, const ReducePhase& phase)
      : execution_(execution),
        phase_(phase),
        stage_(execution.graph().stages[phase.stage]),
        lease_(execution.budget().Join()),
        timer_(times_, Phase::kMerge) {
    const std::vector<StageSpec>& stages = execution.graph().stages;
    for (std::size_t next = phase.stage + 1; next < stages.size(); ++next) {
      for (std::size_t s = 0; s < stages[next].sources.size(); ++s) {
        if (stages[next].sources[s].stage != static_cast<int>(phase.stage)) continue;
        NextStage& target = next_.emplace_back();
        target.source = &stages[next].sources[s];
        target.lease = std::make_unique<MemoryBudget::Lease>(execution.budget().Join());
        target.collector = execution.MakeCollector(next, *target.lease, timer_, &target.combiner);
        target.order_base = static_cast<std::uint64_t>(s) << 32;
        target.reject_order = phase.reject_order + phase.ranges.size() * next_.size();
      }
    }
    // So that the collectors don't take it. Where it is more than the budget has, that is tiny.
    static_cast<void>(lease_.TryGrow(execution.CursorBytes(phase.stage)));
  }
  ~ReduceSlot() override {
    timer_.Flush();
    execution_.AddTimes(times_);
  }

  Status Run(std::size_t task) override {
    TaskRejects rejects(execution_.rejects(), phase_.reject_order + task);
    Context context(TaskName(task), stage_.name, execution_.options().date, &rejects);
    ThisThreadsRecord() = context.current_record();
    const Status status = ReduceRangeOf(task, context);
    ThisThreadsRecord() = nullptr;
    MR_RETURN_IF_ERROR(status);
    MR_RETURN_IF_ERROR(rejects.Close());
    execution_.AddTask(context, 0);
    execution_.AddProgress(0, 0, 1);
    return Status::Ok();
  }

  Status Close() override {
    for (NextStage& next : next_) MR_RETURN_IF_ERROR(next.collector->Close());
    return Status::Ok();
  }

 private:
  Status ReduceRangeOf(std::size_t task, Context& context) {
    MR_RETURN_IF_ERROR(execution_.CheckGoOn(phase_.reject_order + task));
    timer_.Switch(Phase::kMerge);
    FanOutSink out;
    out.set_timer(&timer_);
    std::vector<std::unique_ptr<NextMap>> maps;
    for (NextStage& next : next_) {
      next.collector->BeginTask(next.order_base + task);
      maps.push_back(std::make_unique<NextMap>(execution_, next, task, stage_.name,
                                               phase_.reject_order + task));
      out.Add(maps.back()->map.get(), Phase::kMap);
    }
    TaskWrites writes(stage_.writes, *phase_.parts, phase_.ranges[task].part, task, timer_, out);
    {
      const std::unique_ptr<ReduceOperator> reducer = stage_.make_reduce(context, out);
      MR_ASSIGN_OR_RETURN(auto cursors,
                          execution_.store(phase_.stage).Read(phase_.ranges[task].keys));
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
      execution_.AddCounters(maps[i]->context);
      MR_RETURN_IF_ERROR(next_[i].collector->EndTask());
    }
    timer_.Switch(Phase::kWrite);
    return writes.Close();
  }

  /// Notes time and progress, and asks whether to go on, once per batch.
  class WatchedCursor final : public RunCursor {
   public:
    WatchedCursor(ReduceSlot& slot, std::unique_ptr<RunCursor> cursor, std::uint64_t order)
        : slot_(slot), cursor_(std::move(cursor)), order_(order) {}
    Result<bool> Next(std::span<const RecordView>* batch) override {
      MR_RETURN_IF_ERROR(slot_.execution_.CheckGoOn(order_));
      const PhaseScope scope(&slot_.timer_, Phase::kMerge);
      MR_ASSIGN_OR_RETURN(const bool more, cursor_->Next(batch));
      if (more) slot_.execution_.AddProgress(0, batch->size(), 0);
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

  Execution& execution_;
  const ReducePhase& phase_;
  const StageSpec& stage_;
  MemoryBudget::Lease lease_;
  PhaseTimes times_;
  PhaseTimer timer_;
  std::vector<NextStage> next_;
};

}  // namespace

std::vector<ReduceRange> CutRanges(const RunStore& store, int parts, std::size_t ranges_wanted) {
  const std::vector<std::string> borders = store.Borders(parts);
  const std::vector<std::string> samples = store.SampleKeys();
  const auto part_count = static_cast<std::size_t>(parts);
  const std::size_t per_part =
      std::max<std::size_t>(1, (ranges_wanted + part_count - 1) / part_count);
  std::vector<ReduceRange> ranges;
  for (std::size_t part = 0; part < part_count; ++part) {
    KeyRange keys;
    if (part > 0) {
      if (part > borders.size()) {  // Fewer keys than parts: an empty range at the end.
        keys.begin = keys.end = borders.empty() ? std::string() : borders.back();
        ranges.push_back({std::move(keys), part});
        continue;
      }
      keys.begin = borders[part - 1];
    }
    const auto first = part == 0
                           ? samples.begin()
                           : std::upper_bound(samples.begin(), samples.end(), borders[part - 1]);
    const auto last = part < borders.size()
                          ? std::lower_bound(samples.begin(), samples.end(), borders[part])
                          : samples.end();
    const auto inside = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, last - first));
    const std::size_t pieces = std::min(per_part, inside + 1);
    for (std::size_t piece = 1; piece < pieces; ++piece) {
      const std::string& border = first[static_cast<std::ptrdiff_t>(inside * piece / pieces)];
      if (keys.begin && border <= *keys.begin) continue;
      KeyRange before = keys;
      before.end = border;
      ranges.push_back({std::move(before), part});
      keys.begin = border;
    }
    if (part < borders.size()) keys.end = borders[part];
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

Result<std::unique_ptr<Slot>> MakeReduceSlot(Execution& execution, const ReducePhase& phase) {
  return std::unique_ptr<Slot>(std::make_unique<ReduceSlot>(execution, phase));
}

}  // namespace millrace

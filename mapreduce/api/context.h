// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_CONTEXT_H_
#define MAPREDUCE_API_CONTEXT_H_

// What a job's code may ask of the framework beside emitting: counters, rejects, the logical date
// and a deterministic random generator. Never the clock.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/current_record.h"
#include "mapreduce/api/origin.h"
#include "mapreduce/api/table_set.h"
#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"

namespace millrace {

/// A record that was set aside.
struct RejectedRecord {
  std::string_view input;  ///< Name of the input; of the stage, for a group.
  std::string_view shard;  ///< Path; empty for a group.
  std::uint64_t offset;    ///< In the shard's decompressed bytes.
  std::string_view reason;
  std::string_view raw;  ///< The record as read; the encoded key of a group.
  bool is_late = false;  ///< By a Reduce, with the record's origin: not in the order of the input.
};

/// The reason why what crashed the job's code before is rejected.
inline constexpr char kCrashReason[] = "crashed the job's code";

/// Where rejects go. An error stops the task.
class RejectSink {
 public:
  virtual ~RejectSink() = default;
  virtual Status Add(const RejectedRecord& record) = 0;
};

/// One per task. One thread at a time.
class Context {
 public:
  /// `input`, `date` and `rejects` outlive it.
  Context(std::string task, std::string input, std::string date, RejectSink* rejects)
      : task_(std::move(task)),
        input_(std::move(input)),
        date_(std::move(date)),
        rejects_(rejects),
        current_(AcquireCurrentRecord()) {
    current_->BeginTask(task_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { ReleaseCurrentRecord(current_); }

  /// Adds `n` to the counter `name`. Counters of all tasks are summed, each task's once.
  void Count(std::string_view name, std::uint64_t n = 1) {
    for (auto& [known, count] : counters_) {  // Linear: a job has a handful.
      if (known == name) {
        count += n;
        return;
      }
    }
    counters_.emplace_back(name, n);
  }

  /// Sets the current record aside (in a Reduce: the group) with what it has emitted. Return from
  /// Map or Reduce afterwards; the first reason counts.
  void Reject(std::string_view reason) {
    if (is_rejected_) return;
    is_rejected_ = true;
    reason_ = reason;
  }

  /// Sets aside the input record that a value came from, in a Reduce: the group goes on without it.
  void Reject(const Origin& origin, std::string_view reason) {
    failure_.Update(rejects_->Add({origin.input, origin.shard, origin.offset, reason, origin.raw,
                                   /*is_late=*/true}));
    if (!failure_.ok()) is_rejected_ = true;
  }

  /// The data can't give a right result, whatever is set aside: ends the run with exit code 65.
  /// Say what is wrong with which record or key, and what to do.
  void Fail(std::string_view why) {
    failure_.Update(Status::BadData(why));
    is_rejected_ = true;
  }

  /// The record that is being mapped: its views live until Map returns.
  Origin origin() const {
    return {input_, shard_, shard_.empty() ? 0 : current_->offset(),
            shard_.empty() ? group_ : raw_};
  }

  /// Of the shard that is being mapped, the name without folder and without .zst or .gz; empty
  /// where a stage made the record.
  std::string_view file_name() const;

  /// The run's --date as YYYY-MM-DD; empty if none was given.
  const std::string& date() const { return date_; }

  /// A generator seeded from where the record is in the input: the same numbers in each run,
  /// however the input is split.
  Random& random() {
    if (!has_random_) SeedRandom();
    return random_;
  }

  // What follows is for the framework.

  void BeginShard(std::string_view shard) {
    shard_ = shard;
    current_->BeginShard(shard);
  }
  void BeginBlock(const LineBlock& block) {
    if (block.records == nullptr) {
      records_ = records_end_ = nullptr;
      current_->BeginBlock(block.begin, block.offset);
    } else {
      records_ = block.records->data();
      records_end_ = records_ + block.records->size();
      current_->BeginMadeBlock(block.offset);
    }
  }
  void BeginRecord(std::string_view raw) {
    has_random_ = false;
    if (records_ != nullptr) [[unlikely]]
      return BeginMadeRecord(raw.data());
    raw_ = raw;
    current_->BeginRecord(raw.data());
  }
  void BeginGroup(std::string_view key) {
    group_ = key;
    current_->BeginGroup(key);
    has_random_ = false;
  }
  void EndGroups() { current_->EndGroups(); }
  /// The record or group is not to count: it is rejected, or the job has failed.
  bool is_rejected() const { return is_rejected_; }
  const Status& failure() const { return failure_; }
  void set_tables(const std::vector<std::shared_ptr<const TableSet>>* tables) { tables_ = tables; }
  /// Lines are made of another format's rows.
  void set_is_converted(bool is_converted) { is_converted_ = is_converted; }
  bool is_converted() const { return is_converted_; }
  /// The records were read before, by another map of the same reader.
  void set_is_repeat(bool is_repeat) { is_repeat_ = is_repeat; }
  bool is_repeat() const { return is_repeat_; }
  /// Encoded keys, sorted; may be null.
  void set_groups_aside(const std::vector<std::string>* keys) { groups_aside_ = keys; }
  /// Whether the group has crashed the task before: it is to be rejected unseen, for kCrashReason.
  bool IsSetAside(std::string_view key) const {
    return groups_aside_ != nullptr &&
           std::binary_search(groups_aside_->begin(), groups_aside_->end(), key);
  }
  /// Requires: the engine has made the table.
  const std::shared_ptr<const TableSet>& table(int index) const {
    const std::shared_ptr<const TableSet>& table = (*tables_)[static_cast<std::size_t>(index)];
    MR_CHECK(table != nullptr);  // Lookups in it would find nothing, and the run would succeed.
    return table;
  }
  /// Reports the current record, for the reason given to Reject or here.
  Status ReportReject(std::string_view raw);  // The line, where the record was made into one.
  Status ReportReject(std::string_view reason, std::string_view raw) {
    Reject(reason);
    return ReportReject(raw);
  }
  CurrentRecord* current_record() { return current_; }
  const std::vector<std::pair<std::string, std::uint64_t>>& counters() const { return counters_; }

 private:
  void SeedRandom();
  void BeginMadeRecord(const char* line);

  const std::string task_;
  const std::string input_;
  const std::string date_;
  RejectSink* const rejects_;
  CurrentRecord* const current_;
  std::string shard_;
  std::string_view raw_;
  const SourceRecord* records_ = nullptr;  // Of the block's lines, from the current one on.
  const SourceRecord* records_end_ = nullptr;
  std::string_view group_;
  const std::vector<std::shared_ptr<const TableSet>>* tables_ = nullptr;
  const std::vector<std::string>* groups_aside_ = nullptr;
  Status failure_;
  std::vector<std::pair<std::string, std::uint64_t>> counters_;
  std::string reason_;
  bool is_converted_ = false;
  bool is_repeat_ = false;
  bool is_rejected_ = false;
  bool has_random_ = false;
  Random random_{0};
};

}  // namespace millrace

#endif  // MAPREDUCE_API_CONTEXT_H_

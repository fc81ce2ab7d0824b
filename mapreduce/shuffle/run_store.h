// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_STORE_H_
#define MAPREDUCE_SHUFFLE_RUN_STORE_H_

// The sorted runs of one stage, between its maps and its reduce: in memory while the budget lasts,
// in run files beyond. Knows the order of the runs, which is the order of equal keys' values:
// (task, sequence), where a task's runs hold its emissions one after the other.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/combine_operator.h"
#include "mapreduce/shuffle/key_sampler.h"
#include "mapreduce/shuffle/memory_run.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_slice.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// Where a run stands among the others.
struct RunOrder {
  std::uint64_t task = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const RunOrder&, const RunOrder&) = default;
};

/// Of the last merge, and of those before it.
struct MergeLimits {
  std::size_t fan_in = 0;  ///< Files.
  std::uint64_t block_bytes =
      UINT64_MAX;  ///< Their largest blocks together; two are always merged.
};

struct RunStoreOptions {
  std::string directory;  ///< For run files.
  std::string name;       ///< Begins the names of run files.
  std::size_t block_bytes = std::size_t{256} << 10;
  std::uint64_t retained_bytes_max = 0;  ///< Runs kept in memory; the budget may allow fewer.
  std::size_t sample_capacity = 4096;    ///< Keys sampled for borders.
};

/// Runs that another process made can be read along with those of the store's own (AddSlice).
/// Thread-safe but for Finish(), after which it is immutable.
class RunStore {
 public:
  RunStore(FileSystem& files, MemoryBudget& budget, RunStoreOptions options);
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;
  /// Gives back the memory; the run files' folder is its owner's to remove.
  ~RunStore();

  /// Asks for room to keep a run of `bytes` in memory. If true, AddMemory follows with a run that
  /// charges no more, or CancelRetain. With `from`, the bytes are that lease's so far.
  bool TryRetain(std::uint64_t bytes, MemoryBudget::Lease* from = nullptr);
  void CancelRetain(std::uint64_t bytes);
  /// Announces runs that have no key in common, and none has a key twice, as a combining table
  /// leaves them: what AddMemory and AddFile are to be told of each.
  std::uint64_t NewTable() { return ++table_count_; }
  /// Whether runs may stay in memory at all.
  bool keeps_runs() const { return options_.retained_bytes_max > 0; }
  void AddMemory(RunOrder order, std::shared_ptr<const MemoryRun> run, std::uint64_t retained_bytes,
                 std::uint64_t table = kNoTable);

  /// A writer of a new run file, and what to do with it when it is full.
  std::unique_ptr<RunWriter> NewWriter();
  Status AddFile(RunOrder order, RunWriter& writer, std::uint64_t table = kNoTable);

  /// A run that is only read, never removed.
  void AddSlice(RunOrder order, RunSlice slice);

  /// Borders are chosen from the keys of all samples.
  void AddSample(const KeySampler& sample);
  std::size_t sample_capacity() const { return options_.sample_capacity; }

  /// Once all runs are there: orders them and opens the files. Merges runs until the files left
  /// are within `limits`, and not too many runs are in memory; with a combiner (may be null) the
  /// order of equal keys may be lost.
  Status Finish(MergeLimits limits, CombineOperator* combiner, const CancelToken* cancel);

  /// Cursors over the slice of each run, in run order.
  Result<std::vector<std::unique_ptr<RunCursor>>> Read(const KeyRange& range) const;
  /// At most parts - 1 increasing keys; see KeySampler::Borders.
  std::vector<std::string> Borders(int parts) const { return sample_.Borders(parts); }

  /// All sampled keys in order.
  std::vector<std::string> SampleKeys() const { return sample_.SortedKeys(); }

  /// Whether all runs are of one table: then no two records have the same key. Requires: all runs
  /// are there.
  bool has_distinct_keys() const;
  std::uint64_t record_count() const { return record_count_.load(); }
  std::uint64_t data_bytes() const { return data_bytes_.load(); }
  std::uint64_t spilled_bytes() const { return spilled_bytes_.load(); }
  std::size_t run_count() const { return runs_.size(); }
  /// Of the runs, how many are files, or slices of files.
  std::size_t file_count() const;
  std::size_t memory_run_count() const { return runs_.size() - file_count(); }
  /// What the cursors of all runs in memory hold at most.
  std::uint64_t memory_cursor_bytes() const;
  /// What the cursors of all files hold at least, and that of one.
  std::uint64_t block_bytes() const;
  std::uint64_t block_bytes_max() const;

 private:
  static constexpr std::uint64_t kNoTable = 0;
  struct StoredRun {
    RunOrder order;
    std::uint64_t table = kNoTable;
    std::shared_ptr<const MemoryRun> memory;  // Or:
    RunInfo info;
    std::shared_ptr<const RunFile> file;  // Or:
    std::optional<RunSlice> slice;
    std::shared_ptr<RandomAccessFile> slice_file;
    std::uint64_t block_bytes_max() const {
      return slice.has_value() ? slice->block_bytes_max : info.block_bytes_max;
    }
  };
  using RunIterator = std::vector<StoredRun>::iterator;
  bool IsWithin(const MergeLimits& limits) const;
  RunOptions NextRunOptions(std::string* path);
  Status MergeFiles(MergeLimits limits, CombineOperator* combiner, const CancelToken* cancel);
  Status OpenSlices(RunIterator begin, RunIterator end);
  Status MergeSlices(MergeLimits limits, CombineOperator* combiner, const CancelToken* cancel);
  Status SpillRetained(const CancelToken* cancel);

  FileSystem& files_;
  MemoryBudget& budget_;
  const RunStoreOptions options_;
  Mutex mutex_;
  std::vector<StoredRun> runs_;       // Guarded by mutex_ until Finish.
  KeySampler sample_;                 // Likewise.
  std::uint64_t retained_bytes_ = 0;  // Likewise.
  std::atomic<std::uint64_t> next_file_{0};
  std::atomic<std::uint64_t> table_count_{0};
  std::atomic<std::uint64_t> record_count_{0};
  std::atomic<std::uint64_t> data_bytes_{0};
  std::atomic<std::uint64_t> spilled_bytes_{0};
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_STORE_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_EXECUTE_H_
#define MAPREDUCE_ENGINE_EXECUTE_H_

// Executes a job's graph in this process, over a pool of slots: the local runner. Given the same
// graph and inputs, what it writes depends on parts and compression alone, never on the other
// options.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/cancel.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/io/shard.h"

namespace millrace {

/// One input of the job and its shards, in order.
struct ExecutionInput {
  std::string name;
  std::vector<Shard> shards;
  FileFormat format = {};  ///< Of all shards.
};

/// How many records may be set aside before the run fails.
struct RejectLimit {
  std::uint64_t count = 0;
  double percent = -1;  ///< From 0: of the records read, instead of `count`.
};

/// How far the run is.
struct Progress {
  std::string_view stage;  ///< "stage-1 map", "stage-1 reduce"
  std::uint64_t bytes_done = 0,
                bytes_total = 0;  ///< Stored input in a map, records' bytes in a reduce.
  std::uint64_t records = 0;
  int tasks_done = 0, tasks_total = 0;
  std::uint64_t spilled_bytes = 0;
};

/// Told from any thread, one call at a time.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// Some times a second.
  virtual void OnProgress(const Progress& progress) = 0;
  /// What the user should know of a run that goes on: one sentence.
  virtual void OnWarning(std::string_view /*warning*/) {}
};

/// How an input is cut that is small against the others.
enum class SmallInputs {
  kAsOthers,  ///< By the split size: the user's, or a cluster's.
  kFiner,     ///< Into some splits, so that no slot waits for one: where nobody said a size.
};

struct ExecutionOptions {
  int parallel = 1;
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;
  std::uint64_t split_bytes = std::uint64_t{64} << 20;
  SmallInputs small_inputs = SmallInputs::kAsOthers;
  int parts = 1;
  Compression compression = Compression::kNone;
  RejectLimit max_rejects;
  std::string date;
  std::string output_directory;         ///< Exists and is empty.
  std::string scratch_directory;        ///< Exists; files in it are left to its owner.
  const CancelToken* cancel = nullptr;  ///< May be null.
  ProgressSink* progress = nullptr;     ///< May be null.
  bool spill_everything = false;        ///< Tests: hand on and spill after every record.
  std::size_t block_bytes = 0;          ///< Tests: of run files; 0: as the memory allows.
};

/// A file of the output.
struct OutputFileRecord {
  std::string path;  ///< Relative to the output directory.
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  Hash128 xxh128;
};

struct ExecutionResult {
  std::vector<OutputFileRecord> files;  ///< By output, then part.
  std::optional<OutputFileRecord> rejects_file;
  std::vector<std::vector<Hash128>> input_digests;  ///< [input][shard]: ShardDigest::Root().
  std::map<std::string, std::uint64_t> counters;
  std::uint64_t records_in = 0;
  std::uint64_t bytes_in = 0;  ///< Stored.
  std::uint64_t records_out = 0;
  std::uint64_t rejects = 0;
  std::uint64_t tasks_run = 0;
  PhaseTimes phases;
  std::uint64_t spilled_bytes = 0;
};

/// Errors: kBadData for rejects over the limit and lines no budget holds, kCorrupt, kNotFound and
/// kStale of inputs, kResourceLimit, kUserCode, kCancelled. What was written until then is the
/// caller's to remove. Thread-safe.
Result<ExecutionResult> Execute(const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
                                const ExecutionOptions& options);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_EXECUTE_H_

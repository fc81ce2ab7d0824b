// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_RUN_H_
#define MAPREDUCE_ENGINE_RUN_H_

// One run in this process, from the request to the published output:
//
//   plan -> compare with what is at OUT -> lock the work directory beside OUT -> execute into it
//        -> manifest, _SUCCESS -> publish by one rename
//
// Whatever goes wrong, OUT is as it was and nothing of ours stays; after a crash the next run with
// the same OUT clears up.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/shard.h"

namespace millrace {

inline constexpr std::uint64_t kDefaultMemoryBytes = std::uint64_t{1} << 30;

struct RunRequest {
  std::string job;
  std::vector<std::string> inputs;   ///< [NAME=]PATTERN each.
  std::vector<std::string> formats;  ///< [NAME=]FORMAT each.
  std::string output;
  std::map<std::string, std::string> params;
  std::string date;  ///< YYYY-MM-DD or "".
  int parallel = 0;  ///< Tasks at once; 0: the cores this process may use.
  std::uint64_t memory_bytes = kDefaultMemoryBytes;
  std::string scratch;            ///< Directory for spills; "": hidden beside the output.
  std::uint64_t split_bytes = 0;  ///< 0: DefaultSplitBytes().
  int parts = 0;                  ///< 0: DefaultParts().
  Compression compression = Compression::kNone;
  OutputFormat output_format = OutputFormat::kTsv;
  RejectLimit max_rejects;
  bool force = false;
  bool dry_run = false;
};

enum class RunOutcome {
  kDone,
  kUpToDate,  ///< The output was there already.
  kPlanned,   ///< A dry run: nothing was executed.
};

/// An input as planned.
struct InputSummary {
  std::string name;
  std::uint64_t shard_count = 0, stored_bytes = 0;
  std::uint64_t split_count = 0;  ///< Of a dry run.
  std::string format;             ///< Of a dry run: FormatSpec().
  bool is_converted = false;      ///< Of a dry run: it is not read as it lies there.
  std::uint64_t whole_count = 0;  ///< Of a dry run: large files that can't be split.
  std::string why_whole;          ///< The first of them, and why.
};

/// An output as planned.
struct OutputSummary {
  std::string name;
  std::string format;                ///< "csv"; a job's own where it has no columns.
  std::vector<std::string> columns;  ///< Of rows that --output-format is about; or none.
};

/// A phase as planned: the maps of one source of a stage, or its reduce.
struct PhaseSummary {
  std::string stage;                 ///< "stage-1"
  std::string input;                 ///< Of maps: what they read; "" of a reduce.
  std::uint64_t task_count = 0;      ///< Of a reduce: at least.
  bool is_exact = true;              ///< No more tasks than that.
  std::vector<std::string> outputs;  ///< Names of those it writes.
  bool makes_table = false;
  std::vector<std::string> table_stages;  ///< Whose tables its tasks look up in.
};

struct RunSummary {
  RunOutcome state = RunOutcome::kDone;
  std::string run;     ///< Derived from the plan; "" for a dry run.
  std::string output;  ///< As asked for.
  std::vector<InputSummary> inputs;
  int parts = 0;
  std::uint64_t split_count = 0;  ///< Of a dry run, as the next three.
  std::vector<OutputSummary> outputs;
  std::vector<PhaseSummary> planned_phases;  ///< In the order in which they would run.
  bool replaces = false;                     ///< Something is at `output`.
  std::uint64_t records_in = 0, bytes_in = 0, records_out = 0, rejects = 0;
  std::uint64_t tasks_run = 0, tasks_reused = 0;
  double seconds = 0;
  PhaseTimes phases;  ///< Summed over all tasks.
  std::uint64_t spilled_bytes = 0;
  std::uint64_t peak_memory_bytes = 0;  ///< Of the process so far; 0: of others.
  std::map<std::string, std::uint64_t> counters;
};

/// `progress` may be null. Errors by code: kInvalidArgument for a wrong request, kNotFound for a
/// missing input, kCannotCreate where the output is in the way, kUnavailable while another run
/// writes it, kResourceLimit also for a failed allocation; else what the job or its data did.
Result<RunSummary> RunJob(const RunRequest& request, CancelToken& cancel, ProgressSink* progress);

/// The cores that this process may use, at least 1.
int UsableCores();

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_RUN_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLUSTER_REJECTS_H_
#define MAPREDUCE_ENGINE_CLUSTER_REJECTS_H_

// What the tasks of a cluster have set aside, from their reports and the files that they left
// beside the output (attempt_directory.h), to _rejects.tsv: the rows of the local runner, in its
// order. A file is read a piece at a time, and believed once its hash is right.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// Of all tasks together: what one thread of the master reads and writes in some minutes, while
/// other runs wait for it.
inline constexpr std::uint64_t kRunRejectBytesMax = std::uint64_t{16} << 30;

/// The committed output of each task, by phase of the plan, then task.
using RunOutputs = std::vector<std::vector<const TaskOutput*>>;

/// What lies beside the run's output, and whose it is.
struct OutcomePlaces {
  FileSystem& files;
  std::string output;  ///< RunSpec's.
  JobRunId run;
  std::vector<std::vector<std::uint32_t>> committed;    ///< As RunOutputs: the attempts' numbers.
  std::uint64_t reject_bytes_max = kRunRejectBytesMax;  ///< Tests: fewer.
};

/// See above. Requires: each output has as many texts of rejects as its phase leaves. All outlive
/// it.
class ClusterRejects {
 public:
  ClusterRejects(const ClusterPlan& plan, const RunOutputs& outputs, const OutcomePlaces& places)
      : plan_(plan), outputs_(outputs), places_(places) {}

  std::uint64_t count() const;
  /// As the local runner, which looks after each phase, and at the end: kBadData, with the first of
  /// them, for more than the run may have of its `records_read`. Also for more than the master
  /// takes. Else what reading gives (Write).
  Status Check(std::uint64_t records_read) const;
  /// Makes the file at RunRejectsPath, durable but for its name; nothing where there are none.
  /// Errors: kCorrupt for a task's file that is missing or damaged; kUnavailable for one that can't
  /// be read now; what writing gives; kInternal for another number of rows than was reported.
  Result<std::optional<OutputFileRecord>> Write() const;

 private:
  /// The rows of one text of a task's.
  struct Text {
    std::string_view rows;                   // In its report; or:
    std::string path;                        // The file they lie in.
    std::uint64_t begin = 0;                 // There.
    const RejectFile::Text* told = nullptr;  // What the report says of them.
  };
  using TakePiece = std::function<bool(std::string_view)>;

  std::uint64_t TotalBytes() const;
  Text TextOf(std::size_t phase, std::size_t task, std::size_t text) const;
  Status EachPiece(const Text& text, const TakePiece& take) const;
  Status EachPiece(std::size_t phase, const TakePiece& take) const;
  Status EachRow(std::size_t phase, const TakePiece& take) const;
  Result<std::vector<std::string>> First(std::size_t last_phase) const;
  Result<bool> AreSorted() const;
  Result<std::optional<OutputFileRecord>> TryWrite() const;

  const ClusterPlan& plan_;
  const RunOutputs& outputs_;
  const OutcomePlaces& places_;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLUSTER_REJECTS_H_

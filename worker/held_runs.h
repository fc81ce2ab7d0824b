// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_HELD_RUNS_H_
#define WORKER_HELD_RUNS_H_

// The run files that a worker's attempts left, and pieces of them for others. The stream that a
// reader gets (slice_server.h) is: for each output, in task order, the blocks that may hold keys of
// its range, as they lie there.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"
#include "worker/worker.h"

namespace millrace {

/// See above. One thread.
class HeldRuns {
 public:
  /// By channel.
  void Add(const AttemptId& attempt, std::vector<RunInfo> runs);
  void Drop(const AttemptId& attempt);
  /// Null if there is none.
  const RunInfo* Find(const AttemptId& attempt, std::uint32_t channel) const;

  /// The first piece of a stream opens each of its files, some 30 µs each; the others open one or
  /// two.
  PieceRead Read(const ReadPiece& read);
  FilesListed List(const ListFiles& list) const;

 private:
  // Where a stream's bytes lie. Streams are read one piece after the other, many at a time.
  struct Layout {
    std::vector<AttemptId> outputs;
    KeyBorders borders;
    std::vector<FetchSlice> slices;
  };
  Result<std::shared_ptr<const RunFile>> Open(const AttemptId& output, std::uint32_t channel);
  Result<const Layout*> LayoutOf(const ReadPiece& read, AttemptId* damaged);
  Status Append(const ReadPiece& read, const FetchSlice& slice, std::uint64_t begin,
                std::uint64_t end, std::string* bytes);

  std::map<AttemptId, std::vector<RunInfo>> runs_;
  std::deque<std::pair<ServeKey, Layout>> layouts_;  // The last ones used, the newest first.
  std::deque<std::shared_ptr<const RunFile>> open_;  // Likewise.
};

}  // namespace millrace

#endif  // WORKER_HELD_RUNS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CLUSTER_RUN_H_
#define CLI_CLUSTER_RUN_H_

// `millrace run … --master ENDPOINT`: what RunJob() does in this process, done by a cluster.
//
//   plan, look at what is at OUT        here, as in a local run: both see the same files
//   SubmitRun, modules                  to the master, which takes it up durably
//   progress, failed attempts           asked for until the end
//   summary                             from the manifest that the master has published
//
// A client that dies, or loses the master, changes nothing about the run: the same command again
// finds it at work and follows it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/progress.h"
#include "mapreduce/base/cancel.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/security/key_folder.h"

namespace millrace {

struct ClusterRunRequest {
  RunRequest run;
  std::string master;                  ///< Its endpoint.
  std::optional<KeyFolder> keys;       ///< Of --keys.
  std::vector<std::string> modules;    ///< Files; loaded already.
  std::uint64_t memory_bytes_min = 0;  ///< What a slot must have; 0: whatever it has.
  bool checks_determinism = false;
  bool detaches = false;  ///< Returns when the run is taken.
};

struct ClusterRunResult {
  Result<RunSummary> summary;
  int exit_code = 0;
  bool is_detached = false;  ///< summary->run is the name to ask for.
};

/// `progress` may be null. A cancelled client cancels its run and waits for that for a moment.
ClusterRunResult RunOnCluster(const ClusterRunRequest& request, CancelToken& cancel,
                              ConsoleProgress* progress);

/// Follows a run that is under way to its end: prints progress and failed attempts. The last
/// status; kUnavailable: the master doesn't know it.
struct FollowOptions {
  std::string name;
  const CancelToken* cancel = nullptr;
  ConsoleProgress* progress = nullptr;
};
class ClusterClient;
Result<RunStatus> FollowRun(ClusterClient& client, const FollowOptions& options);

/// The exit code of a run that ended so.
int ExitCodeOf(const RunStatus& status);

}  // namespace millrace

#endif  // CLI_CLUSTER_RUN_H_

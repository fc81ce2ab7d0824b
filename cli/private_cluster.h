// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_PRIVATE_CLUSTER_H_
#define CLI_PRIVATE_CLUSTER_H_

// `--isolate`: a run whose tasks are processes of their own, on this machine. What executes it is a
// cluster of one: a master and a worker, started for this run, which end with this process, however
// it ends (their standard input is a pipe from here).
//
//   DIR/state, DIR/spool        in the run's work directory, hidden beside OUT or below --scratch
//   TMP/millrace-XXXXXX/…       their sockets, which nobody else may open

#include "cli/cluster_run.h"
#include "mapreduce/engine/output_place.h"

namespace millrace {

/// Runs `request` so; request.master is not looked at. `progress` may be null.
ClusterRunResult RunIsolated(ClusterRunRequest request, CancelToken& cancel,
                             ConsoleProgress* progress);

/// What an isolated run to this place has left that was killed. Does nothing while one is alive.
void ClearDeadIsolatedRun(const OutputPlace& place);

}  // namespace millrace

#endif  // CLI_PRIVATE_CLUSTER_H_

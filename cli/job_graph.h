// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_JOB_GRAPH_H_
#define CLI_JOB_GRAPH_H_

// A job's graph, drawn.

#include <string>
#include <string_view>

#include "mapreduce/api/graph.h"

namespace millrace {

/// A paragraph for each stage, in the order in which they run:
///
///   stage-2:
///     plays > map ByUser
///     stage-1 > map ByTrack (fused; looks up in the table of stage-1)
///     combine Sum
///     reduce Sum
///     feed stage-3 (map Rank)
///     write toplist (tsv)
std::string GraphText(const JobGraph& graph);

/// The same for Graphviz. Inputs are folders, stages boxes, tables cylinders, outputs notes; bold
/// edges are fused, dashed ones are lookups.
std::string GraphDot(std::string_view job, const JobGraph& graph);

}  // namespace millrace

#endif  // CLI_JOB_GRAPH_H_

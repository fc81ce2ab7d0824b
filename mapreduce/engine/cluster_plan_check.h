// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLUSTER_PLAN_CHECK_H_
#define MAPREDUCE_ENGINE_CLUSTER_PLAN_CHECK_H_

#include "mapreduce/engine/cluster_plan.h"

namespace millrace {

/// kCorrupt, with a clause, unless all of `plan` fits together: what can be encoded, and what is
/// believed when it is decoded. Looks at everything but splits.
Status CheckClusterPlan(const ClusterPlan& plan);

/// Makes the splits of a plan that is checked otherwise. kInvalidArgument for more tasks than a run
/// may have.
Status FillSplits(ClusterPlan& plan);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLUSTER_PLAN_CHECK_H_

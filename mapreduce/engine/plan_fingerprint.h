// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PLAN_FINGERPRINT_H_
#define MAPREDUCE_ENGINE_PLAN_FINGERPRINT_H_

// The identity of a plan, and how two plans differ.
//
// Of a shard's path counts what decides the output: its name relative to the deepest directory that
// holds all shards of its input, since that orders the shards and names documents. So the same
// files in another folder are the same plan.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/proto/plan.pb.h"

namespace millrace {

/// Counts changes of what Millrace itself writes for the same plan: order, escapes, compression
/// frames, part borders. A higher number means that old outputs can't be reproduced.
inline constexpr std::uint32_t kFormatVersion = 1;

/// Requires: every shard of `plan` has its digest.
Hash128 PlanFingerprint(const proto::Plan& plan);

/// The part of the plan that a stage's results depend on, beside the bytes that it reads.
Hash128 StageFingerprint(const proto::Plan& plan, std::string_view stage);

/// "toplist-3f2a9c0d1e4b5a69": the name of the run of `plan`.
std::string RunId(const proto::Plan& plan, const Hash128& fingerprint);

/// What differs, one clause each ("input plays: x.tsv changed", "parameter k was 100 and is 50");
/// empty where nothing does. A shard's digest counts only where both plans know it, so plans can be
/// compared before anything is hashed.
std::vector<std::string> PlanDifferences(const proto::Plan& before, const proto::Plan& now);

/// PlanDifferences' part about one input.
std::vector<std::string> InputDifferences(const proto::Plan& before,
                                          const proto::PlanInput& input_before,
                                          const proto::Plan& now,
                                          const proto::PlanInput& input_now);

/// The first few of `differences` as one clause: "a; b; c and 4 more".
std::string FirstOf(const std::vector<std::string>& differences);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PLAN_FINGERPRINT_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REJECT_LIMIT_H_
#define MAPREDUCE_ENGINE_REJECT_LIMIT_H_

// When a run has set aside too many records, and how it says so: in one process (reject_log.h) and
// on a cluster (cluster_outcome.h) in the same words.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/api/context.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"

namespace millrace {

/// So many rejects are named.
inline constexpr std::size_t kRejectsShownMax = 5;

/// "DIR/a.tsv at byte 17: it is bad"
std::string DescribeReject(const RejectedRecord& record);

/// kBadData where `count` rejects of `records_read` are more than `limit` allows, with `first`: the
/// first kRejectsShownMax of them, described. Of a limit in percent it can be told at the end only.
Status CheckRejectLimit(const RejectLimit& limit, std::uint64_t count, std::uint64_t records_read,
                        bool is_final, const std::vector<std::string>& first);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REJECT_LIMIT_H_

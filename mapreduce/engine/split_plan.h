// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_SPLIT_PLAN_H_
#define MAPREDUCE_ENGINE_SPLIT_PLAN_H_

// Where splits fall. Large shards are cut; consecutive small files of one input are packed into one
// split, so that thousands of files are not thousands of tasks. Nothing of this can be seen in the
// output.
//
// A pack ends when it has reached the split size, or, once it holds a quarter of it, after a file
// whose name's hash says so. Thanks to the second rule an added or removed file moves the borders
// of few packs: the next such file brings the old borders back, and the task results behind it stay
// valid.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/shard.h"

namespace millrace {

/// A range of one shard.
struct SplitPiece {
  int input = 0;
  int shard = 0;
  ShardRange range;
};

/// What one map task reads: pieces of one input, in (shard, offset) order.
struct Split {
  std::vector<SplitPiece> pieces;
  std::uint64_t stored_bytes = 0;
};

/// More splits than this are refused.
inline constexpr std::uint64_t kSplitsMax = 1'000'000;

/// All splits in (input, shard, offset) order; every byte of every shard is in exactly one piece.
/// Requires: split_bytes > 0.
std::vector<Split> PlanSplits(const std::vector<ExecutionInput>& inputs, std::uint64_t split_bytes,
                              SmallInputs small_inputs = SmallInputs::kAsOthers);

/// Why a file is read by one task whatever its size; "" where it is split.
std::string WhyWhole(const FileFormat& format, const Shard& shard);

/// The part of each shard in a stage without a reduce: cut between shards, by stored bytes, so that
/// parts don't depend on splits. Requires: parts > 0.
std::vector<std::size_t> PartsOfShards(const std::vector<Shard>& shards, std::size_t parts);

/// One split per part of such a stage: all shards of that part, whole; none where it has none.
std::vector<Split> PlanParts(const std::vector<ExecutionInput>& inputs, int input, int parts);

/// Splits of one input cut where a shard of another part begins: a pack may hold shards of several
/// parts, and where splits fall must not be seen in the parts.
std::vector<Split> CutAtParts(const std::vector<Split>& splits,
                              const std::vector<std::size_t>& part_of_shard);

/// The split size for whoever doesn't choose one: about sixteen splits per task slot, so that no
/// slot is long idle at the end, between 1 MiB and 64 MiB (runs that spill are as large as splits).
std::uint64_t DefaultSplitBytes(std::uint64_t stored_bytes, int parallel);

/// kInvalidArgument where so small a split size would make more than kSplitsMax splits.
Status CheckSplitBytes(std::uint64_t stored_bytes, std::uint64_t split_bytes);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_SPLIT_PLAN_H_

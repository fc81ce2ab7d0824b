// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REJECT_ORDER_H_
#define MAPREDUCE_ENGINE_REJECT_ORDER_H_

// Rows of _rejects.tsv (input, shard, offset, reason, raw): what they say, and their order, which
// is that of the input. Map tasks set records aside in it, if their phases come in the order of the
// inputs. A reduce may do so later, with records of any place (Context::Reject with an origin).
// Where either breaks the order, all rows are sorted.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/engine/execute.h"

namespace millrace {

/// A row, decoded.
struct RejectRow {
  std::string input, shard, reason;
  std::uint64_t offset = 0;
};

RejectRow ParseRejectRow(std::string_view row);

/// Whether a reduce's rows have records of the input among them, which come in no order.
bool HaveLate(std::string_view rows_of_reduce);

/// Whether phases that map these inputs, one after the other, come in the order of the inputs.
bool AreInOrder(const std::vector<int>& inputs_of_phases);

/// The rows by input, shard and offset, in the order of `inputs`; those of no shard stay behind all
/// others, in theirs. Cost: some 40 bytes a row beside the text, twice.
std::string OrderRejects(std::string_view rows, const std::vector<ExecutionInput>& inputs);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REJECT_ORDER_H_

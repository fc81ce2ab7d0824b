// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REJECT_ORDER_H_
#define MAPREDUCE_ENGINE_REJECT_ORDER_H_

// Rows of _rejects.tsv (input, shard, offset, reason, raw): what they say, and their order, which
// is that of the input. Map tasks set records aside in it, if their phases come in the order of the
// inputs. A reduce may do so later, with records of any place (Context::Reject with an origin).
// Where either breaks the order, all rows are sorted (reject_sorter.h).

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/engine/execute.h"

namespace millrace {

/// A row, decoded.
struct RejectRow {
  std::string input, shard, reason;
  std::uint64_t offset = 0;
};

RejectRow ParseRejectRow(std::string_view row);

/// Whether a reduce's row is of a record of the input: those come in no order.
bool IsLate(std::string_view row_of_reduce);
/// Whether a reduce's rows have such among them.
bool HaveLate(std::string_view rows_of_reduce);

/// Whether phases that map these inputs, one after the other, come in the order of the inputs.
bool AreInOrder(const std::vector<int>& inputs_of_phases);

/// Where the records of rows stand in the inputs. Immutable; keeps nothing of `inputs`.
class RejectPlaces {
 public:
  explicit RejectPlaces(const std::vector<ExecutionInput>& inputs);

  struct Place {
    std::uint64_t input = 0, shard = 0, offset = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  /// Rows of no shard are behind all others. `row` may have its LF.
  Place PlaceOf(std::string_view row) const;

 private:
  using Name = std::pair<std::string, std::string>;  // Of the input; of the shard.
  std::map<Name, std::pair<std::size_t, std::size_t>> indexes_;
  std::uint64_t input_count_;
};

/// The rows by input, shard and offset, in the order of `inputs`; those of no shard stay behind all
/// others, in theirs. Cost: some 40 bytes a row beside the text, twice: for a few.
std::string OrderRejects(std::string_view rows, const std::vector<ExecutionInput>& inputs);

/// Rows from pieces of text that are cut anywhere.
class RowPieces {
 public:
  /// Calls `take(row)`, LF included, for each row that ends in this piece, until it returns false.
  /// Cost: no copy but of a row that is cut.
  template <class F>
  bool Add(std::string_view piece, F&& take) {
    while (!piece.empty()) {
      const std::size_t end = piece.find('\n');
      if (end == std::string_view::npos) {
        rest_.append(piece);
        return true;
      }
      std::string_view row = piece.substr(0, end + 1);
      piece.remove_prefix(end + 1);
      if (!rest_.empty()) row = rest_.append(row);
      const bool goes_on = take(row);
      rest_.clear();
      if (!goes_on) return false;
    }
    return true;
  }
  /// Behind the last piece: whether that ended with a row.
  bool is_whole() const { return rest_.empty(); }

 private:
  std::string rest_;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REJECT_ORDER_H_

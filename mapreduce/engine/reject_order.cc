// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_order.h"

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>
#include <utility>

#include "mapreduce/base/numbers.h"
#include "mapreduce/formats/tsv_field.h"

namespace millrace {
namespace {

// The next field of a row, decoded.
std::string TakeField(std::string_view* row) {
  const std::string_view field = row->substr(0, row->find('\t'));
  row->remove_prefix(std::min(field.size() + 1, row->size()));
  std::string text(field.size(), '\0');
  text.resize(DecodeTsvField(field, text.data()).value_or(0));
  return text;
}

}  // namespace

RejectRow ParseRejectRow(std::string_view row) {
  RejectRow parsed;
  parsed.input = TakeField(&row);
  parsed.shard = TakeField(&row);
  std::int64_t offset = 0;
  static_cast<void>(ParseInt64(TakeField(&row), &offset));
  parsed.offset = static_cast<std::uint64_t>(offset);
  parsed.reason = TakeField(&row);
  return parsed;
}

bool HaveLate(std::string_view rows_of_reduce) {
  while (!rows_of_reduce.empty()) {
    const std::string_view row = rows_of_reduce.substr(0, rows_of_reduce.find('\n'));
    rows_of_reduce.remove_prefix(std::min(row.size() + 1, rows_of_reduce.size()));
    if (!ParseRejectRow(row).shard.empty()) return true;
  }
  return false;
}

bool AreInOrder(const std::vector<int>& inputs_of_phases) {
  return std::adjacent_find(inputs_of_phases.begin(), inputs_of_phases.end(),
                            std::greater_equal<>()) == inputs_of_phases.end();
}

std::string OrderRejects(std::string_view rows, const std::vector<ExecutionInput>& inputs) {
  std::map<std::pair<std::string_view, std::string_view>, std::pair<std::size_t, std::size_t>>
      places;  // (input, shard's path) -> their indexes.
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (std::size_t s = 0; s < inputs[i].shards.size(); ++s)
      places[{inputs[i].name, inputs[i].shards[s].file.path}] = {i, s};
  }
  struct Placed {
    std::size_t input, shard;
    std::uint64_t offset;
    std::string_view row;
  };
  std::vector<Placed> placed;
  while (!rows.empty()) {
    const std::string_view row = rows.substr(0, rows.find('\n') + 1);
    rows.remove_prefix(row.empty() ? rows.size() : row.size());
    const RejectRow parsed = ParseRejectRow(row.substr(0, row.size() - 1));
    const auto place = places.find({parsed.input, parsed.shard});
    placed.push_back(place == places.end()
                         ? Placed{inputs.size(), 0, 0, row}
                         : Placed{place->second.first, place->second.second, parsed.offset, row});
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::tie(a.input, a.shard, a.offset) < std::tie(b.input, b.shard, b.offset);
  });
  std::string ordered;
  for (const Placed& each : placed) ordered += each.row;
  return ordered;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_order.h"

#include <algorithm>
#include <functional>
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

// No field of a row has a tab or a line feed in it but as an escape.
bool IsLate(std::string_view row_of_reduce) {
  const std::size_t tab = row_of_reduce.find('\t');
  return tab + 1 < row_of_reduce.size() && row_of_reduce[tab + 1] != '\t';
}

bool HaveLate(std::string_view rows_of_reduce) {
  bool is_late = false;
  RowPieces().Add(rows_of_reduce, [&](std::string_view row) { return !(is_late = IsLate(row)); });
  return is_late;
}

bool AreInOrder(const std::vector<int>& inputs_of_phases) {
  return std::adjacent_find(inputs_of_phases.begin(), inputs_of_phases.end(),
                            std::greater_equal<>()) == inputs_of_phases.end();
}

RejectPlaces::RejectPlaces(const std::vector<ExecutionInput>& inputs)
    : input_count_(inputs.size()) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (std::size_t s = 0; s < inputs[i].shards.size(); ++s)
      indexes_[{inputs[i].name, inputs[i].shards[s].file.path}] = {i, s};
  }
}

RejectPlaces::Place RejectPlaces::PlaceOf(std::string_view row) const {
  if (row.ends_with('\n')) row.remove_suffix(1);
  RejectRow parsed = ParseRejectRow(row);
  const auto found = indexes_.find({std::move(parsed.input), std::move(parsed.shard)});
  if (found == indexes_.end()) return {input_count_, 0, 0};
  return {found->second.first, found->second.second, parsed.offset};
}

std::string OrderRejects(std::string_view rows, const std::vector<ExecutionInput>& inputs) {
  const RejectPlaces places(inputs);
  std::vector<std::pair<RejectPlaces::Place, std::string_view>> placed;
  RowPieces().Add(rows, [&](std::string_view row) {
    placed.emplace_back(places.PlaceOf(row), row);
    return true;
  });
  std::stable_sort(placed.begin(), placed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string ordered;
  for (const auto& [place, row] : placed) ordered += row;
  return ordered;
}

}  // namespace millrace

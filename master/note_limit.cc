// SPDX-License-Identifier: Apache-2.0
#include "master/note_limit.h"

#include <algorithm>

namespace millrace {
namespace {

std::string LeftOut(std::uint64_t count, const std::string& about) {
  return std::to_string(count) + (count == 1 ? " more line" : " more lines") + about +
         (count == 1 ? " was" : " were") + " left out within a minute";
}

}  // namespace

bool NoteLimit::Admits(const std::string& who, std::uint64_t now_ms) {
  if (!is_counting_) {
    is_counting_ = true;
    begin_ms_ = now_ms;
  }
  const auto known = by_name_.find(who);
  const bool has_name = known != by_name_.end() || by_name_.size() < kNamedMax;
  Count nobody;
  Count& one = !has_name ? nobody : known != by_name_.end() ? known->second : by_name_[who];
  if (one.written < kLinesOfOne && all_.written < kLinesOfAll) {
    ++one.written;
    ++all_.written;
    return true;
  }
  ++(has_name ? one : all_).left_out;
  return false;
}

std::vector<std::string> NoteLimit::TakeLeftOut(std::uint64_t now_ms) {
  std::vector<std::string> lines;
  if (!is_counting_ || now_ms - begin_ms_ < kWindowMs) return lines;
  for (const auto& [who, count] : by_name_) {
    if (count.left_out > 0) lines.push_back(LeftOut(count.left_out, " about " + who));
  }
  if (all_.left_out > 0) lines.push_back(LeftOut(all_.left_out, " about others"));
  is_counting_ = false;
  all_ = {};
  by_name_.clear();
  return lines;
}

}  // namespace millrace

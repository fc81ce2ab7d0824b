// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_tree.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace millrace {

std::string SimFile::DurableBytes() const {
  std::string durable = bytes.substr(0, durable_bytes);
  for (const SimByteRange& range : lost) {
    const std::uint64_t end = std::min(range.end, durable_bytes);
    if (range.begin < end) std::memset(durable.data() + range.begin, 0, end - range.begin);
  }
  return durable;
}

void SimFile::Sync() {
  if (clean_bytes < bytes.size()) clean_bytes = durable_bytes = bytes.size();
}

void SimFile::FailSync() {
  if (clean_bytes < bytes.size()) lost.push_back({clean_bytes, bytes.size()});
  clean_bytes = bytes.size();
}

bool SimDirectory::IsEmpty() const {
  return std::all_of(slots.begin(), slots.end(),
                     [](const auto& entry) { return entry.second.live == nullptr; });
}

bool SimDirectory::IsBelow(const SimNode* above) const {
  const SimDirectory* directory = this;
  while (directory != nullptr && directory != above) directory = directory->parent;
  return directory != nullptr;
}

void SimDirectory::EraseIfUnused(SimSlots::iterator slot) {
  const SimSlot& s = slot->second;
  if (s.live == nullptr && s.durable == nullptr && s.last_op == 0) slots.erase(slot);
}

int SimPlace::OpenError() const {
  if (error != 0) return error;
  if (node == nullptr) return ENOENT;
  return has_slash && !node->is_directory ? ENOTDIR : 0;
}

SimPlace FindPlace(const SimNodePtr& root, std::string_view path, SimView view) {
  SimPlace place;
  place.node = root;
  if (path.empty()) place.error = ENOENT;
  place.has_slash = path.ends_with('/');
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (place.node == nullptr) place.error = ENOENT;
    if (place.node != nullptr && !place.node->is_directory) place.error = ENOTDIR;
    if (place.error != 0) break;
    place.directory = &AsDirectory(*place.node);
    place.name = name;
    const auto slot = place.directory->slots.find(name);
    place.node = slot == place.directory->slots.end() ? nullptr : slot->second.*view;
  }
  if (place.error != 0) place.node = nullptr;
  return place;
}

}  // namespace millrace

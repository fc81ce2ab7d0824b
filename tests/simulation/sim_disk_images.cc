// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_disk_images.h"

#include <utility>

namespace millrace {
namespace {

// So many unsynced name operations wait; then the oldest become durable.
constexpr std::size_t kPendingOpsMax = 4096;

}  // namespace

// Adds to or takes from total_bytes_ what a node holds, if it can be reached.
void SimDiskImages::CountBytes(const SimNode& node, bool is_there) {
  if (node.is_directory) return;
  const SimFile& file = static_cast<const SimFile&>(node);
  if (file.live_names == 0 && file.handle_count == 0) return;
  total_bytes_ += is_there ? file.bytes.size() : -file.bytes.size();
}

void SimDiskImages::CountHandle(SimFile& file, int change) {
  CountBytes(file, /*is_there=*/false);
  file.handle_count += change;
  CountBytes(file, /*is_there=*/true);
}

void SimDiskImages::SetLive(SimDirectory& directory, SimSlot& slot, SimNodePtr node) {
  const auto count_name = [this](SimNode& of, int change) {
    CountBytes(of, /*is_there=*/false);
    of.live_names += change;
    CountBytes(of, /*is_there=*/true);
  };
  if (slot.live != nullptr) {
    count_name(*slot.live, -1);
    if (slot.live->is_directory && AsDirectory(*slot.live).place == &slot) {
      AsDirectory(*slot.live).parent = nullptr;
      AsDirectory(*slot.live).place = nullptr;
    }
  }
  slot.live = std::move(node);
  if (slot.live == nullptr) return;
  count_name(*slot.live, +1);
  if (slot.live->is_directory) {
    AsDirectory(*slot.live).parent = &directory;
    AsDirectory(*slot.live).place = &slot;
  }
}

void SimDiskImages::Apply(int client, const std::vector<SimEdit>& edits) {
  NameOp op{.client = client};
  op.changes.reserve(edits.size());
  for (const SimEdit& edit : edits) {
    auto slot = edit.directory->slots.find(edit.name);
    if (slot == edit.directory->slots.end()) {
      slot = edit.directory->slots.emplace(std::string(edit.name), SimSlot()).first;
    }
    const std::uint64_t previous = slot->second.last_op;
    if (previous != 0) op.needs.push_back(previous);
    op.changes.push_back({.directory = edit.directory->shared_from_this(),
                          .slot = slot,
                          .before = slot->second.live,
                          .after = edit.after,
                          .previous_op = previous});
    const bool is_moved_to = edits.size() > 1 && edit.after != nullptr;
    for (SimDirectory* above = edit.directory; above != nullptr; above = above->parent) {
      above->changed_by.set(static_cast<std::size_t>(client));
      const std::uint64_t placed_by = above->place == nullptr ? 0 : above->place->last_op;
      if (is_moved_to && placed_by != 0) op.needs.push_back(placed_by);
    }
  }
  const std::uint64_t number = ++op_count_;
  ++now_ns_;
  for (const SlotChange& change : op.changes) {
    change.directory->mtime_ns = now_ns_;
    change.directory->ops.push_back(number);
    SetLive(*change.directory, change.slot->second, change.after);
    change.slot->second.last_op = number;
  }
  for (const SlotChange& change : op.changes) {  // What was moved out of a removed directory has
    if (change.before == nullptr || !change.before->is_directory) continue;  // left it before.
    if (change.before->live_names > 0) continue;
    const std::vector<std::uint64_t>& ops = AsDirectory(*change.before).ops;
    op.needs.insert(op.needs.end(), ops.begin(), ops.end());
  }
  pending_.emplace_hint(pending_.end(), number, std::move(op));
  if (pending_.size() > kPendingOpsMax) MakeDurable(pending_.begin()->first);
}

// With all that it needs. Nothing if it is not pending.
void SimDiskImages::MakeDurable(std::uint64_t op) {
  const auto taken = pending_.extract(op);
  if (taken.empty()) return;
  for (const std::uint64_t need : taken.mapped().needs) MakeDurable(need);
  for (const SlotChange& change : taken.mapped().changes) {
    SimSlot& slot = change.slot->second;
    slot.durable = change.after;
    if (slot.last_op == op) slot.last_op = 0;
    change.directory->EraseIfUnused(change.slot);
  }
}

void SimDiskImages::Append(const std::shared_ptr<SimFile>& file, std::string_view bytes) {
  if (bytes.empty()) return;
  file->bytes.append(bytes);
  file->mtime_ns = ++now_ns_;
  total_bytes_ += bytes.size();
  if (!std::exchange(file->is_listed, true)) unsynced_.push_back(file);
}

void SimDiskImages::SyncNames(SimDirectory& directory, std::optional<int> only_client) {
  for (const std::uint64_t number : std::exchange(directory.ops, {})) {
    const auto op = pending_.find(number);
    if (op == pending_.end()) continue;
    if (only_client.has_value() && op->second.client != *only_client) {
      directory.ops.push_back(number);
    } else {
      MakeDurable(number);
    }
  }
}

}  // namespace millrace

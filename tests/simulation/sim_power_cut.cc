// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves: first of the names, then of the bytes of the files that were not synced.
// The images' part that draws: see sim_disk_images.h for what is legal.

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/simulation/sim_disk_images.h"

namespace millrace {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

}  // namespace

void SimDiskImages::CutPower(const SimClientSet& crashed, Random& random) {
  CutNames(crashed, random);
  for (const std::weak_ptr<SimFile>& listed : std::exchange(unsynced_, {})) {
    const std::shared_ptr<SimFile> file = listed.lock();
    if (file == nullptr) continue;
    if (crashed[static_cast<std::size_t>(file->writer)] && !file->IsDurable()) Tear(*file, random);
    if (file->is_listed = !file->IsDurable(); file->is_listed) unsynced_.push_back(file);
  }
}

// Chooses what is left of the names: nothing, all, what came before some moment (a file system with
// a journal), or a coin for each operation.
void SimDiskImages::CutNames(const SimClientSet& crashed, Random& random) {
  MarkWhatOthersNeed(crashed);
  enum Mode { kNothing, kAll, kBeforeMoment, kCoins };
  const auto mode = static_cast<Mode>(random.Uniform(4));
  const std::uint64_t moment = op_count_ - random.Uniform(pending_.size() + 1);
  std::vector<std::uint64_t> kept;
  std::vector<std::uint64_t> undone;
  for (auto& [number, op] : pending_) {
    const bool is_crashed = crashed[static_cast<std::size_t>(op.client)];
    if (!is_crashed) continue;
    bool is_kept = mode == kAll || (mode == kBeforeMoment && number <= moment) ||
                   (mode == kCoins && random.Uniform(2) == 0);
    for (const std::uint64_t need : op.needs) {
      if (std::binary_search(undone.begin(), undone.end(), need)) is_kept = false;
    }
    (is_kept || op.must_stay ? kept : undone).push_back(number);
  }
  std::for_each(undone.rbegin(), undone.rend(), [this](std::uint64_t op) { Undo(op); });
  for (const std::uint64_t op : kept) MakeDurable(op);
  for (auto& [number, op] : pending_) op.must_stay = false;
}

// Marks the operations of `crashed` on which pending ones of others, or directories used by
// others, rest.
void SimDiskImages::MarkWhatOthersNeed(const SimClientSet& crashed) {
  for (auto op = pending_.rbegin(); op != pending_.rend(); ++op) {
    NameOp& name_op = op->second;
    const bool is_others = !crashed[static_cast<std::size_t>(name_op.client)];
    for (const SlotChange& change : name_op.changes) {
      if (change.after == nullptr || !change.after->is_directory) continue;
      if ((AsDirectory(*change.after).changed_by & ~crashed).any()) name_op.must_stay = true;
    }
    if (!is_others && !name_op.must_stay) continue;
    for (const std::uint64_t need : name_op.needs) {
      const auto needed = pending_.find(need);
      if (needed != pending_.end()) needed->second.must_stay = true;
    }
  }
}

// Requires: it is pending, and none that needs it.
void SimDiskImages::Undo(std::uint64_t op) {
  const auto taken = pending_.extract(op);
  for (const SlotChange& change : taken.mapped().changes) {
    SimSlot& slot = change.slot->second;
    SetLive(*change.directory, slot, change.before);
    slot.last_op = pending_.contains(change.previous_op) ? change.previous_op : 0;
  }
  for (const SlotChange& change : taken.mapped().changes) {
    change.directory->EraseIfUnused(change.slot);
    if (change.after != nullptr && change.after->live_names == 0 && change.after->is_directory) {
      DropBelow(AsDirectory(*change.after));
    }
  }
}

// For a directory that lost its name in a power cut, and its contents with it.
void SimDiskImages::DropBelow(SimDirectory& directory) {
  for (auto& [name, slot] : directory.slots) {
    if (slot.live == nullptr) continue;
    const SimNodePtr child = slot.live;
    SetLive(directory, slot, nullptr);
    if (child->is_directory && child->live_names == 0) DropBelow(AsDirectory(*child));
  }
}

// Chooses what is left of the bytes of a file that were not synced.
void SimDiskImages::Tear(SimFile& file, Random& random) {
  enum Mode { kNothing, kAll, kTorn, kShorter, kShorterAndTorn };
  const auto mode = static_cast<Mode>(random.Uniform(5));
  std::uint64_t bytes = file.bytes.size();
  if (mode == kNothing) bytes = file.durable_bytes;
  if (mode == kShorter || mode == kShorterAndTorn) {
    bytes = file.durable_bytes + random.Uniform(bytes - file.durable_bytes + 1);
  }
  std::vector<SimByteRange> unsynced = std::move(file.lost);
  unsynced.push_back({file.clean_bytes, file.bytes.size()});
  CountBytes(file, /*is_there=*/false);
  file.bytes.resize(bytes);
  CountBytes(file, /*is_there=*/true);
  for (const SimByteRange& range : unsynced) {
    const std::uint64_t range_end = std::min(range.end, bytes);
    for (std::uint64_t begin = range.begin; begin < range_end;) {
      const std::uint64_t end = std::min((begin / kSectorBytes + 1) * kSectorBytes, range_end);
      const bool is_lost = mode == kNothing ||
                           ((mode == kTorn || mode == kShorterAndTorn) && random.Uniform(2) == 0);
      if (is_lost) std::memset(file.bytes.data() + begin, 0, end - begin);
      begin = end;
    }
  }
  file.lost.clear();
  file.clean_bytes = file.durable_bytes = bytes;
  file.mtime_ns = ++now_ns_;
}

}  // namespace millrace

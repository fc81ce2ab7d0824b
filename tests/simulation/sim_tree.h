// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_TREE_H_
#define TESTS_SIMULATION_SIM_TREE_H_

// The tree of names of a simulated disk: plain data and what can be read from it. A slot (a name in
// a directory) has what it means live and what it means durably, so one tree holds both images of
// sim_disk.h; a file has its bytes and how much of them is durable. sim_disk_images.h changes them.

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/io/file_system.h"
#include "tests/simulation/sim_disk.h"

namespace millrace {

using SimClientSet = std::bitset<SimDisk::kClientsMax>;

/// What names stand for.
struct SimNode {
  const std::uint64_t inode;
  const bool is_directory;
  std::int64_t mtime_ns;
  int live_names = 0;
};
using SimNodePtr = std::shared_ptr<SimNode>;

struct SimByteRange {
  std::uint64_t begin;
  std::uint64_t end;
};

/// Bytes are only appended, so what waits for a sync is the end of the file.
struct SimFile : SimNode {
  SimFile(std::uint64_t number, std::int64_t now, int client)
      : SimNode{number, /*is_directory=*/false, now}, writer(client) {}

  bool IsDurable() const { return lost.empty() && durable_bytes == bytes.size(); }
  /// What a power cut that left nothing to chance would leave.
  std::string DurableBytes() const;
  /// A sync that works, and one that fails: it drops what waited.
  void Sync();
  void FailSync();

  const int writer;                 ///< The client that created it.
  std::string bytes;                ///< What reads see.
  std::uint64_t clean_bytes = 0;    ///< What follows waits for a sync.
  std::uint64_t durable_bytes = 0;  ///< The size after a power cut; at most clean_bytes.
  std::vector<SimByteRange> lost;   ///< Clean but not durable: their sync failed. Ascending.
  int handle_count = 0;
  bool is_listed = false;  ///< Among SimDiskImages::unsynced_.
};

struct SimSlot {
  SimNodePtr live;
  SimNodePtr durable;
  std::uint64_t last_op = 0;  ///< The last pending operation on it; 0: none, live == durable.
};
using SimSlots = std::map<std::string, SimSlot, std::less<>>;
/// One of the two images.
using SimView = SimNodePtr SimSlot::*;

struct SimDirectory : SimNode, std::enable_shared_from_this<SimDirectory> {
  SimDirectory(std::uint64_t number, std::int64_t now)
      : SimNode{number, /*is_directory=*/true, now} {}

  bool IsEmpty() const;
  /// Whether it is `above` or somewhere below it.
  bool IsBelow(const SimNode* above) const;
  /// Erases a slot that is empty in both images, with none pending.
  void EraseIfUnused(SimSlots::iterator slot);

  SimSlots slots;
  SimDirectory* parent = nullptr;  ///< Null: the root, or it has no name.
  const SimSlot* place = nullptr;  ///< Its slot in `parent`.
  std::vector<std::uint64_t> ops;  ///< On its slots since it was last synced; some aren't pending.
  SimClientSet changed_by;         ///< Who ever changed a name in it or below.
};

inline SimDirectory& AsDirectory(SimNode& node) { return static_cast<SimDirectory&>(node); }
inline SimFile& AsFile(SimNode& node) { return static_cast<SimFile&>(node); }

/// Where a path leads.
struct SimPlace {
  int error = 0;                      ///< ENOENT or ENOTDIR: nowhere, not even to a new name.
  SimDirectory* directory = nullptr;  ///< Null: the path is the root's.
  std::string_view name;              ///< In `directory`; points into the path.
  SimNodePtr node;                    ///< Null: the name is free.
  bool has_slash = false;             ///< At its end: it can only mean a directory.

  /// 0, or why there is nothing to be opened.
  int OpenError() const;
};

SimPlace FindPlace(const SimNodePtr& root, std::string_view path, SimView view);

/// Calls visit(path, node) for all below `directory`, in the order of the names.
template <class Visit>
void VisitBelow(SimDirectory& directory, SimView view, const std::string& path,
                const Visit& visit) {
  for (const auto& [name, slot] : directory.slots) {
    const SimNodePtr& node = slot.*view;
    if (node == nullptr) continue;
    const std::string child = JoinPath(path, name);
    visit(child, *node);
    if (node->is_directory) VisitBelow(AsDirectory(*node), view, child, visit);
  }
}

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_TREE_H_

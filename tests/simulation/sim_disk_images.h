// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_DISK_IMAGES_H_
#define TESTS_SIMULATION_SIM_DISK_IMAGES_H_

// The live and the durable image of a simulated disk. The tree of names holds both; in between lie
// the pending operations, in the order in which they came:
//
//   slot.durable ── op 3 ── op 8 ──▶ slot.live            slot.last_op = 8, op 8 needs op 3
//
// An operation needs those before it on its names and, if it moves something, those that made or
// moved the directories above the new place (else what is moved could be lost, or lie in a cycle).
// The removal of a directory needs all that happened in it.
// Whatever happens, what is durable is closed under "needs": a sync takes what its operations need
// with it; a power cut (sim_power_cut.cc) undoes operations from the last to the first, so that
// none is undone while one that needs it is left.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/simulation/sim_tree.h"

namespace millrace {

/// What a change asks for: `name` in `directory` shall mean `after`.
struct SimEdit {
  SimDirectory* directory;
  std::string_view name;
  SimNodePtr after;
};

/// Knows neither faults nor processes, only which client made a change.
class SimDiskImages {
 public:
  SimDiskImages() : root_(MakeDirectory()) {}
  SimDiskImages(const SimDiskImages&) = delete;
  SimDiskImages& operator=(const SimDiskImages&) = delete;

  /// New nodes, not yet under a name.
  std::shared_ptr<SimDirectory> MakeDirectory() {
    return std::make_shared<SimDirectory>(++inode_count_, ++now_ns_);
  }
  std::shared_ptr<SimFile> MakeFile(int client) {
    return std::make_shared<SimFile>(++inode_count_, ++now_ns_, client);
  }

  SimPlace Find(std::string_view path, SimView view = &SimSlot::live) const {
    return FindPlace(root_, path, view);
  }
  /// Calls visit(path, node) for all below a directory; for nothing if it is none.
  template <class Visit>
  void VisitPath(const std::string& path, SimView view, const Visit& visit) const {
    const SimPlace place = Find(path, view);
    if (place.node == nullptr || !place.node->is_directory) return;
    VisitBelow(AsDirectory(*place.node), view, path, visit);
  }
  /// Of all live files and of those still open.
  std::uint64_t total_bytes() const { return total_bytes_; }

  /// One atomic operation: all edits or none.
  void Apply(int client, const std::vector<SimEdit>& edits);
  void Append(const std::shared_ptr<SimFile>& file, std::string_view bytes);
  /// A file lives as long as it has a name or a handle.
  void CountHandle(SimFile& file, int change);
  /// Makes the changes in `directory` durable; only those of one client, if given.
  void SyncNames(SimDirectory& directory, std::optional<int> only_client);
  /// Of what the clients `crashed` have not synced a random legal subset is left.
  void CutPower(const SimClientSet& crashed, Random& random);

 private:
  // One slot's part in an operation.
  struct SlotChange {
    std::shared_ptr<SimDirectory> directory;
    SimSlots::iterator slot;
    SimNodePtr before;
    SimNodePtr after;
    std::uint64_t previous_op;  // On this slot; 0: none was pending.
  };
  // A change of one name, or of two at once: a rename, an exchange.
  struct NameOp {
    int client;
    std::vector<SlotChange> changes;
    std::vector<std::uint64_t> needs;  // Earlier operations. Those not pending are durable.
    bool must_stay = false;            // In a power cut: others have built on it.
  };

  void SetLive(SimDirectory& directory, SimSlot& slot, SimNodePtr node);
  void CountBytes(const SimNode& node, bool is_there);
  void MakeDurable(std::uint64_t op);

  // In sim_power_cut.cc.
  void Undo(std::uint64_t op);
  void DropBelow(SimDirectory& directory);
  void MarkWhatOthersNeed(const SimClientSet& crashed);
  void CutNames(const SimClientSet& crashed, Random& random);
  void Tear(SimFile& file, Random& random);

  std::uint64_t inode_count_ = 0;
  std::int64_t now_ns_ = 0;  // Grows by one with each change.
  std::uint64_t op_count_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::map<std::uint64_t, NameOp> pending_;       // By their order.
  std::vector<std::weak_ptr<SimFile>> unsynced_;  // All that may not be durable, each once.
  const std::shared_ptr<SimDirectory> root_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_DISK_IMAGES_H_

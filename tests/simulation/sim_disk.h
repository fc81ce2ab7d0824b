// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_DISK_H_
#define TESTS_SIMULATION_SIM_DISK_H_

// A simulated storage device, in memory; sim_file_system.h, which comes with this header, is the
// file system that a process sees on it. All chance comes from one Random, so a seed is a history.
// Two images: the *live* one, what calls see (the page cache), and the *durable* one, what a power
// cut leaves:
//
//   bytes  durable by Sync or SyncTree. Before that a power cut leaves any subset of a file's
//          512-byte sectors, or fewer bytes; what is missing reads as zeros.
//   names  durable by SyncDirectory or SyncTree. Before that it leaves any subset of the changes
//          that keeps each one whole (a rename has happened in both directories or in none) and
//          the order of the changes to one name.
//
// The two are independent: a synced file whose name was not synced may vanish, a synced name may
// stand for an empty file. A rename never loses what it moves: where it is left, the directories
// above its new place are, too. After many unsynced changes the oldest become durable (write-back).
//
// A *client* is a process on a machine. Several may share a disk: all see all changes at once, and
// a power cut of one machine takes only the changes of its clients, except those on which others
// have built (a directory into which another client has put a name).
//
//   Random random(seed);
//   SimDisk disk(random);
//   SimFileSystem files(disk, /*client=*/0);
//   disk.SetCrashAt(0, /*nth_op=*/7, CrashPoint::kEither);
//   RunUntilItFails(files);            // kUnavailable from the 7th change on.
//   if (disk.IsDead(0)) {
//     disk.CrashMachine({0});          // Or KillProcess(0).
//     disk.Revive(0);
//     SimFileSystem next_life(disk, 0);
//     Recover(next_life);
//   }

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/simulation/sim_file_system.h"

namespace millrace {

struct SimDiskState;

/// What goes wrong, and what the device can do. Chances are in parts per 10,000 calls.
struct SimDiskFaults {
  int read_error = 0;     ///< OpenForRead, ReadAt, Stat, List: kBadData.
  int read_bit_flip = 0;  ///< ReadAt returns one wrong bit; the next read is right.
  /// Append: kResourceLimit, now or at the next call; a part may be written. The handle stays
  /// failed.
  int write_error = 0;
  int full = 0;        ///< No space for Append, Create, MakeDirectory: kResourceLimit.
  int name_error = 0;  ///< Create, Rename, Remove... : kResourceLimit; nothing has changed.
  /// Sync and its kin: kResourceLimit. A file's unsynced bytes are dropped, as Linux does: reads
  /// still see them and the next Sync is Ok, but a power cut takes them. Names still wait.
  int sync_error = 0;
  /// Of all live files and those still open. Append beyond it writes what fits.
  std::uint64_t capacity_bytes = std::numeric_limits<std::uint64_t>::max();
  bool can_exchange = true;  ///< Else Exchange is kUnavailable.
  /// As on a network file system: a sync moves the caller's changes, not those that wait in the
  /// cache of another client.
  bool syncs_own_changes_only = false;
};

/// Whether the change during which a client dies takes place.
enum class CrashPoint {
  kBefore,
  kAfter,
  kEither,  ///< By chance; an Append may also write a part.
};

/// See above. One thread at a time. Outlives its SimFileSystems and their open files.
class SimDisk {
 public:
  /// Client ids are 0 .. kClientsMax - 1.
  static constexpr int kClientsMax = 256;

  /// `random` must outlive the disk. `device`: for FileInfo.
  explicit SimDisk(Random& random, std::uint64_t device = 1);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  void set_faults(const SimDiskFaults& faults);
  const SimDiskFaults& faults() const;

  /// A power cut of the machine(s) on which these clients run: each dies, and of their unsynced
  /// changes a random legal subset is left.
  void CrashMachine(const std::vector<int>& clients);
  /// The process ends, its changes stay. Its SimFileSystems and open files answer kUnavailable
  /// "the process is dead" for ever.
  void KillProcess(int client);
  /// SimFileSystems made from now on work.
  void Revive(int client);
  bool IsDead(int client) const;

  /// The client dies, as by KillProcess, at its `nth_op`-th change from now on (1: the next); this
  /// call and all later ones are kUnavailable. 0: never. It dies once.
  void SetCrashAt(int client, std::uint64_t nth_op, CrashPoint point);
  /// The changes that the client has tried, in all its lives: each Create, Append, Sync, Rename,
  /// RemoveFile, MakeDirectory, Exchange, SyncDirectory is one; MakeDirectories, RemoveTree and
  /// SyncTree are one for each name or file.
  std::uint64_t MutatingOpCount(int client) const;

  /// Flips a bit of what is stored in a random file whose path contains `text`, for good. The path,
  /// or nullopt if there is no such file that has a byte. Cost: all files.
  std::optional<std::string> FlipStoredBit(std::string_view text);

  // For checkers; neither a change nor subject to faults. Cost: what they return.

  /// All names below `directory`, sorted; those of directories end in '/'.
  std::vector<std::string> Paths(const std::string& directory = "/") const;
  /// The files below `directory`: path and bytes.
  std::map<std::string, std::string> Files(const std::string& directory = "/") const;
  /// The same if now all machines had a power cut that left nothing to chance.
  std::map<std::string, std::string> DurableFiles(const std::string& directory = "/") const;
  /// nullopt if this is no file.
  std::optional<std::string> Contents(const std::string& path) const;
  /// Bytes of all live files and of those still open.
  std::uint64_t total_bytes() const;
  /// Files that the client has open, in this life.
  int OpenHandleCount(int client) const;

 private:
  friend class SimFileSystem;
  const std::unique_ptr<SimDiskState> state_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_DISK_H_

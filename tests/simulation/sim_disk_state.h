// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_DISK_STATE_H_
#define TESTS_SIMULATION_SIM_DISK_STATE_H_

// What a SimDisk holds, for the calls on it: the images, the clients, the faults and the chance
// that decides about them. In which order a call draws is part of a seed's history.

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "tests/simulation/sim_clients.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_disk_images.h"
#include "tests/simulation/sim_file_system.h"

namespace millrace {

/// What a dead process hears.
Status DeadProcess(std::string_view path);

struct SimDiskState {
  SimDiskState(Random& of_disk, std::uint64_t number) : random(of_disk), device(number) {}

  // Faults. 0, or the errno of the call.
  bool Chance(int parts) {
    return parts > 0 && random.Uniform(10'000) < static_cast<std::uint64_t>(parts);
  }
  int ReadFault() { return Chance(faults.read_error) ? EIO : 0; }
  int NameFault() { return Chance(faults.name_error) ? EIO : 0; }
  int NewNameFault() { return Chance(faults.full) ? ENOSPC : NameFault(); }
  std::size_t FreeBytes() const;

  bool IsAlive(const SimProcess& process) { return clients.IsAlive(process); }
  /// Runs `change`, which returns a Status, unless the process is dead or dies before it.
  template <class Change>
  Status Mutate(const SimProcess& process, std::string_view path, const Change& change) {
    if (!IsAlive(process)) return DeadProcess(path);
    const SimFate fate = clients.NextFate(process.client, random);
    if (fate == SimFate::kRuns) return change();
    if (fate == SimFate::kDiesAfter) static_cast<void>(change());
    clients.Kill(process.client);
    return DeadProcess(path);
  }

  FileInfo InfoOf(std::string path, const SimNode& node) const;
  void CountHandle(const SimProcess& process, SimFile& file, int change);
  Status SyncFile(int client, SimFile& file, std::string_view path);
  /// After an error the names still wait: the next sync may save them.
  Status SyncNames(int client, SimDirectory& directory, std::string_view path);
  void CrashMachine(const std::vector<int>& ids);

  Random& random;
  const std::uint64_t device;
  SimDiskFaults faults;
  SimClients clients;
  SimDiskImages images;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_DISK_STATE_H_

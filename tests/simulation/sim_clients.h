// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_CLIENTS_H_
#define TESTS_SIMULATION_SIM_CLIENTS_H_

// The clients of a simulated disk: their lives, how many changes each has tried, and at which of
// them it is to die.

#include <cstdint>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_file_system.h"

namespace millrace {

struct SimClient {
  std::uint64_t life = 1;
  bool is_dead = false;
  std::uint64_t op_count = 0;
  std::uint64_t ops_to_crash = 0;  ///< 0: none is planned.
  CrashPoint crash_point = CrashPoint::kEither;
  int handle_count = 0;
};

/// What becomes of a change.
enum class SimFate { kRuns, kDiesBefore, kDiesWithin, kDiesAfter };

class SimClients {
 public:
  SimClient& at(int id) {
    MR_CHECK(id >= 0 && id < SimDisk::kClientsMax);
    return clients_[static_cast<std::size_t>(id)];
  }
  bool IsAlive(const SimProcess& process) {
    const SimClient& client = at(process.client);
    return !client.is_dead && client.life == process.life;
  }
  void Kill(int id);
  /// Of the next change of a client, which is counted.
  SimFate NextFate(int id, Random& random);

 private:
  std::vector<SimClient> clients_ = std::vector<SimClient>(SimDisk::kClientsMax);
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_CLIENTS_H_

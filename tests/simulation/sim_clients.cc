// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_clients.h"

namespace millrace {

void SimClients::Kill(int id) {
  SimClient& client = at(id);
  ++client.life;
  client.is_dead = true;
  client.ops_to_crash = 0;
  client.handle_count = 0;
}

SimFate SimClients::NextFate(int id, Random& random) {
  SimClient& client = at(id);
  ++client.op_count;
  if (client.ops_to_crash == 0 || --client.ops_to_crash > 0) return SimFate::kRuns;
  switch (client.crash_point) {
    case CrashPoint::kBefore:
      return SimFate::kDiesBefore;
    case CrashPoint::kAfter:
      return SimFate::kDiesAfter;
    case CrashPoint::kEither:
      break;
  }
  constexpr SimFate kFates[] = {SimFate::kDiesBefore, SimFate::kDiesWithin, SimFate::kDiesAfter};
  return kFates[random.Uniform(3)];
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_TURNED_AWAY_H_
#define MAPREDUCE_TRANSPORT_TURNED_AWAY_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// What a log should know of those whom a listener did not serve: numbers, and some of them by
/// address. However many they are, it is some lines every ten seconds. One thread, the listener's.
class TurnedAway {
 public:
  /// Both outlive this. What happened before, as in TestKeys(), is not told.
  TurnedAway(Transport& transport, const Listener& listener)
      : transport_(transport), listener_(listener), told_(listener.stats()) {
    static_cast<void>(transport.TakeRefusals());
  }

  /// Lines to be logged now; most often none. `wrong_roles`: messages so far that their senders'
  /// roles don't allow.
  std::vector<std::string> Notes(std::uint64_t wrong_roles = 0);

 private:
  Transport& transport_;
  const Listener& listener_;
  ConnectionStats told_;
  std::uint64_t told_wrong_roles_ = 0;
  std::vector<std::string> waiting_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_TURNED_AWAY_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_STATE_MACHINE_H_
#define MAPREDUCE_PROTO_STATE_MACHINE_H_

// Events and actions that master and worker have in common.

#include <string>

#include "mapreduce/proto/messages.h"

namespace millrace {

// Events.

struct MessageArrived {
  Address from;
  Message message;
};

/// The time that the state machine asked for has come.
struct TimerFired {};

// Actions.

struct Send {
  Address to;
  Message message;
};

/// For the log.
struct Note {
  std::string text;
};

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_STATE_MACHINE_H_

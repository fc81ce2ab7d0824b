// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_KEY_SELF_TEST_H_
#define MAPREDUCE_TRANSPORT_KEY_SELF_TEST_H_

#include "mapreduce/base/status.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// Tries a listener with keys, before anybody is told of it: a fresh key must be refused, one that
/// is on the list must be taken. At once Ok without keys. What others send meanwhile is lost.
/// kInternal: keys are not checked here, so this process must not serve. kUnavailable: not even
/// this process reaches it. Takes some 20 ms; 10 s at most.
Status TestKeys(Transport& transport, Listener& listener);

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_KEY_SELF_TEST_H_

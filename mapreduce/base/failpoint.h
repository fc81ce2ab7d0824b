// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_FAILPOINT_H_
#define MAPREDUCE_BASE_FAILPOINT_H_

// Named points at which a test makes the code fail or die. Armed by the environment, before main:
//
//   MILLRACE_FAILPOINTS="io=error@3;publish.rename=kill@1"   the 3rd system call of io/ fails once
//   MILLRACE_FAILPOINTS="io=error@3+"                        the 3rd and all later ones
//
// or by failpoint::Arm. Counted over the whole process, from arming on. The point "io" is hit by
// every system call of io/, which then behaves as if the kernel had said EIO. A text that can't be
// read ends the process: a test that arms nothing would prove nothing.

#include <atomic>
#include <cstdint>
#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// kKill never returns to the point: the process ends by SIGKILL.
enum class FailpointAction { kNone, kError, kKill };

namespace failpoint {

/// True while any point is armed: all that an idle point costs.
inline std::atomic<bool> any_armed{false};

/// Counts the hit and says what shall happen (after kKill: nothing any more). Thread-safe.
FailpointAction Hit(std::string_view name);

/// Arms `name` for its n-th hit from now on (1: the next one), with `and_after` for all later ones
/// too. Arming a point again replaces what it had. kNone only counts.
void Arm(std::string_view name, FailpointAction action, std::uint64_t nth, bool and_after = false);

/// Arms what a text like "io=error@3;publish.rename=kill@1" says; kInvalidArgument arms nothing.
Status ArmFromText(std::string_view text);

/// Disarms all points and forgets their counts.
void DisarmAll();

/// Hits of an armed point since it was armed; 0 for others.
std::uint64_t HitCount(std::string_view name);

}  // namespace failpoint

/// The action for this hit of the point. One relaxed load when nothing is armed.
#define MR_FAILPOINT(name)                                          \
  (::millrace::failpoint::any_armed.load(std::memory_order_relaxed) \
       ? ::millrace::failpoint::Hit(name)                           \
       : ::millrace::FailpointAction::kNone)

/// kResourceLimit "injected failure at <name>" when this hit shall fail.
inline Status CheckFailpoint(std::string_view name) {
  if (MR_FAILPOINT(name) == FailpointAction::kNone) return Status::Ok();
  return Status::ResourceLimit("injected failure at ", name);
}

}  // namespace millrace

#endif  // MAPREDUCE_BASE_FAILPOINT_H_

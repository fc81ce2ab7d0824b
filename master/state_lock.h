// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_STATE_LOCK_H_
#define MASTER_STATE_LOCK_H_

// One master per state directory and host. The journal's epochs are what makes two masters safe;
// this tells the second one at once, before it takes over from the first.
//
//   DIRECTORY/lock    "millrace master\npid 4711\n", held by flock while the master is alive
//
// The kernel releases the lock when its holder dies, however it dies. The file stays: were it
// removed, two masters could hold locks of two files of that name.

#include <string>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// Move-only; gives the lock back when it goes. A child that is forked without exec keeps it, too.
class StateLock {
 public:
  /// Makes `directory` if it is missing. kUnavailable: another live process has the lock.
  /// kCannotCreate, kResourceLimit: the lock file can't be made, opened or written.
  static Result<StateLock> Acquire(const std::string& directory);

 private:
  explicit StateLock(Descriptor fd) : fd_(std::move(fd)) {}

  Descriptor fd_;
};

}  // namespace millrace

#endif  // MASTER_STATE_LOCK_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_LOGGED_REASON_H_
#define MASTER_LOGGED_REASON_H_

// Why an attempt or a run failed, for logs: these outlive the run, are copied elsewhere, and are
// read by people who have no right to see the data. The whole message, which may quote a key, a
// rejected row or whatever the job's code threw, is for the run's user alone.
//
//   message                                              logged
//   cannot open in/7: No such file or directory          the same
//   the job's code took 2.1 GiB of memory in task 3      the job's code took 2.1 GiB of memory in
//   in the group of key 'Ann'; it may have 1 GiB         task 3 in the group of key '…'; it may …
//   no sum for the key Ann                               bad data
//   the job's code crashed with SIGSEGV in task 3 …      the job's code crashed with SIGSEGV

#include <string>
#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// See above. Of the codes whose messages come from the job's code or quote its data, one of our
/// own phrases; of others the message, with what stands between the first and the last quotation
/// mark left out. At most kLoggedBytesMax, not escaped yet.
std::string LoggedReason(StatusCode code, std::string_view message);

inline constexpr std::size_t kLoggedBytesMax = 512;

}  // namespace millrace

#endif  // MASTER_LOGGED_REASON_H_

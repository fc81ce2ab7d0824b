// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_FAIR_SHARE_H_
#define MASTER_FAIR_SHARE_H_

// Whose task comes next: that of the user with the fewest tasks at work; among the runs of one user
// the one with the highest priority, then the one that was submitted first. A user alone gets all
// slots; n users get an n-th each, whatever their runs' sizes.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "mapreduce/proto/ids.h"

namespace millrace {

/// Each change costs the logarithm of the number of users and runs. One thread.
class FairShare {
 public:
  /// `change` tasks of the user have started (or, negative, ended).
  void AddBusy(const std::string& user, std::int64_t change);
  /// Whether a run has tasks that could start now.
  void SetCandidate(const std::string& user, std::int32_t priority, JobRunId run,
                    bool is_candidate);
  /// The first candidate that is not in `skipped`; none: JobRunId().
  JobRunId First(const std::set<JobRunId>& skipped) const;

 private:
  struct User {
    std::int64_t busy = 0;
    std::set<std::pair<std::int64_t, JobRunId>> candidates;  // (-priority, run)
  };
  void Update(const std::string& name, User& user, std::int64_t busy_before);

  std::map<std::string, User> users_;
  std::set<std::pair<std::int64_t, std::string>> turn_;  // (busy, user) of those with candidates.
};

}  // namespace millrace

#endif  // MASTER_FAIR_SHARE_H_

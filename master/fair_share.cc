// SPDX-License-Identifier: Apache-2.0
#include "master/fair_share.h"

namespace millrace {

void FairShare::AddBusy(const std::string& user, std::int64_t change) {
  User& entry = users_[user];
  const std::int64_t before = entry.busy;
  entry.busy += change;
  Update(user, entry, before);
}

void FairShare::SetCandidate(const std::string& user, std::int32_t priority, JobRunId run,
                             bool is_candidate) {
  User& entry = users_[user];
  const std::pair<std::int64_t, JobRunId> candidate{-std::int64_t{priority}, run};
  if (is_candidate) {
    entry.candidates.insert(candidate);
  } else {
    entry.candidates.erase(candidate);
  }
  Update(user, entry, entry.busy);
}

void FairShare::Update(const std::string& name, User& user, std::int64_t busy_before) {
  turn_.erase({busy_before, name});
  if (!user.candidates.empty()) {
    turn_.insert({user.busy, name});
  } else if (user.busy == 0) {
    users_.erase(name);
  }
}

JobRunId FairShare::First(const std::set<JobRunId>& skipped) const {
  for (const auto& [busy, name] : turn_) {
    for (const auto& [priority, run] : users_.at(name).candidates) {
      if (!skipped.contains(run)) return run;
    }
  }
  return JobRunId();
}

}  // namespace millrace

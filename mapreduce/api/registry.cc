// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/registry.h"

#include <algorithm>

namespace millrace {
namespace {
const JobRegistration* first_job = nullptr;
}  // namespace

void RegisterJob(JobRegistration* job) {
  job->next = first_job;
  first_job = job;
}

const JobRegistration* FindJob(std::string_view name) {
  for (const JobRegistration* job = first_job; job != nullptr; job = job->next) {
    if (job->name == name) return job;
  }
  return nullptr;
}

std::vector<const JobRegistration*> AllJobs() {
  std::vector<const JobRegistration*> jobs;
  for (const JobRegistration* job = first_job; job != nullptr; job = job->next) {
    if (FindJob(job->name) == job) jobs.push_back(job);
  }
  std::sort(jobs.begin(), jobs.end(), [](const JobRegistration* a, const JobRegistration* b) {
    return std::string_view(a->name) < std::string_view(b->name);
  });
  return jobs;
}

}  // namespace millrace

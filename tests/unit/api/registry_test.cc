// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/registry.h"

#include <algorithm>
#include <string_view>

#include "gtest/gtest.h"
#include "mapreduce/api/job.h"

namespace millrace {
namespace {

void DefineB(Job&) {}
void DefineA(Job&) {}
MR_JOB(registry_test_b, DefineB, "the second")
MR_JOB(registry_test_a, DefineA, "the first")

TEST(RegistryTest, FindsAJobByItsName) {
  const JobRegistration* const job = FindJob("registry_test_a");
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->name, std::string_view("registry_test_a"));
  EXPECT_EQ(job->summary, std::string_view("the first"));
  EXPECT_EQ(job->define, &DefineA);
  EXPECT_EQ(job->abi_version, kJobAbiVersion);
  EXPECT_EQ(FindJob("registry_test"), nullptr);
}

TEST(RegistryTest, ListsAllJobsByName) {
  const auto jobs = AllJobs();
  const auto by_name = [](const JobRegistration* a, const JobRegistration* b) {
    return std::string_view(a->name) < std::string_view(b->name);
  };
  EXPECT_TRUE(std::is_sorted(jobs.begin(), jobs.end(), by_name));
  EXPECT_EQ(std::count(jobs.begin(), jobs.end(), FindJob("registry_test_a")), 1);
  EXPECT_EQ(std::count(jobs.begin(), jobs.end(), FindJob("registry_test_b")), 1);
}

// A module that is loaded may bring its own version of a job that ships.
TEST(RegistryTest, PrefersTheJobRegisteredLast) {
  static JobRegistration other{kJobAbiVersion, "registry_test_b", "another one", &DefineA};
  const JobRegistration* const before = FindJob("registry_test_b");
  const std::size_t count = AllJobs().size();
  RegisterJob(&other);
  EXPECT_NE(before, &other);
  EXPECT_EQ(FindJob("registry_test_b"), &other);
  EXPECT_EQ(AllJobs().size(), count);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/fair_share.h"

#include "gtest/gtest.h"

namespace millrace {
namespace {

constexpr JobRunId kOne{1}, kTwo{2}, kThree{3};

TEST(FairShareTest, HasNoFirstWithoutCandidates) {
  FairShare share;
  EXPECT_EQ(share.First({}), JobRunId());
  share.SetCandidate("ann", 0, kOne, true);
  share.SetCandidate("ann", 0, kOne, false);
  EXPECT_EQ(share.First({}), JobRunId());
}

TEST(FairShareTest, PrefersTheUserWithTheFewestTasksAtWork) {
  FairShare share;
  share.SetCandidate("ann", 0, kOne, true);
  share.SetCandidate("bob", 0, kTwo, true);
  share.AddBusy("ann", 2);
  share.AddBusy("bob", 1);
  EXPECT_EQ(share.First({}), kTwo);
  share.AddBusy("bob", 2);
  EXPECT_EQ(share.First({}), kOne);
}

// What the user of a run does elsewhere counts, too; another user's priority does not.
TEST(FairShareTest, LooksAtPriorityOnlyWithinAUser) {
  FairShare share;
  share.SetCandidate("ann", 100, kOne, true);
  share.SetCandidate("bob", -100, kTwo, true);
  share.AddBusy("ann", 1);
  EXPECT_EQ(share.First({}), kTwo);
}

TEST(FairShareTest, TakesAUsersRunsByPriorityThenBySubmission) {
  FairShare share;
  share.SetCandidate("ann", 0, kTwo, true);
  share.SetCandidate("ann", 0, kOne, true);
  EXPECT_EQ(share.First({}), kOne);
  share.SetCandidate("ann", 7, kThree, true);
  EXPECT_EQ(share.First({}), kThree);
}

TEST(FairShareTest, TakesTheLowestPriorityLast) {
  FairShare share;
  share.SetCandidate("ann", INT32_MIN, kOne, true);
  share.SetCandidate("ann", INT32_MAX, kTwo, true);
  EXPECT_EQ(share.First({}), kTwo);
  EXPECT_EQ(share.First({kTwo}), kOne);
}

TEST(FairShareTest, GoesOnToTheNextUserWhenAllOfTheFirstAreSkipped) {
  FairShare share;
  share.SetCandidate("ann", 0, kOne, true);
  share.SetCandidate("bob", 0, kTwo, true);
  share.AddBusy("bob", 5);
  EXPECT_EQ(share.First({kOne}), kTwo);
  EXPECT_EQ(share.First({kOne, kTwo}), JobRunId());
}

// A user who has nothing to start keeps the count of what is at work.
TEST(FairShareTest, RemembersTasksAtWorkOfAUserWithoutCandidates) {
  FairShare share;
  share.AddBusy("ann", 1);
  share.SetCandidate("ann", 0, kOne, true);
  share.SetCandidate("ann", 0, kOne, false);
  share.SetCandidate("ann", 0, kOne, true);
  share.SetCandidate("bob", 0, kTwo, true);
  EXPECT_EQ(share.First({}), kTwo);
}

// Two users with any number of runs get half of the slots each.
TEST(FairShareTest, GivesEachUserTheSameNumberOfSlots) {
  FairShare share;
  for (std::uint64_t run = 1; run <= 9; ++run) share.SetCandidate("ann", 0, JobRunId{run}, true);
  share.SetCandidate("bob", 0, JobRunId{10}, true);
  int of_bob = 0;
  for (int slot = 0; slot < 10; ++slot) {
    const bool is_bob = share.First({}) == JobRunId{10};
    share.AddBusy(is_bob ? "bob" : "ann", 1);
    of_bob += is_bob ? 1 : 0;
  }
  EXPECT_EQ(of_bob, 5);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/logged_reason.h"

#include "gtest/gtest.h"

namespace millrace {
namespace {

TEST(LoggedReasonTest, KeepsWhatQuotesNothing) {
  for (const char* const message : {"cannot open in/7: No such file or directory",
                                    "worker 12 (node-3) is lost: its lease is over",
                                    "the job's code took 2 GiB of memory; it doesn't fit"}) {
    EXPECT_EQ(LoggedReason(StatusCode::kUnavailable, message), message);
  }
}

TEST(LoggedReasonTest, LeavesOutWhatIsQuoted) {
  EXPECT_EQ(LoggedReason(StatusCode::kResourceLimit,
                         "the job's code took 2 GiB in the group of key 'Ann's \"x\"'; too much"),
            "the job's code took 2 GiB in the group of key '…'; too much");
  EXPECT_EQ(LoggedReason(StatusCode::kInternal, "in the group of key \"Ann\" and \"Bob\""),
            "in the group of key \"…\"");
  EXPECT_EQ(LoggedReason(StatusCode::kInternal, "'Ann"), "'…");
  EXPECT_EQ(LoggedReason(StatusCode::kInternal, "\"a\n'b\": cut"), "\"…\": cut");
}

TEST(LoggedReasonTest, SaysOfTheJobsOwnMessagesOnlyTheKind) {
  EXPECT_EQ(LoggedReason(StatusCode::kUserCode, "the combiner failed on the key Ann: 7 is bad"),
            "the job's code failed");
  EXPECT_EQ(LoggedReason(StatusCode::kBadData, "no result for the key Ann"), "bad data");
  EXPECT_EQ(LoggedReason(StatusCode::kBadData,
                         "7 records were rejected, --max-rejects allows 3; the first:\n  Ann"),
            "more records were rejected than --max-rejects allows");
  EXPECT_EQ(LoggedReason(StatusCode::kDiverged, "the first difference up to key \"Ann\""),
            "two attempts of one task made other records");
}

TEST(LoggedReasonTest, SaysHowATasksProcessEnded) {
  EXPECT_EQ(LoggedReason(StatusCode::kUserCode,
                         "run: map task 3 failed 4 times, the last: the job's code crashed with "
                         "SIGSEGV in task 3 in the group of key 'Ann'"),
            "the job's code crashed with SIGSEGV");
  EXPECT_EQ(LoggedReason(StatusCode::kUserCode,
                         "the job's code ended its process with exit(3) before the task was done"),
            "the job's code ended its process with exit(3)");
}

TEST(LoggedReasonTest, CutsWhatIsLong) {
  EXPECT_EQ(LoggedReason(StatusCode::kUnavailable, std::string(600, 'x')),
            std::string(512, 'x') + "…");
}

}  // namespace
}  // namespace millrace

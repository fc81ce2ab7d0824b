// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace {

using millrace::TestResult;
using millrace::TestRun;
using testing::ElementsAre;

// In no order at all, as several servers log them; half an hour lies between some.
const char kPlays[] =
    "2026-11-21T23:50:00Z\tann\tsong c\tSE\t3000\n"
    "2026-11-21T08:00:00Z\tann\tsong a\tSE\t180000\n"
    "2026-11-21T08:04:00Z\tann\tsong b\tSE\t9000\n"
    "2026-11-22T00:10:00Z\tann\tsong d\tSE\t1\n"  // Midnight doesn't end a session.
    "2026-11-21T08:34:00Z\tann\tsong a\tSE\t40\n"
    "2026-11-21T10:30:01Z\tbob\tsong b\tDE\t5\n"
    "2026-11-21T10:00:00Z\tbob\tsong b\tDE\t7\n"
    "2026-11-21T10:00:00Z\tbob\tsong c\tDE\t8\n"
    "2028-02-28T23:59:00Z\tcid\tsong a\tSE\t10\n"
    "2028-03-01T00:00:00Z\tcid\tsong a\tSE\t10\n"  // The day between is February 29.
    "2026-11-21T12:00:00Z\tanna\tsong a\tSE\t100\n"
    "2026-11-21T12:00:00Z\tdan\tsong a\tSE\t0\n";

TEST(SessionsTest, AGapBeyondHalfAnHourEndsASession) {
  const TestResult result = TestRun("sessions").Input("plays", kPlays).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("ann\t2\t192041\t54960", "anna\t1\t100\t0",
                                         "bob\t2\t20\t1801", "cid\t2\t20\t86460", "dan\t1\t0\t0"));
}

TEST(SessionsTest, TheGapIsAParameter) {
  const TestResult result = TestRun("sessions").Input("plays", kPlays).Param("gap_s", "1801").Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), testing::Contains("bob\t1\t20\t1801"));
  EXPECT_FALSE(TestRun("sessions").Input("plays", kPlays).Param("gap_s", "-1").Run().ok());
}

TEST(SessionsTest, RejectsWhatIsNoTime) {
  for (const char* time :
       {"", "2026-11-21", "2026-11-31T10:11:12Z", "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z",
        "2026-11-21T10:11:60Z", "2026-11-21 10:11:12Z", "2026-11-21T10:11:12",
        "2026-11-21T1x:11:12Z", "2026-11-21T10:11:12ZZ", "2026-11-21T10.11.12Z"}) {
    const std::string play = std::string(time) + "\tann\tsong a\tSE\t1\n";
    const TestResult result = TestRun("sessions").Input("plays", play).MaxRejects(1).Run();
    ASSERT_EQ(result.rejects.size(), 1u) << time << result.status.message();
    EXPECT_EQ(result.rejects[0].reason, "not a time like 2026-11-21T10:11:12Z") << time;
  }
}

TEST(SessionsTest, DoesNotDependOnHowItIsRun) {
  EXPECT_DETERMINISTIC(TestRun("sessions").Input("plays", kPlays));
}

}  // namespace

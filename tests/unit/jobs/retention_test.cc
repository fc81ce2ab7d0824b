// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"
#include "tests/unit/jobs/reject_reasons.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string PlayOn(const std::string& date, const std::string& user) {
  return date + "T09:00:00Z\t" + user + "\ta\tSE\t30000\n";
}

TestRun Retention(const std::string& plays) { return TestRun("retention").Input("plays", plays); }

TEST(RetentionTest, CountsACohortsUsersByDaysSinceTheirFirst) {
  const std::string plays = PlayOn("2026-11-01", "ann") + PlayOn("2026-11-02", "ann") +
                            PlayOn("2026-11-01", "bob") + PlayOn("2026-11-02", "bob") +
                            PlayOn("2026-11-04", "bob") + PlayOn("2026-11-02", "cid") +
                            PlayOn("2026-11-04", "cid");
  EXPECT_THAT(Retention(plays).Run().Rows(),
              ElementsAre("2026-11-01\t0\t2", "2026-11-01\t1\t2", "2026-11-01\t3\t1",
                          "2026-11-02\t0\t1", "2026-11-02\t2\t1"));
}

TEST(RetentionTest, TheFirstDayIsTheEarliestWhereverItStands) {
  const TestRun run =
      TestRun("retention")
          .Shards("plays", {PlayOn("2026-11-05", "ann") + PlayOn("2026-11-03", "ann"),
                            PlayOn("2026-11-01", "ann"), PlayOn("2026-11-04", "ann")});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("2026-11-01\t0\t1", "2026-11-01\t2\t1",
                                            "2026-11-01\t3\t1", "2026-11-01\t4\t1"));
}

TEST(RetentionTest, CountsAUserOnceADay) {
  const std::string play = PlayOn("2026-11-01", "ann");
  const TestRun run = TestRun("retention")
                          .Shards("plays", {play + play, "2026-11-01 23:59\tann\tb\tDE\t1\n" +
                                                             PlayOn("2026-11-02", "ann")});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("2026-11-01\t0\t1", "2026-11-01\t1\t1"));
}

TEST(RetentionTest, CountsDaysByTheCalendar) {
  const std::string plays = PlayOn("2028-02-28", "leap") + PlayOn("2028-03-01", "leap") +
                            PlayOn("2027-02-28", "none") + PlayOn("2027-03-01", "none") +
                            PlayOn("2026-12-31", "year") + PlayOn("2027-01-01", "year");
  EXPECT_THAT(Retention(plays).Run().Rows(),
              ElementsAre("2026-12-31\t0\t1", "2026-12-31\t1\t1", "2027-02-28\t0\t1",
                          "2027-02-28\t1\t1", "2028-02-28\t0\t1", "2028-02-28\t2\t1"));
}

TEST(RetentionTest, GoesUpToDaysAndOrdersNAsANumber) {
  std::string plays;
  for (const char* const day : {"01", "02", "03", "10", "11", "12", "31"}) {
    plays += PlayOn(std::string("2026-10-") + day, "ann");
  }
  plays += PlayOn("2026-11-01", "ann");
  EXPECT_THAT(
      Retention(plays).Run().Rows(),
      ElementsAre("2026-10-01\t0\t1", "2026-10-01\t1\t1", "2026-10-01\t2\t1", "2026-10-01\t9\t1",
                  "2026-10-01\t10\t1", "2026-10-01\t11\t1", "2026-10-01\t30\t1"));
  EXPECT_THAT(Retention(plays).Param("days", "9").Run().Rows(), SizeIs(4));
  EXPECT_THAT(Retention(plays).Param("days", "31").Run().Rows(), SizeIs(8));
  EXPECT_THAT(Retention(plays).Param("days", "0").Run().Rows(), ElementsAre("2026-10-01\t0\t1"));
  EXPECT_EQ(Retention(plays).Param("days", "-1").Run().status.code(), StatusCode::kInvalidArgument);
}

// A user who comes back beyond the last day is still of the old cohort.
TEST(RetentionTest, NobodyHasASecondFirstDay) {
  const std::string plays = PlayOn("2026-01-01", "ann") + PlayOn("2026-11-01", "ann");
  EXPECT_THAT(Retention(plays).Run().Rows(), ElementsAre("2026-01-01\t0\t1"));
  EXPECT_THAT(Retention(plays).Param("days", "10000").Run().Rows(),
              ElementsAre("2026-01-01\t0\t1", "2026-01-01\t304\t1"));
}

TEST(RetentionTest, LooksAtTimestampAndUserAlone) {
  EXPECT_THAT(Retention("2026-11-01\tann\n2026-11-01\tbob\t\\N\t\\N\tnever\tmore\n").Run().Rows(),
              ElementsAre("2026-11-01\t0\t2"));
  EXPECT_THAT(Retention("ann\tx\t2026-11-01\n")
                  .Param("user", "1")
                  .Param("timestamp", "3")
                  .Param("track", "2")
                  .Run()
                  .Rows(),
              ElementsAre("2026-11-01\t0\t1"));
}

TEST(RetentionTest, TellsUsersApartByTheirBytes) {
  const std::string plays = PlayOn("2026-11-01", "") + PlayOn("2026-11-01", "a") +
                            PlayOn("2026-11-01", "a\\000") + PlayOn("2026-11-01", "A") +
                            PlayOn("2026-11-01", "\\x61");  // Again a.
  EXPECT_THAT(Retention(plays).Run().Rows(), ElementsAre("2026-11-01\t0\t4"));
}

TEST(RetentionTest, ARejectedPlayIsNoDayOfItsUser) {
  const TestResult result = Retention("2026-02-30\tann\n" + PlayOn("2026-11-02", "ann") +
                                      "2026-11-01\t\\N\nyesterday\tann\n2026-11-01\n\\N\tann\n")
                                .MaxRejects(5)
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("2026-11-02\t0\t1"));
  EXPECT_THAT(ReasonsOf(result),
              ElementsAre("timestamp does not start with a date: '2026-02-30'", "user is NULL",
                          "timestamp does not start with a date: 'yesterday'",
                          "user is missing: the line has 1 field", "timestamp is NULL"));
}

TEST(RetentionTest, HasAnEmptyOutputForNoPlaysAndForRejectsAlone) {
  EXPECT_EQ(Retention("").Run().Text(), "");
  const TestResult result = Retention("never\tann\n\n").MaxRejects(2).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), IsEmpty());
  EXPECT_THAT(result.rejects, SizeIs(2));
  EXPECT_EQ(Retention("never\tann\n").Run().status.code(), StatusCode::kBadData);
}

TEST(RetentionTest, TakesOnePlay) {
  EXPECT_EQ(Retention("2026-11-01\tann").Run().Text(), "2026-11-01\t0\t1\n");
}

// The day `number` days behind 2026-01-01, in its first eight months.
std::string DayOf(std::uint64_t number) {
  static constexpr std::uint64_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31};
  std::size_t month = 0;
  while (number >= kDays[month]) number -= kDays[month++];
  const std::string day = std::to_string(number + 1);
  return "2026-0" + std::to_string(month + 1) + (day.size() == 1 ? "-0" : "-") + day;
}

TEST(RetentionTest, TakesOneUserWithAllPlays) {
  std::string plays;
  for (std::uint64_t i = 0; i < 2000; ++i) plays += PlayOn(DayOf(i * 7 % 200), "ann");
  const TestRun run = Retention(plays).Param("days", "365");
  EXPECT_THAT(run.Run().Rows(), SizeIs(200));
  EXPECT_DETERMINISTIC(run);
}

TEST(RetentionTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> shards(1 + random.Uniform(3));
    std::map<std::string, std::set<std::string>> active;
    for (std::uint64_t n = random.Uniform(400); n > 0; --n) {
      const std::string user = "u" + std::to_string(random.Uniform(30));
      const std::string date = DayOf(random.Uniform(1 + random.Uniform(240)));
      active[user].insert(date);
      shards[random.Uniform(shards.size())] += PlayOn(date, user);
    }
    const auto days = static_cast<std::int64_t>(random.Uniform(60));
    std::map<std::pair<std::string, std::int64_t>, int> users;
    for (const auto& [user, dates] : active) {
      const std::int64_t first = Date{*dates.begin()}.day_number();
      for (const std::string& date : dates) {
        const std::int64_t since = Date{date}.day_number() - first;
        if (since <= days) ++users[{*dates.begin(), since}];
      }
    }
    std::string wanted;
    for (const auto& [key, count] : users) {
      wanted += key.first + "\t" + std::to_string(key.second) + "\t" + std::to_string(count) + "\n";
    }
    const TestRun run =
        TestRun("retention").Shards("plays", shards).Param("days", std::to_string(days));
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), wanted);
    if (i % 8 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// That the job wants a --date is seen in docs/jobs/mail_digest.md, whose commands a test runs.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"
#include "tests/unit/jobs/reject_reasons.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct Inputs {
  std::string recommendations, addresses, suppressed;
};

TestRun Digest(const Inputs& inputs) {
  return TestRun("mail_digest")
      .Input("recommendations", inputs.recommendations)
      .Input("addresses", inputs.addresses)
      .Input("suppressed", inputs.suppressed)
      .Date("2026-11-21");
}

// The key of each line: what a mailer remembers.
std::vector<std::string> KeysOf(const TestResult& result) {
  std::vector<std::string> keys;
  for (const std::string& row : result.Rows()) keys.push_back(row.substr(row.find("\"key\":")));
  return keys;
}

constexpr char kAnn[] = "ann\t1\tsong a\t900\nann\t2\tsong b\t800\n";

TEST(MailDigestTest, WritesOneLineOfJsonPerUser) {
  const TestResult result = Digest({std::string(kAnn) + "bob\t1\tsong c\t100\n",
                                    "ann\tann@example.com\nbob\tbob@example.com\n", ""})
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre(R"({"template":"digest","address":"ann@example.com",)"
                                         R"("tracks":["song a","song b"],)"
                                         R"("key":"ann/digest/2026-11-21"})",
                                         R"({"template":"digest","address":"bob@example.com",)"
                                         R"("tracks":["song c"],"key":"bob/digest/2026-11-21"})"));
}

TEST(MailDigestTest, TemplateAndCampaignAreParameters) {
  EXPECT_THAT(Digest({"ann\t1\ta\t1\n", "ann\tx\n", ""})
                  .Param("template", "weekly \"mail\"")
                  .Param("campaign", "w47")
                  .Run()
                  .Rows(),
              ElementsAre(R"({"template":"weekly \"mail\"","address":"x","tracks":["a"],)"
                          R"("key":"ann/w47/2026-11-21"})"));
}

// User a/b with campaign c, and user a with campaign b/c, would have one key. An empty one is most
// likely a variable that was not set.
TEST(MailDigestTest, RefusesACampaignWithASlashAndOneOfNothing) {
  for (const char* const campaign : {"b/c", ""}) {
    const TestResult result = Digest({"", "", ""}).Param("campaign", campaign).Run();
    EXPECT_EQ(result.status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(result.status.message(), HasSubstr("campaign must not"));
  }
  EXPECT_THAT(KeysOf(Digest({"a/b\t1\tt\t1\n", "a/b\tx\n", ""}).Run()),
              ElementsAre(R"("key":"a/b/digest/2026-11-21"})"));
}

TEST(MailDigestTest, TakesTheFirstKTracksByRankAsANumberThenByTrack) {
  const Inputs inputs = {
      "ann\t10\ta\t1\nann\t2\tj\t1\nann\t-1\tz\t1\nann\t3\td\t1\nann\t3\tc\t1\nann\t11\tb\t1\n",
      "ann\tx\n", ""};
  const auto tracks = [&inputs](const char* k) {
    const TestResult result = Digest(inputs).Param("k", k).Run();
    const std::string row = result.Text();
    const std::size_t begin = row.find('['), end = row.find(']');
    return row.substr(begin, end + 1 - begin);
  };
  EXPECT_EQ(tracks("5"), R"(["z","j","c","d","a"])");
  EXPECT_EQ(tracks("1"), R"(["z"])");
  EXPECT_EQ(tracks("3"), R"(["z","j","c"])");
  EXPECT_EQ(tracks("0"), R"(["z","j","c","d","a","b"])");
  EXPECT_EQ(tracks("100"), tracks("0"));
  EXPECT_THAT(Digest(inputs).Run().Text(), HasSubstr(tracks("5")));  // The default.
  EXPECT_EQ(Digest(inputs).Param("k", "-1").Run().status.code(), StatusCode::kInvalidArgument);
}

// In whatever input a user stands, and however the name is spelled there.
TEST(MailDigestTest, NeverMailsTheSuppressed) {
  const std::string recommendations = std::string(kAnn) + "\\x61nn\t3\tx\t1\nbob\t1\tb\t1\n";
  const std::string addresses = "ann\tann@example.com\nbob\tbob@example.com\n\\141nn\tother\n";
  for (const char* const suppressed :
       {"ann\n", "a\\156n\n", "zoe\nann", "ann\nann\n", "ann\tsince 2020\n"}) {
    const TestResult result = Digest({recommendations, addresses, suppressed}).Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    EXPECT_THAT(result.Rows(), AllOf(SizeIs(1), Each(Not(HasSubstr("ann"))))) << suppressed;
  }
  EXPECT_THAT(Digest({recommendations, addresses, "ann\nbob\n"}).Run().Rows(), IsEmpty());
  EXPECT_THAT(Digest({recommendations, addresses, "an\nann \nANN\nannn\n"}).Run().Rows(),
              SizeIs(2));  // None of them is ann.
}

TEST(MailDigestTest, SuppressesOverAllShards) {
  const TestRun run = TestRun("mail_digest")
                          .Shards("recommendations", {"bob\t1\tb\t1\n", kAnn, "cid\t1\tc\t1\n"})
                          .Shards("addresses", {"cid\tc\n", "bob\tb\nann\ta\n"})
                          .Shards("suppressed", {"", "zoe\n", "ann\ncid\n"})
                          .Date("2026-11-21");
  EXPECT_THAT(KeysOf(run.Run()), ElementsAre(R"("key":"bob/digest/2026-11-21"})"));
  EXPECT_DETERMINISTIC(run);
}

TEST(MailDigestTest, CountsWhoGetsNoMail) {
  const TestResult result = Digest({"ann\t1\ta\t1\nbob\t1\tb\t1\ncid\t1\tc\t1\n",
                                    "ann\ta\ndan\td\neva\te\nfay\t\n", "cid\ncid\nzoe\n"})
                                .Run();
  EXPECT_THAT(result.Rows(), SizeIs(1));
  EXPECT_EQ(result.Counter("without_address"), 2u);  // bob, fay.
  EXPECT_EQ(result.Counter("without_tracks"), 2u);   // dan, eva.
  EXPECT_EQ(result.Counter("suppressed"), 2u);       // cid, zoe.
}

TEST(MailDigestTest, TheFirstAddressThatIsNotEmptyCounts) {
  const TestRun run = TestRun("mail_digest")
                          .Input("recommendations", "ann\t1\ta\t1\n")
                          .Shards("addresses", {"ann\t\n", "ann\tz\nann\ta\n"})
                          .Input("suppressed", "")
                          .Date("2026-11-21");
  EXPECT_THAT(run.Run().Rows(), ElementsAre(HasSubstr(R"("address":"z")")));
  EXPECT_DETERMINISTIC(run);
}

// A mailer that skips the keys it knows sends nothing new.
TEST(MailDigestTest, RunningAgainGivesTheSameKeys) {
  const Inputs inputs = {std::string(kAnn) + "bob\t1\tb\t1\n", "ann\ta\nbob\tb\n", ""};
  const std::vector<std::string> keys = KeysOf(Digest(inputs).Run());
  EXPECT_THAT(keys, SizeIs(2));
  EXPECT_EQ(KeysOf(Digest(inputs).Run()), keys);
  Inputs corrected = inputs;  // Other tracks, another address, another template: the same mail.
  corrected.recommendations = "bob\t1\tz\t1\n" + std::string(kAnn) + "ann\t3\tsong c\t1\n";
  corrected.addresses = "ann\tnew\nbob\tb\n";
  EXPECT_EQ(KeysOf(Digest(corrected).Param("template", "new").Param("k", "1").Run()), keys);
  const std::set<std::string> known(keys.begin(), keys.end());
  for (const TestRun& other :
       {Digest(inputs).Date("2026-11-22"), Digest(inputs).Param("campaign", "other")}) {
    for (const std::string& key : KeysOf(other.Run())) EXPECT_FALSE(known.contains(key)) << key;
  }
}

TEST(MailDigestTest, EscapesAsJsonDoes) {
  EXPECT_THAT(Digest({"a\\tb\t1\t\"\\\\\\n\\001\xc3\xa9/\t1\n", "a\\tb\tx\\ty\n", ""}).Run().Rows(),
              ElementsAre(R"({"template":"digest","address":"x\ty",)"
                          "\"tracks\":[\"\\\"\\\\\\n\\u0001\xc3\xa9/\"],"
                          R"("key":"a\tb/digest/2026-11-21"})"));
}

TEST(MailDigestTest, OrdersByUser) {
  std::string recommendations, addresses;
  for (const char* const user : {"b", "", "a\\001", "ab", "a", "B", "\xc3\xa9"}) {
    recommendations += std::string(user) + "\t1\tt\t1\n";
    addresses += std::string(user) + "\tx\n";
  }
  EXPECT_THAT(
      KeysOf(Digest({recommendations, addresses, ""}).Run()),
      ElementsAre(R"("key":"/digest/2026-11-21"})", R"("key":"B/digest/2026-11-21"})",
                  R"("key":"a/digest/2026-11-21"})", R"("key":"a\u0001/digest/2026-11-21"})",
                  R"("key":"ab/digest/2026-11-21"})", R"("key":"b/digest/2026-11-21"})",
                  "\"key\":\"\xc3\xa9/digest/2026-11-21\"}"));
}

TEST(MailDigestTest, LooksAtWhatItNeeds) {
  EXPECT_THAT(Digest({"ann\t1\ta\n", "ann\tx\t\\N\n", ""}).Run().Rows(), SizeIs(1));
  EXPECT_THAT(Digest({"a\t1\tann\n", "x\tann\n", "\\N\tbob\n"})
                  .Param("track", "1")
                  .Param("recommendations.user", "3")
                  .Param("address", "1")
                  .Param("addresses.user", "2")
                  .Param("suppressed.user", "2")
                  .Run()
                  .Rows(),
              ElementsAre(R"({"template":"digest","address":"x","tracks":["a"],)"
                          R"("key":"ann/digest/2026-11-21"})"));
}

TEST(MailDigestTest, RejectsWhatCannotBe) {
  const TestResult result =
      Digest({"ann\tfirst\ta\t1\nann\t\\N\ta\t1\n\\N\t1\ta\t1\nann\t1\t\\N\t1\n"
              "ann\t1\t\xff\t1\n\xff\t1\ta\t1\nann\t1\n",
              "ann\t\\N\n\\N\tx\nann\t\xff\n", "\\N\n"})
          .MaxRejects(11)
          .Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), IsEmpty());
  EXPECT_THAT(ReasonsOf(result),
              ElementsAre("rank is not an integer: 'first'", "rank is NULL", "user is NULL",
                          "track is NULL", "user or track is not UTF-8, as JSON is",
                          "user or track is not UTF-8, as JSON is",
                          "track is missing: the line has 2 fields", "address is NULL",
                          "user is NULL", "address is not UTF-8, as JSON is", "user is NULL"));
  EXPECT_EQ(Digest({"", "", "\\N\n"}).Run().status.code(), StatusCode::kBadData);
}

TEST(MailDigestTest, ARejectedRecordLeavesTheOthers) {
  EXPECT_THAT(Digest({"ann\t1\t\xff\t1\nann\t2\tb\t1\n", "ann\t\xff\nann\tx\n", ""})
                  .MaxRejects(2)
                  .Run()
                  .Rows(),
              ElementsAre(HasSubstr(R"("address":"x","tracks":["b"])")));
}

// Their names need not be UTF-8: no line has them.
TEST(MailDigestTest, TakesStrangeUsersWhereNoMailIsMade) {
  const TestResult result = Digest({"", "\xff\tx\n", "\xfe\n"}).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_EQ(result.Counter("without_tracks"), 1u);
  EXPECT_EQ(result.Counter("suppressed"), 1u);
}

TEST(MailDigestTest, HasAnEmptyOutputWhereAnInputIsMissing) {
  EXPECT_EQ(Digest({"", "", ""}).Run().Text(), "");
  EXPECT_EQ(Digest({kAnn, "", ""}).Run().Text(), "");
  EXPECT_EQ(Digest({"", "ann\ta\n", ""}).Run().Text(), "");
  EXPECT_EQ(Digest({"", "", "ann\n"}).Run().Text(), "");
}

TEST(MailDigestTest, TakesOneUserWithAllRecords) {
  std::string recommendations, addresses, suppressed;
  for (int i = 0; i < 1000; ++i) {
    recommendations += "ann\t" + std::to_string(i * 7 % 1000) + "\tt" + std::to_string(i) + "\t1\n";
    addresses += "ann\tx" + std::to_string(i) + "\n";
    suppressed += "ann\n";
  }
  const TestRun run = Digest({recommendations, addresses, ""});
  EXPECT_THAT(run.Run().Rows(),
              ElementsAre(HasSubstr(R"("x0","tracks":["t0","t143","t286","t429","t572"])")));
  EXPECT_DETERMINISTIC(run);
  const TestResult none = Digest({recommendations, addresses, suppressed}).Run();
  EXPECT_EQ(none.Text(), "");
  EXPECT_EQ(none.Counter("suppressed"), 1u);
}

TEST(MailDigestTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> recommendations(1 + random.Uniform(3)), addresses(2), suppressed(2);
    std::map<std::string, std::set<std::pair<int, std::string>>> tracks;
    std::map<std::string, std::string> address_of;
    std::set<std::string> silent;
    const auto user = [&random] { return "u" + std::to_string(random.Uniform(25)); };
    for (std::uint64_t n = random.Uniform(200); n > 0; --n) {
      const std::string name = user(), track = "t" + std::to_string(n);
      const int rank = static_cast<int>(random.Uniform(30));
      recommendations[random.Uniform(recommendations.size())] +=
          name + "\t" + std::to_string(rank) + "\t" + track + "\t5\n";
      tracks[name].insert({rank, track});
    }
    for (std::uint64_t n = random.Uniform(30); n > 0; --n) {
      const std::string name = user(), address = name + "@" + std::to_string(n);
      addresses[0] += name + "\t" + address + "\n";
      addresses[1] += name + "\tlater\n";
      address_of.emplace(name, address);
    }
    for (std::uint64_t n = random.Uniform(12); n > 0; --n) {
      suppressed[n % 2] += *silent.insert(user()).first + "\n";
    }
    std::string wanted;
    for (const auto& [name, ranked] : tracks) {
      if (silent.contains(name) || !address_of.contains(name)) continue;
      std::string list;
      std::size_t k = 0;
      for (const auto& [rank, track] : ranked) {
        if (k++ < 3) list += std::string(k == 1 ? "" : ",") + "\"" + track + "\"";
      }
      wanted += R"({"template":"digest","address":")" + address_of[name] + R"(","tracks":[)" +
                list + R"(],"key":")" + name + "/digest/2026-11-21\"}\n";
    }
    const TestRun run = TestRun("mail_digest")
                            .Shards("recommendations", recommendations)
                            .Shards("addresses", addresses)
                            .Shards("suppressed", suppressed)
                            .Param("k", "3")
                            .Date("2026-11-21");
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), wanted);
    ASSERT_EQ(result.Counter("suppressed"), silent.size());
    if (i % 8 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace

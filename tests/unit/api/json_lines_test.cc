// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/json_lines.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Play {
  std::string_view user, track;
  MR_FIELDS(Play, user, track)
};
struct Mail {
  std::string template_;
  std::vector<std::string_view> tracks;
  MR_FIELDS(Mail, template_, tracks)
};
struct User {
  std::string_view user;
  MR_FIELDS(User, user)
};
struct Score {
  Descending<std::int64_t> score;
  MR_FIELDS(Score, score)
};

struct ByUser {
  void Map(const Play& play, Emitter<std::string_view, std::string_view>& emit) {
    emit(play.user, play.track);
  }
};
struct MakeMail {
  void Reduce(const std::string_view& user, Values<std::string_view>& tracks,
              Emitter<std::string_view, Mail>& emit) {
    Mail mail{"weekly", {}};
    for (const std::string_view track : tracks) mail.tracks.emplace_back(track);
    emit(user, mail);
  }
};

constexpr char kPlays[] = "u2\tt3\nu1\tt\"1\nu2\tBj\u00F6rk\n";

TEST(JsonLinesTest, WritesWhatAReduceEmits) {
  const TestResult result =
      TestRun([](Job& job) {
        job.Read<Play>("plays").Map<ByUser>().Reduce<MakeMail>().Write<JsonLines>("mails");
      })
          .Input("plays", kPlays)
          .Run();
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(),
              ElementsAre(R"({"template":"weekly","tracks":["t\"1"]})",
                          "{\"template\":\"weekly\",\"tracks\":[\"t3\",\"Bj\u00F6rk\"]}"));
}

struct WithScores {
  void Map(const Play& play, Emitter<User, Score>& emit) {
    emit({play.user}, {{static_cast<std::int64_t>(play.track.size())}});
  }
};

TEST(JsonLinesTest, WritesWhatAMapEmits) {
  const TestResult result = TestRun([](Job& job) {
                              job.Read<Play>("plays").Map<WithScores>().Write<JsonLines>("scores");
                            })
                                .Input("plays", kPlays)
                                .Run();
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre(R"({"user":"u2","score":2})", R"({"user":"u1","score":3})",
                                         R"({"user":"u2","score":6})"));
}

TEST(JsonLinesTest, FailsTheRunRatherThanWriteWhatIsNotUtf8) {
  const TestResult result =
      TestRun([](Job& job) {
        job.Read<Play>("plays").Map<ByUser>().Reduce<MakeMail>().Write<JsonLines>("mails");
      })
          .Input("plays", "u1\tt1\nu2\tBj\xF6rk\n")
          .Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(), AllOf(HasSubstr("not UTF-8"), HasSubstr("'u2'")));
}

}  // namespace
}  // namespace millrace

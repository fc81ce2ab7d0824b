// SPDX-License-Identifier: Apache-2.0
// How steps are put together: joins, secondary sort, stages of maps alone, stages that follow each
// other, several outputs.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Play {
  std::string_view user, track;
  std::int64_t ms = 0;
  MR_FIELDS(Play, user, track, ms)
};
struct User {
  std::string_view user, country;
  MR_FIELDS(User, user, country)
};

// Some hundred plays of a few users, so that equal keys are everywhere.
std::string Plays(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "u" + std::to_string(i * 31 % 17) + "\tt" + std::to_string(i * 7 % 23) + "\t" +
            std::to_string(i % 5) + "\n";
  }
  return text;
}

// A user's country, or a play: which one is told by the flag, and by the order.
using Side = std::tuple<bool, std::string_view>;
struct CountryOfUser {
  void Map(const User& user, Emitter<std::string_view, Side>& emit) {
    emit(user.user, {false, user.country});
  }
};
struct TrackOfUser {
  void Map(const Play& play, Emitter<std::string_view, Side>& emit) {
    emit(play.user, {true, play.track});
  }
};
struct Joined {
  void Reduce(const std::string_view&, Values<Side>& sides,
              Emitter<std::tuple<std::string, std::string_view>, Unit>& emit, Context& context) {
    std::string country = "?";
    for (const auto& [is_play, text] : sides) {
      if (!is_play) {
        country = text;
      } else {
        emit({country, text});
      }
    }
    if (country == "?") context.Count("unknown");
  }
};
void JoinPlays(Job& job) {
  auto plays = job.Read<Play>("plays").Map<TrackOfUser>();
  job.Read<User>("users").Map<CountryOfUser>().And(plays).Reduce<Joined>().Write<Tsv>("joined");
}

TEST(JoinTest, BringsTheRecordsOfBothInputsTogetherInTheOrderOfTheMaps) {
  const TestRun run = TestRun(JoinPlays)
                          .Input("plays", "u2\tt1\t1\nu1\tt1\t1\nu9\tt3\t1\nu2\tt2\t1\n")
                          .Input("users", "u1\tSE\nu2\tDE\nu3\tFR\n");
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\tt1", "DE\tt1", "DE\tt2", "?\tt3"));
  EXPECT_EQ(result.Counter("unknown"), 1u);
  EXPECT_EQ(result.records_in, 7u);
  EXPECT_DETERMINISTIC(TestRun(JoinPlays)
                           .Shards("plays", {Plays(300), Plays(50)})
                           .Shards("users", {"u1\tSE\nu2\tDE\n", "u3\tFR\n"}));
}

TEST(JoinTest, TakesWhatAnEarlierStageMade) {
  struct PlaysOfUser {
    void Map(const Play& play, Emitter<std::string_view, Unit>& emit) { emit(play.user); }
  };
  struct CountAsSide {
    std::string text;
    void Map(const KeyValue<std::string_view, std::int64_t>& count,
             Emitter<std::string_view, Side>& emit) {
      text = std::to_string(count.value);
      emit(count.key, {true, text});
    }
  };
  const auto define = [](Job& job) {
    auto users = job.Read<User>("users").Map<CountryOfUser>();
    auto counts = job.Read<Play>("plays").Map<PlaysOfUser>().Reduce<Count>();
    users.And(counts.Map<CountAsSide>()).Reduce<Joined>().Write<Tsv>("joined");
  };
  const TestRun run = TestRun(define).Input("plays", Plays(340)).Input("users", "u1\tSE\nu2\tDE\n");
  EXPECT_THAT(run.Run().Rows(), ::testing::Contains("SE\t20"));
  EXPECT_DETERMINISTIC(run);
}

using UserMs = std::tuple<std::string_view, Descending<std::int64_t>>;
struct ByUserThenMs {
  void Map(const Play& play, Emitter<UserMs, std::string_view>& emit) {
    emit({play.user, {play.ms}}, play.track);
  }
};
struct InOrder {
  void Reduce(const std::string_view& user, Values<KeyValue<UserMs, std::string_view>>& plays,
              Emitter<std::string_view, std::string>& emit) {
    std::string text;
    for (const auto& [key, track] : plays) {
      text += std::to_string(std::get<1>(key).value) + ":" + std::string(track) + " ";
    }
    emit(user, text);
  }
};
void TracksByLength(Job& job) {
  job.Read<Play>("plays").Map<ByUserThenMs>().GroupBy<1>().Reduce<InOrder>().Write<Tsv>("tracks");
}

TEST(GroupByTest, GivesAGroupsRecordsInKeyOrder) {
  const TestResult result =
      TestRun(TracksByLength)
          .Input("plays", "b\tx\t3\na\tx\t1\na\tz\t2\nb\ty\t9\na\ty\t2\na\t\\\\\t-5\n")
          .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t2:z 2:y 1:x -5:\\\\ ", "b\t9:y 3:x "));
  EXPECT_DETERMINISTIC(TestRun(TracksByLength).Shards("plays", {Plays(400), Plays(100)}));
}

// A part border must not cut a group, nor may a key that begins like another one.
TEST(GroupByTest, KeepsAGroupInOnePart) {
  std::string plays;
  for (int i = 0; i < 300; ++i) {
    plays += (i % 2 == 0 ? "a" : "a\\001") + std::string("\tt\t") + std::to_string(i) + "\n";
  }
  const TestRun run = TestRun(TracksByLength).Input("plays", plays);
  EXPECT_THAT(run.Run().Rows(), SizeIs(2));
  EXPECT_DETERMINISTIC(run);
}

TEST(GroupByTest, TakesSeveralPartsOfTheKey) {
  using Key = std::tuple<std::string_view, std::string_view, std::int64_t>;
  using Prefix = std::tuple<std::string_view, std::string_view>;
  struct ByAll {
    void Map(const Play& play, Emitter<Key, Unit>& emit) { emit({play.user, play.track, play.ms}); }
  };
  struct Longest {
    void Reduce(const Prefix& prefix, Values<KeyValue<Key, Unit>>& plays,
                Emitter<Prefix, std::int64_t>& emit) {
      std::int64_t longest = 0;
      for (const auto& play : plays) longest = std::get<2>(play.key);
      emit(prefix, longest);
    }
  };
  const auto define = [](Job& job) {
    job.Read<Play>("plays")
        .Map<ByAll>()
        .Combine<Distinct>()
        .GroupBy<2>()
        .Reduce<Longest>()
        .Write<Tsv>("longest");
  };
  const TestResult result =
      TestRun(define).Input("plays", "a\tx\t3\na\ty\t1\na\tx\t11\na\tx\t3\n\tax\t4\n").Run();
  EXPECT_THAT(result.Rows(), ElementsAre("\tax\t4", "a\tx\t11", "a\ty\t1"));
  EXPECT_DETERMINISTIC(TestRun(define).Shards("plays", {Plays(400), Plays(100)}));
}

TEST(GroupByTest, TakesSumsInPlaceOfValues) {
  using Key = std::tuple<std::string_view, std::string_view>;
  struct OnePlay {
    void Map(const Play& play, Emitter<Key, std::uint64_t>& emit) {
      emit({play.track, play.user}, static_cast<std::uint64_t>(play.ms));
    }
  };
  struct SumAndUsers {
    void Reduce(const std::string_view& track, Values<KeyValue<Key, std::uint64_t>>& sums,
                Emitter<std::string_view, std::tuple<std::uint64_t, std::int64_t>>& emit) {
      std::uint64_t sum = 0;
      std::string last;
      std::int64_t users = 0;
      for (const auto& [key, ms] : sums) {
        if (users == 0 || std::get<1>(key) != last) ++users;
        last = std::get<1>(key);
        sum += ms;
      }
      emit(track, {sum, users});
    }
  };
  const auto define = [](Job& job) {
    job.Read<Play>("plays")
        .Map<OnePlay>()
        .Combine<Sum>()
        .GroupBy<1>()
        .Reduce<SumAndUsers>()
        .Write<Tsv>("tracks");
  };
  const TestResult result =
      TestRun(define).Input("plays", "a\tx\t3\na\ty\t1\nb\tx\t11\na\tx\t2\n").Run();
  EXPECT_THAT(result.Rows(), ElementsAre("x\t16\t2", "y\t1\t1"));
  EXPECT_DETERMINISTIC(TestRun(define).Shards("plays", {Plays(400), Plays(100)}));
}

struct LongPlays {
  void Map(const Play& play, Emitter<std::string_view, std::int64_t>& emit) {
    if (play.ms >= 2) emit(play.track, play.ms);
    if (play.ms >= 4) emit("again", play.ms);
  }
};
void WriteLongPlays(Job& job) { job.Read<Play>("plays").Map<LongPlays>().Write<Tsv>("long"); }

TEST(MapsAloneTest, WriteInTheOrderOfTheInput) {
  const TestResult result =
      TestRun(WriteLongPlays).Shards("plays", {"u\tz\t2\nu\ta\t4\n", "u\tb\t1\nu\tc\t3\n"}).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("z\t2", "a\t4", "again\t4", "c\t3"));
}

TEST(MapsAloneTest, DependOnNothingButTheInput) {
  std::vector<std::string> shards = {"", Plays(200), Plays(1)};
  for (int i = 0; i < 20; ++i) shards.push_back(Plays(i));
  EXPECT_DETERMINISTIC(TestRun(WriteLongPlays).Shards("plays", shards), {.runs = 30});
  EXPECT_DETERMINISTIC(TestRun(WriteLongPlays).Shards("plays", {}));
}

TEST(MapsAloneTest, CutPartsBetweenShards) {
  TestExecution execution;
  execution.parts = 3;
  const std::string shard = "u\tt\t2\n";
  const TestResult result = TestRun(WriteLongPlays)
                                .Shards("plays", {shard, shard, shard, shard, shard, shard})
                                .Execution(execution)
                                .Run();
  EXPECT_THAT(result.parts.at("long"), ElementsAre("t\t2\nt\t2\n", "t\t2\nt\t2\n", "t\t2\nt\t2\n"));
}

struct PlaysOfTrack {
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) { emit(play.track); }
};
struct TracksOfCount {
  void Map(const KeyValue<std::string_view, std::int64_t>& count,
           Emitter<Descending<std::int64_t>, std::string_view>& emit, Context& context) {
    context.Count("tracks");
    if (count.key == "t3") return context.Reject("not t3");
    emit({count.value}, count.key);
  }
};
struct JoinTracks {
  void Reduce(const Descending<std::int64_t>& count, Values<std::string_view>& tracks,
              Emitter<Descending<std::int64_t>, std::string>& emit) {
    std::string joined;
    for (const std::string_view track : tracks) joined += " " + std::string(track);
    emit(count, joined);
  }
};

TEST(FollowingStagesTest, SeeEachOthersRecords) {
  const auto define = [](Job& job) {
    auto counts = job.Read<Play>("plays").Map<PlaysOfTrack>().Reduce<Count>();
    counts.Write<Tsv>("counts");
    counts.Map<TracksOfCount>().Reduce<JoinTracks>().Write<Tsv>("by_count");
    counts.Map<TracksOfCount>().Reduce<Count>().Write<Tsv>("how_often");
  };
  const TestRun run = TestRun(define).Input("plays", Plays(100)).MaxRejects(2);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows("counts"), SizeIs(23));
  EXPECT_THAT(result.Rows("how_often"), ElementsAre("5\t7", "4\t15"));
  EXPECT_THAT(result.Rows("by_count"), SizeIs(2));
  EXPECT_EQ(result.Counter("tracks"), 46u);
  EXPECT_THAT(result.rejects, SizeIs(2));
  EXPECT_DETERMINISTIC(run);
}

// What the reduce and the map behind it set aside must not interleave by chance.
TEST(FollowingStagesTest, RejectInAnOrderOfTheirOwn) {
  struct RejectSome {
    void Reduce(const std::string_view& key, Values<Unit>& values,
                Emitter<std::string_view, std::int64_t>& emit, Context& context) {
      std::int64_t count = 0;
      for ([[maybe_unused]] const Unit& value : values) ++count;
      emit(key, count);
      if (count % 3 == 0) context.Reject("divisible by 3: " + std::string(key));
    }
  };
  struct RejectOthers {
    void Map(const KeyValue<std::string_view, std::int64_t>& count,
             Emitter<std::string_view, std::uint64_t>& emit, Context& context) {
      if (count.value % 2 == 0) context.Reject("divisible by 2: " + std::string(count.key));
      emit(count.key, context.random().Next());
    }
  };
  struct PassOn {
    void Reduce(const std::string_view& key, Values<std::uint64_t>& values,
                Emitter<std::string_view, std::uint64_t>& emit) {
      for (const std::uint64_t value : values) emit(key, value);
    }
  };
  const auto define = [](Job& job) {
    job.Read<Play>("plays")
        .Map<PlaysOfTrack>()
        .Reduce<RejectSome>()
        .Map<RejectOthers>()
        .Reduce<PassOn>()
        .Write<Tsv>("out");
  };
  std::string plays;
  for (int track = 0; track < 400; ++track) {
    for (int i = 0; i <= track % 7; ++i) plays += "u\tt" + std::to_string(track) + "\t1\n";
  }
  EXPECT_DETERMINISTIC(TestRun(define).Input("plays", plays).MaxRejects(1000), {.runs = 20});
}

TEST(OutputTest, WritesTheRecordsOfOneStageInSeveralFormats) {
  const auto define = [](Job& job) {
    job.Read<Play>("plays").Map<LongPlays>().Write<Tsv>("pairs").Write<Text>("tracks");
  };
  const TestRun run = TestRun(define).Shards("plays", {"u\ta\\tb\t2\n", "u\tc\t3\n"});
  const TestResult result = run.Run();
  EXPECT_EQ(result.Text("pairs"), "a\\tb\t2\nc\t3\n");
  EXPECT_EQ(result.Text("tracks"), "a\tb\nc\n");
  EXPECT_DETERMINISTIC(run);
}

TEST(OutputTest, HasAsManyPartsAsAskedForAndSortedAcrossThem) {
  const auto define = [](Job& job) {
    job.Read<Play>("plays").Map<PlaysOfTrack>().Reduce<Count>().Write<Tsv>("counts");
  };
  for (const int parts : {1, 2, 5, 40}) {
    TestExecution execution;
    execution.parts = parts;
    const TestResult result = TestRun(define).Input("plays", Plays(100)).Execution(execution).Run();
    EXPECT_THAT(result.parts.at("counts"), SizeIs(static_cast<std::size_t>(parts)));
    const std::vector<std::string> rows = result.Rows();
    EXPECT_THAT(rows, SizeIs(23));
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  }
}

TEST(OutputTest, IsThereEvenIfEmpty) {
  const auto define = [](Job& job) {
    job.Read<Play>("plays").Map<PlaysOfTrack>().Reduce<Count>().Write<Tsv>("counts");
  };
  for (const std::vector<std::string>& shards :
       {std::vector<std::string>{}, std::vector<std::string>{""},
        std::vector<std::string>{"", ""}}) {
    const TestResult result = TestRun(define).Shards("plays", shards).Run();
    EXPECT_THAT(result.parts.at("counts"), ElementsAre(""));
    EXPECT_THAT(result.rejects, IsEmpty());
  }
}

}  // namespace
}  // namespace millrace

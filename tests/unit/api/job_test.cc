// SPDX-License-Identifier: Apache-2.0
// What a definition may say, and how it is told what it may not: before any data is read.
#include "mapreduce/api/job.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Params = std::map<std::string, std::string>;

struct Play {
  std::string_view user, track;
  std::int64_t ms = 0;
  MR_FIELDS(Play, user, track, ms)
};
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms"};

struct User {
  std::string_view user, plan;
  MR_FIELDS(User, user, plan)
};
constexpr TsvLayout kUsers{"user", "country", "plan"};

struct MsOfUser {
  void Map(const Play& play, Emitter<std::string_view, std::int64_t>& emit) {
    emit(play.user, play.ms);
  }
};
struct ZeroOfUser {
  void Map(const User& user, Emitter<std::string_view, std::int64_t>& emit) { emit(user.user, 0); }
};
struct AsTheyAre {
  void Map(const KeyValue<std::string_view, std::int64_t>& record,
           Emitter<std::string_view, std::int64_t>& emit) {
    emit(record.key, record.value);
  }
};
struct PassOn {
  void Reduce(const std::string_view& key, Values<std::int64_t>& values,
              Emitter<std::string_view, std::int64_t>& emit) {
    for (const std::int64_t value : values) emit(key, value);
  }
};

Status DefinitionStatus(const std::function<void(Job&)>& define, Params params = {}) {
  Job job({.params = std::move(params), .date = ""});
  define(job);
  return job.Finish();
}

// The complaint about a wrong definition or wrong parameters.
std::string Complaint(const std::function<void(Job&)>& define, Params params = {}) {
  const Status status = DefinitionStatus(define, std::move(params));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << "nothing is complained about";
  return status.message();
}

void SumOfMs(Job& job) {
  job.Read<Play>("plays", kPlays).Map<MsOfUser>().Reduce<Sum>().Write<Tsv>("sums");
}

TEST(JobTest, DescribesInputsStagesAndOutputs) {
  Job job({});
  job.Read<Play>("plays", kPlays)
      .Map<MsOfUser>()
      .Combine<PassOn>()
      .Reduce<PassOn>()
      .Map<AsTheyAre>()
      .Reduce<Max>()
      .Write<Tsv>("longest");
  ASSERT_TRUE(job.Finish().ok());
  const JobGraph& graph = job.graph();
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].name, "plays");
  EXPECT_EQ(graph.inputs[0].format, "tsv");
  EXPECT_THAT(graph.inputs[0].columns, ElementsAre("timestamp", "user", "track", "country", "ms"));
  ASSERT_EQ(graph.stages.size(), 2u);
  EXPECT_EQ(graph.stages[0].sources[0].map_name, "MsOfUser");
  EXPECT_EQ(graph.stages[0].combine_name, "PassOn");
  EXPECT_EQ(graph.stages[0].reduce_name, "PassOn");
  EXPECT_EQ(graph.stages[1].sources[0].stage, 0);
  EXPECT_EQ(graph.stages[1].reduce_name, "Max");
  ASSERT_EQ(graph.outputs.size(), 1u);
  EXPECT_EQ(graph.outputs[0].name, "longest");
  EXPECT_EQ(graph.outputs[0].extension, "tsv");
}

TEST(JobTest, PutsEachStageBehindThoseItReads) {
  Job job({});
  auto zeros = job.Read<User>("users", kUsers).Map<ZeroOfUser>();
  auto sums = job.Read<Play>("plays", kPlays).Map<MsOfUser>().Reduce<Sum>();
  zeros.And(sums.Map<AsTheyAre>()).Reduce<Sum>().Write<Tsv>("sums");
  ASSERT_TRUE(job.Finish().ok());
  const std::vector<StageSpec>& stages = job.graph().stages;
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].sources.size(), 1u);
  ASSERT_EQ(stages[1].sources.size(), 2u);
  EXPECT_EQ(job.graph().inputs[static_cast<std::size_t>(stages[1].sources[0].input)].name, "users");
  EXPECT_EQ(stages[1].sources[1].stage, 0);
}

TEST(JobTest, RefusesParametersItDoesNotKnow) {
  EXPECT_THAT(Complaint(SumOfMs, {{"most", "3"}}), HasSubstr("no parameter most"));
  EXPECT_THAT(Complaint(SumOfMs, {{"users.user", "3"}}), HasSubstr("no parameter users.user"));
}

TEST(JobTest, RefusesAnImpossibleGraph) {
  EXPECT_THAT(Complaint([](Job&) {}), HasSubstr("reads no input"));
  EXPECT_THAT(Complaint([](Job& job) { job.ReadLines("lines"); }), HasSubstr("writes no output"));
  EXPECT_THAT(Complaint([](Job& job) {
                SumOfMs(job);
                job.Read<Play>("plays", kPlays).Map<MsOfUser>();
              }),
              HasSubstr("neither reduced nor written"));
  EXPECT_THAT(Complaint([](Job& job) {
                SumOfMs(job);
                job.Read<Play>("plays", kPlays).Map<MsOfUser>().Combine<Sum>().Write<Tsv>("states");
              }),
              HasSubstr("has no Reduce behind it"));
  EXPECT_THAT(Complaint([](Job& job) {
                SumOfMs(job);
                SumOfMs(job);
              }),
              HasSubstr("output sums is written twice"));
}

TEST(JobTest, RefusesToReduceAMapInTwoWays) {
  EXPECT_THAT(Complaint([](Job& job) {
                auto mapped = job.Read<Play>("plays", kPlays).Map<MsOfUser>();
                mapped.Reduce<Sum>().Write<Tsv>("sums");
                mapped.Reduce<Max>().Write<Tsv>("longest");
              }),
              HasSubstr("Map"));
  EXPECT_THAT(Complaint([](Job& job) {
                auto mapped = job.Read<Play>("plays", kPlays).Map<MsOfUser>();
                mapped.Reduce<Sum>().Write<Tsv>("sums");
                mapped.Write<Tsv>("mapped");
              }),
              HasSubstr("Map"));
  EXPECT_THAT(
      Complaint([](Job& job) {
        auto zeros = job.Read<User>("users", kUsers).Map<ZeroOfUser>();
        zeros.Reduce<Count>().Write<Tsv>("counts");
        job.Read<Play>("plays", kPlays).Map<MsOfUser>().And(zeros).Reduce<Sum>().Write<Tsv>("sums");
      }),
      HasSubstr("And"));
}

// A table of states is no stream of values.
TEST(JobTest, RefusesAReduceThatDoesNotFitTheCombiner) {
  const auto plays = [](Job& job) { return job.Read<Play>("plays", kPlays).Map<MsOfUser>(); };
  EXPECT_THAT(
      Complaint([&](Job& job) { plays(job).Combine<Sum>().Reduce<PassOn>().Write<Tsv>("out"); }),
      AllOf(HasSubstr("PassOn"), HasSubstr("Sum")));
  EXPECT_THAT(Complaint([&](Job& job) {
                plays(job).Combine<Distinct>().Reduce<PassOn>().Write<Tsv>("out");
              }),
              AllOf(HasSubstr("PassOn"), HasSubstr("Distinct")));
  EXPECT_THAT(
      Complaint([&](Job& job) { plays(job).Combine<Max>().Reduce<Sum>().Write<Tsv>("out"); }),
      AllOf(HasSubstr("Sum"), HasSubstr("Max")));
  EXPECT_THAT(
      Complaint([&](Job& job) { plays(job).Combine<PassOn>().Reduce<Sum>().Write<Tsv>("out"); }),
      AllOf(HasSubstr("Sum"), HasSubstr("PassOn")));
  EXPECT_TRUE(DefinitionStatus([&](Job& job) {
                plays(job).Combine<Sum>().Reduce<Sum>().Write<Tsv>("out");
              }).ok());
  // But the sum of unsigned numbers of 64 bits is one of them.
  struct Unsigned {
    void Map(const Play& play, Emitter<std::string_view, std::uint64_t>& emit) {
      emit(play.user, 1);
    }
  };
  struct Largest {
    void Reduce(const std::string_view& user, Values<std::uint64_t>&,
                Emitter<std::string_view, Unit>& emit) {
      emit(user);
    }
  };
  EXPECT_TRUE(DefinitionStatus([&](Job& job) {
                job.Read<Play>("plays", kPlays)
                    .Map<Unsigned>()
                    .Combine<Sum>()
                    .Reduce<Largest>()
                    .Write<Tsv>("out");
              }).ok());
}

TEST(JobTest, TakesTheDefinitionsOwnComplaint) {
  EXPECT_EQ(Complaint([](Job& job) {
              SumOfMs(job);
              job.Fail("k must be less than m");
              job.Fail("and this comes too late");
            }),
            "k must be less than m");
}

TEST(ParamTest, HasItsDefaultUnlessGiven) {
  const auto check = [](Params params, std::int64_t k, double ratio, bool deep,
                        const std::string& name) {
    Job job({.params = std::move(params), .date = "2026-11-21"});
    EXPECT_EQ(job.Param<std::int64_t>("k", -3, "help"), k);
    EXPECT_EQ(job.Param<double>("ratio", 0.5, "help"), ratio);
    EXPECT_EQ(job.Param<bool>("deep", false, "help"), deep);
    EXPECT_EQ(job.Param<std::string>("name", "x", "help"), name);
    EXPECT_EQ(job.date(), "2026-11-21");
    SumOfMs(job);
    EXPECT_TRUE(job.Finish().ok());
  };
  check({}, -3, 0.5, false, "x");
  check({{"k", "7"}, {"ratio", "-1e3"}, {"deep", "true"}, {"name", ""}}, 7, -1000.0, true, "");
}

TEST(ParamTest, IsDescribedWithItsCanonicalValue) {
  Job job({.params = {{"k", "007"}, {"ratio", "2.50"}}, .date = ""});
  job.Param<std::size_t>("k", 100, "how many");
  job.Param<double>("ratio", 0.1, "of what");
  job.Choice("by", "plays", {"plays", "listeners"}, "what counts");
  const std::vector<ParamInfo>& params = job.params();
  ASSERT_EQ(params.size(), 3u);
  EXPECT_THAT(params[0],
              AllOf(Field(&ParamInfo::name, "k"), Field(&ParamInfo::type, "count"),
                    Field(&ParamInfo::default_value, "100"), Field(&ParamInfo::value, "7"),
                    Field(&ParamInfo::help, "how many"), Field(&ParamInfo::is_set, true),
                    Field(&ParamInfo::choices, IsEmpty())));
  EXPECT_THAT(params[1], AllOf(Field(&ParamInfo::type, "number"), Field(&ParamInfo::value, "2.5"),
                               Field(&ParamInfo::default_value, "0.1")));
  EXPECT_THAT(params[2], AllOf(Field(&ParamInfo::type, "text"), Field(&ParamInfo::value, "plays"),
                               Field(&ParamInfo::is_set, false),
                               Field(&ParamInfo::choices, ElementsAre("plays", "listeners"))));
}

template <class T>
std::string ParamComplaint(const std::string& value, std::vector<std::string> choices = {}) {
  return Complaint(
      [&](Job& job) {
        job.Param<T>("p", T(), "help", choices);
        SumOfMs(job);
      },
      {{"p", value}});
}

TEST(ParamTest, RefusesWhatIsNotOfItsType) {
  EXPECT_THAT(ParamComplaint<std::int64_t>("ten"),
              HasSubstr("p must be an integer in int64, not 'ten'"));
  EXPECT_THAT(ParamComplaint<std::int64_t>(""), HasSubstr("not ''"));
  EXPECT_THAT(ParamComplaint<std::int64_t>("1.5"), HasSubstr("integer"));
  EXPECT_THAT(ParamComplaint<std::int64_t>("9223372036854775808"), HasSubstr("integer"));
  EXPECT_THAT(ParamComplaint<std::size_t>("-1"), HasSubstr("from 0"));
  EXPECT_THAT(ParamComplaint<double>("much"), HasSubstr("number"));
  EXPECT_THAT(ParamComplaint<double>("1x"), HasSubstr("number"));
  EXPECT_THAT(ParamComplaint<double>("nan"), HasSubstr("number"));
  EXPECT_THAT(ParamComplaint<double>("inf"), HasSubstr("number"));
  EXPECT_THAT(ParamComplaint<bool>("yes"), HasSubstr("true or false"));
  EXPECT_THAT(ParamComplaint<std::string>("users", {"plays", "listeners"}),
              HasSubstr("one of plays, listeners"));
}

TEST(ParamTest, RefusesWhatItsTypeCannotHold) {
  EXPECT_THAT(ParamComplaint<std::int32_t>("2147483648"), HasSubstr("2147483647"));
  EXPECT_THAT(ParamComplaint<std::int32_t>("-2147483649"), HasSubstr("-2147483648"));
  EXPECT_THAT(ParamComplaint<std::uint8_t>("256"), HasSubstr("255"));
  EXPECT_TRUE(DefinitionStatus(
                  [](Job& job) {
                    EXPECT_EQ(job.Param<std::int32_t>("p", 1, "help"), -2147483648);
                    SumOfMs(job);
                  },
                  {{"p", "-2147483648"}})
                  .ok());
}

TEST(ParamTest, HasANameOfItsOwn) {
  EXPECT_THAT(Complaint([](Job& job) {
                job.Param<std::int64_t>("k", 1, "help");
                job.Param<std::int64_t>("k", 2, "help");
                SumOfMs(job);
              }),
              HasSubstr("parameter k"));
  EXPECT_THAT(Complaint([](Job& job) {
                job.Param<std::int64_t>("track", 1, "help");
                SumOfMs(job);
              }),
              HasSubstr("parameter track"));
}

// Where the columns of the one input are read, 0-based, by what the first stage does with a row.
std::string UserAndMs(const std::string& row, Params params) {
  Job job({.params = std::move(params), .date = ""});
  SumOfMs(job);
  const Status status = job.Finish();
  if (!status.ok()) return status.message();
  struct Sink final : EmitSink {
    Status Consume(EmitBatch& batch) override {
      const char* const record = batch.begin() + batch.offset(0);
      const char* const value = EmitBatch::Key(record) + EmitBatch::KeyBytes(record);
      std::int64_t ms = 0;
      DecodeValue<true>(value, value + EmitBatch::ValueBytes(record), &ms);
      seen = std::string(EmitBatch::Key(record), EmitBatch::KeyBytes(record)) + " " +
             std::to_string(ms);
      return Status::Ok();
    }
    std::string seen = "nothing";
  } sink;
  struct Rejects final : RejectSink {
    Status Add(const RejectedRecord& record) override {
      reason = record.reason;
      return Status::Ok();
    }
    std::string reason;
  } rejects;
  Context context("map-00000", "plays", "", &rejects);
  const auto map = job.graph().stages[0].sources[0].make_map(context, sink);
  const std::string padded = row + "\n" + std::string(64, '\0');
  EXPECT_TRUE(map->MapBlock({padded.data(), padded.data() + row.size() + 1, 0}).ok());
  EXPECT_TRUE(map->Close().ok());
  return rejects.reason.empty() ? sink.seen : rejects.reason;
}

TEST(ColumnTest, AFieldThatTheLayoutLacksIsAnErrorOfTheJob) {
  struct Typo {
    std::string_view usr;
    MR_FIELDS(Typo, usr)
  };
  struct Use {
    void Map(const Typo& row, Emitter<std::string_view, Unit>& emit) { emit(row.usr); }
  };
  Job job({});
  job.Read<Typo>("plays", kPlays).Map<Use>().Reduce<Count>().Write<Tsv>("counts");
  const Status status = job.Finish();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("usr"));
}

TEST(ColumnTest, IsWhereTheLayoutSaysUnlessMoved) {
  const std::string row = "1\t2\t3\t4\t5\t6\t7";
  EXPECT_EQ(UserAndMs(row, {}), "2 5");
  EXPECT_EQ(UserAndMs(row, {{"user", "7"}}), "7 5");
  EXPECT_EQ(UserAndMs(row, {{"user", "1"}, {"ms", "1"}}), "1 1");
  EXPECT_EQ(UserAndMs(row, {{"plays.ms", "6"}}), "2 6");
  EXPECT_EQ(UserAndMs(row, {{"plays.ms", "6"}, {"ms", "7"}}), "2 6");
  EXPECT_EQ(UserAndMs(row, {{"country", "1"}}), "2 5");  // Known, but not looked at here.
  EXPECT_THAT(UserAndMs(row, {{"ms", "8"}}), HasSubstr("ms is missing: the line has 7 fields"));
}

TEST(ColumnTest, RefusesWhatIsNoColumn) {
  for (const char* const wrong : {"0", "-1", "", "1000000"}) {
    EXPECT_THAT(Complaint(SumOfMs, {{"ms", wrong}}),
                AllOf(HasSubstr("parameter ms"), HasSubstr("number of a column")));
  }
  EXPECT_THAT(Complaint(SumOfMs, {{"milliseconds", "1"}}), HasSubstr("no parameter milliseconds"));
}

TEST(ColumnTest, NamesTheInputWhereSeveralHaveIt) {
  const auto define = [](Job& job) {
    auto zeros = job.Read<User>("users", kUsers).Map<ZeroOfUser>();
    job.Read<Play>("plays", kPlays).Map<MsOfUser>().And(zeros).Reduce<Sum>().Write<Tsv>("sums");
  };
  EXPECT_THAT(Complaint(define, {{"user", "3"}}), HasSubstr("could mean several inputs"));
  EXPECT_TRUE(DefinitionStatus(define, {{"users.user", "3"}, {"ms", "1"}}).ok());
  Job job({.params = {{"users.user", "3"}}, .date = ""});
  define(job);
  ASSERT_TRUE(job.Finish().ok());
  std::map<std::string, std::string> values;
  for (const ParamInfo& param : job.params()) values[param.name] = param.value;
  EXPECT_EQ(values["users.user"], "3");
  // By name in files that have names; else where the layout has them.
  EXPECT_EQ(values["plays.user"], "user");
  EXPECT_EQ(values["track"], "track");
  EXPECT_EQ(values["plan"], "plan");
}

// What a map asks of files in any format: the fields it looks at, in their order.
TEST(ColumnTest, AsksForColumnsByNameOrNumber) {
  const auto request = [](std::map<std::string, std::string> params) {
    Job job({.params = std::move(params), .date = ""});
    SumOfMs(job);
    EXPECT_TRUE(job.Finish().ok());
    return job.graph().stages.at(0).sources.at(0).request;
  };
  using Columns = std::vector<ColumnRequest>;
  const Columns by_default = request({}).columns;
  ASSERT_FALSE(by_default.empty());
  for (const ColumnRequest& column : by_default)
    EXPECT_EQ(column, (ColumnRequest{column.column, column.column, 0}));
  const auto ms = [&](const std::string& place) {
    for (const ColumnRequest& column : request({{"ms", place}}).columns) {
      if (column.column == "ms") return column;
    }
    return ColumnRequest();
  };
  EXPECT_EQ(ms("ms"), (ColumnRequest{"ms", "ms", 0}));
  EXPECT_EQ(ms("007"), (ColumnRequest{"ms", "ms", 7}));
  EXPECT_EQ(ms("played.ms"), (ColumnRequest{"ms", "played.ms", 0}));
}

}  // namespace
}  // namespace millrace

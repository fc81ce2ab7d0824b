// SPDX-License-Identifier: Apache-2.0
// The engine's first promise: what comes out depends on inputs, code and parameters alone. Jobs
// are run under many combinations of threads, memory, splits, spills, parts and storage, and
// against plain C++ that does the same.

#include "mapreduce/engine/execute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "mapreduce/api/registry.h"
#include "mapreduce/base/random.h"
#include "mapreduce/formats/word_scanner.h"
#include "tests/unit/engine/execute_tools.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

std::vector<std::string> Lines(const ShardTexts& texts) {
  std::vector<std::string> lines;
  for (const auto& [name, text] : texts) {
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return lines;
}

std::vector<std::string> Columns(const std::string& line) {
  std::vector<std::string> columns(1);
  for (const char c : line) {
    if (c == '\t') {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

// Lines "key value" of repeated keys; shards of very different sizes, one empty, one without a last
// LF.
ShardTexts KeyLines(Random& random, std::size_t lines_per_shard) {
  ShardTexts texts;
  for (int shard = 0; shard < 7; ++shard) {
    std::string& text = texts["s" + std::to_string(shard) + ".txt"];
    if (shard == 3) continue;
    const std::size_t lines = 1 + random.Uniform(2 * lines_per_shard);
    for (std::size_t i = 0; i < lines; ++i) {
      const std::size_t key_bytes =
          random.Uniform(4) == 0 ? random.Uniform(300) : random.Uniform(8);
      text.append(key_bytes, static_cast<char>('a' + random.Uniform(5)));
      text += ' ' + std::to_string(shard) + '.' + std::to_string(i) + '\n';
    }
    if (shard == 5) text.pop_back();
  }
  return texts;
}

ShardTexts WordLines(Random& random) {
  ShardTexts texts;
  for (int shard = 0; shard < 5; ++shard) {
    std::string& text = texts["w" + std::to_string(shard) + ".txt"];
    for (int i = 0; i < 400; ++i) {
      const std::uint64_t words = random.Uniform(8);
      for (std::uint64_t w = 0; w < words; ++w) {
        const std::uint64_t id = random.Uniform(1 + random.Uniform(2000));
        text += "w" + std::to_string(id);
        if (id % 11 == 0) text.append(id % 40, 'x');
        text += "  \t\r"[random.Uniform(4)];
      }
      text += '\n';
    }
  }
  return texts;
}

ShardTexts Plays(Random& random, int rows_per_shard) {
  ShardTexts texts;
  for (int shard = 0; shard < 6; ++shard) {
    std::string& text = texts["p" + std::to_string(shard) + ".tsv"];
    for (int i = 0; i < rows_per_shard; ++i) {
      text += "2026-11-21T10:00:00\tu" + std::to_string(random.Uniform(60)) + "\tt" +
              std::to_string(random.Uniform(1 + random.Uniform(90))) + "\t" +
              std::string(1, static_cast<char>('A' + random.Uniform(5))) + "\t" +
              std::to_string(random.Uniform(60'000)) + "\n";
    }
  }
  return texts;
}

// Keys that the probe job rejects here and there.
ShardTexts PickyLines(Random& random) {
  ShardTexts texts = KeyLines(random, 150);
  for (auto& [name, text] : texts) {
    if (text.empty()) continue;
    std::string spoiled;
    for (const std::string& line : Lines({{name, text}})) {
      spoiled += line;
      if (random.Uniform(25) == 0) spoiled += " bad";
      if (random.Uniform(25) == 0) spoiled += " throw";
      spoiled += '\n';
    }
    text = spoiled;
  }
  return texts;
}

std::string ExpectedWords(const ShardTexts& texts) {
  std::map<std::string, int> counts;
  for (const std::string& line : Lines(texts)) {
    std::string word;
    for (const char c : line + " ") {
      if (c != ' ' && c != '\t' && c != '\r') {
        word += c;
      } else if (!word.empty()) {
        ++counts[word];
        word.clear();
      }
    }
  }
  std::string expected;
  for (const auto& [word, count] : counts) expected += word + "\t" + std::to_string(count) + "\n";
  return expected;
}

std::string ExpectedSort(const ShardTexts& texts) {
  std::vector<std::string> lines = Lines(texts);
  std::sort(lines.begin(), lines.end());
  std::string expected;
  for (const std::string& line : lines) expected += line + "\n";
  return expected;
}

std::string ExpectedCopy(const ShardTexts& texts) {
  std::string expected;
  for (const std::string& line : Lines(texts)) expected += line + "\n";
  return expected;
}

std::string ExpectedTopList(const ShardTexts& texts, bool by_plays, std::size_t k) {
  std::map<std::string, std::map<std::string, int>> counts;
  std::map<std::string, std::map<std::string, std::set<std::string>>> users;
  for (const std::string& line : Lines(texts)) {
    const std::vector<std::string> row = Columns(line);
    if (std::stoi(row[4]) < 30'000) continue;
    for (const std::string& country : {row[3], std::string("*")}) {
      ++counts[country][row[2]];
      users[country][row[2]].insert(row[1]);
    }
  }
  std::string expected;
  for (const auto& [country, tracks] : counts) {
    std::vector<std::pair<int, std::string>> ranked;
    for (const auto& [track, plays] : tracks) {
      const int n = by_plays ? plays : static_cast<int>(users[country][track].size());
      ranked.emplace_back(-n, track);
    }
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t i = 0; i < std::min(k, ranked.size()); ++i) {
      expected += country + "\t" + std::to_string(i + 1) + "\t" + ranked[i].second + "\t" +
                  std::to_string(-ranked[i].first) + "\n";
    }
  }
  return expected;
}

// Values by key, each followed by a comma, in input order.
std::string ExpectedConcatenation(const std::vector<std::pair<std::string, std::string>>& records) {
  std::map<std::string, std::string> all;
  for (const auto& [key, value] : records) all[key] += value + ",";
  std::string expected;
  for (const auto& [key, values] : all) expected += key + "\t" + values + "\n";
  return expected;
}

std::vector<std::pair<std::string, std::string>> KeyValues(const ShardTexts& texts,
                                                           const std::string& tag = "") {
  std::vector<std::pair<std::string, std::string>> records;
  for (const std::string& line : Lines(texts)) {
    records.emplace_back(probe::KeyOf(line), tag + std::string(probe::ValueOf(line)));
  }
  return records;
}

std::string ExpectedGroupBy(const ShardTexts& texts) {
  std::map<std::string, std::vector<std::pair<std::string, std::size_t>>> groups;
  for (const std::string& line : Lines(texts)) {
    groups[std::string(probe::KeyOf(line))].emplace_back(probe::ValueOf(line), line.size());
  }
  std::string expected;
  for (auto& [key, records] : groups) {
    std::stable_sort(records.begin(), records.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    expected += key + "\t";
    for (const auto& [value, bytes] : records)
      expected += value + "/" + std::to_string(bytes) + " ";
    expected += "\n";
  }
  return expected;
}

std::string Describe(const ExecutionOptions& options) {
  return "parallel " + std::to_string(options.parallel) + ", memory " +
         std::to_string(options.memory_bytes) + ", split " + std::to_string(options.split_bytes) +
         ", parts " + std::to_string(options.parts) +
         (options.spill_everything ? ", spilling all" : "");
}

// Every way to run that must not be seen in the output.
std::vector<ExecutionOptions> Ways() {
  std::vector<ExecutionOptions> ways;
  for (const int parallel : {1, 2, 7}) {
    for (const std::uint64_t memory : {4 * kMebibyte, 32 * kMebibyte, 256 * kMebibyte}) {
      for (const std::uint64_t split :
           {1024 * kMebibyte * 4, 64 * kMebibyte, kMebibyte / 137, kMebibyte / 1024}) {
        ExecutionOptions options;
        options.parallel = parallel;
        options.memory_bytes = memory;
        options.split_bytes = split;
        ways.push_back(options);
      }
    }
  }
  for (const int parallel : {1, 3}) {
    for (const std::uint64_t split : {64 * kMebibyte, kMebibyte / 64}) {
      ExecutionOptions options;
      options.parallel = parallel;
      options.memory_bytes = 16 * kMebibyte;
      options.split_bytes = split;
      options.spill_everything = true;
      ways.push_back(options);
    }
  }
  return ways;
}

Compression StoredZstd(std::size_t) { return Compression::kZstd; }
Compression StoredGzip(std::size_t) { return Compression::kGzip; }
Compression StoredMixed(std::size_t index) {
  return std::array{Compression::kNone, Compression::kZstd, Compression::kGzip}[index % 3];
}

class ExecuteTest : public ::testing::Test {
 protected:
  // One way for each storage, all ways for plain shards; each must give `expected`, by output.
  void ExpectAlways(const Job& job, const std::vector<ShardTexts>& inputs,
                    const std::map<std::string, std::string>& expected) {
    int storage_index = 0;
    std::map<int, std::map<std::string, std::vector<std::string>>> parts_of_plain;
    for (const Storage& storage :
         {Storage(StoredPlain), Storage(StoredZstd), Storage(StoredGzip), Storage(StoredMixed)}) {
      std::vector<ExecutionInput> stored;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        stored.push_back(
            {job.graph().inputs[i].name, StoreShards(folder_.NewFolder("in"), inputs[i], storage)});
      }
      std::optional<Outcome> first;
      std::size_t way = 0;
      for (ExecutionOptions options : Ways()) {
        ++way;
        if (storage_index > 0 && way % 5 != static_cast<std::size_t>(storage_index)) continue;
        options.parts = std::array{1, 2, 7, 100}[way % 4];
        options.max_rejects.percent = 100;
        SCOPED_TRACE(Describe(options) + ", storage " + std::to_string(storage_index));
        const Outcome outcome = RunGraph(folder_, job.graph(), stored, options);
        ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
        for (const auto& [output, text] : expected) {
          EXPECT_TRUE(outcome.outputs.at(output) == text) << output;
          EXPECT_EQ(outcome.parts.at(output).size(), static_cast<std::size_t>(options.parts));
        }
        // The same parts each time, too, as long as the shards are stored the same.
        const auto [same, is_new] =
            parts_of_storage_.emplace(std::pair(storage_index, options.parts), outcome.parts);
        EXPECT_TRUE(is_new || same->second == outcome.parts) << "other part borders";
        if (!first.has_value()) {
          first = outcome;
          continue;
        }
        EXPECT_EQ(outcome.outputs, first->outputs);
        EXPECT_EQ(outcome.rejects, first->rejects);
        EXPECT_EQ(outcome.result.counters, first->result.counters);
        EXPECT_EQ(outcome.result.rejects, first->result.rejects);
        EXPECT_EQ(outcome.result.records_in, first->result.records_in);
        EXPECT_EQ(outcome.result.bytes_in, first->result.bytes_in);
        EXPECT_EQ(outcome.result.records_out, first->result.records_out);
        EXPECT_TRUE(outcome.result.input_digests == first->result.input_digests);
        if (HasFatalFailure() || HasNonfatalFailure()) return;
      }
      ++storage_index;
    }
  }

  static std::unique_ptr<Job> Shipped(const char* name,
                                      std::map<std::string, std::string> params = {}) {
    return MakeJob(FindJob(name)->define, std::move(params));
  }

  ExecuteFolder folder_;
  Random random_{ExecuteSeed()};
  std::map<std::pair<int, int>, std::map<std::string, std::vector<std::string>>> parts_of_storage_;
};

TEST_F(ExecuteTest, CountsWordsTheSameInEveryWay) {
  const ShardTexts texts = WordLines(random_);
  ExpectAlways(*Shipped("wordcount"), {texts}, {{"words", ExpectedWords(texts)}});
}

TEST_F(ExecuteTest, SortsTheSameInEveryWay) {
  const ShardTexts texts = KeyLines(random_, 150);
  ExpectAlways(*Shipped("sort"), {texts}, {{"sorted", ExpectedSort(texts)}});
}

TEST_F(ExecuteTest, RanksPlaysTheSameInEveryWay) {
  const ShardTexts texts = Plays(random_, 150);
  ExpectAlways(*Shipped("toplist", {{"k", "7"}}), {texts},
               {{"toplist", ExpectedTopList(texts, /*by_plays=*/true, 7)}});
}

TEST_F(ExecuteTest, RanksListenersTheSameInEveryWay) {
  const ShardTexts texts = Plays(random_, 100);
  ExpectAlways(*Shipped("toplist", {{"k", "7"}, {"by", "listeners"}}), {texts},
               {{"toplist", ExpectedTopList(texts, /*by_plays=*/false, 7)}});
}

TEST_F(ExecuteTest, ValuesComeInInputOrderInEveryWay) {
  const ShardTexts texts = KeyLines(random_, 150);
  ExpectAlways(*MakeJob(probe::ConcatenateJob), {texts},
               {{"all", ExpectedConcatenation(KeyValues(texts))}});
}

TEST_F(ExecuteTest, GroupsByAPrefixInEveryWay) {
  const ShardTexts texts = KeyLines(random_, 150);
  ExpectAlways(*MakeJob(probe::GroupByJob), {texts}, {{"all", ExpectedGroupBy(texts)}});
}

TEST_F(ExecuteTest, JoinsLeftBeforeRightInEveryWay) {
  const ShardTexts left = KeyLines(random_, 100), right = KeyLines(random_, 100);
  auto records = KeyValues(left, "L");
  for (auto& record : KeyValues(right, "R")) records.push_back(std::move(record));
  ExpectAlways(*MakeJob(probe::JoinJob), {left, right},
               {{"joined", ExpectedConcatenation(records)}});
}

TEST_F(ExecuteTest, MapsAloneKeepInputOrderAndPartsInEveryWay) {
  const ShardTexts texts = KeyLines(random_, 150);
  ExpectAlways(*MakeJob(probe::CopyJob), {texts}, {{"copy", ExpectedCopy(texts)}});
}

// Rejects of the map, the reduce and the maps behind it, in one order; counters; several outputs.
TEST_F(ExecuteTest, RejectsAndCountsTheSameInEveryWay) {
  const ShardTexts texts = PickyLines(random_);
  ExpectAlways(*MakeJob(probe::PickyJob), {texts}, {});
}

TEST_F(ExecuteTest, ARejectedRecordLeavesNothingBehind) {
  const ShardTexts texts = {{"a", "x 1\ny bad\nz throw\nx 2\n"}};
  const auto job = MakeJob(probe::PickyJob);
  ExecutionOptions options;
  options.parts = 1;
  options.max_rejects.count = 2;
  const std::string in = folder_.NewFolder("in");
  const Outcome outcome =
      RunGraph(folder_, job->graph(), {{"lines", StoreShards(in, texts)}}, options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.outputs.at("sums"), "x\t22\n");  // "taken back" and "1" or "2", twice.
  EXPECT_EQ(outcome.rejects, "lines\t" + in + "/a\t4\tit is bad\ty bad\n" + "lines\t" + in +
                                 "/a\t10\tthe job's code threw: no line\tz throw\n");
  EXPECT_EQ(outcome.result.rejects, 2u);
  EXPECT_EQ(outcome.result.records_in, 4u);
  EXPECT_EQ(outcome.result.counters.at("mapped"), 2u);
}

class RejectLimitTest : public ExecuteTest {
 protected:
  // 1,000 lines in 10 shards, 57 of them bad: one in every 17th line.
  RejectLimitTest() {
    int line = 0;
    for (int shard = 0; shard < 10; ++shard) {
      std::string& text = texts_["s" + std::to_string(shard)];
      for (int i = 0; i < 100; ++i, ++line) {
        const bool is_bad = line % 17 == 5 && bad_.size() < 57;
        if (is_bad) {
          bad_.push_back(in_ + "/s" + std::to_string(shard) + " at byte " +
                         std::to_string(text.size()) + ": it is bad");
        }
        text += "key " + std::to_string(line) + (is_bad ? " bad\n" : "\n");
      }
    }
    inputs_ = {{"lines", StoreShards(in_, texts_)}};
  }

  Status Run(RejectLimit limit, int parallel, std::uint64_t split_bytes) {
    ExecutionOptions options;
    options.parallel = parallel;
    options.split_bytes = split_bytes;
    options.max_rejects = limit;
    const auto job = MakeJob(+[](Job& made) {
      made.ReadLines("lines").Map<probe::Picky>().Reduce<probe::Concatenate>().Write<Tsv>("all");
    });
    return RunGraph(folder_, job->graph(), inputs_, options).status;
  }

  const std::string in_ = folder_.NewFolder("in");
  ShardTexts texts_;
  std::vector<std::string> bad_;
  std::vector<ExecutionInput> inputs_;
};

TEST_F(RejectLimitTest, AllowsAsManyAsTheLimitSays) {
  ASSERT_EQ(bad_.size(), 57u);
  EXPECT_TRUE(Run({.count = 57}, 2, 500).ok());
  EXPECT_EQ(Run({.count = 56}, 2, 500).code(), StatusCode::kBadData);
  EXPECT_EQ(Run({.count = 0}, 1, kMebibyte).code(), StatusCode::kBadData);
}

TEST_F(RejectLimitTest, CountsPercentOfRecordsRead) {
  EXPECT_TRUE(Run({.percent = 5.7}, 2, 500).ok());
  EXPECT_TRUE(Run({.percent = 100}, 2, 500).ok());
  const Status status = Run({.percent = 5.69}, 2, 500);
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(), HasSubstr("57 records were rejected"));
  EXPECT_THAT(status.message(), HasSubstr("5.69% of 1000 records"));
  EXPECT_EQ(Run({.percent = 0}, 2, 500).code(), StatusCode::kBadData);
}

TEST_F(RejectLimitTest, ShowsTheFirstFiveWhateverRanFirst) {
  for (const int parallel : {1, 2, 7}) {
    for (const std::uint64_t split : {std::uint64_t{64}, std::uint64_t{500}, kMebibyte}) {
      for (const std::uint64_t limit : {0, 1, 7, 40}) {
        const Status status = Run({.count = limit}, parallel, split);
        EXPECT_EQ(status.code(), StatusCode::kBadData);
        std::string first_five;
        for (std::size_t i = 0; i < 5; ++i) first_five += "\n  " + bad_[i];
        EXPECT_TRUE(status.message().ends_with("the first:" + first_five))
            << parallel << " " << split << " " << limit << ": " << status.message();
      }
    }
  }
}

// A job that fails in code that is no record's.
struct ThrowsInSetUp {
  void SetUp(Context&) { throw std::runtime_error("no set-up"); }
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
};
struct ThrowsInTearDown {
  void TearDown(Context&) { throw std::runtime_error("no tear-down"); }
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
};
struct ThrowsInConstructor {
  ThrowsInConstructor() { throw 42; }
  void Reduce(const std::string_view& line, Values<Unit>&, Emitter<std::string_view, Unit>& emit) {
    emit(line);
  }
};

class UserCodeTest : public ExecuteTest {
 protected:
  Status Run(void (*define)(Job&)) {
    const auto job = MakeJob(define);
    ExecutionOptions options;
    options.parallel = 3;
    options.split_bytes = 1000;
    options.parts = 1;
    const ExecutionInput input{"lines",
                               StoreShards(folder_.NewFolder("in"), KeyLines(random_, 200))};
    return RunGraph(folder_, job->graph(), {input}, options).status;
  }
};

TEST_F(UserCodeTest, AnExceptionOutsideOfARecordFailsTheRun) {
  for (auto* define :
       {+[](Job& job) { job.ReadLines("lines").Map<ThrowsInSetUp>().Write<Text>("out"); },
        +[](Job& job) { job.ReadLines("lines").Map<ThrowsInTearDown>().Write<Text>("out"); },
        +[](Job& job) {
          job.ReadLines("lines").Map<probe::Same>().Reduce<ThrowsInConstructor>().Write<Text>(
              "out");
        }}) {
    const Status status = Run(define);
    EXPECT_EQ(status.code(), StatusCode::kUserCode) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("the job's code threw"));
  }
}

// Emits much before it rejects: only what is more than a mebibyte can't be taken back.
struct EmitsThenRejects {
  std::size_t bytes;
  void Map(const Line& line, Emitter<std::string_view, std::string>& emit, Context& context) {
    const bool is_bad = line.text.find("bad") != std::string_view::npos;
    const std::size_t pieces = is_bad ? bytes / 1000 : 40;
    for (std::size_t i = 0; i < pieces; ++i) emit(line.text, std::string(1000, 'x'));
    if (is_bad) context.Reject("it is bad");
  }
};
struct CountBytes {
  void Reduce(const std::string_view& key, Values<std::string>& values,
              Emitter<std::string_view, std::int64_t>& emit) {
    std::int64_t bytes = 0;
    for (const std::string& value : values) bytes += static_cast<std::int64_t>(value.size());
    emit(key, bytes);
  }
};

TEST_F(UserCodeTest, WhatARejectedRecordEmittedCanBeTakenBackWhateverCameBefore) {
  std::string text;
  std::string expected;
  for (int i = 0; i < 60; ++i) {  // 60 times 40 KB lie in the batch before it.
    text += "ok\nbad\n";
  }
  const auto define = +[](Job& job) {
    const auto bytes = job.Param<std::size_t>("bytes", 0, "");
    job.ReadLines("lines").Map<EmitsThenRejects>(bytes).Reduce<CountBytes>().Write<Tsv>("out");
  };
  const ExecutionInput input{"lines", StoreShards(folder_.NewFolder("in"), {{"a", text}})};
  ExecutionOptions options;
  options.max_rejects.count = 1000;
  const Outcome outcome =
      RunGraph(folder_, MakeJob(define, {{"bytes", "900000"}})->graph(), {input}, options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.outputs.at("out"), "ok\t2400000\n");
  EXPECT_EQ(outcome.result.rejects, 60u);
  EXPECT_EQ(RunGraph(folder_, MakeJob(define, {{"bytes", "1200000"}})->graph(), {input}, options)
                .status.code(),
            StatusCode::kUserCode);
}

// Cancels the run from within: the moment is the same each time.
CancelToken* the_cancel = nullptr;
struct CancelsAtTheEnd {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::string>& emit) {
    std::string all;
    for (const std::string_view value : values) all += value;
    emit(key, all);
    if (key.size() > 100) the_cancel->Cancel();
  }
};

TEST_F(UserCodeTest, ACancelledRunEndsWithoutAnOutput) {
  for (const int parallel : {1, 2, 7}) {
    CancelToken cancel;
    the_cancel = &cancel;
    ExecutionOptions options;
    options.parallel = parallel;
    options.split_bytes = 3000;
    options.memory_bytes = 8 * kMebibyte;
    options.spill_everything = parallel == 2;
    options.cancel = &cancel;
    options.parts = 3;
    const auto job = MakeJob(+[](Job& made) {
      made.ReadLines("lines").Map<probe::ByKey>().Reduce<CancelsAtTheEnd>().Write<Tsv>("out");
    });
    const ExecutionInput input{"lines",
                               StoreShards(folder_.NewFolder("in"), KeyLines(random_, 400))};
    EXPECT_EQ(RunGraph(folder_, job->graph(), {input}, options).status.code(),
              StatusCode::kCancelled);
  }
}

// Spilled bytes of all stages are asked for while earlier stages' stores are gone. The sink takes
// longer than the interval between reports, so that every stage reports.
class SlowSink final : public ProgressSink {
 public:
  void OnProgress(const Progress& progress) override {
    stages.insert(std::string(progress.stage));
    EXPECT_GE(progress.spilled_bytes, spilled_bytes);
    spilled_bytes = progress.spilled_bytes;
    std::this_thread::sleep_for(std::chrono::milliseconds(101));
  }
  std::set<std::string> stages;
  std::uint64_t spilled_bytes = 0;
};

TEST_F(ExecuteTest, TellsProgressOfEveryStage) {
  SlowSink sink;
  ExecutionOptions options;
  options.progress = &sink;
  options.max_rejects.percent = 100;
  options.spill_everything = true;
  const auto job = Shipped("toplist");
  const ExecutionInput input{"plays", StoreShards(folder_.NewFolder("in"), Plays(random_, 30))};
  EXPECT_TRUE(RunGraph(folder_, job->graph(), {input}, options).status.ok());
  EXPECT_THAT(sink.stages,
              ::testing::IsSupersetOf({"stage-1 map", "stage-1 reduce", "stage-2 reduce"}));
}

// Each run costs its blocks in the last merge; as long as they fit the memory, nothing is written
// and read once more.
TEST_F(ExecuteTest, ManySpilledRunsAreMergedOnce) {
  ExecutionOptions options;
  options.memory_bytes = 8 * kMebibyte;
  options.split_bytes = 256 << 10;
  std::string lines;
  while (lines.size() < 10 * kMebibyte)
    lines += std::to_string(random_.Uniform(UINT64_MAX)) + std::string(80, 'x') + "\n";
  const auto job = Shipped("sort");
  const ExecutionInput input{"lines", StoreShards(folder_.NewFolder("in"), {{"a", lines}})};
  const Outcome outcome = RunGraph(folder_, job->graph(), {input}, options);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_GE(outcome.result.tasks_run, 40u);
  EXPECT_GT(outcome.result.spilled_bytes, lines.size() / 2);
  EXPECT_LT(outcome.result.spilled_bytes, lines.size() / 10 * 11);
}

TEST_F(ExecuteTest, NoInputMakesEmptyParts) {
  ExecutionOptions options;
  options.parts = 3;
  for (const char* name : {"wordcount", "sort", "toplist"}) {
    const auto job = Shipped(name);
    const ExecutionInput empty{job->graph().inputs[0].name,
                               StoreShards(folder_.NewFolder("in"), {{"a", ""}, {"b", ""}})};
    const Outcome outcome = RunGraph(folder_, job->graph(), {empty}, options);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    EXPECT_THAT(outcome.outputs.begin()->second, IsEmpty());
    EXPECT_EQ(outcome.parts.begin()->second.size(), 3u);
  }
}

TEST_F(ExecuteTest, CompressedOutputsHoldTheSame) {
  const ShardTexts texts = WordLines(random_);
  const auto job = Shipped("wordcount");
  const ExecutionInput input{"text", StoreShards(folder_.NewFolder("in"), texts)};
  for (const Compression compression :
       {Compression::kNone, Compression::kZstd, Compression::kGzip}) {
    ExecutionOptions options;
    options.compression = compression;
    options.parallel = 2;
    options.parts = 4;
    const Outcome outcome = RunGraph(folder_, job->graph(), {input}, options);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    EXPECT_EQ(outcome.outputs.at("words"), ExpectedWords(texts));
    EXPECT_TRUE(outcome.result.files.front().path.ends_with(
        ".tsv" + std::string(CompressionExtension(compression))));
  }
}

}  // namespace
}  // namespace millrace

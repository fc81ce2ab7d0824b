// SPDX-License-Identifier: Apache-2.0
// What of a task's result a report can't hold; all that it can is in cluster_outcome_test.cc.

#include "mapreduce/engine/task_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mapreduce/proto/limits.h"
#include "tests/unit/engine/memory_files.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

MapTaskResult SomeResult() {
  MapTaskResult result;
  result.run.info = {.path = "/run", .file_id = 1, .file_bytes = 70};
  result.run.sample = {"a", "b"};
  result.run.sample_digests = {1, 2};
  result.blocks = {{.input = 1, .shard = 2, .first_block = 3, .digests = {{4, 5}}}};
  result.records_read = 6;
  result.stored_bytes_read = 7;
  result.spilled_bytes = 8;
  result.phases.Add(Phase::kSort, 9, 10);
  result.rejects = {.count = 1, .rows = "row\n", .path = {}};
  return result;
}

TEST(TaskReportTest, TellsAllOfAMap) {
  MemoryFiles files;
  const Result<TaskOutput> output = OutputOf(files, SomeResult(), {});
  ASSERT_TRUE(output.ok()) << output.error().message();
  EXPECT_EQ(output->run_bytes, 70u);
  EXPECT_THAT(output->samples, ElementsAre(ElementsAre("a", "b")));
  EXPECT_THAT(output->sample_digests, ElementsAre(ElementsAre(1u, 2u)));
  EXPECT_EQ(output->input_blocks, (std::vector<InputBlocks>{{1, 2, 3, {{4, 5}}}}));
  EXPECT_EQ(output->records_in, 6u);
  EXPECT_EQ(output->bytes_in, 7u);
  EXPECT_EQ(output->spilled_bytes, 8u);
  ASSERT_EQ(output->phase_times.size(), kPhaseCount);
  EXPECT_EQ(output->phase_times[static_cast<std::size_t>(Phase::kSort)], (PhaseTime{9, 10}));
  EXPECT_THAT(output->rejects, ElementsAre("row\n"));
  EXPECT_EQ(output->reject_count, 1u);
}

TEST(TaskReportTest, RefusesWhatNoReportHolds) {
  MemoryFiles files;
  const auto error = [&](auto&& spoil) {
    MapTaskResult result = SomeResult();
    spoil(result);
    const Status status = OutputOf(files, result, {}).error();
    EXPECT_EQ(status.code(), StatusCode::kResourceLimit) << status.message();
    return status.message();
  };
  EXPECT_THAT(error([](MapTaskResult& r) { r.run.sample[0] = std::string(4097, 'k'); }),
              HasSubstr("a key has 4097 bytes"));
  EXPECT_THAT(error([](MapTaskResult& r) { r.run.sample.assign(4096, std::string(1500, 'k')); }),
              HasSubstr("sampled take"));
  EXPECT_THAT(error([](MapTaskResult& r) { r.blocks[0].digests.resize(300'000); }),
              HasSubstr("digests take"));
  EXPECT_THAT(error([](MapTaskResult& r) { r.blocks.resize(kInputBlocksMax + 1); }),
              HasSubstr("reads 100,001 files"));
}

// What is too much for the report is durable before anybody hears of it.
TEST(TaskReportTest, LeavesManyRejectsInAFile) {
  MemoryFiles files;
  ASSERT_TRUE(files.MakeDirectories("/attempt").ok());
  ReduceTaskResult result;
  const std::string own(kReportedRejectBytesMax, 'a');
  const std::string spooled(3 << 20, 'b');
  ASSERT_TRUE(files.MakeDirectories("/scratch").ok());
  ASSERT_TRUE((*files.Create("/scratch/rejects"))->Append(spooled).ok());
  result.rejects = {.count = 5, .rows = own, .path = {}};
  result.next.resize(2);
  result.next[0].run.info.path = result.next[1].run.info.path = "/run";
  EXPECT_FALSE(OutputOf(files, result, {"/attempt"})->reject_file);

  result.next[1].rejects = {.count = 7, .rows = {}, .path = "/scratch/rejects"};
  const Result<TaskOutput> output = OutputOf(files, result, {"/attempt"});
  ASSERT_TRUE(output.ok()) << output.error().message();
  EXPECT_EQ(output->reject_count, 12u);
  EXPECT_THAT(output->rejects, ElementsAre("", "", ""));
  ASSERT_TRUE(output->reject_file);
  EXPECT_EQ(
      output->reject_file->texts,
      (std::vector<RejectFile::Text>{
          {own.size(), HashOf128(own)}, {0, HashOf128("")}, {spooled.size(), HashOf128(spooled)}}));
  EXPECT_TRUE(files.Content("/attempt/.rejects") == own + spooled);
  EXPECT_TRUE(files.IsDurable("/attempt/.rejects", "/attempt"));
}

// The data's fault: no other attempt has fewer.
TEST(TaskReportTest, RefusesMoreRejectsThanAFileMayHave) {
  MemoryFiles files;
  ASSERT_TRUE(files.MakeDirectories("/attempt").ok());
  MapTaskResult result = SomeResult();
  result.rejects = {.count = 5, .rows = std::string(1001, 'x'), .path = {}};
  const Status status =
      OutputOf(files, result,
               {.directory = "/attempt", .reported_bytes_max = 0, .file_bytes_max = 1000})
          .error();
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(), HasSubstr("has set aside 5 records of 1001 B, more than the "));
  EXPECT_FALSE(files.contents().contains("/attempt/.rejects"));
}

}  // namespace
}  // namespace millrace

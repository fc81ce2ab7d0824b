// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/engine/execute_tools.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMemoryBytes = std::uint64_t{64} << 20;

class RejectLogTest : public ::testing::Test {
 protected:
  static Status Add(TaskRejects& task, std::uint64_t offset, std::string_view raw = "raw") {
    return task.Add({.input = "in", .shard = "s", .offset = offset, .reason = "why", .raw = raw});
  }
  static std::string Row(std::uint64_t offset, std::string_view raw = "raw") {
    return "in\ts\t" + std::to_string(offset) + "\twhy\t" + std::string(raw) + "\n";
  }

  ExecuteFolder folder_;
};

TEST_F(RejectLogTest, WritesTasksInOrderWhoeverEndsFirst) {
  RejectLog log(LocalFileSystem(), folder_.path(), {.count = 100});
  TaskRejects second(log, 2), first(log, 1);
  EXPECT_TRUE(Add(second, 20).ok());
  EXPECT_TRUE(Add(first, 1).ok());
  EXPECT_TRUE(Add(second, 21, "tab\there\n").ok());
  EXPECT_TRUE(second.Close().ok());
  EXPECT_TRUE(first.Close().ok());
  const auto file = log.Write(folder_.path(), {}, true, kMemoryBytes);
  ASSERT_TRUE(file.ok() && file->has_value());
  EXPECT_EQ((*file)->records, 3u);
  EXPECT_EQ(ReadContent(folder_.Path("_rejects.tsv")), Row(1) + Row(20) + Row(21, "tab\\there\\n"));
}

TEST_F(RejectLogTest, WithoutRejectsThereIsNoFile) {
  RejectLog log(LocalFileSystem(), folder_.path(), {});
  TaskRejects task(log, 0);
  EXPECT_TRUE(task.Close().ok());
  EXPECT_TRUE(log.Check(0, /*is_final=*/true).ok());
  const auto file = log.Write(folder_.path(), {}, true, kMemoryBytes);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(file->has_value());
}

// What one task has beyond 64 KiB, and all tasks beyond some mebibytes, waits on disk.
TEST_F(RejectLogTest, ManyRejectsDoNotStayInMemory) {
  RejectLog log(LocalFileSystem(), folder_.path(), {.count = 1'000'000});
  const std::string raw(10'000, 'r');
  std::string expected;
  for (std::uint64_t order = 0; order < 300; ++order) {
    TaskRejects task(log, order);
    const std::uint64_t rejects = order == 7 ? 100 : 5;
    for (std::uint64_t i = 0; i < rejects; ++i) {
      ASSERT_TRUE(Add(task, 1000 * order + i, raw).ok());
      expected += Row(1000 * order + i, raw);
    }
    ASSERT_TRUE(task.Close().ok());
  }
  std::uint64_t on_disk = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    on_disk += entry.file_size();
  }
  EXPECT_GT(on_disk, expected.size() - (9 << 20));
  ASSERT_TRUE(log.Write(folder_.NewFolder("out"), {}, true, kMemoryBytes).ok());
  EXPECT_TRUE(ReadContent(folder_.Path("out-1/_rejects.tsv")) == expected);
}

// Bad records of a damaged file are none; who stopped because of them ends with the damage.
TEST_F(RejectLogTest, RejectsOfAFailedTaskDoNotCount) {
  RejectLog log(LocalFileSystem(), folder_.path(), {.count = 5});
  TaskRejects good(log, 1), damaged(log, 2);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(Add(good, i).ok());
  static_cast<void>(Add(damaged, 20));
  EXPECT_EQ(log.Outcome(RejectLog::Stopped()).code(), StatusCode::kBadData);
  damaged.Discard(Status::BadData("damage"));
  EXPECT_EQ(log.count(), 5u);
  EXPECT_EQ(log.Outcome(RejectLog::Stopped()).message(), "damage");
  EXPECT_EQ(log.Outcome(Status::BadData("other")).message(), "other");
  EXPECT_TRUE(log.Outcome(Status::Ok()).ok());
}

TEST_F(RejectLogTest, TasksThatCannotHaveOneOfTheFirstFiveStop) {
  RejectLog log(LocalFileSystem(), folder_.path(), {.count = 0});
  TaskRejects late(log, 9), early(log, 3);
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(Add(late, 90 + i).ok());
  EXPECT_FALSE(log.ShouldStop(10));  // Four are known.
  EXPECT_EQ(Add(late, 94).message(), RejectLog::Stopped().message());
  EXPECT_TRUE(log.ShouldStop(10));
  EXPECT_FALSE(log.ShouldStop(9));
  EXPECT_FALSE(log.ShouldStop(3));
  EXPECT_TRUE(Add(early, 30).ok());
  const Status status = log.Check(0, /*is_final=*/false);
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(),
              HasSubstr("the first:\n  s at byte 30: why\n  s at byte 90: why\n  s at byte 91: why"
                        "\n  s at byte 92: why\n  s at byte 93: why"));
}

// A map inside a reduce task rejects behind all of the reduce's own, so it must not stop these.
TEST_F(RejectLogTest, AMapInsideAnotherTaskDoesNotStopIt) {
  RejectLog log(LocalFileSystem(), folder_.path(), {.count = 0});
  TaskRejects inner(log, /*order=*/100, /*of_task=*/3), own(log, 3);
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(Add(inner, i).ok());
  EXPECT_FALSE(log.ShouldStop(3));
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(Add(own, 30 + i).ok());
  EXPECT_FALSE(Add(own, 34).ok());
  TaskRejects other(log, /*order=*/104, /*of_task=*/4);
  EXPECT_FALSE(Add(other, 1).ok());
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/part_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/base/failpoint.h"
#include "mapreduce/base/random.h"
#include "mapreduce/engine/task_pool.h"
#include "tests/unit/engine/execute_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class PartFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<PartFile> Make(std::size_t first_task, std::size_t task_count) {
    return std::make_unique<PartFile>(LocalFileSystem(), reserve_, budget_, folder_.path(),
                                      "part.tsv", Compression::kNone, first_task, task_count);
  }
  std::string Content() const { return ReadContent(folder_.Path("part.tsv")); }

  ExecuteFolder folder_;
  MemoryBudget reserve_{0, 1};
  MemoryBudget budget_{8 * kMebibyte, 2};  // 6 MiB beyond the guarantees.
};

TEST_F(PartFileTest, HoldsTasksInOrderWhoeverFinishesFirst) {
  const auto part = Make(5, 3);
  EXPECT_TRUE(part->Append(7, "g", 1).ok());
  EXPECT_TRUE(part->Append(6, "d", 1).ok());
  EXPECT_TRUE(part->Append(7, "h", 1).ok());
  EXPECT_TRUE(part->Finish(7).ok());
  EXPECT_TRUE(part->Append(5, "ab", 2).ok());
  EXPECT_TRUE(part->Append(6, "ef", 2).ok());
  EXPECT_TRUE(part->Append(5, "c", 1).ok());
  EXPECT_TRUE(part->Finish(5).ok());
  EXPECT_TRUE(part->Append(6, "", 0).ok());
  EXPECT_TRUE(part->Finish(6).ok());
  EXPECT_EQ(Content(), "abcdefgh");
  EXPECT_EQ(part->record().records, 8u);
  EXPECT_EQ(part->record().bytes, 8u);
  EXPECT_EQ(part->record().xxh128, HashOf128("abcdefgh"));
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(PartFileTest, TasksThatWriteNothingStillCount) {
  const auto part = Make(0, 3);
  EXPECT_TRUE(part->Finish(2).ok());
  EXPECT_TRUE(part->Finish(0).ok());
  EXPECT_TRUE(part->Finish(1).ok());
  EXPECT_EQ(Content(), "");
  EXPECT_EQ(part->record().bytes, 0u);
}

// Once, whichever task writes first; also where none does. It is no record.
TEST_F(PartFileTest, BeginsWithTheHeader) {
  const std::vector<OutputColumn> kColumns = {{"a"}, {"b"}};
  for (const bool has_rows : {true, false}) {
    PartFile part(LocalFileSystem(), reserve_, budget_, folder_.path(),
                  has_rows ? "part.csv" : "empty.csv", Compression::kNone, 0, 2, OutputFormat::kCsv,
                  kColumns);
    if (has_rows) {
      EXPECT_TRUE(part.Append(1, "3,4\n", 1).ok());
      EXPECT_TRUE(part.Append(0, "1,2\n", 1).ok());
    }
    EXPECT_TRUE(part.Finish(0).ok());
    EXPECT_TRUE(part.Finish(1).ok());
    EXPECT_EQ(ReadContent(folder_.Path(part.record().path)),
              has_rows ? "a,b\n1,2\n3,4\n" : "a,b\n");
    EXPECT_EQ(part.record().records, has_rows ? 2u : 0u);
    EXPECT_EQ(part.record().bytes, has_rows ? 12u : 4u);
  }
  PartFile nobody(LocalFileSystem(), reserve_, budget_, folder_.path(), "nobody.csv",
                  Compression::kNone, 0, 0, OutputFormat::kCsv, kColumns);
  EXPECT_TRUE(nobody.FinishEmpty().ok());
  EXPECT_EQ(ReadContent(folder_.Path("nobody.csv")), "a,b\n");
}

// What many finished tasks leave waiting for a slow one is bounded, not only what each has.
TEST_F(PartFileTest, WaitingTextStaysWithinTheBudget) {
  constexpr std::size_t kTasks = 40;
  const auto part = Make(0, kTasks);
  const std::string text(kMebibyte / 2, 'x');
  std::latch first_may_go(1);
  std::thread others([&] {
    for (std::size_t task = 1; task < kTasks; ++task) {
      if (task == 10) first_may_go.count_down();  // 9 fit; the 13th doesn't.
      EXPECT_TRUE(part->Append(task, text, 1).ok());
      EXPECT_LE(budget_.used(), 6 * kMebibyte);
      EXPECT_TRUE(part->Finish(task).ok());
    }
  });
  first_may_go.wait();
  EXPECT_GE(budget_.used(), 9 * text.size());
  EXPECT_TRUE(part->Append(0, text, 1).ok());
  EXPECT_TRUE(part->Finish(0).ok());
  others.join();
  EXPECT_EQ(part->record().bytes, kTasks * text.size());
  EXPECT_EQ(budget_.used(), 0u);
}

// Where the budget is full, the reserve still lets a task run ahead.
TEST_F(PartFileTest, TheReserveComesFirst) {
  MemoryBudget reserve(1000, 1);
  ASSERT_TRUE(budget_.TryRetain(6 * kMebibyte));
  PartFile part(LocalFileSystem(), reserve, budget_, folder_.path(), "part.tsv", Compression::kNone,
                0, 2);
  EXPECT_TRUE(part.Append(1, std::string(700, 'b'), 1).ok());
  EXPECT_EQ(reserve.used(), 700u);
  EXPECT_TRUE(part.Finish(1).ok());
  EXPECT_TRUE(part.Append(0, "a", 1).ok());
  EXPECT_TRUE(part.Finish(0).ok());
  EXPECT_EQ(Content(), "a" + std::string(700, 'b'));
  EXPECT_EQ(reserve.used(), 0u);
  EXPECT_EQ(budget_.used(), 6 * kMebibyte);
  budget_.Unretain(6 * kMebibyte);
}

TEST_F(PartFileTest, WhoWaitsForATaskThatFailsIsReleased) {
  const auto part = Make(0, 3);
  const std::string text(7 * kMebibyte, 'x');  // More than can wait.
  Status second;
  std::thread waiting([&] { second = part->Append(1, text, 1); });
  part->AbandonBehind(0);
  waiting.join();
  EXPECT_EQ(second.code(), StatusCode::kCancelled);
  EXPECT_EQ(part->Append(2, "x", 1).code(), StatusCode::kCancelled);
  EXPECT_EQ(part->Finish(2).code(), StatusCode::kCancelled);
}

// However a task of the pool ends, those behind it end, too.
TEST_F(PartFileTest, NoFailureOfATaskLeavesThePoolHanging) {
  const std::string text(7 * kMebibyte, 'x');
  for (const bool is_cancelled : {false, true}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      const auto part = Make(0, 8);
      CancelToken cancel;
      class PartSlot final : public Slot {
       public:
        explicit PartSlot(std::function<Status(std::size_t)> run) : run_(std::move(run)) {}
        Status Run(std::size_t task) override { return run_(task); }
        Status Close() override { return Status::Ok(); }

       private:
        const std::function<Status(std::size_t)> run_;
      };
      const auto run = [&](std::size_t task) -> Status {
        if (task == 2 && is_cancelled) cancel.Cancel();
        if (task == 2) throw std::bad_alloc();
        MR_RETURN_IF_ERROR(part->Append(task, text, 1));
        return part->Finish(task);
      };
      const Status status = RunTasks(
          8, 4, &cancel,
          [&] { return Result<std::unique_ptr<Slot>>(std::make_unique<PartSlot>(run)); },
          [&](std::size_t task) { part->AbandonBehind(task); });
      // Tasks before it may not have begun when it cancels: then they say so.
      const bool is_cancellation = is_cancelled && status.code() == StatusCode::kCancelled;
      EXPECT_TRUE(is_cancellation || status.code() == StatusCode::kResourceLimit)
          << status.message();
      std::filesystem::remove(folder_.Path("part.tsv"));
    }
  }
}

TEST_F(PartFileTest, AnUnfinishedFileIsRemovedAndGivesBackItsMemory) {
  {
    const auto part = Make(0, 3);
    EXPECT_TRUE(part->Append(0, "a", 1).ok());
    EXPECT_TRUE(part->Append(1, "b", 1).ok());
    EXPECT_EQ(budget_.used(), 1u);
  }
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("part.tsv")));
}

TEST_F(PartFileTest, AnErrorOfTheFileReachesWhoWrites) {
  const auto part = Make(0, 2);
  EXPECT_TRUE(part->Append(1, "behind", 1).ok());
  EXPECT_TRUE(part->Finish(1).ok());
  failpoint::Arm("io", FailpointAction::kError, 1, /*and_after=*/true);
  Status status = part->Append(0, "x", 1);
  if (status.ok()) status = part->Finish(0);
  failpoint::DisarmAll();
  EXPECT_FALSE(status.ok());
}

// Threads write their tasks in pieces, in any order: always the same file.
TEST_F(PartFileTest, ManyThreadsMakeOneFile) {
  Random random(ExecuteSeed());
  for (int repeat = 0; repeat < 5; ++repeat) {
    std::string expected;
    std::vector<std::vector<std::string>> pieces(50);
    for (auto& task : pieces) {
      for (std::uint64_t i = random.Uniform(6); i > 0; --i) {
        task.emplace_back(random.Uniform(200'000), static_cast<char>('a' + random.Uniform(26)));
        expected += task.back();
      }
    }
    const auto part = Make(0, pieces.size());
    class PartSlot final : public Slot {
     public:
      PartSlot(PartFile& part, const std::vector<std::vector<std::string>>& pieces)
          : part_(part), pieces_(pieces) {}
      Status Run(std::size_t task) override {
        for (const std::string& piece : pieces_[task]) {
          MR_RETURN_IF_ERROR(part_.Append(task, piece, 1));
        }
        return part_.Finish(task);
      }
      Status Close() override { return Status::Ok(); }

     private:
      PartFile& part_;
      const std::vector<std::vector<std::string>>& pieces_;
    };
    EXPECT_TRUE(RunTasks(pieces.size(), 4, nullptr, [&] {
                  return Result<std::unique_ptr<Slot>>(std::make_unique<PartSlot>(*part, pieces));
                }).ok());
    EXPECT_TRUE(Content() == expected);
    EXPECT_EQ(budget_.used(), 0u);
    std::filesystem::remove(folder_.Path("part.tsv"));
  }
}

}  // namespace
}  // namespace millrace

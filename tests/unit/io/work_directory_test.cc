// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/work_directory.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class WorkDirectoryTest : public IoTest {
 protected:
  Status Acquire() { return WorkDirectory::Acquire(files_, Path("work")).error(); }
};

TEST_F(WorkDirectoryTest, MakesAndRemoves) {
  {
    Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
    ASSERT_TRUE(work.has_value()) << work.error().message();
    EXPECT_EQ(work->path(), Path("work"));
    EXPECT_EQ(Contents(Path("work/lock")),
              "millrace work directory\npid " + std::to_string(::getpid()) + "\n");
    Write("work/deep/er/file", "x");
  }
  EXPECT_FALSE(std::filesystem::exists(Path("work")));
}

TEST_F(WorkDirectoryTest, ALiveOwnerKeepsItAndIsNamed) {
  Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
  ASSERT_TRUE(work.has_value());
  Write("work/file", "mine");
  const Status second = Acquire();
  EXPECT_EQ(second.code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.message(), HasSubstr("pid " + std::to_string(::getpid())));
  EXPECT_EQ(Contents(Path("work/file")), "mine");
  ASSERT_TRUE(work->Remove().ok());
  EXPECT_TRUE(work->Remove().ok());
  EXPECT_TRUE(Acquire().ok());
}

TEST_F(WorkDirectoryTest, WhatADeadOwnerLeftIsCleared) {
  const pid_t child = ::fork();
  if (child == 0) {
    Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
    Write("work/deep/file", "left");
    ::_exit(work.has_value() ? 0 : 1);
  }
  int exit_status = 1;
  ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
  ASSERT_EQ(exit_status, 0);
  ASSERT_TRUE(std::filesystem::exists(Path("work/deep/file")));
  Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
  ASSERT_TRUE(work.has_value()) << work.error().message();
  EXPECT_EQ(Tree("work").size(), 1u);  // The lock.
}

TEST_F(WorkDirectoryTest, ForeignFilesAreNeverTouched) {
  const std::map<std::string, std::map<std::string, std::string>> foreign = {
      {"no lock", {{"file", "x"}}},
      {"hidden file", {{".file", "x"}}},
      {"foreign lock", {{"lock", "pid 1\n"}, {"file", "x"}}},
      {"foreign lock alone", {{"lock", "somebody else's"}}},
      {"empty lock", {{"lock", ""}, {"file", "x"}}},
  };
  for (const auto& [name, tree] : foreign) {
    std::filesystem::remove_all(Path("work"));
    for (const auto& [file, content] : tree) Write("work/" + file, content);
    EXPECT_EQ(Acquire().code(), StatusCode::kCannotCreate) << name;
    EXPECT_EQ(Tree("work"), tree) << name;
  }
  std::filesystem::remove_all(Path("work"));
  Write("work", "a file");
  EXPECT_EQ(Acquire().code(), StatusCode::kCannotCreate);
  EXPECT_EQ(Contents(Path("work")), "a file");
}

TEST_F(WorkDirectoryTest, LinksInsideAreRemovedNotFollowed) {
  Write("precious/file", "x");
  {
    Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
    ASSERT_TRUE(work.has_value());
    std::filesystem::create_directory_symlink(Path("precious"), Path("work/link"));
  }
  EXPECT_FALSE(std::filesystem::exists(Path("work")));
  EXPECT_EQ(Contents(Path("precious/file")), "x");
}

TEST_F(WorkDirectoryTest, AnEmptyFolderOrACrashedBeginningIsTakenOver) {
  std::filesystem::create_directory(Path("work"));
  EXPECT_TRUE(Acquire().ok());
  Write("work/lock", "");
  EXPECT_TRUE(Acquire().ok());
  Write("work/lock", "millrace wo");
  EXPECT_TRUE(Acquire().ok());
}

TEST_F(WorkDirectoryTest, AMissingParentIsCannotCreate) {
  EXPECT_EQ(WorkDirectory::Acquire(files_, Path("no/work")).error().code(),
            StatusCode::kCannotCreate);
}

// Whichever system call fails or kills the process, the next run can go on.
TEST_F(WorkDirectoryTest, NoFailureIsInTheNextRunsWay) {
  for (const FailpointAction action : {FailpointAction::kError, FailpointAction::kKill}) {
    for (std::uint64_t nth = 1;; ++nth) {
      ASSERT_LT(nth, 200u);
      const pid_t child = ::fork();
      if (child == 0) {
        failpoint::Arm("io", action, nth);
        {
          Result<WorkDirectory> work = WorkDirectory::Acquire(files_, Path("work"));
          if (work.has_value()) std::ofstream(Path("work/file")) << "x";
        }
        ::_exit(failpoint::HitCount("io") >= nth ? 0 : 9);
      }
      int exit_status = 0;
      ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
      const Status next = Acquire();
      ASSERT_TRUE(next.ok()) << nth << ": " << next.message();
      EXPECT_FALSE(std::filesystem::exists(Path("work"))) << nth;
      if (WIFEXITED(exit_status) && WEXITSTATUS(exit_status) == 9) {
        EXPECT_GT(nth, 10u);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace millrace

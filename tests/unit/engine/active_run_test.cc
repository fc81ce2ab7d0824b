// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/active_run.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace millrace {
namespace {

namespace fs = std::filesystem;

class ActiveRunTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "active_run_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    for (const char* const folder : {"work/output/a/b", "work/scratch", "spill/scratch"}) {
      fs::create_directories(root_ / folder);
      for (int i = 0; i < 200; ++i) {
        std::ofstream(root_ / folder / ("file" + std::to_string(i))) << "x";
      }
    }
    std::ofstream(root_ / "outside") << "x";
    fs::create_symlink("../outside", root_ / "work/link");
    fs::create_directory_symlink("..", root_ / "work/output/up");
  }
  void TearDown() override { fs::remove_all(root_); }

  // What a child process that calls `f` exits with: it ends as the real one would.
  template <class F>
  int InChild(F&& f) {
    const pid_t child = fork();
    if (child == 0) {
      f();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  fs::path root_;
};

TEST_F(ActiveRunTest, RemovesBothTreesAndFollowsNoLink) {
  EXPECT_EQ(InChild([this] {
              const ActiveRun run({(root_ / "work").string()}, {(root_ / "spill").string()});
              RemoveActiveRuns();
              _exit(7);
            }),
            7);
  EXPECT_FALSE(fs::exists(root_ / "work"));
  EXPECT_FALSE(fs::exists(root_ / "spill"));
  EXPECT_TRUE(fs::exists(root_ / "outside"));
}

TEST_F(ActiveRunTest, RemovesTheFoldersMadeAboveThemWhereNothingElseIsInThem) {
  fs::create_directories(root_ / "a/b/c/work");
  fs::create_directories(root_ / "d/e/spill");
  std::ofstream(root_ / "d/somebody's") << "x";
  EXPECT_EQ(InChild([this] {
              const ActiveRun run({(root_ / "a/b/c/work").string(), 2},
                                  {(root_ / "d/e/spill").string(), 2});
              RemoveActiveRuns();
              _exit(7);
            }),
            7);
  EXPECT_TRUE(fs::exists(root_ / "a"));
  EXPECT_FALSE(fs::exists(root_ / "a/b"));
  EXPECT_TRUE(fs::exists(root_ / "d/somebody's"));
  EXPECT_FALSE(fs::exists(root_ / "d/e"));
}

TEST_F(ActiveRunTest, LeavesARunAloneThatPublishesOrHasEnded) {
  EXPECT_EQ(InChild([this] {
              { const ActiveRun ended({(root_ / "spill").string()}, {}); }
              ActiveRun run({(root_ / "work").string()}, {});
              if (IsAnyRunPublishing()) _exit(1);
              run.BeginPublish();
              if (!IsAnyRunPublishing()) _exit(2);
              RemoveActiveRuns();
            }),
            0);
  EXPECT_TRUE(fs::exists(root_ / "work/output/a/b/file7"));
  EXPECT_TRUE(fs::exists(root_ / "spill/scratch/file7"));
}

TEST_F(ActiveRunTest, RunWhoseDirectoriesAreRemovedNeverPublishes) {
  EXPECT_EQ(InChild([this] {
              ActiveRun run({(root_ / "work").string()}, {});
              RemoveActiveRuns();
              std::thread ender([] {
                usleep(50'000);  // Time for a BeginPublish that doesn't wait to be seen: exit 1.
                _exit(9);
              });
              run.BeginPublish();  // Waits for the process to end.
              _exit(1);
            }),
            9);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/state_lock.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "mapreduce/base/failpoint.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class StateLockTest : public testing::Test {
 protected:
  StateLockTest() {
    std::string name = testing::TempDir() + "millrace_lock_XXXXXX";
    root_ = ::mkdtemp(name.data());
    state_ = root_ + "/state";
  }
  ~StateLockTest() override {
    failpoint::DisarmAll();
    std::filesystem::remove_all(root_);
  }

  std::string root_;
  std::string state_;
};

TEST_F(StateLockTest, ALiveOwnerKeepsItAndIsNamed) {
  std::optional<Result<StateLock>> first(StateLock::Acquire(state_));
  ASSERT_TRUE(first->ok()) << first->error().message();
  const Status second = StateLock::Acquire(state_).error();
  EXPECT_EQ(second.code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.message(), HasSubstr(state_));
  EXPECT_THAT(second.message(), HasSubstr("pid " + std::to_string(::getpid())));
  first.reset();
  EXPECT_TRUE(StateLock::Acquire(state_).ok());
}

TEST_F(StateLockTest, AKilledOwnerHasItNoMore) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Result<StateLock> lock = StateLock::Acquire(state_);
    const char is_ok = lock.ok() ? 1 : 0;
    if (::write(ready[1], &is_ok, 1) != 1) ::_exit(1);
    ::pause();
  }
  char is_ok = 0;
  ASSERT_EQ(::read(ready[0], &is_ok, 1), 1);
  ASSERT_EQ(is_ok, 1);
  EXPECT_THAT(StateLock::Acquire(state_).error().message(),
              HasSubstr("pid " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(StateLock::Acquire(state_).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(StateLockTest, SaysWhatIsInTheWay) {
  std::ofstream(state_) << "a file";
  EXPECT_EQ(StateLock::Acquire(state_).error().code(), StatusCode::kCannotCreate);
  std::filesystem::remove(state_);
  std::filesystem::create_directories(state_);
  std::filesystem::create_symlink("elsewhere", state_ + "/lock");
  EXPECT_FALSE(StateLock::Acquire(state_).ok());
  EXPECT_FALSE(std::filesystem::exists(state_ + "/elsewhere"));
}

// Each failed system call is an error, and the lock is free afterwards.
TEST_F(StateLockTest, ReportsEachFailedCall) {
  failpoint::Arm("io", FailpointAction::kNone, 1);
  ASSERT_TRUE(StateLock::Acquire(state_).ok());
  const std::uint64_t calls = failpoint::HitCount("io");
  ASSERT_GT(calls, 3u);
  for (std::uint64_t n = 1; n <= calls; ++n) {
    std::filesystem::remove_all(state_);
    failpoint::Arm("io", FailpointAction::kError, n);
    EXPECT_FALSE(StateLock::Acquire(state_).ok()) << "call " << n;
    failpoint::DisarmAll();
    EXPECT_TRUE(StateLock::Acquire(state_).ok()) << "call " << n;
  }
}

}  // namespace
}  // namespace millrace

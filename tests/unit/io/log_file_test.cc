// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

class LogFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "millrace_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  std::unique_ptr<LogFile> MustOpen(const std::string& path) {
    Result<std::unique_ptr<LogFile>> file = LogFile::Open(path);
    EXPECT_TRUE(file.ok()) << file.error().message();
    return file.ok() ? *std::move(file) : nullptr;
  }

  fs::path root_;
};

// Files may be no longer than so; a write beyond fails with EFBIG, as on a full disk in part.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  sighandler_t old_handler_;
};

TEST_F(LogFileTest, AppendsBehindWhatIsThere) {
  std::ofstream(Path("log")) << "before\n";
  const auto log = MustOpen(Path("log"));
  EXPECT_TRUE(log->Append("one\n").ok());
  EXPECT_TRUE(log->Append("two\n").ok());
  EXPECT_EQ(Slurp(Path("log")), "before\none\ntwo\n");
}

TEST_F(LogFileTest, NewFileIsForItsOwnerAlone) {
  const mode_t mask = ::umask(0);
  const auto log = MustOpen(Path("log"));
  fs::rename(Path("log"), Path("log.1"));
  EXPECT_TRUE(log->Append("one\n").ok());
  ::umask(mask);
  for (const char* const name : {"log", "log.1"}) {
    struct stat status {};
    ASSERT_EQ(::stat(Path(name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 07777, 0600U) << name;
  }
}

TEST_F(LogFileTest, RefusesWhatIsNoFile) {
  fs::create_symlink(Path("elsewhere"), Path("link"));
  fs::create_directory(Path("folder"));
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  for (const std::string name : {"link", "folder", "pipe", "missing/log"}) {
    const auto log = LogFile::Open(Path(name));
    ASSERT_FALSE(log.ok()) << name;
    EXPECT_THAT(log.error().message(), HasSubstr(Path(name)));
  }
  EXPECT_EQ(LogFile::Open("/dev/null").error().code(), StatusCode::kCannotCreate);
  EXPECT_FALSE(fs::exists(Path("elsewhere")));
}

TEST_F(LogFileTest, StaysWhereItWasOpenedWhenTheProcessGoesElsewhere) {
  const fs::path before = fs::current_path();
  fs::current_path(root_);
  const auto log = MustOpen("log");
  fs::current_path("/");
  fs::rename(Path("log"), Path("log.1"));
  EXPECT_TRUE(log->Append("one\n").ok());
  fs::current_path(before);
  EXPECT_EQ(Slurp(Path("log")), "one\n");
}

// Somebody renames the file again and again, in the middle of whatever the writer does: behind each
// other the pieces hold all lines, once, in order.
TEST_F(LogFileTest, RotationLosesNoLineAndDoublesNone) {
  constexpr int kLines = 20'000;
  const auto log = MustOpen(Path("log"));
  std::atomic<bool> is_done = false;
  std::atomic<int> pieces = 0;
  std::thread rotator([&] {
    while (!is_done) {
      std::error_code error;  // It may not be there yet.
      fs::rename(Path("log"), Path("log." + std::to_string(pieces)), error);
      if (!error) ++pieces;
    }
  });
  int lines = 0;
  for (; lines < kLines || pieces <= 10; ++lines)
    ASSERT_TRUE(log->Append("line " + std::to_string(lines) + "\n").ok());
  is_done = true;
  rotator.join();
  std::string all;
  for (int piece = 0; piece < pieces; ++piece) all += Slurp(Path("log." + std::to_string(piece)));
  all += Slurp(Path("log"));
  std::string expected;
  for (int i = 0; i < lines; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_TRUE(all == expected) << "in " << pieces << " pieces";
}

// logrotate's `create`: the next file is there already.
TEST_F(LogFileTest, TakesTheFileThatTheRotatorMade) {
  const auto log = MustOpen(Path("log"));
  EXPECT_TRUE(log->Append("one\n").ok());
  fs::rename(Path("log"), Path("log.1"));
  std::ofstream(Path("log")) << "";
  EXPECT_TRUE(log->Append("two\n").ok());
  EXPECT_EQ(Slurp(Path("log.1")), "one\n");
  EXPECT_EQ(Slurp(Path("log")), "two\n");
}

TEST_F(LogFileTest, KeepsTheOldFileWhileNoNewOneCanBeMade) {
  const auto log = MustOpen(Path("log"));
  fs::rename(Path("log"), Path("log.1"));
  fs::create_symlink("/etc/nowhere/log", Path("log"));
  EXPECT_TRUE(log->Append("one\n").ok());
  EXPECT_EQ(Slurp(Path("log.1")), "one\n");
  fs::remove(Path("log.1"));
  const Status lost = log->Append("two\n");
  EXPECT_EQ(lost.code(), StatusCode::kResourceLimit) << "it would be nowhere";
  fs::remove(Path("log"));
  EXPECT_TRUE(log->Append("three\n").ok());
  EXPECT_EQ(Slurp(Path("log")), "three\n");
}

// The line that goes out in part is whole once there is room; the others are said to be lost.
TEST_F(LogFileTest, LinesAreWholeOrAbsentWhereADiskIsFull) {
  const auto log = MustOpen(Path("log"));
  {
    const FileSizeLimit limit(10);
    EXPECT_TRUE(log->Append("12345\n").ok());
    EXPECT_TRUE(log->Append("abcdefgh\n").ok());  // Four bytes of it.
    const Status lost = log->Append("lost\n");
    EXPECT_EQ(lost.code(), StatusCode::kResourceLimit);
    EXPECT_EQ(lost.message(), "File too large");
    EXPECT_EQ(Slurp(Path("log")), "12345\nabcd");
  }
  EXPECT_TRUE(log->Append("again\n").ok());
  EXPECT_EQ(Slurp(Path("log")), "12345\nabcdefgh\nagain\n");
}

// To rename and remove a file is how room is made: what is half in it must not hold on to it.
TEST_F(LogFileTest, RestOfALineDoesNotKeepAFileThatWasRenamed) {
  const auto log = MustOpen(Path("log"));
  {
    const FileSizeLimit limit(4);
    EXPECT_TRUE(log->Append("12345\n").ok());
    fs::rename(Path("log"), Path("log.1"));
    EXPECT_TRUE(log->Append("new\n").ok());
  }
  EXPECT_EQ(Slurp(Path("log.1")), "1234");
  EXPECT_EQ(Slurp(Path("log")), "new\n");
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "cli/service_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class ServiceLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "millrace_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string Path() const { return (root_ / "log").string(); }
  LineLog MustOpen() {
    Result<LineLog> log = ServiceLogTo("master", Path());
    EXPECT_TRUE(log.ok()) << log.error().message();
    return log.ok() ? *std::move(log) : [](const std::string&) {};
  }
  // Without "2026-11-25T22:17:53Z ".
  std::vector<std::string> Lines() const {
    std::ifstream file(Path());
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
      lines.push_back(line.substr(std::min<std::size_t>(line.size(), 21)));
    return lines;
  }

  fs::path root_;
};

TEST_F(ServiceLogTest, LineHasTimeServiceAndText) {
  MustOpen()("listens at tcp://127.0.0.1:5801");
  std::ifstream file(Path());
  std::string line;
  std::getline(file, line);
  EXPECT_THAT(line, ContainsRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z master: "
                                  "listens at tcp://127.0.0.1:5801$"));
}

TEST_F(ServiceLogTest, TextFromElsewhereMakesNoSecondLineAndNothingATerminalObeys) {
  const LineLog log = MustOpen();
  log("worker 7 (evil\n2026-01-01T00:00:00Z master: all is well\x1B[1A\r\u202E\u2028\xC2\x9B\xFF) "
      "is lost");
  log("next");
  EXPECT_THAT(Lines(),
              ElementsAre("master: worker 7 (evil\\x0A2026-01-01T00:00:00Z master: all is "
                          "well\\x1B[1A\\x0D\\xE2\\x80\\xAE\\xE2\\x80\\xA8\\xC2\\x9B\\xFF) is lost",
                          "master: next"));
}

TEST_F(ServiceLogTest, LongTextIsCutBetweenCharacters) {
  const LineLog log = MustOpen();
  log(std::string(511, 'x') + "€ and more");
  log(std::string(512, 'x'));
  EXPECT_THAT(Lines(), ElementsAre("master: " + std::string(511, 'x') + "…",
                                   "master: " + std::string(512, 'x')));
}

TEST_F(ServiceLogTest, LinesThatAFullDiskTakesAreCounted) {
  const LineLog log = MustOpen();
  log("one");
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = before;
  limit.rlim_cur = fs::file_size(Path());
  ::setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 12; ++i) log("lost " + std::to_string(i));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  log("two");
  log("three");
  EXPECT_THAT(Lines(), ElementsAre("master: one", "master: 12 lines were lost: File too large",
                                   "master: two", "master: three"));
}

TEST_F(ServiceLogTest, CopiesShareOneFile) {
  const LineLog log = MustOpen();
  const LineLog copy = log;
  log("one");
  fs::rename(Path(), Path() + ".1");
  copy("two");
  log("three");
  EXPECT_THAT(Lines(), ElementsAre("master: two", "master: three"));
}

TEST_F(ServiceLogTest, FlagsSayWhereTo) {
  Arguments arguments;
  arguments.values["--quiet"] = {""};
  arguments.values["--log"] = {Path()};
  Result<LineLog> log = ServiceLog("worker", arguments);
  ASSERT_TRUE(log.ok());
  testing::internal::CaptureStderr();
  (*log)("to the file, --quiet or not");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(Lines(), ElementsAre("worker: to the file, --quiet or not"));

  arguments.values.erase("--log");
  testing::internal::CaptureStderr();
  (*ServiceLog("worker", arguments))("nothing");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  arguments.values.erase("--quiet");
  testing::internal::CaptureStderr();
  (*ServiceLog("worker", arguments))("to stderr");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), EndsWith("Z worker: to stderr\n"));

  arguments.values["--log"] = {(root_ / "missing" / "log").string()};
  EXPECT_THAT(ServiceLog("worker", arguments).error().message(), HasSubstr("missing/log"));
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Each console block of the pages is run: its commands, in order, in one fresh directory per page,
// print what the page shows. The examples, modules and search, lie in build/ of that directory.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/docs/page.h"
#include "tests/unit/formats/duckdb_for_tests.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct Step {
  std::string command, expected;
};

// "$ " begins a command; one that ends with a backslash goes on in the next line.
std::vector<Step> StepsOf(const CodeBlock& block) {
  std::vector<Step> steps;
  bool goes_on = false;
  for (const std::string& line : SplitLines(block.text)) {
    if (goes_on) {
      steps.back().command += "\n" + line;
    } else if (line.starts_with("$ ")) {
      steps.push_back({line.substr(2), ""});
    } else {
      EXPECT_FALSE(steps.empty()) << block.place << " begins with output";
      if (steps.empty()) return steps;
      steps.back().expected += line + "\n";
      continue;
    }
    goes_on = line.ends_with('\\');
  }
  return steps;
}

class TranscriptsTest : public testing::TestWithParam<Page> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "millrace_docs_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    fs::create_directory(directory_ / "build");
    for (const char* module : {MILLRACE_EXAMPLE_MODULES}) {
      fs::create_symlink(module, directory_ / "build" / fs::path(module).filename());
    }
    const char* const path = std::getenv("PATH");
    setenv("PATH", (std::string(MILLRACE_BIN_DIRS ":") + (path == nullptr ? "" : path)).c_str(), 1);
    setenv("LC_ALL", "C", 1);
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path directory_;
};

TEST_P(TranscriptsTest, CommandsPrintWhatThePageShows) {
  for (const std::string& command : GetParam().setup) {
    const std::string output = OutputOf(command + " || echo FAILED", directory_);
    ASSERT_EQ(output.find("FAILED"), std::string::npos) << command << "\n" << output;
  }
  for (const CodeBlock& block : GetParam().blocks) {
    if (block.language != "console" || block.mark == "not run") continue;
    if (block.mark == "with duckdb" && !HasDuckDb()) continue;
    for (const Step& step : StepsOf(block)) {
      const std::string actual = OutputOf(step.command, directory_);
      EXPECT_TRUE(Matches(step.expected, actual))
          << block.place << "\n$ " << step.command << "\n--- shown:\n"
          << step.expected << "--- printed:\n"
          << actual;
    }
  }
}

std::vector<Page> PagesWithTranscripts() {
  std::vector<Page> pages;
  for (Page& page : ReadPages()) {
    for (const CodeBlock& block : page.blocks) {
      if (block.language != "console" || block.mark == "not run") continue;
      pages.push_back(std::move(page));
      break;
    }
  }
  return pages;
}

std::string NameOf(const testing::TestParamInfo<Page>& info) {
  std::string name = info.param.path;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Pages, TranscriptsTest, testing::ValuesIn(PagesWithTranscripts()), NameOf);

// The matcher itself can fail.
TEST(MatchesTest, TellsDifferentOutputsApart) {
  EXPECT_TRUE(Matches("a\nb … d\n", "a\nb c d\n"));
  EXPECT_FALSE(Matches("a\nb … d\n", "a\nb c\n"));
  EXPECT_FALSE(Matches("a\n", "a\nb\n"));
  EXPECT_FALSE(Matches("a\nb\n", "a\n"));
  EXPECT_TRUE(Matches("a\n…\nd\n", "a\nb\nc\nd\n"));
  EXPECT_FALSE(Matches("a\n…\ne\n", "a\nb\nc\nd\n"));
}

}  // namespace
}  // namespace millrace

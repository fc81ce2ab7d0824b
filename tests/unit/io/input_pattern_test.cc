// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/input_pattern.h"

#include <gmock/gmock.h>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InputPatternTest : public IoTest {
 protected:
  // Matches below root_, as relative paths; or the error's code.
  std::vector<std::string> Match(const std::string& pattern, std::string_view date = "") {
    const auto found = ExpandPattern(files_, Path(pattern), date);
    if (!found.has_value()) return {std::string(StatusCodeName(found.error().code()))};
    std::vector<std::string> names;
    for (const FileInfo& info : *found) names.push_back(info.path.substr(root_.size() + 1));
    return names;
  }
};

TEST_F(InputPatternTest, PathsDirectoriesAndGlobs) {
  for (const char* name : {"a.tsv", "b.tsv", "c.txt", "d/e.tsv", "d/f/g.tsv", "_h.tsv", ".i.tsv",
                           "d/_j/k.tsv", "d/.l", "_m/n.tsv"}) {
    Write(name, "x");
  }
  EXPECT_THAT(Match("a.tsv"), ElementsAre("a.tsv"));
  EXPECT_THAT(Match("d"), ElementsAre("d/e.tsv", "d/f/g.tsv"));
  EXPECT_THAT(Match("d/"), ElementsAre("d/e.tsv", "d/f/g.tsv"));
  EXPECT_THAT(Match("*.tsv"), ElementsAre("a.tsv", "b.tsv"));
  EXPECT_THAT(Match("?.tsv"), ElementsAre("a.tsv", "b.tsv"));
  EXPECT_THAT(Match("[b-z].t*"), ElementsAre("b.tsv", "c.txt"));
  EXPECT_THAT(Match("[!a].tsv"), ElementsAre("b.tsv"));
  EXPECT_THAT(Match("*/*.tsv"), ElementsAre("d/e.tsv"));
  EXPECT_THAT(Match("**/*.tsv"), ElementsAre("a.tsv", "b.tsv", "d/e.tsv", "d/f/g.tsv"));
  EXPECT_THAT(Match("d/**"), ElementsAre("d/e.tsv", "d/f/g.tsv"));
  EXPECT_THAT(Match("**/g.tsv"), ElementsAre("d/f/g.tsv"));
  EXPECT_THAT(Match("*/"), ElementsAre("d/e.tsv", "d/f/g.tsv"));
}

TEST_F(InputPatternTest, HiddenNamesCountWhenSpelledOut) {
  for (const char* name : {"_h.tsv", ".i.tsv", "_m/n.tsv", "_m/_o.tsv"}) Write(name, "x");
  EXPECT_THAT(Match("_h.tsv"), ElementsAre("_h.tsv"));
  EXPECT_THAT(Match("_*.tsv"), ElementsAre("_h.tsv"));
  EXPECT_THAT(Match(".i*"), ElementsAre(".i.tsv"));
  EXPECT_THAT(Match("_m"), ElementsAre("_m/n.tsv"));
  EXPECT_THAT(Match("_m/_o.tsv"), ElementsAre("_m/_o.tsv"));
  EXPECT_THAT(Match("*.tsv"), ElementsAre("kNotFound"));
}

TEST_F(InputPatternTest, DateIsFilledInOrAskedFor) {
  Write("dt=2026-11-21/a-2026-11-21.tsv", "x");
  EXPECT_THAT(Match("dt={date}/a-{date}.tsv", "2026-11-21"),
              ElementsAre("dt=2026-11-21/a-2026-11-21.tsv"));
  EXPECT_THAT(Match("dt={date}/"), ElementsAre("kInvalidArgument"));
  EXPECT_THAT(Match("dt={date}/", "2026-11-22"), ElementsAre("kNotFound"));
}

TEST_F(InputPatternTest, NoFileIsNotFoundAndNamesThePattern) {
  std::filesystem::create_directory(Path("empty"));
  Write("file", "x");
  for (const char* pattern : {"none", "none/*", "empty", "empty/*", "file/x", "file/", "*.x"}) {
    const auto found = ExpandPattern(files_, Path(pattern), "");
    ASSERT_FALSE(found.has_value()) << pattern;
    EXPECT_EQ(found.error().code(), StatusCode::kNotFound) << pattern;
    EXPECT_THAT(found.error().message(), HasSubstr(Path(pattern)));
  }
  EXPECT_EQ(ExpandPattern(files_, "", "").error().code(), StatusCode::kNotFound);
}

TEST_F(InputPatternTest, ANameThatLooksLikeAGlobCanBeSpelledOut) {
  Write("a[1].tsv", "x");
  EXPECT_THAT(Match("a[1].tsv"), ElementsAre("a[1].tsv"));
  Write("a1.tsv", "x");
  EXPECT_THAT(Match("a[1].tsv"), ElementsAre("a1.tsv"));
  EXPECT_THAT(Match("a*"), ElementsAre("a1.tsv", "a[1].tsv"));
}

TEST_F(InputPatternTest, OrderIgnoresTheCompression) {
  for (const char* name : {"a.zst", "a-b", "a.gz", "a", "a.tsv.zst", "a.tsv-x"}) Write(name, "x");
  EXPECT_THAT(Match("*"), ElementsAre("a", "a.gz", "a.zst", "a-b", "a.tsv.zst", "a.tsv-x"));
  EXPECT_EQ(ShardName("x.tsv.zst"), "x.tsv");
  EXPECT_EQ(ShardName("x.gz"), "x");
  EXPECT_EQ(ShardName("x.gz.tsv"), "x.gz.tsv");
}

TEST_F(InputPatternTest, AFileMatchedTwiceIsRefused) {
  Write("d/a", "x");
  Write("d/b", "y");
  std::filesystem::create_hard_link(Path("d/a"), Path("hard"));
  std::filesystem::create_symlink(Path("d/a"), Path("soft"));
  for (const std::string& second :
       {Path("d/a"), Path("d/*"), Path("./d/a"), Path("hard"), Path("soft"), Path("d/../d/a")}) {
    const auto found = ExpandPatterns(files_, {Path("d/a"), second}, "");
    ASSERT_FALSE(found.has_value()) << second;
    EXPECT_EQ(found.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(found.error().message(), HasSubstr("twice"));
  }
  const auto both = ExpandPatterns(files_, {Path("d/b"), Path("d/a")}, "");
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ((*both)[0].path, Path("d/a"));
}

TEST_F(InputPatternTest, HoweverItIsSpelledAFileHasOnePlace) {
  Write("d/w/z", "x");
  Write("d/x/a", "y");
  const auto names = [&](const std::string& first, const std::string& second) {
    const auto found = ExpandPatterns(files_, {first, second}, "");
    EXPECT_TRUE(found.has_value());
    std::vector<std::string> of_files;
    if (!found.has_value()) return of_files;
    for (const FileInfo& info : *found)
      of_files.push_back(std::filesystem::path(info.path).filename());
    return of_files;
  };
  const std::string relative =
      std::filesystem::path(Path("d")).lexically_proximate(std::filesystem::current_path());
  EXPECT_THAT(names(Path("d/x"), Path("d/w")), ElementsAre("z", "a"));
  EXPECT_THAT(names(Path("d/./x"), Path("d/w")), ElementsAre("z", "a"));
  EXPECT_THAT(names(Path("d/./x"), relative + "/w"), ElementsAre("z", "a"));
  EXPECT_THAT(names(relative + "/x", Path("d/../d/w")), ElementsAre("z", "a"));
}

TEST_F(InputPatternTest, LinksAreFollowedButNotInCircles) {
  Write("d/a", "x");
  std::filesystem::create_directory_symlink(Path("d"), Path("link"));
  EXPECT_THAT(Match("link"), ElementsAre("link/a"));
  std::filesystem::create_directory_symlink(Path("d"), Path("d/loop"));
  EXPECT_THAT(Match("d"), ElementsAre("kInvalidArgument"));
  EXPECT_THAT(Match("**/a"), ElementsAre("kInvalidArgument"));
}

TEST_F(InputPatternTest, AHiddenDanglingLinkIsNotLookedAt) {
  Write("d/a", "x");
  std::filesystem::create_symlink("nowhere", Path("d/.#a"));
  EXPECT_THAT(Match("d"), ElementsAre("d/a"));
}

TEST_F(InputPatternTest, EveryFailingSystemCallIsAnErrorNeverAMissingFile) {
  for (const char* name : {"d/a", "d/e/b", "d/e/c"}) Write(name, "x");
  for (const char* pattern : {"d", "d/*/*", "**/?"}) {
    const std::vector<std::string> all = Match(pattern);
    for (std::uint64_t nth = 1;; ++nth) {
      ASSERT_LT(nth, 300u);
      failpoint::Arm("io", FailpointAction::kError, nth);
      const std::vector<std::string> found = Match(pattern);
      const bool was_hit = failpoint::HitCount("io") >= nth;
      failpoint::DisarmAll();
      if (found != all) {
        EXPECT_THAT(found, ElementsAre("kBadData")) << pattern << nth;
      }
      if (!was_hit) break;
    }
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/output_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "mapreduce/engine/output_overlap.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class OutputPlaceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "output_place_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = fs::canonical(name);
    before_ = fs::current_path();
    fs::current_path(root_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }
  std::string Output(const std::string& typed) {
    const Result<OutputPlace> place = OutputPlace::Resolve(typed);
    return place.ok() ? place->output : "error: " + place.error().message();
  }

  fs::path root_, before_;
};

TEST_F(OutputPlaceTest, IsAbsoluteHoweverItIsWritten) {
  fs::create_directories(root_ / "a/b");
  const std::string expected = (root_ / "a/out").string();
  EXPECT_EQ(Output("a/out"), expected);
  EXPECT_EQ(Output("a/out/"), expected);
  EXPECT_EQ(Output("./a//out///"), expected);
  EXPECT_EQ(Output("a/b/../out"), expected);
  EXPECT_EQ(Output(expected), expected);
  EXPECT_EQ(Output("new/deep/out"), (root_ / "new/deep/out").string());
}

TEST_F(OutputPlaceTest, GoesThroughLinksOfTheParentButNotOfTheOutput) {
  fs::create_directories(root_ / "real");
  fs::create_directory_symlink("real", root_ / "link");
  EXPECT_EQ(Output("link/out"), (root_ / "real/out").string());
  EXPECT_EQ(Output("link"), (root_ / "link").string());
}

TEST_F(OutputPlaceTest, RefusesNothingAndTheRoot) {
  for (const char* const typed : {"", "/", "//", "/.."}) {
    const Result<OutputPlace> place = OutputPlace::Resolve(typed);
    ASSERT_FALSE(place.ok()) << typed;
    EXPECT_EQ(place.error().code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(OutputPlaceTest, WorksBesideTheOutputUnderAHiddenName) {
  const Result<OutputPlace> place = OutputPlace::Resolve("a/out");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->work, (root_ / "a/.out.millrace").string());
  const Result<OutputPlace> longest = OutputPlace::Resolve(std::string(255, 'x'));
  ASSERT_TRUE(longest.ok());
  EXPECT_LT(fs::path(longest->retired).filename().string().size(), 255u);
}

TEST_F(OutputPlaceTest, CreatedDirectoriesGoAgainUnlessKept) {
  fs::create_directories(root_ / "there");
  {
    CreatedDirectories made(LocalFileSystem());
    ASSERT_TRUE(made.Make((root_ / "there/a/b").string()).ok());
    EXPECT_TRUE(fs::is_directory(root_ / "there/a/b"));
  }
  EXPECT_TRUE(fs::is_directory(root_ / "there"));
  EXPECT_FALSE(fs::exists(root_ / "there/a"));
  {
    CreatedDirectories made(LocalFileSystem());
    ASSERT_TRUE(made.Make((root_ / "there/a/b").string()).ok());
    std::ofstream(root_ / "there/a/somebody's").put('x');
  }
  EXPECT_TRUE(fs::exists(root_ / "there/a/somebody's"));
  EXPECT_FALSE(fs::exists(root_ / "there/a/b"));
  {
    CreatedDirectories made(LocalFileSystem());
    ASSERT_TRUE(made.Make("relative/x").ok());
    made.Keep();
  }
  EXPECT_TRUE(fs::is_directory(root_ / "relative/x"));
}

TEST_F(OutputPlaceTest, CreatedDirectoriesFailBelowAFile) {
  std::ofstream(root_ / "file").put('x');
  CreatedDirectories made(LocalFileSystem());
  const Status status = made.Make((root_ / "file/a").string());
  EXPECT_EQ(status.code(), StatusCode::kCannotCreate) << status.message();
}

TEST_F(OutputPlaceTest, PatternsThatWouldMatchTheOutputAreFound) {
  fs::create_directories(root_ / "in/deep");
  fs::create_directory_symlink("in", root_ / "link");
  const auto inside = [this](const std::string& pattern, const std::string& output) {
    return MatchesInside(pattern, (root_ / output).string());
  };
  EXPECT_TRUE(inside("in", "in/out"));
  EXPECT_TRUE(inside("in/", "in/deep/out"));
  EXPECT_TRUE(inside(".", "out"));
  EXPECT_TRUE(inside("link", "in/out"));
  EXPECT_TRUE(inside("in/*", "in/out"));
  EXPECT_TRUE(inside("i?", "in/out"));
  EXPECT_TRUE(inside("in/**", "in/deep/out"));
  EXPECT_TRUE(inside("**/part-*.tsv", "in/out"));
  EXPECT_TRUE(inside("in/out", "in/out"));
  EXPECT_TRUE(inside("in/out/part-00000.tsv", "in/out"));
  EXPECT_TRUE(inside((root_ / "in").string(), "in/out"));
  EXPECT_TRUE(inside("/", "out"));

  EXPECT_FALSE(inside("in", "out"));
  EXPECT_FALSE(inside("in", "inner"));
  EXPECT_FALSE(inside("in/*.tsv", "in/out"));
  EXPECT_FALSE(inside("in/x.tsv", "in/out"));
  EXPECT_FALSE(inside("in", "in/_out"));
  EXPECT_FALSE(inside("in", "in/.hidden/out"));
  EXPECT_FALSE(inside("in/**/x.tsv", "in/out"));
  EXPECT_FALSE(inside("in/deep", "in/out"));
  EXPECT_FALSE(inside("in/*/x", "in/out"));
}

}  // namespace
}  // namespace millrace

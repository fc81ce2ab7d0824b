// SPDX-License-Identifier: Apache-2.0
// The harness sees: what it is to find is found. (The canary of these tests.)
#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

class TestClusterTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    for (const char* tree : {"a", "b"}) {
      for (const char* name : {"part-00000.tsv", "_manifest.json", "deep/_rejects.tsv"})
        Write(std::string(tree) + "/" + name, "the same\n");
    }
  }
  std::string Difference() {
    testing::TestPartResultArray results;
    {
      const testing::ScopedFakeTestPartResultReporter reporter(
          testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
      ExpectSameTree(root_ / "a", root_ / "b");
    }
    std::string text;
    for (int i = 0; i < results.size(); ++i) text += results.GetTestPartResult(i).message();
    return text;
  }
};

TEST_F(TestClusterTest, FindsEachDifferenceOfTwoTrees) {
  EXPECT_EQ(Difference(), "");
  Write("b/deep/_rejects.tsv", "the sane\n");
  EXPECT_THAT(Difference(), testing::HasSubstr("deep/_rejects.tsv differs at byte 6"));
  Write("b/deep/_rejects.tsv", "the same\n");
  Write("b/_manifest.json", "the same\n\n");
  EXPECT_THAT(Difference(), testing::HasSubstr("_manifest.json differs at byte 9"));
  Write("b/_manifest.json", "the same\n");
  Write("a/more", "");
  EXPECT_THAT(Difference(), testing::HasSubstr("more is only in"));
  std::filesystem::remove(root_ / "a/more");
  Write("b/more", "");
  EXPECT_THAT(Difference(), testing::HasSubstr("more is only in"));
  std::filesystem::remove_all(root_ / "b");
  EXPECT_THAT(Difference(), testing::HasSubstr("not both are there"));
}

TEST_F(TestClusterTest, FindsWhatIsLeft) {
  EXPECT_EQ(Strays(), "");
  ClusterProcess stray({.words = {"/bin/sh", "-c", "sleep 60 & echo $!; exec sleep 60"},
                        .directory = root_,
                        .log = Place("logs") / "stray",
                        .environment = {"TMPDIR=" + Place("tmp").string()}});
  AwaitThat("the stray's child", [&] { return stray.out().ends_with("\n"); });
  AwaitThat("both", [&] { return Strays().find("sleep 60") != Strays().rfind("sleep 60"); });
  kill(std::stoi(stray.out()), SIGKILL);
  stray.Kill();
  Write(".out.run/leftover", "x");
  EXPECT_THAT(Strays(), testing::HasSubstr(".out.run"));
  std::filesystem::remove_all(root_ / ".out.run");
  Write(".cluster/spool/worker-1/lock", "x");
  EXPECT_THAT(Strays(), testing::HasSubstr("worker-1"));
  std::filesystem::remove_all(Place("spool"));
  Write(".cluster/tmp/millrace-1/master", "x");
  EXPECT_THAT(Strays(), testing::HasSubstr("millrace-1"));
  std::filesystem::remove_all(Place("tmp"));
}

}  // namespace
}  // namespace millrace

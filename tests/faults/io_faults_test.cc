// SPDX-License-Identifier: Apache-2.0
// Every I/O call of a small run fails once: reading, spilling, merging, writing parts, publishing.

#include <gtest/gtest.h>

#include <string>

#include "mapreduce/base/failpoint.h"
#include "tests/faults/faulty_run.h"

namespace millrace {
namespace {

class IoFaultsTest : public ::testing::Test {
 protected:
  ~IoFaultsTest() override { failpoint::DisarmAll(); }

  // Lets the n-th call fail (with `and_after` all later ones, too) for every n there is.
  static void Sweep(FaultyRun& run, bool and_after, std::uint64_t step) {
    ASSERT_NO_FATAL_FAILURE(run.LearnWhatIsRight());
    const std::size_t open_files = FaultyRun::OpenFiles();
    std::uint64_t failed_count = 0;
    for (std::uint64_t nth = 1;; nth += step) {
      SCOPED_TRACE("call " + std::to_string(nth));
      failpoint::Arm("io", FailpointAction::kError, nth, and_after);
      const Result<RunSummary> summary = run.Run();
      const bool is_beyond = failpoint::HitCount("io") < nth;
      failpoint::DisarmAll();
      failed_count += !summary.ok();
      // One failed call leaves the others to clear up by; a disk that is gone does not.
      run.ExpectSound(summary, /*may_leave_work=*/and_after || summary.ok());
      EXPECT_EQ(FaultyRun::OpenFiles(), open_files);
      if (is_beyond) {
        EXPECT_TRUE(summary.ok());
        break;
      }
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(failed_count, 50 / step);
  }
};

TEST_F(IoFaultsTest, AnyCallOfASpillingSortMayFail) {
  FaultyRun run("sort", /*parallel=*/1, /*memory_bytes=*/60'000);
  for (int i = 0; i < 3; ++i) run.AddLines("s" + std::to_string(i), 70'000, 1 + i);
  Sweep(run, /*and_after=*/false, /*step=*/1);
  EXPECT_GT(run.spilled_bytes(), 300'000u);  // Some of it twice: there was a merge pass.
}

TEST_F(IoFaultsTest, TheDiskMayGoAwayDuringASpillingSort) {
  FaultyRun run("sort", /*parallel=*/1, /*memory_bytes=*/60'000);
  for (int i = 0; i < 3; ++i) run.AddLines("s" + std::to_string(i), 70'000, 1 + i);
  Sweep(run, /*and_after=*/true, /*step=*/3);
}

TEST_F(IoFaultsTest, AnyCallOfACountMayFail) {
  FaultyRun run("wordcount", /*parallel=*/1, /*memory_bytes=*/100'000);
  for (int i = 0; i < 3; ++i) run.AddLines("s" + std::to_string(i), 40'000, 10 + i);
  run.request().compression = Compression::kZstd;
  Sweep(run, /*and_after=*/false, /*step=*/2);
}

// With threads, which call is the n-th is luck; what must hold is not.
TEST_F(IoFaultsTest, AnyCallMayFailUnderThreads) {
  FaultyRun run("sort", /*parallel=*/3, /*memory_bytes=*/200'000);
  for (int i = 0; i < 3; ++i) run.AddLines("s" + std::to_string(i), 70'000, 1 + i);
  Sweep(run, /*and_after=*/false, /*step=*/3);
  Sweep(run, /*and_after=*/true, /*step=*/11);
}

// Each step of publishing fails: the place holds the old output or the new one, whole.
TEST_F(IoFaultsTest, AnyStepOfPublishingMayFail) {
  for (const char* point : {"publish.sync", "publish.rename", "publish.exchange",
                            "publish.sync_parent", "publish.remove_old"}) {
    for (const bool replaces : {false, true}) {
      SCOPED_TRACE(std::string(point) + (replaces ? ", replacing" : ""));
      FaultyRun run("sort", 1, 1 << 20);
      run.AddShard("a", "b\na\n");
      std::map<std::string, std::string> old;
      if (replaces) {
        ASSERT_TRUE(run.Run().ok());
        old = TreeOf(run.place());
        run.AddShard("b", "c\n");
        run.request().force = true;
      }
      failpoint::Arm(point, FailpointAction::kError, 1);
      const Result<RunSummary> summary = run.Run();
      const bool was_hit = failpoint::HitCount(point) > 0;
      failpoint::DisarmAll();
      EXPECT_TRUE(was_hit || summary.ok());
      const std::map<std::string, std::string> tree = TreeOf(run.place());
      ASSERT_TRUE(run.Run().ok());
      const std::map<std::string, std::string> right = TreeOf(run.place());
      EXPECT_TRUE(tree == old || tree == right || summary.ok()) << "neither old nor new";
      EXPECT_EQ(right.count("out/_manifest.json"), 1u);
      for (const auto& [name, bytes] : right) EXPECT_TRUE(name.starts_with("out")) << name;
    }
  }
}

}  // namespace
}  // namespace millrace

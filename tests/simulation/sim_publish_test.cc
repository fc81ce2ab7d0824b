// SPDX-License-Identifier: Apache-2.0
// A publication that dies at any of its steps, on a simulated disk: old or new, never a mixture.

#include <gmock/gmock.h>

#include "mapreduce/io/publish.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_disk_test_tools.h"

namespace millrace {
namespace {

using testing::IsEmpty;

const FilesByPath kOld = {{"/out/part-0", "old"}, {"/out/gone/part-1", "old"}};
const FilesByPath kNew = {{"/out/part-0", "new"}, {"/out/sub/part-1", "new"}};

// The old tree is published and durable, the new one is written.
void Stage(SimFileSystem& files) {
  Must(files.MakeDirectories("/out/gone"));
  for (const auto& [path, bytes] : kOld) Put(files, path, bytes);
  Must(files.MakeDirectory("/beside"));
  Must(files.SyncTree("/"));
  Must(files.MakeDirectories("/beside/staged/sub"));
  Put(files, "/beside/staged/part-0", "new");
  Put(files, "/beside/staged/sub/part-1", "new");
}

struct PublishCrash {
  bool can_exchange;
  bool is_power_cut;    // Else the process is killed.
  bool has_second_cut;  // A power cut right after the recovery.
};

// A crash at any step leaves the old or the new tree, once RecoverPublish has run.
void ExpectPublishIsAtomic(const PublishCrash& crash, std::uint64_t seed) {
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(nth));
    Random random(seed * 1000 + nth);
    SimDisk disk(random);
    disk.set_faults({.can_exchange = crash.can_exchange});
    SimFileSystem files(disk, 0);
    Stage(files);
    disk.SetCrashAt(0, nth, CrashPoint::kEither);
    const Status status =
        PublishDirectory(files, "/beside/staged", "/out", /*replace=*/true, "/retired");
    const bool has_crashed = disk.IsDead(0);
    EXPECT_EQ(status.ok(), !has_crashed) << status.message();
    for (int cut = 0; cut <= crash.has_second_cut; ++cut) {
      if (crash.is_power_cut || cut == 1) {
        disk.CrashMachine({0});
      } else {
        disk.KillProcess(0);
      }
      disk.Revive(0);
      SimFileSystem recovered(disk, 0);
      Must(RecoverPublish(recovered, "/out", "/retired"));
      const FilesByPath left = disk.Files("/out");
      ASSERT_TRUE(left == kNew || (left == kOld && has_crashed))
          << "exchange " << crash.can_exchange << ", power cut " << crash.is_power_cut << ": "
          << testing::PrintToString(left);
      ASSERT_THAT(disk.Paths("/retired"), IsEmpty());
    }
    if (!has_crashed) {
      EXPECT_GT(nth, 10u);
      break;
    }
  }
}

void ExpectPublishIsAtomic(bool has_second_cut) {
  for (std::uint64_t seed = 0; seed < 40 && !testing::Test::HasFailure(); ++seed) {
    for (const bool can_exchange : {true, false}) {
      for (const bool is_power_cut : {true, false}) {
        ExpectPublishIsAtomic({can_exchange, is_power_cut, has_second_cut}, seed);
      }
    }
  }
}

TEST(SimDiskTest, PublishIsAtomicAtEachStep) { ExpectPublishIsAtomic(/*has_second_cut=*/false); }

// What the recovery removes must not be what a power cut would bring back.
TEST(SimDiskTest, RecoveredPublishSurvivesAPowerCut) {
  ExpectPublishIsAtomic(/*has_second_cut=*/true);
}

// The proof that the tests above could fail: each sync that a publication leaves out is seen.
TEST(SimDiskTest, PublishWithoutASyncIsSeen) {
  for (const std::string left_out : {"the tree", "the parent"}) {
    int broken_count = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Random random(seed);
      SimDisk disk(random);
      SimFileSystem files(disk, 0);
      Stage(files);
      if (left_out != "the tree") Must(files.SyncTree("/beside/staged"));
      Must(files.Exchange("/beside/staged", "/out"));
      if (left_out != "the parent") Must(files.SyncDirectory("/"));
      disk.CrashMachine({0});
      broken_count += disk.Files("/out") != kNew;
    }
    EXPECT_GT(broken_count, 10) << left_out;
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/run_output.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/base/random.h"
#include "mapreduce/engine/attempt_directory.h"
#include "tests/simulation/sim_disk.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kOut[] = "/data/out";
constexpr int kMaster = 0, kWorker = 1, kOldMaster = 2;

AttemptId Attempt(std::uint32_t task, std::uint32_t number = 1) {
  return {{{JobRunId{1}, 1}, task}, number};
}
const OutputOwner kOwner = {"m1", "run-1"};
const std::vector<PublishedPart> kParts = {{Attempt(0), "part-0", 3}, {Attempt(1), "part-1", 5}};
const std::vector<PublishedFile> kLast = {{"manifest", "of this run"}, {"_SUCCESS", ""}};

// A disk that the master shares with a worker, and what lies on it.
class RunOutputTest : public ::testing::Test {
 protected:
  RunOutputTest() {
    EXPECT_TRUE(master_.MakeDirectories("/data").ok());
    EXPECT_TRUE(master_.SyncDirectory("/").ok());
  }

  // As a worker does: durable before it reports, and in a folder without parents.
  Status WritePart(const AttemptId& attempt, const std::string& name, const std::string& bytes) {
    const std::string folder = AttemptDirectory(kOut, attempt);
    MR_RETURN_IF_ERROR(worker_.MakeDirectory(folder));
    MR_ASSIGN_OR_RETURN(const auto file, worker_.Create(JoinPath(folder, name)));
    MR_RETURN_IF_ERROR(file->Append(bytes));
    MR_RETURN_IF_ERROR(file->Sync());
    MR_RETURN_IF_ERROR(file->Close());
    MR_RETURN_IF_ERROR(worker_.SyncDirectory(folder));
    return worker_.SyncDirectory(ParentPath(folder));
  }
  void WriteFile(const std::string& path, const std::string& bytes) {
    const auto file = master_.Create(path);
    ASSERT_TRUE(file.ok() && (*file)->Append(bytes).ok() && (*file)->Close().ok());
  }
  // Two committed parts, and what an attempt left that came second.
  void WriteParts() {
    ASSERT_TRUE(PrepareOutput(master_, kOut, kOwner).ok());
    ASSERT_TRUE(WritePart(Attempt(0), "part-0", "abc").ok());
    ASSERT_TRUE(WritePart(Attempt(1), "part-1", "defgh").ok());
    ASSERT_TRUE(WritePart(Attempt(1, 2), "part-1", "defgh").ok());
  }
  static auto IsTheOutput() {
    return UnorderedElementsAre(Pair("/data/out/part-0", "abc"), Pair("/data/out/part-1", "defgh"),
                                Pair("/data/out/manifest", "of this run"),
                                Pair("/data/out/_SUCCESS", ""));
  }

  Random random_{7};
  SimDisk disk_{random_};
  SimFileSystem master_{disk_, kMaster}, worker_{disk_, kWorker};
};

TEST_F(RunOutputTest, NamesTheFolderBesideTheOutput) {
  EXPECT_EQ(RunWorkDirectory("/data/out"), "/data/.out.run");
  EXPECT_EQ(AttemptDirectory("/data/out", Attempt(7, 2)), "/data/.out.run/attempts/1-1-7-2");
}

TEST_F(RunOutputTest, PublishesWhatWasCommittedAndNothingElse) {
  WriteParts();
  const Status status = PublishOutput(master_, kOut, kParts, kLast, false);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_THAT(disk_.Files(kOut), IsTheOutput());
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_THAT(disk_.Files("/"), IsTheOutput());
}

TEST_F(RunOutputTest, IsDurableWhenItReturns) {
  WriteParts();
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  EXPECT_THAT(disk_.DurableFiles(kOut), IsTheOutput());
}

TEST_F(RunOutputTest, ShowsNothingUnderTheOutputsNameBefore) {
  WriteParts();
  disk_.SetCrashAt(kMaster, 9, CrashPoint::kBefore);
  EXPECT_FALSE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  EXPECT_THAT(disk_.Files(kOut), IsEmpty());
}

TEST_F(RunOutputTest, MayBeDoneAgain) {
  WriteParts();
  ASSERT_TRUE(PrepareOutput(master_, kOut, kOwner).ok());
  for (int time = 0; time < 2; ++time)
    ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  for (int time = 0; time < 2; ++time) ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_THAT(disk_.Files("/"), IsTheOutput());
}

// Killed, or without power, at each change of the disk in turn.
TEST(RunOutputCrashTest, GoesOnAfterACrashAtAnyStep) {
  for (const bool is_power_cut : {false, true}) {
    std::uint64_t step = 1;
    for (bool has_crashed = true; has_crashed; ++step) {
      ASSERT_LT(step, 1'000u);
      SCOPED_TRACE((is_power_cut ? "power cut at change " : "killed at change ") +
                   std::to_string(step));
      Random random(step);
      SimDisk disk(random);
      const auto write_part = [&](const AttemptId& attempt, const std::string& bytes) {
        SimFileSystem files(disk, kWorker);
        const std::string folder = AttemptDirectory(kOut, attempt);
        ASSERT_TRUE(files.MakeDirectories(folder).ok());
        const auto file = files.Create(folder + "/part-" + std::to_string(attempt.task.index));
        ASSERT_TRUE(file.ok() && (*file)->Append(bytes).ok() && (*file)->Close().ok());
        ASSERT_TRUE(files.SyncTree("/").ok());
      };
      {
        SimFileSystem files(disk, kMaster);
        ASSERT_TRUE(files.MakeDirectories("/data").ok() && files.SyncTree("/").ok());
        ASSERT_TRUE(PrepareOutput(files, kOut, kOwner).ok());
        write_part(Attempt(0), "abc");
        write_part(Attempt(1), "defgh");
        disk.SetCrashAt(kMaster, step, CrashPoint::kEither);
        has_crashed = !PublishOutput(files, kOut, kParts, kLast, false).ok();
        if (!has_crashed) has_crashed = !CleanOutput(files, kOut, kOwner.master).ok();
      }
      if (has_crashed) {
        if (is_power_cut) disk.CrashMachine({kMaster});
        disk.Revive(kMaster);
      } else {
        disk.SetCrashAt(kMaster, 0, CrashPoint::kBefore);
      }
      SimFileSystem files(disk, kMaster);
      const Status published = PublishOutput(files, kOut, kParts, kLast, false);
      ASSERT_TRUE(published.ok()) << published.message();
      ASSERT_TRUE(CleanOutput(files, kOut, kOwner.master).ok());
      EXPECT_THAT(disk.Files("/"), UnorderedElementsAre(Pair("/data/out/part-0", "abc"),
                                                        Pair("/data/out/part-1", "defgh"),
                                                        Pair("/data/out/manifest", "of this run"),
                                                        Pair("/data/out/_SUCCESS", "")));
    }
    EXPECT_GT(step, 15u);  // There were that many to crash at.
  }
}

TEST(RunOutputCrashTest, PreparesAfterACrashAtAnyStep) {
  std::uint64_t step = 1;
  for (bool has_crashed = true; has_crashed; ++step) {
    SCOPED_TRACE("power cut at change " + std::to_string(step));
    Random random(step);
    SimDisk disk(random);
    SimFileSystem files(disk, kMaster);
    ASSERT_TRUE(files.MakeDirectories("/data").ok() && files.SyncTree("/").ok());
    disk.SetCrashAt(kMaster, step, CrashPoint::kEither);
    has_crashed = !PrepareOutput(files, kOut, kOwner).ok();
    if (!has_crashed) break;
    disk.CrashMachine({kMaster});
    disk.Revive(kMaster);
    SimFileSystem next(disk, kMaster);
    const Status status = PrepareOutput(next, kOut, kOwner);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(CleanOutput(next, kOut, kOwner.master).ok());
    EXPECT_THAT(disk.Paths("/"), ::testing::ElementsAre("/data/"));
  }
  EXPECT_GT(step, 5u);
}

TEST_F(RunOutputTest, RefusesAnOutputOfSomebodyElse) {
  WriteParts();
  ASSERT_TRUE(master_.MakeDirectory(kOut).ok());
  WriteFile("/data/out/manifest", "of another run");
  const Status status = PublishOutput(master_, kOut, kParts, kLast, false);
  EXPECT_EQ(status.code(), StatusCode::kCannotCreate);
  EXPECT_THAT(
      status.message(),
      HasSubstr("/data/out exists, and is not this run's: another one wrote it meanwhile; run"));
  EXPECT_THAT(disk_.Files(kOut),
              UnorderedElementsAre(Pair("/data/out/manifest", "of another run")));
}

TEST_F(RunOutputTest, RefusesAnEmptyFolderInTheWay) {
  WriteParts();
  ASSERT_TRUE(master_.MakeDirectory(kOut).ok());
  EXPECT_EQ(PublishOutput(master_, kOut, kParts, kLast, false).code(), StatusCode::kCannotCreate);
}

TEST_F(RunOutputTest, SaysWhichPartIsMissing) {
  WriteParts();
  ASSERT_TRUE(worker_.RemoveTree(AttemptDirectory(kOut, Attempt(1))).ok());
  const Status status = PublishOutput(master_, kOut, kParts, kLast, false);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("/data/.out.run/attempts/1-1-1-1/part-1"));
  EXPECT_THAT(disk_.Files(kOut), IsEmpty());
}

TEST_F(RunOutputTest, SaysWhichPartHasAnotherLength) {
  WriteParts();
  std::vector<PublishedPart> parts = kParts;
  parts[1].bytes = 6;
  const Status status = PublishOutput(master_, kOut, parts, kLast, false);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("5 bytes long, not 6 as committed"));
}

TEST_F(RunOutputTest, MovesWhatWasMadeBesideTheOutput) {
  const auto make = [&] {
    ASSERT_TRUE(master_.RemoveTree(RunRejectsPath(kOut)).ok());
    const auto file = master_.Create(RunRejectsPath(kOut));
    ASSERT_TRUE(file.ok() && (*file)->Append("rows").ok() && (*file)->Sync().ok());
  };
  WriteParts();
  make();
  std::vector<PublishedFile> last = kLast;
  last.push_back({"_rejects", "", RunRejectsPath(kOut)});
  std::vector<PublishedPart> parts = kParts;
  parts[1].bytes = 6;
  EXPECT_FALSE(PublishOutput(master_, kOut, parts, last, false).ok());
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, last, false).ok());
  EXPECT_EQ(disk_.Files(kOut)["/data/out/_rejects"], "rows");
  make();  // As a master does that doesn't know of it.
  EXPECT_TRUE(PublishOutput(master_, kOut, kParts, last, false).ok());
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_FALSE(master_.Stat(RunRejectsPath(kOut)).ok());
}

// An old master that does not know that it is one does the same a moment earlier.
TEST_F(RunOutputTest, AgreesWithAnotherMasterThatPublishesTheSame) {
  WriteParts();
  SimFileSystem old_master(disk_, kOldMaster);
  ASSERT_TRUE(PublishOutput(old_master, kOut, kParts, kLast, false).ok());
  EXPECT_TRUE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  EXPECT_THAT(disk_.Files(kOut), IsTheOutput());
}

TEST_F(RunOutputTest, LeavesAWorkerThatWakesUpLateNoPlaceToWrite) {
  WriteParts();
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_FALSE(WritePart(Attempt(0, 9), "part-0", "abc").ok());
  EXPECT_THAT(disk_.Files("/"), IsTheOutput());
}

TEST_F(RunOutputTest, CleansARunThatHasNotPublished) {
  WriteParts();
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_THAT(disk_.Paths("/data"), IsEmpty());
}

TEST_F(RunOutputTest, RemovesNoFolderWithoutMarker) {
  ASSERT_TRUE(master_.MakeDirectories("/data/.out.run/mine").ok());
  EXPECT_EQ(CleanOutput(master_, kOut, kOwner.master).code(), StatusCode::kCannotCreate);
  EXPECT_THAT(disk_.Paths("/data"),
              UnorderedElementsAre("/data/.out.run/", "/data/.out.run/mine/"));
}

TEST_F(RunOutputTest, NeverTouchesTheOutputWhenItCleans) {
  ASSERT_TRUE(master_.MakeDirectory(kOut).ok());
  WriteFile("/data/out/precious", "bytes");
  ASSERT_TRUE(PrepareOutput(master_, kOut, kOwner).ok());
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_THAT(disk_.Files("/data"), UnorderedElementsAre(Pair("/data/out/precious", "bytes")));
}

// ---- Replacing

TEST_F(RunOutputTest, ReplacesWhatIsThereThoughItsManifestIsTheSame) {
  WriteParts();
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, false).ok());
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  ASSERT_TRUE(master_.RemoveFile("/data/out/part-1").ok());  // Damage.
  WriteParts();
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, true).ok());
  EXPECT_THAT(disk_.Files(kOut), IsTheOutput());
  ASSERT_TRUE(PublishOutput(master_, kOut, kParts, kLast, true).ok()) << "it is there already";
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_THAT(disk_.Files(kOut), IsTheOutput());
  EXPECT_FALSE(master_.Stat("/data/.out.run").ok());
}

TEST_F(RunOutputTest, LeavesAFolderAloneThatIsNotOfARun) {
  ASSERT_TRUE(master_.MakeDirectories("/data/.out.run").ok());
  WriteFile("/data/.out.run/mine", "precious");
  EXPECT_EQ(PrepareOutput(master_, kOut, kOwner).code(), StatusCode::kCannotCreate);
  EXPECT_FALSE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_TRUE(master_.Stat("/data/.out.run/mine").ok());
}

TEST_F(RunOutputTest, LeavesTheFolderOfAnotherMasterAlone) {
  ASSERT_TRUE(PrepareOutput(master_, kOut, {"m2", "run-9"}).ok());
  EXPECT_EQ(PrepareOutput(master_, kOut, kOwner).code(), StatusCode::kUnavailable);
  ASSERT_TRUE(CleanOutput(master_, kOut, kOwner.master).ok());
  EXPECT_TRUE(master_.Stat("/data/.out.run/marker").ok());
}

TEST_F(RunOutputTest, TakesOverWhatAnEarlierRunOfThisMasterHasLeft) {
  ASSERT_TRUE(PrepareOutput(master_, kOut, {"m1", "run-0"}).ok());
  ASSERT_TRUE(WritePart(Attempt(5), "part-5", "old").ok());
  ASSERT_TRUE(PrepareOutput(master_, kOut, kOwner).ok());
  EXPECT_FALSE(master_.Stat(AttemptDirectory(kOut, Attempt(5))).ok());
}

}  // namespace
}  // namespace millrace

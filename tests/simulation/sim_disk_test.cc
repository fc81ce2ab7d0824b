// SPDX-License-Identifier: Apache-2.0
// Chance, processes that die, handles and faults. What a power cut leaves: sim_power_cut_test.cc.

#include "tests/simulation/sim_disk.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <set>

#include "tests/simulation/random_file_calls.h"
#include "tests/simulation/sim_disk_test_tools.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST(SimDiskTest, SameSeedSameHistory) {
  const auto history = [](std::uint64_t seed) {
    Random random(seed);
    SimDisk disk(random);
    disk.set_faults({.read_error = 300, .write_error = 300, .full = 300, .sync_error = 300});
    std::string answers;
    for (int life = 0; life < 5; ++life) {
      SimFileSystem files(disk, 0);
      RandomCalls calls(files, "", seed + life);
      for (int call = 0; call < 100; ++call) answers += calls.Next() + '\n';
      disk.CrashMachine({0});
      disk.Revive(0);
      for (const auto& [path, bytes] : disk.Files()) answers += path + '=' + bytes + '\n';
    }
    return answers;
  };
  EXPECT_EQ(history(1), history(1));
  EXPECT_NE(history(1), history(2));
}

TEST(SimDiskTest, KilledProcessLosesItsHandlesAndNothingElse) {
  Random random(1);
  SimDisk disk(random);
  SimFileSystem files(disk, 3);
  const auto writer = Put(files, "/a", "bytes");
  auto reader = *files.OpenForRead("/a");
  EXPECT_EQ(disk.OpenHandleCount(3), 2);
  disk.KillProcess(3);
  EXPECT_EQ(disk.OpenHandleCount(3), 0);
  EXPECT_EQ(disk.Contents("/a"), "bytes");
  disk.Revive(3);
  EXPECT_EQ(writer->Append("x").code(), StatusCode::kUnavailable);
  EXPECT_EQ(writer->Sync().code(), StatusCode::kUnavailable);
  EXPECT_EQ(writer->Close().code(), StatusCode::kUnavailable);
  StatusCode code;
  ReadAll(*reader, &code);
  EXPECT_EQ(code, StatusCode::kUnavailable);
  EXPECT_EQ(reader->Stat().error().code(), StatusCode::kUnavailable);
  const Status status = files.RemoveTree("/a");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("/a: the process is dead"));
  SimFileSystem next_life(disk, 3);
  const auto next_reader = next_life.OpenForRead("/a");
  EXPECT_TRUE(next_reader.ok());
  reader.reset();  // Of the last life: counted no more.
  EXPECT_EQ(disk.OpenHandleCount(3), 1);
}

TEST(SimDiskTest, OpenHandlesAreCountedUntilTheyAreClosed) {
  Random random(1);
  SimDisk disk(random);
  SimFileSystem files(disk, 0);
  auto writer = Put(files, "/a", "12345");
  auto reader = *files.OpenForRead("/a");
  Must(files.RemoveFile("/a"));
  EXPECT_EQ(disk.total_bytes(), 5u);  // They hold it.
  Must(writer->Close());
  EXPECT_EQ(disk.OpenHandleCount(0), 1);
  StatusCode code;
  EXPECT_EQ(ReadAll(*reader, &code), "12345");
  reader.reset();
  writer.reset();
  EXPECT_EQ(disk.OpenHandleCount(0), 0);
  EXPECT_EQ(disk.total_bytes(), 0u);
}

// Each change of a client is a step at which it can die, before it or after it.
TEST(SimDiskTest, CrashesAtEachStep) {
  const auto run = [](FileSystem& files) {
    Status status = files.MakeDirectories("/d/e");  // Two changes,
    status.Update(files.Create("/d/a").error());    // then one each
    status.Update(files.Rename("/d/a", "/d/b"));    //
    status.Update(files.Exchange("/d/b", "/d/e"));  //
    status.Update(files.SyncDirectory("/d"));       //
    status.Update(files.SyncTree("/"));             // b, d, e, and the root.
    status.Update(files.RemoveTree("/d"));          // b, e, d.
    return status;
  };
  const std::vector<std::vector<std::string>> states = {
      {},
      {"/d/"},
      {"/d/", "/d/e/"},
      {"/d/", "/d/a", "/d/e/"},
      {"/d/", "/d/b", "/d/e/"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/b/", "/d/e"},
      {"/d/", "/d/e"},
      {"/d/"},
      {},
  };
  for (std::size_t nth = 1; nth <= states.size(); ++nth) {
    for (const CrashPoint point : {CrashPoint::kBefore, CrashPoint::kAfter}) {
      Random random(nth);
      SimDisk disk(random);
      SimFileSystem files(disk, 0);
      disk.SetCrashAt(0, nth, point);
      const Status status = run(files);
      const bool has_end = nth == states.size();
      EXPECT_EQ(status.code(), has_end ? StatusCode::kOk : StatusCode::kUnavailable);
      EXPECT_EQ(disk.IsDead(0), !has_end);
      EXPECT_EQ(disk.MutatingOpCount(0), std::min(nth, states.size() - 1));
      if (has_end) break;
      EXPECT_EQ(disk.Paths(), states[point == CrashPoint::kBefore ? nth - 1 : nth]) << nth;
    }
  }
}

TEST(SimDiskTest, CrashAtAnAppendLeavesNothingAPartOrAll) {
  std::set<std::string> left;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    SimDisk disk(random);
    SimFileSystem files(disk, 0);
    const auto file = Put(files, "/a", "");
    disk.SetCrashAt(0, 1, CrashPoint::kEither);
    EXPECT_EQ(file->Append("xyz").code(), StatusCode::kUnavailable);
    left.insert(*disk.Contents("/a"));
  }
  EXPECT_THAT(left, UnorderedElementsAre("", "x", "xy", "xyz"));
}

TEST(SimDiskTest, FaultsHaveTheCodesOfTheirCalls) {
  Random random(1);
  SimDisk disk(random);
  SimFileSystem files(disk, 0);
  Put(files, "/a", "bytes");
  const auto reader = *files.OpenForRead("/a");
  const auto writer = Put(files, "/b", "bytes");

  disk.set_faults({.read_error = 10'000});
  StatusCode code;
  ReadAll(*reader, &code);
  EXPECT_EQ(code, StatusCode::kBadData);
  EXPECT_EQ(files.Stat("/a").error().code(), StatusCode::kBadData);
  EXPECT_EQ(files.Stat("/z").error().code(), StatusCode::kNotFound);

  disk.set_faults({.name_error = 10'000});
  EXPECT_EQ(files.Rename("/a", "/c").code(), StatusCode::kResourceLimit);
  EXPECT_EQ(files.RemoveFile("/a").code(), StatusCode::kResourceLimit);
  EXPECT_EQ(files.Create("/c").error().code(), StatusCode::kResourceLimit);
  EXPECT_THAT(disk.Paths(), ElementsAre("/a", "/b"));

  disk.set_faults({.full = 10'000});
  EXPECT_EQ(files.MakeDirectory("/c").code(), StatusCode::kResourceLimit);
  disk.set_faults({.write_error = 10'000});
  static_cast<void>(writer->Append("more"));  // Told now or later,
  disk.set_faults({});
  EXPECT_EQ(writer->Append("more").code(), StatusCode::kResourceLimit);  // and for ever.
  EXPECT_EQ(writer->Sync().code(), StatusCode::kResourceLimit);
  EXPECT_EQ(writer->Close().code(), StatusCode::kResourceLimit);
}

TEST(SimDiskTest, FullDiskTakesWhatFits) {
  Random random(1);
  SimDisk disk(random);
  disk.set_faults({.capacity_bytes = 100});
  SimFileSystem files(disk, 0);
  Must(Put(files, "/a", std::string(60, 'a'))->Close());
  const auto writer = *files.Create("/b");
  static_cast<void>(writer->Append(std::string(60, 'b')));
  EXPECT_EQ(writer->Close().code(), StatusCode::kResourceLimit);
  EXPECT_EQ(disk.total_bytes(), 100u);
  Must(files.RemoveFile("/a"));
  EXPECT_EQ(disk.total_bytes(), 40u);
  Must(Put(files, "/c", std::string(60, 'c'))->Close());
}

TEST(SimDiskTest, ReadBitFlipsPassStoredOnesStay) {
  Random random(1);
  SimDisk disk(random);
  SimFileSystem files(disk, 0);
  const std::string bytes(100, 'x');
  PutSynced(files, "/spool-a", bytes);
  PutSynced(files, "/other", bytes);
  const auto reader = *files.OpenForRead("/spool-a");
  StatusCode code;
  disk.set_faults({.read_bit_flip = 10'000});
  EXPECT_NE(ReadAll(*reader, &code), bytes);
  EXPECT_EQ(code, StatusCode::kOk);
  disk.set_faults({});
  EXPECT_EQ(ReadAll(*reader, &code), bytes);

  EXPECT_EQ(disk.FlipStoredBit("spool"), "/spool-a");
  EXPECT_EQ(disk.FlipStoredBit("no such"), std::nullopt);
  const std::string flipped = ReadAll(*reader, &code);
  int bits = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bits += std::popcount(static_cast<unsigned char>(flipped[i] ^ bytes[i]));
  }
  EXPECT_EQ(bits, 1);
  EXPECT_EQ(disk.Contents("/other"), bytes);
}

}  // namespace
}  // namespace millrace

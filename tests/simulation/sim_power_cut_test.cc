// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves of names and bytes, and what a sync saves.

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "tests/simulation/random_file_calls.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_disk_test_tools.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Runs `before` on a fresh disk, cuts the power of client 0, and collects what the files are then,
// over many seeds.
std::set<FilesByPath> Outcomes(const std::function<void(SimDisk&, SimFileSystem&)>& before) {
  std::set<FilesByPath> outcomes;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    SimDisk disk(random);
    SimFileSystem files(disk, 0);
    before(disk, files);
    disk.CrashMachine({0});
    outcomes.insert(disk.Files());
  }
  return outcomes;
}

// After a power cut of all, the live image is the durable one; what was synced before is unchanged.
TEST(SimDiskTest, PowerCutsLeaveAConsistentTree) {
  std::size_t lost_count = 0;
  for (std::uint64_t seed = 0; seed < 3 * kSeeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SimDisk disk(random);
    for (int life = 0; life < 4; ++life) {
      {
        SimFileSystem one(disk, 1);
        SimFileSystem two(disk, 2);
        RandomCalls calls_of_one(one, "", seed * 8 + life);
        RandomCalls calls_of_two(two, "", seed * 8 + life + 4);
        for (int call = 0; call < 40; ++call) {
          calls_of_one.Next();
          calls_of_two.Next();
        }
        if (random.Uniform(3) == 0) {
          Must(one.SyncTree("/"));
          const std::vector<std::string> synced = disk.Paths();
          disk.CrashMachine({1, 2});
          EXPECT_EQ(disk.Paths(), synced);
        }
        const std::size_t count = disk.Files().size();
        if (random.Uniform(2) == 0) disk.CrashMachine({1});
        disk.CrashMachine({1, 2});
        lost_count += disk.Files().size() < count;
        EXPECT_EQ(disk.OpenHandleCount(1), 0);
      }
      EXPECT_EQ(disk.Files(), disk.DurableFiles());
      std::uint64_t bytes = 0;
      for (const auto& [path, content] : disk.Files()) bytes += content.size();
      EXPECT_EQ(disk.total_bytes(), bytes);
      disk.Revive(1);
      disk.Revive(2);
    }
  }
  EXPECT_GT(lost_count, kSeeds / 2);
}

// A rename and its like keep what they move: with the data synced and the first names durable,
// whatever moves without syncs, each file is left once, whole.
TEST(SimDiskTest, MovesLoseNothing) {
  for (std::uint64_t seed = 0; seed < 3 * kSeeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SimDisk disk(random);
    SimFileSystem files(disk, 0);
    const auto path = [&] {
      std::string text;
      for (std::uint64_t depth = 1 + random.Uniform(2); depth > 0; --depth) {
        text += std::string("/") + "abcd"[random.Uniform(4)];
      }
      return text;
    };
    std::multiset<std::string> contents;
    for (const std::string name : {"/a", "/a/b", "/c", "/c/d"}) {
      Must(files.MakeDirectory(name));
      PutSynced(files, name + "/file", name);
      contents.insert(name);
    }
    Must(files.SyncTree("/"));
    for (int call = 0; call < 30; ++call) {
      switch (random.Uniform(8)) {
        case 0:
          static_cast<void>(files.MakeDirectory(path()));
          break;
        case 1:
          static_cast<void>(files.SyncDirectory(path()));
          break;
        case 2:
          static_cast<void>(files.Exchange(path(), path() + "/file"));
          break;
        case 3:
          static_cast<void>(files.Exchange(path(), path()));
          break;
        case 4: {  // Replaces at most an empty directory.
          const std::string to = path();
          const Result<FileInfo> info = files.Stat(to);
          if (!info.ok() || info->is_directory) static_cast<void>(files.Rename(path(), to));
          break;
        }
        default: {  // Out of a directory, which goes if it is empty then.
          const std::string from = path();
          static_cast<void>(files.RenameNoReplace(from + "/file", path() + "/file"));
          if (const auto infos = files.List(from); infos.ok() && infos->empty()) {
            Must(files.RemoveTree(from));
          }
        }
      }
    }
    std::multiset<std::string> left;
    disk.CrashMachine({0});
    for (const auto& [name, content] : disk.Files()) left.insert(content);
    EXPECT_EQ(left, contents);
  }
}

TEST(SimDiskTest, UnsyncedBytesAreLostKeptTornOrShorter) {
  const std::string bytes(5 * 512 + 100, 'x');
  std::set<std::string> kinds;
  for (const FilesByPath& outcome : Outcomes([&](SimDisk&, SimFileSystem& files) {
         Put(files, "a", bytes);
         Must(files.SyncDirectory("."));
       })) {
    ASSERT_TRUE(outcome.contains("/a"));
    const std::string& left = outcome.at("/a");
    const bool is_torn = left.find('\0') != std::string::npos;
    kinds.insert(left.empty() ? "lost" : left == bytes ? "kept" : is_torn ? "torn" : "shorter");
    for (std::size_t begin = 0; begin < left.size(); begin += 512) {  // A sector is whole.
      const std::string sector = left.substr(begin, 512);
      EXPECT_EQ(sector, std::string(sector.size(), sector[0]));
    }
  }
  EXPECT_THAT(kinds, UnorderedElementsAre("lost", "kept", "torn", "shorter"));
}

// Only what follows the last sync is in danger, also within a sector.
TEST(SimDiskTest, SyncedBytesUnderASyncedNameSurvive) {
  std::set<std::size_t> sizes;
  for (const FilesByPath& outcome : Outcomes([](SimDisk&disk, SimFileSystem&files) {
         const auto file = Put(files, "a", std::string(700, 's'));
         Must(file->Sync());
         Must(files.SyncDirectory("/"));
         EXPECT_EQ(disk.DurableFiles(), (FilesByPath{{"/a", std::string(700, 's')}}));
         Must(file->Append(std::string(700, 'u')));
       })) {
    ASSERT_TRUE(outcome.contains("/a"));
    EXPECT_EQ(outcome.at("/a").substr(0, 700), std::string(700, 's'));
    sizes.insert(outcome.at("/a").size());
  }
  EXPECT_TRUE(sizes.contains(700) && sizes.contains(1400));
}

TEST(SimDiskTest, SyncedBytesUnderAnUnsyncedNameMayVanish) {
  EXPECT_THAT(Outcomes([](SimDisk&, SimFileSystem& files) { PutSynced(files, "/a", "synced"); }),
              UnorderedElementsAre(FilesByPath{}, FilesByPath{{"/a", "synced"}}));
}

// A directory's sync does not save its own name.
TEST(SimDiskTest, SyncedDirectoryMayVanishWithAllInIt) {
  EXPECT_THAT(Outcomes([](SimDisk&, SimFileSystem& files) {
                Must(files.MakeDirectory("/d"));
                PutSynced(files, "/d/a", "synced");
                Must(files.SyncTree("/d"));
              }),
              UnorderedElementsAre(FilesByPath{}, FilesByPath{{"/d/a", "synced"}}));
}

TEST(SimDiskTest, RenameIsAtomic) {
  EXPECT_THAT(Outcomes([](SimDisk&, SimFileSystem& files) {
                Must(files.MakeDirectories("/from"));
                Must(files.MakeDirectories("/to"));
                PutSynced(files, "/from/a", "new");
                PutSynced(files, "/to/b", "old");
                Must(files.SyncTree("/"));
                Must(files.Rename("/from/a", "/to/b"));
              }),
              UnorderedElementsAre(FilesByPath{{"/from/a", "new"}, {"/to/b", "old"}},
                                   FilesByPath{{"/to/b", "new"}}));
}

// Either directory's sync saves it, with what it needs: the file's first name.
TEST(SimDiskTest, SyncOfOneDirectorySavesARenameInBoth) {
  for (const std::string synced : {"/from", "/to"}) {
    EXPECT_THAT(Outcomes([&](SimDisk&, SimFileSystem& files) {
                  Must(files.MakeDirectory("/from"));
                  Must(files.MakeDirectory("/to"));
                  Must(files.SyncDirectory("/"));
                  PutSynced(files, "/from/a", "bytes");
                  Must(files.Rename("/from/a", "/to/a"));
                  Must(files.SyncDirectory(synced));
                }),
                ElementsAre(FilesByPath{{"/to/a", "bytes"}}));
  }
}

TEST(SimDiskTest, ChangesOfOneNameKeepTheirOrderOthersDoNot) {
  EXPECT_THAT(
      Outcomes([](SimDisk&, SimFileSystem& files) {
        PutSynced(files, "/a", "1");
        Must(files.Rename("/a", "/b"));
        PutSynced(files, "/a", "2");
      }),
      UnorderedElementsAre(FilesByPath{}, FilesByPath{{"/a", "1"}}, FilesByPath{{"/b", "1"}},
                           FilesByPath{{"/a", "2"}, {"/b", "1"}}));
  EXPECT_THAT(
      Outcomes([](SimDisk&, SimFileSystem& files) {
        PutSynced(files, "/a", "1");
        PutSynced(files, "/b", "2");
      }),
      UnorderedElementsAre(FilesByPath{}, FilesByPath{{"/a", "1"}}, FilesByPath{{"/b", "2"}},
                           FilesByPath{{"/a", "1"}, {"/b", "2"}}));
}

// Who tries a failed sync again and believes it loses the bytes, though all could be read.
TEST(SimDiskTest, SyncAfterAFailedSyncSavesNothing) {
  const std::string bytes(2000, 'x');
  const auto write = [&](SimDisk& disk, SimFileSystem& files) {
    const auto file = Put(files, "/a", bytes);
    Must(files.SyncDirectory("/"));
    disk.set_faults({.sync_error = 10'000});
    const Status status = file->Sync();
    EXPECT_EQ(status.code(), StatusCode::kResourceLimit);
    EXPECT_THAT(status.message(), HasSubstr("/a"));
    disk.set_faults({});
    Must(file->Sync());
    EXPECT_EQ(disk.Contents("/a"), bytes);
    EXPECT_EQ(disk.DurableFiles().at("/a"), "");
  };
  EXPECT_TRUE(Outcomes(write).contains(FilesByPath{{"/a", ""}}));
  // The next bytes are saved, with a hole before them.
  const auto write_more = [&](SimDisk& disk, SimFileSystem& files) {
    write(disk, files);
    const auto file = Put(files, "/b", bytes);
    disk.set_faults({.sync_error = 10'000});
    EXPECT_FALSE(file->Sync().ok());
    disk.set_faults({});
    Must(file->Append("more"));
    Must(file->Sync());
    Must(files.SyncDirectory("/"));
  };
  bool has_hole = false;
  for (const FilesByPath& outcome : Outcomes(write_more)) {
    EXPECT_EQ(outcome.at("/b").substr(2000), "more");
    has_hole |= outcome.at("/b").substr(0, 2000) == std::string(2000, '\0');
  }
  EXPECT_TRUE(has_hole);
}

TEST(SimDiskTest, PowerCutTakesOnlyTheChangesOfItsMachine) {
  std::set<FilesByPath> outcomes;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    SimDisk disk(random);
    SimFileSystem one(disk, 1);
    SimFileSystem two(disk, 2);
    PutSynced(one, "/of_one", "1");
    Must(one.MakeDirectory("/shared"));
    const auto of_two = Put(two, "/of_two", "2");
    Put(two, "/shared/of_two", "2");  // Built on what `one` made: that stays, too.
    EXPECT_TRUE(two.Stat("/of_one").ok());
    disk.CrashMachine({1});
    EXPECT_TRUE(disk.IsDead(1));
    EXPECT_FALSE(disk.IsDead(2));
    EXPECT_EQ(one.Stat("/of_two").error().code(), StatusCode::kUnavailable);
    Must(of_two->Append("2"));
    outcomes.insert(disk.Files());
  }
  EXPECT_THAT(outcomes,
              UnorderedElementsAre(
                  FilesByPath{{"/of_two", "22"}, {"/shared/of_two", "2"}},
                  FilesByPath{{"/of_one", "1"}, {"/of_two", "22"}, {"/shared/of_two", "2"}}));
}

TEST(SimDiskTest, SyncMaySaveOnlyTheCallersChanges) {
  for (const bool own_only : {false, true}) {
    Random random(1);
    SimDisk disk(random);
    disk.set_faults({.syncs_own_changes_only = own_only});
    SimFileSystem one(disk, 1);
    SimFileSystem two(disk, 2);
    Put(one, "/a", "1");
    Must(two.SyncTree("/"));
    EXPECT_EQ(disk.DurableFiles().contains("/a"), !own_only);
    Must(one.SyncDirectory("/"));
    EXPECT_EQ(disk.DurableFiles().at("/a"), own_only ? "" : "1");
    Must(one.SyncTree("/"));
    EXPECT_EQ(disk.DurableFiles(), disk.Files());
  }
}

}  // namespace
}  // namespace millrace

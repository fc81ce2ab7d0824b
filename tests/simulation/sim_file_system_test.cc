// SPDX-License-Identifier: Apache-2.0
// The calls of a simulated file system beside the kernel's.

#include "tests/simulation/sim_file_system.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "tests/simulation/random_file_calls.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_disk_test_tools.h"

namespace millrace {
namespace {

// Names and contents, by the interface alone.
void Collect(FileSystem& files, const std::string& path, FilesByPath* all) {
  const Result<std::vector<FileInfo>> infos = files.List(path);
  ASSERT_TRUE(infos.ok()) << infos.error().message();
  for (const FileInfo& info : *infos) {
    StatusCode code;
    (*all)[info.path] =
        info.is_directory ? "a directory" : ReadAll(**files.OpenForRead(info.path), &code);
    if (info.is_directory) Collect(files, info.path, all);
  }
}

// What the simulation answers is what the kernel answers.
TEST(SimFileSystemTest, AnswersAsTheLocalOne) {
  std::string root = testing::TempDir() + "millrace_sim_disk_XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  for (std::uint64_t seed = 0; seed < 30 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string directory = root + "/" + std::to_string(seed);
    std::filesystem::create_directory(directory);
    Random random(seed);
    SimDisk disk(random);
    SimFileSystem sim_files(disk, 0);
    Must(sim_files.MakeDirectories(directory));
    RandomCalls local(LocalFileSystem(), directory, seed);
    RandomCalls sim(sim_files, directory, seed);
    for (int call = 0; call < 150; ++call) {
      const std::string expected = local.Next();
      ASSERT_EQ(sim.Next(), expected) << "call " << call;
    }
    FilesByPath in_local;
    FilesByPath in_sim;
    Collect(LocalFileSystem(), directory, &in_local);
    Collect(sim_files, directory, &in_sim);
    EXPECT_EQ(in_sim, in_local);
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace millrace

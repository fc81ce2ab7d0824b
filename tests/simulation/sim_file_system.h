// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_FILE_SYSTEM_H_
#define TESTS_SIMULATION_SIM_FILE_SYSTEM_H_

// The file system that a process sees on a SimDisk: see sim_disk.h for what becomes durable when,
// and for an example.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

class SimDisk;
struct SimDiskState;

/// One life of a client: what it opened dies with it.
struct SimProcess {
  int client = 0;
  std::uint64_t life = 0;
};

/// The files of a disk for one life of a client. Paths start at the disk's root, with or without
/// '/'; "..", links and FileUse have no meaning. Errors are LocalFileSystem's. One thread at a
/// time.
class SimFileSystem : public FileSystem {
 public:
  using FileSystem::Create;
  using FileSystem::OpenForRead;

  SimFileSystem(SimDisk& disk, int client);

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<std::vector<FileInfo>> List(const std::string& directory) override;
  Status MakeDirectory(const std::string& path) override;
  Status MakeDirectories(const std::string& path) override;
  Status RemoveFile(const std::string& path) override;
  Status RemoveTree(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status RenameNoReplace(const std::string& from, const std::string& to) override;
  Status Exchange(const std::string& a, const std::string& b) override;
  Status SyncDirectory(const std::string& path) override;
  Status SyncTree(const std::string& path) override;

 private:
  SimDiskState& disk_;
  const SimProcess process_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_FILE_SYSTEM_H_

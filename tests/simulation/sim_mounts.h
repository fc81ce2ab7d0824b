// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_MOUNTS_H_
#define TESTS_SIMULATION_SIM_MOUNTS_H_

#include <memory>
#include <string>
#include <vector>

#include "mapreduce/io/file_system.h"

namespace millrace {

/// Several file systems as one: inputs below /in, parts below /out, the rest is the spool.
class SimMounts final : public FileSystem {
 public:
  SimMounts(FileSystem& in, FileSystem& out, FileSystem& spool)
      : in_(in), out_(out), spool_(spool) {}
  using FileSystem::Create;
  using FileSystem::OpenForRead;

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override {
    return At(path).OpenForRead(path, use);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) override {
    return At(path).Create(path, use);
  }
  Result<FileInfo> Stat(const std::string& path) override { return At(path).Stat(path); }
  Result<std::vector<FileInfo>> List(const std::string& path) override {
    return At(path).List(path);
  }
  Status MakeDirectory(const std::string& path) override { return At(path).MakeDirectory(path); }
  Status MakeDirectories(const std::string& path) override {
    return At(path).MakeDirectories(path);
  }
  Status RemoveFile(const std::string& path) override { return At(path).RemoveFile(path); }
  Status RemoveTree(const std::string& path) override { return At(path).RemoveTree(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return At(from).Rename(from, to);
  }
  Status RenameNoReplace(const std::string& from, const std::string& to) override {
    return At(from).RenameNoReplace(from, to);
  }
  Status Exchange(const std::string& a, const std::string& b) override {
    return At(a).Exchange(a, b);
  }
  Status SyncDirectory(const std::string& path) override { return At(path).SyncDirectory(path); }
  Status SyncTree(const std::string& path) override { return At(path).SyncTree(path); }

 private:
  FileSystem& At(const std::string& path) {
    return path.starts_with("/in") ? in_ : path.starts_with("/out") ? out_ : spool_;
  }
  FileSystem& in_;
  FileSystem& out_;
  FileSystem& spool_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_MOUNTS_H_

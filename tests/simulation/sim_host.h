// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_HOST_H_
#define TESTS_SIMULATION_SIM_HOST_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/io/file_system.h"

namespace millrace {

/// What a worker sees: its own files, and below "/disk-<n>" those of others on its host, to read.
class SimHost final : public FileSystem {
 public:
  using Disks = std::map<std::string, std::unique_ptr<FileSystem>>;
  SimHost(FileSystem& own, Disks others) : own_(own), others_(std::move(others)) {}
  using FileSystem::Create;
  using FileSystem::OpenForRead;

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override {
    const std::size_t end = path.find('/', 1);
    const auto other = others_.find(path.substr(0, end));
    if (other == others_.end()) return own_.OpenForRead(path, use);
    return other->second->OpenForRead(path.substr(end), use);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) override {
    return own_.Create(path, use);
  }
  Result<FileInfo> Stat(const std::string& path) override { return own_.Stat(path); }
  Result<std::vector<FileInfo>> List(const std::string& path) override { return own_.List(path); }
  Status MakeDirectory(const std::string& path) override { return own_.MakeDirectory(path); }
  Status MakeDirectories(const std::string& path) override { return own_.MakeDirectories(path); }
  Status RemoveFile(const std::string& path) override { return own_.RemoveFile(path); }
  Status RemoveTree(const std::string& path) override { return own_.RemoveTree(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return own_.Rename(from, to);
  }
  Status RenameNoReplace(const std::string& from, const std::string& to) override {
    return own_.RenameNoReplace(from, to);
  }
  Status Exchange(const std::string& a, const std::string& b) override {
    return own_.Exchange(a, b);
  }
  Status SyncDirectory(const std::string& path) override { return own_.SyncDirectory(path); }
  Status SyncTree(const std::string& path) override { return own_.SyncTree(path); }

 private:
  FileSystem& own_;
  const Disks others_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_HOST_H_

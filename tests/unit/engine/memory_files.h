// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_MEMORY_FILES_H_
#define TESTS_UNIT_ENGINE_MEMORY_FILES_H_

// Files in memory, for code that may use nothing but the FileSystem it is given: whatever it does
// elsewhere is not seen here. Knows what would survive a power cut. Inputs are read from disk.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/io/file_system.h"

namespace millrace {

/// Absolute paths, one thread.
class MemoryFiles final : public FileSystem {
 public:
  using FileSystem::Create;
  using FileSystem::OpenForRead;

  /// Contents by path. A test may damage them.
  std::map<std::string, std::shared_ptr<std::string>>& contents() { return contents_; }
  const std::string& Content(const std::string& path) { return *contents_.at(path); }
  /// Whether the file would be there, and whole, after a power cut; the folder `root` would.
  bool IsDurable(const std::string& path, const std::string& root) {
    const auto synced = synced_bytes_.find(path);
    if (synced == synced_bytes_.end() || synced->second != Content(path).size()) return false;
    for (std::string name = path; name != root; name = ParentPath(name)) {
      if (!durable_names_.contains(name)) return false;
    }
    return true;
  }

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override {
    const auto found = contents_.find(path);
    if (found == contents_.end()) return LocalFileSystem().OpenForRead(path, use);
    return std::unique_ptr<RandomAccessFile>(std::make_unique<Reader>(found->second, path));
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse) override {
    if (contents_.contains(path)) return Status::CannotCreate(path, ": is taken");
    if (!folders_.contains(ParentPath(path))) return Status::CannotCreate(path, ": no folder");
    auto content = contents_[path] = std::make_shared<std::string>();
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, path, std::move(content)));
  }
  Result<FileInfo> Stat(const std::string& path) override {
    const auto found = contents_.find(path);
    if (found == contents_.end()) return LocalFileSystem().Stat(path);
    return FileInfo{.path = path, .bytes = found->second->size()};
  }
  Result<std::vector<FileInfo>> List(const std::string&) override { return Unused(); }
  Status MakeDirectory(const std::string& path) override { return MakeDirectories(path); }
  Status MakeDirectories(const std::string& path) override {
    for (std::string at = path; at != "/" && folders_.insert(at).second; at = ParentPath(at)) {
    }
    return Status::Ok();
  }
  Status RemoveFile(const std::string& path) override {
    return contents_.erase(path) > 0 ? Status::Ok() : Status::NotFound(path);
  }
  Status RemoveTree(const std::string& path) override {
    const auto is_below = [&](const std::string& name) {
      return name == path || name.starts_with(path + "/");
    };
    std::erase_if(contents_, [&](const auto& entry) { return is_below(entry.first); });
    std::erase_if(folders_, is_below);
    return Status::Ok();
  }
  Status Rename(const std::string&, const std::string&) override { return Unused(); }
  Status RenameNoReplace(const std::string&, const std::string&) override { return Unused(); }
  Status Exchange(const std::string&, const std::string&) override { return Unused(); }
  Status SyncDirectory(const std::string& path) override {
    for (const auto& [name, content] : contents_) {
      if (ParentPath(name) == path) durable_names_.insert(name);
    }
    for (const std::string& name : folders_) {
      if (ParentPath(name) == path) durable_names_.insert(name);
    }
    return Status::Ok();
  }
  Status SyncTree(const std::string&) override { return Unused(); }

 private:
  static Status Unused() { return Status::Internal("a task has no use for this"); }

  class Reader final : public RandomAccessFile {
   public:
    Reader(std::shared_ptr<const std::string> content, std::string path)
        : content_(std::move(content)), path_(std::move(path)) {}
    Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) override {
      if (offset >= content_->size()) return std::size_t{0};
      const std::size_t count = std::min<std::size_t>(n, content_->size() - offset);
      std::memcpy(into, content_->data() + offset, count);
      return count;
    }
    Result<FileInfo> Stat() override { return FileInfo{.path = path_, .bytes = content_->size()}; }

   private:
    const std::shared_ptr<const std::string> content_;
    const std::string path_;
  };

  class Writer final : public WritableFile {
   public:
    Writer(MemoryFiles& files, std::string path, std::shared_ptr<std::string> content)
        : files_(files), path_(std::move(path)), content_(std::move(content)) {}
    Status Append(std::string_view bytes) override {
      content_->append(bytes);
      return Status::Ok();
    }
    Status Sync() override {
      files_.synced_bytes_[path_] = content_->size();
      return Status::Ok();
    }
    Status Close() override { return Status::Ok(); }

   private:
    MemoryFiles& files_;
    const std::string path_;
    const std::shared_ptr<std::string> content_;
  };

  std::map<std::string, std::shared_ptr<std::string>> contents_;
  std::set<std::string> folders_;
  std::map<std::string, std::size_t> synced_bytes_;
  std::set<std::string> durable_names_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_ENGINE_MEMORY_FILES_H_

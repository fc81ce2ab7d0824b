// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_MASTER_MEMORY_FILES_H_
#define TESTS_UNIT_MASTER_MEMORY_FILES_H_

// One directory in memory that can die at the n-th change and then says what a crash may have left.
// For files of a journal: few, small, appended to.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/io/file_system.h"

namespace millrace {

/// Contents by path.
using FileTree = std::map<std::string, std::string>;

/// What a crash leaves of that which was not synced.
enum class CrashKind {
  kKill,          ///< All: only the process died.
  kPowerCut,      ///< Nothing.
  kNamesOnly,     ///< Names, and no content.
  kSizesOnly,     ///< Names and sizes; the content is zeros.
  kContentsOnly,  ///< Contents of files whose names were synced.
  kLastHalf,      ///< Names; of each file's content the last half, behind zeros.
};
inline constexpr CrashKind kCrashKinds[] = {CrashKind::kKill,         CrashKind::kPowerCut,
                                            CrashKind::kNamesOnly,    CrashKind::kSizesOnly,
                                            CrashKind::kContentsOnly, CrashKind::kLastHalf};

/// One thread at a time.
class MemoryFiles final : public FileSystem {
 public:
  MemoryFiles() = default;
  /// All of it durable.
  explicit MemoryFiles(const FileTree& tree) {
    for (const auto& [path, content] : tree) {
      names_[path] = std::make_shared<Node>(Node{.content = content, .synced = content});
    }
    synced_names_ = names_;
  }

  /// The n-th change from now on (1: the next) and all after it fail, and change nothing.
  void DieAt(std::uint64_t n) { dies_at_ = changes_ + n; }
  bool is_dead() const { return dies_at_ != 0 && changes_ >= dies_at_; }
  std::uint64_t changes() const { return changes_; }
  std::uint64_t file_syncs() const { return file_syncs_; }
  /// In bytes asked for.
  std::size_t largest_read() const { return largest_read_; }
  /// The next sync of a file fails; those after it succeed, as a kernel's do.
  void FailNextSync() { next_sync_fails_ = true; }
  /// Called once, before the next file is created.
  void BeforeNextCreate(std::function<void()> hook) { before_create_ = std::move(hook); }

  FileTree Tree() const { return AfterCrash(CrashKind::kKill); }
  FileTree AfterCrash(CrashKind kind) const {
    const bool names_stay = kind != CrashKind::kPowerCut && kind != CrashKind::kContentsOnly;
    const bool contents_stay = kind == CrashKind::kKill || kind == CrashKind::kContentsOnly;
    FileTree tree;
    for (const auto& [path, node] : names_stay ? names_ : synced_names_) {
      tree[path] = contents_stay ? node->content : node->synced;
      if (kind == CrashKind::kSizesOnly) tree[path].resize(node->content.size());
      if (kind == CrashKind::kLastHalf) {
        const std::size_t half = (node->synced.size() + node->content.size()) / 2;
        tree[path].resize(half);
        tree[path] += node->content.substr(half);
      }
    }
    return tree;
  }

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path, FileUse) override {
    const auto found = names_.find(path);
    if (found == names_.end()) return Status::NotFound("cannot open ", path);
    return std::unique_ptr<RandomAccessFile>(new Readable(*this, path, found->second));
  }
  using FileSystem::Create;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse) override {
    if (before_create_) std::exchange(before_create_, nullptr)();
    MR_RETURN_IF_ERROR(Change());
    if (names_.contains(path)) return Status::CannotCreate(path, " is taken");
    names_[path] = std::make_shared<Node>();
    return std::unique_ptr<WritableFile>(new Writable(*this, names_[path]));
  }
  Result<FileInfo> Stat(const std::string& path) override {
    const auto found = names_.find(path);
    if (found == names_.end()) return Status::NotFound("cannot look at ", path);
    return FileInfo{.path = path, .bytes = found->second->content.size()};
  }
  Result<std::vector<FileInfo>> List(const std::string& directory) override {
    std::vector<FileInfo> infos;
    for (const auto& [path, node] : names_) {
      if (ParentPath(path) == directory) {
        infos.push_back({.path = path, .bytes = node->content.size()});
      }
    }
    return infos;
  }
  Status RemoveFile(const std::string& path) override {
    MR_RETURN_IF_ERROR(Change());
    return names_.erase(path) > 0 ? Status::Ok() : Status::NotFound("cannot remove ", path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    MR_RETURN_IF_ERROR(Change());
    const auto found = names_.find(from);
    if (found == names_.end()) return Status::CannotCreate("cannot rename ", from);
    names_[to] = found->second;
    names_.erase(from);
    return Status::Ok();
  }
  Status SyncDirectory(const std::string& path) override {
    MR_RETURN_IF_ERROR(Change());
    std::erase_if(synced_names_, [&](const auto& entry) { return IsIn(path, entry.first); });
    for (const auto& entry : names_) {
      if (IsIn(path, entry.first)) synced_names_.insert(entry);
    }
    return Status::Ok();
  }
  Status MakeDirectory(const std::string&) override { return Status::Ok(); }
  Status MakeDirectories(const std::string&) override { return Status::Ok(); }

  // Not used by a journal.
  Status RemoveTree(const std::string&) override { return Unused(); }
  Status RenameNoReplace(const std::string&, const std::string&) override { return Unused(); }
  Status Exchange(const std::string&, const std::string&) override { return Unused(); }
  Status SyncTree(const std::string&) override { return Unused(); }

 private:
  struct Node {
    std::string content;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  class Readable final : public RandomAccessFile {
   public:
    Readable(MemoryFiles& files, std::string path, std::shared_ptr<Node> node)
        : files_(files), path_(std::move(path)), node_(std::move(node)) {}
    Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) override {
      files_.largest_read_ = std::max(files_.largest_read_, n);
      if (offset >= node_->content.size()) return std::size_t{0};
      return node_->content.copy(into, n, static_cast<std::size_t>(offset));
    }
    Result<FileInfo> Stat() override {
      return FileInfo{.path = path_, .bytes = node_->content.size()};
    }

   private:
    MemoryFiles& files_;
    const std::string path_;
    const std::shared_ptr<Node> node_;
  };

  class Writable final : public WritableFile {
   public:
    Writable(MemoryFiles& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)) {}
    Status Append(std::string_view bytes) override {
      MR_RETURN_IF_ERROR(files_.Change());
      node_->content += bytes;
      return Status::Ok();
    }
    Status Sync() override {
      MR_RETURN_IF_ERROR(files_.Change());
      ++files_.file_syncs_;
      if (std::exchange(files_.next_sync_fails_, false)) {
        return Status::ResourceLimit("cannot sync: Input/output error");
      }
      node_->synced = node_->content;
      return Status::Ok();
    }
    Status Close() override { return files_.Change(); }

   private:
    MemoryFiles& files_;
    const std::shared_ptr<Node> node_;
  };

  static bool IsIn(const std::string& directory, const std::string& path) {
    return ParentPath(path) == directory;
  }
  static Status Unused() { return Status::Internal("not for journals"); }
  Status Change() {
    if (!is_dead()) ++changes_;
    return is_dead() ? Status::ResourceLimit("the disk is gone") : Status::Ok();
  }

  Names names_;
  Names synced_names_;
  std::uint64_t changes_ = 0;
  std::uint64_t dies_at_ = 0;
  std::uint64_t file_syncs_ = 0;
  std::size_t largest_read_ = 0;
  bool next_sync_fails_ = false;
  std::function<void()> before_create_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_MASTER_MEMORY_FILES_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SECURITY_ALLOW_LIST_H_
#define MAPREDUCE_SECURITY_ALLOW_LIST_H_

// Whom a process takes: a text file, a line for each key, read again when it changes.
//
//   # ROLE    NAME      KEY, 64 hex digits
//   worker    rack7     8f0c...
//   submitter nightly   41d2...
//
// So a key is revoked by removing its line.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"
#include "mapreduce/security/key.h"

namespace millrace {

enum class KeyRole {
  kWorker,     ///< Executes tasks, holds what they leave, and fetches from other workers.
  kSubmitter,  ///< Submits runs, follows and cancels them.
  kViewer,     ///< Only asks.
  kSigner,     ///< Has signed job modules; connects to nobody.
};

/// "worker" and so on.
std::string_view KeyRoleName(KeyRole role);
std::optional<KeyRole> KeyRoleOf(std::string_view name);

/// 1 to 64 of letters, digits, '.', '_', '-', and neither '.' nor '-' first: also a folder's name.
bool IsKeyName(std::string_view name);

struct AllowedKey {
  KeyRole role = KeyRole::kViewer;
  std::string name;  ///< For people.
  PublicKey key;
};

/// The lines of an allow list. kInvalidArgument, naming `path` and the line, for anything else than
/// the above, and for a key that is there twice.
Result<std::vector<AllowedKey>> ParseAllowList(std::string_view text, const std::string& path);

/// Thread-safe.
class AllowList {
 public:
  /// kInvalidArgument as ParseAllowList(), or others may write the file. kNotFound.
  static Result<std::shared_ptr<AllowList>> Open(const std::string& path);
  AllowList(const AllowList&) = delete;
  AllowList& operator=(const AllowList&) = delete;

  std::optional<AllowedKey> Find(const PublicKey& key) const MR_EXCLUDES(mutex_);
  /// Of the role kSigner.
  std::vector<PublicKey> Signers() const MR_EXCLUDES(mutex_);

  /// Reads the file again if it isn't the one that was read last, and is as it was at the last
  /// call: nobody is writing it. An error is told once; the list stays as it was.
  Status Refresh() MR_EXCLUDES(mutex_);
  const std::string& path() const { return path_; }
  /// In the file.
  std::size_t key_count() const MR_EXCLUDES(mutex_);
  /// Grows with each list that was read.
  std::uint64_t version() const MR_EXCLUDES(mutex_);

  /// One more, which no file has, as long as this process lives or until it is forgotten.
  void Add(const AllowedKey& key) MR_EXCLUDES(mutex_);
  void Forget(const PublicKey& key) MR_EXCLUDES(mutex_);

 private:
  // What tells one version of the file from another.
  struct FileId {
    std::uint64_t device = 0, inode = 0, bytes = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
  };
  explicit AllowList(std::string path) : path_(std::move(path)) {}
  FileId Look() const;
  Status Read(const FileId& file) MR_EXCLUDES(mutex_);

  const std::string path_;
  mutable Mutex mutex_;
  FileId file_ MR_GUARDED_BY(mutex_);  // That was read,
  FileId seen_ MR_GUARDED_BY(mutex_);  // and that was there at the last call.
  std::string told_ MR_GUARDED_BY(mutex_);
  std::map<PublicKey, AllowedKey> listed_ MR_GUARDED_BY(mutex_);
  std::map<PublicKey, AllowedKey> added_ MR_GUARDED_BY(mutex_);
  std::uint64_t version_ MR_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SECURITY_ALLOW_LIST_H_

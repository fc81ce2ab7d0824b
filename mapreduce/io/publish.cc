// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/publish.h"

#include <new>

#include "mapreduce/base/failpoint.h"

namespace millrace {
namespace {

Result<bool> Exists(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.Stat(path);
  if (info.has_value()) return true;
  if (info.error().code() == StatusCode::kNotFound) return false;
  return info.error();
}

// For file systems that can't exchange names. Between the two renames there is no target.
Status ReplaceByTwoRenames(FileSystem& files, const std::string& staged, const std::string& target,
                           const std::string& retired) {
  MR_RETURN_IF_ERROR(CheckFailpoint("publish.rename"));
  MR_RETURN_IF_ERROR(files.Rename(target, retired));
  Status status = CheckFailpoint("publish.rename");
  if (status.ok()) status = files.RenameNoReplace(staged, target);
  if (!status.ok()) static_cast<void>(files.RenameNoReplace(retired, target));
  return status;
}

// Puts `staged` under its name. `old`: where the tree that it replaced is now, or null.
Status PutInPlace(FileSystem& files, const std::string& staged, const std::string& target,
                  bool replace, const std::string& retired, const std::string** old) {
  *old = nullptr;
  bool exists = false;
  if (replace) {
    MR_ASSIGN_OR_RETURN(exists, Exists(files, target));
  }
  if (!exists) {
    MR_RETURN_IF_ERROR(CheckFailpoint("publish.rename"));
    const Status renamed = files.RenameNoReplace(staged, target);
    // A link that leads nowhere has the name.
    if (renamed.ok() || !replace || renamed.code() != StatusCode::kCannotCreate) return renamed;
  }
  MR_RETURN_IF_ERROR(CheckFailpoint("publish.exchange"));
  const Status exchanged = files.Exchange(staged, target);
  if (exchanged.ok()) *old = &staged;
  if (exchanged.code() != StatusCode::kUnavailable) return exchanged;
  MR_RETURN_IF_ERROR(ReplaceByTwoRenames(files, staged, target, retired));
  *old = &retired;
  return Status::Ok();
}

// What comes after the directory has its name. `old`: as PutInPlace left it.
Status FinishPublish(FileSystem& files, const std::string& target, const std::string* old) {
  Status status = CheckFailpoint("publish.sync_parent");
  if (status.ok()) status = files.SyncDirectory(ParentPath(target));
  if (!status.ok()) {
    return status.Annotate("published ", target,
                           ", but what follows failed (a power cut may undo it)");
  }
  if (old == nullptr) return Status::Ok();
  status = CheckFailpoint("publish.remove_old");
  if (status.ok()) status = files.RemoveTree(*old);
  if (status.ok()) return status;
  return status.Annotate("published ", target, ", but what it replaced is left in ", *old);
}

}  // namespace

Status PublishDirectory(FileSystem& files, const std::string& staged, const std::string& target,
                        bool replace, const std::string& retired) {
  MR_RETURN_IF_ERROR(CheckFailpoint("publish.sync"));
  MR_RETURN_IF_ERROR(files.SyncTree(staged));
  const std::string* old;
  MR_RETURN_IF_ERROR(PutInPlace(files, staged, target, replace, retired, &old));
  try {
    return FinishPublish(files, target, old);
  } catch (const std::bad_alloc&) {  // Whoever hears of it must know that there is an output.
    return Status::ResourceLimit("published ", target, ", but what follows ran out of memory");
  }
}

Status RecoverPublish(FileSystem& files, const std::string& target, const std::string& retired) {
  MR_ASSIGN_OR_RETURN(const bool has_retired, Exists(files, retired));
  if (!has_retired) return Status::Ok();
  MR_ASSIGN_OR_RETURN(const bool has_target, Exists(files, target));
  if (has_target) {  // Its name may not be durable yet: first that, then the old tree may go.
    MR_RETURN_IF_ERROR(files.SyncDirectory(ParentPath(target)));
    return files.RemoveTree(retired);
  }
  MR_RETURN_IF_ERROR(files.RenameNoReplace(retired, target));
  return files.SyncDirectory(ParentPath(target));
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_file_system.h"

#include <cerrno>
#include <utility>

#include "mapreduce/io/errno_status.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_disk_state.h"
#include "tests/simulation/sim_open_file.h"

namespace millrace {
namespace {

enum class RenameKind { kReplace, kNoReplace, kExchange };

// What renameat2 says before it does anything, in its order. 0: go on.
int RenameError(const SimPlace& from, const SimPlace& to, RenameKind kind) {
  if (from.error != 0) return from.error;
  if (to.error != 0) return to.error;
  if (from.directory == nullptr) return EBUSY;
  if (to.directory == nullptr) return kind == RenameKind::kNoReplace ? EEXIST : EBUSY;
  if (from.node == nullptr) return ENOENT;
  const bool to_exists = to.node != nullptr;
  if (kind == RenameKind::kNoReplace && to_exists) return EEXIST;
  if (kind == RenameKind::kExchange) {
    if (!to_exists) return ENOENT;
    if (!to.node->is_directory && to.has_slash) return ENOTDIR;
  }
  if (!from.node->is_directory) {
    if (from.has_slash || (to.has_slash && kind != RenameKind::kExchange)) return ENOTDIR;
  }
  if (to.directory->IsBelow(from.node.get())) return EINVAL;
  if (to_exists && from.directory->IsBelow(to.node.get())) {
    return kind == RenameKind::kExchange ? EINVAL : ENOTEMPTY;
  }
  if (!to_exists || kind == RenameKind::kExchange || from.node == to.node) return 0;
  if (from.node->is_directory && !to.node->is_directory) return ENOTDIR;
  if (!from.node->is_directory && to.node->is_directory) return EISDIR;
  return to.node->is_directory && !AsDirectory(*to.node).IsEmpty() ? ENOTEMPTY : 0;
}

Status RenameName(SimDiskState& disk, int client, const std::string& from, const std::string& to,
                  RenameKind kind) {
  const SimPlace source = disk.images.Find(from);
  const SimPlace target = disk.images.Find(to);
  int error = RenameError(source, target, kind);
  if (error == EINVAL && kind == RenameKind::kExchange) {  // As the local one understands it.
    return Status::Unavailable("the file system of ", to, " cannot exchange two names");
  }
  if (error == 0) error = disk.NameFault();
  if (error != 0) {
    return kind == RenameKind::kExchange ? NameErrno("exchange " + from + " and", to, error)
                                         : NameErrno("rename " + from + " to", to, error);
  }
  if (source.node == target.node) return Status::Ok();
  const SimNodePtr back = kind == RenameKind::kExchange ? target.node : nullptr;
  disk.images.Apply(client, {{source.directory, source.name, back},
                             {target.directory, target.name, source.node}});
  return Status::Ok();
}

// A file, or an empty directory.
Status RemoveName(SimDiskState& disk, int client, const std::string& path, bool directory) {
  const SimPlace place = disk.images.Find(path);
  int error = place.error;
  if (error == 0 && place.node == nullptr) error = ENOENT;
  if (error == 0 && place.directory == nullptr) error = directory ? EBUSY : EISDIR;
  if (error == 0 && !directory && place.node->is_directory) error = EISDIR;
  if (error == 0 && !directory && place.has_slash) error = ENOTDIR;
  if (error == 0) error = disk.NameFault();
  if (error == ENOENT) return Status::NotFound("cannot remove ", path, ": there is no such file");
  if (error != 0) return NameErrno("remove", path, error);
  disk.images.Apply(client, {{place.directory, place.name, nullptr}});
  return Status::Ok();
}

// Each name is a change of its own. Requires: `place` is that of `path` and leads to something.
Status RemoveNode(SimDiskState& disk, const SimProcess& process, const SimPlace& place,
                  const std::string& path) {
  if (place.node->is_directory) {
    std::vector<std::string> names;
    for (const auto& [name, slot] : AsDirectory(*place.node).slots) {
      if (slot.live != nullptr) names.push_back(name);
    }
    for (const std::string& name : names) {
      const std::string child = JoinPath(path, name);
      MR_RETURN_IF_ERROR(RemoveNode(disk, process, disk.images.Find(child), child));
    }
  }
  return disk.Mutate(process, path, [&] {
    return RemoveName(disk, process.client, path, place.node->is_directory);
  });
}

// As the local one: the contents before the names.
Status SyncBelow(SimDiskState& disk, const SimProcess& process, SimDirectory& directory,
                 const std::string& path) {
  for (const auto& [name, slot] : directory.slots) {
    if (slot.live == nullptr) continue;
    const std::string child = JoinPath(path, name);
    SimNode& node = *slot.live;
    MR_RETURN_IF_ERROR(node.is_directory
                           ? SyncBelow(disk, process, AsDirectory(node), child)
                           : disk.Mutate(process, child, [&] {
                               return disk.SyncFile(process.client, AsFile(node), child);
                             }));
  }
  return disk.Mutate(process, path,
                     [&] { return disk.SyncNames(process.client, directory, path); });
}

}  // namespace

SimFileSystem::SimFileSystem(SimDisk& disk, int client)
    : disk_(*disk.state_), process_{.client = client, .life = disk_.clients.at(client).life} {}

Result<std::unique_ptr<RandomAccessFile>> SimFileSystem::OpenForRead(const std::string& path,
                                                                     FileUse) {
  if (!disk_.IsAlive(process_)) return DeadProcess(path);
  const SimPlace place = disk_.images.Find(path);
  int error = place.OpenError();
  if (error == 0) error = disk_.ReadFault();
  if (error != 0) return ReadErrno("open", path, error);
  if (place.node->is_directory) {
    return Status::BadData("cannot read ", path,
                           ": it is a directory; an input must be a regular file");
  }
  return OpenSimReader(disk_, process_, path, place.node);
}

Result<std::unique_ptr<WritableFile>> SimFileSystem::Create(const std::string& path, FileUse) {
  std::unique_ptr<WritableFile> created;
  MR_RETURN_IF_ERROR(disk_.Mutate(process_, path, [&] {
    const SimPlace place = disk_.images.Find(path);
    int error = place.error;
    if (error == 0 && place.node != nullptr) error = EEXIST;
    if (error == 0 && place.has_slash) error = EISDIR;
    if (error == 0) error = disk_.NewNameFault();
    if (error != 0) return NameErrno("create", path, error);
    const SimNodePtr file = disk_.images.MakeFile(process_.client);
    disk_.images.Apply(process_.client, {{place.directory, place.name, file}});
    created = OpenSimWriter(disk_, process_, path, file);
    return Status::Ok();
  }));
  return created;
}

Result<FileInfo> SimFileSystem::Stat(const std::string& path) {
  if (!disk_.IsAlive(process_)) return DeadProcess(path);
  const SimPlace place = disk_.images.Find(path);
  int error = place.OpenError();
  if (error == 0) error = disk_.ReadFault();
  if (error != 0) return ReadErrno("look at", path, error);
  return disk_.InfoOf(path, *place.node);
}

Result<std::vector<FileInfo>> SimFileSystem::List(const std::string& directory) {
  if (!disk_.IsAlive(process_)) return DeadProcess(directory);
  const SimPlace place = disk_.images.Find(directory);
  int error = place.OpenError();
  if (error == 0 && !place.node->is_directory) error = ENOTDIR;
  if (error == 0) error = disk_.ReadFault();
  if (error != 0) return ReadErrno("list", directory, error);
  std::vector<FileInfo> infos;
  for (const auto& [name, slot] : AsDirectory(*place.node).slots) {
    if (slot.live != nullptr) infos.push_back(disk_.InfoOf(JoinPath(directory, name), *slot.live));
  }
  return infos;
}

Status SimFileSystem::MakeDirectory(const std::string& path) {
  return disk_.Mutate(process_, path, [&] {
    const SimPlace place = disk_.images.Find(path);
    int error = place.error;
    if (error == 0 && place.node != nullptr) error = EEXIST;
    if (error == 0) error = disk_.NewNameFault();
    if (error != 0) return NameErrno("create the directory", path, error);
    disk_.images.Apply(process_.client,
                       {{place.directory, place.name, disk_.images.MakeDirectory()}});
    return Status::Ok();
  });
}

Status SimFileSystem::MakeDirectories(const std::string& path) {
  if (!disk_.IsAlive(process_)) return DeadProcess(path);
  const SimPlace place = disk_.images.Find(path);
  if (place.node != nullptr && place.node->is_directory) return Status::Ok();
  if (place.node != nullptr) return NameErrno("create the directory", path, ENOTDIR);
  if (place.error == ENOENT && ParentPath(path) != path) {
    MR_RETURN_IF_ERROR(MakeDirectories(ParentPath(path)));
  }
  return MakeDirectory(path);
}

Status SimFileSystem::RemoveFile(const std::string& path) {
  return disk_.Mutate(process_, path, [&] {
    return RemoveName(disk_, process_.client, path, /*directory=*/false);
  });
}

Status SimFileSystem::RemoveTree(const std::string& path) {
  if (!disk_.IsAlive(process_)) return DeadProcess(path);
  const SimPlace place = disk_.images.Find(path);
  if (place.OpenError() == ENOENT) return Status::Ok();
  if (place.OpenError() != 0) return NameErrno("remove", path, place.OpenError());
  return RemoveNode(disk_, process_, place, path);
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  return disk_.Mutate(process_, to, [&] {
    return RenameName(disk_, process_.client, from, to, RenameKind::kReplace);
  });
}

Status SimFileSystem::RenameNoReplace(const std::string& from, const std::string& to) {
  return disk_.Mutate(process_, to, [&] {
    return RenameName(disk_, process_.client, from, to, RenameKind::kNoReplace);
  });
}

Status SimFileSystem::Exchange(const std::string& a, const std::string& b) {
  return disk_.Mutate(process_, b, [&] {
    if (!disk_.faults.can_exchange) {
      return Status::Unavailable("the file system of ", b, " cannot exchange two names");
    }
    return RenameName(disk_, process_.client, a, b, RenameKind::kExchange);
  });
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  return disk_.Mutate(process_, path, [&] {
    const SimPlace place = disk_.images.Find(path);
    int error = place.OpenError();
    if (error == 0 && !place.node->is_directory) error = ENOTDIR;
    if (error != 0) return WriteErrno("sync", path, error);
    return disk_.SyncNames(process_.client, AsDirectory(*place.node), path);
  });
}

Status SimFileSystem::SyncTree(const std::string& path) {
  if (!disk_.IsAlive(process_)) return DeadProcess(path);
  const SimPlace place = disk_.images.Find(path);
  int error = place.OpenError();
  if (error == 0 && !place.node->is_directory) error = ENOTDIR;
  if (error != 0) return WriteErrno("sync", path, error);
  return SyncBelow(disk_, process_, AsDirectory(*place.node), path);
}

}  // namespace millrace

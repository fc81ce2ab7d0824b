// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_disk_state.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mapreduce/io/errno_status.h"

namespace millrace {

Status DeadProcess(std::string_view path) {
  return Status::Unavailable("cannot use ", path, ": the process is dead");
}

std::size_t SimDiskState::FreeBytes() const {
  return faults.capacity_bytes - std::min(images.total_bytes(), faults.capacity_bytes);
}

FileInfo SimDiskState::InfoOf(std::string path, const SimNode& node) const {
  return {.path = std::move(path),
          .bytes = node.is_directory ? 0 : static_cast<const SimFile&>(node).bytes.size(),
          .mtime_ns = node.mtime_ns,
          .inode = node.inode,
          .device = device,
          .is_directory = node.is_directory};
}

void SimDiskState::CountHandle(const SimProcess& process, SimFile& file, int change) {
  images.CountHandle(file, change);
  SimClient& client = clients.at(process.client);
  if (client.life == process.life) client.handle_count += change;
}

Status SimDiskState::SyncFile(int client, SimFile& file, std::string_view path) {
  if (Chance(faults.sync_error)) {
    file.FailSync();
    return WriteErrno("sync", path, EIO);
  }
  if (!faults.syncs_own_changes_only || file.writer == client) file.Sync();
  return Status::Ok();
}

Status SimDiskState::SyncNames(int client, SimDirectory& directory, std::string_view path) {
  if (Chance(faults.sync_error)) return WriteErrno("sync", path, EIO);
  images.SyncNames(directory,
                   faults.syncs_own_changes_only ? std::optional<int>(client) : std::nullopt);
  return Status::Ok();
}

void SimDiskState::CrashMachine(const std::vector<int>& ids) {
  SimClientSet crashed;
  for (const int id : ids) {
    clients.Kill(id);
    crashed.set(static_cast<std::size_t>(id));
  }
  images.CutPower(crashed, random);
}

}  // namespace millrace

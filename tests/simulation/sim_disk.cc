// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_disk.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/sim_disk_state.h"

namespace millrace {

SimDisk::SimDisk(Random& random, std::uint64_t device)
    : state_(std::make_unique<SimDiskState>(random, device)) {}
SimDisk::~SimDisk() = default;

void SimDisk::set_faults(const SimDiskFaults& faults) { state_->faults = faults; }
const SimDiskFaults& SimDisk::faults() const { return state_->faults; }

void SimDisk::CrashMachine(const std::vector<int>& clients) { state_->CrashMachine(clients); }
void SimDisk::KillProcess(int client) { state_->clients.Kill(client); }
void SimDisk::Revive(int client) { state_->clients.at(client).is_dead = false; }
bool SimDisk::IsDead(int client) const { return state_->clients.at(client).is_dead; }

void SimDisk::SetCrashAt(int client, std::uint64_t nth_op, CrashPoint point) {
  state_->clients.at(client).ops_to_crash = nth_op;
  state_->clients.at(client).crash_point = point;
}

std::uint64_t SimDisk::MutatingOpCount(int client) const {
  return state_->clients.at(client).op_count;
}

std::optional<std::string> SimDisk::FlipStoredBit(std::string_view text) {
  std::vector<std::pair<std::string, SimFile*>> files;
  state_->images.VisitPath("/", &SimSlot::live, [&](const std::string& path, SimNode& node) {
    if (node.is_directory || AsFile(node).bytes.empty()) return;
    if (path.find(text) != std::string::npos) files.emplace_back(path, &AsFile(node));
  });
  if (files.empty()) return std::nullopt;
  Random& random = state_->random;
  auto& [path, file] = files[random.Uniform(files.size())];
  const std::uint64_t bit = random.Uniform(file->bytes.size() * 8);
  file->bytes[bit / 8] = static_cast<char>(file->bytes[bit / 8] ^ (1 << bit % 8));
  return path;
}

std::vector<std::string> SimDisk::Paths(const std::string& directory) const {
  std::vector<std::string> paths;
  state_->images.VisitPath(directory, &SimSlot::live,
                           [&](const std::string& path, const SimNode& node) {
                             paths.push_back(node.is_directory ? path + '/' : path);
                           });
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::map<std::string, std::string> SimDisk::Files(const std::string& directory) const {
  std::map<std::string, std::string> files;
  state_->images.VisitPath(directory, &SimSlot::live, [&](const std::string& path, SimNode& node) {
    if (!node.is_directory) files[path] = AsFile(node).bytes;
  });
  return files;
}

std::map<std::string, std::string> SimDisk::DurableFiles(const std::string& directory) const {
  std::map<std::string, std::string> files;
  state_->images.VisitPath(directory, &SimSlot::durable,
                           [&](const std::string& path, SimNode& node) {
                             if (!node.is_directory) files[path] = AsFile(node).DurableBytes();
                           });
  return files;
}

std::optional<std::string> SimDisk::Contents(const std::string& path) const {
  const SimPlace place = state_->images.Find(path);
  if (place.OpenError() != 0 || place.node->is_directory) return std::nullopt;
  return AsFile(*place.node).bytes;
}

std::uint64_t SimDisk::total_bytes() const { return state_->images.total_bytes(); }
int SimDisk::OpenHandleCount(int client) const { return state_->clients.at(client).handle_count; }

}  // namespace millrace

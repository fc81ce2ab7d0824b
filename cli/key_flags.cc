// SPDX-License-Identifier: Apache-2.0
#include "cli/key_flags.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "cli/console.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

void HideMemory() {
  const rlimit none{};
  static_cast<void>(setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory + (directory.ends_with('/') ? "" : "/") + name;
}

Status Make(const std::string& directory) {
  MR_RETURN_IF_ERROR(MakeKeys(directory));
  return WriteStdout(Printable(Join(directory, "master")) + "\n" +
                     Printable(Join(directory, "worker")) + "\n" +
                     Printable(Join(directory, "submitter")) + "\n");
}

Status Add(const std::string& directory, const std::string& what) {
  const std::size_t equals = what.find('=');
  const std::optional<KeyRole> role = KeyRoleOf(what.substr(0, equals));
  if (equals == std::string::npos || !role.has_value()) {
    return Status::InvalidArgument("--add ", Printable(what),
                                   ": write worker=NAME, submitter=NAME or viewer=NAME");
  }
  const std::string name = what.substr(equals + 1);
  MR_ASSIGN_OR_RETURN(const std::vector<std::string> changed, AddKeys(directory, *role, name));
  for (const std::string& list : changed) {
    PrintMessage(Printable(list) + " has changed: copy it to where it is in use");
  }
  return WriteStdout(Printable(Join(directory, name)) + "\n");
}

}  // namespace

Result<std::optional<KeyFolder>> KeysFlag(const Arguments& arguments, KeyHolder holder) {
  if (!arguments.Has("--keys")) return std::optional<KeyFolder>();
  HideMemory();
  MR_ASSIGN_OR_RETURN(KeyFolder folder, ReadKeyFolder(arguments.Get("--keys"), holder));
  return std::optional<KeyFolder>(std::move(folder));
}

std::optional<TransportKeys> TransportKeysOf(const std::optional<KeyFolder>& folder) {
  if (!folder.has_value()) return std::nullopt;
  return TransportKeys{folder->own, folder->allowed};
}

int KeygenCommand(const Arguments& arguments) {
  HideMemory();
  const std::string& directory = arguments.argument;
  Status status = Status::InvalidArgument("DIR is missing; say where the keys go");
  if (!directory.empty()) {
    status = arguments.Has("--add") ? Add(directory, arguments.Get("--add")) : Make(directory);
  }
  if (status.ok()) return kExitOk;
  PrintMessage(status.message());
  return ExitCode(status);
}

}  // namespace millrace

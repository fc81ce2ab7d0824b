// SPDX-License-Identifier: Apache-2.0
#include "worker/host_id.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <sstream>

#include "mapreduce/base/hash.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {
namespace {

// The beginning of a small file; empty if it can't be read.
std::string ReadStart(const char* path) {
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[128];
  const ssize_t got = file.get() < 0 ? -1 : ::read(file.get(), text, sizeof text);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

}  // namespace

std::string HostId() {
  const std::string boot = ReadStart("/proc/sys/kernel/random/boot_id");
  struct stat mounts, root;
  if (boot.empty() || ::stat("/proc/self/ns/mnt", &mounts) != 0 || ::stat("/", &root) != 0)
    return "";
  // Copies of a virtual machine that was started once have one boot; their names may differ.
  std::ostringstream all;
  all << boot << ReadStart("/etc/machine-id") << HostName() << " " << mounts.st_dev << " "
      << mounts.st_ino << " " << root.st_dev << " " << root.st_ino << " " << ::geteuid();
  return HashOf128(std::move(all).str()).Hex();
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "unknown";
  return name;
}

}  // namespace millrace

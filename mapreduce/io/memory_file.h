// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_MEMORY_FILE_H_
#define MAPREDUCE_IO_MEMORY_FILE_H_

#include <fcntl.h>

#include "mapreduce/io/descriptor.h"

namespace millrace {

/// Of a file that whoever has its descriptor can only read.
inline constexpr int kReadOnlySeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/// An empty file in memory that can be sealed, closed by exec, as memfd_create(2) makes it. Its
/// descriptor is -1 on failure, then errno says why. `name` (at most 249 bytes) is for /proc.
Descriptor MakeMemoryFile(const char* name);

/// False with errno where the file takes no seals (any of fcntl(2)'s F_SEAL_*). EBUSY means that
/// somebody has it mapped for writing or that the kernel itself has one of its pages in use, which
/// it has for moments (to move it, say): that is asked again, for 10 seconds.
bool SealMemoryFile(int fd, int seals);

}  // namespace millrace

#endif  // MAPREDUCE_IO_MEMORY_FILE_H_

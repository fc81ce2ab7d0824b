// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_ERRNO_STATUS_H_
#define MAPREDUCE_IO_ERRNO_STATUS_H_

// What errno means, by the codes of file_system.h. `what` is the verb of the message:
// "cannot <what> <path>: <the kernel's words>".

#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// Opening or reading: kNotFound, kResourceLimit (out of descriptors or memory), else kBadData.
Status ReadErrno(std::string_view what, std::string_view path, int error);
/// Making, renaming or removing a name: kCannotCreate where the name is taken, not allowed or its
/// folder is missing, else kResourceLimit.
Status NameErrno(std::string_view what, std::string_view path, int error);
/// Writing or syncing: kResourceLimit.
Status WriteErrno(std::string_view what, std::string_view path, int error);

/// True, with errno = EIO, when the failpoint "io" says so. Called before each system call.
bool IoFails();

}  // namespace millrace

#endif  // MAPREDUCE_IO_ERRNO_STATUS_H_

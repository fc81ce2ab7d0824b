// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/errno_status.h"

#include <cerrno>
#include <cstring>

#include "mapreduce/base/failpoint.h"

namespace millrace {
namespace {

bool IsOutOfResources(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

std::string_view Advice(int error) {
  switch (error) {
    case ENOSPC:
      return "; free some space or choose another disk";
    case EDQUOT:
      return "; free some of the disk quota or choose another disk";
    case EMFILE:
      return "; raise the limit of open files (ulimit -n)";
    case EACCES:
    case EPERM:
      return "; check the permissions";
    default:
      return "";
  }
}

Status ErrnoStatus(StatusCode code, std::string_view what, std::string_view path, int error) {
  return Status::Error(code, "cannot ", what, " ", path, ": ", std::strerror(error), Advice(error));
}

}  // namespace

Status ReadErrno(std::string_view what, std::string_view path, int error) {
  StatusCode code = StatusCode::kBadData;
  if (error == ENOENT || error == ENOTDIR) code = StatusCode::kNotFound;
  if (IsOutOfResources(error)) code = StatusCode::kResourceLimit;
  return ErrnoStatus(code, what, path, error);
}

Status NameErrno(std::string_view what, std::string_view path, int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case ENOENT:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV:
    case EINVAL:
      return ErrnoStatus(StatusCode::kCannotCreate, what, path, error);
    default:
      return ErrnoStatus(StatusCode::kResourceLimit, what, path, error);
  }
}

Status WriteErrno(std::string_view what, std::string_view path, int error) {
  return ErrnoStatus(StatusCode::kResourceLimit, what, path, error);
}

bool IoFails() {
  if (MR_FAILPOINT("io") == FailpointAction::kNone) return false;
  errno = EIO;
  return true;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/status.h"

#include <cstdio>
#include <cstdlib>

namespace millrace {

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "kOk";
    case StatusCode::kInvalidArgument:
      return "kInvalidArgument";
    case StatusCode::kUserCode:
      return "kUserCode";
    case StatusCode::kDiverged:
      return "kDiverged";
    case StatusCode::kUnavailable:
      return "kUnavailable";
    case StatusCode::kCorrupt:
      return "kCorrupt";
    case StatusCode::kResourceLimit:
      return "kResourceLimit";
    case StatusCode::kStale:
      return "kStale";
    case StatusCode::kCancelled:
      return "kCancelled";
    case StatusCode::kInternal:
      return "kInternal";
    case StatusCode::kNotFound:
      return "kNotFound";
    case StatusCode::kBadData:
      return "kBadData";
    case StatusCode::kCannotCreate:
      return "kCannotCreate";
  }
  return "unknown";  // A number from the wire that a newer build knows.
}

const std::string& Status::message() const {
  static const std::string* const empty = new std::string;
  return ok() ? *empty : error_->message;
}

void CheckFailed(const char* file, int line, const char* claim) {
  std::fprintf(stderr, "%s:%d: this must hold, but does not: %s\n", file, line, claim);
  std::abort();
}

}  // namespace millrace

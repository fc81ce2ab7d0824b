// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/cancel.h"

namespace millrace {

Status CancelToken::Check() const {
  return cancelled() ? Status::Cancelled("cancelled") : Status::Ok();
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SERVICE_LOG_H_
#define CLI_SERVICE_LOG_H_

#include <functional>
#include <string>

namespace millrace {

/// "2026-11-25T22:17:53Z master: <text>" on stderr, one line each, foreign characters escaped; with
/// `is_quiet` nothing. One thread at a time.
std::function<void(const std::string&)> ServiceLog(const std::string& service, bool is_quiet);

}  // namespace millrace

#endif  // CLI_SERVICE_LOG_H_

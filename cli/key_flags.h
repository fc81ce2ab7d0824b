// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_KEY_FLAGS_H_
#define CLI_KEY_FLAGS_H_

#include <optional>

#include "cli/arguments.h"
#include "mapreduce/base/status.h"
#include "mapreduce/security/key_folder.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// The folder that --keys names; nullopt without it. From then on the process leaves no core file,
/// and no other process of its user can look into its memory.
Result<std::optional<KeyFolder>> KeysFlag(const Arguments& arguments, KeyHolder holder);

/// What of it the sockets need.
std::optional<TransportKeys> TransportKeysOf(const std::optional<KeyFolder>& folder);

int KeygenCommand(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_KEY_FLAGS_H_

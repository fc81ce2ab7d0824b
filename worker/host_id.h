// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_HOST_ID_H_
#define WORKER_HOST_ID_H_

#include <string>

namespace millrace {

/// Processes with the same one see the same files under the same names, and may open each other's:
/// one boot of one machine, mount namespace, root folder and user. Empty where that can't be told.
/// Two containers differ even where both call their spool /spool.
std::string HostId();

/// For people.
std::string HostName();

}  // namespace millrace

#endif  // WORKER_HOST_ID_H_

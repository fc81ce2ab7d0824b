// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SERVICE_LIMITS_H_
#define CLI_SERVICE_LIMITS_H_

// What master and worker want of the process they are. Call both before threads are started.

namespace millrace {

/// As many descriptors as the system lets it have: a connection is one, and so are children's
/// pipes.
void RaiseDescriptorLimit();

/// Memory for pieces of run files, a MiB each, is used again rather than given back to the system
/// and fetched, page by page, for the next one. Up to 64 MiB more stay with the process.
void KeepBuffers();

}  // namespace millrace

#endif  // CLI_SERVICE_LIMITS_H_

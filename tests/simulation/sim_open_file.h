// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_OPEN_FILE_H_
#define TESTS_SIMULATION_SIM_OPEN_FILE_H_

// The open files of a simulated disk, with the faults of reads, writes and syncs.

#include <memory>
#include <string>

#include "mapreduce/io/file_system.h"
#include "tests/simulation/sim_disk_state.h"
#include "tests/simulation/sim_file_system.h"
#include "tests/simulation/sim_tree.h"

namespace millrace {

/// `node` is a file; it lives as long as what these return. The disk outlives them.
std::unique_ptr<RandomAccessFile> OpenSimReader(SimDiskState& disk, const SimProcess& process,
                                                const std::string& path, const SimNodePtr& node);
std::unique_ptr<WritableFile> OpenSimWriter(SimDiskState& disk, const SimProcess& process,
                                            const std::string& path, const SimNodePtr& node);

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_OPEN_FILE_H_

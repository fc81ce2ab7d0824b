// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_LAYERS_LAYER_RULES_H_
#define TESTS_UNIT_LAYERS_LAYER_RULES_H_

// What folders may include, read from the source text alone:
//
//   base <- proto <- io <- formats, shuffle <- api <- engine <- testing
//   proto <- transport;              engine, transport <- master, worker <- cli
//   api, formats <- jobs;   api, formats, testing <- a job's tests
//
// A layer may also use what lies further left. tests/unit/<layer> sees what its layer sees;
// the other folders of tests/ see everything.

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// The layer of a file or of an include, by its path from the root of the tree: "shuffle" for
/// "mapreduce/shuffle/merger.h", "jobs" for "jobs/toplist.cc"; empty if there is none.
std::string LayerOf(std::string_view path);

/// For each layer, the layers it may include, itself among them.
const std::map<std::string, std::set<std::string>>& AllowedLayers();

/// Checks every source file below `root`; one line "path:line: what is wrong" per violation,
/// sorted. Build folders and hidden folders are skipped. `files_checked` may be null.
std::vector<std::string> CheckTree(const std::filesystem::path& root, int* files_checked);

}  // namespace millrace

#endif  // TESTS_UNIT_LAYERS_LAYER_RULES_H_

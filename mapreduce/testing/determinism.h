// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_DETERMINISM_H_
#define MAPREDUCE_TESTING_DETERMINISM_H_

// Whether a job's output depends on nothing but its inputs, parameters and code:
//
//   EXPECT_DETERMINISTIC(TestRun("toplist").Input("plays", plays).Param("k", "3"));
//
// runs it once undisturbed and then under seeded permutations of all that must not matter: where
// splits fall, tasks at once, memory, spills after every batch, calls of the combiner, parts,
// plain, zstd and gzip shards; and task by task as on a cluster, where some attempts are killed and
// some tasks attempted twice (task_by_task.h). Output, counters and rejects (or the error) must be
// the same. What it finds: state kept from record to record, clocks and random devices, combiners
// that are not associative, orders of unordered containers, counting per task.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {

/// A seed for what is random in a test: MILLRACE_TEST_SEED, or always the same one.
std::uint64_t TestSeed();

struct DeterminismOptions {
  int runs = 12;  ///< Beside the undisturbed one. Each takes some milliseconds.
  std::uint64_t seed = TestSeed();
};

/// The undisturbed run has `run`'s inputs, parameters, date and reject limit, but an execution of
/// its own. A failure names the seed, the run's execution and the first row that differs.
testing::AssertionResult CheckDeterministic(const TestRun& run,
                                            const DeterminismOptions& options = {});

/// The same for a job (its name, its definition or a TestRun with parameters) and the shards of its
/// inputs by name.
template <class J>
testing::AssertionResult CheckDeterministic(
    J job, const std::map<std::string, std::vector<std::string>>& inputs) {
  TestRun run(std::move(job));
  for (const auto& [name, shards] : inputs) run.Shards(name, shards);
  return CheckDeterministic(run);
}

/// EXPECT_DETERMINISTIC(run) or EXPECT_DETERMINISTIC(job, inputs).
#define EXPECT_DETERMINISTIC(...) EXPECT_TRUE(::millrace::CheckDeterministic(__VA_ARGS__))

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_DETERMINISM_H_

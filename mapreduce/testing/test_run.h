// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_TEST_RUN_H_
#define MAPREDUCE_TESTING_TEST_RUN_H_

// A job on literal records, inside a GoogleTest test. What runs is the engine itself, on files in a
// directory that goes away again:
//
//   const TestResult result = TestRun("toplist")              // or TestRun(TopList), its
//   definition
//                                 .Input("plays", "2026-11-21T09:00:00Z\tu1\tt1\tSE\t31000\n")
//                                 .Param("k", "3")
//                                 .Run();
//   EXPECT_THAT(result.Rows(), ElementsAre("*\t1\tt1\t1", "SE\t1\tt1\t1"));
//
// See determinism.h for running it in many ways at once, and call_operators.h for one Map or Reduce
// class alone.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/testing/stored_input.h"
#include "mapreduce/testing/test_result.h"

namespace millrace {

/// How a job is executed. Of all this only `parts` and `compression` may be seen in the output's
/// files, and nothing in their text one after the other.
struct TestExecution {
  int parallel = 2;
  std::uint64_t memory_bytes = std::uint64_t{64} << 20;
  std::uint64_t split_bytes = std::uint64_t{1} << 20;
  int parts = 1;
  Compression compression = Compression::kNone;
  bool spill_everything = false;  ///< Spill after every batch of emissions.
  bool call_combiners = true;     ///< False: zero times, as a combiner must bear.
  /// Each task alone, as on a cluster: some attempts are killed, some tasks attempted twice.
  bool task_by_task = false;
  std::uint64_t attempts_seed = 1;  ///< Of which.
  ShardStorage storage = ShardStorage::kPlain;
  std::uint64_t storage_seed = 1;  ///< Of what is random about how inputs are stored.
};

/// See above. A plain value: what was set stays for the next Run(), copies are independent.
class TestRun {
 public:
  using Define = std::function<void(Job&)>;

  /// A registered job that is linked into the test.
  explicit TestRun(std::string job_name);
  explicit TestRun(const char* job_name) : TestRun(std::string(job_name)) {}
  /// A job by its definition.
  explicit TestRun(Define define) : define_(std::move(define)) {}

  /// The input `name` as one shard with this text. Every input must be set, even if to nothing.
  TestRun& Input(const std::string& name, std::string text) {
    return Shards(name, {std::move(text)});
  }
  /// The input `name` as several shards, in order.
  TestRun& Shards(const std::string& name, std::vector<std::string> shards);
  /// A parameter, as behind --param.
  TestRun& Param(const std::string& name, std::string value);
  /// The logical date, YYYY-MM-DD.
  TestRun& Date(std::string date);
  /// As --max-rejects: more fail the run. Default: none are tolerated.
  TestRun& MaxRejects(std::uint64_t count);
  TestRun& Execution(const TestExecution& execution);

  const TestExecution& execution() const { return execution_; }
  /// Bytes of the longest shard.
  std::uint64_t shard_bytes_max() const;

  /// Runs the job. Errors, in `status`: as Execute's; kInvalidArgument also for an unknown job,
  /// input or parameter, kUserCode where the definition throws. Thread-safe.
  TestResult Run() const;

 private:
  Define define_;
  Status mistake_;  // What was wrong with the settings.
  JobSettings settings_;
  std::map<std::string, std::vector<std::string>> inputs_;
  std::uint64_t max_rejects_ = 0;
  TestExecution execution_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_TEST_RUN_H_

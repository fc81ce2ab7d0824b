// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_TEST_RESULT_H_
#define MAPREDUCE_TESTING_TEST_RESULT_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// A record that the job, or the reader of its input, set aside.
struct TestReject {
  std::string input;         ///< The input's name; the stage's for a group.
  int shard = -1;            ///< Index among the input's shards; -1 for a group.
  std::uint64_t offset = 0;  ///< In the shard's text.
  std::string reason;
  std::string raw;  ///< The record as read; the encoded key of a group.

  friend bool operator==(const TestReject&, const TestReject&) = default;
  friend std::ostream& operator<<(std::ostream& out, const TestReject& reject);
};

/// What a TestRun made. A plain value.
struct TestResult {
  Status status;  ///< Where it is an error, nothing below is set.
  std::map<std::string, std::vector<std::string>> parts;  ///< Text of each part file, by output.
  std::map<std::string, std::uint64_t> counters;
  std::vector<TestReject> rejects;  ///< In input order.
  std::uint64_t records_in = 0;
  std::uint64_t records_out = 0;

  bool ok() const { return status.ok(); }

  /// The output `name` ("": the only one), its parts one after the other; a test that asks for an
  /// output that isn't there fails.
  std::string Text(const std::string& name = "") const;
  /// The same as rows, without their LF.
  std::vector<std::string> Rows(const std::string& name = "") const;
  /// 0 for a counter that nobody has counted.
  std::uint64_t Counter(const std::string& name) const;
};

/// The lines of `text`, without LF; a last one without LF counts.
std::vector<std::string> LinesOf(std::string_view text);

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_TEST_RESULT_H_

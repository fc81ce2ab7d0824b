// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_JOBS_REJECT_REASONS_H_
#define TESTS_UNIT_JOBS_REJECT_REASONS_H_

#include <string>
#include <vector>

#include "mapreduce/testing/test_result.h"

namespace millrace {

/// Of all rejects, in their order.
inline std::vector<std::string> ReasonsOf(const TestResult& result) {
  std::vector<std::string> reasons;
  for (const TestReject& reject : result.rejects) reasons.push_back(reject.reason);
  return reasons;
}

}  // namespace millrace

#endif  // TESTS_UNIT_JOBS_REJECT_REASONS_H_

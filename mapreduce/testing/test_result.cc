// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/test_result.h"

#include <algorithm>
#include <cstddef>

#include "gtest/gtest.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {

std::ostream& operator<<(std::ostream& out, const TestReject& reject) {
  RowBuffer raw;
  AppendEscaped(raw, reject.raw);
  out << reject.input;
  if (reject.shard >= 0) out << " shard " << reject.shard << " at byte " << reject.offset;
  return out << ": " << reject.reason << ": '" << raw.view() << "'";
}

std::string TestResult::Text(const std::string& name) const {
  if (!ok()) {
    ADD_FAILURE() << "the run failed: " << status.message();
    return "";
  }
  const auto found = name.empty() && parts.size() == 1 ? parts.begin() : parts.find(name);
  if (found == parts.end()) {
    ADD_FAILURE() << "the job has no output '" << name << "'";
    return "";
  }
  std::string text;
  for (const std::string& part : found->second) text += part;
  return text;
}

std::vector<std::string> TestResult::Rows(const std::string& name) const {
  return LinesOf(Text(name));
}

std::uint64_t TestResult::Counter(const std::string& name) const {
  const auto found = counters.find(name);
  return found == counters.end() ? 0 : found->second;
}

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace millrace

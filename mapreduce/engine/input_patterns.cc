// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/input_patterns.h"

#include <algorithm>
#include <cstddef>

namespace millrace {
namespace {

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// "plays and users", "a, b and c".
std::string JoinNames(const std::vector<std::string>& names) {
  std::string joined;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) joined += i + 1 == names.size() ? " and " : ", ";
    joined += names[i];
  }
  return joined;
}

}  // namespace

Result<std::vector<InputPatterns>> AssignPatterns(std::string_view job,
                                                  const std::vector<std::string>& input_names,
                                                  const std::vector<std::string>& specs) {
  std::vector<InputPatterns> inputs;
  for (const std::string& name : input_names) inputs.push_back({.name = name});
  if (inputs.empty() && !specs.empty()) {
    return Status::InvalidArgument("the job ", job, " has no input; leave out --input ", specs[0]);
  }
  for (const std::string& spec : specs) {
    InputPatterns* input = &inputs[0];
    std::string_view pattern = spec;
    if (const std::size_t equals = spec.find('='); equals != std::string::npos) {
      const auto named = std::find(input_names.begin(), input_names.end(), spec.substr(0, equals));
      if (named != input_names.end()) {
        input = &inputs[static_cast<std::size_t>(named - input_names.begin())];
        pattern.remove_prefix(equals + 1);
      }
    }
    if (pattern.empty()) {
      return Status::InvalidArgument("--input '", spec,
                                     "' has no pattern; say which files to read");
    }
    input->patterns.emplace_back(pattern);
  }
  for (const InputPatterns& input : inputs) {
    if (!input.patterns.empty()) continue;
    return Status::InvalidArgument("the job ", job, " needs the input ", input.name,
                                   "; add --input ", &input == &inputs[0] ? "" : input.name + "=",
                                   "PATTERN");
  }
  return inputs;
}

std::string UnknownInputHint(const InputPatterns& input, const std::vector<std::string>& names) {
  for (const std::string& pattern : input.patterns) {
    const std::size_t equals = pattern.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    const std::string name = pattern.substr(0, equals);
    if (!std::all_of(name.begin(), name.end(), IsNameByte)) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return "; the job has no input " + name + ", only " + JoinNames(names);
  }
  return "";
}

bool IsCalendarDate(std::string_view date) {
  if (date.size() != 10 || date[4] != '-' || date[7] != '-') return false;
  const auto number = [date](std::size_t from, std::size_t count) {
    int value = 0;
    for (std::size_t i = from; i < from + count; ++i) {
      if (date[i] < '0' || date[i] > '9') return -1;
      value = value * 10 + (date[i] - '0');
    }
    return value;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return day <= kDays[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

}  // namespace millrace

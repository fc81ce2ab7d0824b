// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_INPUT_PATTERNS_H_
#define MAPREDUCE_ENGINE_INPUT_PATTERNS_H_

// What `--input [NAME=]PATTERN` says. NAME= is a name only where the job has that input, so that
// `dt=2026-11-21/` stays a path; a pattern without a name belongs to the job's first input.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// One input of a job and the patterns of its files, in the order given.
struct InputPatterns {
  std::string name;
  std::vector<std::string> patterns;
};

/// Sorts `specs` to the job's inputs. Every input gets at least one pattern, otherwise
/// kInvalidArgument says which one lacks it.
Result<std::vector<InputPatterns>> AssignPatterns(std::string_view job,
                                                  const std::vector<std::string>& input_names,
                                                  const std::vector<std::string>& specs);

/// For an error about a pattern that matched nothing: where it looks like NAME=PATTERN with a name
/// that the job hasn't, "; the job has no input logs, only plays and users", otherwise "".
std::string UnknownInputHint(const InputPatterns& input, const std::vector<std::string>& names);

/// Whether `date` is a day of the calendar, written YYYY-MM-DD.
bool IsCalendarDate(std::string_view date);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_INPUT_PATTERNS_H_

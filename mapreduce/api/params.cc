// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/params.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "mapreduce/base/numbers.h"

namespace millrace::api_internal {
namespace {

Status Wrong(const ParamInfo& info, std::string_view expected) {
  return Status::InvalidArgument("parameter ", info.name, " must be ", expected, ", not '",
                                 info.value, "'");
}

}  // namespace

Status ParseParam(const ParamInfo& info, std::int64_t* value) {
  return ParseInt64(info.value, value) ? Status::Ok() : Wrong(info, "an integer in int64");
}

Status ParseParam(const ParamInfo& info, std::uint64_t* value) {
  std::int64_t number = 0;
  if (!ParseInt64(info.value, &number) || number < 0)
    return Wrong(info, "an integer from 0 to 2^63 - 1");
  *value = static_cast<std::uint64_t>(number);
  return Status::Ok();
}

Status ParseParam(const ParamInfo& info, double* value) {
  const char* const end = info.value.data() + info.value.size();
  const auto [stop, error] = std::from_chars(info.value.data(), end, *value);
  return error == std::errc() && stop == end && std::isfinite(*value) ? Status::Ok()
                                                                      : Wrong(info, "a number");
}

Status ParseParam(const ParamInfo& info, bool* value) {
  if (info.value != "true" && info.value != "false") return Wrong(info, "true or false");
  *value = info.value == "true";
  return Status::Ok();
}

Status ParseParam(const ParamInfo& info, std::string* value) {
  *value = info.value;
  if (info.choices.empty()) return Status::Ok();
  std::string expected = "one of";
  for (const std::string& choice : info.choices) {
    if (choice == info.value) return Status::Ok();
    expected += (&choice == info.choices.data() ? " " : ", ") + choice;
  }
  return Wrong(info, expected);
}

std::string FormatParam(std::int64_t value) { return std::to_string(value); }
std::string FormatParam(std::uint64_t value) { return std::to_string(value); }
std::string FormatParam(bool value) { return value ? "true" : "false"; }
std::string FormatParam(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace millrace::api_internal

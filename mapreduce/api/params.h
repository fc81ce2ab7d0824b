// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_PARAMS_H_
#define MAPREDUCE_API_PARAMS_H_

// A job's parameters: declared with type, default and help where the job reads them, checked
// before anything runs.

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// One declared parameter and its effective value.
struct ParamInfo {
  std::string name;
  std::string type;  ///< "integer", "count" (0 and up), "number", "text", "flag", "column"
  std::string default_value;
  std::string value;
  std::string help;
  std::vector<std::string> choices;  ///< Empty: any value of the type.
  bool is_set = false;               ///< The user gave it.
};

namespace api_internal {

Status ParseParam(const ParamInfo& info, std::int64_t* value);
Status ParseParam(const ParamInfo& info, std::uint64_t* value);
Status ParseParam(const ParamInfo& info, double* value);
Status ParseParam(const ParamInfo& info, bool* value);
Status ParseParam(const ParamInfo& info, std::string* value);

std::string FormatParam(std::int64_t value);
std::string FormatParam(std::uint64_t value);
std::string FormatParam(double value);
std::string FormatParam(bool value);
inline std::string FormatParam(std::string value) { return value; }

template <class T>
constexpr const char* ParamType() {
  if constexpr (std::is_same_v<T, bool>) return "flag";
  if constexpr (std::is_floating_point_v<T>) return "number";
  if constexpr (std::is_unsigned_v<T>) return "count";
  if constexpr (std::is_integral_v<T>) return "integer";
  return "text";
}

/// The one of the five types above that stands for T.
template <class T>
using ParamStorage = std::conditional_t<
    std::is_same_v<T, bool>, bool,
    std::conditional_t<
        std::is_floating_point_v<T>, double,
        std::conditional_t<std::is_unsigned_v<T>, std::uint64_t,
                           std::conditional_t<std::is_integral_v<T>, std::int64_t, std::string>>>>;

/// `value` was parsed as the widest type of its kind.
template <class T>
Status CheckRange(const ParamInfo& info, ParamStorage<T> value) {
  if (value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max())
    return Status::Ok();
  return Status::InvalidArgument("parameter ", info.name, " must be from ",
                                 +std::numeric_limits<T>::min(), " to ",
                                 +std::numeric_limits<T>::max(), ", not '", info.value, "'");
}

}  // namespace api_internal
}  // namespace millrace

#endif  // MAPREDUCE_API_PARAMS_H_

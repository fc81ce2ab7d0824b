// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <system_error>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/closest_name.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

// "--input a b" becomes "--input a --input b": shells expand globs, and the parser shall take one
// value per flag, since it reads "[x]" as a list where it may take several.
std::vector<std::string> OneValuePerFlag(const CommandSpec& command,
                                         const std::vector<std::string>& arguments) {
  std::vector<std::string> expanded;
  const FlagSpec* repeated = nullptr;  // The repeatable flag whose values we are in.
  bool has_value = false;
  for (const std::string& text : arguments) {
    const bool is_flag = text.size() > 1 && text[0] == '-';
    if (is_flag) {
      const auto found =
          std::find_if(command.flags.begin(), command.flags.end(),
                       [&text](const FlagSpec& flag) { return flag.repeats && flag.name == text; });
      repeated = found == command.flags.end() ? nullptr : &*found;
      has_value = false;
    } else if (repeated != nullptr) {
      // Only patterns are what shells expand; for other flags one value is all.
      if (has_value && repeated->name != "--input") repeated = nullptr;
      if (has_value && repeated != nullptr) expanded.push_back(repeated->name);
      has_value = true;
    }
    expanded.push_back(text);
  }
  return expanded;
}

bool IsFlag(const CommandSpec& command, const std::string& text) {
  const std::string name = text.substr(0, text.find('='));
  return std::any_of(command.flags.begin(), command.flags.end(), [&name](const FlagSpec& flag) {
    return name == flag.name || (!flag.short_name.empty() && name == flag.short_name);
  });
}

std::string SeeHelp(const CommandSpec& command) {
  return "; see `millrace " + command.name + " --help`";
}

// What the parser would take: a flag that is followed by another flag where its value should be,
// and a switch with a value.
Status CheckValues(const CommandSpec& command, const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const auto is_switch = [&text = arguments[i]](const FlagSpec& flag) {
      const std::string name = text.substr(0, text.find('='));
      return flag.value.empty() && name.size() < text.size() &&
             (name == flag.name || (!flag.short_name.empty() && name == flag.short_name));
    };
    if (std::any_of(command.flags.begin(), command.flags.end(), is_switch)) {
      return Status::InvalidArgument(
          Printable(arguments[i]), ": ", arguments[i].substr(0, arguments[i].find('=')),
          " takes no value; it is off where it is left out", SeeHelp(command));
    }
    const auto takes_value = [&text = arguments[i]](const FlagSpec& flag) {
      return !flag.value.empty() &&
             (text == flag.name || (!flag.short_name.empty() && text == flag.short_name));
    };
    const auto is_empty = [&text = arguments[i]](const FlagSpec& flag) {
      return !flag.value.empty() && text == flag.name + "=";  // The parser would take the next one.
    };
    if (std::any_of(command.flags.begin(), command.flags.end(), is_empty)) {
      return Status::InvalidArgument(arguments[i], " has nothing behind it; say the value",
                                     SeeHelp(command));
    }
    if (std::none_of(command.flags.begin(), command.flags.end(), takes_value)) continue;
    if (i + 1 < arguments.size() && !IsFlag(command, arguments[i + 1])) continue;
    return Status::InvalidArgument(arguments[i], " lacks its value", SeeHelp(command));
  }
  return {};
}

// `argument`: of the command, if it has got one.
Status UnknownFlag(const CommandSpec& command, const std::string& text,
                   const std::string& argument) {
  if (text.size() < 2 || text[0] != '-') {
    const std::string behind =
        argument.empty() ? "" : " behind '" + Printable(argument) + "' (a glob needs quotes)";
    return Status::InvalidArgument("unexpected argument '", Printable(text), "'", behind,
                                   SeeHelp(command));
  }
  std::vector<std::string> names = {"--help"};
  for (const FlagSpec& flag : command.flags) names.push_back(flag.name);
  const std::string name = text.substr(0, text.find('='));
  return Status::InvalidArgument("unknown flag ", Printable(name), DidYouMean(name, names),
                                 SeeHelp(command));
}

}  // namespace

std::string Arguments::Get(const std::string& flag, const std::string& otherwise) const {
  const auto found = values.find(flag);
  return found == values.end() ? otherwise : found->second.back();
}

std::vector<std::string> Arguments::All(const std::string& flag) const {
  const auto found = values.find(flag);
  return found == values.end() ? std::vector<std::string>() : found->second;
}

Result<Arguments> ParseArguments(const CommandSpec& command,
                                 const std::vector<std::string>& arguments) {
  MR_RETURN_IF_ERROR(CheckValues(command, arguments));
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::string> positional;
  if (!command.argument.empty()) app.add_option("argument", positional)->allow_extra_args(false);
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> switches;
  for (const FlagSpec& flag : command.flags) {
    const std::string names =
        flag.short_name.empty() ? flag.name : flag.short_name + "," + flag.name;
    if (flag.value.empty()) {
      app.add_flag(names, switches[flag.name]);
    } else {
      app.add_option(names, values[flag.name])->allow_extra_args(false);
    }
  }
  std::vector<std::string> reversed = OneValuePerFlag(command, arguments);
  std::reverse(reversed.begin(), reversed.end());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(Printable(error.what()), SeeHelp(command));
  }
  if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) {
    return UnknownFlag(command, extras[0], positional.empty() ? "" : positional[0]);
  }

  Arguments parsed{.command = &command, .words = arguments};
  if (!positional.empty()) parsed.argument = positional[0];
  for (const FlagSpec& flag : command.flags) {
    if (flag.value.empty()) {
      if (switches[flag.name]) parsed.values[flag.name] = {""};
      continue;
    }
    const std::vector<std::string>& given = values[flag.name];
    if (given.empty()) continue;
    if (given.size() > 1 && !flag.repeats) {
      return Status::InvalidArgument(flag.name, " is given twice; say it once");
    }
    parsed.values[flag.name] = given;
  }
  return parsed;
}

Result<std::optional<std::uint64_t>> SizeFlag(const Arguments& arguments, const std::string& flag) {
  if (!arguments.Has(flag)) return std::optional<std::uint64_t>();
  const std::string text = arguments.Get(flag);
  const Result<std::uint64_t> bytes = ParseSize(text);
  if (bytes.ok() && *bytes > 0) return std::optional<std::uint64_t>(*bytes);
  return Status::InvalidArgument(flag, " must be a size above 0 such as 64M or 2GiB, not '",
                                 Printable(text), "'");
}

Result<std::optional<std::uint64_t>> CountFlag(const Arguments& arguments, const std::string& flag,
                                               std::uint64_t least, std::uint64_t most) {
  if (!arguments.Has(flag)) return std::optional<std::uint64_t>();
  const std::string text = arguments.Get(flag);
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty() && count >= least &&
      count <= most) {
    return std::optional<std::uint64_t>(count);
  }
  return Status::InvalidArgument(flag, " must be a whole number from ", least, " to ", most,
                                 ", not '", Printable(text), "'");
}

Result<std::map<std::string, std::string>> PairsFlag(const Arguments& arguments,
                                                     const std::string& flag) {
  std::map<std::string, std::string> pairs;
  for (const std::string& text : arguments.All(flag)) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::InvalidArgument(flag, " must be written NAME=VALUE, not '", Printable(text),
                                     "'");
    }
    const std::string name = text.substr(0, equals);
    if (!pairs.emplace(name, text.substr(equals + 1)).second) {
      return Status::InvalidArgument(flag, " ", Printable(name), " is given twice; say it once");
    }
  }
  return pairs;
}

Result<RejectLimit> RejectLimitFlag(const Arguments& arguments, const std::string& flag) {
  RejectLimit limit;
  if (!arguments.Has(flag)) return limit;
  const std::string text = arguments.Get(flag);
  const char* const end = text.data() + text.size();
  if (text.ends_with('%')) {
    const auto [stop, error] =
        std::from_chars(text.data(), end - 1, limit.percent, std::chars_format::fixed);
    if (error == std::errc() && stop == end - 1 && text[0] != '-' && limit.percent <= 100) {
      return limit;
    }
  } else {
    const auto [stop, error] = std::from_chars(text.data(), end, limit.count);
    if (error == std::errc() && stop == end) return limit;
  }
  return Status::InvalidArgument(flag,
                                 " must be a number of records or a percentage from 0% to "
                                 "100%, not '",
                                 Printable(text), "'");
}

}  // namespace millrace

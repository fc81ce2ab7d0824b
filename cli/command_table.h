// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_COMMAND_TABLE_H_
#define CLI_COMMAND_TABLE_H_

// Every command and flag, once: the parser, the help texts and the completions read this table.

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct FlagSpec {
  std::string name;   ///< "--input"
  std::string value;  ///< What follows, "" for a switch: "DIR".
  std::string help;
  bool repeats = false;
  std::string short_name = "";  ///< "-n"
};

struct CommandSpec {
  std::string name;
  std::string argument;  ///< Its one argument: "JOB", "OUT", "[JOB]", "SHELL", or "" for none.
  std::string summary;
  std::string details;  ///< More for `millrace NAME --help`; examples.
  std::vector<FlagSpec> flags;
};

const std::vector<CommandSpec>& Commands();
/// Null if there is none.
const CommandSpec* FindCommand(std::string_view name);

/// The whole help, and one command's.
std::string HelpText();
std::string HelpText(const CommandSpec& command);

}  // namespace millrace

#endif  // CLI_COMMAND_TABLE_H_

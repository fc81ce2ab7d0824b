// SPDX-License-Identifier: Apache-2.0
// docs/reference/command-line.md names each command and flag there is, and no other.
#include <regex>
#include <set>
#include <string>

#include "cli/command_table.h"
#include "gtest/gtest.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

// What stands between the heading "## `millrace NAME …`" and the next one.
std::string SectionOf(const std::string& page, const std::string& command) {
  const std::size_t begin = page.find("\n## `millrace " + command);
  EXPECT_NE(begin, std::string::npos) << "no section for " << command;
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("\n## ", begin + 1) - begin);
}

std::set<std::string> FlagsIn(const std::string& text) {
  static const std::regex kRow(R"(\| `(?:-\w, )?(--[a-z-]+))");
  std::set<std::string> flags;
  for (std::sregex_iterator at(text.begin(), text.end(), kRow), end; at != end; ++at) {
    flags.insert((*at)[1]);
  }
  return flags;
}

TEST(ReferenceTest, EachCommandsTableHasItsFlags) {
  const std::string page = ReadProjectFile("docs/reference/command-line.md");
  for (const CommandSpec& command : Commands()) {
    std::set<std::string> flags;
    for (const FlagSpec& flag : command.flags) flags.insert(flag.name);
    EXPECT_EQ(FlagsIn(SectionOf(page, command.name)), flags) << command.name;
  }
}

TEST(ReferenceTest, NamesEachExitCode) {
  const std::string page = ReadProjectFile("docs/reference/command-line.md");
  static const std::regex kCode(R"(\n  (\d+)  )");
  const std::string help = HelpText();
  int checked = 0;
  for (std::sregex_iterator at(help.begin(), help.end(), kCode), end; at != end; ++at) {
    EXPECT_NE(page.find("| " + (*at)[1].str() + " |"), std::string::npos) << (*at)[1];
    ++checked;
  }
  EXPECT_GT(checked, 5);
}

}  // namespace
}  // namespace millrace

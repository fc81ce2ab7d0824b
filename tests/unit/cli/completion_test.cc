// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::HasSubstr;

TEST(CompletionTest, EveryShellKnowsEveryCommandAndFlag) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Result<std::string> script = CompletionScript(shell);
    ASSERT_TRUE(script.ok());
    for (const CommandSpec& command : Commands()) {
      EXPECT_THAT(*script, HasSubstr(command.name)) << shell;
      for (const FlagSpec& flag : command.flags) {
        const std::string name = shell == "fish" ? "-l " + flag.name.substr(2) : flag.name;
        EXPECT_THAT(*script, HasSubstr(name)) << shell;
      }
    }
  }
}

TEST(CompletionTest, RunAlsoTakesJobFiles) {
  const auto of_run = [](const std::string& script) {
    const std::size_t begin = script.find("    run)");
    return script.substr(begin, script.find("    jobs)") - begin);
  };
  EXPECT_THAT(of_run(*CompletionScript("bash")), HasSubstr("'!*.toml'"));
  EXPECT_THAT(of_run(*CompletionScript("zsh")), HasSubstr("files='*.toml'"));
}

TEST(CompletionTest, RefusesOtherShells) {
  EXPECT_EQ(CompletionScript("csh").error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(CompletionScript("fisch").error().message(), HasSubstr("did you mean fish?"));
  EXPECT_EQ(CompletionScript("").error().code(), StatusCode::kInvalidArgument);
}

TEST(HelpTest, NamesEveryCommandAndEveryFlag) {
  const std::string help = HelpText();
  for (const CommandSpec& command : Commands()) {
    EXPECT_THAT(help, HasSubstr("\n  " + command.name + " "));
    const std::string more = HelpText(command);
    for (const FlagSpec& flag : command.flags) EXPECT_THAT(more, HasSubstr(flag.name));
  }
  EXPECT_THAT(help, HasSubstr("Exit codes"));
  EXPECT_THAT(help, HasSubstr("Sizes"));
}

}  // namespace
}  // namespace millrace

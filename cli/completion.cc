// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include "cli/command_table.h"
#include "cli/console.h"
#include "mapreduce/engine/closest_name.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

std::string CommandNames() {
  std::string names;
  for (const CommandSpec& command : Commands()) {
    names += (names.empty() ? "" : " ") + command.name;
  }
  return names;
}

std::string FlagNames(const CommandSpec& command) {
  std::string names = "--help";
  for (const FlagSpec& flag : command.flags) names += " " + flag.name;
  return names;
}

bool TakesJob(const CommandSpec& command) {
  return command.argument.find("JOB") != std::string::npos;
}

bool TakesJobFile(const CommandSpec& command) {
  return command.argument.find(".toml") != std::string::npos;
}

// A single-quoted word of the shells: help texts may hold an apostrophe.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

constexpr char kJobs[] = "$(millrace jobs 2>/dev/null | cut -d' ' -f1)";

std::string Bash() {
  std::string script =
      "_millrace() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
      "  COMPREPLY=()\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      CommandNames() +
      " --help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case $command in\n";
  for (const CommandSpec& command : Commands()) {
    script += "    " + command.name + ")\n";
    if (TakesJob(command)) {
      script +=
          "      if [[ $COMP_CWORD -eq 2 && $word != -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"" +
          std::string(kJobs) + "\" -- \"$word\")" +
          (TakesJobFile(command) ? " $(compgen -d -- \"$word\")"
                                   " $(compgen -f -X '!*.toml' -- \"$word\")"
                                 : "") +
          ")\n"
          "        return\n"
          "      fi\n";
    }
    if (command.name == "completion") {
      script += "      COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n      return\n";
    }
    script +=
        "      if [[ $word == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W '" +
        FlagNames(command) +
        "' -- \"$word\"))\n"
        "        return\n"
        "      fi ;;\n";
  }
  script +=
      "  esac\n"
      "  COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "}\n"
      "complete -o filenames -F _millrace millrace\n";
  return script;
}

std::string Zsh() {
  std::string script =
      "#compdef millrace\n"
      "_millrace() {\n"
      "  local -a commands flags jobs\n"
      "  local files=\n"
      "  commands=(\n";
  for (const CommandSpec& command : Commands()) {
    script += "    " + Quoted(command.name + ":" + command.summary) + "\n";
  }
  script +=
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe 'command' commands\n"
      "    return\n"
      "  fi\n"
      "  case $words[2] in\n";
  for (const CommandSpec& command : Commands()) {
    script += "    " + command.name + ")\n      flags=(";
    for (const FlagSpec& flag : command.flags) {
      script += Quoted(flag.name + ":" + flag.help) + " ";
    }
    script += Quoted("--help:show help") + ")\n";
    if (TakesJob(command)) script += "      jobs=(" + std::string(kJobs) + ")\n";
    if (TakesJobFile(command)) script += "      files='*.toml'\n";
    if (command.name == "completion") script += "      jobs=(bash zsh fish)\n";
    script += "      ;;\n";
  }
  script +=
      "  esac\n"
      "  if [[ $PREFIX == -* ]]; then\n"
      "    _describe 'flag' flags\n"
      "  elif (( CURRENT == 3 && $#jobs )); then\n"
      "    _describe 'argument' jobs\n"
      "    [[ -n $files ]] && _files -g $files\n"
      "  else\n"
      "    _files\n"
      "  fi\n"
      "}\n"
      "compdef _millrace millrace\n";
  return script;
}

std::string Fish() {
  std::string script;
  const auto on = [](const std::string& command) {
    return "'__fish_seen_subcommand_from " + command + "'";
  };
  for (const CommandSpec& command : Commands()) {
    script += "complete -c millrace -n __fish_use_subcommand -f -a " + command.name + " -d " +
              Quoted(command.summary) + "\n";
    if (TakesJob(command)) {
      script += "complete -c millrace -n " + on(command.name) +
                " -a \"(millrace jobs 2>/dev/null | cut -d' ' -f1)\"\n";
    }
    if (command.name == "completion") {
      script += "complete -c millrace -n " + on(command.name) + " -f -a 'bash zsh fish'\n";
    }
    for (const FlagSpec& flag : command.flags) {
      script += "complete -c millrace -n " + on(command.name) + " -l " + flag.name.substr(2) +
                (flag.value.empty() ? "" : " -r") + " -d " + Quoted(flag.help) + "\n";
    }
  }
  return script;
}

}  // namespace

Result<std::string> CompletionScript(const std::string& shell) {
  if (shell == "bash") return Bash();
  if (shell == "zsh") return Zsh();
  if (shell == "fish") return Fish();
  if (shell.empty()) return Status::InvalidArgument("which shell? write bash, zsh or fish");
  return Status::InvalidArgument("no completion for the shell '", Printable(shell), "'",
                                 DidYouMean(shell, {"bash", "zsh", "fish"}),
                                 "; there is bash, zsh and fish");
}

int CompletionCommand(const Arguments& arguments) {
  const Result<std::string> script = CompletionScript(arguments.argument);
  return FinishStdout(script.ok() ? WriteStdout(*script) : script.error());
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/check_commands.h"
#include "cli/cluster_commands.h"
#include "cli/command_table.h"
#include "cli/completion.h"
#include "cli/console.h"
#include "cli/jobs_command.h"
#include "cli/json_report.h"
#include "cli/key_flags.h"
#include "cli/master_command.h"
#include "cli/run_command.h"
#include "cli/schema_command.h"
#include "cli/show_commands.h"
#include "cli/worker_command.h"
#include "mapreduce/engine/closest_name.h"
#include "mapreduce/engine/utf8.h"
#include "worker/task_command.h"
#include "worker/task_keeper.h"

namespace millrace {
namespace {

// A reader of stdout that goes away (`millrace cat out | head`), or a file that grows over the
// limit of `ulimit -f`, is an error of write(), not the end.
class IgnoreSignalsOfWrites {
 public:
  IgnoreSignalsOfWrites() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      sigaction(kSignals[i], &ignore, &previous_[i]);
  }
  ~IgnoreSignalsOfWrites() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      sigaction(kSignals[i], &previous_[i], nullptr);
  }

 private:
  static constexpr std::array kSignals{SIGPIPE, SIGXFSZ};
  std::array<struct sigaction, kSignals.size()> previous_;
};

// Where 0, 1 or 2 is closed, a file that we open would get the number, and messages would go into
// it. What is opened instead can't be written to: writing still fails.
void HoldStandardDescriptors() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    if (open("/dev/null", O_RDONLY) < 0) return;
  }
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  // What stands behind "--" is no flag.
  return std::find(words.begin(), std::find(words.begin(), words.end(), "--"), word) !=
         std::find(words.begin(), words.end(), "--");
}

// --output of a command line that could not be read.
std::string OutputIn(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].starts_with("--output=")) return words[i].substr(9);
    if (words[i] == "--output" && i + 1 < words.size()) return words[i + 1];
  }
  return "";
}

int Dispatch(const Arguments& arguments) {
  const std::string& name = arguments.command->name;
  if (name == "run") return RunCommand(arguments);
  if (name == "jobs") return JobsCommand(arguments);
  if (name == "cat") return CatCommand(arguments);
  if (name == "head") return HeadCommand(arguments);
  if (name == "schema") return SchemaCommand(arguments);
  if (name == "master") return MasterCommand(arguments);
  if (name == "worker") return WorkerCommand(arguments);
  if (name == "status") return StatusCommand(arguments);
  if (name == "watch") return WatchCommand(arguments);
  if (name == "cancel") return CancelCommand(arguments);
  if (name == "keygen") return KeygenCommand(arguments);
  if (name == "verify") return VerifyCommand(arguments);
  if (name == "rerun") return RerunCommand(arguments);
  return CompletionCommand(arguments);
}

Status UnknownCommand(const std::string& name) {
  std::vector<std::string> names = {"--help", "--version"};
  for (const CommandSpec& command : Commands()) names.push_back(command.name);
  return Status::InvalidArgument("unknown command ", Printable(name), DidYouMean(name, names),
                                 "; `millrace --help` lists them");
}

int RunWords(const std::vector<std::string>& words) {
  if (words.empty()) {
    PrintMessage("which command? `millrace --help` lists them");
    return kExitUsage;
  }
  const std::string& first = words[0];
  if (first == "--help" || first == "-h" || first == "help") {
    const CommandSpec* const command = words.size() > 1 ? FindCommand(words[1]) : nullptr;
    return FinishStdout(WriteStdout(command == nullptr ? HelpText() : HelpText(*command)));
  }
  if (first == "--version") {
    return FinishStdout(WriteStdout(std::string("millrace ") + MILLRACE_VERSION + "\n"));
  }
  // What a worker starts; for nobody else, hence in no help.
  if (first == "task-child") return RunTaskCommand();
  if (first == "task-keeper") return RunTaskKeeper();
  const CommandSpec* const command = FindCommand(first);
  if (command == nullptr) return FinishStdout(UnknownCommand(first));

  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (Contains(rest, "--help") || Contains(rest, "-h")) {
    return FinishStdout(WriteStdout(HelpText(*command)));
  }
  const Result<Arguments> arguments = ParseArguments(*command, rest);
  if (arguments.ok()) return Dispatch(*arguments);
  const std::string& message = arguments.error().message();
  PrintMessage(message);
  if (command->name == "run" && Contains(rest, "--json")) {
    static_cast<void>(
        FinishStdout(WriteStdout(JsonFailure(kExitUsage, message, OutputIn(rest), 0))));
  }
  return kExitUsage;
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  HoldStandardDescriptors();
  const IgnoreSignalsOfWrites pipes;
  try {
    return RunWords(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  } catch (const std::bad_alloc&) {
    PrintMessage("out of memory");
    return kExitFailed;
  }
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "cli/isolated_rerun.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

extern char** environ;

namespace millrace {
namespace {

// Made before, for a signal handler can't allocate.
struct Rerun {
  std::vector<std::string> words;
  std::vector<char*> argv;
};
Rerun prepared;
std::atomic<const Rerun*> armed{nullptr};

}  // namespace

void ArmIsolatedRerun(const std::vector<std::string>& words) {
  DisarmIsolatedRerun();
  prepared.words = {"millrace", "run", "--isolate"};
  prepared.words.insert(prepared.words.end(), words.begin(), words.end());
  prepared.argv.clear();
  for (std::string& word : prepared.words) prepared.argv.push_back(word.data());
  prepared.argv.push_back(nullptr);
  armed.store(&prepared);
}

void DisarmIsolatedRerun() { armed.store(nullptr); }

bool IsIsolatedRerunArmed() { return armed.load() != nullptr; }

void RerunIsolatedIfArmed() {
  const Rerun* const rerun = armed.load();
  if (rerun == nullptr) return;
  sigset_t none;  // What this run and the handler have blocked would stay so.
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve("/proc/self/exe", rerun->argv.data(), environ);
}

}  // namespace millrace

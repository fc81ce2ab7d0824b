// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/cluster_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

std::string Slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, but for the names in `changes`.
std::vector<std::string> Environment(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string variable = *at;
    bool is_changed = false;
    for (const std::string& change : changes)
      is_changed |= variable.starts_with(change.substr(0, change.find('=') + 1));
    if (!is_changed) all.push_back(variable);
  }
  return all;
}

}  // namespace

bool AwaitThat(const std::string& what, const std::function<bool()>& is_so) {
  const Clock::time_point start = Clock::now();
  while (!is_so()) {
    if (Clock::now() - start > kClusterPatience) {
      ADD_FAILURE() << "waited for a minute in vain: " << what;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // Until the next look.
  }
  return true;
}

ClusterProcess::ClusterProcess(const Options& options) : options_(options), start_(Clock::now()) {
  std::vector<std::string> words = options.words;
  std::vector<std::string> environment = Environment(options.environment);
  const std::vector<char*> argv = Pointers(words), envp = Pointers(environment);
  const std::string out_path = options.log.string() + ".out";
  const std::string err_path = options.log.string() + ".err";
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe: " << std::strerror(errno);
    return;
  }
  pid_ = fork();
  if (pid_ != 0) {
    close(ends[0]);
    stdin_ = ends[1];
    return;
  }
  const int out = open(out_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const int err = open(err_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  dup2(ends[0], 0);
  dup2(out, 1);
  dup2(err, 2);
  for (int fd = 3; fd < 256; ++fd) close(fd);
  if (chdir(options.directory.c_str()) == 0) execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

ClusterProcess::~ClusterProcess() {
  if (!HasEnded()) Kill();
  CloseStdin();
}

std::string ClusterProcess::out() const { return Slurp(options_.log.string() + ".out"); }
std::string ClusterProcess::err() const { return Slurp(options_.log.string() + ".err"); }

void ClusterProcess::Signal(int signal) {
  if (!HasEnded()) kill(pid_, signal);
}

void ClusterProcess::CloseStdin() {
  if (stdin_ >= 0) close(stdin_);
  stdin_ = -1;
}

bool ClusterProcess::HasEnded() {
  if (!has_ended_ && pid_ > 0) has_ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return has_ended_ || pid_ <= 0;
}

ProcessResult ClusterProcess::Wait() {
  if (!AwaitThat("the end of " + options_.log.filename().string(), [&] { return HasEnded(); }))
    Kill();
  ProcessResult result;
  result.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_);
  result.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  result.out = out();
  result.err = err();
  return result;
}

void ClusterProcess::Kill() {
  if (HasEnded()) return;
  kill(pid_, SIGKILL);
  has_ended_ = waitpid(pid_, &status_, 0) == pid_;
}

}  // namespace millrace

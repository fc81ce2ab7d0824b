// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/millrace_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace millrace {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::seconds kPatience{120};

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

Process::Process(const std::vector<std::string>& words, const fs::path& directory)
    : start_(std::chrono::steady_clock::now()) {
  static std::atomic<int> count{0};
  const std::string number = std::to_string(++count);
  out_ = directory / (".stdout-" + number);
  err_ = directory / (".stderr-" + number);
  std::vector<char*> argv;
  std::vector<std::string> copy = words;
  for (std::string& word : copy) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  const int out = open(out_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const int err = open(err_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (int fd = 3; fd < 64; ++fd) close(fd);
  if (chdir(directory.c_str()) == 0) execv(argv[0], argv.data());
  _exit(127);
}

Process::~Process() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::Kill(int signal) { kill(pid_, signal); }

ProcessResult Process::Wait() {
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() - start_ > kPatience) {
      ADD_FAILURE() << "the process did not end";
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // waitpid knows no deadline.
  }
  pid_ = -1;
  ProcessResult result;
  result.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start_);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = Slurp(out_);
  result.err = Slurp(err_);
  fs::remove(out_);
  fs::remove(err_);
  return result;
}

void MillraceTest::SetUp() {
  std::string name = (Base() / "millrace_test_XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  root_ = name;
}

void MillraceTest::TearDown() {
  std::error_code error;
  for (fs::recursive_directory_iterator at(root_, error), end; at != end; at.increment(error)) {
    if (at->is_directory(error)) fs::permissions(*at, fs::perms::owner_all, error);
  }
  fs::remove_all(root_, error);
}

std::vector<std::string> MillraceTest::Command(const std::vector<std::string>& words) {
  std::vector<std::string> command = {MILLRACE_BINARY};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

ProcessResult MillraceTest::Run(const std::vector<std::string>& words) {
  return Process(Command(words), root_).Wait();
}

void MillraceTest::Write(const std::string& path, const std::string& content) {
  fs::create_directories((root_ / path).parent_path());
  std::ofstream(root_ / path, std::ios::binary) << content;
}

std::string MillraceTest::Read(const std::string& path) { return Slurp(root_ / path); }

std::vector<std::string> MillraceTest::HiddenNames() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".")) names.push_back(name);
  }
  return names;
}

bool MillraceTest::Await(const std::string& path) {
  for (int i = 0; i < 1000; ++i) {
    if (Exists(path)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Until the next look.
  }
  return false;
}

}  // namespace millrace

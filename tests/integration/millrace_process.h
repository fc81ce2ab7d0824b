// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INTEGRATION_MILLRACE_PROCESS_H_
#define TESTS_INTEGRATION_MILLRACE_PROCESS_H_

// The real `millrace` command as a child process, and a folder of its own for each test.

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace {

/// What a process left: exit_code is 128 + the signal's number if a signal ended it.
struct ProcessResult {
  int exit_code = 0;
  std::string out, err;
  std::chrono::milliseconds elapsed{0};
};

/// One run of a program. The destructor kills it if it still lives.
class Process {
 public:
  /// `words[0]` is the program. Output goes to files in `directory`, where it also starts.
  Process(const std::vector<std::string>& words, const std::filesystem::path& directory);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void Kill(int signal);
  /// Waits for its end; kills it, and the test fails, after a minute.
  ProcessResult Wait();

 private:
  std::filesystem::path out_, err_;
  std::chrono::steady_clock::time_point start_;
  pid_t pid_ = -1;
};

/// A test with a folder that is its working directory's place, and the command to run in it.
class MillraceTest : public testing::Test {
 public:
  /// "millrace" and `words`.
  static std::vector<std::string> Command(const std::vector<std::string>& words);

 protected:
  void SetUp() override;
  void TearDown() override;

  /// Where the folder is made.
  virtual std::filesystem::path Base() { return std::filesystem::temp_directory_path(); }

  ProcessResult Run(const std::vector<std::string>& words);

  void Write(const std::string& path, const std::string& content);
  std::string Read(const std::string& path);
  bool Exists(const std::string& path) { return std::filesystem::exists(root_ / path); }
  /// Names in the folder that are neither the test's own nor outputs: work directories left over.
  std::vector<std::string> HiddenNames();
  /// Waits until `path` exists, at most ten seconds.
  bool Await(const std::string& path);

  std::filesystem::path root_;
};

}  // namespace millrace

#endif  // TESTS_INTEGRATION_MILLRACE_PROCESS_H_

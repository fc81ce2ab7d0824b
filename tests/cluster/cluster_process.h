// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_CLUSTER_CLUSTER_PROCESS_H_
#define TESTS_CLUSTER_CLUSTER_PROCESS_H_

// One process of a cluster under test. Its stdin is a pipe that nobody else holds: a test that dies
// takes along what was started with --exit-on-stdin-eof.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {

/// All waiting ends after so long, as a failure of the test.
inline constexpr std::chrono::seconds kClusterPatience{60};

/// Looks every few milliseconds until `is_so`; a failure that names `what`, and false, if it never
/// is.
bool AwaitThat(const std::string& what, const std::function<bool()>& is_so);

/// One thread at a time. The destructor kills it if it still lives.
class ClusterProcess {
 public:
  struct Options {
    std::vector<std::string> words;        ///< `words[0]` is the program.
    std::filesystem::path directory;       ///< Where it starts.
    std::filesystem::path log;             ///< `log`.out and `log`.err are made.
    std::vector<std::string> environment;  ///< "NAME=value", beside our own.
  };
  explicit ClusterProcess(const Options& options);
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;
  ~ClusterProcess();

  pid_t pid() const { return pid_; }
  std::string out() const;
  std::string err() const;

  void Signal(int signal);
  /// Its stdin ends.
  void CloseStdin();
  bool HasEnded();
  /// Waits for its end; kills it, and the test fails, after kClusterPatience.
  ProcessResult Wait();
  /// SIGKILL, and waits.
  void Kill();

 private:
  const Options options_;
  const std::chrono::steady_clock::time_point start_;
  pid_t pid_ = -1;
  int stdin_ = -1;
  bool has_ended_ = false;
  int status_ = 0;
};

}  // namespace millrace

#endif  // TESTS_CLUSTER_CLUSTER_PROCESS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FAULTS_FAULTY_RUN_H_
#define TESTS_FAULTS_FAULTY_RUN_H_

// A small run of a shipped job, from the request to the published output, that a test lets fail at
// any place; and what must hold afterwards, wherever that was.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "mapreduce/base/random.h"
#include "mapreduce/engine/run.h"

namespace millrace {

inline std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every file below `folder`, by its path there.
inline std::map<std::string, std::string> TreeOf(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder);
    files[name] = entry.is_regular_file() ? BytesOf(entry.path()) : "directory";
  }
  return files;
}

/// One input folder, and one folder in which "out" is made.
class FaultyRun {
 public:
  FaultyRun(const std::string& job, int parallel, std::uint64_t memory_bytes) {
    const bool has_memory = access("/dev/shm", W_OK) == 0 && std::getenv("TEST_TMPDIR") == nullptr;
    std::string pattern =
        (has_memory ? "/dev/shm" : ::testing::TempDir()) + "/millrace_faults_XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    std::filesystem::create_directories(folder_ / "in");
    std::filesystem::create_directories(folder_ / "place");
    request_.job = job;
    request_.inputs = {(folder_ / "in").string()};
    request_.output = (folder_ / "place" / "out").string();
    request_.parallel = parallel;
    request_.memory_bytes = memory_bytes;
    request_.split_bytes = 20'000;
    request_.parts = 3;
  }
  ~FaultyRun() { std::filesystem::remove_all(folder_); }
  FaultyRun(const FaultyRun&) = delete;
  FaultyRun& operator=(const FaultyRun&) = delete;

  RunRequest& request() { return request_; }
  std::filesystem::path place() const { return folder_ / "place"; }
  void AddShard(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / "in" / name, std::ios::binary) << text;
  }
  /// Lines of some letters, about `bytes` of them.
  void AddLines(const std::string& name, std::size_t bytes, std::uint64_t seed) {
    Random random(seed);
    std::string text;
    while (text.size() < bytes) {
      for (std::uint64_t i = random.Uniform(30); i > 0; --i) {
        text += static_cast<char>('a' + random.Uniform(6));
        if (random.Uniform(4) == 0) text += ' ';
      }
      text += '\n';
    }
    AddShard(name, text);
  }

  Result<RunSummary> Run() {
    CancelToken cancel;
    return RunJob(request_, cancel, nullptr);
  }

  /// The output of a run without faults; removes it again.
  void LearnWhatIsRight() {
    const Result<RunSummary> summary = Run();
    ASSERT_TRUE(summary.ok()) << summary.error().message();
    spilled_bytes_ = summary->spilled_bytes;
    right_ = TreeOf(place());
    ASSERT_GT(right_.size(), 4u);
    Clear();
  }
  std::uint64_t spilled_bytes() const { return spilled_bytes_; }

  void Clear() {
    for (const auto& entry : std::filesystem::directory_iterator(place())) {
      std::filesystem::remove_all(entry.path());
    }
  }

  static std::size_t OpenFiles() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                      std::filesystem::directory_iterator()));
  }

  /// Whatever happened: no half output, no file left but, if `may_leave_work`, in the hidden work
  /// folder; and the next run, without a fault, is right and leaves nothing.
  void ExpectSound(const Result<RunSummary>& summary, bool may_leave_work) {
    const std::map<std::string, std::string> tree = TreeOf(place());
    const bool has_output = tree.count("out") > 0;
    if (summary.ok()) {
      EXPECT_TRUE(has_output);
    } else {
      EXPECT_NE(summary.error().code(), StatusCode::kInternal) << summary.error().message();
      EXPECT_FALSE(summary.error().message().empty());
      EXPECT_TRUE(!has_output || summary.error().message().find("published") != std::string::npos)
          << summary.error().message();
    }
    for (const auto& [name, bytes] : tree) {
      if (name.starts_with(".") && may_leave_work) continue;
      EXPECT_TRUE(right_.count(name) > 0) << name << " is left";
    }
    for (const auto& [name, bytes] : right_) {
      if (has_output) {
        EXPECT_TRUE(tree.count(name) > 0 && tree.at(name) == bytes) << name;
      }
    }
    const Result<RunSummary> again = Run();
    EXPECT_TRUE(again.ok()) << again.error().message();
    EXPECT_TRUE(TreeOf(place()) == right_) << "after the next run";
    Clear();
  }

 private:
  std::filesystem::path folder_;
  RunRequest request_;
  std::map<std::string, std::string> right_;
  std::uint64_t spilled_bytes_ = 0;
};

}  // namespace millrace

#endif  // TESTS_FAULTS_FAULTY_RUN_H_

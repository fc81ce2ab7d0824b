// SPDX-License-Identifier: Apache-2.0
// What decides in master and worker is pure: no socket, clock, thread, file or lock, and nothing
// whose result depends on the machine or the library. Read from the source text.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The shells, by the beginning or the end of their names.
bool IsShell(const std::string& folder, const std::string& stem) {
  // Most of worker/ is shell.
  if (folder == "worker") {
    return stem != "fetcher" && stem != "slice_server" && stem != "worker" &&
           stem != "worker_peers";
  }
  return stem.starts_with("journal") || stem == "state_lock" || stem == "run_output" ||
         stem == "output_steps" || stem.starts_with("event_") || stem == "file_store" ||
         stem == "master_process";
}

// Comments and literals become spaces; line breaks stay.
std::string WithoutCommentsAndLiterals(const std::string& text) {
  std::string code = text;
  enum { kCode, kLine, kBlock, kString, kChar } in = kCode;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view two = std::string_view(text).substr(i, 2);
    const bool is_digit_mark = text[i] == '\'' && i > 0 && std::isalnum(text[i - 1]) != 0;
    const auto blank = [&](std::size_t count) {
      for (std::size_t end = i + count; i < end; ++i) {
        if (text[i] != '\n') code[i] = ' ';
      }
      --i;
    };
    if (in == kCode) {
      if (two == "//") {
        in = kLine;
      } else if (two == "/*") {
        in = kBlock;
      } else if (text[i] == '"' && !text.substr(0, i).ends_with("#include ")) {
        in = kString;
      } else if (text[i] == '\'' && !is_digit_mark) {
        in = kChar;
      } else {
        continue;
      }
      blank(1);
    } else if ((in == kString || in == kChar) && text[i] == '\\') {
      blank(std::min<std::size_t>(2, text.size() - i));
    } else {
      const bool is_end = (in == kLine && text[i] == '\n') || (in == kString && text[i] == '"') ||
                          (in == kChar && text[i] == '\'') || (in == kBlock && two == "*/");
      blank(in == kBlock && is_end ? 2 : 1);
      if (is_end) in = kCode;
    }
  }
  return code;
}

bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Whether `word` stands in the line as a whole name; one that ends in '_' is the beginning of one.
bool HasName(std::string_view line, std::string_view word) {
  for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !IsNamePart(line[at - 1]);
    if (starts && (word.ends_with('_') || end == line.size() || !IsNamePart(line[end])))
      return true;
  }
  return false;
}

constexpr std::string_view kHeaders[] = {"<thread>",
                                         "<chrono>",
                                         "<mutex>",
                                         "<shared_mutex>",
                                         "<condition_variable>",
                                         "<future>",
                                         "<atomic>",
                                         "<random>",
                                         "<fstream>",
                                         "<filesystem>",
                                         "<cstdio>",
                                         "<ctime>",
                                         "<time.h>",
                                         "<unordered_map>",
                                         "<unordered_set>",
                                         "<unistd.h>",
                                         "<fcntl.h>",
                                         "<poll.h>",
                                         "<pthread.h>",
                                         "<netinet/",
                                         "<arpa/",
                                         "<sys/",
                                         "zmq",
                                         "mapreduce/base/mutex.h",
                                         "mapreduce/base/phase_clock.h",
                                         "mapreduce/io/"};
constexpr std::string_view kNames[] = {"rand",
                                       "srand",
                                       "random_device",
                                       "mt19937",
                                       "hash",
                                       "unordered_",
                                       "float",
                                       "double",
                                       "system_clock",
                                       "steady_clock",
                                       "high_resolution_clock",
                                       "clock_gettime",
                                       "gettimeofday",
                                       "time",
                                       "getenv",
                                       "thread",
                                       "jthread",
                                       "mutex",
                                       "Mutex",
                                       "fopen",
                                       "printf",
                                       "cout",
                                       "cerr"};

std::vector<std::string> CheckText(const std::string& path, const std::string& text) {
  std::vector<std::string> violations;
  const std::string code = WithoutCommentsAndLiterals(text);
  std::size_t begin = 0;
  for (int number = 1; begin < code.size(); ++number) {
    const std::size_t end = std::min(code.find('\n', begin), code.size());
    const std::string_view line = std::string_view(code).substr(begin, end - begin);
    begin = end + 1;
    const auto report = [&](std::string_view what) {
      violations.push_back(path + ":" + std::to_string(number) + ": " + std::string(what));
    };
    if (line.starts_with("#include")) {
      for (const std::string_view header : kHeaders) {
        if (line.find(header) != line.npos) report(header);
      }
      continue;
    }
    for (const std::string_view name : kNames) {
      const bool is_std_alone = name == "hash" || name == "time" || name == "thread" ||
                                name == "mutex";  // Also names of what is harmless.
      if (HasName(line, is_std_alone ? "std::" + std::string(name) : std::string(name)))
        report(name);
    }
  }
  return violations;
}

TEST(PurityTest, HoldsInMasterAndWorker) {
  std::vector<std::string> violations, checked;
  for (const char* folder : {"master", "worker"}) {
    for (const fs::directory_entry& entry :
         fs::directory_iterator(fs::path(MILLRACE_SOURCE_DIR) / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cc") continue;
      if (IsShell(folder, path.stem().string())) continue;
      std::ifstream file(path);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      const std::string name = std::string(folder) + "/" + path.filename().string();
      checked.push_back(name);
      for (std::string& violation : CheckText(name, text)) violations.push_back(violation);
    }
  }
  EXPECT_THAT(violations, IsEmpty());
  for (const char* name : {"master/scheduler.cc", "master/scheduler.h", "worker/worker.cc"})
    EXPECT_THAT(checked, ::testing::Contains(name));
  EXPECT_GE(checked.size(), 16u);
}

TEST(PurityTest, NamesFileAndLine) {
  EXPECT_THAT(CheckText("a.cc", "#include <map>\n#include <thread>\n\nint x = rand();\n"),
              ElementsAre("a.cc:2: <thread>", "a.cc:4: rand"));
}

TEST(PurityTest, SeesEachKind) {
  for (const char* text :
       {"#include <chrono>", "#include <mutex>", "#include <fstream>", "#include <sys/socket.h>",
        "#include <zmq.hpp>", "#include \"mapreduce/base/mutex.h\"",
        "#include \"mapreduce/io/file_system.h\"", "std::hash<int> h;",
        "std::unordered_map<int, int> m;", "double x = 1;", "float x = 1;",
        "auto t = std::chrono::system_clock::now();", "const std::mutex m;"}) {
    EXPECT_EQ(CheckText("a.cc", text).size(), 1u) << text;
  }
}

TEST(PurityTest, OverlooksCommentsLiteralsAndLongerNames) {
  EXPECT_THAT(CheckText("a.cc",
                        "// a double, by rand()\n/* float\n float */ int operand = 1'000;\n"
                        "f(\"\\\"double\", '\"', held.hash, x.time);\n"
                        "#include \"mapreduce/base/hash.h\"  // float\n"),
              IsEmpty());
}

}  // namespace
}  // namespace millrace

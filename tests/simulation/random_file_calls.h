// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_RANDOM_FILE_CALLS_H_
#define TESTS_SIMULATION_RANDOM_FILE_CALLS_H_

// Random calls of a file system, for tests that compare two of them or cut the power among them.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/io/file_system.h"
#include "tests/simulation/sim_disk_test_tools.h"

namespace millrace {

/// Random calls on few names, so that they meet. What it draws does not depend on the answers: two
/// file systems that answer alike get the same calls.
class RandomCalls {
 public:
  RandomCalls(FileSystem& files, std::string root, std::uint64_t seed, bool with_tree_calls = true)
      : files_(files), root_(std::move(root)), random_(seed), kinds_(with_tree_calls ? 17 : 14) {}

  /// The call and its answer.
  std::string Next() {
    const std::string a = Path();
    const std::string b = Path();
    const std::string bytes(random_.Uniform(3000), static_cast<char>('a' + random_.Uniform(26)));
    auto& reader = readers_[random_.Uniform(readers_.size())];
    auto& writer = writers_[random_.Uniform(writers_.size())];
    switch (random_.Uniform(kinds_)) {
      case 0:
      case 1: {
        auto created = files_.Create(a);
        if (created.ok()) writer = *std::move(created);
        return Answer("create " + a, created.error());
      }
      case 2:
      case 3: {
        if (writer == nullptr) return "";
        Status status = writer->Append(bytes);
        status.Update(writer->Sync());  // Before it, the local one may keep the bytes to itself.
        return Answer("append and sync", status);
      }
      case 4: {
        auto opened = files_.OpenForRead(a);
        if (opened.ok()) reader = *std::move(opened);
        return Answer("open " + a, opened.error());
      }
      case 5: {
        if (reader == nullptr) return "";
        StatusCode code;
        const std::string read = ReadAll(*reader, &code);
        const Result<FileInfo> info = reader->Stat();
        return "read " + read + " of" + (info.ok() ? Text(*info) : "");
      }
      case 6: {
        const Result<FileInfo> info = files_.Stat(a);
        return Answer("stat " + a, info.error()) + (info.ok() ? Text(*info) : "");
      }
      case 7: {
        const Result<std::vector<FileInfo>> infos = files_.List(a);
        std::string answer = Answer("list " + a, infos.error());
        for (std::size_t i = 0; infos.ok() && i < infos->size(); ++i) answer += Text((*infos)[i]);
        return answer;
      }
      case 8:
        return Answer("mkdir " + a, files_.MakeDirectory(a));
      case 9:
        return Answer("mkdirs " + a, files_.MakeDirectories(a));
      case 10:
        return Answer("remove " + a, files_.RemoveFile(a));
      case 11:
        return Answer("rename " + a + " to " + b, files_.Rename(a, b));
      case 12:
        return Answer("move " + a + " to " + b, files_.RenameNoReplace(a, b));
      case 13:
        return Answer("exchange " + a + " and " + b, files_.Exchange(a, b));
      case 14:
        return Answer("remove tree " + a, files_.RemoveTree(a));
      case 15:
        return Answer("sync directory " + a, files_.SyncDirectory(a));
      default:
        return Answer("sync tree " + a, files_.SyncTree(a));
    }
  }

 private:
  std::string Path() {
    std::string path = root_;
    for (std::uint64_t depth = 1 + random_.Uniform(3); depth > 0; --depth) {
      path += "/" + std::string(1, static_cast<char>('a' + random_.Uniform(3)));
    }
    return random_.Uniform(15) == 0 ? path + "/" : path;
  }
  static std::string Answer(const std::string& call, const Status& status) {
    return call + ": " + std::string(StatusCodeName(status.code()));
  }
  static std::string Text(const FileInfo& info) {
    return " " + info.path + (info.is_directory ? "/" : " " + std::to_string(info.bytes));
  }

  FileSystem& files_;
  const std::string root_;
  Random random_;
  const std::uint64_t kinds_;
  std::array<std::unique_ptr<RandomAccessFile>, 3> readers_;
  std::array<std::unique_ptr<WritableFile>, 3> writers_;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_RANDOM_FILE_CALLS_H_

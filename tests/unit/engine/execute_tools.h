// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_EXECUTE_TOOLS_H_
#define TESTS_UNIT_ENGINE_EXECUTE_TOOLS_H_

// Runs a job on literal shards, stored as the test wants them, and gathers all that came out.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/input_pattern.h"
#include "mapreduce/io/output_file.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// A seed for what is random in a test: printed, and taken back from MILLRACE_TEST_SEED.
inline std::uint64_t ExecuteSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu (MILLRACE_TEST_SEED)\n", static_cast<unsigned long long>(seed));
  return seed;
}

/// A folder that is removed with all below it: in memory where that can be, since each of some
/// thousand output files is synced.
class ExecuteFolder {
 public:
  ExecuteFolder() {
    const bool has_memory = access("/dev/shm", W_OK) == 0 && std::getenv("TEST_TMPDIR") == nullptr;
    const std::string parent = has_memory ? "/dev/shm" : ::testing::TempDir();
    std::string pattern = std::filesystem::path(parent) / "millrace_execute_XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~ExecuteFolder() { std::filesystem::remove_all(path_); }
  ExecuteFolder(const ExecuteFolder&) = delete;
  ExecuteFolder& operator=(const ExecuteFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }
  /// A new, empty folder inside.
  std::string NewFolder(std::string_view name) {
    std::string path = Path(std::string(name) + "-" + std::to_string(++folder_count_));
    std::filesystem::create_directories(path);
    return path;
  }

 private:
  std::string path_;
  int folder_count_ = 0;
};

/// Decompressed content of a file.
inline std::string ReadContent(const std::string& path) {
  const Result<FileInfo> info = LocalFileSystem().Stat(path);
  if (!info.ok()) return "no file " + path;
  const Result<Shard> shard = InspectShard(LocalFileSystem(), *info);
  if (!shard.ok()) return shard.error().message();
  const ShardRange whole{
      .stored_begin = 0, .stored_end = info->bytes, .begin = 0, .end = UINT64_MAX};
  PhaseTimes times;
  PhaseTimer timer(times);
  auto reader = ShardReader::Open(LocalFileSystem(), *shard, whole, nullptr, &timer);
  if (!reader.ok()) return reader.error().message();
  std::string content;
  std::vector<char> piece;
  for (;;) {
    piece.resize((*reader)->NextReadBytes());
    const Result<std::size_t> bytes = (*reader)->Read(piece.data(), piece.size());
    if (!bytes.ok()) return bytes.error().message();
    if (*bytes == 0) return content;
    content.append(piece.data(), *bytes);
  }
}

/// Shards by name ("a.tsv"), and how shard i is stored.
using ShardTexts = std::map<std::string, std::string>;
using Storage = std::function<Compression(std::size_t index)>;

inline Compression StoredPlain(std::size_t) { return Compression::kNone; }

/// Writes one shard. A zstd one is many seekable files appended to each other, so that there are
/// frames between which it can be cut.
inline void StoreShard(const std::string& path, std::string_view text, Compression compression) {
  const std::size_t piece_bytes = compression == Compression::kZstd ? 3000 : text.size() + 1;
  std::ofstream whole(path, std::ios::binary);
  for (std::size_t begin = 0; begin == 0 || begin < text.size(); begin += piece_bytes) {
    const std::string piece = path + ".piece";
    auto file = OutputFile::Create(LocalFileSystem(), piece, compression);
    ASSERT_TRUE(file.ok()) << file.error().message();
    (*file)->Append(text.substr(begin, piece_bytes));
    ASSERT_TRUE((*file)->Close().ok());
    whole << std::ifstream(piece, std::ios::binary).rdbuf();
    whole.clear();  // An empty piece is none of its errors.
    std::filesystem::remove(piece);
  }
}

/// Writes shards into `folder` and inspects them, as a plan does.
inline std::vector<Shard> StoreShards(const std::string& folder, const ShardTexts& texts,
                                      const Storage& storage = StoredPlain) {
  std::size_t index = 0;
  for (const auto& [name, text] : texts) {
    const Compression compression = storage(index++);
    StoreShard(folder + "/" + name + std::string(CompressionExtension(compression)), text,
               compression);
  }
  std::vector<Shard> shards;
  const auto infos = ExpandPattern(LocalFileSystem(), folder, "");
  EXPECT_TRUE(infos.ok()) << infos.error().message();
  for (const FileInfo& info : *infos) {
    Result<Shard> shard = InspectShard(LocalFileSystem(), info);
    EXPECT_TRUE(shard.ok()) << shard.error().message();
    shards.push_back(*std::move(shard));
  }
  return shards;
}

/// What a run made.
struct Outcome {
  Status status;
  std::map<std::string, std::string> outputs;             ///< Concatenated parts, by output.
  std::map<std::string, std::vector<std::string>> parts;  ///< The same, part by part.
  std::string rejects;                                    ///< _rejects.tsv
  ExecutionResult result;
  std::vector<std::string> left_in_scratch;
};

/// Runs `job` (finished) on `inputs` in new folders below `folder`.
inline Outcome RunGraph(ExecuteFolder& folder, const JobGraph& graph,
                        const std::vector<ExecutionInput>& inputs, ExecutionOptions options) {
  options.output_directory = folder.NewFolder("out");
  options.scratch_directory = folder.NewFolder("scratch");
  Outcome outcome;
  Result<ExecutionResult> result = Execute(graph, inputs, options);
  outcome.status = result.error();
  if (!result.ok()) return outcome;
  outcome.result = *std::move(result);
  for (const OutputFileRecord& file : outcome.result.files) {
    const std::size_t slash = file.path.find('/');
    const std::string output =
        slash == std::string::npos ? graph.outputs.front().name : file.path.substr(0, slash);
    const std::string path = options.output_directory + "/" + file.path;
    EXPECT_EQ(std::filesystem::file_size(path), file.bytes);
    outcome.parts[output].push_back(ReadContent(path));
    outcome.outputs[output] += outcome.parts[output].back();
  }
  if (outcome.result.rejects_file.has_value()) {
    outcome.rejects = ReadContent(options.output_directory + "/_rejects.tsv");
  }
  std::filesystem::remove_all(options.output_directory);
  std::filesystem::remove_all(options.scratch_directory);
  return outcome;
}

/// Makes the job that `define` describes.
inline std::unique_ptr<Job> MakeJob(void (*define)(Job&),
                                    std::map<std::string, std::string> params = {}) {
  auto job = std::make_unique<Job>(JobSettings{std::move(params), ""});
  define(*job);
  const Status status = job->Finish();
  EXPECT_TRUE(status.ok()) << status.message();
  return job;
}

}  // namespace millrace

#endif  // TESTS_UNIT_ENGINE_EXECUTE_TOOLS_H_

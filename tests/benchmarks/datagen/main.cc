// SPDX-License-Identifier: Apache-2.0
// millrace-datagen: writes a dataset for benchmarks and examples; see dataset.h for the shapes.
//
//   millrace-datagen plays --rows 2000000 --compress zstd --date 2026-11-21 OUTDIR
//
// makes OUTDIR/plays/plays-00000-of-00016.tsv.zst and so on. The seed decides the bytes before
// compression, on every machine alike.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/output_file.h"
#include "tests/benchmarks/datagen/dataset.h"

namespace millrace {
namespace {

struct Arguments {
  std::string kind;
  std::string directory;
  DatasetOptions dataset;
  Compression compression = Compression::kNone;
  bool is_flat = false;
  unsigned threads = 0;
};

std::string_view Extension(Compression compression) {
  switch (compression) {
    case Compression::kZstd:
      return ".zst";
    case Compression::kGzip:
      return ".gz";
    case Compression::kNone:
      break;
  }
  return "";
}

Status WriteFile(const DataFile& file, const std::string& directory, Compression compression,
                 std::atomic<std::uint64_t>& bytes) {
  const std::string path = directory + "/" + file.name + std::string(Extension(compression));
  MR_ASSIGN_OR_RETURN(const auto output, OutputFile::Create(LocalFileSystem(), path, compression));
  file.write([&output](std::string_view piece) { output->Append(piece); });
  MR_ASSIGN_OR_RETURN(const OutputFileInfo info, output->Close());
  bytes += info.bytes;
  return Status::Ok();
}

Status Generate(const Arguments& arguments) {
  MR_ASSIGN_OR_RETURN(const std::vector<DataFile> files,
                      PlanDataset(arguments.kind, arguments.dataset));
  const std::string directory =
      arguments.is_flat ? arguments.directory : arguments.directory + "/" + arguments.kind;
  MR_RETURN_IF_ERROR(LocalFileSystem().MakeDirectories(directory));

  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> bytes = 0;
  std::mutex mutex;
  Status status;  // Guarded by mutex.
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < arguments.threads; ++i) {
      threads.emplace_back([&] {
        while (true) {
          const std::size_t index = next++;
          if (index >= files.size()) return;
          const Status written = WriteFile(files[index], directory, arguments.compression, bytes);
          if (written.ok()) continue;
          const std::lock_guard lock(mutex);
          status.Update(written);
          next = files.size();  // The others stop after their file.
        }
      });
    }
  }
  if (status.ok()) {
    std::fprintf(stderr, "%s: %zu files, %llu bytes\n", directory.c_str(), files.size(),
                 static_cast<unsigned long long>(bytes.load()));
  }
  return status;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  arguments.threads = std::max(1U, std::thread::hardware_concurrency());
  arguments.dataset.date = "2026-11-21";
  const std::map<std::string, Compression> compressions = {
      {"none", Compression::kNone}, {"zstd", Compression::kZstd}, {"gzip", Compression::kGzip}};

  CLI::App app("Writes sample data: the same bytes on every machine.", "millrace-datagen");
  app.add_option("dataset", arguments.kind, "plays, words, tera, report or baskets")->required();
  app.add_option("outdir", arguments.directory, "where the dataset's folder goes")->required();
  app.add_option("--rows", arguments.dataset.rows, "rows in all shards together")->required();
  app.add_option("--shards", arguments.dataset.shards, "files (16)");
  app.add_option("--seed", arguments.dataset.seed, "another seed, other data (1)");
  app.add_option("--date", arguments.dataset.date, "the day of plays, the last of report");
  app.add_option("--compress", arguments.compression, "compression (none); the extension tells")
      ->transform(CLI::CheckedTransformer(compressions))
      ->option_text("none|zstd|gzip");
  app.add_option("--threads", arguments.threads, "files at once (the cores)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--flat", arguments.is_flat, "files directly in outdir");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }

  const Status status = Generate(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "millrace-datagen: %s\n", status.message().c_str());
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
      return 64;
    case StatusCode::kCannotCreate:
      return 73;
    default:
      return 1;
  }
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) { return millrace::Main(argc, argv); }

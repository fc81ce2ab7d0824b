// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/stored_input.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "mapreduce/io/file_system.h"
#include "mapreduce/io/output_file.h"

namespace millrace {
namespace {

constexpr std::size_t kPiecesMax = 3;

// Where tests' small files are fastest: a determinism check creates and syncs thousands of them,
// which takes 14 times as long on a disk.
std::string BaseDirectory() {
  constexpr char kInMemory[] = "/dev/shm";
  constexpr std::uint64_t kFreeBytesMin = std::uint64_t{64} << 20;
  struct statvfs space {};
  if (std::getenv("TMPDIR") == nullptr && ::access(kInMemory, W_OK | X_OK) == 0 &&
      ::statvfs(kInMemory, &space) == 0 && space.f_bavail * space.f_frsize >= kFreeBytesMin) {
    return kInMemory;
  }
  std::error_code error;
  const std::filesystem::path base = std::filesystem::temp_directory_path(error);
  return error ? "/tmp" : base.string();
}

// `text` in 1 to kPiecesMax pieces.
std::vector<std::string_view> CutText(std::string_view text, Random& random) {
  std::vector<std::string_view> pieces;
  const std::size_t cuts = static_cast<std::size_t>(random.Uniform(kPiecesMax));
  for (std::size_t i = 0; i < cuts; ++i) {
    const auto bytes = static_cast<std::size_t>(random.Uniform(text.size() + 1));
    pieces.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  pieces.push_back(text);
  return pieces;
}

Result<std::string> ReadAll(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(path));
  std::string bytes(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t read, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(read);
  return bytes;
}

// The stored bytes of `text`: compressed files one after the other are again one.
Result<std::string> Compressed(FileSystem& files, const std::string& path, std::string_view text,
                               Compression compression, Random& random) {
  std::string stored;
  for (const std::string_view piece : CutText(text, random)) {
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                        OutputFile::Create(files, path, compression));
    file->Append(piece);
    const Result<OutputFileInfo> info = file->Close();
    if (!info.ok()) return info.error();
    MR_ASSIGN_OR_RETURN(const std::string bytes, ReadAll(files, path));
    stored += bytes;
    MR_RETURN_IF_ERROR(files.RemoveFile(path));
  }
  return stored;
}

Compression CompressionOf(ShardStorage storage, Random& random) {
  switch (storage) {
    case ShardStorage::kPlain:
      return Compression::kNone;
    case ShardStorage::kZstd:
      return Compression::kZstd;
    case ShardStorage::kGzip:
      return Compression::kGzip;
    case ShardStorage::kMixed:
      break;
  }
  constexpr Compression kAll[] = {Compression::kNone, Compression::kZstd, Compression::kGzip};
  return kAll[random.Uniform(3)];
}

}  // namespace

TestDirectory::TestDirectory() {
  std::string name = BaseDirectory() + "/millrace-test-XXXXXX";
  if (::mkdtemp(name.data()) != nullptr) path_ = name;
}

TestDirectory::~TestDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<std::vector<Shard>> StoreShards(const std::string& directory,
                                       const std::vector<std::string>& shards, ShardStorage storage,
                                       Random& random) {
  FileSystem& files = LocalFileSystem();
  std::vector<Shard> stored;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const Compression compression = CompressionOf(storage, random);
    char name[32];
    std::snprintf(name, sizeof(name), "shard-%05zu", i);
    const std::string path =
        JoinPath(directory, name) + std::string(CompressionExtension(compression));
    std::string bytes = shards[i];
    if (compression != Compression::kNone) {
      MR_ASSIGN_OR_RETURN(bytes, Compressed(files, path, shards[i], compression, random));
    }
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                        files.Create(path, FileUse::kScratch));
    MR_RETURN_IF_ERROR(file->Append(bytes));
    MR_RETURN_IF_ERROR(file->Close());
    MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
    MR_ASSIGN_OR_RETURN(stored.emplace_back(), InspectShard(files, info));
  }
  return stored;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_IO_IO_TEST_TOOLS_H_
#define TESTS_UNIT_IO_IO_TEST_TOOLS_H_

// What the tests of io share: a folder that goes away, and files to and from strings.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/failpoint.h"
#include "mapreduce/base/random.h"
#include "mapreduce/io/output_file.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

class IoTest : public testing::Test {
 protected:
  IoTest() {
    std::string name = testing::TempDir() + "millrace_io_XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~IoTest() override {
    failpoint::DisarmAll();
    std::filesystem::remove_all(root_);
  }

  std::string Path(std::string_view name) const { return root_ + "/" + std::string(name); }
  std::string Write(std::string_view name, std::string_view content) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// All files below, by relative path.
  std::map<std::string, std::string> Tree(std::string_view name) const {
    std::map<std::string, std::string> tree;
    if (!std::filesystem::is_directory(Path(name))) return tree;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Path(name))) {
      if (entry.is_regular_file()) {
        tree[std::filesystem::relative(entry.path(), Path(name))] = Contents(entry.path());
      }
    }
    return tree;
  }

  FileSystem& files_ = LocalFileSystem();
  std::string root_;
};

/// Lines that compress, but not to nothing.
inline std::string SomeText(std::size_t bytes, std::uint64_t seed) {
  Random random(seed);
  std::string text;
  while (text.size() < bytes) {
    text += "track-" + std::to_string(random.Uniform(100'000)) + "\tuser-" +
            std::to_string(random.Next() % 1000) + "\n";
  }
  text.resize(bytes);
  return text;
}

inline std::string ZstdFrame(std::string_view content, bool with_size = true) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_size);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return out;
}

inline std::string Little32(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string GzipMember(std::string_view content) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Reads one range; beyond its end up to `beyond_bytes` of content more.
inline Result<std::string> ReadRange(FileSystem& files, const Shard& shard, const ShardRange& range,
                                     ShardDigest* digest = nullptr,
                                     std::uint64_t beyond_bytes = 0) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                      ShardReader::Open(files, shard, range, digest, nullptr));
  std::string content;
  const std::uint64_t stop =
      range.end > UINT64_MAX - beyond_bytes ? UINT64_MAX : range.end + beyond_bytes;
  while (reader->offset() < stop) {
    EXPECT_EQ(reader->offset(), range.begin + content.size());
    const std::size_t room = reader->NextReadBytes();
    EXPECT_LE(room, kShardReadBytesMax);
    const std::size_t before = content.size();
    content.resize(before + room);
    MR_ASSIGN_OR_RETURN(const std::size_t got, reader->Read(content.data() + before, room));
    EXPECT_LE(got, room);
    content.resize(before + got);
    if (got == 0) break;
  }
  MR_RETURN_IF_ERROR(reader->Finish());
  if (range.end != UINT64_MAX) content.resize(std::min(content.size(), range.end - range.begin));
  return content;
}

/// The whole content of a file by way of InspectShard and one reader.
inline Result<std::string> ReadWhole(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  MR_ASSIGN_OR_RETURN(const Shard shard, InspectShard(files, info));
  return ReadRange(files, shard, CutShard(shard, UINT64_MAX)[0]);
}

inline Result<OutputFileInfo> WriteOutput(FileSystem& files, const std::string& path,
                                          Compression compression, std::string_view content,
                                          std::size_t slice_bytes = SIZE_MAX) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                      OutputFile::Create(files, path, compression));
  while (!content.empty()) {
    const std::size_t n = std::min(slice_bytes, content.size());
    file->Append(content.substr(0, n));
    content.remove_prefix(n);
  }
  return file->Close();
}

}  // namespace millrace

#endif  // TESTS_UNIT_IO_IO_TEST_TOOLS_H_

// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/bounds/bound.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::bounds {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kZstdPieceBytes = 1 << 20;
constexpr std::size_t kSlackBytes = 64;

std::vector<Mapping> MapShards(const Task& task, std::string_view prefix) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(task.folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".zst") == (task.suffix == ".zst")) {
      paths.push_back(entry.path().string());
    }
  }
  if (paths.empty()) Die("no shard " + std::string(prefix) + "* in " + task.folder);
  std::sort(paths.begin(), paths.end());
  std::vector<Mapping> shards;
  for (const std::string& path : paths) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (file < 0 || fstat(file, &info) != 0) DieOfErrno(path);
    shards.emplace_back(file, static_cast<std::size_t>(info.st_size));
    close(file);
  }
  return shards;
}

// The first line that begins at `offset` or later.
std::size_t LineFrom(const Mapping& shard, std::size_t offset) {
  if (offset == 0 || offset >= shard.bytes()) return std::min(offset, shard.bytes());
  const void* const end = std::memchr(shard.data() + offset - 1, '\n', shard.bytes() - offset + 1);
  if (end == nullptr) return shard.bytes();
  return static_cast<std::size_t>(static_cast<const char*>(end) - shard.data()) + 1;
}

using PieceBody = std::function<void(const char* begin, const char* end)>;

void Decompress(const Mapping& shard, const PieceBody& body) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  std::vector<char> buffer(kZstdPieceBytes + kSlackBytes);
  ZSTD_inBuffer in{shard.data(), shard.bytes(), 0};
  std::size_t kept = 0;  // The begin of a line whose end comes with the next piece.
  while (true) {
    ZSTD_outBuffer out{buffer.data(), kZstdPieceBytes, kept};
    const std::size_t begin = in.pos / kPageBytes * kPageBytes;
    const std::size_t left = ZSTD_decompressStream(context.get(), &out, &in);
    shard.Drop(begin, in.pos / kPageBytes * kPageBytes);
    if (ZSTD_isError(left)) Die(std::string("zstd: ") + ZSTD_getErrorName(left));
    if (out.pos == kept) {  // The end of a frame without rows, or of the input.
      if (in.pos == in.size) return;
      continue;
    }
    const char* const end = buffer.data() + out.pos;
    const auto* const last = static_cast<const char*>(memrchr(buffer.data(), '\n', out.pos));
    const char* const lines_end = last == nullptr ? buffer.data() : last + 1;
    body(buffer.data(), lines_end);
    kept = static_cast<std::size_t>(end - lines_end);
    std::memmove(buffer.data(), lines_end, kept);
  }
}

}  // namespace

void Die(const std::string& what) {
  std::fprintf(stderr, "millrace-bounds: %s\n", what.c_str());
  std::_Exit(1);  // Other threads may still run.
}

void DieOfErrno(const std::string& what) { Die(what + ": " + std::strerror(errno)); }

void OnEachThread(unsigned threads, const std::function<void(unsigned)>& body) {
  std::vector<std::jthread> others;
  for (unsigned thread = 1; thread < threads; ++thread) others.emplace_back(body, thread);
  body(0);
}

void ForEachPiece(const Task& task, std::string_view prefix,
                  const std::function<void(unsigned, const char*, const char*)>& body) {
  const std::vector<Mapping> shards = MapShards(task, prefix);
  struct Piece {
    const Mapping* shard;
    std::size_t begin, end;
  };
  std::vector<Piece> pieces;
  const std::size_t step = task.suffix.empty() ? kPieceBytes : ~std::size_t{0};
  for (const Mapping& shard : shards) {
    for (std::size_t begin = 0; begin < shard.bytes(); begin += std::min(step, shard.bytes())) {
      pieces.push_back(
          {&shard, begin, shard.bytes() - begin < step ? shard.bytes() : begin + step});
    }
  }
  std::atomic<std::size_t> next = 0;
  OnEachThread(task.threads, [&](unsigned thread) {
    while (true) {
      const std::size_t index = next++;
      if (index >= pieces.size()) return;
      const auto& [shard, begin, end] = pieces[index];
      if (task.suffix.empty()) {
        shard->Load(begin, end);
        body(thread, shard->data() + LineFrom(*shard, begin),
             shard->data() + LineFrom(*shard, end));
        shard->Drop(begin, end);
      } else {
        Decompress(*shard,
                   [&body, thread](const char* from, const char* to) { body(thread, from, to); });
      }
    }
  });
}

void WriteAt(int file, std::string_view bytes, std::size_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) DieOfErrno("write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
}

void WriteFile(const std::string& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) DieOfErrno(path);
  WriteAt(file, bytes, 0);
  if (close(file) != 0) DieOfErrno(path);
}

// One page more than the file has, of zeros: the file's own last page may be full.
Mapping::Mapping(int file, std::size_t bytes, std::size_t offset) : data_(nullptr), bytes_(bytes) {
  if (bytes == 0) return;
  void* const place =
      mmap(nullptr, bytes + kPageBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) DieOfErrno("mmap");
  if (mmap(place, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, static_cast<off_t>(offset)) ==
      MAP_FAILED) {
    DieOfErrno("mmap");
  }
  data_ = static_cast<char*>(place);
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, bytes_ + kPageBytes);
}

void Mapping::Load(std::size_t begin, std::size_t end) const {
#ifdef MADV_POPULATE_READ
  if (begin < end) madvise(data_ + begin, end - begin, MADV_POPULATE_READ);  // Only a hint here.
#endif
}

void Mapping::Drop(std::size_t begin, std::size_t end) const {
  if (begin < end) madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

void* ReserveBytes(std::size_t bytes, bool has_huge_pages) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) DieOfErrno("mmap");
  if (has_huge_pages) madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}

void ReleaseBytes(void* data, std::size_t bytes) { munmap(data, bytes); }

}  // namespace millrace::bounds

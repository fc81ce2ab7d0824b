// SPDX-License-Identifier: Apache-2.0
// The job sort, of more data than memory.
//
// Knows: a line has 100 bytes with its LF, and begins with ten random bytes from '!' to '~'. So a
// range of keys has as many lines as it is wide, and no sample is needed to cut the data well, nor
// comparisons to sort it nearly. (That the rest of a line could be made from 8 bytes it doesn't
// use: lines are written to the disk and read again as they are.)
//
//   1. Each thread copies the lines of its pieces into blocks of 128 KiB, one for each range of
//      keys, and writes full ones to the range's file.
//   2. One range after the other is mapped, its lines' first 8 bytes put in order of a slot in
//      proportion to the key (two lines to a slot), then by insertion; the lines are copied in that
//      order and written to their place in the output. The range's file is gone then, mostly before
//      the kernel has written it to the disk.
//
// Memory is a block per range and thread, then a range per thread: far below the limit. Larger
// ranges would not help: these fit the processor's caches.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "tests/benchmarks/bounds/bound.h"

namespace millrace::bounds {
namespace {

constexpr std::size_t kLineBytes = 100;
constexpr std::size_t kBlockBytes = 128 << 10;
constexpr std::size_t kOutputBytes = 1 << 20;
constexpr std::size_t kRanges = 128;
constexpr std::size_t kRadix = '~' - '!' + 1;
constexpr std::size_t kPairs = kRadix * kRadix;

// A number of two bytes of a key, in their order; four make a finer one.
std::size_t PairOf(const char* key) {
  return static_cast<std::size_t>(key[0] - '!') * kRadix + static_cast<std::size_t>(key[1] - '!');
}
std::size_t QuadOf(const char* key) { return PairOf(key) * kPairs + PairOf(key + 2); }

std::size_t RangeOf(const char* key) { return PairOf(key) * kRanges / kPairs; }
// The first quad of a range.
std::size_t QuadsBefore(std::size_t range) {
  return (range * kPairs + kRanges - 1) / kRanges * kPairs;
}

// Writes lines one after the other into a file, from an offset on, in blocks that begin and end at
// multiples of their size in the file: the page cache then has large pages, each written once.
class LineWriter {
 public:
  /// `block` has room for `block_bytes` and a line.
  LineWriter(int file, std::size_t offset, char* block, std::size_t block_bytes)
      : file_(file),
        offset_(offset),
        block_(block),
        block_bytes_(block_bytes),
        room_(block_bytes - offset % block_bytes) {}

  void Add(const char* line) {
    std::memcpy(block_ + used_, line, kLineBytes);
    used_ += kLineBytes;
    if (used_ >= room_) Write(room_);
  }
  /// Writes the rest; returns where it ends.
  std::size_t Finish() {
    Write(used_);
    return offset_;
  }

 private:
  void Write(std::size_t bytes) {
    WriteAt(file_, {block_, bytes}, offset_);
    offset_ += bytes;
    used_ -= bytes;
    std::memcpy(block_, block_ + bytes, used_);  // Less than a line.
    room_ = block_bytes_;
  }

  int file_;
  std::size_t offset_;  // Of the block.
  char* block_;
  std::size_t block_bytes_, room_;
  std::size_t used_ = 0;
};

// Of one thread: its lines by range, in a region of its own of each range's file.
class Distributor {
 public:
  Distributor(const std::vector<int>& files, unsigned thread)
      : begin_(thread * kRegionBytes), memory_(kRanges * (kBlockBytes + kLineBytes)) {
    for (std::size_t range = 0; range < kRanges; ++range) {
      writers_.emplace_back(files[range], begin_,
                            memory_.data() + range * (kBlockBytes + kLineBytes), kBlockBytes);
    }
  }

  void Add(const char* line, const char* end) {
    for (; line < end; line += kLineBytes) writers_[RangeOf(line)].Add(line);
  }
  void Finish() {
    for (LineWriter& writer : writers_) {
      bytes_.push_back(writer.Finish() - begin_);
      if (bytes_.back() > kRegionBytes) Die("more lines than this program is made for");
    }
  }

  std::size_t begin() const { return begin_; }
  std::size_t bytes(std::size_t range) const { return bytes_[range]; }

 private:
  static constexpr std::size_t kRegionBytes = std::size_t{1} << 32;
  std::size_t begin_;  // Of the region.
  Reserved<char> memory_;
  std::vector<LineWriter> writers_;  // By range.
  std::vector<std::size_t> bytes_;   // By range.
};

// Of one thread.
class RangeSorter {
 public:
  explicit RangeSorter(int output) : output_(output), block_(kOutputBytes + kLineBytes) {}

  /// Writes the lines of a range, which are in several pieces, from `offset` on.
  void Sort(std::size_t range, const std::vector<Mapping>& pieces, std::size_t offset) {
    PutInSlots(range, pieces);
    SortByInsertion();
    Write(offset);
  }

 private:
  struct Item {
    std::uint64_t prefix;  // The first 8 bytes, as a number.
    const char* line;
  };

  void PutInSlots(std::size_t range, const std::vector<Mapping>& pieces) {
    std::size_t count = 0;
    for (const Mapping& piece : pieces) {
      piece.Load(0, piece.bytes());
      count += piece.bytes() / kLineBytes;
    }
    const std::size_t slots = count / 2 + 1;
    const std::size_t first = QuadsBefore(range);
    const std::size_t scale = (slots << 32) / (QuadsBefore(range + 1) - first);
    const auto for_each_line = [&](auto body) {
      for (const Mapping& piece : pieces) {
        for (std::size_t at = 0; at < piece.bytes(); at += kLineBytes) {
          const char* const line = piece.data() + at;
          body(line, (QuadOf(line) - first) * scale >> 32);
        }
      }
    };
    places_.assign(slots + 1, 0);
    for_each_line([&](const char*, std::size_t slot) { ++places_[slot + 1]; });
    for (std::size_t slot = 1; slot <= slots; ++slot) places_[slot] += places_[slot - 1];
    items_.resize(count);
    for_each_line([&](const char* line, std::size_t slot) {
      items_[places_[slot]++] = {LoadBig64(line), line};
    });
  }

  // Items are in their slots, so none is far from its place.
  void SortByInsertion() {
    const auto is_before = [](const Item& a, const Item& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      return std::memcmp(a.line + 8, b.line + 8, kLineBytes - 8) < 0;
    };
    for (std::size_t i = 1; i < items_.size(); ++i) {
      const Item item = items_[i];
      std::size_t to = i;
      for (; to > 0 && is_before(item, items_[to - 1]); --to) items_[to] = items_[to - 1];
      items_[to] = item;
    }
  }

  void Write(std::size_t offset) {
    constexpr std::size_t kAhead = 16;
    LineWriter writer(output_, offset, block_.data(), kOutputBytes);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const char* const ahead = items_[std::min(i + kAhead, items_.size() - 1)].line;
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + 64);
      writer.Add(items_[i].line);
    }
    writer.Finish();
  }

  const int output_;
  std::vector<char> block_;
  std::vector<std::uint32_t> places_;  // By slot: where its next item goes.
  std::vector<Item> items_;
};

int OpenForWriting(const std::string& path, int flags) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0666);
  if (file < 0) DieOfErrno(path);
  return file;
}

// One range: mapped, sorted, written from `offset` on; its file goes.
void SortRange(std::size_t range, int file, const std::vector<Distributor>& distributors,
               std::size_t offset, RangeSorter& sorter) {
  {
    std::vector<Mapping> pieces;
    for (const Distributor& lines : distributors) {
      pieces.emplace_back(file, lines.bytes(range), lines.begin());
    }
    sorter.Sort(range, pieces, offset);
  }
  close(file);
}

}  // namespace

void Sort(const Task& task) {
  std::vector<int> files;
  for (std::size_t i = 0; i < kRanges; ++i) files.push_back(OpenForWriting(task.temp, O_TMPFILE));
  std::vector<Distributor> distributors;
  for (unsigned thread = 0; thread < task.threads; ++thread) {
    distributors.emplace_back(files, thread);
  }
  ForEachPiece(task, "tera-", [&](unsigned thread, const char* begin, const char* end) {
    distributors[thread].Add(begin, end);
  });
  OnEachThread(task.threads, [&](unsigned thread) { distributors[thread].Finish(); });

  std::vector<std::size_t> offsets(kRanges + 1);
  for (std::size_t range = 0; range < kRanges; ++range) {
    std::size_t bytes = 0;
    for (const Distributor& lines : distributors) bytes += lines.bytes(range);
    // With what sorting takes, in the thread's share of half of the memory.
    if (bytes / 2 * 5 * task.threads > task.memory_bytes) {
      Die("more lines than this program is made for with so little memory");
    }
    offsets[range + 1] = offsets[range] + bytes;
  }
  const int output = OpenForWriting(task.output, O_CREAT | O_TRUNC);
  std::atomic<std::size_t> next = 0;
  OnEachThread(task.threads, [&](unsigned) {
    RangeSorter sorter(output);
    while (true) {
      const std::size_t range = next++;
      if (range >= kRanges) return;
      SortRange(range, files[range], distributors, offsets[range], sorter);
    }
  });
  if (close(output) != 0) DieOfErrno(task.output);
}

}  // namespace millrace::bounds

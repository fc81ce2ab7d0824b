// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_BOUNDS_BOUND_H_
#define TESTS_BENCHMARKS_BOUNDS_BOUND_H_

// What the hand-written programs share: how they are called, how the shards are read, and memory
// that costs nothing before it is used. Each program is one function, for one job and the data of
// millrace-datagen alone: no error in the data is looked for, an error of the system ends it all.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::bounds {

struct Task {
  std::string folder, output;
  std::string suffix;  ///< ".zst" or nothing: of the shards' names.
  std::string temp;    ///< A folder for spills.
  unsigned threads = 2;
  std::size_t memory_bytes = 0;  ///< For `sort`.
};

void WordCount(const Task& task);
void TopList(const Task& task);
void Listeners(const Task& task);
void Sort(const Task& task);

/// Prints the line "millrace-bounds: WHAT" and exits with 1; DieOfErrno adds the reason.
[[noreturn]] void Die(const std::string& what);
[[noreturn]] void DieOfErrno(const std::string& what);

/// Calls body(0) .. body(threads - 1), each on a thread of its own; returns when all are done.
void OnEachThread(unsigned threads, const std::function<void(unsigned thread)>& body);

/// The shards in pieces of whole lines: body(thread, begin, end), on the task's threads, in no
/// particular order. The 64 bytes at `end` are readable, too. The shards are those files of the
/// folder whose names begin with `prefix`. Plain ones are mapped and cut in pieces of some MiB;
/// others are decompressed piece by piece, each by one thread.
void ForEachPiece(
    const Task& task, std::string_view prefix,
    const std::function<void(unsigned thread, const char* begin, const char* end)>& body);

/// Writes all of it, or dies.
void WriteAt(int file, std::string_view bytes, std::size_t offset);
void WriteFile(const std::string& path, std::string_view bytes);

/// A range of a file's bytes, readable, with 64 more. `offset` is a multiple of the page size.
class Mapping {
 public:
  Mapping(int file, std::size_t bytes, std::size_t offset = 0);
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();
  const char* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  /// Has the pages of a range there with one call, instead of one fault for each few.
  void Load(std::size_t begin, std::size_t end) const;
  /// Gives them back: they don't count as this process's memory any more.
  void Drop(std::size_t begin, std::size_t end) const;

 private:
  char* data_;
  std::size_t bytes_;
};

void* ReserveBytes(std::size_t bytes, bool has_huge_pages);
void ReleaseBytes(void* data, std::size_t bytes);

/// An array of zeros that takes memory page by page as it is written, so it may be far larger than
/// what will be used.
template <class T>
class Reserved {
 public:
  enum class Pages { kSmall, kHuge };
  explicit Reserved(std::size_t count, Pages pages = Pages::kSmall)
      : data_(static_cast<T*>(ReserveBytes(count * sizeof(T), pages == Pages::kHuge))),
        count_(count) {}
  Reserved(Reserved&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(other.count_) {}
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved() {
    if (data_ != nullptr) ReleaseBytes(data_, count_ * sizeof(T));
  }
  T* data() const { return data_; }
  T& operator[](std::size_t index) const { return data_[index]; }
  std::span<T> all() const { return {data_, count_}; }

 private:
  T* data_;
  std::size_t count_;
};

}  // namespace millrace::bounds

#endif  // TESTS_BENCHMARKS_BOUNDS_BOUND_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_SHUFFLE_TEST_RECORDS_H_
#define TESTS_UNIT_SHUFFLE_TEST_RECORDS_H_

// Records that own their bytes, random keys of the nasty kinds, and files in a folder of their own.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

struct Record {
  std::string key;
  std::string value;
  friend bool operator==(const Record&, const Record&) = default;
};

inline bool RecordKeyLess(const Record& a, const Record& b) { return a.key < b.key; }

/// A seed for what is random in a test: printed, and taken back from MILLRACE_TEST_SEED.
inline std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu (MILLRACE_TEST_SEED)\n", static_cast<unsigned long long>(seed));
  return seed;
}

/// 0 to `bytes_max` bytes of a tiny alphabet with zero and 0xFF, so that keys share prefixes, are
/// prefixes of one another, differ in trailing zeros, and repeat.
inline std::string NastyKey(Random& random, std::size_t bytes_max) {
  static constexpr char kBytes[] = {'\0', '\0', '\x01', 'a', '\x7F', '\x80', '\xFF'};
  std::string key(random.Uniform(3) == 0 ? std::min<std::size_t>(random.Uniform(33), bytes_max) : 0,
                  random.Uniform(2) == 0 ? '\0' : 'p');
  const std::size_t bytes = random.Uniform(bytes_max + 1);
  while (key.size() < bytes) key += kBytes[random.Uniform(sizeof kBytes)];
  return key;
}

/// Sorted, stably: values tell in which order equal keys were made.
inline std::vector<Record> NastyRecords(Random& random, std::size_t count,
                                        std::size_t key_bytes_max, std::string_view tag = "") {
  std::vector<Record> records;
  for (std::size_t i = 0; i < count; ++i) {
    // Some share a head, of which two are now and then exchanged for one another.
    std::string value(random.Uniform(4) == 0 ? 16 + random.Uniform(100) : 0,
                      random.Uniform(8) == 0 ? 'q' : 'h');
    value += std::string(tag) + std::to_string(i);
    value.resize(value.size() + random.Uniform(20), 'v');
    records.push_back({NastyKey(random, key_bytes_max), std::move(value)});
  }
  std::stable_sort(records.begin(), records.end(), RecordKeyLess);
  return records;
}

/// A folder that is removed with its files; in memory where that can be: some tests make thousands.
class TestFolder {
 public:
  TestFolder() {
    const bool has_memory = access("/dev/shm", W_OK) == 0 && std::getenv("TEST_TMPDIR") == nullptr;
    std::string pattern =
        (has_memory ? "/dev/shm" : ::testing::TempDir()) + "/millrace_shuffle_XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::size_t FileCount() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_),
                                                  std::filesystem::directory_iterator()));
  }

 private:
  std::string path_;
};

inline std::string FileBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void SetFileBytes(const std::string& path, std::string_view bytes) {
  std::filesystem::remove(path);  // Some file systems wait for the disk when a file is truncated.
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline Result<RunInfo> WriteRun(const std::string& path, const std::vector<Record>& records,
                                const RunOptions& options = {}) {
  RunWriter writer(LocalFileSystem(), path, options);
  for (const Record& record : records) writer.Add(MakeRecordView(record.key, record.value));
  return writer.Close();
}

/// Appends a cursor's records; copies them batch by batch, as the views die.
inline Status ReadCursor(RunCursor& cursor, std::vector<Record>* records) {
  std::span<const RecordView> batch;
  while (true) {
    MR_ASSIGN_OR_RETURN(const bool more, cursor.Next(&batch));
    if (!more) return batch.empty() ? Status::Ok() : Status::Internal("a batch at the end");
    if (batch.empty()) return Status::Internal("an empty batch");
    for (const RecordView& view : batch) {
      if (view.prefix != KeyPrefix(view.key, view.key_bytes)) return Status::Internal("prefix");
      records->push_back({std::string(view.key_view()), std::string(view.value_view())});
    }
  }
}

inline Status ReadRun(const RunInfo& info, std::vector<Record>* records, const KeyRange& range = {},
                      std::size_t read_bytes = 0) {
  MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> run,
                      RunFile::Open(LocalFileSystem(), info));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RunCursor> cursor, run->Read(range, read_bytes));
  return ReadCursor(*cursor, records);
}

/// Records in memory, in batches of random size; ends with `last` if it is an error.
class TestCursor final : public RunCursor {
 public:
  TestCursor(std::vector<Record> records, std::size_t batch_records_max, Status last = {})
      : records_(std::move(records)), batch_records_max_(batch_records_max), last_(last) {}

  Result<bool> Next(std::span<const RecordView>* batch) override {
    *batch = {};
    views_.clear();
    copies_.clear();  // Under a sanitizer, who kept a view of the last batch is caught.
    if (next_ == records_.size()) {
      if (!last_.ok()) return last_;
      return false;
    }
    const std::size_t count = std::min(1 + next_ % batch_records_max_, records_.size() - next_);
    copies_.assign(records_.begin() + static_cast<std::ptrdiff_t>(next_),
                   records_.begin() + static_cast<std::ptrdiff_t>(next_ + count));
    for (const Record& copy : copies_) views_.push_back(MakeRecordView(copy.key, copy.value));
    next_ += count;
    *batch = views_;
    return true;
  }

 private:
  const std::vector<Record> records_;
  const std::size_t batch_records_max_;
  const Status last_;
  std::size_t next_ = 0;
  std::vector<Record> copies_;
  std::vector<RecordView> views_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_SHUFFLE_TEST_RECORDS_H_

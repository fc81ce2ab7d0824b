// SPDX-License-Identifier: Apache-2.0
// Any bytes as a table for lookups: records that lie in the file, or kCorrupt; never a crash. Once
// as they are, and once with hashes that fit, as another program could have written them.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/small_table.h"
#include "mapreduce/shuffle/table_file.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

namespace {

constexpr std::size_t kFooterBytes = 72;
constexpr std::uint64_t kRowsMax = 200;
constexpr std::uint64_t kSmallBytesMax = std::uint64_t{1} << 20;

// Sums up all bytes: a sanitizer sees those that are not the file's.
std::uint64_t Touch(std::string_view bytes) {
  std::uint64_t sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  return sum;
}

std::uint64_t LookAt(const TableFile& table, std::string_view key) {
  std::uint64_t sum = 0;
  table.Prefetch(key);
  if (const auto found = table.Find(key)) {
    FUZZ_CHECK(found->key == key);
    sum += Touch(found->value);
  }
  return sum;
}

std::uint64_t LookAt(const SmallTable* small, const TableFile::Record& record) {
  if (small == nullptr) return 0;
  small->Prefetch(record.key);
  const std::string_view value = small->ValueOrNull(record.key);
  FUZZ_CHECK(value.data() != nullptr);
  return Touch(value) + (small->has_rows() ? small->RowOf(record.key).value_or(0) : 0);
}

void Read(const std::string& path) {
  const auto opened = TableFile::Open(LocalFileSystem(), path);
  if (!opened.ok()) {
    FUZZ_CHECK(opened.error().code() == StatusCode::kCorrupt);
    return;
  }
  const TableFile& table = **opened;
  const auto small = SmallTable::Of({*opened}, kSmallBytesMax);
  volatile std::uint64_t sum = 0;
  for (const std::string& key :
       {std::string(), std::string("a"), std::string(30, 'k'), std::string(200, 'k')}) {
    sum = sum + LookAt(table, key);
  }
  for (std::uint64_t row = 0; row < std::min(table.rows(), kRowsMax); ++row) {
    if (const auto record = table.Row(row))
      sum = sum + Touch(record->value) + LookAt(table, record->key) + LookAt(small.get(), *record);
  }
  FUZZ_CHECK(!table.Row(table.rows()));
  const Status status = table.status();
  FUZZ_CHECK(status.ok() || status.code() == StatusCode::kCorrupt);
}

// False where there is no room for hashes.
bool MakeHashesFit(std::string& file) {
  if (file.size() < kFooterBytes) return false;
  char* const footer = file.data() + file.size() - kFooterBytes;
  const std::uint64_t hashes_at = LoadLittle64(footer + 48);
  if (hashes_at > file.size() - kFooterBytes) return false;
  const std::uint64_t pages = (hashes_at + kTablePageBytes - 1) / kTablePageBytes;
  if (file.size() - kFooterBytes - hashes_at != pages * 8) return false;
  const std::string_view bytes = file;
  for (std::uint64_t page = 0; page < pages; ++page) {
    const std::uint64_t begin = page * kTablePageBytes;
    const std::uint64_t end = std::min<std::uint64_t>(begin + kTablePageBytes, hashes_at);
    StoreLittle64(file.data() + hashes_at + page * 8, Hash64(bytes.substr(begin, end - begin)));
  }
  StoreLittle64(footer + 56, Hash64(bytes.substr(hashes_at, file.size() - 16 - hashes_at)));
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static FuzzFile as_it_is("table"), fitting("fitting-table");
  Read(as_it_is.Write(data, size));
  std::string file(reinterpret_cast<const char*>(data), size);
  if (!MakeHashesFit(file)) return 0;
  Read(fitting.Write(reinterpret_cast<const std::uint8_t*>(file.data()), file.size()));
  return 0;
}

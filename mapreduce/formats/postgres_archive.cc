// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_archive.h"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

namespace millrace {
namespace {

constexpr std::string_view kMagic = "PGDMP";
constexpr int kOldestMinor = 12;
constexpr int kNewestMinor = 16;

// Sticky: after the bytes' end all reads give nothing.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return is_ok_; }
  void set_int_bytes(std::size_t bytes) { int_bytes_ = bytes; }

  unsigned Byte() {
    const std::string_view bytes = Take(1);
    return bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]);
  }
  std::int64_t Int() {
    const bool is_negative = Byte() != 0;
    std::uint64_t value = 0;
    int shift = 0;
    for (const char c : Take(int_bytes_)) {
      value |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    const auto result = static_cast<std::int64_t>(value & INT64_MAX);
    return is_negative ? -result : result;
  }
  std::optional<std::string> String() {
    const std::int64_t bytes = Int();
    if (bytes < 0) return std::nullopt;
    return std::string(Take(static_cast<std::uint64_t>(bytes)));
  }
  std::string Text() { return String().value_or(""); }

 private:
  std::string_view Take(std::uint64_t count) {
    if (count > bytes_.size()) {
      is_ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  std::string_view bytes_;
  std::size_t int_bytes_ = 4;
  bool is_ok_ = true;
};

PostgresArchiveEntry ReadEntry(Cursor& cursor, int minor) {
  PostgresArchiveEntry entry;
  cursor.Int();   // Id.
  cursor.Int();   // Whether there is data.
  cursor.Text();  // Catalog and object.
  cursor.Text();
  entry.tag = cursor.Text();
  entry.desc = cursor.Text();
  cursor.Int();  // Section.
  entry.definition = cursor.Text();
  cursor.Text();  // DROP statement.
  entry.copy = cursor.Text();
  entry.schema = cursor.Text();
  cursor.Text();                   // Tablespace.
  if (minor >= 14) cursor.Text();  // Access method.
  if (minor >= 16) cursor.Int();   // Kind of relation.
  cursor.Text();                   // Owner.
  cursor.Text();                   // With OIDs.
  while (cursor.ok() && cursor.String().has_value()) {
  }
  entry.file_name = cursor.Text();
  return entry;
}

}  // namespace

Result<std::vector<PostgresArchiveEntry>> ParsePostgresArchive(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return Status::BadData("does not begin with PGDMP");
  Cursor cursor(bytes.substr(kMagic.size()));
  const unsigned major = cursor.Byte();
  const int minor = static_cast<int>(cursor.Byte());
  cursor.Byte();
  const unsigned int_bytes = cursor.Byte();
  cursor.Byte();
  cursor.Byte();
  if (major != 1 || minor < kOldestMinor || minor > kNewestMinor || int_bytes < 1 ||
      int_bytes > 8) {
    return Status::BadData("is of archive version ", major, ".", minor, "; 1.", kOldestMinor,
                           " to 1.", kNewestMinor,
                           " are read: make plain SQL of it with pg_restore -f");
  }
  cursor.set_int_bytes(int_bytes);
  if (minor >= 15) {
    cursor.Byte();
  } else {
    cursor.Int();
  }
  for (int i = 0; i < 7; ++i) cursor.Int();   // When.
  for (int i = 0; i < 3; ++i) cursor.Text();  // Database, server, pg_dump.
  const std::int64_t count = cursor.Int();
  std::vector<PostgresArchiveEntry> entries;
  for (std::int64_t i = 0; i < count && cursor.ok(); ++i) {
    entries.push_back(ReadEntry(cursor, minor));
  }
  if (!cursor.ok() || count < 0) return Status::BadData("is cut off or damaged");
  return entries;
}

}  // namespace millrace

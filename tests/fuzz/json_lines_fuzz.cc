// SPDX-License-Identifier: Apache-2.0
// Any bytes as JSON lines: the same rows wherever the file is cut, and what another library reads:
// the same lines are JSON objects, with the same values. Where they differ on purpose: a NUL byte
// ends that library's input, it knows no limit of depth but one of numbers (1e999), and skips a
// byte order mark before each line.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_rows.h"

using namespace millrace;

namespace {

using Json = nlohmann::json;

const std::vector<std::string> kColumns = {"a", "b.a", "c.1", "a.b.c"};

const Json* Member(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return !object.is_object() || found == object.end() ? nullptr : &*found;
}

/// Of kColumns, by hand.
const Json* ColumnOf(const Json& object, std::size_t column) {
  const auto inside = [](const Json* outer, const std::string& key) {
    return outer == nullptr ? nullptr : Member(*outer, key);
  };
  if (column == 0) return Member(object, "a");
  if (const Json* whole = Member(object, kColumns[column])) return whole;
  if (column == 1) return inside(Member(object, "b"), "a");
  if (column == 2) {
    const Json* const c = Member(object, "c");
    if (c != nullptr && c->is_array()) return c->size() > 1 ? &(*c)[1] : nullptr;
    return inside(c, "1");
  }
  const Json* const a = Member(object, "a");
  if (const Json* rest = inside(a, "b.c")) return rest;
  return inside(inside(a, "b"), "c");
}

bool IsValue(const std::optional<std::string_view>& field, const Json* value) {
  if (value == nullptr || value->is_null()) return !field;
  if (!field) return false;
  if (value->is_string()) return *field == value->get_ref<const std::string&>();
  return Json::parse(*field, nullptr, /*allow_exceptions=*/false) == *value;
}

bool HasDepth(std::string_view line) {
  std::size_t opened = 0;
  for (const char c : line) opened += c == '[' || c == '{' ? 1 : 0;
  return opened > 1000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const FileFormat format{"jsonl", {}};
  static const RowRequest request = FuzzRequest(kColumns);
  static FuzzRecords rows;
  ReadFuzzLines(format, text, request, &rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string_view raw = rows.raw(i);
    if (raw.find('\0') != std::string_view::npos || HasDepth(raw)) continue;
    if (rows.offset(i) > 0 && raw.starts_with("\xEF\xBB\xBF")) continue;
    const Json line = Json::parse(raw, nullptr, /*allow_exceptions=*/false);
    FUZZ_CHECK(!rows.is_reject(i) || !line.is_object());
    if (!line.is_object()) {
      FUZZ_CHECK(rows.is_reject(i) || raw.find_first_of("eE0123456789") != std::string_view::npos);
      continue;
    }
    const auto& fields = rows.Fields(i);
    FUZZ_CHECK(fields.size() == kColumns.size());
    for (std::size_t column = 0; column < kColumns.size(); ++column) {
      FUZZ_CHECK(IsValue(fields[column], ColumnOf(line, column)));
    }
  }
  return 0;
}

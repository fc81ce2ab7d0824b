// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_MYSQL_ROWS_H_
#define TESTS_UNIT_FORMATS_MYSQL_ROWS_H_

// As file_rows.h, for scripts whose row ranges are smaller than they would be, so that short ones
// have many, and for files that have others beside them.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/mysql_dump.h"
#include "tests/unit/formats/file_rows.h"

namespace millrace {

class SqlFile : public TextFile {
 public:
  /// `range_bytes` 0: as the driver does. `beside`: contents by name.
  SqlFile(const std::string& path, const std::string& text, std::string_view spec,
          std::uint64_t range_bytes = 0, const std::map<std::string, std::string>& beside = {})
      : TextFile(path, text, spec), status_(TextFile::status()) {
    if (status_.ok() && (range_bytes > 0 || !beside.empty())) {
      status_ = InspectAgain(spec, range_bytes, beside);
    }
  }
  const Status& status() const { return status_; }

 private:
  Status InspectAgain(std::string_view spec, std::uint64_t range_bytes,
                      const std::map<std::string, std::string>& beside) {
    MemoryFiles files;
    files.contents()[shard().file.path] = std::make_shared<std::string>(text());
    for (const auto& [name, content] : beside) {
      files.contents()["/" + name] = std::make_shared<std::string>(content);
    }
    MR_ASSIGN_OR_RETURN(const FileFormat format, ParseFileFormat(spec));
    Shard again = shard();
    MR_RETURN_IF_ERROR(range_bytes > 0 ? InspectMysqlDump(files, format, range_bytes, &again)
                                       : InspectLayout(files, format, &again));
    if (again.layout != nullptr) SetLayout(*again.layout);
    return Status::Ok();
  }

  Status status_;
};

/// "[1][NULL]" and LF for each row.
inline std::string FieldsOf(const std::vector<FileRow>& rows) {
  std::string text;
  for (const FileRow& row : rows) {
    if (!row.reject.empty()) text += "REJECT " + row.reject;
    for (const auto& field : row.fields) text += "[" + (field ? *field : "NULL") + "]";
    text += "\n";
  }
  return text;
}

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_MYSQL_ROWS_H_

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/access_log.h"

#include <cstring>
#include <memory>
#include <utility>

#include "mapreduce/formats/access_log_line.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {
namespace {

constexpr std::size_t kInspectedLines = 10;

// The line at the front of `text`, without what ends it; `text` loses all of it.
std::string_view TakeLine(std::string_view* text) {
  const auto* const newline =
      static_cast<const char*>(std::memchr(text->data(), '\n', text->size()));
  if (newline == nullptr) return std::exchange(*text, {});
  std::string_view line = text->substr(0, static_cast<std::size_t>(newline - text->data()));
  text->remove_prefix(line.size() + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

class AccessLogReader final : public BlockReader {
 public:
  /// `fields` by field of the line: a column's index, or -1.
  AccessLogReader(const RowsOf& rows, std::vector<int> fields)
      : lines_(rows.reader, rows.range, rows.record_bytes_max, rows.shard.file.path),
        fields_(std::move(fields)) {}

  Result<bool> Next(LineBlock* block) override {
    rows_.Clear();
    const char* fault = std::exchange(pending_fault_, nullptr);
    while (fault == nullptr) {
      if (rest_.empty()) {
        if (rows_.row_count() > 0) break;
        MR_ASSIGN_OR_RETURN(const bool has_more, lines_.Next(&text_));
        if (!has_more) return false;
        rest_ = {text_.begin, static_cast<std::size_t>(text_.end - text_.begin)};
      }
      fault = ReadRows();
    }
    if (rows_.row_count() > 0) {
      pending_fault_ = fault;
      *block = rows_.Block();
    } else {
      *block = rows_.Rejected(OffsetOf(line_), line_, fault);
    }
    return true;
  }

 private:
  // Why line_ is no row; null: all of the text was read.
  const char* ReadRows() {
    while (!rest_.empty()) {
      line_ = TakeLine(&rest_);
      const char* const fault = parser_.Parse(line_);
      if (fault == nullptr) {
        AddRow();
      } else if (!IsBlank(line_)) {
        return fault;
      }
    }
    return nullptr;
  }

  void AddRow() {
    rows_.BeginRow();
    for (const int index : fields_) {
      if (index < 0) {
        rows_.AddEmpty();
        continue;
      }
      const std::string_view field = parser_.field(static_cast<std::size_t>(index));
      if (field.data() == nullptr) {
        rows_.AddNull();
      } else {
        rows_.AddField(field);
      }
    }
    rows_.EndRow(OffsetOf(line_), line_);
  }

  std::uint64_t OffsetOf(std::string_view line) const {
    return text_.offset + static_cast<std::uint64_t>(line.data() - text_.begin);
  }

  LineBlockReader lines_;
  const std::vector<int> fields_;
  AccessLogLine parser_;
  RowBlock rows_;
  LineBlock text_;
  std::string_view rest_;  // Of the text, not read yet.
  std::string_view line_;
  const char* pending_fault_ = nullptr;  // Of line_, which the caller was not told of yet.
};

// Most of the first whole lines.
bool LooksLike(std::string_view head) {
  if (head.find('\n') != std::string_view::npos) head = head.substr(0, head.rfind('\n') + 1);
  AccessLogLine parser;
  std::size_t good = 0;
  std::size_t bad = 0;
  while (!head.empty() && good + bad < kInspectedLines) {
    const std::string_view line = TakeLine(&head);
    if (IsBlank(line)) continue;
    ++(parser.Parse(line) == nullptr ? good : bad);
  }
  return good > bad;
}

std::vector<std::string> Columns() { return {kAccessLogColumns.begin(), kAccessLogColumns.end()}; }

Status Inspect(FileSystem&, const FileFormat&, Shard* shard) {
  auto layout = std::make_shared<ShardLayout>();
  layout->columns = Columns();
  shard->layout = std::move(layout);
  return Status::Ok();
}

Result<std::unique_ptr<BlockReader>> Open(const RowsOf& rows) {
  MR_ASSIGN_OR_RETURN(std::vector<int> fields,
                      ResolveColumns(rows.request, Columns(), rows.shard.file.path));
  return std::unique_ptr<BlockReader>(std::make_unique<AccessLogReader>(rows, std::move(fields)));
}

}  // namespace

const FormatDriver& AccessLogFormat() {
  static const FormatDriver kDriver = {
      .name = "accesslog",
      .help = "lines of a web server in the common or combined log format",
      .extensions = {},
      .option_names = {},
      .looks_like = LooksLike,
      .inspect = Inspect,
      .open = Open,
  };
  return kDriver;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_reader.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mapreduce/formats/json_lines_fault.h"
#include "mapreduce/formats/json_lines_parser.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {
namespace {

constexpr std::size_t kInspectedBytes = std::size_t{1} << 20;
constexpr std::size_t kInspectedBytesMax = std::size_t{64} << 20;  // Where the first line is long.
// A block ends here although its lines do not: many columns can make much of little text.
constexpr std::size_t kRowBytesMax = 2 * kShardReadBytesMax;

class JsonLinesReader final : public BlockReader {
 public:
  JsonLinesReader(const RowsOf& rows, JsonPaths paths)
      : lines_(rows.reader, rows.range, std::min(rows.record_bytes_max, kJsonLineBytesMax),
               rows.shard.file.path),
        parser_(std::move(paths)),
        reads_all_(rows.request.all) {
    if (!reads_all_) return;
    if (rows.shard.layout != nullptr)
      known_.insert(rows.shard.layout->columns.begin(), rows.shard.layout->columns.end());
    parser_.CollectKeys(&keys_);
  }

  Result<bool> Next(LineBlock* block) override {
    rows_.Clear();
    while (true) {
      if (is_rejected_) {
        is_rejected_ = false;
        *block = Reject();
        return true;
      }
      if (!ReadRows() && rows_.row_count() == 0) {
        MR_ASSIGN_OR_RETURN(const bool has_more, lines_.Next(&text_));
        if (!has_more) return false;
        parser_.Begin(text_.begin, text_.end, /*at_shard_begin=*/text_.offset == 0);
        continue;
      }
      if (rows_.row_count() > 0) {
        *block = rows_.Block();
        return true;
      }
    }
  }

 private:
  // Until a line is no object, or there are enough; false at the end of the text.
  bool ReadRows() {
    while (rows_.bytes() < kRowBytesMax) {
      if (!parser_.Next()) return false;
      is_rejected_ = !parser_.is_object() || HasNewKey();
      if (is_rejected_) return true;
      AddRow();
    }
    return true;
  }

  // Who reads all columns must not lose one that turns up late.
  bool HasNewKey() {
    if (!reads_all_) return false;
    const auto is_new = [this](const std::string& key) { return !known_.contains(key); };
    const auto found = std::find_if(keys_.begin(), keys_.end(), is_new);
    if (found != keys_.end())
      new_key_ = "has the key '" + *found + "', which none of the first objects of the files has";
    keys_.clear();
    return !new_key_.empty();
  }

  void AddRow() {
    rows_.BeginRow();
    for (const std::vector<int>& slots : parser_.paths().columns()) {
      if (slots.empty()) {
        rows_.AddEmpty();
        continue;
      }
      const JsonValue* value = &parser_.value(slots.front());
      for (std::size_t i = 1; i < slots.size() && value->kind == JsonValue::Kind::kAbsent; ++i) {
        value = &parser_.value(slots[i]);
      }
      if (value->kind == JsonValue::Kind::kText) {
        rows_.AddField(value->text);
      } else if (value->kind == JsonValue::Kind::kToken) {
        rows_.AddEscapedField(value->text);
      } else {
        rows_.AddNull();
      }
    }
    rows_.EndRow(OffsetOf(parser_.line()), parser_.line());
  }

  LineBlock Reject() {
    const std::string_view line = parser_.line();
    if (!new_key_.empty())
      return rows_.Rejected(OffsetOf(line), line, std::exchange(new_key_, std::string()));
    keys_.clear();
    std::string reason = JsonFault(line, parser_.mark_bytes()).reason;
    if (reason.empty()) reason = "is not JSON";  // The two parsers agree, say the tests.
    return rows_.Rejected(OffsetOf(line), line, std::move(reason));
  }

  std::uint64_t OffsetOf(std::string_view line) const {
    return text_.offset + static_cast<std::uint64_t>(line.data() - text_.begin);
  }

  LineBlockReader lines_;
  JsonLinesParser parser_;
  RowBlock rows_;
  LineBlock text_;
  bool is_rejected_ = false;  // The parser's line, which the caller was not told of yet.
  const bool reads_all_;
  std::unordered_set<std::string> known_;  // Where it reads all: the columns,
  std::vector<std::string> keys_;          // the line's keys,
  std::string new_key_;                    // and what is wrong with one that is no column.
};

// The first lines of a file, without the one that is cut off.
Result<std::string> ReadFirstLines(FileSystem& files, const Shard& shard) {
  for (std::size_t bytes = kInspectedBytes;; bytes *= 8) {
    MR_ASSIGN_OR_RETURN(std::string head, ReadHead(files, shard, bytes));
    if (head.size() < bytes) return head;
    const std::size_t newline = head.rfind('\n');
    if (newline == std::string::npos && bytes < kInspectedBytesMax) continue;
    head.resize(newline == std::string::npos ? 0 : newline + 1);
    return head;
  }
}

// What the first lines of a file say of it.
struct FirstLines {
  std::size_t object_count = 0;
  std::size_t other_count = 0;
  bool begins_with_part = false;   // The first line is JSON that goes on in the next one.
  bool begins_with_array = false;  // The first line is JSON, but an array.
  std::vector<std::string> keys;
};

FirstLines LookAt(std::string text) {
  const std::size_t bytes = text.size();
  text.resize(bytes + kLineBlockPadding);
  FirstLines found;
  std::unordered_set<std::string> known;
  std::vector<std::string> keys;
  JsonLinesParser parser(JsonPaths::OfKeys({}));
  parser.CollectKeys(&keys);
  parser.Begin(text.data(), text.data() + bytes, /*at_shard_begin=*/true);
  while (parser.Next()) {
    if (!parser.is_object()) {
      if (found.object_count + found.other_count == 0) {
        const std::string_view line = parser.line().substr(parser.mark_bytes());
        const char first = line[line.find_first_not_of(" \t\r")];
        const JsonFaultResult fault = JsonFault(line);
        found.begins_with_part = fault.ends_early && (first == '[' || first == '{');
        found.begins_with_array = first == '[' && fault.is_json;
      }
      ++found.other_count;
      continue;
    }
    ++found.object_count;
    for (std::string& key : keys) {
      if (known.insert(key).second) found.keys.push_back(std::move(key));
    }
    keys.clear();
  }
  return found;
}

bool LooksLike(std::string_view head) {
  const std::size_t newline = head.rfind('\n');
  if (newline != std::string_view::npos) {
    const FirstLines found = LookAt(std::string(head.substr(0, newline + 1)));
    if (found.object_count + found.other_count > 0) return found.object_count > found.other_count;
  }
  // One line that may be cut off.
  const std::size_t begin = head.find_first_not_of("\xEF\xBB\xBF \t\r\n");
  if (begin == std::string_view::npos || head[begin] != '{') return false;
  const JsonFaultResult fault = JsonFault(head, begin);
  return fault.reason.empty() || fault.ends_early;
}

Status Inspect(FileSystem& files, const FileFormat&, Shard* shard) {
  MR_ASSIGN_OR_RETURN(std::string head, ReadFirstLines(files, *shard));
  if (head.empty()) return Status::Ok();
  FirstLines found = LookAt(std::move(head));
  // The last line of a document of many may be an object of its own.
  const std::size_t count = found.object_count + found.other_count;
  const bool is_document =
      (found.begins_with_part && found.object_count <= 1 && found.other_count > 1) ||
      (found.begins_with_array && count == 1);
  if (is_document) {
    return Status::BadData(shard->file.path,
                           ": is one JSON document, not an object a line; `jq -c '.[]' FILE` "
                           "writes the elements of an array as lines, `jq -c . FILE` an object");
  }
  auto layout = std::make_shared<ShardLayout>();
  layout->columns = std::move(found.keys);
  shard->layout = std::move(layout);
  return Status::Ok();
}

Status CheckOptions(FileFormat* format) {
  const auto missing = format->options.find("missing");
  if (missing == format->options.end()) return Status::Ok();
  if (missing->second != "error" && missing->second != "null") {
    return Status::InvalidArgument("the option missing of jsonl is error or null, not '",
                                   missing->second, "'");
  }
  if (missing->second == "error") format->options.erase(missing);
  return Status::Ok();
}

Result<std::unique_ptr<BlockReader>> Open(const RowsOf& rows) {
  if (rows.request.all) {
    const ShardLayout* const layout = rows.shard.layout.get();
    return std::unique_ptr<BlockReader>(std::make_unique<JsonLinesReader>(
        rows, JsonPaths::OfKeys(layout == nullptr ? std::vector<std::string>() : layout->columns)));
  }
  for (const ColumnRequest& column : rows.request.columns) {
    if (!column.is_used() || column.number == 0) continue;
    return Status::InvalidArgument(rows.shard.file.path, ": JSON has no column ", column.number,
                                   "; say where ", column.column, " is with --param ",
                                   column.column, "=PATH, such as user.address.country");
  }
  return std::unique_ptr<BlockReader>(
      std::make_unique<JsonLinesReader>(rows, JsonPaths::Of(rows.request)));
}

}  // namespace

const FormatDriver& JsonLinesFormat() {
  static const FormatDriver kDriver = {
      .name = "jsonl",
      .help =
          "a JSON object a line; columns are paths, such as user.address.country; "
          "missing=null: one that no object seems to have is NULL",
      .extensions = {".jsonl", ".ndjson", ".json"},
      .option_names = {"missing"},
      .looks_like = LooksLike,
      .check_options = CheckOptions,
      .inspect = Inspect,
      .open = Open,
      .has_paths = true,
  };
  return kDriver;
}

}  // namespace millrace

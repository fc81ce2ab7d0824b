// SPDX-License-Identifier: Apache-2.0
#include "cli/schema_command.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/file_schema.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kRejectsTold = 5;
constexpr std::size_t kFlushBytes = std::size_t{64} << 10;

Result<ExecutionInput> Open(const Arguments& arguments) {
  if (arguments.argument.empty()) {
    return Status::InvalidArgument("which file? see `millrace ", arguments.command->name,
                                   " --help`");
  }
  return OpenDataset(LocalFileSystem(), arguments.argument, arguments.Get("--date"),
                     arguments.Get("--format"), UsableCores());
}

std::string Text(const FileSchema& schema) {
  std::string text = Printable(schema.path) + ": " + Printable(schema.format) + ", " +
                     FormatBytes(schema.stored_bytes);
  if (schema.compression != Compression::kNone)
    text += " of " + std::string(CompressionName(schema.compression));
  text += schema.is_all ? ", " + std::to_string(schema.rows) + (schema.rows == 1 ? " row" : " rows")
                        : ", looked at its first " + std::to_string(schema.rows) + " rows";
  if (schema.rejects > 0) text += ", " + std::to_string(schema.rejects) + " that are no rows";
  text += "\n";
  if (!schema.why_whole.empty()) text += "  not split: " + schema.why_whole + "\n";
  std::size_t width = 0;
  for (const ColumnSchema& column : schema.columns)
    width = std::max(width, Printable(column.name).size());
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const ColumnSchema& column = schema.columns[i];
    std::string name = Printable(column.name);
    const std::string number = std::to_string(i + 1);
    text += std::string(4 - std::min<std::size_t>(number.size(), 3), ' ') + number + "  ";
    if (name == number) name = "-";
    const std::string_view kind = ValueKindName(column.kind);
    name.resize(std::max(width, name.size()), ' ');
    text += name + "  " + std::string(kind);
    if (column.has_null) text += kind.empty() ? "NULL" : ", NULL";
    while (text.ends_with(' ')) text.pop_back();
    text += "\n";
  }
  return text;
}

// A path or a name that is not UTF-8 must not cost the whole line.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

Json ToJson(const FileSchema& schema, const std::vector<std::string>& drift) {
  Json json;
  json["path"] = schema.path;
  json["format"] = schema.format;
  json["compression"] = CompressionName(schema.compression);
  json["bytes"] = schema.stored_bytes;
  json["is_split"] = schema.why_whole.empty();
  json["rows_looked_at"] = schema.rows;
  json["is_all"] = schema.is_all;
  json["rejects"] = schema.rejects;
  json["columns"] = Json::array();
  for (const ColumnSchema& column : schema.columns) {
    json["columns"].push_back(
        {{"name", column.name}, {"kind", ValueKindName(column.kind)}, {"null", column.has_null}});
  }
  json["drift"] = Json::array();
  for (const std::string& sentence : drift) json["drift"].push_back(sentence);
  return json;
}

// The schema of the first file, and of the others what is different.
Result<bool> ShowSchemas(const Arguments& arguments) {
  MR_ASSIGN_OR_RETURN(const ExecutionInput input, Open(arguments));
  bool has_drift = false;
  FileSchema measure;
  for (std::size_t s = 0; s < input.shards.size(); ++s) {
    MR_ASSIGN_OR_RETURN(FileSchema schema,
                        SchemaOf(LocalFileSystem(), input.shards[s], input.format));
    const std::vector<std::string> drift =
        measure.columns.empty() ? std::vector<std::string>() : SchemaDrift(measure, schema);
    has_drift = has_drift || !drift.empty();
    std::string text;
    if (arguments.Has("--json")) {
      text = Dump(ToJson(schema, drift));
    } else if (measure.columns.empty()) {
      text = Text(schema);
    } else {
      text = Printable(schema.path) + ": " + (drift.empty() ? "the same columns" : "differs");
      if (schema.rejects > 0)
        text += ", " + std::to_string(schema.rejects) + " records that are no rows";
      text += "\n";
      for (const std::string& sentence : drift) text += "  " + Printable(sentence) + "\n";
    }
    MR_RETURN_IF_ERROR(WriteStdout(text));
    if (measure.columns.empty()) measure = std::move(schema);
  }
  return has_drift;
}

}  // namespace

int SchemaCommand(const Arguments& arguments) {
  const Result<bool> has_drift = ShowSchemas(arguments);
  const int code = FinishStdout(has_drift.ok() ? Status::Ok() : has_drift.error());
  return code == 0 && has_drift.ok() && *has_drift ? 1 : code;
}

bool IsOutput(const Arguments& arguments) {
  const std::string manifest = JoinPath(arguments.argument, std::string(kManifestName));
  const Result<FileInfo> info = LocalFileSystem().Stat(arguments.argument);
  return arguments.Has("--name") || LocalFileSystem().Stat(manifest).ok() ||
         (info.ok() && info->is_directory && !arguments.Has("--format"));
}

Status HeadOfFiles(const Arguments& arguments, std::uint64_t lines) {
  MR_ASSIGN_OR_RETURN(const ExecutionInput input, Open(arguments));
  bool shows_names = true;
  for (const Shard& shard : input.shards) {
    if (lines == 0) break;
    if (shows_names && shard.layout != nullptr) {
      std::string names;
      for (const std::string& name : shard.layout->columns)
        names += (names.empty() ? "" : "\t") + Printable(name);
      WriteStderr(names + "\n");
      shows_names = false;
    }
    RowBuffer rows;
    Status written;
    const auto take = [&](const FileFields& fields) {
      if (lines == 0 || !written.ok()) return false;
      --lines;
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (i > 0) rows.Append('\t');
        fields[i] ? AppendEscaped(rows, *fields[i]) : rows.Append(kTsvNull);
      }
      rows.Append('\n');
      if (rows.size() < kFlushBytes) return true;
      written = WriteStdout(rows.view());
      rows.Clear();
      return true;
    };
    std::uint64_t told = 0;
    const auto tell = [&](std::uint64_t offset, std::string_view reason) {
      if (told++ >= kRejectsTold) return;
      PrintMessage(Printable(shard.file.path) + ": at byte " + std::to_string(offset) + ": " +
                   Printable(std::string(reason)));
    };
    MR_RETURN_IF_ERROR(ForEachRow(LocalFileSystem(), shard, input.format, take, tell));
    MR_RETURN_IF_ERROR(written);
    if (told > kRejectsTold) {
      PrintMessage(Printable(shard.file.path) + ": and " + std::to_string(told - kRejectsTold) +
                   " more that are no rows");
    }
    MR_RETURN_IF_ERROR(WriteStdout(rows.view()));
  }
  return {};
}

}  // namespace millrace

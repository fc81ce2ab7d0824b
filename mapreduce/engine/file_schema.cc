// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/file_schema.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <system_error>
#include <utility>

#include "mapreduce/base/numbers.h"
#include "mapreduce/engine/input_formats.h"
#include "mapreduce/engine/parallel_for.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/formats/any_row.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {
namespace {

constexpr std::size_t kRecordBytesMax = std::size_t{64} << 20;
constexpr std::uint64_t kRowsLookedAt = 10'000;

ValueKind KindOf(std::string_view text) {
  if (std::int64_t integer; ParseInt64(text, &integer)) return ValueKind::kInteger;
  double number;
  const std::from_chars_result parsed =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size())
    return ValueKind::kNumber;
  return Date::StartsText(text) ? ValueKind::kDate : ValueKind::kText;
}

ValueKind Both(ValueKind a, ValueKind b) {
  if (a == b || b == ValueKind::kNone) return a;
  if (a == ValueKind::kNone) return b;
  const bool are_numbers = std::max(a, b) <= ValueKind::kNumber;
  return are_numbers ? ValueKind::kNumber : ValueKind::kText;
}

const ColumnSchema* Find(const FileSchema& schema, const std::string& name) {
  for (const ColumnSchema& column : schema.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

}  // namespace

std::string_view ValueKindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNone:
      return "";
    case ValueKind::kInteger:
      return "integer";
    case ValueKind::kNumber:
      return "number";
    case ValueKind::kDate:
      return "date";
    case ValueKind::kText:
      return "text";
  }
  return "";
}

Result<ExecutionInput> OpenDataset(FileSystem& files, const std::string& pattern,
                                   std::string_view date, const std::string& format, int threads) {
  JobGraph graph;
  graph.inputs.push_back({.name = "rows", .columns = {}, .format = "tsv"});
  StageSpec& stage = graph.stages.emplace_back();
  stage.sources.emplace_back().input = 0;
  std::vector<std::string> specs;
  if (!format.empty()) specs.push_back(format);
  MR_ASSIGN_OR_RETURN(const auto formats, AssignFormats(graph, specs));
  MR_ASSIGN_OR_RETURN(
      const MatchedInput matched,
      MatchInput(files, {.name = "rows", .patterns = {pattern}}, date,
                 formats.empty() ? std::nullopt : std::optional(formats.begin()->second)));
  std::vector<ExecutionInput> inputs(1);
  inputs[0].name = "rows";
  inputs[0].shards.resize(matched.files.size());
  const Status inspected = ParallelFor(matched.files.size(), threads, [&](std::size_t s) {
    MR_ASSIGN_OR_RETURN(inputs[0].shards[s], InspectShard(files, matched.files[s]));
    return Status::Ok();
  });
  MR_RETURN_IF_ERROR(inspected);
  MR_RETURN_IF_ERROR(ResolveFormats(files, graph, {matched}, threads, inputs));
  return std::move(inputs[0]);
}

Status ForEachRow(FileSystem& files, const Shard& shard, const FileFormat& format,
                  const std::function<bool(const FileFields&)>& on_row,
                  const std::function<void(std::uint64_t, std::string_view)>& on_reject) {
  const ShardRange range = CutShard(shard, UINT64_MAX).front();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                      ShardReader::Open(files, shard, range, /*digest=*/nullptr,
                                        /*timer=*/nullptr));
  const RowRequest request{.all = true, .columns = {}};
  std::unique_ptr<BlockReader> blocks;
  if (format.is_lines()) {
    blocks = std::make_unique<LineBlockReader>(*reader, range, kRecordBytesMax, shard.file.path);
  } else {
    MR_ASSIGN_OR_RETURN(blocks,
                        OpenRows({*reader, shard, range, format, request, kRecordBytesMax}));
  }
  AnyRowParser parser;
  bool goes_on = true;
  LineBlock block;
  while (goes_on) {
    MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
    if (!more) break;
    if (!block.reject.empty()) {
      on_reject(block.offset, block.reject);
      continue;
    }
    parser.Parse(
        block,
        [&](const AnyRow& row, std::string_view) { goes_on = goes_on && on_row(row.fields); },
        [&](std::string_view reason, std::string_view raw) {
          if (goes_on)
            on_reject(block.offset + static_cast<std::uint64_t>(raw.data() - block.begin), reason);
        });
  }
  return {};
}

Result<FileSchema> SchemaOf(FileSystem& files, const Shard& shard, const FileFormat& format) {
  FileSchema schema{.path = shard.file.path,
                    .format = FormatSpec(format),
                    .compression = shard.compression,
                    .stored_bytes = shard.file.bytes,
                    .why_whole = WhyWhole(format, shard),
                    .columns = {},
                    .is_all = true};
  if (shard.layout != nullptr) {
    for (const std::string& name : shard.layout->columns) schema.columns.push_back({.name = name});
  }
  const auto look = [&](const FileFields& fields) {
    if (schema.rows == kRowsLookedAt) return schema.is_all = false;
    ++schema.rows;
    while (schema.columns.size() < fields.size())
      schema.columns.push_back({.name = std::to_string(schema.columns.size() + 1)});
    for (std::size_t i = 0; i < fields.size(); ++i) {
      ColumnSchema& column = schema.columns[i];
      if (!fields[i]) {
        column.has_null = true;
      } else if (column.kind != ValueKind::kText) {
        column.kind = Both(column.kind, KindOf(*fields[i]));
      }
    }
    return true;
  };
  MR_RETURN_IF_ERROR(ForEachRow(files, shard, format, look,
                                [&](std::uint64_t, std::string_view) { ++schema.rejects; }));
  return schema;
}

std::vector<std::string> SchemaDrift(const FileSchema& before, const FileSchema& now) {
  std::vector<std::string> drift;
  for (std::size_t i = 0; i < before.columns.size(); ++i) {
    const ColumnSchema& old = before.columns[i];
    const ColumnSchema* const found = Find(now, old.name);
    if (found == nullptr) {
      drift.push_back("the column " + old.name + " is gone");
      continue;
    }
    const std::size_t place = static_cast<std::size_t>(found - now.columns.data());
    if (place != i) {
      drift.push_back("the column " + old.name + " was number " + std::to_string(i + 1) +
                      " and is number " + std::to_string(place + 1));
    }
    // Who takes text takes integers.
    if (old.kind != ValueKind::kNone && Both(old.kind, found->kind) != old.kind) {
      drift.push_back("the column " + old.name + " was " + std::string(ValueKindName(old.kind)) +
                      " and is " + std::string(ValueKindName(found->kind)));
    }
  }
  for (const ColumnSchema& column : now.columns) {
    if (Find(before, column.name) == nullptr)
      drift.push_back("the column " + column.name + " is new");
  }
  return drift;
}

}  // namespace millrace

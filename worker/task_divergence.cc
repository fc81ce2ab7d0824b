// SPDX-License-Identifier: Apache-2.0
#include "worker/task_divergence.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/output_reader.h"
#include "mapreduce/formats/output_row_ends.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/table_file.h"
#include "worker/task_ending.h"

namespace millrace {
namespace {

/// The records of a run file, one at a time.
class Records {
 public:
  static Result<std::unique_ptr<Records>> Open(FileSystem& files, const RunInfo& info) {
    MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> file, RunFile::Open(files, info));
    auto records = std::make_unique<Records>();
    MR_ASSIGN_OR_RETURN(records->cursor_, file->Read({}));
    return records;
  }
  /// Null at the end; lives until the next call.
  Result<const RecordView*> Next() {
    if (is_over_) return static_cast<const RecordView*>(nullptr);
    if (at_ == batch_.size()) {
      at_ = 0;
      MR_ASSIGN_OR_RETURN(const bool more, cursor_->Next(&batch_));
      is_over_ = !more;
      if (is_over_) return static_cast<const RecordView*>(nullptr);
    }
    return &batch_[at_++];
  }

 private:
  std::unique_ptr<RunCursor> cursor_;
  std::span<const RecordView> batch_;
  std::size_t at_ = 0;
  bool is_over_ = false;
};

// The first key at which the two are not the same.
Result<std::optional<std::string>> FirstKey(FileSystem& files, const RunInfo& before,
                                            const RunInfo& now) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Records> a, Records::Open(files, before));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Records> b, Records::Open(files, now));
  for (;;) {
    MR_ASSIGN_OR_RETURN(const RecordView* const left, a->Next());
    MR_ASSIGN_OR_RETURN(const RecordView* const right, b->Next());
    if (left == nullptr && right == nullptr) return std::optional<std::string>();
    if (left == nullptr) return std::optional<std::string>(right->key_view());
    if (right == nullptr) return std::optional<std::string>(left->key_view());
    if (left->key_view() == right->key_view() && left->value_view() == right->value_view())
      continue;
    return std::optional<std::string>(std::min(left->key_view(), right->key_view()));
  }
}

/// The rows of a part, one at a time; a header is one.
class Rows {
 public:
  Rows(std::unique_ptr<OutputReader> reader, OutputFormat format)
      : reader_(std::move(reader)), ends_(format) {}
  /// Nothing at the end.
  Result<std::optional<std::string>> Next() {
    std::string row;
    for (;;) {
      const std::size_t end = ends_.Find(rest_);
      row += rest_.substr(0, end);
      if (end != rest_.npos) {
        rest_.remove_prefix(end);
        row.pop_back();  // The LF.
        return std::optional<std::string>(std::move(row));
      }
      MR_ASSIGN_OR_RETURN(rest_, reader_->Next());
      if (rest_.empty()) return row.empty() ? std::nullopt : std::optional<std::string>(row);
    }
  }

 private:
  std::unique_ptr<OutputReader> reader_;
  RowEnds ends_;
  std::string_view rest_;
};

struct PlacedPart {
  const std::string& directory;
  const PartRecord& part;
};

OutputFormat FormatOf(const PlacedPart& placed, const TaskAssignment& assignment) {
  return PartFormat(OutputFormatName(assignment.output_format), placed.part.path);
}

Result<std::unique_ptr<Rows>> OpenRows(FileSystem& files, const PlacedPart& placed,
                                       const TaskAssignment& assignment) {
  MR_ASSIGN_OR_RETURN(
      std::unique_ptr<OutputReader> reader,
      OutputReader::Open(files, JoinPath(placed.directory, placed.part.path), placed.part.bytes,
                         assignment.compression, FormatOf(placed, assignment)));
  return std::make_unique<Rows>(std::move(reader), FormatOf(placed, assignment));
}

// "row 3: 'x'"; nothing where all rows are the same.
Result<std::optional<std::string>> FirstRow(FileSystem& files, const PlacedPart& before,
                                            const PlacedPart& now,
                                            const TaskAssignment& assignment) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> a, OpenRows(files, before, assignment));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Rows> b, OpenRows(files, now, assignment));
  for (std::uint64_t number = HasHeader(FormatOf(now, assignment)) ? 0 : 1;; ++number) {
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> left, a->Next());
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> right, b->Next());
    if (!left && !right) return std::optional<std::string>();
    if (left == right) continue;
    return std::optional<std::string>("row " + std::to_string(number) + ": was " +
                                      (left ? ShownKey(*left) : "none") + ", is " +
                                      (right ? ShownKey(*right) : "none"));
  }
}

// The first key of a table at which the two are not the same.
Result<std::optional<std::string>> FirstTableKey(FileSystem& files, const std::string& before,
                                                 const std::string& now) {
  MR_ASSIGN_OR_RETURN(const std::shared_ptr<const TableFile> a, TableFile::Open(files, before));
  MR_ASSIGN_OR_RETURN(const std::shared_ptr<const TableFile> b, TableFile::Open(files, now));
  for (std::uint64_t row = 0; row < std::max(a->rows(), b->rows()); ++row) {
    const std::optional<TableFile::Record> left = a->Row(row), right = b->Row(row);
    MR_RETURN_IF_ERROR(a->status());
    MR_RETURN_IF_ERROR(b->status());
    if (!left || !right) return std::optional<std::string>((left ? left : right)->key);
    if (left->key != right->key || left->value != right->value)
      return std::optional<std::string>(std::min(left->key, right->key));
  }
  return std::optional<std::string>();
}

}  // namespace

Status FindDivergence(FileSystem& files, const TaskAssignment& assignment,
                      const TaskSuccess& success) {
  const TaskReference& reference = *assignment.reference;
  const std::string task = TaskNameOf(assignment);
  const auto diverged = [&](const auto&... what) {
    return Status::Error(StatusCode::kDiverged, "task ", task,
                         " gave other records when it ran again: ", what...,
                         "; the job's code must depend on nothing but its records");
  };
  if (reference.runs.size() != success.runs.size() ||
      reference.parts.size() != success.output.parts.size() ||
      reference.table.has_value() != success.output.table.has_value())
    return diverged("other files");
  for (std::size_t i = 0; i < success.runs.size(); ++i) {
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> key,
                        FirstKey(files, reference.runs[i], success.runs[i]));
    if (key) return diverged("first differing key ", ShownKey(*key));
  }
  for (std::size_t i = 0; i < success.output.parts.size(); ++i) {
    const PartRecord& now = success.output.parts[i];
    const PartRecord& before = reference.parts[i];
    if (before.xxh128 == now.xxh128 && before.bytes == now.bytes) continue;
    MR_ASSIGN_OR_RETURN(const std::optional<std::string> row,
                        FirstRow(files, {reference.output_directory, before},
                                 {assignment.output_directory, now}, assignment));
    return diverged("first difference in ", now.path, ", ", row ? *row : "other bytes");
  }
  if (reference.table && reference.table->xxh128 != success.output.table->xxh128) {
    MR_ASSIGN_OR_RETURN(
        const std::optional<std::string> key,
        FirstTableKey(files, JoinPath(reference.output_directory, reference.table->path),
                      JoinPath(assignment.output_directory, success.output.table->path)));
    return diverged("in its table, first differing key ", key ? ShownKey(*key) : "none");
  }
  if (reference.digest != success.output.digest) return diverged("another digest");
  return Status::Ok();
}

}  // namespace millrace

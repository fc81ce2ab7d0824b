// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/cluster_rejects.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/reject_limit.h"
#include "mapreduce/engine/reject_order.h"
#include "mapreduce/engine/reject_sorter.h"
#include "mapreduce/io/output_file.h"

namespace millrace {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

// What can't be read now may be readable later; what is gone is gone.
Status ReadingFailed(const std::string& path, const Status& status) {
  if (status.code() == StatusCode::kNotFound)
    return Status::Corrupt(path, ": the rejects of a committed task are missing");
  if (status.code() == StatusCode::kBadData) return Status::Unavailable(status.message());
  return status;
}

std::string DescribeRow(std::string_view row) {
  const RejectRow parsed = ParseRejectRow(row.substr(0, row.size() - 1));
  return DescribeReject({.input = parsed.input,
                         .shard = parsed.shard,
                         .offset = parsed.offset,
                         .reason = parsed.reason,
                         .raw = {}});
}

std::uint64_t BytesOf(const TaskOutput& output) {
  std::uint64_t bytes = 0;
  for (const std::string& rows : output.rejects) bytes += rows.size();
  if (!output.reject_file) return bytes;
  for (const RejectFile::Text& text : output.reject_file->texts) bytes += text.bytes;
  return bytes;
}

}  // namespace

std::uint64_t ClusterRejects::count() const {
  std::uint64_t count = 0;
  for (const auto& of_phase : outputs_) {
    for (const TaskOutput* output : of_phase) count += output->reject_count;
  }
  return count;
}

std::uint64_t ClusterRejects::TotalBytes() const {
  std::uint64_t bytes = 0;
  for (const auto& of_phase : outputs_) {
    for (const TaskOutput* output : of_phase) bytes += BytesOf(*output);
  }
  return bytes;
}

// ---- Reading ------------------------------------------------------------------------------------

ClusterRejects::Text ClusterRejects::TextOf(std::size_t phase, std::size_t task,
                                            std::size_t text) const {
  const TaskOutput& output = *outputs_[phase][task];
  if (!output.reject_file) return {.rows = output.rejects[text], .path = {}};
  const AttemptId attempt{
      {{places_.run, static_cast<std::uint32_t>(phase)}, static_cast<std::uint32_t>(task)},
      places_.committed[phase][task]};
  Text of{.rows = {}, .path = JoinPath(AttemptDirectory(places_.output, attempt), kRejectFileName)};
  for (std::size_t i = 0; i < text; ++i) of.begin += output.reject_file->texts[i].bytes;
  of.told = &output.reject_file->texts[text];
  return of;
}

// Until `take` says false; then nobody knows whether the rest is right.
Status ClusterRejects::EachPiece(const Text& text, const TakePiece& take) const {
  if (text.told == nullptr) {
    if (!text.rows.empty()) take(text.rows);
    return Status::Ok();
  }
  if (text.told->bytes == 0) return Status::Ok();
  const auto file = places_.files.OpenForRead(text.path);
  if (!file.ok()) return ReadingFailed(text.path, file.error());
  const std::uint64_t end = text.begin + text.told->bytes;
  std::string piece(std::min(kPieceBytes, text.told->bytes), '\0');
  Hasher128 hasher;
  for (std::uint64_t at = text.begin; at < end;) {
    const std::size_t wanted = std::min<std::uint64_t>(piece.size(), end - at);
    const Result<std::size_t> got = (*file)->ReadAt(at, piece.data(), wanted);
    if (!got.ok()) return ReadingFailed(text.path, got.error());
    if (*got != wanted) {
      return Status::Corrupt(text.path, ": ", at + *got, " bytes long, and the task has written ",
                             "rejects up to byte ", end);
    }
    const std::string_view bytes(piece.data(), wanted);
    hasher.Update(bytes);
    if (!take(bytes)) return Status::Ok();
    at += wanted;
  }
  if (hasher.Digest() == text.told->xxh128) return Status::Ok();
  return Status::Corrupt(text.path, ": bytes ", text.begin, " to ", end,
                         " are not the rejects that the task has written: hash mismatch");
}

// In the order of the local runner: the tasks' own, then those of each map that runs inside them.
Status ClusterRejects::EachPiece(std::size_t phase, const TakePiece& take) const {
  const auto& outputs = outputs_[phase];
  const std::size_t texts = outputs.empty() ? 0 : outputs.front()->rejects.size();
  bool goes_on = true;
  for (std::size_t text = 0; text < texts; ++text) {
    for (std::size_t task = 0; task < outputs.size() && goes_on; ++task) {
      MR_RETURN_IF_ERROR(EachPiece(TextOf(phase, task, text),
                                   [&](std::string_view piece) { return goes_on = take(piece); }));
    }
  }
  return Status::Ok();
}

Status ClusterRejects::EachRow(std::size_t phase, const TakePiece& take) const {
  RowPieces rows;
  MR_RETURN_IF_ERROR(
      EachPiece(phase, [&](std::string_view piece) { return rows.Add(piece, take); }));
  return rows.is_whole() ? Status::Ok() : Status::Internal("a task has sent half a reject");
}

// ---- The limit ----------------------------------------------------------------------------------

Result<std::vector<std::string>> ClusterRejects::First(std::size_t last_phase) const {
  std::vector<std::string> first;
  for (std::size_t p = 0; p <= last_phase && first.size() < kRejectsShownMax; ++p) {
    MR_RETURN_IF_ERROR(EachRow(p, [&](std::string_view row) {
      first.push_back(DescribeRow(row));
      return first.size() < kRejectsShownMax;
    }));
  }
  return first;
}

Status ClusterRejects::Check(std::uint64_t records_read) const {
  std::uint64_t count = 0;
  for (std::size_t p = 0; p < outputs_.size(); ++p) {
    for (const TaskOutput* output : outputs_[p]) count += output->reject_count;
    const bool is_final = p + 1 == outputs_.size();
    if (CheckRejectLimit(plan_.max_rejects, count, records_read, is_final, {}).ok()) continue;
    MR_ASSIGN_OR_RETURN(const std::vector<std::string> first, First(p));
    return CheckRejectLimit(plan_.max_rejects, count, records_read, is_final, first);
  }
  const std::uint64_t bytes = TotalBytes();
  if (bytes <= places_.reject_bytes_max) return Status::Ok();
  return Status::BadData("the run has set aside ", FormatCount(count), " records of ",
                         FormatBytes(bytes), ", more than the ",
                         FormatBytes(places_.reject_bytes_max),
                         " that a master takes; mend the input, lower --max-rejects, or run it ",
                         "without --master and --isolate");
}

// ---- Writing ------------------------------------------------------------------------------------

Result<bool> ClusterRejects::AreSorted() const {
  std::vector<int> inputs_mapped;
  for (const ClusterPhase& phase : plan_.phases) {
    if (phase.is_map()) inputs_mapped.push_back(static_cast<int>(phase.input));
  }
  bool are_sorted = AreInOrder(inputs_mapped);
  for (std::size_t p = 0; p < outputs_.size() && are_sorted; ++p) {
    if (plan_.phases[p].is_map()) continue;
    MR_RETURN_IF_ERROR(EachRow(p, [&](std::string_view row) { return are_sorted = !IsLate(row); }));
  }
  return are_sorted;
}

Result<std::optional<OutputFileRecord>> ClusterRejects::Write() const {
  auto made = TryWrite();
  // Much depends on it: what one reading says may be the reader's fault.
  if (made.error().code() == StatusCode::kCorrupt) made = TryWrite();
  return made;
}

Result<std::optional<OutputFileRecord>> ClusterRejects::TryWrite() const {
  const std::uint64_t told_count = count();
  if (told_count == 0 && TotalBytes() == 0) return std::optional<OutputFileRecord>();
  std::uint64_t row_count = 0;
  MR_ASSIGN_OR_RETURN(const bool are_sorted, AreSorted());
  const std::string path = RunRejectsPath(places_.output);
  MR_RETURN_IF_ERROR(places_.files.RemoveTree(path));  // Of an earlier try.
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> out,
                      OutputFile::Create(places_.files, path, Compression::kNone));
  RejectSorter sorter(places_.files, RunSortDirectory(places_.output), plan_.inputs);
  for (std::size_t p = 0; p < outputs_.size(); ++p) {
    if (are_sorted) {
      MR_RETURN_IF_ERROR(EachPiece(p, [&](std::string_view piece) {
        row_count += static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
        out->Append(piece);
        return out->status().ok();
      }));
      continue;
    }
    Status sorted;
    MR_RETURN_IF_ERROR(EachRow(p, [&](std::string_view row) {
      ++row_count;
      sorted = sorter.Add(row);
      return sorted.ok();
    }));
    MR_RETURN_IF_ERROR(sorted);
  }
  MR_RETURN_IF_ERROR(out->status());
  if (row_count != told_count)
    return Status::Internal("tasks have reported another number of rejects than they have sent");
  if (!are_sorted)
    MR_RETURN_IF_ERROR(sorter.Finish([&](std::string_view row) { out->Append(row); }));
  MR_ASSIGN_OR_RETURN(const OutputFileInfo info, out->Close());
  return std::optional<OutputFileRecord>({kRejectsName, info.bytes, told_count, info.xxh128});
}

}  // namespace millrace

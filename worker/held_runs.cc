// SPDX-License-Identifier: Apache-2.0
#include "worker/held_runs.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kLayoutsMax = 64;    // As many as streams are served at once.
constexpr std::size_t kOpenFilesMax = 64;  // Linear to search; a miss costs more.

}  // namespace

void HeldRuns::Add(const AttemptId& attempt, std::vector<RunInfo> runs) {
  runs_[attempt] = std::move(runs);
}

void HeldRuns::Drop(const AttemptId& attempt) {
  const auto found = runs_.find(attempt);
  if (found == runs_.end()) return;
  for (const RunInfo& run : found->second) {
    std::erase_if(open_, [&](const auto& file) { return file->info().path == run.path; });
  }
  runs_.erase(found);
}

const RunInfo* HeldRuns::Find(const AttemptId& attempt, std::uint32_t channel) const {
  const auto found = runs_.find(attempt);
  if (found == runs_.end() || channel >= found->second.size()) return nullptr;
  return &found->second[channel];
}

Result<std::shared_ptr<const RunFile>> HeldRuns::Open(const AttemptId& output,
                                                      std::uint32_t channel) {
  const RunInfo* const info = Find(output, channel);
  if (info == nullptr) return Status::Corrupt("the output is gone");
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const auto& file) {
    return file->info().file_id == info->file_id && file->info().path == info->path;
  });
  if (found != open_.end()) {
    auto file = *found;
    open_.erase(found);
    open_.push_front(file);
    return file;
  }
  MR_ASSIGN_OR_RETURN(auto file, RunFile::Open(LocalFileSystem(), *info));
  open_.push_front(file);
  if (open_.size() > kOpenFilesMax) open_.pop_back();
  return file;
}

Result<const HeldRuns::Layout*> HeldRuns::LayoutOf(const ReadPiece& read, AttemptId* damaged) {
  const auto found = std::find_if(layouts_.begin(), layouts_.end(), [&](const auto& entry) {
    return entry.first == read.key && entry.second.outputs == read.outputs &&
           entry.second.borders == read.borders;
  });
  if (found != layouts_.end() && read.offset > 0) return &found->second;
  if (found != layouts_.end()) layouts_.erase(found);
  Layout layout{read.outputs, read.borders, {}};
  for (const AttemptId& output : read.outputs) {
    *damaged = output;
    MR_ASSIGN_OR_RETURN(const auto file, Open(output, read.key.source.channel));
    const RunBytes bytes = file->SliceBytes({read.borders.begin, read.borders.end});
    layout.slices.push_back(
        {output, file->info().file_id, bytes.begin, bytes.end, file->info().block_bytes_max});
  }
  layouts_.emplace_front(read.key, std::move(layout));
  if (layouts_.size() > kLayoutsMax) layouts_.pop_back();
  return &layouts_.front().second;
}

Status HeldRuns::Append(const ReadPiece& read, const FetchSlice& slice, std::uint64_t begin,
                        std::uint64_t end, std::string* bytes) {
  MR_ASSIGN_OR_RETURN(const auto file, Open(slice.output, read.key.source.channel));
  const std::size_t had = bytes->size();
  bytes->resize(had + (end - begin));
  MR_ASSIGN_OR_RETURN(const std::size_t count,
                      file->ReadAt(begin, bytes->data() + had, end - begin));
  if (count != end - begin) return Status::Corrupt("the run file ends too early");
  return Status::Ok();
}

PieceRead HeldRuns::Read(const ReadPiece& read) {
  PieceRead answer{read.key, read.offset, ServedPiece{}, std::nullopt};
  AttemptId damaged;
  const auto fail = [&](const Status& status) {
    answer.piece = status;
    // All else passes: the reader asks again.
    if (status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kNotFound)
      answer.damaged = damaged;
    return answer;
  };
  const Result<const Layout*> layout = LayoutOf(read, &damaged);
  if (!layout.ok()) return fail(layout.error());
  ServedPiece piece;
  piece.bytes.reserve(read.bytes_max);
  std::uint64_t at = 0;  // In the stream.
  for (const FetchSlice& slice : (*layout)->slices) {
    const std::uint64_t size = slice.end - slice.begin;
    const std::uint64_t from = std::max(at, read.offset);
    const std::uint64_t to = std::min(at + size, read.offset + read.bytes_max);
    if (from < to) {
      damaged = slice.output;
      const Status status =
          Append(read, slice, slice.begin + (from - at), slice.begin + (to - at), &piece.bytes);
      if (!status.ok()) return fail(status);
    }
    at += size;
  }
  piece.stream_bytes = at;
  if (read.offset == 0) piece.slices = (*layout)->slices;
  answer.piece = std::move(piece);
  return answer;
}

FilesListed HeldRuns::List(const ListFiles& list) const {
  FilesListed answer{list.reader_worker, list.request, std::vector<FetchFile>(), std::nullopt};
  std::vector<FetchFile> files;
  for (const AttemptId& output : list.outputs) {
    const RunInfo* const run = Find(output, list.request.source.channel);
    if (run == nullptr) {
      answer.files = Status::Corrupt("the output is gone");
      answer.damaged = output;
      return answer;
    }
    files.push_back({output, run->path, run->file_id, run->file_bytes, run->record_count,
                     run->key_bytes, run->value_bytes, run->block_bytes_max});
  }
  answer.files = std::move(files);
  return answer;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_log.h"

#include <algorithm>
#include <utility>

#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/reject_limit.h"
#include "mapreduce/engine/reject_order.h"
#include "mapreduce/engine/reject_sorter.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/io/output_file.h"

namespace millrace {
namespace {

constexpr std::size_t kTaskBytesInMemory = std::size_t{64} << 10;
constexpr std::size_t kLogBytesInMemory = std::size_t{8} << 20;  // Of all tasks that are done.
constexpr std::uint64_t kSorterBytesMin = std::uint64_t{4} << 20;
constexpr std::uint64_t kSorterBytesMax = std::uint64_t{64} << 20;

}  // namespace

Status TaskRejects::Add(const RejectedRecord& record) {
  AppendTsvRow(rows_, std::tuple(record.input, record.shard, record.offset, record.reason),
               record.raw);
  const bool go_on = log_.Count(*this, record);
  ++count_;
  if (!go_on) return RejectLog::Stopped();
  return rows_.size() > kTaskBytesInMemory ? Spool() : Status::Ok();
}

Status TaskRejects::Spool() {
  if (spool_ == nullptr) {
    spool_path_ = log_.scratch_directory_ + "/rejects-" + std::to_string(order_) + ".tsv";
    MR_ASSIGN_OR_RETURN(spool_, log_.files_.Create(spool_path_, FileUse::kScratch));
  }
  MR_RETURN_IF_ERROR(spool_->Append(rows_.view()));
  rows_.Clear();
  return Status::Ok();
}

Status TaskRejects::Close() {
  if (count_ == 0) return Status::Ok();
  RejectRows logged{.count = count_, .rows = {}, .path = {}};
  if (spool_ != nullptr || !log_.HasRoom(rows_.size())) {
    MR_RETURN_IF_ERROR(Spool());
    MR_RETURN_IF_ERROR(spool_->Close());
    logged.path = spool_path_;
  } else {
    logged.rows = rows_.view();
  }
  MutexLock lock(log_.mutex_);
  log_.logged_[order_] = std::move(logged);
  return Status::Ok();
}

void TaskRejects::Discard(const Status& failure) {
  MutexLock lock(log_.mutex_);
  if (log_.discarded_for_.ok() || order_ < log_.discarded_order_) {
    log_.discarded_for_ = failure;
    log_.discarded_order_ = order_;
  }
  log_.count_ -= count_;
  std::erase_if(log_.first_, [this](const auto& shown) { return shown.first.first == order_; });
  count_ = 0;
}

bool RejectLog::HasRoom(std::size_t bytes) {
  MutexLock lock(mutex_);
  if (bytes_ + bytes > kLogBytesInMemory) return false;
  bytes_ += bytes;
  return true;
}

bool RejectLog::KnowsFirstBefore(std::uint64_t order) const {
  return first_.size() == kRejectsShownMax && std::prev(first_.end())->first.first < order;
}

bool RejectLog::Count(const TaskRejects& task, const RejectedRecord& record) {
  MutexLock lock(mutex_);
  ++count_;
  has_late_ |= record.is_late;
  if (task.count_ < kRejectsShownMax) {
    first_.emplace(std::pair(task.order_, task.count_), DescribeReject(record));
    if (first_.size() > kRejectsShownMax) first_.erase(std::prev(first_.end()));
  }
  if (!IsExceeded()) return true;
  is_exceeded_ = true;
  return task.order_ == task.task_order_ ? task.count_ + 1 < kRejectsShownMax
                                         : !KnowsFirstBefore(task.task_order_);
}

bool RejectLog::ShouldStop(std::uint64_t order) {
  if (!is_exceeded_.load(std::memory_order_relaxed)) return false;
  MutexLock lock(mutex_);
  return IsExceeded() && KnowsFirstBefore(order);
}

std::uint64_t RejectLog::count() {
  MutexLock lock(mutex_);
  return count_;
}

RejectRows RejectLog::Take(std::uint64_t order) {
  MutexLock lock(mutex_);
  auto taken = logged_.extract(order);
  return taken.empty() ? RejectRows() : std::move(taken.mapped());
}

Status RejectLog::Check(std::uint64_t records_read, bool is_final) {
  MutexLock lock(mutex_);
  std::vector<std::string> first;
  for (const auto& [place, line] : first_) first.push_back(line);
  return CheckRejectLimit(limit_, count_, records_read, is_final, first);
}

Status RejectLog::Outcome(const Status& tasks) {
  MR_RETURN_IF_ERROR(Check(0, /*is_final=*/false));
  MutexLock lock(mutex_);
  return tasks.code() == StatusCode::kCancelled && !discarded_for_.ok() ? discarded_for_ : tasks;
}

template <class F>
Status RejectLog::EachPiece(F&& take) {
  for (const auto& [order, logged] : logged_) {
    if (logged.path.empty()) {
      take(std::string_view(logged.rows));
      continue;
    }
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> spool,
                        files_.OpenForRead(logged.path, FileUse::kScratch));
    std::vector<char> piece(std::size_t{1} << 20);
    for (std::uint64_t offset = 0;;) {
      MR_ASSIGN_OR_RETURN(const std::size_t bytes,
                          spool->ReadAt(offset, piece.data(), piece.size()));
      if (bytes == 0) break;
      take(std::string_view(piece.data(), bytes));
      offset += bytes;
    }
  }
  return Status::Ok();
}

Result<std::optional<OutputFileRecord>> RejectLog::Write(const std::string& directory,
                                                         const std::vector<ExecutionInput>& inputs,
                                                         bool are_in_order,
                                                         std::uint64_t memory_bytes) {
  MutexLock lock(mutex_);
  if (count_ == 0) return std::optional<OutputFileRecord>();
  MR_ASSIGN_OR_RETURN(
      const std::unique_ptr<OutputFile> out,
      OutputFile::Create(files_, JoinPath(directory, kRejectsName), Compression::kNone));
  if (has_late_ || !are_in_order) {
    RejectSorter sorter(files_, scratch_directory_ + "/rejects-sorted", inputs,
                        std::clamp(memory_bytes / 4, kSorterBytesMin, kSorterBytesMax));
    RowPieces rows;
    Status status;
    MR_RETURN_IF_ERROR(EachPiece([&](std::string_view piece) {
      if (!status.ok()) return;
      rows.Add(piece, [&](std::string_view row) {
        status = sorter.Add(row);
        return status.ok();
      });
    }));
    MR_RETURN_IF_ERROR(status);
    MR_RETURN_IF_ERROR(sorter.Finish([&out](std::string_view row) { out->Append(row); }));
  } else {
    MR_RETURN_IF_ERROR(EachPiece([&out](std::string_view piece) { out->Append(piece); }));
  }
  MR_ASSIGN_OR_RETURN(const OutputFileInfo info, out->Close());
  return std::optional<OutputFileRecord>({kRejectsName, info.bytes, count_, info.xxh128});
}

}  // namespace millrace

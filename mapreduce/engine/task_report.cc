// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_report.h"

#include <memory>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

Status TooManyRejects(std::uint64_t count, std::uint64_t bytes) {
  return Status::BadData(
      "the task has set aside ", FormatCount(count), " records of ", FormatBytes(bytes),
      ", more than the ", FormatBytes(kRejectBytesMax),
      " that a task in a process of its own may; mend the input, use a smaller --split-size or "
      "more --parts, or run it without --master, --isolate and --check-determinism");
}

Status AddRejects(FileSystem& files, const RejectRows& rejects, TaskOutput& output) {
  output.reject_count += rejects.count;
  if (rejects.path.empty()) {
    if (rejects.rows.size() > kRejectBytesMax)
      return TooManyRejects(rejects.count, rejects.rows.size());
    output.rejects.push_back(rejects.rows);
    return Status::Ok();
  }
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                      files.OpenForRead(rejects.path, FileUse::kScratch));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  if (info.bytes > kRejectBytesMax) return TooManyRejects(rejects.count, info.bytes);
  std::string& rows = output.rejects.emplace_back(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t got, file->ReadAt(0, rows.data(), rows.size()));
  if (got != rows.size()) return Status::Corrupt(rejects.path, " is shorter than it was");
  return Status::Ok();
}

void AddRun(const TaskRun& run, TaskOutput& output) {
  output.run_bytes += run.info.file_bytes;
  output.samples.push_back(run.sample);
  output.sample_digests.push_back(run.sample_digests);
}

Status AddResult(FileSystem& files, const TaskResult& result, TaskOutput& output) {
  output.digest = result.digest;
  for (const OutputFileRecord& file : result.files) {
    output.parts.push_back({file.path, file.bytes, file.records, file.xxh128});
    output.records_out += file.records;
  }
  output.counters = result.counters;
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    const auto phase = static_cast<Phase>(i);
    output.phase_times.push_back({result.phases.nanoseconds(phase), result.phases.bytes(phase)});
  }
  output.spilled_bytes = result.spilled_bytes;
  return AddRejects(files, result.rejects, output);
}

// Whether a report can hold it: each limit of the decoder's that a task can come near. All but
// these takes little.
Status CheckReport(const TaskOutput& output) {
  constexpr std::uint64_t kRestBytes = std::uint64_t{256} << 10;
  constexpr std::uint64_t kPerText = 8, kPerDigest = 16, kPerPiece = 32;
  std::uint64_t rejects = 0, samples = 0, blocks = 0;
  for (const std::string& rows : output.rejects) rejects += rows.size() + kPerText;
  for (const std::vector<std::string>& keys : output.samples) {
    for (const std::string& key : keys) {
      if (key.size() > kBorderBytesMax) {
        return Status::ResourceLimit("a key has ", key.size(),
                                     " bytes, and on a cluster keys have ", kBorderBytesMax,
                                     " at most; run it without --master");
      }
      samples += key.size() + 2 * kPerText;
    }
  }
  if (output.input_blocks.size() > kInputBlocksMax) {
    return Status::ResourceLimit("the task reads ", FormatCount(output.input_blocks.size()),
                                 " files, more than the ", FormatCount(kInputBlocksMax),
                                 " that it may on a cluster; use more --parts");
  }
  for (const InputBlocks& piece : output.input_blocks)
    blocks += kPerPiece + kPerDigest * piece.digests.size();
  const std::uint64_t bytes = rejects + samples + blocks;
  if (bytes + kRestBytes <= kReportFrameBytesMax) return Status::Ok();
  if (rejects >= samples && rejects >= blocks) return TooManyRejects(output.reject_count, rejects);
  if (blocks >= samples) {
    return Status::ResourceLimit(
        "the task reads so much that the digests take ", FormatBytes(blocks),
        ", more than it can report; use more --parts or smaller files, or run it without --master");
  }
  return Status::ResourceLimit("the keys that the task has sampled take ", FormatBytes(samples),
                               ", more than it can report; use fewer --parts or shorter keys, or "
                               "run it without --master");
}

}  // namespace

Result<TaskOutput> OutputOf(FileSystem& files, const MapTaskResult& result) {
  TaskOutput output;
  MR_RETURN_IF_ERROR(AddResult(files, result, output));
  if (!result.run.info.path.empty()) AddRun(result.run, output);
  output.records_in = result.records_read;
  output.bytes_in = result.stored_bytes_read;
  for (const ReadBlocks& blocks : result.blocks) {
    output.input_blocks.push_back({static_cast<std::uint32_t>(blocks.input),
                                   static_cast<std::uint32_t>(blocks.shard), blocks.first_block,
                                   blocks.digests});
  }
  MR_RETURN_IF_ERROR(CheckReport(output));
  return output;
}

Result<TaskOutput> OutputOf(FileSystem& files, const ReduceTaskResult& result) {
  TaskOutput output;
  MR_RETURN_IF_ERROR(AddResult(files, result, output));
  if (result.table) {
    output.table = {result.table->path, result.table->bytes, result.table->records,
                    result.table->xxh128};
  }
  for (const ReduceTaskResult::Next& next : result.next) {
    AddRun(next.run, output);
    MR_RETURN_IF_ERROR(AddRejects(files, next.rejects, output));
  }
  MR_RETURN_IF_ERROR(CheckReport(output));
  return output;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_report.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/io/output_file.h"

namespace millrace {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

using Texts = std::vector<const RejectRows*>;  // As TaskOutput::rejects.

Status TooManyRejects(std::uint64_t count, std::uint64_t bytes, std::uint64_t bytes_max) {
  return Status::BadData(
      "the task has set aside ", FormatCount(count), " records of ", FormatBytes(bytes),
      ", more than the ", FormatBytes(bytes_max),
      " that a task in a process of its own may; mend the input, use a smaller --split-size or "
      "more --parts, or run it without --master, --isolate and --check-determinism");
}

Result<std::uint64_t> BytesOf(FileSystem& files, const RejectRows& rejects) {
  if (rejects.path.empty()) return rejects.rows.size();
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(rejects.path));
  return info.bytes;
}

// Calls `take` for each piece of the rows.
template <class F>
Status EachPiece(FileSystem& files, const RejectRows& rejects, std::uint64_t bytes, F&& take) {
  if (rejects.path.empty()) {
    take(std::string_view(rejects.rows));
    return Status::Ok();
  }
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                      files.OpenForRead(rejects.path, FileUse::kScratch));
  std::string piece(std::min(bytes, kPieceBytes), '\0');
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t wanted = std::min<std::uint64_t>(piece.size(), bytes - at);
    MR_ASSIGN_OR_RETURN(const std::size_t got, file->ReadAt(at, piece.data(), wanted));
    if (got != wanted) return Status::Corrupt(rejects.path, " is shorter than it was");
    take(std::string_view(piece).substr(0, got));
    at += got;
  }
  return Status::Ok();
}

Status WriteRejectFile(FileSystem& files, const Texts& texts,
                       const std::vector<std::uint64_t>& bytes, const std::string& directory,
                       RejectFile* written) {
  if (directory.empty()) return Status::Internal("the task has rejects, and the run may have none");
  MR_ASSIGN_OR_RETURN(
      const std::unique_ptr<OutputFile> out,
      OutputFile::Create(files, JoinPath(directory, kRejectFileName), Compression::kNone));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Hasher128 hasher;
    MR_RETURN_IF_ERROR(EachPiece(files, *texts[i], bytes[i], [&](std::string_view piece) {
      hasher.Update(piece);
      out->Append(piece);
    }));
    written->texts.push_back({bytes[i], hasher.Digest()});
  }
  MR_RETURN_IF_ERROR(out->Close().error());
  return files.SyncDirectory(directory);
}

Status AddRejects(FileSystem& files, const Texts& texts, const RejectPlace& place,
                  TaskOutput& output) {
  std::vector<std::uint64_t> bytes;
  std::uint64_t sum = 0;
  for (const RejectRows* rejects : texts) {
    output.reject_count += rejects->count;
    MR_ASSIGN_OR_RETURN(bytes.emplace_back(), BytesOf(files, *rejects));
    sum += bytes.back();
  }
  output.rejects.resize(texts.size());
  if (sum > place.file_bytes_max)
    return TooManyRejects(output.reject_count, sum, place.file_bytes_max);
  if (sum > place.reported_bytes_max) {
    return WriteRejectFile(files, texts, bytes, place.directory, &output.reject_file.emplace());
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    MR_RETURN_IF_ERROR(EachPiece(files, *texts[i], bytes[i],
                                 [&](std::string_view piece) { output.rejects[i].append(piece); }));
  }
  return Status::Ok();
}

void AddRun(const TaskRun& run, TaskOutput& output) {
  output.run_bytes += run.info.file_bytes;
  output.samples.push_back(run.sample);
  output.sample_digests.push_back(run.sample_digests);
}

void AddResult(const TaskResult& result, TaskOutput& output) {
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
}

// Whether a report can hold it: each limit of the decoder's that a task can come near. All but
// these takes little.
Status CheckReport(const TaskOutput& output) {
  constexpr std::uint64_t kRestBytes = std::uint64_t{256} << 10;
  constexpr std::uint64_t kPerText = 8, kPerDigest = 16, kPerPiece = 32;
  const std::uint64_t rejects = kReportedRejectBytesMax + kPerText * output.rejects.size();
  std::uint64_t samples = 0, blocks = 0;
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
  if (rejects + samples + blocks + kRestBytes <= kReportFrameBytesMax) return Status::Ok();
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

Result<TaskOutput> OutputOf(FileSystem& files, const MapTaskResult& result,
                            const RejectPlace& place) {
  TaskOutput output;
  AddResult(result, output);
  MR_RETURN_IF_ERROR(AddRejects(files, {&result.rejects}, place, output));
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

Result<TaskOutput> OutputOf(FileSystem& files, const ReduceTaskResult& result,
                            const RejectPlace& place) {
  TaskOutput output;
  AddResult(result, output);
  if (result.table) {
    output.table = {result.table->path, result.table->bytes, result.table->records,
                    result.table->xxh128};
  }
  Texts texts = {&result.rejects};
  for (const ReduceTaskResult::Next& next : result.next) {
    AddRun(next.run, output);
    texts.push_back(&next.rejects);
  }
  MR_RETURN_IF_ERROR(AddRejects(files, texts, place, output));
  MR_RETURN_IF_ERROR(CheckReport(output));
  return output;
}

}  // namespace millrace

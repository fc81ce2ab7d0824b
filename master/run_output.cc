// SPDX-License-Identifier: Apache-2.0
#include "master/run_output.h"

#include <set>
#include <sstream>

namespace millrace {
namespace {

constexpr char kMarkerName[] = "marker";
constexpr std::string_view kMarkerText = "millrace run directory\n";

std::string BaseName(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Result<bool> Exists(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.Stat(path);
  if (info.ok()) return true;
  if (info.error().code() == StatusCode::kNotFound) return false;
  return info.error();
}

Result<std::string> ReadFile(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const auto file, files.OpenForRead(path));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  std::string contents(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(0, contents.data(), contents.size()));
  contents.resize(count);
  return contents;
}

Status WriteFile(FileSystem& files, const std::string& path, std::string_view contents) {
  MR_ASSIGN_OR_RETURN(const auto file, files.Create(path));
  MR_RETURN_IF_ERROR(file->Append(contents));
  MR_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

Status RemoveIfThere(FileSystem& files, const std::string& path) {
  const Status status = files.RemoveFile(path);
  return status.code() == StatusCode::kNotFound ? Status::Ok() : status;
}

// Of a part that an earlier try has moved, only the new name is there.
Status Move(FileSystem& files, const std::string& from, const std::string& to,
            std::uint64_t bytes) {
  MR_ASSIGN_OR_RETURN(const bool is_left, Exists(files, from));
  MR_ASSIGN_OR_RETURN(const bool is_moved, Exists(files, to));
  if (!is_left && !is_moved) return Status::Corrupt(from, ": a committed part is missing");
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(is_left ? from : to));
  if (info.bytes != bytes) {
    return Status::Corrupt(info.path, ": ", info.bytes, " bytes long, not ", bytes,
                           " as committed");
  }
  if (!is_left) return Status::Ok();
  MR_RETURN_IF_ERROR(files.MakeDirectories(ParentPath(to)));
  return files.Rename(from, to);
}

// Ok if `output` is there and is the run's.
Status CheckPublished(FileSystem& files, const std::string& output, const PublishedFile& first) {
  const std::string path = JoinPath(output, first.path);
  Result<std::string> contents = ReadFile(files, path);
  // Much depends on it: what one read says may be the reader's fault.
  if (contents.ok() && *contents != first.contents) contents = ReadFile(files, path);
  if (!contents.ok() && contents.error().code() != StatusCode::kNotFound) return contents.error();
  if (!contents.ok() || *contents != first.contents)
    return Status::CannotCreate(output, " exists, and is not this run's");
  return files.SyncDirectory(ParentPath(output));
}

}  // namespace

std::string RunWorkDirectory(const std::string& output) {
  return JoinPath(ParentPath(output), "." + BaseName(output) + ".run");
}

std::string AttemptDirectory(const std::string& output, const AttemptId& attempt) {
  std::ostringstream name;
  name << "attempts/" << attempt.task.phase.index << "-" << attempt.task.index << "-"
       << attempt.number;
  return JoinPath(RunWorkDirectory(output), std::move(name).str());
}

Status PrepareOutput(FileSystem& files, const std::string& output) {
  const std::string work = RunWorkDirectory(output);
  MR_RETURN_IF_ERROR(files.MakeDirectories(work));
  MR_ASSIGN_OR_RETURN(const bool is_marked, Exists(files, JoinPath(work, kMarkerName)));
  if (!is_marked) {  // Durable first and gone last, so that whatever is in the folder is known to
                     // be ours.
    MR_RETURN_IF_ERROR(WriteFile(files, JoinPath(work, kMarkerName), kMarkerText));
    MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  }
  MR_RETURN_IF_ERROR(files.MakeDirectories(JoinPath(work, "attempts")));
  MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  return files.SyncDirectory(ParentPath(work));
}

Status PublishOutput(FileSystem& files, const std::string& output,
                     const std::vector<PublishedPart>& parts,
                     const std::vector<PublishedFile>& last) {
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, output));
  if (is_there) return CheckPublished(files, output, last.front());
  const std::string staged = JoinPath(RunWorkDirectory(output), "output");
  MR_RETURN_IF_ERROR(files.MakeDirectories(staged));
  std::set<std::string> paths;
  for (const PublishedPart& part : parts) {
    if (!paths.insert(part.path).second)
      return Status::Internal(output, ": two tasks have written ", part.path);
    MR_RETURN_IF_ERROR(Move(files, JoinPath(AttemptDirectory(output, part.attempt), part.path),
                            JoinPath(staged, part.path), part.bytes));
  }
  for (const PublishedFile& file : last) {
    const std::string path = JoinPath(staged, file.path);
    MR_RETURN_IF_ERROR(RemoveIfThere(files, path));
    MR_RETURN_IF_ERROR(WriteFile(files, path, file.contents));
  }
  MR_RETURN_IF_ERROR(files.SyncTree(staged));
  const Status renamed = files.RenameNoReplace(staged, output);
  if (renamed.code() == StatusCode::kCannotCreate)  // By a master that is older than it knows?
    return CheckPublished(files, output, last.front());
  MR_RETURN_IF_ERROR(renamed);
  return files.SyncDirectory(ParentPath(output));
}

Status CleanOutput(FileSystem& files, const std::string& output) {
  const std::string work = RunWorkDirectory(output);
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, work));
  if (!is_there) return Status::Ok();
  MR_ASSIGN_OR_RETURN(const bool is_marked, Exists(files, JoinPath(work, kMarkerName)));
  if (!is_marked) {
    MR_ASSIGN_OR_RETURN(const auto left, files.List(work));
    if (!left.empty()) return Status::CannotCreate(work, " is not of a run: not removed");
    return files.RemoveTree(work);
  }
  MR_RETURN_IF_ERROR(files.RemoveTree(JoinPath(work, "attempts")));
  MR_RETURN_IF_ERROR(files.RemoveTree(JoinPath(work, "output")));
  MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  return files.RemoveTree(work);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/run_output.h"

#include <optional>
#include <set>

#include "mapreduce/engine/attempt_directory.h"

namespace millrace {
namespace {

constexpr char kMarkerName[] = "marker";
constexpr char kFreshMarkerName[] = "marker.new";
constexpr char kNoteName[] = "staged";
constexpr char kFreshNoteName[] = "staged.new";
constexpr std::string_view kMarkerText = "millrace run directory\n";

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
    return Status::CannotCreate(output,
                                " exists, and is not this run's: another one wrote it meanwhile; "
                                "run the job again with --force to replace it");
  return files.SyncDirectory(ParentPath(output));
}

}  // namespace

namespace {

std::string MarkerOf(const OutputOwner& owner) {
  return std::string(kMarkerText) + "master " + owner.master + "\nrun " + owner.run + "\n";
}

// What begins every marker of this master.
std::string MarkerOf(const std::string& master) {
  return std::string(kMarkerText) + "master " + master + "\n";
}

// The marker's text; nothing if there is none.
Result<std::optional<std::string>> ReadMarker(FileSystem& files, const std::string& work) {
  const std::string path = JoinPath(work, kMarkerName);
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, path));
  if (!is_there) return std::optional<std::string>();
  MR_ASSIGN_OR_RETURN(std::string text, ReadFile(files, path));
  return std::optional<std::string>(std::move(text));
}

// Whether a folder without marker has anything in it but a marker that is not done.
Result<bool> HoldsForeign(FileSystem& files, const std::string& work) {
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> left, files.List(work));
  return left.size() > 1 || (left.size() == 1 && left[0].path != JoinPath(work, kFreshMarkerName));
}

// Which directory is to become the output, so that a second try sees that it has. What the two
// hold may be the same.
Status NoteStaged(FileSystem& files, const std::string& work, const std::string& staged) {
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(staged));
  const std::string fresh = JoinPath(work, kFreshNoteName);
  MR_RETURN_IF_ERROR(RemoveIfThere(files, fresh));
  MR_RETURN_IF_ERROR(WriteFile(files, fresh, std::to_string(info.inode)));
  MR_RETURN_IF_ERROR(files.Rename(fresh, JoinPath(work, kNoteName)));
  return files.SyncDirectory(work);
}

Result<bool> IsNoted(FileSystem& files, const std::string& work, const std::string& output) {
  const std::string note = JoinPath(work, kNoteName);
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, note));
  if (!is_there) return false;
  MR_ASSIGN_OR_RETURN(const std::string text, ReadFile(files, note));
  MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(output));
  return text == std::to_string(info.inode);
}

// Puts `staged` under `output`, where something else is.
Status Replace(FileSystem& files, const std::string& staged, const std::string& output) {
  const Status exchanged = files.Exchange(staged, output);
  if (exchanged.code() != StatusCode::kUnavailable) return exchanged;
  const std::string replaced = JoinPath(RunWorkDirectory(output), "replaced");
  MR_RETURN_IF_ERROR(files.RemoveTree(replaced));
  MR_RETURN_IF_ERROR(files.RenameNoReplace(output, replaced));
  return files.RenameNoReplace(staged, output);
}

}  // namespace

Status PrepareOutput(FileSystem& files, const std::string& output, const OutputOwner& owner) {
  const std::string work = RunWorkDirectory(output);
  const std::string marker = MarkerOf(owner);
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> found, ReadMarker(files, work));
  if (found && *found != marker) {
    if (!found->starts_with(MarkerOf(owner.master))) {
      return Status::Unavailable(work, " belongs to a run of another master: wait until that has ",
                                 "ended; if that master is gone for good, remove the folder");
    }
    MR_RETURN_IF_ERROR(CleanOutput(files, output, owner.master));
  }
  MR_RETURN_IF_ERROR(files.MakeDirectories(work));
  if (!found) {
    MR_ASSIGN_OR_RETURN(const bool is_foreign, HoldsForeign(files, work));
    if (is_foreign) {
      return Status::CannotCreate(work, " is in the way: it is not of a run of ours; move it ",
                                  "elsewhere, or choose another --output");
    }
  }
  if (!found || *found != marker) {  // Durable first and gone last, so that whatever is in the
                                     // folder is known to be ours; whole whenever it is there.
    const std::string fresh = JoinPath(work, kFreshMarkerName);
    MR_RETURN_IF_ERROR(RemoveIfThere(files, fresh));
    MR_RETURN_IF_ERROR(WriteFile(files, fresh, marker));
    MR_RETURN_IF_ERROR(files.Rename(fresh, JoinPath(work, kMarkerName)));
    MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  }
  MR_RETURN_IF_ERROR(files.MakeDirectories(JoinPath(work, "attempts")));
  MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  return files.SyncDirectory(ParentPath(work));
}

namespace {

// The output as it will be, durable.
Status Stage(FileSystem& files, const std::string& output, const std::string& staged,
             const std::vector<PublishedPart>& parts, const std::vector<PublishedFile>& last) {
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
    if (!file.moved_from.empty()) {
      MR_RETURN_IF_ERROR(files.Rename(file.moved_from, path));
      continue;
    }
    MR_RETURN_IF_ERROR(RemoveIfThere(files, path));
    MR_RETURN_IF_ERROR(WriteFile(files, path, file.contents));
  }
  return files.SyncTree(staged);
}

}  // namespace

Status PublishOutput(FileSystem& files, const std::string& output,
                     const std::vector<PublishedPart>& parts,
                     const std::vector<PublishedFile>& last, bool replaces) {
  const std::string work = RunWorkDirectory(output);
  const std::string staged = JoinPath(work, "output");
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, output));
  if (is_there && !replaces) return CheckPublished(files, output, last.front());
  if (is_there) {
    MR_ASSIGN_OR_RETURN(const bool is_ours, IsNoted(files, work, output));
    if (is_ours) return files.SyncDirectory(ParentPath(output));
  }
  MR_RETURN_IF_ERROR(Stage(files, output, staged, parts, last));
  if (replaces) MR_RETURN_IF_ERROR(NoteStaged(files, work, staged));
  Status renamed = files.RenameNoReplace(staged, output);
  if (renamed.code() == StatusCode::kCannotCreate) {
    // By a master that is older than it knows?
    if (!replaces) return CheckPublished(files, output, last.front());
    renamed = Replace(files, staged, output);
  }
  MR_RETURN_IF_ERROR(renamed);
  return files.SyncDirectory(ParentPath(output));
}

Status CleanOutput(FileSystem& files, const std::string& output, const std::string& master) {
  const std::string work = RunWorkDirectory(output);
  MR_ASSIGN_OR_RETURN(const bool is_there, Exists(files, work));
  if (!is_there) return Status::Ok();
  MR_ASSIGN_OR_RETURN(std::optional<std::string> marker, ReadMarker(files, work));
  // Nobody would look again: what one read says may be the reader's fault.
  if (marker && !marker->starts_with(MarkerOf(master))) {
    MR_ASSIGN_OR_RETURN(marker, ReadMarker(files, work));
  }
  if (!marker) {
    MR_ASSIGN_OR_RETURN(const bool is_foreign, HoldsForeign(files, work));
    if (is_foreign) return Status::CannotCreate(work, " is not of a run: not removed");
    return files.RemoveTree(work);
  }
  if (!marker->starts_with(MarkerOf(master))) return Status::Ok();  // Another master's by now.
  MR_RETURN_IF_ERROR(files.RemoveTree(JoinPath(work, "attempts")));
  MR_RETURN_IF_ERROR(files.RemoveTree(JoinPath(work, "output")));
  const std::string replaced = JoinPath(work, "replaced");
  MR_ASSIGN_OR_RETURN(const bool has_replaced, Exists(files, replaced));
  MR_ASSIGN_OR_RETURN(const bool has_output, Exists(files, output));
  if (has_replaced && !has_output) {  // Stopped between two renames: as it was.
    MR_RETURN_IF_ERROR(files.RenameNoReplace(replaced, output));
    MR_RETURN_IF_ERROR(files.SyncDirectory(ParentPath(output)));
  }
  MR_RETURN_IF_ERROR(files.RemoveTree(replaced));
  MR_RETURN_IF_ERROR(files.SyncDirectory(work));
  return files.RemoveTree(work);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/file_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

constexpr std::string_view kPartSuffix = ".part";

}  // namespace

Result<FileStore> FileStore::Open(FileSystem& files, std::string directory) {
  MR_RETURN_IF_ERROR(files.MakeDirectories(directory));
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, files.List(directory));
  for (const FileInfo& file : found) {
    if (file.path.ends_with(kPartSuffix)) MR_RETURN_IF_ERROR(files.RemoveFile(file.path));
  }
  return FileStore(files, std::move(directory));
}

bool FileStore::Has(const Hash128& hash) { return files_->Stat(PathOf(hash)).ok(); }

FileData FileStore::Read(const FileWanted& wanted) {
  FileData data{wanted.hash, wanted.offset, 0, ""};
  const auto file = files_->OpenForRead(PathOf(wanted.hash));
  if (!file.ok()) return data;
  const Result<FileInfo> info = (*file)->Stat();
  if (!info.ok() || wanted.offset > info->bytes) return data;
  data.bytes.resize(std::min<std::uint64_t>(kFilePieceBytesMax, info->bytes - wanted.offset));
  const auto count = (*file)->ReadAt(wanted.offset, data.bytes.data(), data.bytes.size());
  if (!count.ok() || *count != data.bytes.size()) {
    data.bytes.clear();
    return data;
  }
  data.total_bytes = info->bytes;
  return data;
}

std::uint64_t FileStore::Received(const Hash128& hash) const {
  const auto found = incoming_.find(hash.Hex());
  return found == incoming_.end() ? 0 : found->second.bytes;
}

Status FileStore::Take(const FileData& data) {
  const std::string hex = data.hash.Hex();
  if (Has(data.hash) || data.offset != Received(data.hash) || data.bytes.empty())
    return Status::Ok();
  if (data.total_bytes > kFileBytesMax) {
    return Status::ResourceLimit("a module of ", data.total_bytes, " bytes: no more than ",
                                 kFileBytesMax, " are taken");
  }
  auto found = incoming_.find(hex);
  if (found == incoming_.end()) {
    if (incoming_.size() >= kIncomingMax) DropOldest();
    Incoming begun;
    begun.number = ++begun_count_;
    MR_ASSIGN_OR_RETURN(begun.file, files_->Create(PathOf(data.hash) + std::string(kPartSuffix)));
    found = incoming_.emplace(hex, std::move(begun)).first;
  }
  Incoming& incoming = found->second;
  Status status = incoming.file->Append(data.bytes);
  incoming.hasher.Update(data.bytes);
  incoming.bytes += data.bytes.size();
  if (status.ok() && incoming.bytes < data.total_bytes) return status;
  if (status.ok()) status = Finish(data.hash, incoming);
  if (!status.ok())
    static_cast<void>(files_->RemoveFile(PathOf(data.hash) + std::string(kPartSuffix)));
  incoming_.erase(found);
  return status;
}

Status FileStore::Finish(const Hash128& hash, Incoming& incoming) {
  if (incoming.hasher.Digest() != hash)
    return Status::Corrupt("the module that came is not the one that was announced");
  MR_RETURN_IF_ERROR(incoming.file->Sync());
  MR_RETURN_IF_ERROR(incoming.file->Close());
  MR_RETURN_IF_ERROR(MakeRoom());
  MR_RETURN_IF_ERROR(files_->Rename(PathOf(hash) + std::string(kPartSuffix), PathOf(hash)));
  return files_->SyncDirectory(directory_);
}

// Its client may have died; else it begins anew.
void FileStore::DropOldest() {
  const auto oldest = std::min_element(
      incoming_.begin(), incoming_.end(),
      [](const auto& a, const auto& b) { return a.second.number < b.second.number; });
  static_cast<void>(
      files_->RemoveFile(JoinPath(directory_, oldest->first + std::string(kPartSuffix))));
  incoming_.erase(oldest);
}

// A run that still needs one that goes asks its client again, or fails with a clear error.
Status FileStore::MakeRoom() {
  MR_ASSIGN_OR_RETURN(std::vector<FileInfo> found, files_->List(directory_));
  std::erase_if(found, [](const FileInfo& file) { return file.path.ends_with(kPartSuffix); });
  if (found.size() < kFilesMax) return Status::Ok();
  const auto oldest = std::min_element(
      found.begin(), found.end(),
      [](const FileInfo& a, const FileInfo& b) { return a.mtime_ns < b.mtime_ns; });
  return files_->RemoveFile(oldest->path);
}

}  // namespace millrace

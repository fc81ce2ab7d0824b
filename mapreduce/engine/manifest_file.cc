// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/manifest_file.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "mapreduce/engine/manifest.h"
#include "mapreduce/engine/output_layout.h"

namespace millrace {
namespace {

// About five million shards; a larger file is not ours.
constexpr std::uint64_t kManifestBytesMax = std::uint64_t{1} << 30;

Result<std::string> ReadWhole(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(path));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  if (info.bytes > kManifestBytesMax) return Status::Corrupt(path, " is too large for a manifest");
  std::string text(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t read, file->ReadAt(0, text.data(), text.size()));
  text.resize(read);
  return text;
}

Status WriteWhole(FileSystem& files, const std::string& path, std::string_view text) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.Create(path));
  MR_RETURN_IF_ERROR(file->Append(text));
  return file->Close();
}

}  // namespace

Result<proto::Manifest> ReadManifest(FileSystem& files, const std::string& output) {
  const Result<FileInfo> directory = files.Stat(output);
  if (!directory.ok()) return directory.error();
  if (!directory->is_directory) {
    return Status::BadData(output, " is a file, not the output directory of a run");
  }
  const std::string path = output + "/" + kManifestName;
  const Result<std::string> text = ReadWhole(files, path);
  if (text.ok()) return DecodeManifest(*text, path);
  if (text.error().code() == StatusCode::kNotFound) {
    return Status::BadData(output, " has no ", kManifestName,
                           ": it is not the output of a finished run");
  }
  return text.error();
}

Status WriteManifest(FileSystem& files, const std::string& directory,
                     const proto::Manifest& manifest) {
  MR_ASSIGN_OR_RETURN(const std::string text, EncodeManifest(manifest));
  MR_RETURN_IF_ERROR(WriteWhole(files, directory + "/" + kManifestName, text));
  return WriteWhole(files, directory + "/" + kSuccessName, "");
}

}  // namespace millrace

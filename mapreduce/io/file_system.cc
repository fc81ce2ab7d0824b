// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/file_system.h"

#include <utility>

namespace millrace {
namespace {

class CopiedFile final : public MappedFile {
 public:
  explicit CopiedFile(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return bytes_; }

 private:
  const std::string bytes_;
};

}  // namespace

Result<std::unique_ptr<MappedFile>> FileSystem::Map(const std::string& path) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                      OpenForRead(path, FileUse::kMapped));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  std::string bytes(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  return std::unique_ptr<MappedFile>(std::make_unique<CopiedFile>(std::move(bytes)));
}

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  path = path.substr(0, slash);
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path.empty() ? "/" : std::string(path);
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace millrace

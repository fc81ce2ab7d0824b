// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/file_digest.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace {

Result<Hash128> HashFile(FileSystem& files, const std::string& path, const CancelToken& cancel) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(path));
  std::vector<char> block(std::size_t{1} << 20);
  Hasher128 hasher;
  std::uint64_t offset = 0;
  while (true) {
    MR_RETURN_IF_ERROR(cancel.Check());
    MR_ASSIGN_OR_RETURN(const std::size_t bytes, file->ReadAt(offset, block.data(), block.size()));
    hasher.Update(std::string_view(block.data(), bytes));
    offset += bytes;
    if (bytes < block.size()) return hasher.Digest();
  }
}

}  // namespace millrace

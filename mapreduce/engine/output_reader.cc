// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/output_reader.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

std::string Choices(const proto::Manifest& manifest) {
  std::string names;
  for (const std::string& name : manifest.outputs()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

Result<std::unique_ptr<OutputReader>> OutputReader::Open(FileSystem& files, const std::string& path,
                                                         std::uint64_t bytes,
                                                         Compression compression,
                                                         OutputFormat format) {
  MR_ASSIGN_OR_RETURN(const FileInfo file, files.Stat(path));
  if (file.bytes != bytes) {
    return Status::Corrupt(path, " has ", file.bytes, " bytes where its manifest says ", bytes,
                           "; run the job again with --force");
  }
  std::unique_ptr<OutputReader> reader(
      new OutputReader(Shard{.file = file, .compression = compression}));
  reader->range_ = {.stored_end = file.bytes, .end = std::numeric_limits<std::uint64_t>::max()};
  MR_ASSIGN_OR_RETURN(reader->reader_,
                      ShardReader::Open(files, reader->shard_, reader->range_, nullptr, nullptr));
  if (format == OutputFormat::kParquet) {
    MR_RETURN_IF_ERROR(reader->OpenRows(files));
  } else {
    reader->buffer_.resize(kBufferBytes);
  }
  return reader;
}

Status OutputReader::OpenRows(FileSystem& files) {
  format_.name = OutputFormatName(OutputFormat::kParquet);
  request_.all = true;
  MR_RETURN_IF_ERROR(InspectLayout(files, format_, &shard_));
  MR_ASSIGN_OR_RETURN(rows_, millrace::OpenRows({*reader_, shard_, range_, format_, request_,
                                                 std::numeric_limits<std::size_t>::max()}));
  return {};
}

Result<std::string_view> OutputReader::Next() {
  if (rows_ != nullptr) {
    LineBlock block;
    MR_ASSIGN_OR_RETURN(const bool is_there, rows_->Next(&block));
    if (!is_there) return std::string_view();
    return std::string_view(block.begin, static_cast<std::size_t>(block.end - block.begin));
  }
  if (const std::size_t room = reader_->NextReadBytes(); room > buffer_.size()) {
    buffer_.resize(room);
  }
  MR_ASSIGN_OR_RETURN(const std::size_t bytes, reader_->Read(buffer_.data(), buffer_.size()));
  return std::string_view(buffer_.data(), bytes);
}

Result<OutputListing> ListOutput(FileSystem& files, const std::string& directory,
                                 const std::string& name) {
  MR_ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(files, directory));
  const bool has_several = manifest.outputs_size() > 1;
  if (has_several && name.empty()) {
    return Status::InvalidArgument(Printable(directory),
                                   " holds several outputs; choose one with "
                                   "--name: ",
                                   Choices(manifest));
  }
  const auto known = std::find(manifest.outputs().begin(), manifest.outputs().end(), name);
  if (!name.empty() && known == manifest.outputs().end()) {
    return Status::InvalidArgument(Printable(directory), " has no output ", Printable(name),
                                   "; there is ", Choices(manifest));
  }
  OutputListing listing;
  MR_ASSIGN_OR_RETURN(listing.compression, ParseCompression(manifest.plan().compression()));
  for (const proto::FileRecord& file : manifest.files()) {
    if (has_several && !file.path().starts_with(name + "/")) continue;
    listing.files.push_back({.path = JoinPath(directory, file.path()),
                             .bytes = file.bytes(),
                             .format = PartFormat(manifest.plan().output_format(), file.path())});
  }
  return listing;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/io/stored_reader.h"

namespace millrace {
namespace {

constexpr std::size_t kHeadBytes = 4096;

std::uint32_t Magic(std::string_view head) {
  return head.size() < 4 ? 0 : LoadLittle32(head.data());
}
bool IsZstd(std::string_view head) {
  return Magic(head) == kZstdMagic || (Magic(head) & ~std::uint32_t{15}) == kSkippableMagic;
}
bool IsGzip(std::string_view head) { return head.starts_with("\x1f\x8b"); }

// True if `head` is a cut or slightly changed `magic`. `free_bits`: bits of it that may differ.
bool ResemblesMagic(std::string_view head, std::string_view magic, unsigned char free_bits,
                    int distance_max) {
  int distance = 0;
  for (std::size_t i = 0; i < std::min(head.size(), magic.size()); ++i) {
    auto difference = static_cast<unsigned char>(head[i] ^ magic[i]);
    if (i == 0) difference &= static_cast<unsigned char>(~free_bits);
    distance += std::popcount(difference);
  }
  return head.size() < magic.size() ? distance == 0 : distance <= distance_max;
}

// A file that is named as compressed but has no magic: text under a wrong name, or damage?
bool LooksDamaged(std::string_view head, std::string_view path) {
  if (head.empty() || head.find('\0') != std::string_view::npos) return true;
  if (path.ends_with(".gz")) return ResemblesMagic(head, "\x1f\x8b", 0, 2);
  return ResemblesMagic(head, "\x28\xb5\x2f\xfd", 0, 4) ||
         ResemblesMagic(head, "\x50\x2a\x4d\x18", 15, 4);
}

bool IsMarker(std::string_view head) {
  return head.size() >= 16 && Magic(head) == kMarkerMagic &&
         LoadLittle32(head.data() + 4) == kMarkerText.size() && head.substr(8, 8) == kMarkerText;
}

// The seek table that ends at `end`: its frames, and itself as the last of them, with offsets
// relative to the first. Leaves `frames` empty where no table ends there.
Status ReadSeekTable(RandomAccessFile& file, std::uint64_t end, std::vector<ShardFrame>* frames) {
  frames->clear();
  if (end < 8 + kSeekTableFooterBytes) return Status::Ok();
  char footer[kSeekTableFooterBytes];
  MR_ASSIGN_OR_RETURN(const std::size_t got,
                      file.ReadAt(end - kSeekTableFooterBytes, footer, sizeof(footer)));
  if (got != sizeof(footer) || LoadLittle32(footer + 5) != kSeekTableFooterMagic) {
    return Status::Ok();
  }
  const std::uint64_t frame_count = LoadLittle32(footer);
  const auto flags = static_cast<unsigned char>(footer[4]);
  if ((flags & 0x7c) != 0) return Status::Ok();  // Reserved bits: a later version.
  const std::uint64_t entry_bytes = (flags & 0x80) != 0 ? 12 : 8;
  const std::uint64_t content_bytes = frame_count * entry_bytes + kSeekTableFooterBytes;
  if (content_bytes + 8 > end) return Status::Ok();  // Checked before anything is allocated.

  std::string table(content_bytes + 8, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t read,
                      file.ReadAt(end - table.size(), table.data(), table.size()));
  if (read != table.size() || LoadLittle32(table.data()) != kSeekTableMagic ||
      LoadLittle32(table.data() + 4) != content_bytes) {
    return Status::Ok();
  }
  ShardFrame next;
  const char* entry = table.data() + 8;
  for (std::uint64_t i = 0; i < frame_count; ++i, entry += entry_bytes) {
    next.stored_bytes = LoadLittle32(entry);
    next.bytes = LoadLittle32(entry + 4);
    frames->push_back(next);
    next.stored_offset += next.stored_bytes;
    next.offset += next.bytes;
  }
  next.stored_bytes = table.size();
  next.bytes = 0;
  frames->push_back(next);
  return Status::Ok();
}

// All frames of a file that consists of seekable files, one or more; none if it does not.
Status ReadSeekTables(RandomAccessFile& file, std::uint64_t file_bytes,
                      std::vector<ShardFrame>* frames) {
  std::vector<std::vector<ShardFrame>> parts;  // From the last to the first.
  std::uint64_t end = file_bytes;
  while (end > 0) {
    std::vector<ShardFrame> part;
    MR_RETURN_IF_ERROR(ReadSeekTable(file, end, &part));
    if (part.empty()) return Status::Ok();
    const std::uint64_t bytes = part.back().stored_offset + part.back().stored_bytes;
    if (bytes > end) return Status::Ok();
    end -= bytes;
    parts.push_back(std::move(part));
  }
  std::uint64_t stored_offset = 0, offset = 0;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    for (ShardFrame frame : *part) {
      frame.stored_offset += stored_offset;
      frame.offset += offset;
      frames->push_back(frame);
    }
    stored_offset = frames->back().stored_offset + frames->back().stored_bytes;
    offset = frames->back().offset;  // A table has no content.
  }
  return Status::Ok();
}

}  // namespace

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kZstd:
      return "zstd";
    case Compression::kGzip:
      return "gzip";
  }
  return "unknown";
}

std::string_view CompressionExtension(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "";
    case Compression::kZstd:
      return ".zst";
    case Compression::kGzip:
      return ".gz";
  }
  return "";
}

Result<Shard> InspectShard(FileSystem& files, const FileInfo& info) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file, files.OpenForRead(info.path));
  MR_ASSIGN_OR_RETURN(const FileInfo now, file->Stat());
  MR_RETURN_IF_ERROR(CheckSameFile(info, now));
  std::string head(kHeadBytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t head_bytes, file->ReadAt(0, head.data(), head.size()));
  head.resize(head_bytes);

  Shard shard{.file = info};
  if (IsGzip(head)) {
    shard.compression = Compression::kGzip;
  } else if (IsZstd(head)) {
    shard.compression = Compression::kZstd;
    MR_RETURN_IF_ERROR(ReadSeekTables(*file, info.bytes, &shard.frames));
    if (shard.frames.empty() && IsMarker(head)) {
      return Status::Corrupt(info.path, ": damaged or cut off: the seek table at its end is",
                             " missing or does not add up to its ", info.bytes,
                             " bytes; restore the file or remove it from the input");
    }
  } else if (info.path.ends_with(".zst") || info.path.ends_with(".gz")) {
    if (LooksDamaged(head, info.path)) {
      return Status::Corrupt(info.path, ": damaged: it is named as a compressed file but does not",
                             " begin like one; restore the file or remove it from the input");
    }
  }
  return shard;
}

std::vector<ShardRange> CutShard(const Shard& shard, std::uint64_t split_bytes) {
  MR_CHECK(split_bytes > 0);
  const std::uint64_t file_bytes = shard.file.bytes;
  std::vector<ShardRange> ranges{
      {.stored_begin = 0, .stored_end = file_bytes, .begin = 0, .end = UINT64_MAX}};
  const auto cut = [&](std::uint64_t stored, std::uint64_t offset) {
    ranges.back().stored_end = stored;
    ranges.back().end = offset;
    ranges.push_back(
        {.stored_begin = stored, .stored_end = file_bytes, .begin = offset, .end = UINT64_MAX});
  };
  if (shard.compression == Compression::kNone) {
    for (std::uint64_t left = file_bytes; left > split_bytes; left -= split_bytes) {
      const std::uint64_t at = ranges.back().stored_begin + split_bytes;
      cut(at, at);
    }
  } else if (!shard.frames.empty()) {
    const std::uint64_t content_bytes = shard.frames.back().offset;  // The last is a table.
    for (const ShardFrame& frame : shard.frames) {
      const ShardRange& range = ranges.back();
      // A range has content: it neither ends where it begins nor begins at the end.
      if (frame.stored_offset - range.stored_begin >= split_bytes && frame.offset > range.begin &&
          frame.offset < content_bytes) {
        cut(frame.stored_offset, frame.offset);
      }
    }
  }
  return ranges;
}

}  // namespace millrace

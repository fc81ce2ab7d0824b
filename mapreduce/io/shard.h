// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_SHARD_H_
#define MAPREDUCE_IO_SHARD_H_

// A shard: one file of a dataset, what compresses it, and where it can be cut.
//
// The content decides the compression, not the name: zstd or skippable-frame magic, gzip magic,
// else plain. But a file *named* .zst or .gz without the magic is plain only if it does not look
// like a damaged one: feeding compressed bytes to a job as text would be a wrong result.
//
// Millrace's own .zst files are seekable:
//
//   file   := marker frame* table
//   marker := magic:u32=0x184D2A5D bytes:u32=8 "MILLRACE"         a skippable frame
//   frame  := a zstd frame of 1 MiB of content (the last one less), with its size and checksum
//   table  := magic:u32=0x184D2A5E bytes:u32 entry* frame_count:u32 flags:u8 magic:u32=0x8F92EAB1
//   entry  := stored_bytes:u32 bytes:u32 [checksum:u32 if flags & 0x80]   marker included, bytes=0
//
// The table is zstd's "seekable format" 0.1.0 (contrib/seekable_format in its repository). All of
// it is little-endian, and any zstd program reads the file. The marker promises the table: where it
// is missing or does not add up, the file is damaged. So a file that was cut off exactly between
// two frames is found out, which zstd alone cannot do. Seekable files appended to each other (cat)
// are again one: each table ends where its successor's first frame begins.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

enum class Compression { kNone, kZstd, kGzip };

/// "none", "zstd", "gzip".
std::string_view CompressionName(Compression compression);
/// "", ".zst", ".gz".
std::string_view CompressionExtension(Compression compression);

/// One frame of a seekable file, in stored and in decompressed bytes.
struct ShardFrame {
  std::uint64_t stored_offset = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< 0 for skippable frames.
};

/// Rows that follow each other, in decompressed bytes: a row begins at `begin`.
struct RowRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  ///< UINT64_MAX: to the end of the shard.
  friend bool operator==(const RowRange&, const RowRange&) = default;
};

/// What a file of a format with names says of itself; its plan looked at it once.
struct ShardLayout {
  std::vector<std::string> columns;  ///< Their names, in order; empty where there are none.
  std::string dialect;               ///< What else its reader must know, in the format's own words.
  std::vector<RowRange> rows;        ///< Where rows are, ascending; empty: from the first byte on.
  friend bool operator==(const ShardLayout&, const ShardLayout&) = default;
};

/// What InspectShard found.
struct Shard {
  FileInfo file;
  Compression compression = Compression::kNone;
  /// From the seek table(s), which count as frames too: together they cover the file. Empty if
  /// there is none.
  std::vector<ShardFrame> frames;
  std::shared_ptr<const ShardLayout> layout = nullptr;  ///< Null where the format has none.
};

/// A part of a shard that one reader starts with. Ranges of a shard follow each other without gap.
struct ShardRange {
  std::uint64_t stored_begin = 0, stored_end = 0;  ///< Stored bytes.
  std::uint64_t begin = 0;                         ///< Decompressed bytes.
  std::uint64_t end = 0;                           ///< UINT64_MAX: to the end of the shard.
};

/// Reads the first and the last bytes of a file. kCorrupt, naming the file: a damaged magic or seek
/// table. kStale: the file is no longer as `file` says.
Result<Shard> InspectShard(FileSystem& files, const FileInfo& file);

/// Cuts a shard: a plain file every `split_bytes`, a seekable one at frame borders (each range
/// of at least `split_bytes` stored bytes, but the last), any other not at all. At least one
/// range; the last one's `end` is UINT64_MAX. Requires: split_bytes > 0.
std::vector<ShardRange> CutShard(const Shard& shard, std::uint64_t split_bytes);

// The formats' constants, for readers and writers.
inline constexpr std::uint32_t kZstdMagic = 0xFD2FB528;
inline constexpr std::uint32_t kSkippableMagic = 0x184D2A50;  // The low 4 bits are free.
inline constexpr std::uint32_t kMarkerMagic = 0x184D2A5D;
inline constexpr std::uint32_t kSeekTableMagic = 0x184D2A5E;
inline constexpr std::uint32_t kSeekTableFooterMagic = 0x8F92EAB1;
inline constexpr std::string_view kMarkerText = "MILLRACE";
inline constexpr std::uint64_t kSeekTableFooterBytes = 9;

}  // namespace millrace

#endif  // MAPREDUCE_IO_SHARD_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_FORMAT_H_
#define MAPREDUCE_SHUFFLE_RUN_FORMAT_H_

// Run file: the output of one spill or merge, sorted by (key bytes, sequence) over the whole key
// range. Written once, then only read; a reduce task finds its slice by the index.
//
//   file    := magic:u32 version:u32 file_id:u64 block* index footer
//   block   := payload_bytes:u32 record_count:u32 codec:u32 zero:u32 hash:u64 payload
//   payload := (lengths key_tail value_tail)*   (record_codec.h)
//   index   := (block_offset:u64 key_bytes:varint first_key)*, of a key at most 256 bytes
//   footer  := index_offset:u64 record_count:u64 hash:u64 version:u32 magic:u32
//
// Little-endian; varints are LEB128. Blocks lie one behind the other from byte 16 to the index, so
// a block's size is known from the index before anything of it is read. A hash is XXH3-64 of all
// other bytes of its block, or of index and footer, seeded with file id and offset: a block in the
// wrong place, or from another file, is damage, too. A block's first key is whole, so blocks stand
// alone and damage stays local; in the index it is cut off, so that the index of a file of large
// keys is not as large as the file. Each block has at least one record; only a block of one record
// is larger than the writer's block_bytes. The codec is kCodecNone: prefix compression alone won on
// a local disk (lz4 cost 1.6 times, zstd 2.5 times the cpu of the whole job).

#include <cstddef>
#include <cstdint>

namespace millrace {

inline constexpr std::uint32_t kRunMagic = 0x4E52524D;  // The bytes "MRRN".
inline constexpr std::uint32_t kRunVersion = 3;
inline constexpr std::size_t kRunHeaderBytes = 16;
inline constexpr std::size_t kRunFooterBytes = 32;

inline constexpr std::size_t kBlockHeaderBytes = 24;
inline constexpr std::size_t kBlockHashOffset = 16;  // Where in the block's header its hash is.
inline constexpr std::size_t kBlockPayloadBytesMax = 0xFFFFFFFF;
inline constexpr std::uint32_t kCodecNone = 0;
inline constexpr std::size_t kIndexKeyBytesMax = 256;  // The borders of parts are no longer.

/// The hash seed of what starts at `offset` of the file `file_id`. The factor is odd, so no two
/// offsets of a file share a seed.
inline std::uint64_t RunHashSeed(std::uint64_t file_id, std::uint64_t offset) {
  return file_id + offset * 0x9E3779B97F4A7C15;
}

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_FORMAT_H_

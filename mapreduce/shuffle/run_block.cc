// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_block.h"

#include <cstring>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/test_hooks.h"
#include "mapreduce/shuffle/run_format.h"

namespace millrace {
namespace {

constexpr std::size_t kRebuiltRoom = std::size_t{16} << 10;  // For what of a batch is rebuilt.

}  // namespace

RunBlockCursor::RunBlockCursor(const KeyRange& range, std::uint64_t file_id)
    : slicer_(range), file_id_(file_id), decoder_(kRebuiltRoom) {}

Result<bool> RunBlockCursor::Next(std::span<const RecordView>* batch) {
  *batch = {};
  while (true) {
    if (decoder_.records_left() == 0) {
      if (slicer_.is_past_end()) return false;
      MR_ASSIGN_OR_RETURN(const bool more, Load(&block_));
      if (!more) return false;
      MR_RETURN_IF_ERROR(Open(block_));
    }
    const auto decoded = decoder_.Next();
    if (!decoded) return Damage(block_, "bad record");
    if (decoder_.records_left() == 0 && !decoder_.at_end())
      return Damage(block_, "bytes behind its records");
    *batch = slicer_.Slice(*decoded);
    if (slicer_.is_past_end()) decoder_.Skip();
    if (!batch->empty()) return true;
  }
}

// Checks hash and header, and begins to decode.
Status RunBlockCursor::Open(const RunBlock& block) {
  // The hash lies between header and payload: moved together, one call hashes both.
  const std::uint64_t hash = LoadLittle64(block.begin + kBlockHashOffset);
  char* const header = block.begin + kBlockHeaderBytes - kBlockHashOffset;
  std::memmove(header, block.begin, kBlockHashOffset);
  const char* const payload_end = block.begin + block.bytes;
  if (Hash64({header, static_cast<std::size_t>(payload_end - header)},
             RunHashSeed(file_id_, block.offset)) != hash &&
      !(block.is_last && MR_MUTATION("last_block_unchecked"))) {
    return Damage(block, "hash mismatch");
  }
  const std::uint32_t codec = LoadLittle32(header + 8);
  if (codec != kCodecNone) return Damage(block, "unknown codec ", codec);
  const std::uint32_t record_count = LoadLittle32(header + 4);
  if (LoadLittle32(header) != block.bytes - kBlockHeaderBytes || LoadLittle32(header + 12) != 0 ||
      record_count == 0) {
    return Damage(block, "bad header");
  }
  decoder_.Begin(block.begin + kBlockHeaderBytes, payload_end, record_count);
  return Status::Ok();
}

}  // namespace millrace

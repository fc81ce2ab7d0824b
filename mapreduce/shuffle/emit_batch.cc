// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/emit_batch.h"

namespace millrace {

void EmitBatch::MakeRoom(std::size_t need) {
  if (bytes() > kBatchBytesMax) {
    Flush();
    flushed_in_record_ = true;
  }
  // After one giant record the block shrinks again, so that it does not stay with every slot.
  if (count() == 0 && block_bytes_ > 4 * kBatchBytesMax && need <= kBatchBytesMax) Resize(kBatchBytesMax);
  const auto room = static_cast<std::size_t>(reinterpret_cast<char*>(offsets_) - end_);
  if (room >= need) return;

  const std::size_t used = bytes();
  const std::size_t offset_bytes = count() * sizeof(std::uint32_t);
  const std::size_t mark = static_cast<std::size_t>(record_end_ - block_.get());
  const std::size_t mark_count = static_cast<std::size_t>(offsets_end() - record_offsets_);
  std::size_t wanted = used + offset_bytes + need;
  wanted = (wanted < kBatchBytesMax ? 2 * wanted : wanted) + 8;
  wanted -= wanted % sizeof(std::uint32_t);
  std::unique_ptr<char[]> larger(new char[wanted]);
  std::memcpy(larger.get(), block_.get(), used);
  std::memcpy(larger.get() + wanted - offset_bytes, offsets_, offset_bytes);
  block_ = std::move(larger);
  block_bytes_ = wanted;
  end_ = block_.get() + used;
  offsets_ = offsets_end() - offset_bytes / sizeof(std::uint32_t);
  record_end_ = block_.get() + mark;
  record_offsets_ = offsets_end() - mark_count;
}

}  // namespace millrace

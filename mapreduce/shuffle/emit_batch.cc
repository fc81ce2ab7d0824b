// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/emit_batch.h"

#include <algorithm>

namespace millrace {

// Hands on what earlier records emitted; what the current one did moves to the front.
void EmitBatch::FlushEarlier() {
  if (record_end_ == block_.get()) return;
  const char* const own = record_end_;
  const auto own_bytes = static_cast<std::size_t>(end_ - own);
  const auto own_count = static_cast<std::size_t>(record_offsets_ - offsets_);
  const auto moved_by = static_cast<std::uint32_t>(own - block_.get());
  const std::uint32_t* const own_offsets = offsets_;
  end_ = record_end_;
  offsets_ = record_offsets_;
  HandOn();
  std::memmove(block_.get(), own, own_bytes);
  end_ = block_.get() + own_bytes;
  offsets_ = offsets_end() - own_count;
  std::memmove(offsets_, own_offsets, own_count * sizeof(std::uint32_t));
  for (std::size_t i = 0; i < own_count; ++i) offsets_[i] -= moved_by;
}

void EmitBatch::MakeRoom(std::size_t need) {
  if (need > kEmittedBytesMax) {
    status_.Update(Status::ResourceLimit("a record of ", need - kHeaderBytes,
                                         " bytes was emitted, more than the ", kEmittedBytesMax,
                                         " a record can have"));
    end_ = record_end_;  // It goes nowhere: only its bytes need a place.
    offsets_ = record_offsets_;
  }
  if (bytes() > kBatchBytesMax) FlushEarlier();
  if (bytes() > kBatchBytesMax) {
    Flush();
    flushed_in_record_ = true;
  }
  const auto room = static_cast<std::size_t>(reinterpret_cast<char*>(offsets_) - end_);
  if (room >= need) return;

  const std::size_t used = bytes();
  const std::size_t offset_bytes = count() * sizeof(std::uint32_t);
  const std::size_t mark = static_cast<std::size_t>(record_end_ - block_.get());
  const std::size_t mark_count = static_cast<std::size_t>(offsets_end() - record_offsets_);
  std::size_t wanted = used + offset_bytes + need;
  // Never by just what is needed: of short records, whose offsets take half as much again, each of
  // the last 40,000 below kBatchBytesMax would copy the block to a new one.
  wanted += std::min(wanted, kBatchBytesMax / 2) + 8;
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

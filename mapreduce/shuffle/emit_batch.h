// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_EMIT_BATCH_H_
#define MAPREDUCE_SHUFFLE_EMIT_BATCH_H_

// Emitted records, encoded once, handed on in batches. An emitter writes; a sink (combining table,
// sort buffer, the next stage's map, a row writer) takes a whole batch by one virtual call.
//
//   records grow upward:   key_bytes:u32 value_bytes:u32 key value | next record …
//   their offsets grow down from the end of the same block: … u32 u32 u32
//
// So one comparison tells whether there is room for both. A batch of 64 hides the cache misses of
// the table behind each other (16: +25 % time, 256: no gain) and the stall of building a key and
// reading it at once.
//
// A record's emissions are handed on only when it ends, so that those of a rejected one can be
// taken back; a record that emits more than kBatchBytesMax can't be rejected any more. Whether it
// can depends on the record alone, not on those before it in the batch.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"

namespace millrace {

/// A batch is handed on at the first record border after this many emissions.
inline constexpr std::size_t kBatchRecords = 64;
/// What a record emits beyond this is handed on in the middle of the record.
inline constexpr std::size_t kBatchBytesMax = std::size_t{1} << 20;
/// The largest record: offsets have 32 bits, and it may begin behind others.
inline constexpr std::size_t kEmittedBytesMax =
    std::numeric_limits<std::uint32_t>::max() - 4 * kBatchBytesMax;

class EmitBatch;

/// What takes emitted records. One thread at a time.
class EmitSink {
 public:
  virtual ~EmitSink() = default;
  /// Takes every record of `batch`; its bytes are reused afterwards.
  virtual Status Consume(EmitBatch& batch) = 0;
  /// After how many emissions a batch is handed on; asked once, by the batch.
  virtual std::size_t batch_records() const { return kBatchRecords; }
};

/// See above. One thread at a time.
class EmitBatch {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  explicit EmitBatch(EmitSink& sink) : sink_(sink), flush_records_(sink.batch_records()) {
    Resize(std::size_t{16} << 10);
  }
  EmitBatch(const EmitBatch&) = delete;
  EmitBatch& operator=(const EmitBatch&) = delete;

  /// Room for a record of at most `bytes` key and value bytes; returns where its key begins.
  char* Begin(std::size_t bytes) {
    const std::size_t need = kHeaderBytes + bytes + kPadding + sizeof(std::uint32_t);
    if (static_cast<std::size_t>(reinterpret_cast<char*>(offsets_) - end_) < need) [[unlikely]]
      MakeRoom(need);
    return end_ + kHeaderBytes;
  }
  /// The record begun last has its key in [Begin(), value) and its value in [value, end).
  void Commit(char* value, char* end) {
    char* const record = std::exchange(end_, end);
    *--offsets_ = static_cast<std::uint32_t>(record - begin());
    const auto key_bytes = static_cast<std::uint32_t>(value - record - kHeaderBytes);
    const auto value_bytes = static_cast<std::uint32_t>(end - value);
    std::memcpy(record, &key_bytes, 4);
    std::memcpy(record + 4, &value_bytes, 4);
  }

  /// Between input records: hands the batch on if it is full.
  void EndRecord() {
    if (count() >= flush_records_) [[unlikely]]
      Flush();
    record_end_ = end_;
    record_offsets_ = offsets_;
    flushed_in_record_ = false;
  }
  /// Takes back what was emitted since the last EndRecord(). False if that was too much: some of
  /// it may have been handed on already.
  bool DropRecord() {
    if (flushed_in_record_ || static_cast<std::size_t>(end_ - record_end_) > kBatchBytesMax)
      return false;
    end_ = record_end_;
    offsets_ = record_offsets_;
    return true;
  }
  /// Hands on what there is.
  void Flush() {
    HandOn();
    // A block that has grown for a giant record shrinks, so that it does not stay with every slot.
    if (block_bytes_ > 4 * kBatchBytesMax) [[unlikely]]
      Resize(kBatchBytesMax);
  }
  /// The first error of the sink, or kResourceLimit for a record larger than kEmittedBytesMax;
  /// later emissions go nowhere.
  const Status& status() const { return status_; }

  /// For sinks.
  std::size_t count() const { return static_cast<std::size_t>(offsets_end() - offsets_); }
  const char* begin() const { return block_.get(); }
  char* begin() { return block_.get(); }
  std::size_t bytes() const { return static_cast<std::size_t>(end_ - block_.get()); }
  /// Offset of record `i`, counted in order of emission.
  std::uint32_t offset(std::size_t i) const { return *(offsets_end() - 1 - i); }
  /// Drops the records for which `keeps(record)` is false; the others keep their order.
  template <class Keeps>
  void DropUnless(const Keeps& keeps) {
    const std::size_t before = count();
    std::size_t kept = 0;
    char* to = begin();
    for (std::size_t i = 0; i < before; ++i) {
      const char* const record = begin() + offset(i);
      if (!keeps(record)) continue;
      const std::size_t bytes = kHeaderBytes + KeyBytes(record) + ValueBytes(record);
      if (to != record) std::memmove(to, record, bytes);
      *(offsets_end() - 1 - kept++) = static_cast<std::uint32_t>(to - begin());
      to += bytes;
    }
    offsets_ = offsets_end() - kept;
    end_ = to;
  }
  static std::uint32_t KeyBytes(const char* record) { return Load32(record); }
  static std::uint32_t ValueBytes(const char* record) { return Load32(record + 4); }
  static const char* Key(const char* record) { return record + kHeaderBytes; }

 private:
  static constexpr std::size_t kPadding = 32;  // Sinks may read 16 bytes beyond a key.
  static std::uint32_t Load32(const char* from) {
    std::uint32_t value;
    std::memcpy(&value, from, 4);
    return value;
  }

  std::uint32_t* offsets_end() const {
    return reinterpret_cast<std::uint32_t*>(block_.get() + block_bytes_);
  }
  void Clear() {
    end_ = block_.get();
    offsets_ = offsets_end();
    record_end_ = end_;
    record_offsets_ = offsets_;
  }
  void Resize(std::size_t block_bytes) {
    block_.reset(new char[block_bytes]);
    block_bytes_ = block_bytes;
    Clear();
  }
  void HandOn() {
    if (count() > 0 && status_.ok()) status_ = sink_.Consume(*this);
    Clear();
  }
  void MakeRoom(std::size_t need);
  void FlushEarlier();

  EmitSink& sink_;
  const std::size_t flush_records_;
  std::unique_ptr<char[]> block_;
  std::size_t block_bytes_ = 0;
  char* end_ = nullptr;
  std::uint32_t* offsets_ = nullptr;
  char* record_end_ = nullptr;
  std::uint32_t* record_offsets_ = nullptr;
  bool flushed_in_record_ = false;
  Status status_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_EMIT_BATCH_H_

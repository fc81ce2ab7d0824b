// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOURNAL_FORMAT_H_
#define MASTER_JOURNAL_FORMAT_H_

// The files of the master's journal (journal.h) as bytes and names.
//
//   segment-0000000003-0000000000    epoch 3 began here
//   snapshot-0000000003-0000000001   the state at the point where ...
//   segment-0000000003-0000000001    ... this segment goes on
//
//   segment  := header (begin carried* record*)?
//   snapshot := header begin record        its sequence is 0, its payload the state
//   header   := magic:u32 version:u32 epoch:u64 part:u64 hash:u64
//   begin    := sequence:u64 chain:u64 epoch:u64 part:u64 carried_count:u64 hash:u64
//   record   := payload_bytes:u32 group_index:u32 sequence:u64 chain:u64 hash:u64 payload
//   carried  := a record with the group_index 0xFFFFFFFF
//
// Little-endian. A header repeats epoch and part of the file's name and looks the same in every
// version. `begin` is the position from which the file goes on: the sequence of its first record,
// the chain value before that, and the segment that holds the record before.
//
// What is written at once is a group, and group_index counts the records before one there. The
// first group of a segment is `begin` and the records it carries over from the segment before;
// unless all of them are whole, the segment has not begun.
//
// digest is XXH3-64 of the payload; chain is XXH3-64 of digest, seeded with the chain of the record
// before (0 before the first of all); hash is XXH3-64 of the other fields and, of a record, its
// digest, seeded with the place: epoch, part and offset.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr std::uint32_t kJournalVersion = 1;
inline constexpr std::size_t kJournalHeaderBytes = 32;
inline constexpr std::size_t kJournalBeginBytes = 48;
inline constexpr std::size_t kJournalRecordHeaderBytes = 32;
inline constexpr std::size_t kJournalFirstRecordOffset = kJournalHeaderBytes + kJournalBeginBytes;
/// The group_index of a carried record.
inline constexpr std::uint32_t kJournalCarried = 0xFFFFFFFF;
inline constexpr std::size_t kJournalPayloadBytesMax = std::size_t{64} << 20;
/// Of a snapshot, which stands for many records.
inline constexpr std::size_t kJournalSnapshotBytesMax = std::size_t{1} << 30;
inline constexpr std::uint64_t kJournalEpochMax = 9'999'999'999;  // What a name has room for.

enum class JournalFileKind { kSegment, kSnapshot, kUnfinishedSnapshot };

/// Which segment; for a snapshot, the segment that goes on from it. In the order of writing.
struct JournalFileId {
  std::uint64_t epoch = 0;
  std::uint64_t part = 0;

  friend auto operator<=>(const JournalFileId&, const JournalFileId&) = default;
};

/// Between two records.
struct JournalPosition {
  std::uint64_t sequence = 1;  ///< Of the record that comes next.
  std::uint64_t chain = 0;     ///< Of the record before.
  JournalFileId segment = {};  ///< What holds the record before; all zero before the first.
};

/// How a file starts, behind its header.
struct JournalBegin {
  JournalPosition position;         ///< From where it goes on.
  std::uint64_t carried_count = 0;  ///< Records that come with it.
};

/// A name within the state directory.
std::string JournalFileName(JournalFileKind kind, JournalFileId id);
/// True if `name` is what JournalFileName makes of `kind` and `id`, which are set then.
bool ParseJournalFileName(std::string_view name, JournalFileKind* kind, JournalFileId* id);

void AppendJournalHeader(JournalFileKind kind, JournalFileId id, std::string* out,
                         std::uint32_t version = kJournalVersion);
/// The version; nullopt unless `bytes` starts with a header of just this file.
std::optional<std::uint32_t> DecodeJournalHeader(JournalFileKind kind, JournalFileId id,
                                                 std::string_view bytes);

/// Begins the file `id`, behind its header.
void AppendJournalBegin(JournalFileId id, const JournalPosition& position, std::string* out,
                        std::uint64_t carried_count = 0);
/// nullopt unless `bytes` starts with what began just this file.
std::optional<JournalBegin> DecodeJournalBegin(JournalFileId id, std::string_view bytes);

/// All of a record but the payload.
struct JournalRecordHeader {
  std::uint32_t payload_bytes = 0;
  std::uint32_t group_index = 0;
  std::uint64_t sequence = 0;
  std::uint64_t chain = 0;
  std::uint64_t hash = 0;
};

/// XXH3-64 of digest and the chain value before: the record's own chain value.
std::uint64_t JournalChain(std::uint64_t chain_before, std::string_view payload);

/// Appends the record that is at `offset` of the file `id`. payload_bytes and hash are filled in.
/// Requires: payload.size() <= kJournalSnapshotBytesMax.
void AppendJournalRecord(JournalFileId id, std::uint64_t offset, JournalRecordHeader header,
                         std::string_view payload, std::string* out);
/// Believes nothing. Requires: kJournalRecordHeaderBytes of them.
JournalRecordHeader LoadJournalRecordHeader(std::string_view bytes);
/// Whether they were written as one record to this place.
bool IsJournalRecord(JournalFileId id, std::uint64_t offset, const JournalRecordHeader& header,
                     std::string_view payload);

}  // namespace millrace

#endif  // MASTER_JOURNAL_FORMAT_H_

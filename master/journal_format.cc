// SPDX-License-Identifier: Apache-2.0
#include "master/journal_format.h"

#include <cstdio>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"

namespace millrace {
namespace {

constexpr std::uint32_t kSegmentMagic = 0x534A524D;   // The bytes "MRJS".
constexpr std::uint32_t kSnapshotMagic = 0x4E4A524D;  // The bytes "MRJN".
constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::string_view kUnfinishedSuffix = ".tmp";
constexpr std::size_t kDigits = 10;

void Append32(std::uint32_t value, std::string* out) {
  char bytes[4];
  StoreLittle32(bytes, value);
  out->append(bytes, sizeof(bytes));
}

void Append64(std::uint64_t value, std::string* out) {
  char bytes[8];
  StoreLittle64(bytes, value);
  out->append(bytes, sizeof(bytes));
}

std::uint64_t Hash64Of(std::uint64_t value, std::uint64_t seed) {
  char bytes[8];
  StoreLittle64(bytes, value);
  return Hash64({bytes, sizeof(bytes)}, seed);
}

// The factor is odd: no two offsets of a file share a seed.
std::uint64_t PlaceSeed(JournalFileId id, std::uint64_t offset) {
  return Hash64Of(id.part, id.epoch) + offset * 0x9E3779B97F4A7C15;
}

std::uint64_t HashOf(JournalFileId id, std::uint64_t offset, const JournalRecordHeader& header,
                     std::uint64_t digest) {
  char bytes[32];
  StoreLittle32(bytes, header.payload_bytes);
  StoreLittle32(bytes + 4, header.group_index);
  StoreLittle64(bytes + 8, header.sequence);
  StoreLittle64(bytes + 16, header.chain);
  StoreLittle64(bytes + 24, digest);
  return Hash64({bytes, sizeof(bytes)}, PlaceSeed(id, offset));
}

bool TakeNumber(std::string_view* text, std::uint64_t* number) {
  if (text->size() < kDigits) return false;
  *number = 0;
  for (const char digit : text->substr(0, kDigits)) {
    if (digit < '0' || digit > '9') return false;
    *number = *number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  text->remove_prefix(kDigits);
  return true;
}

bool TakePrefix(std::string_view prefix, std::string_view* text) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string JournalFileName(JournalFileKind kind, JournalFileId id) {
  char numbers[48];
  std::snprintf(numbers, sizeof(numbers), "%010llu-%010llu",
                static_cast<unsigned long long>(id.epoch),
                static_cast<unsigned long long>(id.part));
  std::string name(kind == JournalFileKind::kSegment ? kSegmentPrefix : kSnapshotPrefix);
  name += numbers;
  if (kind == JournalFileKind::kUnfinishedSnapshot) name += kUnfinishedSuffix;
  return name;
}

bool ParseJournalFileName(std::string_view name, JournalFileKind* kind, JournalFileId* id) {
  const bool is_segment = TakePrefix(kSegmentPrefix, &name);
  if (!is_segment && !TakePrefix(kSnapshotPrefix, &name)) return false;
  if (!TakeNumber(&name, &id->epoch) || !TakePrefix("-", &name)) return false;
  if (!TakeNumber(&name, &id->part)) return false;
  *kind = is_segment ? JournalFileKind::kSegment : JournalFileKind::kSnapshot;
  if (name.empty()) return true;
  *kind = JournalFileKind::kUnfinishedSnapshot;
  return !is_segment && name == kUnfinishedSuffix;
}

void AppendJournalHeader(JournalFileKind kind, JournalFileId id, std::string* out,
                         std::uint32_t version) {
  const std::size_t start = out->size();
  Append32(kind == JournalFileKind::kSegment ? kSegmentMagic : kSnapshotMagic, out);
  Append32(version, out);
  Append64(id.epoch, out);
  Append64(id.part, out);
  Append64(Hash64(std::string_view(*out).substr(start), PlaceSeed(id, 0)), out);
}

std::optional<std::uint32_t> DecodeJournalHeader(JournalFileKind kind, JournalFileId id,
                                                 std::string_view bytes) {
  if (bytes.size() < kJournalHeaderBytes) return std::nullopt;
  const std::uint32_t version = LoadLittle32(bytes.data() + 4);
  std::string expected;
  AppendJournalHeader(kind, id, &expected, version);
  if (!bytes.starts_with(expected)) return std::nullopt;
  return version;
}

void AppendJournalBegin(JournalFileId id, const JournalPosition& position, std::string* out,
                        std::uint64_t carried_count) {
  const std::size_t start = out->size();
  Append64(position.sequence, out);
  Append64(position.chain, out);
  Append64(position.segment.epoch, out);
  Append64(position.segment.part, out);
  Append64(carried_count, out);
  Append64(Hash64(std::string_view(*out).substr(start), PlaceSeed(id, kJournalHeaderBytes)), out);
}

std::optional<JournalBegin> DecodeJournalBegin(JournalFileId id, std::string_view bytes) {
  if (bytes.size() < kJournalBeginBytes) return std::nullopt;
  const JournalBegin begin = {.position = {.sequence = LoadLittle64(bytes.data()),
                                           .chain = LoadLittle64(bytes.data() + 8),
                                           .segment = {.epoch = LoadLittle64(bytes.data() + 16),
                                                       .part = LoadLittle64(bytes.data() + 24)}},
                              .carried_count = LoadLittle64(bytes.data() + 32)};
  std::string expected;
  AppendJournalBegin(id, begin.position, &expected, begin.carried_count);
  if (!bytes.starts_with(expected)) return std::nullopt;
  return begin;
}

std::uint64_t JournalChain(std::uint64_t chain_before, std::string_view payload) {
  return Hash64Of(Hash64(payload), chain_before);
}

void AppendJournalRecord(JournalFileId id, std::uint64_t offset, JournalRecordHeader header,
                         std::string_view payload, std::string* out) {
  MR_CHECK(payload.size() <= kJournalSnapshotBytesMax);
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  Append32(header.payload_bytes, out);
  Append32(header.group_index, out);
  Append64(header.sequence, out);
  Append64(header.chain, out);
  Append64(HashOf(id, offset, header, Hash64(payload)), out);
  out->append(payload);
}

JournalRecordHeader LoadJournalRecordHeader(std::string_view bytes) {
  MR_CHECK(bytes.size() >= kJournalRecordHeaderBytes);
  return {.payload_bytes = LoadLittle32(bytes.data()),
          .group_index = LoadLittle32(bytes.data() + 4),
          .sequence = LoadLittle64(bytes.data() + 8),
          .chain = LoadLittle64(bytes.data() + 16),
          .hash = LoadLittle64(bytes.data() + 24)};
}

bool IsJournalRecord(JournalFileId id, std::uint64_t offset, const JournalRecordHeader& header,
                     std::string_view payload) {
  return payload.size() == header.payload_bytes &&
         header.hash == HashOf(id, offset, header, Hash64(payload));
}

}  // namespace millrace

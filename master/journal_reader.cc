// SPDX-License-Identifier: Apache-2.0
#include "master/journal_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{256} << 10;
constexpr std::string_view kAdvice =
    "; nothing was changed: restore the state directory from a copy, or start with an empty one "
    "(published outputs stay)";

std::string SegmentName(JournalFileId id) { return JournalFileName(JournalFileKind::kSegment, id); }

struct Record {
  JournalRecordHeader header;
  std::string_view payload;  // Valid until the file's next call.
  std::size_t bytes() const { return kJournalRecordHeaderBytes + payload.size(); }
};

// One file of the journal, of the size it has when it is opened.
class JournalFile {
 public:
  static Result<JournalFile> Open(FileSystem& files, const std::string& directory,
                                  JournalFileKind kind, JournalFileId id) {
    JournalFile file;
    file.id_ = id;
    if (kind == JournalFileKind::kSnapshot) file.payload_bytes_max_ = kJournalSnapshotBytesMax;
    file.path_ = JoinPath(directory, JournalFileName(kind, id));
    MR_ASSIGN_OR_RETURN(file.file_, files.OpenForRead(file.path_));
    MR_ASSIGN_OR_RETURN(const FileInfo info, file.file_->Stat());
    file.bytes_ = info.bytes;
    MR_RETURN_IF_ERROR(file.ReadStart(kind));
    return file;
  }

  JournalFileId id() const { return id_; }
  std::uint64_t bytes() const { return bytes_; }
  // Whether header, begin and all carried records are whole.
  bool has_begun() const { return has_begun_; }
  // Requires: has_begun().
  const JournalPosition& begin() const { return begin_.position; }
  std::uint64_t carried_count() const { return begin_.carried_count; }
  // Where the first thing is that is not whole.
  std::uint64_t start_bytes() const { return start_bytes_; }

  // The record at `offset`; nullopt if there is none, or it is damaged.
  Result<std::optional<Record>> RecordAt(std::uint64_t offset) {
    MR_ASSIGN_OR_RETURN(const std::string_view start, At(offset, kJournalRecordHeaderBytes));
    if (start.size() < kJournalRecordHeaderBytes) return std::optional<Record>();
    Record record = {.header = LoadJournalRecordHeader(start)};
    const std::uint64_t payload_bytes = record.header.payload_bytes;
    if (payload_bytes > payload_bytes_max_ ||
        payload_bytes > bytes_ - offset - kJournalRecordHeaderBytes) {
      return std::optional<Record>();
    }
    MR_ASSIGN_OR_RETURN(std::string_view all,
                        At(offset, kJournalRecordHeaderBytes + payload_bytes));
    record.payload = all.substr(kJournalRecordHeaderBytes);
    if (!IsJournalRecord(id_, offset, record.header, record.payload)) {
      return std::optional<Record>();
    }
    return std::optional<Record>(record);
  }

  // The first offset from `from` on that has a record whose group starts behind `sequence`. Not a
  // carried one: no group is before that of those.
  Result<std::optional<std::uint64_t>> FindGroupBehind(std::uint64_t sequence, std::uint64_t from) {
    for (std::uint64_t offset = from; offset + kJournalRecordHeaderBytes <= bytes_; ++offset) {
      MR_ASSIGN_OR_RETURN(const std::string_view start, At(offset, kJournalRecordHeaderBytes));
      const JournalRecordHeader header = LoadJournalRecordHeader(start);
      // A cheap look that spares nearly every offset the hash of a payload.
      if (header.group_index == kJournalCarried || header.sequence <= header.group_index ||
          header.sequence - header.group_index <= sequence) {
        continue;
      }
      MR_ASSIGN_OR_RETURN(const std::optional<Record> record, RecordAt(offset));
      if (record.has_value()) return std::optional<std::uint64_t>(offset);
    }
    return std::optional<std::uint64_t>();
  }

  template <class... Parts>
  Status Corrupt(std::uint64_t offset, const Parts&... parts) const {
    return Status::Corrupt(path_, ", offset ", offset, ": ", parts..., kAdvice);
  }

 private:
  Status ReadStart(JournalFileKind kind) {
    MR_ASSIGN_OR_RETURN(const std::string_view start, At(0, kJournalFirstRecordOffset));
    const std::optional<std::uint32_t> version = DecodeJournalHeader(kind, id_, start);
    if (!version.has_value()) return Status::Ok();
    if (*version != kJournalVersion) {
      return Status::InvalidArgument(path_, " is of journal version ", *version,
                                     ", this program reads version ", kJournalVersion,
                                     "; start the program that wrote it");
    }
    start_bytes_ = kJournalHeaderBytes;
    const std::optional<JournalBegin> begin =
        DecodeJournalBegin(id_, start.substr(kJournalHeaderBytes));
    if (!begin.has_value()) return Status::Ok();
    begin_ = *begin;
    start_bytes_ = kJournalFirstRecordOffset;
    for (std::uint64_t i = 0; i < begin_.carried_count; ++i) {
      MR_ASSIGN_OR_RETURN(const std::optional<Record> record, RecordAt(start_bytes_));
      if (!record.has_value()) return Status::Ok();
      start_bytes_ += record->bytes();
    }
    has_begun_ = true;
    return Status::Ok();
  }

  // Valid until the next call. Fewer than n bytes only where the file ends. Requires: n is no more
  // than what one record may have.
  Result<std::string_view> At(std::uint64_t offset, std::size_t n) {
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, bytes_ - std::min(bytes_, offset)));
    if (offset < window_offset_ || offset + n > window_offset_ + window_.size()) {
      const std::uint64_t wanted = std::max<std::uint64_t>(n, kWindowBytes);
      window_.resize(static_cast<std::size_t>(std::min(wanted, bytes_ - std::min(bytes_, offset))));
      window_offset_ = offset;
      MR_ASSIGN_OR_RETURN(const std::size_t got,
                          file_->ReadAt(offset, window_.data(), window_.size()));
      window_.resize(got);
      if (got < n) return Status::Unavailable(path_, " became shorter while it was read");
    }
    return std::string_view(window_).substr(static_cast<std::size_t>(offset - window_offset_), n);
  }

  std::string path_;
  JournalFileId id_;
  std::size_t payload_bytes_max_ = kJournalPayloadBytesMax;
  std::unique_ptr<RandomAccessFile> file_;
  std::uint64_t bytes_ = 0;
  bool has_begun_ = false;
  JournalBegin begin_;
  std::uint64_t start_bytes_ = 0;
  std::string window_;
  std::uint64_t window_offset_ = 0;
};

class Reader {
 public:
  Reader(FileSystem& files, const std::string& directory, const JournalListing& listing,
         JournalVisitor& visitor)
      : files_(files), directory_(directory), listing_(listing), visitor_(visitor) {}

  Result<JournalHistory> Read() {
    MR_RETURN_IF_ERROR(ReadSnapshot());
    MR_RETURN_IF_ERROR(FindNewestBegun());
    MR_RETURN_IF_ERROR(FindWayToSnapshot());
    history_.settled = base_;  // Unless there is a segment.
    while (!way_.empty()) {
      JournalFile segment = std::move(way_.back());
      way_.pop_back();
      MR_RETURN_IF_ERROR(ReadSegment(segment));
    }
    return history_;
  }

 private:
  // The newest one must be whole: it was synced before it got its name, and what it stands for may
  // have been removed since.
  Status ReadSnapshot() {
    if (listing_.snapshots.empty()) return Status::Ok();
    const JournalFileId id = listing_.snapshots.back();
    MR_ASSIGN_OR_RETURN(JournalFile file,
                        JournalFile::Open(files_, directory_, JournalFileKind::kSnapshot, id));
    if (!file.has_begun()) return file.Corrupt(file.start_bytes(), "the snapshot is damaged");
    base_ = file.begin();
    MR_ASSIGN_OR_RETURN(const std::optional<Record> record,
                        file.RecordAt(kJournalFirstRecordOffset));
    if (!record.has_value() || file.carried_count() != 0 || record->header.sequence != 0 ||
        record->header.chain != JournalChain(base_.chain, record->payload) ||
        file.bytes() != kJournalFirstRecordOffset + record->bytes()) {
      return file.Corrupt(kJournalFirstRecordOffset, "the snapshot is damaged");
    }
    return visitor_.OnSnapshot(record->payload);
  }

  Result<JournalFile> OpenSegment(JournalFileId id) {
    return JournalFile::Open(files_, directory_, JournalFileKind::kSegment, id);
  }

  // Those of a crash while they were made hold no record. (What is older than the snapshot's last
  // record has no say.)
  Status FindNewestBegun() {
    for (std::size_t i = listing_.segments.size(); i-- > 0;) {
      if (listing_.segments[i] < base_.segment) break;
      MR_ASSIGN_OR_RETURN(JournalFile segment, OpenSegment(listing_.segments[i]));
      if (segment.has_begun()) {
        way_.push_back(std::move(segment));
        return Status::Ok();
      }
      MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> record,
                          segment.FindGroupBehind(/*sequence=*/0, kJournalHeaderBytes));
      if (record.has_value()) {
        return segment.Corrupt(segment.start_bytes(),
                               "the segment's start is damaged, but a record is whole at offset ",
                               *record);
      }
      history_.dropped_tail_bytes += segment.bytes() - segment.start_bytes();
    }
    return Status::Ok();
  }

  // Collects the segments with the records behind the snapshot, newest first.
  Status FindWayToSnapshot() {
    if (way_.empty()) {
      if (listing_.snapshots.empty()) return Status::Ok();
      return Missing(base_.segment, "the newest snapshot was made from it");
    }
    while (way_.back().begin().sequence > base_.sequence) {
      const JournalFileId before = way_.back().begin().segment;
      const std::string child = SegmentName(way_.back().id());
      if (before >= way_.back().id() ||
          !std::binary_search(listing_.segments.begin(), listing_.segments.end(), before)) {
        return Missing(before, child + " goes on from it, and no snapshot stands for it");
      }
      MR_ASSIGN_OR_RETURN(JournalFile segment, OpenSegment(before));
      if (!segment.has_begun()) {
        return segment.Corrupt(segment.start_bytes(), "the segment's start is damaged, but ", child,
                               " goes on from it");
      }
      way_.push_back(std::move(segment));
    }
    return Status::Ok();
  }

  Status Missing(JournalFileId id, const std::string& why) const {
    return Status::Corrupt(JoinPath(directory_, SegmentName(id)),
                           ", offset 0: the segment is missing: ", why, kAdvice);
  }

  // Requires: those before it on the way have been read, and way_ holds those behind it.
  Status ReadSegment(JournalFile& segment) {
    const std::uint64_t stop = way_.empty() ? UINT64_MAX : way_.back().begin().sequence;
    JournalPosition at = segment.begin();
    at.segment = segment.id();
    std::uint64_t offset = kJournalFirstRecordOffset;
    MR_RETURN_IF_ERROR(CheckPosition(segment, kJournalHeaderBytes, at));
    history_.settled = segment.begin();
    while (at.sequence < stop) {
      MR_ASSIGN_OR_RETURN(const std::optional<Record> record, segment.RecordAt(offset));
      if (!record.has_value()) break;
      const bool is_carried = at.sequence - segment.begin().sequence < segment.carried_count();
      if (record->header.sequence != at.sequence ||
          record->header.chain != JournalChain(at.chain, record->payload) ||
          is_carried != (record->header.group_index == kJournalCarried)) {
        return segment.Corrupt(offset, "the record does not continue the one before it");
      }
      if (at.sequence >= base_.sequence) {
        history_.record_bytes += record->bytes();
        MR_RETURN_IF_ERROR(visitor_.OnRecord(record->payload));
      }
      if (way_.empty()) {
        if (record->header.group_index == 0) {  // What is before this group was synced.
          history_.settled = at;
          history_.unsettled.clear();
        }
        history_.unsettled.emplace_back(record->payload);
      }
      offset += record->bytes();
      ++at.sequence;
      at.chain = record->header.chain;
      MR_RETURN_IF_ERROR(CheckPosition(segment, offset, at));
    }
    return CheckEnd(segment, offset, at.sequence);
  }

  // Two files say what the chain is where they meet.
  Status CheckPosition(const JournalFile& segment, std::uint64_t offset,
                       const JournalPosition& at) const {
    if (at.sequence == base_.sequence && at.chain != base_.chain) {
      return segment.Corrupt(offset, "the records before are not those the snapshot stands for");
    }
    if (!way_.empty() && at.sequence == way_.back().begin().sequence &&
        at.chain != way_.back().begin().chain) {
      return segment.Corrupt(offset, "the records before are not those that ",
                             SegmentName(way_.back().id()), " goes on from");
    }
    return Status::Ok();
  }

  // At `offset` there is no record `sequence`, or none is wanted.
  Status CheckEnd(JournalFile& segment, std::uint64_t offset, std::uint64_t sequence) {
    if (!way_.empty()) {
      if (sequence == way_.back().begin().sequence) return Status::Ok();
      return segment.Corrupt(offset, "record ", sequence, " is damaged or missing, but ",
                             SegmentName(way_.back().id()), " goes on with record ",
                             way_.back().begin().sequence);
    }
    if (sequence < base_.sequence) {
      return segment.Corrupt(offset, "record ", sequence, " is damaged or missing, but the ",
                             "snapshot stands for all before ", base_.sequence);
    }
    MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> later,
                        segment.FindGroupBehind(sequence, offset));
    if (later.has_value()) {
      return segment.Corrupt(offset, "record ", sequence, " is damaged or missing, but a record ",
                             "that was written later is whole at offset ", *later);
    }
    history_.dropped_tail_bytes += segment.bytes() - offset;
    return Status::Ok();
  }

  FileSystem& files_;
  const std::string& directory_;
  const JournalListing& listing_;
  JournalVisitor& visitor_;
  JournalPosition base_;          // From where records are wanted: what the snapshot says.
  std::vector<JournalFile> way_;  // Segments still to be read, newest first.
  JournalHistory history_;
};

}  // namespace

std::uint64_t JournalListing::HighestEpoch() const {
  std::uint64_t epoch = 0;
  if (!segments.empty()) epoch = segments.back().epoch;
  if (!snapshots.empty()) epoch = std::max(epoch, snapshots.back().epoch);
  return epoch;
}

Result<JournalListing> ListJournal(FileSystem& files, const std::string& directory) {
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(directory));
  JournalListing listing;
  for (const FileInfo& entry : entries) {  // Sorted by name, and so in the order of writing.
    JournalFileKind kind;
    JournalFileId id;
    const std::string_view name = std::string_view(entry.path).substr(entry.path.rfind('/') + 1);
    if (!ParseJournalFileName(name, &kind, &id)) continue;  // The lock; what isn't ours.
    if (kind == JournalFileKind::kSegment) listing.segments.push_back(id);
    if (kind == JournalFileKind::kSnapshot) listing.snapshots.push_back(id);
    if (kind == JournalFileKind::kUnfinishedSnapshot) listing.unfinished_snapshots.push_back(id);
  }
  return listing;
}

Result<JournalHistory> ReadJournal(FileSystem& files, const std::string& directory,
                                   const JournalListing& listing, JournalVisitor& visitor) {
  return Reader(files, directory, listing, visitor).Read();
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "master/journal.h"

#include <utility>
#include <vector>

#include "mapreduce/base/test_hooks.h"

namespace millrace {

Result<std::unique_ptr<Journal>> Journal::Open(FileSystem& files, const std::string& directory,
                                               JournalVisitor& visitor) {
  MR_RETURN_IF_ERROR(files.MakeDirectories(directory));
  MR_ASSIGN_OR_RETURN(const JournalListing listing, ListJournal(files, directory));
  const std::uint64_t epoch = listing.HighestEpoch() + 1;
  if (epoch > kJournalEpochMax) {
    return Status::ResourceLimit(directory, " has used up all epochs; start with an empty one");
  }
  std::unique_ptr<Journal> journal(new Journal(files, directory, epoch));
  MR_RETURN_IF_ERROR(journal->Claim());
  const Result<JournalHistory> history = journal->Recover(visitor);
  if (!history.has_value()) {  // Of an epoch that never began nobody has heard.
    static_cast<void>(files.RemoveFile(journal->Path(JournalFileKind::kSegment, journal->id_)));
    return history.error();
  }
  MR_RETURN_IF_ERROR(journal->Begin(*history));
  return journal;
}

// From here on, what older masters sync is not acknowledged any more. The directory's sync is also
// that of the names an older master has left without one: those of a snapshot, for instance.
Status Journal::Claim() {
  if (!MR_MUTATION("no_directory_fsync")) {
    MR_RETURN_IF_ERROR(files_.SyncDirectory(ParentPath(directory_)));
  }
  std::string header;
  AppendJournalHeader(JournalFileKind::kSegment, id_, &header);
  const Status status = CreateSegment(id_, header);
  if (status.ok()) return status;
  const std::string path = Path(JournalFileKind::kSegment, id_);
  if (file_ != nullptr) {
    static_cast<void>(files_.RemoveFile(path));
  } else if (status.code() == StatusCode::kCannotCreate && files_.Stat(path).has_value()) {
    return Status::Unavailable("another master is just starting with ", directory_, ", as epoch ",
                               id_.epoch, "; try again if it does not come up");
  }
  return status;
}

Result<JournalHistory> Journal::Recover(JournalVisitor& visitor) {
  // Listed anew: an older master may have rotated before it could see the claim. (Which is listed,
  // too, and skipped as one that has not begun.)
  MR_ASSIGN_OR_RETURN(const JournalListing listing, ListAsNewest());
  return ReadJournal(files_, directory_, listing, visitor);
}

// The claim becomes a segment that goes on from what was read. All in one group: without what it
// carries over it would hide records that may have been acknowledged.
Status Journal::Begin(const JournalHistory& history) {
  std::string group;
  AppendJournalBegin(id_, history.settled, &group, history.unsettled.size());
  JournalPosition at = history.settled;
  for (const std::string& payload : history.unsettled) {
    at.chain = JournalChain(at.chain, payload);
    AppendJournalRecord(
        id_, file_bytes_ + group.size(),
        {.group_index = kJournalCarried, .sequence = at.sequence, .chain = at.chain}, payload,
        &group);
    ++at.sequence;
  }
  MR_RETURN_IF_ERROR(WriteDurably(*file_, group));
  file_bytes_ += group.size();
  at.segment = id_;
  durable_ = appended_ = at;
  bytes_since_snapshot_ = history.record_bytes;
  dropped_tail_bytes_ = history.dropped_tail_bytes;
  return ListAsNewest().error();
}

Result<std::uint64_t> Journal::Append(std::string_view payload) {
  if (!status_.ok()) return status_;
  if (payload.size() > kJournalPayloadBytesMax) {
    return Status::ResourceLimit("a journal record of ", payload.size(), " bytes; at most ",
                                 kJournalPayloadBytesMax, " are allowed");
  }
  appended_.chain = JournalChain(appended_.chain, payload);
  const std::uint64_t sequence = appended_.sequence++;
  const auto group_index = static_cast<std::uint32_t>(sequence - durable_.sequence);
  AppendJournalRecord(id_, file_bytes_ + buffer_.size(),
                      {.group_index = group_index, .sequence = sequence, .chain = appended_.chain},
                      payload, &buffer_);
  bytes_since_snapshot_ += kJournalRecordHeaderBytes + payload.size();
  return sequence;
}

Result<std::uint64_t> Journal::Sync() {
  if (!status_.ok()) return status_;
  if (buffer_.empty()) return durable_sequence();
  status_ = WriteDurably(*file_, buffer_);
  if (status_.ok()) status_ = ListAsNewest().error();
  if (!status_.ok()) return status_;
  file_bytes_ += buffer_.size();
  buffer_.clear();
  durable_ = appended_;
  return durable_sequence();
}

Status Journal::Rotate(std::string_view snapshot_payload) {
  if (!status_.ok()) return status_;
  MR_CHECK(buffer_.empty());
  const JournalFileId next = {.epoch = id_.epoch, .part = id_.part + 1};
  status_ = WriteSnapshot(next, snapshot_payload);
  if (!status_.ok()) return status_;
  std::string start;
  AppendJournalHeader(JournalFileKind::kSegment, next, &start);
  AppendJournalBegin(next, durable_, &start);
  status_ = CreateSegment(next, start);
  if (!status_.ok()) return status_;
  id_ = durable_.segment = appended_.segment = next;
  bytes_since_snapshot_ = 0;
  // A newer master that is not seen here sees the snapshot, and needs nothing older. One that is
  // seen may be reading it just now.
  const Result<JournalListing> listing = ListAsNewest();
  if (!listing.has_value()) return status_ = listing.error();
  RemoveOlder(*listing);
  return Status::Ok();
}

Status Journal::CheckNewest() {
  MR_RETURN_IF_ERROR(status_);
  const Result<JournalListing> listing = ListAsNewest();
  if (!listing.ok()) status_ = listing.error();
  return status_;
}

Status Journal::WriteSnapshot(JournalFileId id, std::string_view payload) {
  if (payload.size() > kJournalSnapshotBytesMax) {
    return Status::ResourceLimit("a journal snapshot of ", payload.size(), " bytes; at most ",
                                 kJournalSnapshotBytesMax, " are allowed");
  }
  std::string bytes;
  AppendJournalHeader(JournalFileKind::kSnapshot, id, &bytes);
  AppendJournalBegin(id, durable_, &bytes);
  AppendJournalRecord(id, bytes.size(), {.chain = JournalChain(durable_.chain, payload)}, payload,
                      &bytes);
  const std::string unfinished = Path(JournalFileKind::kUnfinishedSnapshot, id);
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files_.Create(unfinished));
  MR_RETURN_IF_ERROR(WriteDurably(*file, bytes));
  MR_RETURN_IF_ERROR(file->Close());
  MR_RETURN_IF_ERROR(files_.Rename(unfinished, Path(JournalFileKind::kSnapshot, id)));
  return SyncNames();
}

// Goes on in a new file. The old one is durable: closing it can't fail in a way that matters.
Status Journal::CreateSegment(JournalFileId id, std::string_view start) {
  MR_ASSIGN_OR_RETURN(file_, files_.Create(Path(JournalFileKind::kSegment, id)));
  MR_RETURN_IF_ERROR(WriteDurably(*file_, start));
  file_bytes_ = start.size();
  return SyncNames();
}

Status Journal::WriteDurably(WritableFile& file, std::string_view bytes) {
  MR_RETURN_IF_ERROR(file.Append(bytes));
  Status status = file.Sync();
  if (!status.ok() && MR_MUTATION("fsync_retried")) status = file.Sync();
  return status;
}

Status Journal::SyncNames() {
  if (MR_MUTATION("no_directory_fsync")) return Status::Ok();
  return files_.SyncDirectory(directory_);
}

// kStale if there is a newer master.
Result<JournalListing> Journal::ListAsNewest() {
  MR_ASSIGN_OR_RETURN(JournalListing listing, ListJournal(files_, directory_));
  if (listing.HighestEpoch() > id_.epoch) {
    return Status::Error(StatusCode::kStale, "a newer master with epoch ", listing.HighestEpoch(),
                         " has taken over ", directory_, "; this one, of epoch ", id_.epoch,
                         ", ends");
  }
  return listing;
}

// What stays because it can't be removed goes with the next rotation.
void Journal::RemoveOlder(const JournalListing& listing) {
  const auto remove = [this](JournalFileKind kind, const std::vector<JournalFileId>& ids) {
    for (const JournalFileId& id : ids) {
      if (id < id_) static_cast<void>(files_.RemoveFile(Path(kind, id)));
    }
  };
  remove(JournalFileKind::kSegment, listing.segments);
  remove(JournalFileKind::kSnapshot, listing.snapshots);
  remove(JournalFileKind::kUnfinishedSnapshot, listing.unfinished_snapshots);
}

std::string Journal::Path(JournalFileKind kind, JournalFileId id) const {
  return JoinPath(directory_, JournalFileName(kind, id));
}

}  // namespace millrace

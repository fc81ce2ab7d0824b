// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOURNAL_H_
#define MASTER_JOURNAL_H_

// The master's memory: what was synced here survives its death. Opaque records, and now and then a
// snapshot that stands for all of them so far. The files: journal_format.h,
// docs/formats/journal.md.
//
//   Open ─▶ OnSnapshot, OnRecord*; a new epoch has begun
//   Append* ─▶ Sync ─▶ now tell the world           ◀─┐
//   bytes_since_snapshot() is large ─▶ Rotate        ─┘
//
// A life of the master is an epoch and has segments of its own: nothing is ever written behind what
// a dead master left, torn as that may be.
//
// Two masters. Whoever opens makes its first segment, durably, *before* it reads those of older
// epochs; whoever syncs looks for segments of newer epochs *after* the sync. So of a sync and an
// open that meet, either the sync sees the new segment, and what it wrote is never acknowledged;
// or the segment was made after the sync, and the records are read. What an old master writes after
// it was read is not acknowledged, and void: the new epoch begins by writing down where the old
// one ended for it, and acknowledges nothing before that is durable. Should several masters die
// while they open, then their segments have not begun and are skipped. Of two that both begin, the
// one with the lower epoch finds the other's segment before Open returns, or at its next sync.
//
// What was read is not yet durable. A master that was killed, or whose sync failed, leaves a group
// that can be read until the power is cut, and no later sync of its file saves that. Only its last
// group, for the next is written when a sync has succeeded. So the new epoch goes on from before
// that group and carries its records over into its own segment: in the one write and sync by which
// it begins, so that none is lost that was acknowledged, and before Open returns. A segment that
// has no group but this first one is read, but never gone on from: the next one goes on from where
// it does, with the same records.
//
// Errors stick. After a failed write or sync nobody knows what the disk has; the kernel may call
// the pages clean, so that a second sync succeeds for nothing (PostgreSQL's lesson of 2018). The
// journal stops, the master ends, and the next one reads what there is.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "master/journal_format.h"
#include "master/journal_reader.h"

namespace millrace {

/// One thread at a time.
class Journal {
 public:
  /// Makes `directory` if it is missing (its parent should be durable), tells the visitor what it
  /// holds, and begins a new epoch. kUnavailable: another master is starting; kStale: one has just
  /// begun; kCorrupt: damage that no crash leaves, names file and offset; kInvalidArgument: files
  /// of a newer version; else what the visitor or the file system said. Until the visitor is
  /// through, an error leaves the directory as it was. When Open returns, all that the visitor was
  /// told is durable. `files` must outlive the journal.
  static Result<std::unique_ptr<Journal>> Open(FileSystem& files, const std::string& directory,
                                               JournalVisitor& visitor);

  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Buffers one record and returns its sequence number: 1, 2, 3, ... over all epochs.
  /// kResourceLimit if it is larger than kJournalPayloadBytesMax: it is not there, all goes on.
  Result<std::uint64_t> Append(std::string_view payload);

  /// Makes what is buffered durable by one write and one sync, and returns the highest durable
  /// sequence; does nothing else where nothing is buffered. kStale: a newer master has taken over,
  /// nothing of this may be acknowledged. After any error the journal is stopped, and all later
  /// calls return it.
  Result<std::uint64_t> Sync();

  /// kStale if a newer master has taken over, which stops the journal; to be asked before anything
  /// is done that can't be taken back, such as making or moving folders. What it says holds for the
  /// moment.
  Status CheckNewest();

  /// Writes a snapshot that stands for all records so far, goes on in a new segment, and removes
  /// what is no longer needed. A crash in the middle leaves the old files, the new, or both.
  /// Errors as of Sync. Requires: nothing is buffered.
  Status Rotate(std::string_view snapshot_payload);

  /// Ok, or why the journal is stopped.
  const Status& status() const { return status_; }
  std::uint64_t epoch() const { return id_.epoch; }
  /// The highest durable sequence; 0 if there is none.
  std::uint64_t durable_sequence() const { return durable_.sequence - 1; }
  /// In records behind the newest snapshot, those that Open read and those buffered included.
  std::uint64_t bytes_since_snapshot() const { return bytes_since_snapshot_; }
  /// What Open found torn at the end: written once, but never acknowledged.
  std::uint64_t dropped_tail_bytes() const { return dropped_tail_bytes_; }

 private:
  Journal(FileSystem& files, std::string directory, std::uint64_t epoch)
      : files_(files), directory_(std::move(directory)), id_{.epoch = epoch} {}

  Status Claim();
  Result<JournalHistory> Recover(JournalVisitor& visitor);
  Status Begin(const JournalHistory& history);
  Status WriteSnapshot(JournalFileId id, std::string_view payload);
  Status CreateSegment(JournalFileId id, std::string_view start);
  Status WriteDurably(WritableFile& file, std::string_view bytes);
  Status SyncNames();
  Result<JournalListing> ListAsNewest();
  void RemoveOlder(const JournalListing& listing);
  std::string Path(JournalFileKind kind, JournalFileId id) const;

  FileSystem& files_;
  const std::string directory_;
  JournalFileId id_;  // Of the segment that is written.
  std::unique_ptr<WritableFile> file_;
  std::uint64_t file_bytes_ = 0;
  JournalPosition durable_;   // Behind the last durable record.
  JournalPosition appended_;  // Behind the last buffered record.
  std::string buffer_;        // The group that the next Sync writes.
  std::uint64_t bytes_since_snapshot_ = 0;
  std::uint64_t dropped_tail_bytes_ = 0;
  Status status_;
};

}  // namespace millrace

#endif  // MASTER_JOURNAL_H_

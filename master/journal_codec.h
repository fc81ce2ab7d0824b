// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOURNAL_CODEC_H_
#define MASTER_JOURNAL_CODEC_H_

// Journal records (journal_record.h) as bytes (journal.proto), and back: the payloads of journal.h,
// which has checked by hashes that they are what was written. They are checked all the same, as
// what comes in over the wire is (wire_codec.h): a wrong value must stop a master, not mislead it.
//
//   snapshot := record_count:varint (record_bytes:varint record)*

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "master/journal_record.h"

namespace millrace {

/// The same bytes for the same record. Error texts are cut at kErrorBytesMax (limits.h); otherwise
/// nothing is checked. A record that holds what DecodeMessage let in is below 64 MiB.
std::string EncodeRecord(const JournalRecord& record);

/// kCorrupt, with what is wrong, unless `bytes` are a record; kInvalidArgument if it has fields
/// that this program doesn't know: a later version wrote it, and must go on with it.
Result<JournalRecord> DecodeRecord(std::string_view bytes);

/// A list of records.
std::string EncodeSnapshot(const std::vector<JournalRecord>& records);
/// Errors as DecodeRecord, with the record's number.
Result<std::vector<JournalRecord>> DecodeSnapshot(std::string_view bytes);

}  // namespace millrace

#endif  // MASTER_JOURNAL_CODEC_H_

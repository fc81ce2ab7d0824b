// SPDX-License-Identifier: Apache-2.0
// Any bytes as a snapshot and as a record of the journal: refused, or decoded to records that,
// written again, are the very same.
#include <google/protobuf/stubs/logging.h>

#include <string>
#include <vector>

#include "master/journal_codec.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const google::protobuf::LogSilencer silence;  // It complains about text that is not UTF-8.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<std::vector<JournalRecord>> records = DecodeSnapshot(bytes);
  if (records.ok()) {
    const std::string again = EncodeSnapshot(*records);
    const Result<std::vector<JournalRecord>> second = DecodeSnapshot(again);
    FUZZ_CHECK(second.ok());
    FUZZ_CHECK(*second == *records);
  }
  const Result<JournalRecord> record = DecodeRecord(bytes);
  if (record.ok()) {
    const Result<JournalRecord> second = DecodeRecord(EncodeRecord(*record));
    FUZZ_CHECK(second.ok());
    FUZZ_CHECK(*second == *record);
  }
  return 0;
}

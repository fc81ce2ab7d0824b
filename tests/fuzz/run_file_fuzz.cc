// SPDX-License-Identifier: Apache-2.0
// Any bytes as a run file: records in order, or kCorrupt; never a crash, never disorder.
#include <span>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/run_reader.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static FuzzFile file("run");
  RunInfo info;
  info.path = file.Write(data, size);
  info.file_id = 1;
  info.file_bytes = size;
  // The record count that the file itself claims, or nothing would get past its check.
  constexpr std::size_t kCountFromEnd = 24;
  if (size >= kCountFromEnd) {
    info.record_count = LoadLittle64(reinterpret_cast<const char*>(data) + size - kCountFromEnd);
  }
  const auto opened = RunFile::Open(LocalFileSystem(), info);
  if (!opened.ok()) return 0;
  const auto cursor = (*opened)->Read({});
  if (!cursor.ok()) return 0;
  std::string last, value;
  bool is_first = true;
  for (;;) {
    std::span<const RecordView> batch;
    const Result<bool> more = (*cursor)->Next(&batch);
    if (!more.ok()) {
      FUZZ_CHECK(more.error().code() == StatusCode::kCorrupt);
      return 0;
    }
    if (!*more) return 0;
    for (const RecordView& record : batch) {
      FUZZ_CHECK(is_first || last <= record.key_view());
      last = record.key_view();
      value = record.value_view();
      is_first = false;
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as the files of a state directory: history or a named error that changes nothing; never
// a crash. What could be opened can be gone on with, and is read again the same.
//
//   input := file*
//   file  := kind:u8 epoch:u8 part:u8 content_bytes:u16 content
//
// Bit 7 of `kind`: hashes are made right first, or nothing that is changed would get past them.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "master/journal.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/unit/master/memory_files.h"

using namespace millrace;

namespace {

const char kDirectory[] = "/state";

// All that was told, one item each.
class Collector : public JournalVisitor {
 public:
  Status OnSnapshot(std::string_view payload) override {
    FUZZ_CHECK(told_.empty());
    told_.push_back("snapshot: " + std::string(payload));
    return Status::Ok();
  }
  Status OnRecord(std::string_view payload) override {
    told_.push_back("record: " + std::string(payload));
    return Status::Ok();
  }
  const std::vector<std::string>& told() const { return told_; }

 private:
  std::vector<std::string> told_;
};

std::string WithRightHashes(JournalFileKind kind, JournalFileId id, std::string_view content) {
  if (content.size() < kJournalFirstRecordOffset) return std::string(content);
  std::string out;
  AppendJournalHeader(kind, id, &out, LoadLittle32(content.data() + 4));
  const char* const begin = content.data() + kJournalHeaderBytes;
  AppendJournalBegin(id,
                     {.sequence = LoadLittle64(begin) & 0xFFFF,  // So that it has successors.
                      .chain = LoadLittle64(begin + 8),
                      .segment = {LoadLittle64(begin + 16), LoadLittle64(begin + 24)}},
                     &out, LoadLittle64(begin + 32) & 0xFF);
  while (content.size() - out.size() >= kJournalRecordHeaderBytes) {
    const JournalRecordHeader header = LoadJournalRecordHeader(content.substr(out.size()));
    const std::string_view rest = content.substr(out.size() + kJournalRecordHeaderBytes);
    if (header.payload_bytes > rest.size()) break;
    AppendJournalRecord(id, out.size(), header, rest.substr(0, header.payload_bytes), &out);
  }
  return out + std::string(content.substr(out.size()));
}

FileTree TreeOf(std::string_view input) {
  constexpr std::size_t kFileHeaderBytes = 5;
  FileTree tree;
  while (input.size() >= kFileHeaderBytes) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
    const auto kind = static_cast<JournalFileKind>((byte(0) & 0x7F) % 3);
    const JournalFileId id = {.epoch = byte(1), .part = byte(2)};
    const bool has_right_hashes = (byte(0) & 0x80) != 0;
    const std::string_view content =
        input.substr(kFileHeaderBytes, byte(3) + (std::size_t{byte(4)} << 8));
    tree[JoinPath(kDirectory, JournalFileName(kind, id))] =
        has_right_hashes ? WithRightHashes(kind, id, content) : std::string(content);
    input.remove_prefix(kFileHeaderBytes + content.size());
  }
  return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const FileTree tree = TreeOf({reinterpret_cast<const char*>(data), size});
  MemoryFiles files(tree);
  Collector first;
  {
    const auto journal = Journal::Open(files, kDirectory, first);
    if (!journal.ok()) {
      FUZZ_CHECK(journal.error().code() == StatusCode::kCorrupt ||
                 journal.error().code() == StatusCode::kInvalidArgument);
      FUZZ_CHECK(files.Tree() == tree);
      return 0;
    }
    FUZZ_CHECK((*journal)->Append("one more").ok());
    FUZZ_CHECK((*journal)->Sync().ok());
  }
  std::vector<std::string> expected = first.told();
  expected.push_back("record: one more");
  Collector second;
  FUZZ_CHECK(Journal::Open(files, kDirectory, second).ok());
  FUZZ_CHECK(second.told() == expected);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// The small files shown in docs/formats are what the writers make.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "mapreduce/api/key_codec.h"
#include "mapreduce/engine/manifest.h"
#include "mapreduce/io/output_file.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/shuffle/run_writer.h"
#include "mapreduce/shuffle/table_file.h"
#include "master/journal.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

// As `hexdump -C` prints it: `*` stands for lines that are as the one before.
std::string Dump(const std::string& bytes) {
  std::string dump;
  bool is_starred = false;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    if (at >= 16 && at + 16 <= bytes.size() && bytes.compare(at, 16, bytes, at - 16, 16) == 0) {
      if (!is_starred) dump += "*\n";
      is_starred = true;
      continue;
    }
    is_starred = false;
    char text[32];
    std::snprintf(text, sizeof(text), "%08zx ", at);
    std::string hex = text, shown;
    for (std::size_t i = at; i < at + 16; ++i) {
      if (i % 8 == 0) hex += ' ';
      if (i >= bytes.size()) {
        hex += "   ";
        continue;
      }
      const auto byte = static_cast<unsigned char>(bytes[i]);
      std::snprintf(text, sizeof(text), "%02x ", byte);
      hex += text;
      shown += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    dump += hex + " |" + shown + "|\n";
  }
  return dump;
}

class FormatsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "millrace_docs_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return (directory_ / name).string(); }
  std::string Contents(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path directory_;
};

TEST_F(FormatsTest, TheRunFileShownIsWhatTheWriterMakes) {
  RunWriter writer(LocalFileSystem(), Path("run"), {.file_id = 7});
  for (const auto& [key, value] : {std::pair("apple", "3"), {"apply", "1"}, {"pear", "22"}}) {
    writer.Add(MakeRecordView(key, value));
  }
  const Result<RunInfo> info = writer.Close();
  ASSERT_TRUE(info.ok()) << info.error().message();
  const CodeBlock shown = FindBlock("docs/formats/run-file.md", "dump");
  EXPECT_EQ(shown.text, Dump(Contents("run"))) << shown.place;
}

TEST_F(FormatsTest, TheTableFileShownIsWhatTheWriterMakes) {
  const auto writer = TableWriter::Create(LocalFileSystem(), Path("table"));
  ASSERT_TRUE(writer.ok()) << writer.error().message();
  for (const auto& [key, value] : {std::pair("apple", "3"), {"apply", "1"}, {"pear", "22"}})
    ASSERT_TRUE((*writer)->Add(key, value).ok());
  ASSERT_TRUE((*writer)->Close(/*is_durable=*/false).ok());
  const CodeBlock shown = FindBlock("docs/formats/table-file.md", "dump");
  EXPECT_EQ(shown.text, Dump(Contents("table"))) << shown.place;
}

TEST_F(FormatsTest, TheZstdFileShownIsWhatTheWriterMakes) {
  auto file = OutputFile::Create(LocalFileSystem(), Path("out"), Compression::kZstd);
  ASSERT_TRUE(file.ok()) << file.error().message();
  (*file)->Append("SE\t1\tsong a\n");
  const Result<OutputFileInfo> info = (*file)->Close();
  ASSERT_TRUE(info.ok()) << info.error().message();
  const CodeBlock shown = FindBlock("docs/formats/zstd.md", "dump");
  EXPECT_EQ(shown.text, Dump(Contents("out"))) << shown.place;
}

TEST_F(FormatsTest, TheJournalShownIsWhatTheMasterWrites) {
  struct Nobody : JournalVisitor {
    Status OnSnapshot(std::string_view) override { return Status::Internal("it is new"); }
    Status OnRecord(std::string_view) override { return Status::Internal("it is new"); }
  } nobody;
  const auto journal = Journal::Open(LocalFileSystem(), directory_.string(), nobody);
  ASSERT_TRUE(journal.ok()) << journal.error().message();
  ASSERT_TRUE((*journal)->Append("apple").ok() && (*journal)->Append("pear").ok());
  ASSERT_TRUE((*journal)->Sync().ok());
  const CodeBlock shown = FindBlock("docs/formats/journal.md", "dump");
  EXPECT_EQ(shown.text, Dump(Contents("segment-0000000001-0000000000"))) << shown.place;
}

TEST_F(FormatsTest, TheFrameShownIsWhatTheCodecMakes) {
  const AttemptId attempt{.task = {.phase = {.run = {300}, .index = 2}, .index = 3}, .number = 1};
  const CodeBlock shown = FindBlock("docs/formats/wire.md", "dump");
  const std::string frame = EncodeMessage({.epoch = {1}, .sequence = 2, .body = KillTask{attempt}});
  EXPECT_EQ(shown.text, Dump(frame)) << shown.place;
}

// Its hash fits, too: DecodeManifest believes nothing else.
TEST_F(FormatsTest, TheManifestShownIsOne) {
  const CodeBlock shown = FindBlock("docs/formats/manifest.md", "dump");
  const Result<proto::Manifest> manifest = DecodeManifest(shown.text, shown.place);
  EXPECT_TRUE(manifest.ok()) << manifest.error().message();
}

// The table of encoded keys in docs/reference/api.md: "| C++ | value | bytes |".
TEST_F(FormatsTest, TheEncodedKeysShownAreWhatTheCodecMakes) {
  const auto bytes = [](const auto& key) {
    std::string room(KeyBytesMax(key) + 32, '\0');
    const char* const end = EncodeKey<true>(room.data(), key);
    std::string hex;
    for (const char* at = room.data(); at < end; ++at) {
      char text[8];
      std::snprintf(text, sizeof(text), "%s%02x", hex.empty() ? "" : " ",
                    static_cast<unsigned char>(*at));
      hex += text;
    }
    return hex;
  };
  using Text = std::string_view;
  const std::string page = ReadProjectFile("docs/reference/api.md");
  const auto expect_row = [&page](const std::string& value, const std::string& hex) {
    EXPECT_NE(page.find("| `" + value + "` | `" + hex + "` |"), std::string::npos)
        << "no row for " << value << " with " << hex;
  };
  expect_row("std::uint32_t{7}", bytes(std::uint32_t{7}));
  expect_row("std::int32_t{-1}", bytes(std::int32_t{-1}));
  expect_row("1.0", bytes(1.0));
  expect_row("std::string_view(\"SE\")", bytes(Text("SE")));
  expect_row("std::tuple(\"SE\", 7u)", bytes(std::tuple(Text("SE"), 7u)));
  expect_row("std::optional<std::uint8_t>()", bytes(std::optional<std::uint8_t>()));
  expect_row("std::optional<std::uint8_t>(7)", bytes(std::optional<std::uint8_t>(7)));
  expect_row("Descending{7u}", bytes(Descending{7u}));
}

}  // namespace
}  // namespace millrace

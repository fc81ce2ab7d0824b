// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/local_write_file.h"

#include <unistd.h>

#include <string>

#include "mapreduce/base/failpoint.h"
#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

constexpr std::size_t kBuffer = LocalWriteFile::kBufferBytes;

class LocalWriteFileTest : public IoTest {
 protected:
  ~LocalWriteFileTest() override { failpoint::DisarmAll(); }

  // Appends `content` in pieces; the first error of any call.
  Status Write(const std::string& path, const std::string& content, std::size_t piece_bytes,
               FileUse use) {
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files_.Create(path, use));
    for (std::size_t at = 0; at < content.size(); at += piece_bytes)
      MR_RETURN_IF_ERROR(file->Append(std::string_view(content).substr(at, piece_bytes)));
    if (use == FileUse::kKept) MR_RETURN_IF_ERROR(file->Sync());
    return file->Close();
  }
};

TEST_F(LocalWriteFileTest, HoldsWhatWasAppendedWhateverTheSize) {
  int number = 0;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, kBuffer - 1, kBuffer, kBuffer + 1,
                                  2 * kBuffer, 5 * kBuffer + 4097}) {
    for (const std::size_t piece_bytes : {std::size_t{4096}, std::size_t{70'001}, 3 * kBuffer}) {
      for (const FileUse use : {FileUse::kKept, FileUse::kScratch, FileUse::kMapped}) {
        const std::string path = Path(std::to_string(++number));
        const std::string content = SomeText(bytes, bytes + piece_bytes);
        ASSERT_TRUE(Write(path, content, piece_bytes, use).ok());
        EXPECT_TRUE(Contents(path) == content) << bytes << " in pieces of " << piece_bytes;
      }
    }
  }
}

TEST_F(LocalWriteFileTest, AppendsGoOnBehindASync) {
  auto file = *files_.Create(Path("f"));
  const std::string content = SomeText(3 * kBuffer + 100, 1);
  ASSERT_TRUE(file->Append(std::string_view(content).substr(0, kBuffer + 50)).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_TRUE(Contents(Path("f")) == content.substr(0, kBuffer + 50));
  ASSERT_TRUE(file->Append(std::string_view(content).substr(kBuffer + 50)).ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(Contents(Path("f")) == content);
}

// Small pieces wait for a large one's turn, and the other way round.
TEST_F(LocalWriteFileTest, KeepsTheOrderOfSmallAndLargePieces) {
  const std::string content = SomeText(6 * kBuffer, 4);
  for (const FileUse use : {FileUse::kKept, FileUse::kScratch}) {
    const std::string path = Path("mixed-" + std::to_string(static_cast<int>(use)));
    auto file = *files_.Create(path, use);
    std::size_t at = 0;
    for (int i = 0; at < content.size(); ++i) {
      const std::string_view piece = std::string_view(content).substr(at, i % 3 == 0   ? 300'000
                                                                          : i % 3 == 1 ? 17
                                                                                       : 500'000);
      ASSERT_TRUE(file->Append(piece).ok());
      at += piece.size();
    }
    ASSERT_TRUE(file->Close().ok());
    EXPECT_TRUE(Contents(path) == content);
  }
}

// Whichever system call fails, of the writer's or of the thread behind it: somebody is told.
TEST_F(LocalWriteFileTest, NoFailedCallGoesUntold) {
  const std::string content = SomeText(4 * kBuffer + 10, 2);
  for (const FileUse use : {FileUse::kKept, FileUse::kScratch}) {
    for (std::uint64_t nth = 1;; ++nth) {
      const std::string path =
          Path(std::to_string(static_cast<int>(use)) + "-" + std::to_string(nth));
      failpoint::Arm("io", FailpointAction::kError, nth);
      const Status status = Write(path, content, 100'000, use);
      const bool was_hit = failpoint::HitCount("io") >= nth;
      failpoint::DisarmAll();
      // The hints that start the write-back of what is kept fail in silence.
      if (use == FileUse::kScratch) {
        EXPECT_EQ(status.ok(), !was_hit) << "call " << nth;
      }
      if (status.ok()) {
        EXPECT_TRUE(Contents(path) == content);
      }
      if (!was_hit) {
        EXPECT_TRUE(status.ok());
        EXPECT_GE(nth, 7u);  // Create, five writes, close.
        break;
      }
    }
  }
}

TEST_F(LocalWriteFileTest, MayBeGivenUpHalfWritten) {
  for (const std::size_t bytes : {std::size_t{10}, 2 * kBuffer + 10}) {
    auto file = *files_.Create(Path("given-up-" + std::to_string(bytes)));
    EXPECT_TRUE(file->Append(SomeText(bytes, 3)).ok());
  }
}

}  // namespace
}  // namespace millrace

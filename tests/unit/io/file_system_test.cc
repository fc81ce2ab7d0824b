// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/file_system.h"

#include <gmock/gmock.h>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class FileSystemTest : public IoTest {};

TEST(PathTest, ParentAndJoin) {
  EXPECT_EQ(ParentPath("a/b"), "a");
  EXPECT_EQ(ParentPath("a/b/"), "a");
  EXPECT_EQ(ParentPath("a//b"), "a");
  EXPECT_EQ(ParentPath("b"), ".");
  EXPECT_EQ(ParentPath("/b"), "/");
  EXPECT_EQ(ParentPath("/"), "/");
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

TEST_F(FileSystemTest, WritesAndReadsBack) {
  for (const FileUse use : {FileUse::kKept, FileUse::kScratch}) {
    const std::string path = Path("f" + std::to_string(static_cast<int>(use)));
    auto file = *files_.Create(path, use);
    const std::string content = SomeText(20 << 20, 1);  // Past two starts of write-back.
    for (std::size_t at = 0; at < content.size(); at += 1 << 20) {
      ASSERT_TRUE(file->Append(std::string_view(content).substr(at, 1 << 20)).ok());
    }
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Close().ok());
    EXPECT_TRUE(Contents(path) == content);
    auto read = *files_.OpenForRead(path);
    std::string tail(100, '\0');
    EXPECT_EQ(*read->ReadAt(content.size() - 60, tail.data(), 100), 60u);
    EXPECT_EQ(tail.substr(0, 60), content.substr(content.size() - 60));
    EXPECT_EQ(*read->ReadAt(content.size() + 5, tail.data(), 100), 0u);
    EXPECT_EQ(read->Stat()->bytes, content.size());
  }
}

TEST_F(FileSystemTest, ErrorsHaveTheirCodes) {
  Write("file", "x");
  EXPECT_EQ(files_.OpenForRead(Path("none")).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.OpenForRead(root_).error().code(), StatusCode::kBadData);
  EXPECT_EQ(files_.Create(Path("file")).error().code(), StatusCode::kCannotCreate);
  EXPECT_EQ(files_.Create(Path("file/x")).error().code(), StatusCode::kCannotCreate);
  EXPECT_EQ(files_.MakeDirectory(Path("file")).code(), StatusCode::kCannotCreate);
  EXPECT_EQ(files_.MakeDirectories(Path("file/a/b")).code(), StatusCode::kCannotCreate);
  EXPECT_EQ(files_.MakeDirectories(Path("file")).code(), StatusCode::kCannotCreate);
  EXPECT_EQ(files_.RemoveFile(Path("none")).code(), StatusCode::kNotFound);
  EXPECT_TRUE(files_.RemoveTree(Path("none")).ok());
  EXPECT_THAT(files_.OpenForRead(Path("none")).error().message(), HasSubstr(Path("none")));
}

TEST_F(FileSystemTest, MakesAllParents) {
  EXPECT_TRUE(files_.MakeDirectories(Path("a/b/c")).ok());
  EXPECT_TRUE(files_.MakeDirectories(Path("a/b/c")).ok());
  EXPECT_TRUE(files_.Stat(Path("a/b/c"))->is_directory);
}

TEST_F(FileSystemTest, ListsInByteOrderWithLinksToNowhere) {
  for (const char* name : {"d/b", "d/a", "d/B", "d/\xc3\xa4"}) Write(name, "x");
  std::filesystem::create_symlink("nowhere", Path("d/c"));
  std::filesystem::create_directory_symlink(root_, Path("d/up"));
  std::vector<std::string> names;
  const std::vector<FileInfo> entries = *files_.List(Path("d"));
  for (const FileInfo& info : entries) {
    names.push_back(info.path.substr(Path("d/").size()));
    EXPECT_EQ(info.is_directory, names.back() == "up");
  }
  EXPECT_THAT(names, testing::ElementsAre("B", "a", "b", "c", "up", "\xc3\xa4"));
}

TEST_F(FileSystemTest, RenamesAndExchanges) {
  Write("a/x", "1");
  Write("b/y", "2");
  EXPECT_EQ(files_.RenameNoReplace(Path("a"), Path("b")).code(), StatusCode::kCannotCreate);
  std::filesystem::create_directory(Path("empty"));
  EXPECT_EQ(files_.RenameNoReplace(Path("a"), Path("empty")).code(), StatusCode::kCannotCreate);
  EXPECT_TRUE(files_.Exchange(Path("a"), Path("b")).ok());
  EXPECT_EQ(Contents(Path("a/y")), "2");
  EXPECT_TRUE(files_.RenameNoReplace(Path("a"), Path("c")).ok());
  EXPECT_EQ(Contents(Path("c/y")), "2");
  EXPECT_TRUE(files_.SyncTree(root_).ok());
  EXPECT_TRUE(files_.SyncDirectory(root_).ok());
}

TEST_F(FileSystemTest, RemoveTreeDoesNotFollowLinks) {
  Write("keep/file", "x");
  Write("gone/deep/er/file", "x");
  std::filesystem::create_directory_symlink(Path("keep"), Path("gone/deep/link"));
  EXPECT_TRUE(files_.RemoveTree(Path("gone")).ok());
  EXPECT_FALSE(std::filesystem::exists(Path("gone")));
  EXPECT_EQ(Contents(Path("keep/file")), "x");
}

TEST_F(FileSystemTest, AFailedWriteIsAResourceLimit) {
  auto file = *files_.Create(Path("f"));
  failpoint::Arm("io", FailpointAction::kError, 1);
  EXPECT_TRUE(file->Append("x").ok());  // It waits in memory.
  EXPECT_EQ(file->Sync().code(), StatusCode::kResourceLimit);
  failpoint::DisarmAll();
  EXPECT_FALSE(file->Close().ok());  // The byte is still missing.
}

}  // namespace
}  // namespace millrace

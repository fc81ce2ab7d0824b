// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/publish.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

using Files = std::map<std::string, std::string>;

// The local file system, without the call that not all have.
class WithoutExchange : public FileSystem {
 public:
  using FileSystem::Create;
  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override {
    return local_.OpenForRead(path, use);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) override {
    return local_.Create(path, use);
  }
  Result<FileInfo> Stat(const std::string& path) override { return local_.Stat(path); }
  Result<std::vector<FileInfo>> List(const std::string& path) override { return local_.List(path); }
  Status MakeDirectory(const std::string& path) override { return local_.MakeDirectory(path); }
  Status MakeDirectories(const std::string& path) override { return local_.MakeDirectories(path); }
  Status RemoveFile(const std::string& path) override { return local_.RemoveFile(path); }
  Status RemoveTree(const std::string& path) override { return local_.RemoveTree(path); }
  Status Rename(const std::string& a, const std::string& b) override { return local_.Rename(a, b); }
  Status RenameNoReplace(const std::string& a, const std::string& b) override {
    return local_.RenameNoReplace(a, b);
  }
  Status Exchange(const std::string&, const std::string&) override {
    return Status::Unavailable("cannot exchange");
  }
  Status SyncDirectory(const std::string& path) override { return local_.SyncDirectory(path); }
  Status SyncTree(const std::string& path) override { return local_.SyncTree(path); }

 private:
  FileSystem& local_ = LocalFileSystem();
};

class PublishTest : public IoTest {
 protected:
  void Stage(bool with_target) {
    std::filesystem::remove_all(root_);
    for (const auto& [name, content] : new_) Write("work/staged/" + name, content);
    if (with_target) {
      for (const auto& [name, content] : old_) Write("out/" + name, content);
    }
  }
  Status Publish(FileSystem& files, bool replace) {
    return PublishDirectory(files, Path("work/staged"), Path("out"), replace, Path(".retired"));
  }

  WithoutExchange without_exchange_;
  const Files old_ = {{"part-0", "old"}, {"gone/part-1", "old"}};
  const Files new_ = {{"part-0", "new"}, {"sub/part-1", "new"}};
};

TEST_F(PublishTest, PutsTheDirectoryInPlace) {
  for (FileSystem* const files : {&files_, static_cast<FileSystem*>(&without_exchange_)}) {
    for (const bool with_target : {false, true}) {
      Stage(with_target);
      const Status status = Publish(*files, /*replace=*/true);
      EXPECT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(Tree("out"), new_);
      EXPECT_TRUE(Tree("work").empty());
      EXPECT_TRUE(Tree(".retired").empty());
    }
  }
}

TEST_F(PublishTest, ReplacesNothingUnasked) {
  Stage(/*with_target=*/true);
  EXPECT_EQ(Publish(files_, /*replace=*/false).code(), StatusCode::kCannotCreate);
  EXPECT_EQ(Tree("out"), old_);
  EXPECT_EQ(Tree("work/staged"), new_);
}

TEST_F(PublishTest, ReplacesALinkThatLeadsNowhere) {
  for (FileSystem* const files : {&files_, static_cast<FileSystem*>(&without_exchange_)}) {
    Stage(/*with_target=*/false);
    std::filesystem::create_symlink("nowhere", Path("out"));
    EXPECT_EQ(Publish(*files, /*replace=*/false).code(), StatusCode::kCannotCreate);
    EXPECT_TRUE(std::filesystem::is_symlink(Path("out")));
    const Status replaced = Publish(*files, /*replace=*/true);
    EXPECT_TRUE(replaced.ok()) << replaced.message();
    EXPECT_EQ(Tree("out"), new_);
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(Path(".retired"))));
  }
}

// Whichever system call or step fails: the target is old or new, never missing, never a mix; new
// only if the message says so.
TEST_F(PublishTest, EveryFailureLeavesOldOrNew) {
  for (FileSystem* const files : {&files_, static_cast<FileSystem*>(&without_exchange_)}) {
    for (const bool with_target : {false, true}) {
      for (const std::string point : {"io", "publish.sync", "publish.rename", "publish.exchange",
                                      "publish.sync_parent", "publish.remove_old"}) {
        for (std::uint64_t nth = 1;; ++nth) {
          ASSERT_LT(nth, 200u);
          Stage(with_target);
          failpoint::Arm(point, FailpointAction::kError, nth);
          const Status status = Publish(*files, /*replace=*/true);
          const bool was_hit = failpoint::HitCount(point) >= nth;
          failpoint::DisarmAll();
          ASSERT_TRUE(RecoverPublish(*files, Path("out"), Path(".retired")).ok());
          const Files tree = Tree("out");
          const std::string where = point + "@" + std::to_string(nth) + ": " + status.message();
          if (!was_hit) {
            EXPECT_TRUE(status.ok()) << where;
            break;
          }
          ASSERT_FALSE(status.ok()) << point << nth;
          const bool says_published = status.message().find("published") != std::string::npos;
          ASSERT_EQ(tree, says_published ? new_ : (with_target ? old_ : Files{})) << where;
        }
      }
    }
  }
}

// The same for a process that dies at each step and each system call.
TEST_F(PublishTest, EveryKillLeavesOldOrNewAfterRecovery) {
  for (FileSystem* const files : {&files_, static_cast<FileSystem*>(&without_exchange_)}) {
    for (std::uint64_t nth = 1;; ++nth) {
      ASSERT_LT(nth, 200u);
      Stage(/*with_target=*/true);
      const pid_t child = ::fork();
      if (child == 0) {
        failpoint::Arm("io", FailpointAction::kKill, nth);
        static_cast<void>(Publish(*files, /*replace=*/true));
        ::_exit(0);
      }
      int exit_status = 0;
      ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
      ASSERT_TRUE(RecoverPublish(*files, Path("out"), Path(".retired")).ok());
      const Files tree = Tree("out");
      ASSERT_TRUE(tree == old_ || tree == new_) << nth;
      EXPECT_FALSE(std::filesystem::exists(Path(".retired"))) << nth;
      if (!WIFSIGNALED(exit_status)) {
        EXPECT_GT(nth, 10u);
        EXPECT_EQ(tree, new_);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/key_folder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/security/key_file.h"
#include "mapreduce/security/module_signature.h"
#include "tests/unit/security/keys_folder.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

KeyFolder Opened(const std::string& directory, KeyHolder holder) {
  Result<KeyFolder> folder = ReadKeyFolder(directory, holder);
  EXPECT_TRUE(folder.ok()) << folder.error().message();
  return folder.ok() ? *std::move(folder) : KeyFolder();
}

class KeyFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(MakeKeys(keys_).ok()); }

  const KeysFolder folder_;
  const std::string keys_ = folder_.File("keys");
};

TEST_F(KeyFolderTest, EachHolderKnowsTheOthersItNeeds) {
  const KeyFolder master = Opened(keys_, KeyHolder::kMaster);
  const KeyFolder worker = Opened(keys_, KeyHolder::kWorker);
  const KeyFolder submitter = Opened(keys_, KeyHolder::kSubmitter);
  EXPECT_EQ(master.path, keys_ + "/master");
  EXPECT_EQ(worker.path, keys_ + "/worker");
  EXPECT_EQ(worker.master, master.own.public_key);
  EXPECT_EQ(submitter.master, master.own.public_key);
  ASSERT_NE(master.allowed, nullptr);
  ASSERT_NE(worker.allowed, nullptr);
  EXPECT_EQ(submitter.allowed, nullptr);
  EXPECT_EQ(master.allowed->Find(worker.own.public_key)->role, KeyRole::kWorker);
  EXPECT_EQ(master.allowed->Find(submitter.own.public_key)->role, KeyRole::kSubmitter);
  EXPECT_EQ(worker.allowed->Find(worker.own.public_key)->role, KeyRole::kWorker);
  EXPECT_FALSE(worker.allowed->Find(submitter.own.public_key).has_value());
  EXPECT_FALSE(worker.allowed->Find(master.own.public_key).has_value());
  const Result<SigningKey> signing = ReadSigningKey(submitter.signing_key_path);
  ASSERT_TRUE(signing.ok()) << signing.error().message();
  EXPECT_THAT(worker.allowed->Signers(), ElementsAre(signing->public_key));
}

TEST_F(KeyFolderTest, SecretsAreTheOwnersAlone) {
  for (const char* const secret : {"master/secret.key", "worker/secret.key", "submitter/secret.key",
                                   "submitter/signing.key"}) {
    EXPECT_EQ(ModeOf(keys_ + "/" + secret), 0600u) << secret;
  }
  for (const char* const folder : {"", "/master", "/worker", "/submitter"}) {
    EXPECT_EQ(ModeOf(keys_ + folder), 0700u) << folder;
  }
  // What a worker's host has doesn't let anybody submit, or sign.
  EXPECT_FALSE(std::filesystem::exists(keys_ + "/worker/signing.key"));
  EXPECT_FALSE(std::filesystem::exists(keys_ + "/master/signing.key"));
}

TEST_F(KeyFolderTest, AFolderOfOneHolderIsTakenAsItIs) {
  const KeyFolder worker = Opened(keys_ + "/worker", KeyHolder::kWorker);
  EXPECT_EQ(worker.path, keys_ + "/worker");
  // A master that is given a worker's folder has the wrong key, and says what it lacks.
  const Result<KeyFolder> wrong = ReadKeyFolder(keys_ + "/submitter", KeyHolder::kWorker);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.error().message(), HasSubstr("allowed.keys is missing"));
}

TEST_F(KeyFolderTest, SaysWhatToDoWhereThereAreNone) {
  const Result<KeyFolder> none = ReadKeyFolder(folder_.File("other"), KeyHolder::kWorker);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(none.error().message(), HasSubstr("millrace keygen"));
}

TEST_F(KeyFolderTest, RefusesSecretsThatOthersCanRead) {
  const std::string secret = keys_ + "/worker/secret.key";
  for (const mode_t mode : {0604, 0660, 0644}) {
    ::chmod(secret.c_str(), mode);
    const Result<KeyFolder> worker = ReadKeyFolder(keys_, KeyHolder::kWorker);
    ASSERT_FALSE(worker.ok()) << mode;
    EXPECT_THAT(worker.error().message(), HasSubstr("others may read the secret key"));
  }
  ::chmod(secret.c_str(), 0400);
  EXPECT_TRUE(ReadKeyFolder(keys_, KeyHolder::kWorker).ok());
}

// As Kubernetes and systemd give secrets to a service: root's files, which its group may read.
TEST_F(KeyFolderTest, TakesWhatRootGivesToAGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  const std::string secret = keys_ + "/worker/secret.key";
  ::chmod(folder_.path().c_str(), 0755);
  ::chmod(keys_.c_str(), 0755);
  ::chmod((keys_ + "/worker").c_str(), 0755);
  const auto read_as_nobody = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      const bool is_nobody = ::setgid(65534) == 0 && ::setuid(65534) == 0;
      const bool is_taken = is_nobody && ReadKeyFolder(keys_, KeyHolder::kWorker).ok();
      ::_exit(is_taken ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  ASSERT_EQ(::chown(secret.c_str(), 0, 65534), 0);
  ::chmod(secret.c_str(), 0440);
  EXPECT_TRUE(read_as_nobody());
  ::chmod(secret.c_str(), 0460);
  EXPECT_FALSE(read_as_nobody()) << "its group may write it";
  ::chmod(secret.c_str(), 0444);
  EXPECT_FALSE(read_as_nobody()) << "everybody may read it";
  ASSERT_EQ(::chown(secret.c_str(), 1, 65534), 0);
  ::chmod(secret.c_str(), 0440);
  EXPECT_FALSE(read_as_nobody()) << "it is another user's";
  ASSERT_EQ(::chown(secret.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(read_as_nobody()) << "its group may read it, and nobody's root has said so";
  ::chmod(secret.c_str(), 0400);
  EXPECT_TRUE(read_as_nobody());
}

TEST_F(KeyFolderTest, NamesTheFileThatIsNoKey) {
  const std::string secret = keys_ + "/worker/secret.key";
  const std::string good = folder_.Read("keys/worker/secret.key");
  for (const std::string& text :
       {std::string(), std::string("# nothing\n"), std::string(63, 'a') + "\n", good + good,
        std::string(3 << 20, '#')}) {
    folder_.Write("keys/worker/secret.key", text);
    const Result<KeyFolder> worker = ReadKeyFolder(keys_, KeyHolder::kWorker);
    ASSERT_FALSE(worker.ok()) << text.substr(0, 80);
    EXPECT_THAT(worker.error().message(), HasSubstr("worker/secret.key"));
    // A secret that was cut off is one still.
    EXPECT_THAT(worker.error().message(), Not(HasSubstr(std::string(63, 'a'))));
  }
  std::filesystem::remove(secret);
  ASSERT_EQ(::mkfifo(secret.c_str(), 0600), 0);
  EXPECT_THAT(ReadKeyFolder(keys_, KeyHolder::kWorker).error().message(), HasSubstr("is no file"));
}

TEST_F(KeyFolderTest, NeverOverwritesKeys) {
  const std::string before = folder_.Read("keys/master/secret.key");
  const Status again = MakeKeys(keys_);
  EXPECT_EQ(again.code(), StatusCode::kCannotCreate);
  EXPECT_THAT(again.message(), HasSubstr("is there already"));
  EXPECT_EQ(folder_.Read("keys/master/secret.key"), before);
}

TEST_F(KeyFolderTest, AddsAWorkerThatAllOthersKnow) {
  const auto changed = AddKeys(keys_, KeyRole::kWorker, "rack7");
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_THAT(*changed,
              UnorderedElementsAre(keys_ + "/master/allowed.keys", keys_ + "/worker/allowed.keys"));
  const KeyFolder first = Opened(keys_, KeyHolder::kWorker);
  const KeyFolder second = Opened(keys_ + "/rack7", KeyHolder::kWorker);
  const KeyFolder master = Opened(keys_, KeyHolder::kMaster);
  EXPECT_EQ(master.allowed->Find(second.own.public_key)->name, "rack7");
  EXPECT_TRUE(first.allowed->Find(second.own.public_key).has_value());
  EXPECT_TRUE(second.allowed->Find(first.own.public_key).has_value());
  EXPECT_TRUE(second.allowed->Find(second.own.public_key).has_value());
  EXPECT_EQ(second.allowed->Signers(), first.allowed->Signers());
  EXPECT_EQ(second.master, master.own.public_key);
}

// Two people at once: each of the new workers is on every list.
TEST_F(KeyFolderTest, LosesNoneThatAreAddedSideBySide) {
  constexpr int kAdded = 8;
  std::vector<std::thread> threads;
  for (int i = 0; i < kAdded; ++i) {
    threads.emplace_back([this, i] {
      const auto added = AddKeys(keys_, KeyRole::kWorker, "n" + std::to_string(i));
      EXPECT_TRUE(added.ok()) << added.error().message();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::string> lists = {"keys/master/allowed.keys", "keys/worker/allowed.keys"};
  for (int i = 0; i < kAdded; ++i) lists.push_back("keys/n" + std::to_string(i) + "/allowed.keys");
  for (const std::string& list : lists) {
    for (int i = 0; i < kAdded; ++i) {
      EXPECT_THAT(folder_.Read(list), HasSubstr(" n" + std::to_string(i) + " ")) << list;
    }
  }
}

TEST_F(KeyFolderTest, AMasterTakesNobodyElsesFolder) {
  for (const char* const other : {"/worker", "/submitter"}) {
    const Result<KeyFolder> wrong = ReadKeyFolder(keys_ + other, KeyHolder::kMaster);
    ASSERT_FALSE(wrong.ok()) << other;
    EXPECT_EQ(wrong.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(wrong.error().message(), HasSubstr("of a worker or a submitter"));
  }
}

TEST_F(KeyFolderTest, AddsASubmitterWhoseModulesWorkersTake) {
  ASSERT_TRUE(AddKeys(keys_, KeyRole::kSubmitter, "alice").ok());
  ASSERT_TRUE(AddKeys(keys_, KeyRole::kViewer, "wall").ok());
  const KeyFolder alice = Opened(keys_ + "/alice", KeyHolder::kSubmitter);
  const Result<SigningKey> signing = ReadSigningKey(alice.signing_key_path);
  ASSERT_TRUE(signing.ok());
  EXPECT_THAT(Opened(keys_, KeyHolder::kWorker).allowed->Signers(),
              ::testing::Contains(signing->public_key));
  const KeyFolder wall = Opened(keys_ + "/wall", KeyHolder::kSubmitter);
  EXPECT_EQ(wall.signing_key_path, "");
  EXPECT_EQ(Opened(keys_, KeyHolder::kMaster).allowed->Find(wall.own.public_key)->role,
            KeyRole::kViewer);
}

TEST_F(KeyFolderTest, RefusesNamesThatAreTakenOrNone) {
  EXPECT_EQ(AddKeys(keys_, KeyRole::kWorker, "worker").error().code(), StatusCode::kCannotCreate);
  for (const char* const name : {"", "..", "a/b", "-x", "a b"}) {
    EXPECT_EQ(AddKeys(keys_, KeyRole::kWorker, name).error().code(), StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_EQ(AddKeys(folder_.path(), KeyRole::kWorker, "x").error().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace

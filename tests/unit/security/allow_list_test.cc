// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/allow_list.h"

#include <sys/resource.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/security/keys_folder.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PublicKey Key(char digit) { return *PublicKey::FromHex(std::string(64, digit)); }

std::string Line(const std::string& role, const std::string& name, char digit) {
  return role + " " + name + " " + std::string(64, digit) + "\n";
}

std::shared_ptr<AllowList> Opened(const std::string& path) {
  auto list = AllowList::Open(path);
  EXPECT_TRUE(list.ok()) << list.error().message();
  return list.ok() ? *list : nullptr;
}

TEST(AllowListTest, ReadsRolesNamesAndKeys) {
  const auto keys = ParseAllowList("# who may\n\n" + Line("worker", "rack7", 'a') +
                                       "\tsubmitter\t" + "night.ly_1-x  " + std::string(64, 'B') +
                                       " # till May\r\n" + "viewer v " + std::string(64, 'c'),
                                   "list");
  ASSERT_TRUE(keys.ok()) << keys.error().message();
  ASSERT_EQ(keys->size(), 3u);
  EXPECT_EQ((*keys)[0].role, KeyRole::kWorker);
  EXPECT_EQ((*keys)[0].name, "rack7");
  EXPECT_EQ((*keys)[0].key, Key('a'));
  EXPECT_EQ((*keys)[1].role, KeyRole::kSubmitter);
  EXPECT_EQ((*keys)[1].name, "night.ly_1-x");
  EXPECT_EQ((*keys)[1].key, Key('b'));
  EXPECT_EQ((*keys)[2].role, KeyRole::kViewer);
}

TEST(AllowListTest, NamesTheLineThatIsWrong) {
  const std::string hex(64, 'a');
  for (const auto& [line, why] : std::vector<std::pair<std::string, std::string>>{
           {"boss x " + hex, "no role"},
           {"Worker x " + hex, "no role"},
           {"worker", "no name"},
           {"worker .. " + hex, "no name"},
           {"worker a/b " + hex, "no name"},
           {"worker -x " + hex, "no name"},
           {"worker " + std::string(65, 'n') + " " + hex, "no name"},
           {"worker x", "no key"},
           {"worker x " + hex.substr(1), "no key"},
           {"worker x " + hex + "a", "no key"},
           {"worker x " + hex + " and more", "behind the key"},
       }) {
    const auto keys = ParseAllowList(Line("worker", "w", 'b') + "#\n" + line + "\n", "the/list");
    ASSERT_FALSE(keys.ok()) << line;
    EXPECT_EQ(keys.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(keys.error().message(), HasSubstr("the/list:3: ")) << line;
    EXPECT_THAT(keys.error().message(), HasSubstr(why)) << line;
  }
}

// Else a worker's key could be made a submitter's by a line further down.
TEST(AllowListTest, AKeyHasOneRole) {
  const auto keys =
      ParseAllowList(Line("worker", "w", 'a') + Line("submitter", "s", 'a'), "the/list");
  ASSERT_FALSE(keys.ok());
  EXPECT_THAT(keys.error().message(), HasSubstr("the/list:2: the key of line 1 again"));
}

TEST(AllowListTest, FindsWhoMayConnect) {
  const KeysFolder folder;
  const auto list =
      Opened(folder.Write("allowed.keys", Line("worker", "w", 'a') + Line("signer", "s", 'b')));
  ASSERT_NE(list, nullptr);
  ASSERT_TRUE(list->Find(Key('a')).has_value());
  EXPECT_EQ(list->Find(Key('a'))->role, KeyRole::kWorker);
  EXPECT_FALSE(list->Find(Key('b')).has_value()) << "a signer connects to nobody";
  EXPECT_FALSE(list->Find(Key('c')).has_value());
  EXPECT_THAT(list->Signers(), ElementsAre(Key('b')));
}

// As its owner does, who looks twice a second.
Status RefreshTwice(AllowList& list) {
  Status status = list.Refresh();
  status.Update(list.Refresh());
  return status;
}

TEST(AllowListTest, FollowsItsFile) {
  const KeysFolder folder;
  const std::string path = folder.Write("allowed.keys", Line("worker", "w", 'a'));
  const auto list = Opened(path);
  ASSERT_NE(list, nullptr);
  const std::uint64_t version = list->version();
  EXPECT_TRUE(RefreshTwice(*list).ok());
  EXPECT_EQ(list->version(), version) << "nothing has changed";

  folder.Write("allowed.keys", Line("worker", "w2", 'b'));
  EXPECT_TRUE(RefreshTwice(*list).ok());
  EXPECT_GT(list->version(), version);
  EXPECT_FALSE(list->Find(Key('a')).has_value()) << "revoked";
  EXPECT_TRUE(list->Find(Key('b')).has_value());

  // As an editor does it: another file under the same name.
  folder.Write("new", Line("worker", "w3", 'c'));
  std::filesystem::rename(folder.File("new"), path);
  EXPECT_TRUE(RefreshTwice(*list).ok());
  EXPECT_TRUE(list->Find(Key('c')).has_value());
}

// Half a list is a list, too.
TEST(AllowListTest, WaitsUntilNobodyWritesItsFile) {
  const KeysFolder folder;
  const std::string whole = Line("worker", "w", 'a') + Line("worker", "v", 'b');
  const auto list = Opened(folder.Write("allowed.keys", whole));
  ASSERT_NE(list, nullptr);
  folder.Write("allowed.keys", "");
  EXPECT_TRUE(list->Refresh().ok());
  folder.Write("allowed.keys", Line("worker", "w", 'a'));
  EXPECT_TRUE(list->Refresh().ok());
  folder.Write("allowed.keys", whole + Line("worker", "u", 'c'));
  EXPECT_TRUE(list->Refresh().ok());
  EXPECT_TRUE(list->Find(Key('b')).has_value());
  EXPECT_FALSE(list->Find(Key('c')).has_value());
  EXPECT_TRUE(list->Refresh().ok());
  EXPECT_TRUE(list->Find(Key('c')).has_value());
}

#if !defined(__SANITIZE_ADDRESS__)  // It needs descriptors of its own.
// Others can bring a process to its last descriptor, but not keep a key from being revoked.
TEST(AllowListTest, TriesAgainWhatCouldNotBeRead) {
  const KeysFolder folder;
  const auto list = Opened(folder.Write("allowed.keys", Line("worker", "w", 'a')));
  ASSERT_NE(list, nullptr);
  folder.Write("allowed.keys", Line("worker", "w", 'b'));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Status failed = RefreshTwice(*list);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(failed.message(), HasSubstr("Too many open files"));
  EXPECT_TRUE(list->Find(Key('a')).has_value());
  EXPECT_TRUE(list->Refresh().ok());
  EXPECT_FALSE(list->Find(Key('a')).has_value());
}
#endif

TEST(AllowListTest, StaysAsItWasWhereItsFileIsWrong) {
  const KeysFolder folder;
  const auto list = Opened(folder.Write("allowed.keys", Line("worker", "w", 'a')));
  ASSERT_NE(list, nullptr);
  folder.Write("allowed.keys", "worker w\n");
  EXPECT_THAT(RefreshTwice(*list).message(), HasSubstr("allowed.keys:1"));
  EXPECT_TRUE(RefreshTwice(*list).ok()) << "told once";
  EXPECT_TRUE(list->Find(Key('a')).has_value());
  std::filesystem::remove(folder.File("allowed.keys"));
  EXPECT_THAT(RefreshTwice(*list).message(), HasSubstr("is missing"));
  EXPECT_TRUE(list->Find(Key('a')).has_value());
  folder.Write("allowed.keys", Line("worker", "w", 'b'));
  EXPECT_TRUE(RefreshTwice(*list).ok());
  EXPECT_FALSE(list->Find(Key('a')).has_value());
}

TEST(AllowListTest, IsNotTakenFromAFileThatOthersMayWrite) {
  const KeysFolder folder;
  for (const mode_t mode : {0620, 0602, 0666}) {
    const auto list = AllowList::Open(folder.Write("allowed.keys", Line("worker", "w", 'a'), mode));
    ASSERT_FALSE(list.ok());
    EXPECT_THAT(list.error().message(), HasSubstr("others may write"));
  }
}

TEST(AllowListTest, TakesKeysThatNoFileHas) {
  const KeysFolder folder;
  const auto list = Opened(folder.Write("allowed.keys", ""));
  ASSERT_NE(list, nullptr);
  list->Add({KeyRole::kViewer, "guest", Key('d')});
  ASSERT_TRUE(list->Find(Key('d')).has_value());
  EXPECT_EQ(list->Find(Key('d'))->name, "guest");
  list->Forget(Key('d'));
  EXPECT_FALSE(list->Find(Key('d')).has_value());
}

}  // namespace
}  // namespace millrace

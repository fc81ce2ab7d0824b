// SPDX-License-Identifier: Apache-2.0
#include "worker/spool.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/worker_tools.h"
#include "worker/held_runs.h"
#include "worker/module_cache.h"
#include "worker/module_fetcher.h"
#include "worker/task_inputs.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class SpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "spool_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = fs::canonical(name);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::unique_ptr<Spool> Open() {
    auto spool = Spool::Open((root_ / "dir").string());
    EXPECT_TRUE(spool.ok()) << spool.error().message();
    return spool.ok() ? *std::move(spool) : nullptr;
  }
  // Folders of workers.
  std::size_t WorkerCount() {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(root_ / "dir"))
      count += entry.path().filename().string().starts_with("worker-") ? 1 : 0;
    return count;
  }
  // The thread that removes says nothing: look until it is done, or a while has passed.
  static bool IsGoneSoon(const fs::path& path) {
    for (int i = 0; i < 2'000 && fs::exists(path) && !fs::is_empty(path); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return !fs::exists(path) || fs::is_empty(path);
  }

  fs::path root_;
};

TEST_F(SpoolTest, EachWorkerHasAFolderThatGoesWithIt) {
  auto a = Open(), b = Open();
  EXPECT_EQ(WorkerCount(), 2u);
  EXPECT_NE(a->directory(), b->directory());
  EXPECT_EQ(fs::status(a->directory()).permissions(), fs::perms::owner_all);
  ASSERT_TRUE(a->Append({Reduce(0), {}, kPeer}, "x").ok());
  EXPECT_TRUE(a->Remove().ok());
  b.reset();
  EXPECT_EQ(WorkerCount(), 0u);
}

TEST_F(SpoolTest, ClearsWhatDeadWorkersLeftAndNothingElse) {
  const auto living = Open();
  fs::create_directories(root_ / "dir/worker-dead/attempts/1-0-0-1");
  std::ofstream(root_ / "dir/worker-dead/lock") << "millrace work directory\npid 1\n";
  fs::create_directories(root_ / "dir/worker-foreign");
  std::ofstream(root_ / "dir/worker-foreign/mine") << "keep";
  std::ofstream(root_ / "dir/worker-file") << "keep";
  const auto next = Open();
  EXPECT_FALSE(fs::exists(root_ / "dir/worker-dead"));
  EXPECT_EQ(Slurp(root_ / "dir/worker-foreign/mine"), "keep");
  EXPECT_EQ(Slurp(root_ / "dir/worker-file"), "keep");
  EXPECT_TRUE(fs::exists(living->directory()));
}

TEST_F(SpoolTest, AppendsWhatIsFetched) {
  const auto spool = Open();
  const FetchKey key{Reduce(0), {0, 1}, kPeer}, other{Reduce(0), {0, 1}, kOther};
  ASSERT_TRUE(spool->Append(key, "ab").ok());
  ASSERT_TRUE(spool->Append(other, "x").ok());
  ASSERT_TRUE(spool->Append(key, "cd").ok());
  EXPECT_EQ(Slurp(spool->FetchPath(key)), "abcd");
  EXPECT_EQ(Slurp(spool->FetchPath(other)), "x");
}

TEST_F(SpoolTest, SaysWhenItCannotKeepBytes) {
  const auto spool = Open();
  ASSERT_TRUE(spool->MakeAttemptFolder(Reduce(0)).ok());
  const FetchKey key{Reduce(0), {}, kPeer};
  fs::create_symlink("/dev/full", spool->FetchPath(key));
  const Status status = spool->Append(key, "ab");
  EXPECT_EQ(status.code(), StatusCode::kResourceLimit);
  EXPECT_THAT(status.message(), HasSubstr(spool->FetchPath(key)));
}

TEST_F(SpoolTest, DropsAnAttemptOrItsInputsAlone) {
  const auto spool = Open();
  ASSERT_TRUE(spool->Append({Reduce(0), {}, kPeer}, "ab").ok());
  std::ofstream(spool->RunPath(Reduce(0), 0)) << "run";
  spool->DropInputs(Reduce(0));
  EXPECT_FALSE(fs::exists(spool->FetchPath({Reduce(0), {}, kPeer})));
  EXPECT_TRUE(fs::exists(spool->RunPath(Reduce(0), 0)));
  spool->Drop(Reduce(0));
  EXPECT_FALSE(fs::exists(spool->AttemptFolder(Reduce(0))));
  spool->Drop(Reduce(0));
  EXPECT_TRUE(IsGoneSoon(fs::path(spool->directory()) / "trash"));
}

TEST_F(SpoolTest, RefusesAFileInItsPlace) {
  std::ofstream(root_ / "dir") << "a file";
  const auto spool = Spool::Open((root_ / "dir").string());
  ASSERT_FALSE(spool.ok());
  EXPECT_EQ(spool.error().code(), StatusCode::kCannotCreate);
}

TEST_F(SpoolTest, KnowsWhereOthersKeepTheirRuns) {
  const AttemptId map{{{{1}, 2}, 3}, 4};
  const auto spool = Open();
  EXPECT_TRUE(Spool::IsRunPath(spool->RunPath(map, 5), map, 5));
  EXPECT_FALSE(Spool::IsRunPath(spool->RunPath(map, 5), map, 6));
  EXPECT_FALSE(Spool::IsRunPath(spool->RunPath(map, 5), {map.task, 5}, 5));
  const std::string end = "/attempts/1-2-3-4/run-5";
  EXPECT_TRUE(Spool::IsRunPath("/s/worker-0123456789abcdef" + end, map, 5));
  for (const char* begin : {"", "s/worker-0123456789abcdef", "/s/worker-0123456789abcde",
                            "/s/worker-0123456789abcdeF", "/worker-0123456789abcdef0",
                            "/s/../worker-0123456789abcdef", "/s/x-worker-0123456789abcdef"})
    EXPECT_FALSE(Spool::IsRunPath(begin + end, map, 5)) << begin;
  const std::string zero("/s\0/worker-0123456789abcdef", 27);
  EXPECT_FALSE(Spool::IsRunPath(zero + end, map, 5));
  FetchedSource source{{Reduce(0), {0, 5}, kPeer}, {}, 0, {{map, spool->RunPath(map, 5)}}};
  EXPECT_EQ(TaskInputs::CheckSources({source}), std::nullopt);
  source.files.push_back({map, "/etc/passwd"});
  const auto failure = TaskInputs::CheckSources({source});
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, StatusCode::kUnavailable);
  EXPECT_EQ(failure->source, kPeer);
}

TEST_F(SpoolTest, OnlyWhatIsGoneOrDamagedIsCalledDamaged) {
  HeldRuns held;
  const AttemptId gone{{{{1}, 0}, 0}, 1}, passing{{{{1}, 0}, 1}, 1};
  held.Add(gone, {{(root_ / "gone").string(), 1, 100}});
  held.Add(passing, {{root_.string(), 1, 100}});  // A folder is no data.
  for (const AttemptId& output : {gone, passing}) {
    ReadPiece read;
    read.outputs = {output};
    read.bytes_max = 10;
    const PieceRead answer = held.Read(read);
    ASSERT_FALSE(answer.piece.ok());
    EXPECT_EQ(answer.damaged.has_value(), output == gone) << answer.piece.error().message();
  }
}

// ---- Modules

class ModulesTest : public SpoolTest {
 protected:
  void SetUp() override {
    SpoolTest::SetUp();
    spool_ = Open();
    Reopen(1000);
  }
  void Reopen(std::uint64_t bytes_max) {
    auto cache = ModuleCache::Open(spool_->shared_directory() + "/modules",
                                   spool_->directory() + "/modules", bytes_max);
    ASSERT_TRUE(cache.ok()) << cache.error().message();
    cache_ = *std::move(cache);
    fetcher_ = std::make_unique<ModuleFetcher>(*cache_);
  }
  static ModuleFile ModuleOf(const std::string& bytes) {
    return {"jobs.so", HashOf128(bytes), bytes.size()};
  }
  // Plays the master, in pieces of three bytes.
  void Fetch(const std::string& wanted, const std::string& sent) {
    fetcher_->Want(ModuleOf(wanted), now_ms_);
    for (int i = 0; i < 100; ++i, ++now_ms_) {
      for (const FileWanted& question : fetcher_->TakeQuestions(now_ms_))
        fetcher_->Take({question.hash, question.offset, sent.size(),
                        sent.substr(std::min<std::size_t>(question.offset, sent.size()), 3)},
                       now_ms_);
    }
  }

  std::uint64_t now_ms_ = 1'000'000;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<ModuleCache> cache_;
  std::unique_ptr<ModuleFetcher> fetcher_;
};

TEST_F(ModulesTest, ComeInPiecesAndStay) {
  EXPECT_FALSE(cache_->Find(HashOf128("a module")));
  Fetch("a module", "a module");
  EXPECT_TRUE(fetcher_->TakeArrivals());
  EXPECT_EQ(fetcher_->NextTimerMs(), UINT64_MAX);
  const auto path = cache_->Find(HashOf128("a module"));
  ASSERT_TRUE(path);
  EXPECT_EQ(Slurp(*path), "a module");
  struct stat info;
  ASSERT_EQ(stat(path->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0500u);
  Reopen(1000);  // Another worker.
  EXPECT_EQ(cache_->Find(HashOf128("a module")), path);
}

TEST_F(ModulesTest, AreAskedForAgainWithoutAnAnswer) {
  fetcher_->Want(ModuleOf("a module"), now_ms_);
  EXPECT_THAT(fetcher_->TakeQuestions(now_ms_), SizeIs(1));
  EXPECT_THAT(fetcher_->TakeQuestions(now_ms_ + 500), IsEmpty());
  EXPECT_THAT(fetcher_->TakeQuestions(now_ms_ + ModuleFetcher::kRetryMs), SizeIs(1));
}

TEST_F(ModulesTest, FailWhereTheMasterHasLostThem) {
  fetcher_->Want(ModuleOf("a module"), now_ms_);
  fetcher_->Take({HashOf128("a module"), 0, 0, ""}, now_ms_);
  const auto failures = fetcher_->TakeFailures();
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetcher_->TakeFailures(), IsEmpty());
}

TEST_F(ModulesTest, WithWrongBytesAreTriedSomeTimesAndRefused) {
  fetcher_->Want(ModuleOf("a module"), now_ms_);
  std::vector<ModuleFetcher::Failure> failures;
  for (int i = 0; i < ModuleFetcher::kTriesMax; ++i) {
    EXPECT_THAT(failures, IsEmpty());
    fetcher_->Take({HashOf128("a module"), 0, 8, "b module"}, now_ms_);
    failures = fetcher_->TakeFailures();
  }
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].status.code(), StatusCode::kCorrupt);
  EXPECT_FALSE(cache_->Find(HashOf128("a module")));
}

TEST_F(ModulesTest, ThatAreDamagedOnDiskAreFetchedAgain) {
  Fetch("a module", "a module");
  const std::string path = cache_->Find(HashOf128("a module")).value();
  fs::permissions(path, fs::perms::owner_all);
  std::ofstream(path) << "damaged!";
  Reopen(1000);
  EXPECT_FALSE(cache_->Find(HashOf128("a module")));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ModulesTest, ComeBackWhenTheirFolderWasRemoved) {
  fs::remove_all(root_ / "dir/modules");
  Fetch("a module", "a module");
  EXPECT_THAT(fetcher_->TakeFailures(), IsEmpty());
  EXPECT_TRUE(cache_->Find(HashOf128("a module")));
}

TEST_F(ModulesTest, ThatWereReplacedAreHashedAgain) {
  Fetch("a module", "a module");
  const std::string path = cache_->Find(HashOf128("a module")).value();
  std::ofstream(root_ / "other") << "b module";
  fs::rename(root_ / "other", path);
  EXPECT_FALSE(cache_->Find(HashOf128("a module")));
}

TEST_F(ModulesTest, ThatAreInUseAreSpared) {
  Reopen(10);
  Fetch("module a", "module a");
  Fetch("module b", "module b");
  EXPECT_TRUE(cache_->Find(HashOf128("module a")));
  EXPECT_TRUE(cache_->Find(HashOf128("module b")));
}

TEST_F(ModulesTest, UsedLongestAgoGoWhenThereAreTooMany) {
  Reopen(20);
  Fetch("module a", "module a");
  Fetch("module b", "module b");
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(*cache_->Find(HashOf128("module b")), old);
  Fetch("module c", "module c");
  EXPECT_TRUE(cache_->Find(HashOf128("module a")));
  EXPECT_FALSE(cache_->Find(HashOf128("module b")));
  EXPECT_TRUE(cache_->Find(HashOf128("module c")));
}

}  // namespace
}  // namespace millrace

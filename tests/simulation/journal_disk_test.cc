// SPDX-License-Identifier: Apache-2.0
// What the journal promises, on a disk that tells a killed process from a power cut, and whose
// failed sync drops bytes that can still be read: every record that was acknowledged is there, in
// order, and no chain of crashes makes the journal contradict itself.
//
// A history is a few lives of a master, each with a flaw that ends it at one of its changes to the
// disk, and how it ends: the process is killed, what it wrote can be read on; or the power is cut.
// Record i has a payload that follows from i, a snapshot says how many records it stands for.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "master/journal.h"
#include "tests/simulation/sim_disk.h"

namespace millrace {
namespace {

const char kDirectory[] = "/state";

// Of some hundred bytes, so that a group lies in several sectors.
std::string Payload(std::uint64_t i) {
  return std::to_string(i) + std::string(i * 131 % 500, static_cast<char>('a' + i % 26));
}

enum class Flaw { kDiesBefore, kDiesAfter, kDiesWithin, kSyncFails };
constexpr Flaw kFlaws[] = {Flaw::kDiesBefore, Flaw::kDiesAfter, Flaw::kDiesWithin,
                           Flaw::kSyncFails};

// What becomes of one life. A sync is that of a file or of a directory.
struct Fate {
  Flaw flaw = Flaw::kDiesBefore;
  std::uint64_t at = 0;  // The n-th change, or for kSyncFails the n-th sync; 0: none.
  bool is_power_cut = true;
};

// The files as one life of a client sees them; one of its syncs may fail.
class FlawedFiles final : public SimFileSystem {
 public:
  FlawedFiles(SimDisk& disk, int client, const Fate& fate)
      : SimFileSystem(disk, client),
        disk_(disk),
        failing_sync_(fate.flaw == Flaw::kSyncFails ? fate.at : 0) {
    if (fate.at == 0 || failing_sync_ != 0) return;
    disk.SetCrashAt(client, fate.at,
                    fate.flaw == Flaw::kDiesBefore  ? CrashPoint::kBefore
                    : fate.flaw == Flaw::kDiesAfter ? CrashPoint::kAfter
                                                    : CrashPoint::kEither);
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) override {
    MR_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, SimFileSystem::Create(path, use));
    return std::unique_ptr<WritableFile>(new FlawedFile(*this, std::move(file)));
  }
  Result<std::vector<FileInfo>> List(const std::string& directory) override {
    Look();
    return SimFileSystem::List(directory);
  }
  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override {
    Look();
    return SimFileSystem::OpenForRead(path, use);
  }
  Status SyncDirectory(const std::string& path) override {
    return Sync([&] { return SimFileSystem::SyncDirectory(path); });
  }

  // Called once, before the n-th time that files are listed or opened to be read.
  void BeforeLook(std::uint64_t n, std::function<void()> hook) {
    looks_to_hook_ = n;
    hook_ = std::move(hook);
  }
  // Whether the flaw has shown.
  bool has_failed() const { return failing_sync_ != 0 && sync_count_ >= failing_sync_; }

 private:
  class FlawedFile final : public WritableFile {
   public:
    FlawedFile(FlawedFiles& files, std::unique_ptr<WritableFile> file)
        : files_(files), file_(std::move(file)) {}
    Status Append(std::string_view bytes) override { return file_->Append(bytes); }
    Status Sync() override {
      return files_.Sync([this] { return file_->Sync(); });
    }
    Status Close() override { return file_->Close(); }

   private:
    FlawedFiles& files_;
    const std::unique_ptr<WritableFile> file_;
  };

  void Look() {
    if (looks_to_hook_ > 0 && --looks_to_hook_ == 0) hook_();
  }
  Status Sync(const std::function<Status()>& sync) {
    disk_.set_faults({.sync_error = ++sync_count_ == failing_sync_ ? 10'000 : 0});
    Status status = sync();
    disk_.set_faults({});
    return status;
  }

  SimDisk& disk_;
  const std::uint64_t failing_sync_;
  std::uint64_t sync_count_ = 0;
  std::uint64_t looks_to_hook_ = 0;
  std::function<void()> hook_;
};

// Counts the records, and checks that each is the one that comes next.
class Counter final : public JournalVisitor {
 public:
  Status OnSnapshot(std::string_view payload) override {
    count = std::stoull(std::string(payload));
    return Status::Ok();
  }
  Status OnRecord(std::string_view payload) override {
    if (payload != Payload(++count)) is_wrong = true;
    return Status::Ok();
  }

  std::uint64_t count = 0;
  bool is_wrong = false;
};

// A disk, and what was promised to whom.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), disk_(random_) {
    SimFileSystem files(disk_, 0);
    EXPECT_TRUE(files.MakeDirectory(kDirectory).ok() && files.SyncDirectory("/").ok());
  }

  // One life: opens, then takes the steps: a number writes so many records, 0 rotates. False if its
  // flaw had no chance to show. What goes wrong that may not is in fault().
  bool Live(const Fate& fate, const std::vector<std::uint64_t>& steps) {
    bool is_through = false;
    {
      FlawedFiles files(disk_, 0, fate);
      const Status status = Run(files, steps);
      is_through = !disk_.IsDead(0) && !files.has_failed();
      if (is_through && !status.ok()) Fail(status.message());
      if (status.code() == StatusCode::kCorrupt) Fail(status.message());
    }
    if (fate.is_power_cut) {
      disk_.CrashMachine({0, 1});
    } else if (!disk_.IsDead(0)) {
      disk_.KillProcess(0);
    }
    disk_.Revive(0);
    return !is_through;
  }

  // A life without flaws; a power cut; another one.
  void LiveOn() {
    Live({}, {2, 1});
    Live({}, {1});
  }

  SimDisk& disk() { return disk_; }
  Random& random() { return random_; }
  const std::string& fault() const { return fault_; }
  void Fail(const std::string& what) {
    if (fault_.empty()) fault_ = what;
  }

  Result<std::unique_ptr<Journal>> Open(FileSystem& files, Counter& counter) {
    auto journal = Journal::Open(files, kDirectory, counter);
    if (!journal.ok()) return journal;
    if (counter.is_wrong) Fail("a wrong record");
    if (counter.count < acknowledged_) Fail("an acknowledged record is lost");
    if (counter.count > appended_) Fail("a record from nowhere");
    if ((*journal)->durable_sequence() != counter.count) Fail("a wrong number of records");
    // Told to the master, which acts on it: as good as acknowledged.
    acknowledged_ = appended_ = counter.count;
    return journal;
  }

  Status Step(Journal& journal, std::uint64_t step) {
    if (step == 0) return journal.Rotate(std::to_string(journal.durable_sequence()));
    const std::uint64_t end = journal.durable_sequence() + step;
    for (std::uint64_t i = journal.durable_sequence() + 1; i <= end; ++i) {
      const Result<std::uint64_t> sequence = journal.Append(Payload(i));
      if (!sequence.ok()) return sequence.error();
    }
    appended_ = std::max(appended_, end);
    const Result<std::uint64_t> durable = journal.Sync();
    if (!durable.ok()) return durable.error();
    acknowledged_ = *durable;
    return Status::Ok();
  }

 private:
  Status Run(FileSystem& files, const std::vector<std::uint64_t>& steps) {
    Counter counter;
    const auto journal = Open(files, counter);
    if (!journal.ok()) return journal.error();
    for (const std::uint64_t step : steps) MR_RETURN_IF_ERROR(Step(**journal, step));
    return Status::Ok();
  }

  Random random_;
  SimDisk disk_;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t appended_ = 0;
  std::string fault_;
};

std::string NameOf(const Fate& fate) {
  constexpr const char* kNames[] = {"dies before change ", "dies after change ",
                                    "dies within change ", "fails at sync "};
  return kNames[static_cast<int>(fate.flaw)] + std::to_string(fate.at) +
         (fate.is_power_cut ? ", power cut; " : ", kill; ");
}

// All fates but those of a life that is over before.
template <class Try>
void ForEachFate(const Try& attempt) {
  for (const Flaw flaw : kFlaws) {
    for (const bool is_power_cut : {false, true}) {
      for (std::uint64_t at = 1;; ++at) {
        if (!attempt(Fate{flaw, at, is_power_cut})) break;
      }
    }
  }
}

// Each way to end two lives, one after the other.
TEST(JournalDiskTest, SurvivesEachCrashAndAnotherInTheNextLife) {
  const std::vector<std::uint64_t> first_steps = {3, 2, 0, 2, 1};
  const std::vector<std::uint64_t> second_steps = {2, 0, 1};
  std::uint64_t history_count = 0;
  ForEachFate([&](const Fate& first) {
    bool has_shown = false;
    ForEachFate([&](const Fate& second) {
      World world(++history_count);
      has_shown = world.Live(first, first_steps);
      const bool goes_on = world.Live(second, second_steps);
      world.LiveOn();
      EXPECT_EQ(world.fault(), "") << NameOf(first) << NameOf(second) << "seed " << history_count;
      return goes_on && !testing::Test::HasFailure();
    });
    return has_shown && !testing::Test::HasFailure();
  });
  EXPECT_GT(history_count, 10'000u);
}

// Many lives, most of them short: what was never synced is read and handed on again and again.
TEST(JournalDiskTest, SurvivesChainsOfCrashes) {
  for (std::uint64_t seed = 1; seed <= 4000 && !testing::Test::HasFailure(); ++seed) {
    World world(seed);
    Random random(seed);
    std::string history;
    for (std::uint64_t lives = 2 + random.Uniform(7); lives > 0; --lives) {
      const Fate fate = {.flaw = kFlaws[random.Uniform(4)],
                         .at = 1 + random.Uniform(22),
                         .is_power_cut = random.Uniform(3) == 0};
      std::vector<std::uint64_t> steps(random.Uniform(6));
      for (std::uint64_t& step : steps) step = random.Uniform(4);
      world.Live(fate, steps);
      history += NameOf(fate);
    }
    world.LiveOn();
    EXPECT_EQ(world.fault(), "") << history << "seed " << seed;
  }
}

// An old master lives on, and writes or rotates at any moment of the new one's start, or dies of
// it. What it leaves is seen or not, and lost in a power cut or not; none of it is acknowledged.
TEST(JournalDiskTest, SurvivesWhatAnOldMasterDoesMeanwhile) {
  std::uint64_t meetings = 0;
  for (std::uint64_t seed = 1; seed <= 6000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    Random random(seed);
    SimFileSystem old_files(world.disk(), 1);
    Counter nothing;
    const auto old = world.Open(old_files, nothing);
    ASSERT_TRUE(old.ok());
    for (std::uint64_t steps = 1 + random.Uniform(4); steps > 0; --steps) {
      ASSERT_TRUE(world.Step(**old, random.Uniform(3)).ok());
    }
    for (int life = 0; life < 2; ++life) {
      FlawedFiles files(world.disk(), 0, {});
      files.BeforeLook(2 + random.Uniform(6), [&] {  // The first look is before its claim.
        ++meetings;
        world.disk().SetCrashAt(1, random.Uniform(10), CrashPoint::kEither);
        EXPECT_FALSE(world.Step(**old, random.Uniform(3)).ok());
      });
      Counter counter;
      const auto journal = world.Open(files, counter);
      ASSERT_TRUE(journal.ok()) << journal.error().message();
      EXPECT_TRUE(world.Step(**journal, random.Uniform(3)).ok());
      EXPECT_FALSE(world.Step(**old, 1).ok());
      if (random.Uniform(2) == 0) {
        world.disk().CrashMachine({0, 1});
      } else {
        world.disk().KillProcess(0);
      }
      world.disk().Revive(0);
    }
    world.LiveOn();
    EXPECT_EQ(world.fault(), "");
  }
  EXPECT_GT(meetings, 3000u);
}

}  // namespace
}  // namespace millrace

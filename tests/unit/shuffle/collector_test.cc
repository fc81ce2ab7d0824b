// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

// A key's group: the bytes up to and with the first 'p', or all.
std::size_t UpToP(std::string_view key) {
  const std::size_t p = key.find('p');
  return p == std::string_view::npos ? key.size() : p + 1;
}

// Adds up 8-byte values in place.
class SumCollector final : public TableCollector {
 public:
  explicit SumCollector(const CollectorOptions& options) : TableCollector(options, 8) {}

 private:
  static std::string_view ValueAt(const EmitBatch& batch, std::size_t i) {
    const char* const record = batch.begin() + batch.offset(i);
    return {EmitBatch::Key(record) + EmitBatch::KeyBytes(record), EmitBatch::ValueBytes(record)};
  }
  void Apply(const EmitBatch& batch, std::size_t from, std::size_t count,
             const CombiningTable::Chunk& chunk) override {
    for (std::size_t i = 0; i < count; ++i) {
      *reinterpret_cast<std::uint64_t*>(chunk.states[i]) += SumOf(ValueAt(batch, from + i));
    }
  }
  bool IsStateless() const override { return false; }
  void EmitStates(const EmitBatch& batch, std::size_t from, EmitBatch& out) override {
    for (std::size_t i = from; i < batch.count(); ++i) {
      const char* const record = batch.begin() + batch.offset(i);
      Emit(out, {EmitBatch::Key(record), EmitBatch::KeyBytes(record)}, ValueAt(batch, i));
      ++forwarded;
    }
  }

 public:
  std::uint64_t forwarded = 0;
};

struct Setting {
  std::uint64_t memory_bytes = 64 * kMebibyte;
  std::uint64_t retained_bytes_max = 32 * kMebibyte;
  bool spill_every_batch = false;
  bool combines = false;
  GroupReader::PrefixBytes group_bytes = nullptr;
  std::uint64_t bucket_bytes_max = 0;
};

class CollectorTest : public ::testing::Test {
 protected:
  void Begin(const Setting& setting) {
    store_.reset();
    lease_.reset();
    budget_ = std::make_unique<MemoryBudget>(setting.memory_bytes, 1);
    lease_ = std::make_unique<MemoryBudget::Lease>(budget_->Join());
    store_ =
        std::make_unique<RunStore>(LocalFileSystem(), *budget_,
                                   RunStoreOptions{.directory = folder_.Path(""),
                                                   .name = "c" + std::to_string(++stores_),
                                                   .block_bytes = 4096,
                                                   .retained_bytes_max = setting.retained_bytes_max,
                                                   .sample_capacity = 256});
    options_.store = store_.get();
    options_.lease = lease_.get();
    options_.timer = &timer_;
    options_.reserve_bytes = setting.memory_bytes;
    options_.combiner = setting.combines ? &combiner_ : nullptr;
    options_.group_bytes = setting.group_bytes;
    options_.spill_every_batch = setting.spill_every_batch;
    options_.bucket_bytes_max = setting.bucket_bytes_max;
  }

  // Gives each task's records to the collector and closes it.
  static void Collect(Collector& collector, const std::vector<std::vector<Record>>& tasks) {
    for (std::size_t task = 0; task < tasks.size(); ++task) {
      collector.BeginTask(task);
      {
        EmitBatch batch(collector);
        for (const Record& record : tasks[task]) {
          Emit(batch, record.key, record.value);
          batch.EndRecord();
        }
        batch.Flush();
        ASSERT_TRUE(batch.status().ok()) << batch.status().message();
      }
      ASSERT_TRUE(collector.EndTask().ok());
    }
    ASSERT_TRUE(collector.Close().ok());
  }

  std::vector<Record> Stored(std::size_t fan_in = 8, CombineOperator* combiner = nullptr) {
    const Status finished = store_->Finish({fan_in}, combiner, nullptr);
    EXPECT_TRUE(finished.ok()) << finished.message();
    const Result<std::vector<Record>> read = ReadStore(*store_);
    EXPECT_TRUE(read.ok()) << read.error().message();
    return *read;
  }

  std::vector<std::vector<Record>> RandomTasks(std::size_t tasks, std::size_t records,
                                               std::size_t key_bytes_max, bool sums) {
    std::vector<std::vector<Record>> all(tasks);
    for (std::size_t task = 0; task < tasks; ++task) {
      for (std::size_t i = random_.Uniform(2 * records); i > 0; --i) {
        all[task].push_back({NastyKey(random_, key_bytes_max),
                             sums ? SumValue(random_.Uniform(100))
                                  : std::to_string(task) + "." + std::to_string(i)});
      }
    }
    return all;
  }

  static std::map<std::string, std::uint64_t> Sums(const std::vector<Record>& records) {
    std::map<std::string, std::uint64_t> sums;
    for (const Record& record : records) sums[record.key] += SumOf(record.value);
    return sums;
  }
  static std::vector<Record> Flat(const std::vector<std::vector<Record>>& tasks) {
    std::vector<Record> all;
    for (const auto& task : tasks) all.insert(all.end(), task.begin(), task.end());
    return all;
  }

  TestFolder folder_;
  Random random_{TestSeed()};
  PhaseTimes times_;
  PhaseTimer timer_{times_};
  SumOperator combiner_;
  int stores_ = 0;
  std::unique_ptr<MemoryBudget> budget_;
  std::unique_ptr<MemoryBudget::Lease> lease_;
  std::unique_ptr<RunStore> store_;
  CollectorOptions options_;
};

// Of its first three batches it drops what has an even key.
class ThinningOperator final : public CombineOperator {
 public:
  Status Run(Merger&, EmitSink&) override { return Status::UserCode("not to be combined"); }
  std::uint64_t thin_bytes_max() const override { return kMebibyte; }
  bool Thin(EmitBatch& batch) override {
    batch.DropUnless([](const char* record) { return EmitBatch::Key(record)[0] % 2 != 0; });
    return ++calls < 3;
  }
  int calls = 0;
};

TEST_F(CollectorTest, ThinsWhatComesWhileThatIsWorthIt) {
  std::vector<Record> records, expected;
  for (std::size_t i = 0; i < 5 * kBatchRecords; ++i) {
    records.push_back({i % 4 < 2 ? "0" : "1", std::to_string(i)});
    if (i >= 3 * kBatchRecords || i % 4 >= 2) expected.push_back(records.back());
  }
  std::stable_sort(expected.begin(), expected.end(), RecordKeyLess);
  Begin({.bucket_bytes_max = 4 * kMebibyte});
  ThinningOperator thinning;
  options_.combiner = &thinning;
  {
    SortCollector collector(options_, /*combines_kept=*/false);
    EXPECT_EQ(lease_->used(), kMebibyte);
    Collect(collector, {records});
    EXPECT_LT(lease_->used(), kMebibyte);
  }
  EXPECT_EQ(thinning.calls, 3);
  EXPECT_TRUE(Stored() == expected);
}

TEST_F(CollectorTest, ThinsNothingWhereTheBudgetHasNoRoomForIt) {
  for (const Setting& setting :
       {Setting{.memory_bytes = kMebibyte / 2, .bucket_bytes_max = 4 * kMebibyte},
        Setting{.bucket_bytes_max = 4 * kMebibyte - 1}}) {
    Begin(setting);
    ThinningOperator thinning;
    options_.combiner = &thinning;
    SortCollector collector(options_, /*combines_kept=*/false);
    Collect(collector, {{{"0", "kept"}}});
    EXPECT_EQ(thinning.calls, 0);
  }
}

TEST_F(CollectorTest, SortedRecordsKeepTheOrderOfTheirEmission) {
  const std::vector<std::vector<Record>> tasks = RandomTasks(12, 300, 5, /*sums=*/false);
  std::vector<Record> expected = Flat(tasks);
  std::stable_sort(expected.begin(), expected.end(), RecordKeyLess);
  std::optional<std::vector<std::string>> borders;
  for (const Setting& setting :
       {Setting{}, Setting{.memory_bytes = kMebibyte / 2}, Setting{.memory_bytes = 100'000},
        Setting{.memory_bytes = 1000}, Setting{.retained_bytes_max = 0},
        Setting{.retained_bytes_max = 200'000}, Setting{.spill_every_batch = true}}) {
    SCOPED_TRACE(setting.memory_bytes);
    Begin(setting);
    {
      SortCollector collector(options_);
      Collect(collector, tasks);
      EXPECT_LE(budget_->used(), setting.memory_bytes);
    }
    EXPECT_TRUE(Stored() == expected);
    // Samples, too, tell nothing of spills.
    if (!borders.has_value()) borders = store_->Borders(20);
    EXPECT_EQ(store_->Borders(20), *borders);
  }
}

// A full buffer goes to buckets: neither records nor samples show it, nor what follows: more than
// may stay unsorted, a budget that is short, or hardly any keys.
TEST_F(CollectorTest, BucketsKeepTheOrderOfEmission) {
  for (const std::uint64_t keys : {1'000'000, 30}) {
    std::vector<std::vector<Record>> tasks(2);
    for (std::size_t task = 0; task < tasks.size(); ++task) {
      for (std::size_t i = 0; i < 500'000; ++i) {
        tasks[task].push_back({"key-" + std::to_string(random_.Uniform(keys)),
                               std::to_string(task) + "." + std::to_string(i)});
      }
    }
    std::vector<Record> expected = Flat(tasks);
    std::stable_sort(expected.begin(), expected.end(), RecordKeyLess);
    std::optional<std::vector<std::string>> samples;
    for (const Setting& setting :
         {Setting{.memory_bytes = 512 * kMebibyte, .retained_bytes_max = 512 * kMebibyte},
          Setting{.memory_bytes = 512 * kMebibyte,
          .retained_bytes_max = 512 * kMebibyte,
          .bucket_bytes_max = 128 * kMebibyte},
          Setting{.memory_bytes = 512 * kMebibyte,
          .retained_bytes_max = 20 * kMebibyte,
          .bucket_bytes_max = 128 * kMebibyte},
          Setting{.memory_bytes = 36 * kMebibyte,
          .retained_bytes_max = 27 * kMebibyte,
          .bucket_bytes_max = 128 * kMebibyte}}) {
      SCOPED_TRACE(setting.memory_bytes);
      Begin(setting);
      {
        SortCollector collector(options_);
        Collect(collector, tasks);
        EXPECT_LE(budget_->used(), setting.memory_bytes);
      }
      EXPECT_TRUE(Stored(100) == expected);
      if (!samples.has_value()) samples = store_->SampleKeys();
      EXPECT_EQ(store_->SampleKeys(), *samples);
    }
  }
}

TEST_F(CollectorTest, ACombinerChangesNoSum) {
  const std::vector<std::vector<Record>> tasks = RandomTasks(12, 800, 3, /*sums=*/true);
  const auto expected = Sums(Flat(tasks));
  for (Setting setting :
       {Setting{}, Setting{.memory_bytes = kMebibyte / 2}, Setting{.memory_bytes = 1000},
        Setting{.retained_bytes_max = 0}, Setting{.retained_bytes_max = 70'000},
        Setting{.spill_every_batch = true}}) {
    setting.combines = true;
    SCOPED_TRACE(setting.memory_bytes);
    Begin(setting);
    SortCollector collector(options_);
    Collect(collector, tasks);
    EXPECT_EQ(Sums(Stored(8, &combiner_)), expected);
  }
}

TEST_F(CollectorTest, ATableAddsUpWhateverTheBudget) {
  for (const std::size_t key_bytes_max : {3, 20, 40}) {
    const std::vector<std::vector<Record>> tasks =
        RandomTasks(12, 400, key_bytes_max, /*sums=*/true);
    const auto expected = Sums(Flat(tasks));
    for (Setting setting :
         {Setting{}, Setting{.memory_bytes = 2 * kMebibyte}, Setting{.memory_bytes = 400'000},
          Setting{.memory_bytes = 60'000}, Setting{.memory_bytes = 2000},
          Setting{.retained_bytes_max = 0}, Setting{.spill_every_batch = true}}) {
      setting.combines = true;
      SCOPED_TRACE(setting.memory_bytes);
      Begin(setting);
      {
        SumCollector collector(options_);
        Collect(collector, tasks);
        EXPECT_LE(budget_->used(), setting.memory_bytes);
      }
      EXPECT_EQ(Sums(Stored(8, &combiner_)), expected);
    }
    store_.reset();
    EXPECT_EQ(budget_->used(), lease_->used());
  }
}

TEST_F(CollectorTest, ATableThatFitsCombinesAll) {
  Begin({.combines = true});
  const std::vector<std::vector<Record>> tasks = RandomTasks(12, 2000, 2, /*sums=*/true);
  SumCollector collector(options_);
  Collect(collector, tasks);
  EXPECT_EQ(Stored().size(), Sums(Flat(tasks)).size());  // Each key once.
  EXPECT_TRUE(store_->has_distinct_keys());
  EXPECT_EQ(collector.forwarded, 0u);
}

// Where hardly two keys are equal, the table gives way to sorting; nothing is lost on the way.
TEST_F(CollectorTest, ATableThatFindsNoEqualKeysGivesWay) {
  Begin({.memory_bytes = 256 * kMebibyte, .retained_bytes_max = 128 * kMebibyte, .combines = true});
  constexpr std::uint64_t kKeys = 700'000;
  SumCollector collector(options_);
  collector.BeginTask(0);
  EmitBatch batch(collector);
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    const std::string key = "key-" + std::to_string(i * 7919 % kKeys);
    Emit(batch, key, SumValue(i));
    if (i % 10 == 0) Emit(batch, key, SumValue(1));
    batch.EndRecord();
  }
  batch.Flush();
  ASSERT_TRUE(batch.status().ok());
  ASSERT_TRUE(collector.EndTask().ok() && collector.Close().ok());
  EXPECT_GT(collector.forwarded, 100'000u);
  EXPECT_LT(collector.forwarded, 600'000u);
  const auto sums = Sums(Stored());
  EXPECT_EQ(sums.size(), kKeys);
  std::uint64_t total = 0;
  for (const auto& [key, sum] : sums) total += sum;
  EXPECT_EQ(total, kKeys * (kKeys - 1) / 2 + kKeys / 10);
}

// A border must not fall into a group: its records would be reduced twice.
TEST_F(CollectorTest, BordersNeverCutAGroup) {
  std::vector<std::vector<Record>> tasks = RandomTasks(5, 1000, 12, /*sums=*/true);
  for (auto& task : tasks) {
    for (Record& record : task) {
      if (random_.Uniform(10) == 0) record.key.insert(0, 300, 'q');  // Longer than a sample is.
    }
  }
  for (const bool is_table : {false, true}) {
    for (const GroupReader::PrefixBytes group : {GroupReader::PrefixBytes(nullptr), &UpToP}) {
      Begin({.combines = true, .group_bytes = group});
      if (is_table) {
        SumCollector collector(options_);
        Collect(collector, tasks);
      } else {
        SortCollector collector(options_);
        Collect(collector, tasks);
      }
      const std::vector<Record> records = Stored();
      const std::vector<std::string> borders = store_->Borders(100);
      EXPECT_GT(borders.size(), 20u);
      std::map<std::string, std::set<std::size_t>> parts_of_group;
      for (const Record& record : records) {
        const auto part = static_cast<std::size_t>(
            std::upper_bound(borders.begin(), borders.end(), record.key) - borders.begin());
        parts_of_group[record.key.substr(0,
                                         group == nullptr ? std::string::npos : group(record.key))]
            .insert(part);
      }
      for (const auto& [key, parts] : parts_of_group) EXPECT_EQ(parts.size(), 1u);
    }
  }
}

TEST_F(CollectorTest, AGiantValueGoesThroughATinyBudget) {
  for (const bool is_table : {false, true}) {
    Begin({.memory_bytes = kMebibyte, .combines = is_table});
    const std::string giant(20 * kMebibyte, 'g');
    std::vector<Record> records = {{"b", SumValue(1)},
                                   {"a", SumValue(2)},
                                   {is_table ? giant : "c", is_table ? SumValue(3) : giant},
                                   {"b", SumValue(4)}};
    if (is_table) {
      SumCollector collector(options_);
      Collect(collector, {records});
      EXPECT_EQ(Sums(Stored()), Sums(records));
    } else {
      SortCollector collector(options_);
      Collect(collector, {records});
      std::stable_sort(records.begin(), records.end(), RecordKeyLess);
      EXPECT_TRUE(Stored() == records);
    }
  }
}

// A sink's error, a full disk for one, ends the task; later emissions do no harm.
TEST_F(CollectorTest, AnErrorOfTheDiskEndsTheTask) {
  Begin({.memory_bytes = 100'000, .retained_bytes_max = 0});
  std::filesystem::remove_all(folder_.Path(""));
  SortCollector collector(options_);
  collector.BeginTask(0);
  EmitBatch batch(collector);
  for (int i = 0; i < 100'000; ++i) {
    Emit(batch, std::to_string(i), "value");
    batch.EndRecord();
  }
  batch.Flush();
  EXPECT_FALSE(batch.status().ok());
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/emit_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;

std::string Text(Random& random, std::size_t bytes) {
  return std::string(bytes, static_cast<char>(random.Uniform(256)));
}

// Passes on what it keeps.
class ChoosySink final : public EmitSink {
 public:
  static bool Keeps(std::string_view key) { return key.size() % 3 != 1; }
  Status Consume(EmitBatch& batch) override {
    batch.DropUnless([](const char* record) {
      return Keeps({EmitBatch::Key(record), EmitBatch::KeyBytes(record)});
    });
    return sink_.Consume(batch);
  }
  const std::vector<Record>& all() const { return sink_.all; }

 private:
  MemorySink sink_;
};

// Also where a batch is handed on in the middle of a record, whose own emissions lie behind it.
TEST(EmitBatchTest, ASinkCanDropRecords) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (const std::size_t bytes_max : {0, 30, 300'000}) {
    ChoosySink sink;
    EmitBatch batch(sink);
    std::vector<Record> expected;
    for (int record = 0; record < 300; ++record) {
      for (std::uint64_t i = random.Uniform(5); i > 0; --i) {
        const Record emitted{Text(random, random.Uniform(40)),
                             Text(random, random.Uniform(bytes_max + 1))};
        Emit(batch, emitted.key, emitted.value);
        if (ChoosySink::Keeps(emitted.key)) expected.push_back(emitted);
      }
      batch.EndRecord();
    }
    batch.Flush();
    EXPECT_TRUE(sink.all() == expected);
  }
}

// Emits, ends and drops records at random and compares with a plain list of what should arrive.
TEST(EmitBatchTest, HandsOnWhatWasEmittedAndNotTakenBack) {
  Random random(TestSeed());
  for (int repeat = 0; repeat < 20; ++repeat) {
    MemorySink sink;
    EmitBatch batch(sink);
    std::vector<Record> expected;
    const std::size_t bytes_max = std::vector<std::size_t>{0, 30, 3000, 300'000}[repeat % 4];
    for (int record = 0; record < 300; ++record) {
      std::vector<Record> emitted;
      std::size_t emitted_bytes = 0;
      for (std::uint64_t i = random.Uniform(5); i > 0; --i) {
        emitted.push_back(
            {Text(random, random.Uniform(40)), Text(random, random.Uniform(bytes_max + 1))});
        emitted_bytes +=
            emitted.back().key.size() + emitted.back().value.size() + EmitBatch::kHeaderBytes;
        Emit(batch, emitted.back().key, emitted.back().value);
      }
      const bool is_dropped = random.Uniform(4) == 0;
      if (is_dropped && emitted_bytes <= kBatchBytesMax) {
        EXPECT_TRUE(batch.DropRecord());
      } else if (is_dropped) {
        EXPECT_FALSE(batch.DropRecord());
        break;  // The run would fail now.
      } else {
        expected.insert(expected.end(), emitted.begin(), emitted.end());
      }
      batch.EndRecord();
      if (random.Uniform(50) == 0) batch.Flush();
    }
    batch.EndRecord();
    batch.Flush();
    ASSERT_TRUE(batch.status().ok());
    ASSERT_LE(expected.size(), sink.all.size());
    sink.all.resize(expected.size());  // What could not be taken back comes behind.
    EXPECT_TRUE(sink.all == expected);
  }
}

TEST(EmitBatchTest, IsHandedOnAtRecordBorders) {
  MemorySink sink;
  EmitBatch batch(sink);
  for (int record = 0; record < 10; ++record) {
    for (int i = 0; i < 50; ++i) Emit(batch, "key", "value");
    batch.EndRecord();
  }
  EXPECT_THAT(sink.batch_counts, ElementsAre(100, 100, 100, 100, 100));
}

TEST(EmitBatchTest, LargeRecordsBeforeDoNotMakeARecordFinal) {
  MemorySink sink;
  EmitBatch batch(sink);
  const std::string half(kBatchBytesMax / 2, 'x');
  for (int record = 0; record < 40; ++record) {
    Emit(batch, "kept", half);
    batch.EndRecord();
    Emit(batch, "a", "1");
    Emit(batch, "b", half);
    Emit(batch, "c", "3");
    EXPECT_TRUE(batch.DropRecord());
    batch.EndRecord();
  }
  batch.Flush();
  EXPECT_EQ(sink.all.size(), 40u);
  EXPECT_THAT(sink.batch_bytes, Each(Le(3 * kBatchBytesMax)));
}

// Whether a record can be taken back depends on it alone.
TEST(EmitBatchTest, ARecordOfMoreThanAMebibyteIsFinal) {
  for (const std::size_t before : {0, 1, 30, 63}) {
    for (const std::size_t bytes : {kBatchBytesMax - 100, kBatchBytesMax + 100}) {
      MemorySink sink;
      EmitBatch batch(sink);
      for (std::size_t i = 0; i < before; ++i) {
        Emit(batch, "k", std::string(30'000, 'v'));
        batch.EndRecord();
      }
      for (int i = 0; i < 10; ++i) Emit(batch, "k", std::string(bytes / 10, 'v'));
      EXPECT_EQ(batch.DropRecord(), bytes < kBatchBytesMax) << before;
    }
  }
}

TEST(EmitBatchTest, CarriesGiantRecordsAndShrinksAgain) {
  MemorySink sink;
  EmitBatch batch(sink);
  const std::string giant(20 << 20, 'g');
  const std::vector<Record> records = {{"a", "1"}, {"b", giant}, {giant, ""}, {"c", "2"}};
  for (const Record& record : records) Emit(batch, record.key, record.value);
  batch.EndRecord();
  batch.Flush();
  EXPECT_TRUE(sink.all == records);
  sink.batch_bytes.clear();
  for (int i = 0; i < 100'000; ++i) Emit(batch, "key", "value");  // One record that emits much.
  EXPECT_THAT(sink.batch_bytes, ::testing::Not(::testing::IsEmpty()));
  EXPECT_THAT(sink.batch_bytes, Each(Le(2 * kBatchBytesMax)));
}

// Records of a header alone: half as many bytes of offsets again. Each block is a copy of the last.
TEST(EmitBatchTest, OneRecordOfManyShortEmissionsGrowsInFewSteps) {
  MemorySink sink;
  EmitBatch batch(sink);
  int blocks = 0;
  const char* block = nullptr;
  for (int i = 0; i < 500'000; ++i) {
    Emit(batch, "", "");
    blocks += std::exchange(block, batch.begin()) != batch.begin();
  }
  EXPECT_LE(blocks, 20);
  EXPECT_THAT(sink.batch_bytes, Each(Le(2 * kBatchBytesMax)));
}

TEST(EmitBatchTest, TheFirstErrorOfTheSinkStays) {
  MemorySink sink(/*fails_at=*/1);
  EmitBatch batch(sink);
  for (int i = 0; i < 1000; ++i) {
    Emit(batch, "key", "value");
    batch.EndRecord();
  }
  EXPECT_EQ(batch.status().code(), StatusCode::kResourceLimit);
  EXPECT_EQ(sink.all.size(), kBatchRecords);
}

// Its sizes would not fit their 32 bits: an error, not a record with other sizes.
TEST(EmitBatchTest, ARecordBeyond4GiBIsAnError) {
  MemorySink sink;
  EmitBatch batch(sink);
  Emit(batch, "before", "");
  batch.EndRecord();
  char* const at = batch.Begin(std::size_t{1} << 32);  // Not touched: address space only.
  ASSERT_NE(at, nullptr);
  batch.Commit(at + 1, at + 2);
  batch.EndRecord();
  batch.Flush();
  EXPECT_EQ(batch.status().code(), StatusCode::kResourceLimit);
}

TEST(EmitBatchTest, ASinkMayAskForSmallerBatches) {
  class OneByOne final : public EmitSink {
   public:
    Status Consume(EmitBatch& batch) override {
      EXPECT_EQ(batch.count(), 1u);
      ++count;
      return Status::Ok();
    }
    std::size_t batch_records() const override { return 1; }
    int count = 0;
  };
  OneByOne sink;
  EmitBatch batch(sink);
  for (int i = 0; i < 10; ++i) {
    Emit(batch, "k", "v");
    batch.EndRecord();
  }
  EXPECT_EQ(sink.count, 10);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_SHUFFLE_SHUFFLE_TOOLS_H_
#define TESTS_UNIT_SHUFFLE_SHUFFLE_TOOLS_H_

// Batches made of literal records, sinks that remember, and a combiner that adds up.

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/shuffle/collector.h"
#include "mapreduce/shuffle/combine_operator.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/group_reader.h"
#include "mapreduce/shuffle/merger.h"
#include "tests/unit/shuffle/test_records.h"

namespace millrace {

inline void Emit(EmitBatch& batch, std::string_view key, std::string_view value) {
  char* const at = batch.Begin(key.size() + value.size());
  if (!key.empty()) std::memcpy(at, key.data(), key.size());
  if (!value.empty()) std::memcpy(at + key.size(), value.data(), value.size());
  batch.Commit(at + key.size(), at + key.size() + value.size());
}

inline std::vector<Record> RecordsOf(const EmitBatch& batch) {
  std::vector<Record> records;
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    records.push_back(
        {std::string(key), std::string(key.data() + key.size(), EmitBatch::ValueBytes(record))});
  }
  return records;
}

/// Remembers records and the size of each batch; fails from batch `fails_at` on.
class MemorySink final : public EmitSink {
 public:
  explicit MemorySink(std::size_t fails_at = SIZE_MAX) : fails_at_(fails_at) {}
  Status Consume(EmitBatch& batch) override {
    if (batch_counts.size() >= fails_at_) return Status::ResourceLimit("the sink is full");
    const std::vector<Record> records = RecordsOf(batch);
    all.insert(all.end(), records.begin(), records.end());
    batch_counts.push_back(records.size());
    batch_bytes.push_back(batch.bytes());
    return Status::Ok();
  }
  std::vector<Record> all;
  std::vector<std::size_t> batch_counts;
  std::vector<std::size_t> batch_bytes;

 private:
  const std::size_t fails_at_;
};

/// A batch that holds exactly `records`, until the next.
class HeldBatch {
 public:
  explicit HeldBatch(std::span<const Record> records) {
    for (const Record& record : records) Emit(batch_, record.key, record.value);
  }
  EmitBatch& operator*() { return batch_; }

 private:
  MemorySink unused_;
  EmitBatch batch_{unused_};
};

/// Values are 8 bytes, added up.
inline std::string SumValue(std::uint64_t n) {
  return {reinterpret_cast<const char*>(&n), sizeof(n)};
}
inline std::uint64_t SumOf(std::string_view value) {
  std::uint64_t n = 0;
  std::memcpy(&n, value.data(), sizeof(n));
  return n;
}

class SumOperator final : public CombineOperator {
 public:
  Status Run(Merger& in, EmitSink& out) override {
    EmitBatch batch(out);
    GroupReader groups(in);
    while (groups.NextGroup()) {
      std::uint64_t sum = 0;
      while (groups.NextValue()) sum += SumOf(groups.record().value_view());
      Emit(batch, groups.key(), SumValue(sum));
      batch.EndRecord();
    }
    batch.Flush();
    return groups.status().ok() ? batch.status() : groups.status();
  }
};

/// Merges what a store has.
inline Result<std::vector<Record>> ReadStore(const RunStore& store, const KeyRange& range = {}) {
  MR_ASSIGN_OR_RETURN(auto cursors, store.Read(range));
  Merger merger(std::move(cursors));
  MR_RETURN_IF_ERROR(merger.Start());
  std::vector<Record> records;
  while (merger.Next()) {
    records.push_back(
        {std::string(merger.record().key_view()), std::string(merger.record().value_view())});
  }
  MR_RETURN_IF_ERROR(merger.status());
  return records;
}

}  // namespace millrace

#endif  // TESTS_UNIT_SHUFFLE_SHUFFLE_TOOLS_H_

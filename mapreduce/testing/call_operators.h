// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_CALL_OPERATORS_H_
#define MAPREDUCE_TESTING_CALL_OPERATORS_H_

// One Map or Reduce class on literal records, without a job and without files:
//
//   const auto mapped = MapRecords(ByCountry{}, {TrackPlays{"SE", "t1", 3}});
//   EXPECT_THAT(mapped.records, ElementsAre(Pair("SE", TrackCount{"t1", 3})));
//
//   const auto reduced = ReduceRecords(KeepBest(2), {{"SE", {"t1", 3}}, {"SE", {"t2", 5}}});
//
// The operators are the engine's: records are encoded, grouped and decoded as in a run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/api/map_operators.h"
#include "mapreduce/api/reduce_operators.h"
#include "mapreduce/shuffle/record.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

namespace testing_internal {

/// Decodes what is emitted and owns the bytes that it views.
template <class K, class V>
class EmittedRecords final : public EmitSink {
 public:
  Status Consume(EmitBatch& batch) override {
    for (std::size_t i = 0; i < batch.count(); ++i) {
      const char* const record = batch.begin() + batch.offset(i);
      const std::size_t key_bytes = EmitBatch::KeyBytes(record);
      const std::string& bytes =
          bytes_.emplace_back(EmitBatch::Key(record), key_bytes + EmitBatch::ValueBytes(record));
      auto& [key, value] = records_.emplace_back();
      const char* const middle = bytes.data() + key_bytes;
      DecodeKey<true>(bytes.data(), middle, &key, scratch_);
      DecodeValue<true>(middle, bytes.data() + bytes.size(), &value);
    }
    return Status::Ok();
  }
  const std::vector<std::pair<K, V>>& records() const { return records_; }

 private:
  std::vector<std::pair<K, V>> records_;
  std::deque<std::string> bytes_;  // A deque: growing it moves no string.
  DecodeScratch scratch_;
};

class RejectReasons final : public RejectSink {
 public:
  Status Add(const RejectedRecord& record) override {
    reasons_.emplace_back(record.reason);
    return Status::Ok();
  }
  const std::vector<std::string>& reasons() const { return reasons_; }

 private:
  std::vector<std::string> reasons_;
};

/// A sorted run of records in memory.
class RecordCursor final : public RunCursor {
 public:
  explicit RecordCursor(std::vector<RecordView> records) : records_(std::move(records)) {}
  Result<bool> Next(std::span<const RecordView>* batch) override {
    *batch = is_done_ ? std::span<const RecordView>() : records_;
    is_done_ = true;
    return !batch->empty();
  }

 private:
  const std::vector<RecordView> records_;
  bool is_done_ = false;
};

/// The records that R reduces: of its own key and values, or, behind GroupBy, of the whole key.
template <class Group, class Value>
struct ReducerRecord {
  using K = Group;
  using V = Value;
  static constexpr GroupReader::PrefixBytes kPrefixBytes = nullptr;
};
template <class Group, class Key, class Value>
struct ReducerRecord<Group, KeyValue<Key, Value>> {
  using K = Key;
  using V = Value;
  static constexpr std::size_t kParts = [] {
    if constexpr (codec_internal::kIsTuple<Group>) {
      return std::tuple_size_v<Group>;
    } else {
      return std::size_t{1};
    }
  }();
  static constexpr GroupReader::PrefixBytes kPrefixBytes = &KeyPrefixBytes<Key, kParts>;
};
template <class R>
using RecordOfReducer = ReducerRecord<typename api_internal::ReduceOf<R>::Group,
                                      typename api_internal::ReduceOf<R>::Value>;

}  // namespace testing_internal

/// What MapRecords and ReduceRecords made. Move-only; views in `records` live as long as it does.
template <class K, class V>
struct Emitted {
  Status status;                         ///< An error of the operator, not a reject.
  std::vector<std::pair<K, V>> records;  ///< In order of emission.
  std::vector<std::string> rejects;      ///< The reasons, in order.
  std::map<std::string, std::uint64_t> counters;
  std::unique_ptr<testing_internal::EmittedRecords<K, V>> bytes;  ///< What `records` views.
};

namespace testing_internal {

template <class K, class V>
Emitted<K, V> Collected(Status status, std::unique_ptr<EmittedRecords<K, V>> sink,
                        const RejectReasons& rejects, const Context& context) {
  Emitted<K, V> emitted;
  emitted.status = std::move(status);
  emitted.records = sink->records();
  emitted.rejects = rejects.reasons();
  for (const auto& [name, count] : context.counters()) emitted.counters[name] = count;
  emitted.bytes = std::move(sink);
  return emitted;
}

}  // namespace testing_internal

/// Calls Map for each record, with SetUp before and TearDown behind them.
template <MapperClass M>
auto MapRecords(M mapper, const std::vector<typename api_internal::MapOf<M>::Record>& records,
                const std::string& date = "") {
  using Signature = api_internal::MapOf<M>;
  using Sink = testing_internal::EmittedRecords<typename Signature::Key, typename Signature::Value>;
  auto sink = std::make_unique<Sink>();
  testing_internal::RejectReasons rejects;
  Context context("map-00000", "records", date, &rejects);
  api_internal::MapCaller<M> caller(context, *sink, std::move(mapper));
  std::string what, place;
  for (std::size_t i = 0; i < records.size(); ++i) {
    place = std::to_string(i);
    context.BeginGroup(place);
    if (api_internal::Throws([&] { caller.Call(records[i], ""); }, &what)) caller.Threw(what, "");
  }
  Status status = caller.Close();
  return testing_internal::Collected(std::move(status), std::move(sink), rejects, context);
}

/// Calls Reduce for each group of the records, in key order, with SetUp before and TearDown behind
/// them. The values of equal keys come in the order given. For a Reduce behind GroupBy<N> the
/// records have the whole key.
template <ReducerClass R>
auto ReduceRecords(
    R reducer,
    const std::vector<std::pair<typename testing_internal::RecordOfReducer<R>::K,
                                typename testing_internal::RecordOfReducer<R>::V>>& records,
    const std::string& date = "") {
  using Record = testing_internal::RecordOfReducer<R>;
  using Signature = api_internal::ReduceOf<R>;
  using Sink =
      testing_internal::EmittedRecords<typename Signature::OutKey, typename Signature::OutValue>;
  std::deque<std::string> bytes;
  std::vector<RecordView> views;
  for (const auto& [key, value] : records) {
    std::string& own = bytes.emplace_back(KeyBytesMax(key) + ValueBytesMax(value), '\0');
    char* const middle = EncodeKey<true>(own.data(), key);
    char* const end = EncodeValue<true>(middle, value);
    views.push_back(MakeRecordView({own.data(), static_cast<std::size_t>(middle - own.data())},
                                   {middle, static_cast<std::size_t>(end - middle)}));
  }
  std::stable_sort(views.begin(), views.end(), [](const RecordView& a, const RecordView& b) {
    return a.key_view() < b.key_view();
  });
  auto sink = std::make_unique<Sink>();
  testing_internal::RejectReasons rejects;
  Context context("reduce-00000", "records", date, &rejects);
  GroupReduce<typename Record::K, typename Record::V, R> reduce(Record::kPrefixBytes, context,
                                                                *sink, std::move(reducer));
  std::vector<std::unique_ptr<RunCursor>> cursors;
  cursors.push_back(std::make_unique<testing_internal::RecordCursor>(std::move(views)));
  Merger merger(std::move(cursors));
  Status status = merger.Start();
  if (status.ok()) status = reduce.Run(merger);
  status.Update(reduce.Close());
  return testing_internal::Collected(std::move(status), std::move(sink), rejects, context);
}

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_CALL_OPERATORS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_PROBE_JOBS_H_
#define TESTS_UNIT_ENGINE_PROBE_JOBS_H_

// Jobs that make visible what the engine promises: the order of values, what is rejected where,
// what several readers of one stage get. Their input is lines "key value".

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

#include "mapreduce/api/job.h"

namespace millrace::probe {

inline std::string_view KeyOf(std::string_view line) { return line.substr(0, line.find(' ')); }
inline std::string_view ValueOf(std::string_view line) {
  const std::size_t space = line.find(' ');
  return space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
}

struct ByKey {
  void Map(const Line& line, Emitter<std::string_view, std::string_view>& emit) {
    emit(KeyOf(line.text), ValueOf(line.text));
  }
};

/// All values of a key in their order.
struct Concatenate {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::string>& emit) {
    std::string all;
    for (const std::string_view value : values) all.append(value).push_back(',');
    emit(key, all);
  }
};

inline void ConcatenateJob(Job& job) {
  job.ReadLines("lines").Map<ByKey>().Reduce<Concatenate>().Write<Tsv>("all");
}

/// The lines as they are.
struct Same {
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
};

inline void CopyJob(Job& job) { job.ReadLines("lines").Map<Same>().Write<Text>("copy"); }

/// Secondary sort: groups by the key, values in descending order.
using KeyAndValue = std::tuple<std::string_view, Descending<std::string_view>>;
struct ByKeyAndValue {
  void Map(const Line& line, Emitter<KeyAndValue, std::int64_t>& emit, Context& context) {
    emit({KeyOf(line.text), {ValueOf(line.text)}}, static_cast<std::int64_t>(line.text.size()));
    context.Count("lines");
  }
};
struct ListInOrder {
  void Reduce(const std::string_view& key, Values<KeyValue<KeyAndValue, std::int64_t>>& records,
              Emitter<std::string_view, std::string>& emit, Context& context) {
    std::string list;
    for (const auto& [record_key, bytes] : records) {
      list.append(std::get<1>(record_key).value).append("/").append(std::to_string(bytes)) += ' ';
    }
    emit(key, list);
    context.Count("groups");
  }
};

inline void GroupByJob(Job& job) {
  job.ReadLines("lines").Map<ByKeyAndValue>().GroupBy<1>().Reduce<ListInOrder>().Write<Tsv>("all");
}

/// A join: the values of both inputs, the left ones first.
struct FromLeft {
  void Map(const Line& line, Emitter<std::string_view, std::string>& emit) {
    emit(KeyOf(line.text), "L" + std::string(ValueOf(line.text)));
  }
};
struct FromRight {
  void Map(const Line& line, Emitter<std::string_view, std::string>& emit) {
    emit(KeyOf(line.text), "R" + std::string(ValueOf(line.text)));
  }
};
struct Join {
  void Reduce(const std::string_view& key, Values<std::string>& values,
              Emitter<std::string_view, std::string>& emit) {
    std::string all;
    for (const std::string& value : values) all.append(value).push_back(',');
    emit(key, all);
  }
};

inline void JoinJob(Job& job) {
  auto left = job.ReadLines("left").Map<FromLeft>();
  left.And(job.ReadLines("right").Map<FromRight>()).Reduce<Join>().Write<Tsv>("joined");
}

/// Rejects and throws everywhere: in the map, in the reduce, and in two maps behind it, which
/// share the reduce's output with a file.
struct Picky {
  void Map(const Line& line, Emitter<std::string_view, std::string_view>& emit, Context& context) {
    emit(KeyOf(line.text), "taken back");
    if (line.text.find("bad") != std::string_view::npos) return context.Reject("it is bad");
    if (line.text.find("throw") != std::string_view::npos) throw std::runtime_error("no line");
    emit(KeyOf(line.text), ValueOf(line.text));
    context.Count("mapped");
  }
};
struct PickyJoin {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    std::int64_t bytes = 0;
    for (const std::string_view value : values) bytes += static_cast<std::int64_t>(value.size());
    emit(key, bytes);
    if (key.size() % 7 == 3) context.Reject("a key of " + std::to_string(key.size()) + " bytes");
    if (key.size() % 7 == 4) throw std::runtime_error("no key");
    context.Count("reduced");
  }
};
struct PickyNext {
  void Map(const KeyValue<std::string_view, std::int64_t>& group,
           Emitter<std::int64_t, std::string_view>& emit, Context& context) {
    if (group.value % 5 == 0) return context.Reject("a sum of " + std::to_string(group.value));
    emit(group.value, group.key);
    context.Count("next");
  }
};
struct RandomNext {
  void Map(const KeyValue<std::string_view, std::int64_t>& group,
           Emitter<std::int64_t, std::string_view>& emit, Context& context) {
    emit(static_cast<std::int64_t>(context.random().Uniform(5)), group.key);
  }
};
struct JoinKeys {
  void Reduce(const std::int64_t& sum, Values<std::string_view>& keys,
              Emitter<std::int64_t, std::string>& emit) {
    std::string all;
    for (const std::string_view key : keys) all.append(key).push_back(',');
    emit(sum, all);
  }
};

inline void PickyJob(Job& job) {
  auto sums = job.ReadLines("lines").Map<Picky>().Reduce<PickyJoin>();
  sums.Write<Tsv>("sums");
  sums.Map<PickyNext>().Reduce<JoinKeys>().Write<Tsv>("by_sum");
  sums.Map<RandomNext>().Reduce<JoinKeys>().Write<Tsv>("by_chance");
}

/// Looks up in tables everywhere: in a map of an input, in a reduce, and in a map behind a reduce.
/// One table has the first value of each key, and the other lines are set aside; one is what a
/// stage made that also writes, and feeds another; in the third nobody looks.
struct FirstValue {
  void Map(const Line& line, Emitter<std::string_view, Sourced<std::string_view>>& emit,
           Context& context) {
    emit(KeyOf(line.text), {ValueOf(line.text), context.origin()});
  }
};
struct ValueSize {
  void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) {
    emit(KeyOf(line.text), static_cast<std::int64_t>(ValueOf(line.text).size()));
  }
};
using FirstValues = Table<std::string_view, std::string_view>;
using SumOfSizes = Table<std::string_view, std::int64_t>;
struct ByFirstValue {
  FirstValues firsts;
  void Map(const KeyValue<std::string_view, std::int64_t>& sum,
           Emitter<std::string_view, std::int64_t>& emit) {
    emit(firsts.Find(sum.key).value_or("?"), sum.value);
  }
};
struct BySum {
  FirstValues firsts;
  SumOfSizes sums;
  void Map(const Line& line, Emitter<std::int64_t, std::string>& emit, Context& context) {
    const std::string_view key = KeyOf(line.text);
    if (firsts.Find(key) != ValueOf(line.text)) context.Count("later");
    emit(sums.Find(key).value_or(-1),
         std::to_string(sums.RowOf(key).value_or(0)) + std::string(ValueOf(line.text)));
  }
};
struct ListOfMany {
  SumOfSizes sums;
  void Reduce(const std::int64_t& sum, Values<std::string>& values,
              Emitter<std::int64_t, std::string>& emit) {
    std::string all = std::to_string(sums.size());
    for (const std::string& value : values) {
      all.append(1, ',').append(value);
      if (sums.size() > 0) all.append(sums.Row(all.size() % sums.size()).key);
    }
    emit(sum, all);
  }
};

inline void LookUpJob(Job& job) {
  auto lines = job.ReadLines("lines");
  auto firsts = lines.Map<FirstValue>().AsTable();
  auto sums = lines.Map<ValueSize>().Reduce<Sum>();
  auto sums_by_key = sums.AsTable();
  sums.Write<Tsv>("sums");
  sums.Map<ByFirstValue>(firsts).Reduce<Sum>().Write<Tsv>("by_first");
  lines.Map<BySum>(firsts, sums_by_key).Reduce<ListOfMany>(sums_by_key).Write<Tsv>("by_sum");
  lines.Map<ValueSize>().Reduce<Max>().AsTable();
}

}  // namespace millrace::probe

#endif  // TESTS_UNIT_ENGINE_PROBE_JOBS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_JOB_H_
#define MAPREDUCE_API_JOB_H_

// How a job is put together. Its definition is a function that reads parameters and chains typed
// steps; it runs before any data is read, so a mistake costs nothing:
//
//   void TopTracks(Job& job) {
//     const auto k = job.Param<std::size_t>("k", 100, "tracks per country");
//     job.Read<Play>("plays", kPlaysLayout)
//         .Map<CountPlay>().Reduce<Sum>()          // (country, track) -> plays
//         .Map<ByCountry>().Combine<KeepBest>(k).Reduce<KeepBest>(k)
//         .Write<Tsv>("toplist");
//   }
//
// A stage that follows a reduce is fused with it: its records are mapped where they are made and
// never stored.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/api/map_operators.h"
#include "mapreduce/api/output_columns.h"
#include "mapreduce/api/params.h"
#include "mapreduce/api/reduce_operators.h"
#include "mapreduce/api/reducers.h"
#include "mapreduce/api/table.h"
#include "mapreduce/api/write_operators.h"
#include "mapreduce/formats/any_row.h"
#include "mapreduce/formats/text.h"
#include "mapreduce/formats/tsv.h"

namespace millrace {

class Job;

namespace api_internal {

/// "CountPlay" of CountPlay, for plans and messages.
template <class T>
std::string TypeName() {
  std::string_view name = __PRETTY_FUNCTION__;  // "... [with T = CountPlay; ...]"
  name.remove_prefix(name.find("T = ") + 4);
  name = name.substr(0, name.find_first_of("<;]"));  // KeepTop<...> is a KeepTop.
  if (const std::size_t scope = name.rfind("::"); scope != std::string_view::npos)
    name.remove_prefix(scope + 2);
  return std::string(name);
}

/// A factory that makes T from the leading arguments it is called with and copies of `args`.
template <class T, class... Leading, class... Args>
auto Factory(Args... args) {
  static_assert(!(kIsSideInput<Args> || ...), "only Map and Reduce can look up in a side input");
  return [args = std::tuple<Args...>(std::move(args)...)](Leading... leading) {
    return std::apply([&](const Args&... own) { return std::make_unique<T>(leading..., own...); },
                      args);
  };
}

/// A factory that makes the operator T of a job's class: from `leading`, the context and sink it is
/// called with, and copies of `args`, tables for side inputs.
template <class T, class Base, class Leading, class... Args>
auto OperatorFactory(Leading leading, Args... args) {
  return [leading = std::move(leading), args = std::tuple<Args...>(std::move(args)...)](
             Context& context, EmitSink& sink) -> std::unique_ptr<Base> {
    return std::apply(
        [&](const Args&... own) {
          return std::make_unique<T>(leading, context, sink, Bind(context, own)...);
        },
        args);
  };
}

/// What a chain goes on with behind a mistake: it takes every further step, so that one mistake is
/// one error.
struct Broken {
  template <class M, class... Args>
  Broken Map(const Args&...) {
    return {};
  }
  template <class C, class... Args>
  Broken Combine(const Args&...) {
    return {};
  }
  template <class R, class... Args>
  Broken Reduce(const Args&...) {
    return {};
  }
  template <std::size_t N>
  Broken GroupBy() {
    return {};
  }
  template <class T>
  Broken And(const T&) {
    return {};
  }
  template <class Format>
  Broken Write(const std::string&) {
    return {};
  }
  template <class Format, std::size_t N>
  Broken Write(const std::string&, const std::string_view (&)[N]) {
    return {};
  }
  Broken AsTable() { return {}; }
};

/// The type of M's records; void where M is no mapper.
template <class M>
struct RecordOf {
  using Type = void;
};
template <MapperClass M>
struct RecordOf<M> {
  using Type = typename MapOf<M>::Record;
};

}  // namespace api_internal

/// What a Reduce made: records KeyValue<K, V>, to be written or mapped by a next stage.
template <class K, class V>
class Reduced {
 public:
  /// Writes them to the output `name`, in key order.
  template <class Format>
  Reduced& Write(const std::string& name);
  /// The same with names for the columns: those of the key, then of the value.
  template <class Format, std::size_t N>
  Reduced& Write(const std::string& name, const std::string_view (&columns)[N]);

  /// Begins the next stage. M has `void Map(const KeyValue<K, V>&, Emitter<K2, V2>&[, Context&])`.
  template <class M, class... Args>
  auto Map(Args... args);

  /// Keeps them for lookups. Requires: each group emits its own key, once.
  SideInput<K, V> AsTable();

 private:
  template <class, class>
  friend class Mapped;
  template <class, class, std::size_t>
  friend class Grouped;
  Reduced(Job& job, std::size_t stage) : job_(&job), stage_(stage) {}
  Job* job_;
  std::size_t stage_;
};

/// Emitted records grouped by the first N parts of their tuple key: a group's records come in key
/// order (secondary sort).
template <class K, class V, std::size_t N>
class Grouped {
 public:
  /// R has `void Reduce(const Prefix&, Values<KeyValue<K, V>>&, Emitter<K2, V2>&[, Context&])`,
  /// where Prefix is the key's first part (N = 1) or the tuple of its first N.
  template <class R, class... Args>
  auto Reduce(Args... args);

 private:
  template <class, class>
  friend class Mapped;
  Grouped(Job& job, std::size_t stage) : job_(&job), stage_(stage) {}
  Job* job_;
  std::size_t stage_;
};

/// What Map emitted: keys K with values V, to be reduced, or written as they come.
template <class K, class V>
class Mapped {
 public:
  /// Pre-reduces in the map tasks. C is an aggregator (then Reduce<C> follows, and does this by
  /// itself; a Reduce of the job's own may follow Distinct of Unit values and Sum of uint64) or has
  /// `void Reduce(const K&, Values<V>&, Emitter<K, V>&)`, is associative and emits only its group's
  /// key.
  template <class C, class... Args>
  Mapped& Combine(Args... args);

  /// R is an aggregator (Sum, Count, …) or has a Reduce member over Values<V>.
  template <class R, class... Args>
  auto Reduce(Args... args);

  /// Groups by the first N parts of the tuple K.
  template <std::size_t N>
  Grouped<K, V, N> GroupBy() {
    return {*job_, stage_};
  }

  /// Keeps the first value of each key, in input order, for lookups; V is Sourced<W>, and the
  /// records of a key behind its first are rejects.
  auto AsTable();

  /// Takes the records of another Map into the same stage: a join.
  Mapped& And(Mapped other);

  /// Writes the records in input order: a stage without a reduce.
  template <class Format>
  Mapped& Write(const std::string& name);
  /// The same with names for the columns: those of the key, then of the value.
  template <class Format, std::size_t N>
  Mapped& Write(const std::string& name, const std::string_view (&columns)[N]);

 private:
  template <class, class, class...>
  friend class Source;
  template <class, class>
  friend class Reduced;
  Mapped(Job& job, std::size_t stage) : job_(&job), stage_(stage) {}
  Job* job_;
  std::size_t stage_;
};

/// An input of records of one type, read by a Parser made from ParserArgs. It may be mapped several
/// times, for several stages: each reads it anew, and a record that can't be parsed is one reject.
template <class Parser, class Record, class... ParserArgs>
class Source {
 public:
  /// M has `void Map(const Record&, Emitter<K, V>&[, Context&])`.
  template <class M, class... Args>
  auto Map(Args... args);

 private:
  friend class Job;
  Source(Job& job, int input, int reader, RowRequest request, ParserArgs... args)
      : job_(&job),
        input_(input),
        reader_(reader),
        request_(std::move(request)),
        parser_args_(std::move(args)...) {}
  Job* job_;
  int input_;
  int reader_;
  RowRequest request_;
  std::tuple<ParserArgs...> parser_args_;
};

/// What the user said.
struct JobSettings {
  std::map<std::string, std::string> params;
  std::string date;                                 ///< YYYY-MM-DD or empty.
  OutputFormat output_format = OutputFormat::kTsv;  ///< Of outputs with columns.
};

/// See above. One thread at a time.
class Job {
 public:
  explicit Job(JobSettings settings) : settings_(std::move(settings)) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// A parameter: the user's value, else `default_value`. With `choices`, one of them.
  template <class T>
  T Param(const std::string& name, T default_value, std::string help,
          std::vector<std::string> choices = {});

  /// A text parameter that must be one of `choices`.
  std::string Choice(const std::string& name, std::string default_value,
                     std::vector<std::string> choices, std::string help) {
    return Param<std::string>(name, std::move(default_value), std::move(help), std::move(choices));
  }

  /// The logical date of the run, YYYY-MM-DD; empty if none was given.
  const std::string& date() const { return settings_.date; }

  /// The same for a job that makes no sense without: then the run ends with exit code 64.
  const std::string& NeedDate() {
    graph_.needs_date = true;
    return date();
  }

  /// The definition's own complaint about the parameters: the run ends with exit code 64.
  void Fail(const std::string& why) { status_.Update(Status::InvalidArgument(why)); }

  /// Rows of files in any format with columns. `layout` names those of TSV, in order; Row's fields
  /// are found among them by name, and by the same name in files that name their columns. Fields in
  /// `unused` keep their default and are not looked at. The user can say where a column is with the
  /// parameter COLUMN=N or COLUMN=NAME.
  template <class Row>
  auto Read(const std::string& name, const TsvLayout& layout,
            const std::set<std::string>& unused = {});
  /// The same for files whose columns are Row's fields, in their order.
  template <class Row>
  auto Read(const std::string& name);
  /// Lines, as they are.
  Source<LineParser, Line> ReadLines(const std::string& name) {
    return {*this, AddInput({name, {}, "text", /*has_distinct_names=*/false}), readers_++,
            RowRequest()};
  }
  /// The same where the name of a file says what it is: no two may have the same
  /// Context::file_name(), or the run ends with exit code 64.
  Source<LineParser, Line> ReadDocuments(const std::string& name) {
    return {*this, AddInput({name, {}, "text", /*has_distinct_names=*/true}), readers_++,
            RowRequest()};
  }
  /// Rows with whatever columns the files have.
  Source<AnyRowParser, AnyRow> ReadRows(const std::string& name) {
    return {*this, AddInput({name, {}, "tsv", /*has_distinct_names=*/false}), readers_++,
            RowRequest{.all = true, .columns = {}}};
  }

  // What follows is for the framework.

  /// Once, after the definition: the first mistake, unknown parameters, an impossible graph.
  Status Finish();
  const JobGraph& graph() const { return graph_; }
  const std::vector<ParamInfo>& params() const { return params_; }

  StageSpec& stage(std::size_t index) { return graph_.stages[index]; }
  std::size_t AddStage(StageSource source);
  /// `names` are those of the output's columns, where it has some that the job names.
  void AddWrite(std::size_t stage, OutputSpec output, std::span<const std::string_view> names,
                std::function<std::unique_ptr<WriteOperator>(RowSink&)> make_writer);
  int AddTable(std::size_t stage);
  /// Names the stage's combiner and reducer, which must fit each other: behind an aggregator, whose
  /// states are the shuffle's values, comes no other Reduce.
  void BeginCombine(StageSpec& stage, std::string name);
  void BeginReduce(StageSpec& stage, std::string name, bool is_aggregator);
  void MergeStages(std::size_t into, std::size_t from);
  const std::string& output_name(int output) const {
    return graph_.outputs[static_cast<std::size_t>(output)].name;
  }

 private:
  struct ColumnUse {
    std::string input, column;
    int default_position;  // 1-based.
    std::string value;     // A position, or a name in the files: its own where nothing is said.
    bool is_set;
  };

  int AddInput(InputSpec input);
  std::vector<ColumnRequest> PlaceColumns(const std::string& input,
                                          std::span<const std::string_view> layout);
  static RowRequest RequestOf(const TsvColumns& columns, std::span<const std::string_view> fields,
                              const std::vector<ColumnRequest>& places);
  void DeclareColumns();
  std::vector<int> TablesBefore(std::size_t stage) const;
  void OrderStages();

  const JobSettings settings_;
  Status status_;
  JobGraph graph_;
  int readers_ = 0;
  std::vector<ParamInfo> params_;
  std::vector<ColumnUse> columns_;
};

namespace api_internal {

template <std::size_t kNames, std::size_t kColumns>
inline constexpr bool kNamesEachColumn = kNames == kColumns;

template <class Format, class K, class V, std::size_t N>
constexpr void CheckColumnNames() {
  static_assert(FormatWithColumns<Format>,
                "Write<Format>(name, {columns}): only the rows of Tsv have columns to name");
  static_assert(!FormatWithColumns<Format> || kNamesEachColumn<N, OutputColumnCount<K, V>()>,
                "Write<Tsv>(name, {columns}): needs a name for each column of the key, then for "
                "each of the value, no more and no fewer");
}

template <class Format, class K, class V>
void AddWrite(Job& job, std::size_t stage, const std::string& name,
              std::span<const std::string_view> columns) {
  OutputSpec output{name, std::string(Format::kExtension), {}};
  if constexpr (FormatWithColumns<Format>) output.columns = OutputColumnsOf<K, V>();
  job.AddWrite(stage, std::move(output), columns,
               Factory<FormatWriteOperator<Format, K, V>, RowSink&>());
}

}  // namespace api_internal

template <class T>
T Job::Param(const std::string& name, T default_value, std::string help,
             std::vector<std::string> choices) {
  using Storage = api_internal::ParamStorage<T>;
  ParamInfo info{.name = name,
                 .type = api_internal::ParamType<T>(),
                 .default_value = api_internal::FormatParam(Storage(default_value)),
                 .value = {},
                 .help = std::move(help),
                 .choices = std::move(choices)};
  const auto given = settings_.params.find(name);
  info.is_set = given != settings_.params.end();
  info.value = info.is_set ? given->second : info.default_value;
  Storage value{};
  Status parsed = api_internal::ParseParam(info, &value);
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (parsed.ok()) parsed = api_internal::CheckRange<T>(info, value);
  }
  status_.Update(parsed);
  if (parsed.ok()) info.value = api_internal::FormatParam(value);  // "007" and "7" are one plan.
  params_.push_back(std::move(info));
  if (!parsed.ok()) return default_value;
  return static_cast<T>(value);
}

template <class Row>
auto Job::Read(const std::string& name, const TsvLayout& layout,
               const std::set<std::string>& unused) {
  static_assert(
      HasFields<Row>,
      "Read<Row>: Row needs MR_FIELDS(Row, field, ...) inside the struct, which names its columns");
  if constexpr (!HasFields<Row>) {
    return api_internal::Broken();
  } else {
    const std::vector<ColumnRequest> places = PlaceColumns(name, layout.names());
    std::map<std::string, int> overrides;
    for (std::size_t i = 0; i < places.size(); ++i) {
      // A column said by name is in none of TSV's fields: it gets one behind them all.
      if (places[i].number > 0) overrides[places[i].column] = places[i].number;
      if (places[i].number == 0 && places[i].name != places[i].column)
        overrides[places[i].column] = static_cast<int>(places.size() + i) + 1;
    }
    const Result<TsvColumns> found = TsvColumns::For<Row>(layout, overrides, unused);
    if (!found.ok()) status_.Update(found.error().Annotate("input ", name));
    const TsvColumns columns = found.ok() ? *found : TsvColumns::None<Row>();
    const auto fields = std::apply([](const auto&... field) { return std::array{field.name...}; },
                                   Row::MillraceFields());
    InputSpec input{name, {}, "tsv", /*has_distinct_names=*/false};
    for (const std::string_view column : layout.names()) input.columns.emplace_back(column);
    return Source<TsvParser<Row>, Row, TsvColumns>(*this, AddInput(std::move(input)), readers_++,
                                                   RequestOf(columns, fields, places), columns);
  }
}

template <class Row>
auto Job::Read(const std::string& name) {
  static_assert(
      HasFields<Row>,
      "Read<Row>: Row needs MR_FIELDS(Row, field, ...) inside the struct, which names its columns");
  if constexpr (!HasFields<Row>) {
    return api_internal::Broken();
  } else {
    const auto names = std::apply([](const auto&... field) { return std::array{field.name...}; },
                                  Row::MillraceFields());
    return Read<Row>(name, TsvLayout(std::span<const std::string_view>(names)));
  }
}

template <class Parser, class Record, class... ParserArgs>
template <class M, class... Args>
auto Source<Parser, Record, ParserArgs...>::Map(Args... args) {
  using MapRecord = typename api_internal::RecordOf<M>::Type;
  static_assert(MapperClass<M>,
                "Map<M>: M needs void Map(const Record&, Emitter<Key, Value>&[, Context&])");
  static_assert(!MapperClass<M> || std::is_same_v<MapRecord, Record>,
                "Map<M>: the Map of M takes another record type than the input has");
  if constexpr (!std::is_same_v<MapRecord, Record>) {
    return api_internal::Broken();
  } else {
    using Signature = api_internal::MapOf<M>;
    StageSource source;
    source.input = input_;
    source.reader = reader_;
    source.request = request_;
    source.map_name = api_internal::TypeName<M>();
    source.tables = api_internal::TablesIn(args...);
    source.make_map = api_internal::OperatorFactory<ShardMapOperator<Parser, M>, MapOperator>(
        parser_args_, std::move(args)...);
    return Mapped<typename Signature::Key, typename Signature::Value>(
        *job_, job_->AddStage(std::move(source)));
  }
}

template <class K, class V>
template <class M, class... Args>
auto Reduced<K, V>::Map(Args... args) {
  using MapRecord = typename api_internal::RecordOf<M>::Type;
  static_assert(
      MapperClass<M>,
      "Map<M>: M needs void Map(const KeyValue<Key, Value>&, Emitter<Key2, Value2>&[, Context&])");
  static_assert(!MapperClass<M> || std::is_same_v<MapRecord, KeyValue<K, V>>,
                "Map<M>: behind a Reduce, Map takes const KeyValue<Key, Value>& with the types the "
                "Reduce emits");
  if constexpr (!std::is_same_v<MapRecord, KeyValue<K, V>>) {
    return api_internal::Broken();
  } else {
    using Signature = api_internal::MapOf<M>;
    StageSource source;
    source.stage = static_cast<int>(stage_);
    source.map_name = api_internal::TypeName<M>();
    source.tables = api_internal::TablesIn(args...);
    source.make_record_map =
        api_internal::OperatorFactory<EmittedMapOperator<K, V, M>, RecordMapOperator>(
            Unit(), std::move(args)...);
    return Mapped<typename Signature::Key, typename Signature::Value>(
        *job_, job_->AddStage(std::move(source)));
  }
}

template <class K, class V>
template <class Format>
Reduced<K, V>& Reduced<K, V>::Write(const std::string& name) {
  api_internal::AddWrite<Format, K, V>(*job_, stage_, name, {});
  return *this;
}

template <class K, class V>
template <class Format, std::size_t N>
Reduced<K, V>& Reduced<K, V>::Write(const std::string& name, const std::string_view (&columns)[N]) {
  api_internal::CheckColumnNames<Format, K, V, N>();
  api_internal::AddWrite<Format, K, V>(*job_, stage_, name, columns);
  return *this;
}

template <class K, class V>
SideInput<K, V> Reduced<K, V>::AsTable() {
  return {job_->AddTable(stage_)};
}

template <class K, class V>
template <class Format>
Mapped<K, V>& Mapped<K, V>::Write(const std::string& name) {
  job_->stage(stage_).writes_maps = true;
  api_internal::AddWrite<Format, K, V>(*job_, stage_, name, {});
  return *this;
}

template <class K, class V>
template <class Format, std::size_t N>
Mapped<K, V>& Mapped<K, V>::Write(const std::string& name, const std::string_view (&columns)[N]) {
  api_internal::CheckColumnNames<Format, K, V, N>();
  job_->stage(stage_).writes_maps = true;
  api_internal::AddWrite<Format, K, V>(*job_, stage_, name, columns);
  return *this;
}

template <class K, class V>
Mapped<K, V>& Mapped<K, V>::And(Mapped other) {
  job_->MergeStages(stage_, other.stage_);
  return *this;
}

template <class K, class V>
template <class C, class... Args>
Mapped<K, V>& Mapped<K, V>::Combine(Args... args) {
  StageSpec& stage = job_->stage(stage_);
  job_->BeginCombine(stage, api_internal::TypeName<C>());
  if constexpr (AggregatorOf<AggregatorFor<C, V>, V>) {
    using A = AggregatorFor<C, V>;
    stage.has_states = !StateIsValue<A>() &&
                       (api_internal::kStateBytes<typename A::State> > 0 || !std::is_empty_v<V>);
    stage.make_collector =
        api_internal::Factory<AggregateCollector<V, A>, const CollectorOptions&>();
    stage.make_combiner = api_internal::Factory<AggregateCombine<A>>();
  } else {
    static_assert(ReducerClass<C>,
                  "Combine<C>: C needs to be an aggregator of Map's values or to have void "
                  "Reduce(const Key&, Values<Value>&, "
                  "Emitter<Key, Value>&)");
    if constexpr (ReducerClass<C>) {
      using Signature = api_internal::ReduceOf<C>;
      constexpr bool kFits = std::is_same_v<typename Signature::Group, K> &&
                             std::is_same_v<typename Signature::Value, V> &&
                             std::is_same_v<typename Signature::OutKey, K> &&
                             std::is_same_v<typename Signature::OutValue, V>;
      static_assert(!Signature::kTakesContext,
                    "Combine<C>: a combiner runs any number of times: it can't count or reject");
      static_assert(
          kFits, "Combine<C>: a combiner takes and emits the key and value types that Map emits");
      if constexpr (kFits && !Signature::kTakesContext) {
        stage.make_combiner = api_internal::Factory<GroupCombine<K, V, C>>(std::move(args)...);
      }
    }
  }
  return *this;
}

template <class K, class V>
template <class R, class... Args>
auto Mapped<K, V>::Reduce(Args... args) {
  constexpr bool kIsAggregator = AggregatorOf<AggregatorFor<R, V>, V>;
  static_assert(ReducerClass<R> || kIsAggregator,
                "Reduce<R>: R needs void Reduce(const Key&, Values<Value>&, Emitter<Key2, "
                "Value2>&[, Context&]), or to be an "
                "aggregator of Map's values such as Sum");
  if constexpr (ReducerClass<R>) {
    using Signature = api_internal::ReduceOf<R>;
    constexpr bool kFits = std::is_same_v<typename Signature::Group, K> &&
                           std::is_same_v<typename Signature::Value, V>;
    static_assert(std::is_same_v<typename Signature::Group, K>,
                  "Reduce<R>: the Reduce of R takes another key type than Map emits");
    static_assert(std::is_same_v<typename Signature::Value, V>,
                  "Reduce<R>: the Reduce of R takes other Values than Map emits");
    if constexpr (!kFits) {
      return api_internal::Broken();
    } else {
      StageSpec& stage = job_->stage(stage_);
      job_->BeginReduce(stage, api_internal::TypeName<R>(), /*is_aggregator=*/false);
      stage.reduce_tables = api_internal::TablesIn(args...);
      stage.make_reduce = api_internal::OperatorFactory<GroupReduce<K, V, R>, ReduceOperator>(
          GroupReader::PrefixBytes(nullptr), std::move(args)...);
      return Reduced<typename Signature::OutKey, typename Signature::OutValue>(*job_, stage_);
    }
  } else if constexpr (kIsAggregator) {
    using A = AggregatorFor<R, V>;
    job_->BeginReduce(job_->stage(stage_), api_internal::TypeName<R>(), /*is_aggregator=*/true);
    Combine<R>();
    job_->stage(stage_).make_reduce =
        api_internal::Factory<AggregateReduce<K, A>, Context&, EmitSink&>();
    return Reduced<K, AggregateResult<A>>(*job_, stage_);
  } else {
    return api_internal::Broken();
  }
}

template <class K, class V>
auto Mapped<K, V>::AsTable() {
  static_assert(api_internal::kIsSourced<V>,
                "AsTable: behind a Map the values are Sourced<Value>, as in emit(key, {value, "
                "context.origin()}), so that a key's second record can be set aside; or Reduce "
                "first");
  if constexpr (api_internal::kIsSourced<V>) {
    return Reduce<KeepFirst<K, decltype(V::value)>>().AsTable();
  } else {
    return api_internal::Broken();
  }
}

template <class K, class V, std::size_t N>
template <class R, class... Args>
auto Grouped<K, V, N>::Reduce(Args... args) {
  static_assert(ReducerClass<R>,
                "Reduce<R>: behind GroupBy, R needs void Reduce(const Prefix&, "
                "Values<KeyValue<Key, Value>>&, "
                "Emitter<Key2, Value2>&[, Context&])");
  if constexpr (!ReducerClass<R>) {
    return api_internal::Broken();
  } else {
    using Signature = api_internal::ReduceOf<R>;
    constexpr bool kGroupFits =
        std::is_same_v<typename Signature::Group, typename KeyPrefixType<K, N>::Type>;
    constexpr bool kValueFits = std::is_same_v<typename Signature::Value, KeyValue<K, V>>;
    static_assert(kGroupFits,
                  "Reduce<R>: the Reduce of R takes another key type than the key's first parts");
    static_assert(kValueFits,
                  "Reduce<R>: behind GroupBy, Reduce takes Values<KeyValue<Key, Value>>");
    if constexpr (!kGroupFits || !kValueFits) {
      return api_internal::Broken();
    } else {
      StageSpec& stage = job_->stage(stage_);
      job_->BeginReduce(stage, api_internal::TypeName<R>(), /*is_aggregator=*/false);
      stage.group_bytes = &KeyPrefixBytes<K, N>;
      stage.reduce_tables = api_internal::TablesIn(args...);
      stage.make_reduce = api_internal::OperatorFactory<GroupReduce<K, V, R>, ReduceOperator>(
          stage.group_bytes, std::move(args)...);
      return Reduced<typename Signature::OutKey, typename Signature::OutValue>(*job_, stage_);
    }
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_API_JOB_H_

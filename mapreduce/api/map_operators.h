// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_MAP_OPERATORS_H_
#define MAPREDUCE_API_MAP_OPERATORS_H_

// A job's Map class, run over the records of a shard or of an earlier stage.
//
// A record that throws or is rejected leaves nothing behind: what it has emitted is taken back.
// The loop has no try block per record; after an exception parsing resumes behind the record.

#include <array>
#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mapreduce/api/operators.h"
#include "mapreduce/api/signature.h"
#include "mapreduce/formats/tsv.h"

namespace millrace {
namespace api_internal {

/// A mapper that wants to see records some time before it maps them.
template <class Mapper, class Record>
concept HasPrefetch = requires(Mapper mapper, const Record& record) {
  mapper.Prefetch(record);
};

/// Calls a job's Map, and turns an exception or a reject into a reported record.
template <class Mapper>
class MapCaller {
 public:
  using Signature = MapOf<Mapper>;

  template <class... Args>
  MapCaller(Context& context, EmitSink& sink, Args&&... args)
      : context_(context),
        batch_(sink),
        emitter_(batch_),
        mapper_(MakeUserObject<Mapper>(std::forward<Args>(args)...)) {
    CallSetUp(mapper_, context_);
  }

  void Call(const typename Signature::Record& record, std::string_view raw) {
    if constexpr (Signature::kTakesContext) {
      mapper_.Map(record, emitter_, context_);
      if (context_.is_rejected()) [[unlikely]]
        Drop(raw);
    } else {
      mapper_.Map(record, emitter_);
      (void)raw;
    }
    batch_.EndRecord();
  }
  /// The record that was being mapped threw.
  void Threw(const std::string& what, std::string_view raw) {
    context_.Reject(what);
    Drop(raw);
    batch_.EndRecord();
  }
  /// It can't be parsed.
  void Reject(std::string_view reason, std::string_view raw) {
    if (context_.is_repeat()) return;
    status_.Update(context_.ReportReject(reason, raw));
  }

  /// Only a hint: if it throws, Map will say why.
  void Prefetch(const typename Signature::Record& record) {
    if constexpr (HasPrefetch<Mapper, typename Signature::Record>) {
      try {
        mapper_.Prefetch(record);
      } catch (const std::bad_alloc&) {
        throw;
      } catch (...) {
      }
    }
  }

  void Flush() { batch_.Flush(); }
  Status Close() {
    CallTearDown(mapper_, context_);
    batch_.Flush();
    status_.Update(context_.failure());
    return status();
  }
  Status status() const { return status_.ok() ? batch_.status() : status_; }

 private:
  void Drop(std::string_view raw) {
    if (!batch_.DropRecord()) {
      status_.Update(Status::UserCode("a record was rejected after it had emitted more than ",
                                      kBatchBytesMax,
                                      " bytes, which can't be taken back; reject before emitting"));
    }
    status_.Update(context_.ReportReject(raw));
  }

  Context& context_;
  EmitBatch batch_;
  Emitter<typename Signature::Key, typename Signature::Value> emitter_;
  Mapper mapper_;
  Status status_;
};

/// Runs `body`; true if it threw, with the exception's text. std::bad_alloc passes through: that
/// is not the record's fault.
template <class F>
bool Throws(F&& body, std::string* what) {
  try {
    body();
    return false;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    *what = std::string("the job's code threw: ") + error.what();
  } catch (...) {
    *what = "the job's code threw something that is no std::exception";
  }
  return true;
}

}  // namespace api_internal

/// Maps records of a shard, as `Parser` reads them.
template <class Parser, class Mapper>
class ShardMapOperator final : public MapOperator {
 public:
  template <class ParserArgs, class... Args>
  ShardMapOperator(const ParserArgs& parser_args, Context& context, EmitSink& sink, Args&&... args)
      : parser_(MakeParser(parser_args, context.is_converted())),
        context_(context),
        caller_(context, sink, std::forward<Args>(args)...) {}

  Status MapBlock(const LineBlock& block) override {
    context_.BeginBlock(block);
    if (!block.reject.empty()) {
      ++record_count_;
      context_.BeginRecord({block.begin, 0});
      caller_.Reject(block.reject, block.records->front().raw);
      return caller_.status();
    }
    LineBlock rest = block;
    std::string what;
    std::string_view current;
    const auto parse = [&] {
      Parse(rest, &current);
      MapAhead(&current);
    };
    while (api_internal::Throws(parse, &what)) {
      caller_.Threw(what, current);
      ahead_count_ = 0;  // They are parsed once more.
      const char* next = current.data() + current.size();
      if (next < rest.end) ++next;  // Its LF.
      rest.offset += static_cast<std::uint64_t>(next - rest.begin);
      rest.begin = next;
      if (rest.begin >= rest.end) break;
    }
    return caller_.status();
  }
  Status Close() override { return caller_.Close(); }
  std::uint64_t record_count() const override { return record_count_; }

 private:
  using Record = typename api_internal::MapOf<Mapper>::Record;

  // Lines that were made of another format's rows have no other fields than the used ones.
  template <class ParserArgs>
  static Parser MakeParser(const ParserArgs& args, bool is_converted) {
    if constexpr (std::is_same_v<ParserArgs, std::tuple<TsvColumns>>) {
      return Parser(is_converted ? std::get<0>(args).Packed() : std::get<0>(args));
    } else {
      return std::make_from_tuple<Parser>(args);
    }
  }

  static constexpr bool kHasPrefetch = api_internal::HasPrefetch<Mapper, Record>;
  // So many records are parsed, then all are looked at ahead, then all are mapped. A prefetch that
  // misses the TLB holds up what is behind it until the page is found: between two of them there is
  // nothing else to do, so that the processor has several on the way (revenue: 3 % of the time
  // against one prefetch with each record parsed, 8 records ahead).
  static constexpr std::size_t kAheadMax = kHasPrefetch ? 32 : 1;
  // Into ahead_ itself.
  static constexpr bool kParsesAhead =
      kHasPrefetch && requires(Parser parser, const LineBlock& block, Record* (*next)(),
                               void (*use)(const Record&, std::string_view),
                               void (*reject)(std::string_view, std::string_view)) {
    parser.ParseInto(block, next, use, reject);
  };

  void Parse(const LineBlock& block, std::string_view* current) {
    const auto on_record = [&](const Record& record, std::string_view raw) {
      if constexpr (kHasPrefetch) {
        if (parser_.is_in_block()) [[likely]]
          return PutOff(record, raw, current);
        MapAhead(current);
      }
      Map(record, raw, current);
    };
    const auto on_reject = [&](std::string_view reason, std::string_view raw) {
      MapAhead(current);
      ++record_count_;
      context_.BeginRecord(raw);
      caller_.Reject(reason, raw);
    };
    if constexpr (kParsesAhead) {
      parser_.ParseInto(
          block, [this] { return &ahead_[ahead_count_]; }, on_record, on_reject);
    } else {
      parser_.Parse(block, on_record, on_reject);
    }
  }

  void Map(const Record& record, std::string_view raw, std::string_view* current) {
    ++record_count_;
    *current = raw;
    context_.BeginRecord(raw);
    caller_.Call(record, raw);
  }
  // Maps those that were put off.
  void MapAhead(std::string_view* current) {
    if constexpr (kHasPrefetch) {
      for (std::size_t i = 0; i < ahead_count_; ++i) caller_.Prefetch(ahead_[i]);
      for (std::size_t i = 0; i < ahead_count_; ++i) Map(ahead_[i], ahead_raw_[i], current);
      ahead_count_ = 0;
    }
  }
  void PutOff(const Record& record, std::string_view raw, std::string_view* current) {
    if constexpr (!kParsesAhead) ahead_[ahead_count_] = record;
    ahead_raw_[ahead_count_] = raw;
    if (++ahead_count_ == kAheadMax) MapAhead(current);
  }

  Parser parser_;
  Context& context_;
  api_internal::MapCaller<Mapper> caller_;
  std::uint64_t record_count_ = 0;
  std::array<Record, kAheadMax> ahead_{};  // Parsed and not mapped yet.
  std::array<std::string_view, kAheadMax> ahead_raw_;
  std::size_t ahead_count_ = 0;
};

/// Maps what an earlier stage emitted, a batch at a time.
template <class K, class V, class Mapper>
class EmittedMapOperator final : public RecordMapOperator {
 public:
  template <class... Args>
  EmittedMapOperator(Unit, Context& context, EmitSink& sink, Args&&... args)
      : context_(context), caller_(context, sink, std::forward<Args>(args)...) {}

  Status Consume(EmitBatch& batch) override {
    std::size_t i = 0;
    std::string what;
    std::string_view key;
    const auto map_rest = [&] {
      for (; i < batch.count(); ++i) {
        const char* const record = batch.begin() + batch.offset(i);
        key = {EmitBatch::Key(record), EmitBatch::KeyBytes(record)};
        const char* const value = key.data() + key.size();
        scratch_.Clear();
        DecodeKey<true>(key.data(), value, &pair_.key, scratch_);
        DecodeValue<true>(value, value + EmitBatch::ValueBytes(record), &pair_.value);
        context_.BeginGroup(key);
        caller_.Call(pair_, key);
      }
    };
    while (api_internal::Throws(map_rest, &what)) {
      caller_.Threw(what, key);
      ++i;
    }
    return caller_.status();
  }
  Status Close() override { return caller_.Close(); }

 private:
  Context& context_;
  api_internal::MapCaller<Mapper> caller_;
  KeyValue<K, V> pair_;
  DecodeScratch scratch_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_MAP_OPERATORS_H_

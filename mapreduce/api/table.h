// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_TABLE_H_
#define MAPREDUCE_API_TABLE_H_

// Side inputs: a small dataset, or what a stage made, looked up by key while another stage maps or
// reduces.
//
//   auto countries = job.Read<User>("users").Map<UserCountry>().AsTable();  // SideInput<Name,
//   Name> job.Read<Sale>("sales").Map<SaleByCountry>(countries)...
//
//   struct SaleByCountry {
//     Table<Name, Name> countries;  // Made from the SideInput when a task begins.
//     void Map(const Sale& sale, Emitter<Name, Cents>& emit) {
//       emit(countries.Find(sale.user).value_or("?"), sale.cents);
//     }
//   };
//
// A table is built once for a run, sorted, in files that every task maps into memory: tasks of one
// machine share its pages, and of one that is larger than the memory only those looked at are read
// (slower; the run warns).

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mapreduce/api/context.h"
#include "mapreduce/api/key_codec.h"
#include "mapreduce/api/table_set.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/base/bytes.h"

namespace millrace {
namespace api_internal {

/// Where keys are that were prefetched and not looked up yet, so that each is hashed once. Lookups
/// come in the order of the calls of Prefetch; keys that are not looked up are passed over.
class SpotsAhead {
 public:
  void Put(std::uint64_t name, const SmallTable::Spot& spot) {
    if (end_ - begin_ == kSpots) ++begin_;
    spots_[end_++ % kSpots] = {name, spot};
  }
  /// Without a line where the key was not prefetched.
  SmallTable::Spot Take(std::uint64_t name) {
    while (begin_ != end_) {
      const Named& next = spots_[begin_++ % kSpots];
      if (next.name == name) [[likely]]
        return next.spot;
    }
    return {};
  }

 private:
  static constexpr std::uint32_t kSpots = 32;
  struct Named {
    std::uint64_t name;
    SmallTable::Spot spot;
  };
  std::array<Named, kSpots> spots_;
  std::uint32_t begin_ = 0, end_ = 0;
};

}  // namespace api_internal

/// What a Map or Reduce looks up in: one of its own for each task's object. Cheap to copy. It and
/// its copies are one thread's at a time; the rows behind it are shared. Strings in what it returns
/// are views that live as long as the task.
template <class K, class V>
class Table {
 public:
  Table() = default;
  explicit Table(std::shared_ptr<const TableSet> rows) : rows_(std::move(rows)) {}

  /// The value of `key`; nullopt where the table has none. Cost: some cache misses, no allocation
  /// for keys of some hundred bytes.
  std::optional<V> Find(const K& key) const {
    std::optional<V> value;
    if (const std::string_view bytes = BytesOf(key); bytes.data() != nullptr)
      DecodeValue</*kLast=*/true>(bytes.data(), bytes.data() + bytes.size(), &value.emplace());
    return value;
  }
  bool Contains(const K& key) const { return BytesOf(key).data() != nullptr; }
  /// Asks for the memory that Find or RowOf will look at. A Map that looks up in a large table is
  /// faster with a member `void Prefetch(const Record&)` that calls this: it is called for records
  /// that Map will be called for soon.
  void Prefetch(const K& key) const {
    WithEncoded(key, [this, &key](std::string_view encoded) {
      if (const SmallTable::Spot spot = rows_->Prefetch(encoded); spot.line != nullptr)
        ahead_.Put(NameOf(key, encoded), spot);
      return false;
    });
  }
  /// Where `key` stands among all keys in order, from 0: a dense number for it.
  std::optional<std::uint64_t> RowOf(const K& key) const {
    return WithEncoded(key, [this](std::string_view encoded) { return rows_->RowOf(encoded); });
  }
  /// How many keys there are.
  std::uint64_t size() const { return rows_ == nullptr ? 0 : rows_->rows(); }
  /// The key in row `row` and its value. Requires: row < size(). Strings in the key are views that
  /// live until the next call where they have bytes 00 or 01, else as long as the task.
  KeyValue<K, V> Row(std::uint64_t row) const {
    const std::optional<TableFile::Record> record = rows_->Row(row);
    KeyValue<K, V> pair;
    if (!record) return pair;  // Damage: the task will fail.
    if (scratch_ == nullptr) scratch_ = std::make_shared<DecodeScratch>();
    scratch_->Clear();
    DecodeKey<true>(record->key.data(), record->key.data() + record->key.size(), &pair.key,
                    *scratch_);
    pair.value = ValueOf(record->value);
    return pair;
  }

 private:
  template <class F>
  std::invoke_result_t<F, std::string_view> WithEncoded(const K& key, F&& find) const {
    if (rows_ == nullptr) return {};
    if constexpr (std::is_same_v<K, std::string> || std::is_same_v<K, std::string_view>) {
      return find(key);  // Encoded as it is.
    } else {
      char room[512];
      std::string large;
      const std::size_t bytes = KeyBytesMax</*kLast=*/true>(key);
      char* to = room;
      if (bytes > sizeof room) {
        large.resize(bytes);
        to = large.data();
      }
      const char* const end = EncodeKey</*kLast=*/true>(to, key);
      return find({to, static_cast<std::size_t>(end - to)});
    }
  }
  std::string_view BytesOf(const K& key) const {
    return WithEncoded(key, [this, &key](std::string_view encoded) {
      const SmallTable::Spot spot = ahead_.Take(NameOf(key, encoded));
      return spot.line != nullptr ? rows_->ValueNear(spot, encoded) : rows_->ValueOrNull(encoded);
    });
  }
  // Tells the keys of some records apart: the text's address, or the first bytes. Where it does not
  // (another text at the same address), a lookup takes longer and finds the same.
  static std::uint64_t NameOf(const K& key, std::string_view encoded) {
    if constexpr (std::is_same_v<K, std::string> || std::is_same_v<K, std::string_view>) {
      return reinterpret_cast<std::uintptr_t>(key.data());
    } else {
      return KeyPrefix(encoded.data(), encoded.size());
    }
  }
  static V ValueOf(std::string_view bytes) {
    V value{};
    DecodeValue</*kLast=*/true>(bytes.data(), bytes.data() + bytes.size(), &value);
    return value;
  }

  std::shared_ptr<const TableSet> rows_;
  mutable api_internal::SpotsAhead ahead_;
  mutable std::shared_ptr<DecodeScratch> scratch_;
};

/// A table in a job's definition, to be handed to Map<M>(side) and Reduce<R>(side): M and R are
/// made with a Table<K, V> in its place.
template <class K, class V>
struct SideInput {
  int table = -1;  ///< Index into JobGraph::tables.
};

namespace api_internal {

template <class T>
inline constexpr bool kIsSideInput = false;
template <class K, class V>
inline constexpr bool kIsSideInput<SideInput<K, V>> = true;

/// The tables among the arguments of a Map or Reduce.
template <class... Args>
std::vector<int> TablesIn(const Args&... args) {
  std::vector<int> tables;
  [[maybe_unused]] const auto look = [&tables](const auto& arg) {
    if constexpr (kIsSideInput<std::remove_cvref_t<decltype(arg)>>) tables.push_back(arg.table);
  };
  (look(args), ...);
  return tables;
}

/// An argument as a Map's or Reduce's constructor gets it: a table for a SideInput.
template <class T>
const T& Bind(const Context&, const T& arg) {
  return arg;
}
template <class K, class V>
Table<K, V> Bind(const Context& context, const SideInput<K, V>& side) {
  return Table<K, V>(context.table(side.table));
}

}  // namespace api_internal
}  // namespace millrace

#endif  // MAPREDUCE_API_TABLE_H_

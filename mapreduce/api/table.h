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

namespace millrace {

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
  /// Asks for the memory that Find or Contains will look at. A Map that looks up in a large table
  /// is faster with a member `void Prefetch(const Record&)` that calls this: it is called for
  /// records that Map will be called for soon.
  void Prefetch(const K& key) const {
    WithEncoded(key, [this](std::string_view encoded) { return rows_->Prefetch(encoded); });
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
    using Found = std::invoke_result_t<F, std::string_view>;
    if (rows_ == nullptr) return Found();
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
    return WithEncoded(key,
                       [this](std::string_view encoded) { return rows_->ValueOrNull(encoded); });
  }
  static V ValueOf(std::string_view bytes) {
    V value{};
    DecodeValue</*kLast=*/true>(bytes.data(), bytes.data() + bytes.size(), &value);
    return value;
  }

  std::shared_ptr<const TableSet> rows_;
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

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_MAKE_TABLE_H_
#define MAPREDUCE_TESTING_MAKE_TABLE_H_

// A table of literal rows, for a Map or Reduce class that looks up in one:
//
//   const auto mapped = MapRecords(
//       SaleByCountry{MakeTable<Name, Name>({{"u1", "SE"}, {"u2", "DE"}})}, {Sale{"u1", 300}});
//
// It is a file as in a run, without a name by the time the table is returned.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/api/key_codec.h"
#include "mapreduce/api/table.h"
#include "mapreduce/api/table_set.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/base/status.h"

namespace millrace {

namespace testing_internal {

using EncodedRow = std::pair<std::string, std::string>;  // Key and value.

template <class K, class V>
EncodedRow EncodeTableRow(const K& key, const V& value) {
  EncodedRow row(std::string(KeyBytesMax</*kLast=*/true>(key), '\0'),
                 std::string(ValueBytesMax(value), '\0'));
  const char* const key_end = EncodeKey</*kLast=*/true>(row.first.data(), key);
  row.first.resize(static_cast<std::size_t>(key_end - row.first.data()));
  const char* const value_end = EncodeValue</*kLast=*/true>(row.second.data(), value);
  row.second.resize(static_cast<std::size_t>(value_end - row.second.data()));
  return row;
}

/// The rows, sorted, in `file_count` files. kUserCode for a key that stands there twice; errors of
/// the file system.
Result<std::shared_ptr<const TableSet>> MakeTableSet(std::vector<EncodedRow> rows,
                                                     std::size_t file_count = 1);

/// Fails the test that runs, and gives a table without rows, where `table` is an error.
std::shared_ptr<const TableSet> ExpectTable(Result<std::shared_ptr<const TableSet>> table);

}  // namespace testing_internal

/// The rows may come in any order; a key that stands there twice fails the test. Views in `rows`
/// need live no longer than the call.
template <class K, class V>
Table<K, V> MakeTable(const std::vector<std::pair<K, V>>& rows) {
  std::vector<testing_internal::EncodedRow> encoded;
  for (const auto& [key, value] : rows)
    encoded.push_back(testing_internal::EncodeTableRow(key, value));
  return Table<K, V>(
      testing_internal::ExpectTable(testing_internal::MakeTableSet(std::move(encoded))));
}

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_MAKE_TABLE_H_

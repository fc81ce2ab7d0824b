// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/make_table.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/call_operators.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Name = std::string_view;

struct Sale {
  Name user;
  std::int64_t cents = 0;
};
struct SaleByCountry {
  Table<Name, Name> countries;
  void Prefetch(const Sale& sale) { countries.Prefetch(sale.user); }
  void Map(const Sale& sale, Emitter<Name, std::int64_t>& emit, Context& context) {
    const auto country = countries.Find(sale.user);
    if (!country) return context.Reject("unknown user");
    emit(*country, sale.cents);
  }
};
struct AddRate {
  Table<std::tuple<std::string, std::int32_t>, double> rates;
  void Reduce(const std::string& country, Values<std::int64_t>& cents,
              Emitter<std::string, double>& emit) {
    for (const std::int64_t each : cents) {
      emit(country, static_cast<double>(each) * rates.Find({country, 2026}).value_or(0));
    }
  }
};

TEST(MakeTableTest, IsWhatAMapLooksUpIn) {
  const auto mapped = MapRecords(SaleByCountry{MakeTable<Name, Name>({{"u2", "DE"}, {"u1", "SE"}})},
                                 {Sale{"u1", 300}, Sale{"u9", 1}, Sale{"u2", 5}});
  EXPECT_THAT(mapped.records, ElementsAre(Pair("SE", 300), Pair("DE", 5)));
  EXPECT_THAT(mapped.rejects, ElementsAre("unknown user"));
}

TEST(MakeTableTest, IsWhatAReduceLooksUpIn) {
  const auto rates = MakeTable<std::tuple<std::string, std::int32_t>, double>(
      {{{"SE", 2026}, 0.5}, {{"DE", 2025}, 2}});
  const auto reduced = ReduceRecords(AddRate{rates}, {{"SE", 10}, {"DE", 10}});
  EXPECT_THAT(reduced.records, ElementsAre(Pair("DE", 0.0), Pair("SE", 5.0)));
}

TEST(MakeTableTest, OutlivesTheRowsItWasMadeOf) {
  Table<Name, Name> table;
  {
    const std::string key(5000, 'k'), value(7000, 'v');
    table = MakeTable<Name, Name>({{key, value}, {"a", "b"}});
  }
  EXPECT_EQ(table.Find(std::string(5000, 'k')), std::string(7000, 'v'));
  EXPECT_EQ(table.RowOf("a"), 0u);
  EXPECT_EQ(table.size(), 2u);
}

TEST(MakeTableTest, FailsTheTestForAKeyThatStandsThereTwice) {
  EXPECT_NONFATAL_FAILURE(
      EXPECT_EQ((MakeTable<Name, std::int64_t>({{"a", 1}, {"b", 2}, {"a", 3}}).size()), 0u),
      "a key stands twice");
}

}  // namespace
}  // namespace millrace

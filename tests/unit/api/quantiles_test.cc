// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/quantiles.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Play {
  std::string_view country;
  std::int64_t ms = 0;
  MR_FIELDS(Play, country, ms)
};
struct MsOfCountry {
  void Map(const Play& play, Emitter<std::string_view, DdSketch>& emit) {
    emit(play.country, DdSketch::Of(play.ms));
  }
};

void MsPlayed(Job& job) {
  job.Read<Play>("plays")
      .Map<MsOfCountry>()
      .Combine<MergeSketches<std::string_view>>()
      .Reduce<Quantiles<std::string_view, 3>>(0.5, 0.9, 1)
      .Write<Tsv>("ms");
}

std::string Plays() {
  std::string rows;
  for (int i = 1; i <= 1000; ++i) {
    rows += (i % 10 == 0 ? "FI\t" : "SE\t") + std::to_string(i % 7 == 0 ? -i : i) + "\n";
  }
  return rows;
}

// Exactly 410, 880, 1000 and 417, 884, 999: to 7 bits, half up.
TEST(QuantilesTest, AreColumnsOfTheirKey) {
  const TestResult result = TestRun(MsPlayed).Input("plays", Plays()).Run();
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("FI\t412\t880\t1000", "SE\t416\t888\t1000"));
}

TEST(QuantilesTest, AreTheSameHoweverTheJobRuns) {
  EXPECT_DETERMINISTIC(TestRun(MsPlayed).Input("plays", Plays()));
}

TEST(QuantilesTest, AreFrom0To1) {
  EXPECT_THROW((Quantiles<int, 1>(1.5)), std::invalid_argument);
  EXPECT_THROW((Quantiles<int, 2>(0.5, -0.1)), std::invalid_argument);
  const TestResult result = TestRun([](Job& job) {
                              job.Read<Play>("plays")
                                  .Map<MsOfCountry>()
                                  .Reduce<Quantiles<std::string_view, 1>>(99)
                                  .Write<Tsv>("ms");
                            })
                                .Input("plays", Plays())
                                .Run();
  EXPECT_EQ(result.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(result.status.message(), HasSubstr("99.000000 is not from 0 to 1"));
}

TEST(QuantilesTest, SketchesAreValues) {
  DdSketch sketch;
  for (int i = -50; i < 5'000; ++i) sketch.Add(i * 0.37);
  const std::tuple<DdSketch, std::string, DdSketch> values(sketch, "text", DdSketch());
  std::string bytes(ValueBytesMax(values), '\0');
  const char* const end = EncodeValue<true>(bytes.data(), values);
  std::tuple<DdSketch, std::string, DdSketch> read;
  EXPECT_EQ(DecodeValue<true>(bytes.data(), end, &read), end);
  EXPECT_EQ(read, values);
}

}  // namespace
}  // namespace millrace

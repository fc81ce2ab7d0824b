// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/output_columns.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/emitter.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/json_lines.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {

struct Money {
  std::string currency;
  std::int64_t cents = 0;
};
template <>
struct Codec<Money> {
  static std::tuple<std::string, std::int64_t> ToFields(const Money& m) {
    return {m.currency, m.cents};
  }
  static Money FromFields(const std::tuple<std::string, std::int64_t>& f) {
    return {std::get<0>(f), std::get<1>(f)};
  }
};

namespace {

using api_internal::OutputColumnCount;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct TrackCount {
  std::string_view track;
  std::int64_t plays = 0;
  MR_FIELDS(TrackCount, track, plays)
};
struct Nested {
  std::string template_;
  TrackCount best;
  Unit nothing;
  std::optional<double> score;
  Descending<std::int32_t> rank;
  Date day;
  MR_FIELDS(Nested, template_, best, nothing, score, rank, day)
};
struct Priced {
  Money price;
  MR_FIELDS(Priced, price)
};

template <class K, class V>
struct Emit {
  void Map(const Line&, Emitter<K, V>& emit) { emit(K{}, V{}); }
};

template <class K, class V>
auto WriteOf(std::string_view output = "out") {
  return [output](Job& job) {
    job.ReadLines("lines").Map<Emit<K, V>>().template Write<Tsv>(std::string(output));
  };
}

std::vector<OutputColumn> ColumnsOf(const std::function<void(Job&)>& define) {
  Job job({});
  define(job);
  const Status status = job.Finish();
  EXPECT_TRUE(status.ok()) << status.message();
  return job.graph().outputs.front().columns;
}

constexpr auto kText = ColumnKind::kText;
constexpr auto kInteger = ColumnKind::kInteger;

TEST(OutputColumnsTest, AreCalledAsTheFieldsThatHoldThem) {
  EXPECT_THAT(ColumnsOf(WriteOf<TrackCount, Unit>()),
              ElementsAre(OutputColumn{"track", kText}, OutputColumn{"plays", kInteger}));
  EXPECT_THAT(ColumnsOf(WriteOf<std::string, Nested>()),
              ElementsAre(OutputColumn{"column1", kText}, OutputColumn{"template", kText},
                          OutputColumn{"track", kText}, OutputColumn{"plays", kInteger},
                          OutputColumn{"score", ColumnKind::kNumber},
                          OutputColumn{"rank", kInteger}, OutputColumn{"day", ColumnKind::kDate}));
}

TEST(OutputColumnsTest, HaveTheirNumberWhereNobodyNamesThem) {
  EXPECT_THAT(ColumnsOf(WriteOf<std::tuple<std::string, std::int8_t>, std::uint64_t>()),
              ElementsAre(OutputColumn{"column1", kText}, OutputColumn{"column2", kInteger},
                          OutputColumn{"column3", kInteger}));
  EXPECT_THAT(ColumnsOf(WriteOf<std::pair<std::string, std::string>, float>()),
              ElementsAre(OutputColumn{"column1", kText}, OutputColumn{"column2", kText},
                          OutputColumn{"column3", ColumnKind::kNumber}));
}

TEST(OutputColumnsTest, NeverShareAName) {
  EXPECT_THAT(ColumnsOf(WriteOf<TrackCount, std::pair<TrackCount, TrackCount>>()),
              ElementsAre(OutputColumn{"track", kText}, OutputColumn{"plays", kInteger},
                          OutputColumn{"track_2", kText}, OutputColumn{"plays_2", kInteger},
                          OutputColumn{"track_3", kText}, OutputColumn{"plays_3", kInteger}));
  EXPECT_THAT(ColumnsOf(WriteOf<Priced, Money>()),
              ElementsAre(OutputColumn{"price", kText}, OutputColumn{"price_2", kInteger},
                          OutputColumn{"column3", kText}, OutputColumn{"column4", kInteger}));
}

template <class K, class V>
std::size_t WrittenColumns() {
  RowBuffer out;
  const K key{};
  const V value{};
  AppendTsvRow(out, AsColumns(key), AsColumns(value));
  return static_cast<std::size_t>(std::count(out.view().begin(), out.view().end(), '\t')) + 1;
}
template <class K, class V>
void ExpectAsManyAsAreWritten() {
  EXPECT_EQ((OutputColumnCount<K, V>()), (WrittenColumns<K, V>()));
}

TEST(OutputColumnsTest, AreAsManyAsARowHas) {
  ExpectAsManyAsAreWritten<std::string, std::int64_t>();
  ExpectAsManyAsAreWritten<std::string, Unit>();
  ExpectAsManyAsAreWritten<Unit, Nested>();
  ExpectAsManyAsAreWritten<Nested, std::tuple<Nested, std::optional<Date>, Money>>();
  ExpectAsManyAsAreWritten<std::tuple<std::pair<Date, Priced>, double>, std::optional<double>>();
  ExpectAsManyAsAreWritten<Descending<std::string>, Descending<Date>>();
  EXPECT_EQ((OutputColumnCount<Unit, Unit>()), 0u);
}

TEST(OutputColumnsTest, AreCalledAsTheJobSays) {
  EXPECT_THAT(ColumnsOf([](Job& job) {
                job.ReadLines("lines").Map<Emit<std::string, TrackCount>>().Write<Tsv>(
                    "out", {"country", "title", "n"});
              }),
              ElementsAre(OutputColumn{"country", kText}, OutputColumn{"title", kText},
                          OutputColumn{"n", kInteger}));
  EXPECT_THAT(
      ColumnsOf([](Job& job) {
        job.ReadLines("lines").Map<Emit<std::string, std::int64_t>>().Reduce<Sum>().Write<Tsv>(
            "out", {"line", "n"});
      }),
      ElementsAre(OutputColumn{"line", kText}, OutputColumn{"n", kInteger}));
  const auto lines = [](Job& job) {
    job.ReadLines("lines").Map<Emit<std::string, Unit>>().Write<Text>("out");
  };
  EXPECT_THAT(ColumnsOf(lines), IsEmpty());
}

std::string Complaint(const std::function<void(Job&)>& define, JobSettings settings = {}) {
  Job job(std::move(settings));
  define(job);
  const Status status = job.Finish();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

TEST(OutputColumnsTest, MustHaveNamesThatCanBe) {
  const auto complaint = [](std::string_view first, std::string_view second) {
    return Complaint([&](Job& job) {
      job.ReadLines("lines").Map<Emit<TrackCount, Unit>>().Write<Tsv>("out", {first, second});
    });
  };
  EXPECT_EQ(complaint("n", "n"), "output out: two columns are called n");
  EXPECT_EQ(complaint("", "n"), "output out: a column has no name");
  EXPECT_EQ(complaint("n", "\xFF"), "output out: a column's name is not UTF-8");
}

// ---- Other formats ------------------------------------------------------------------------------

JobSettings As(OutputFormat format) { return {.params = {}, .date = "", .output_format = format}; }

class CollectedRows final : public RowSink {
 public:
  Status AppendRows(std::string_view rows, std::uint64_t count) override {
    text += rows;
    row_count += count;
    longest = std::max(longest, rows.size());
    return {};
  }
  std::string text;
  std::uint64_t row_count = 0;
  std::size_t longest = 0;
};

void PlaysAndLines(Job& job) {
  job.ReadLines("lines")
      .Map<Emit<std::string, TrackCount>>()
      .Write<Tsv>("plays", {"country", "track", "n"})
      .Write<Text>("lines");
}

struct Written {
  Status status;
  CollectedRows rows;
};

// What the first output of the job makes of these records.
Written Write(OutputFormat format, const std::vector<std::pair<std::string, TrackCount>>& records) {
  Job job(As(format));
  PlaysAndLines(job);
  EXPECT_TRUE(job.Finish().ok());
  Written written;
  const auto writer = job.graph().stages[0].writes[0].make_writer(written.rows);
  EmitBatch batch(*writer);
  Emitter<std::string, TrackCount> emit(batch);
  for (const auto& [key, value] : records) {
    emit(key, value);
    batch.EndRecord();
  }
  batch.Flush();
  written.status = batch.status();
  written.status.Update(writer->Close());
  return written;
}

TEST(OutputColumnsTest, AreWrittenInTheFormatThatTheUserSays) {
  const std::vector<std::pair<std::string, TrackCount>> records = {{"SE", {"a,b", 2}},
                                                                   {"", {"\t\"", -1}}};
  EXPECT_EQ(Write(OutputFormat::kTsv, records).rows.text, "SE\ta,b\t2\n\t\\t\"\t-1\n");
  EXPECT_EQ(Write(OutputFormat::kCsv, records).rows.text, "SE,\"a,b\",2\n\"\",\"\t\"\"\",-1\n");
  const Written json = Write(OutputFormat::kJsonLines, records);
  EXPECT_EQ(json.rows.text,
            "{\"country\":\"SE\",\"track\":\"a,b\",\"n\":2}\n"
            "{\"country\":\"\",\"track\":\"\\t\\\"\",\"n\":-1}\n");
  EXPECT_EQ(json.rows.row_count, 2u);
}

TEST(OutputColumnsTest, AnOutputWithoutColumnsKeepsItsFormat) {
  Job job(As(OutputFormat::kCsv));
  PlaysAndLines(job);
  ASSERT_TRUE(job.Finish().ok());
  const std::vector<OutputSpec>& outputs = job.graph().outputs;
  EXPECT_EQ(outputs[0].extension, "csv");
  EXPECT_EQ(outputs[0].format, OutputFormat::kCsv);
  EXPECT_EQ(outputs[1].extension, "tsv");
  EXPECT_EQ(outputs[1].format, OutputFormat::kTsv);
}

TEST(OutputColumnsTest, AJobWithoutAnyCanWriteItsOwnFormatAlone) {
  const auto lines = [](Job& job) {
    job.ReadLines("lines").Map<Emit<std::string, Unit>>().Write<Text>("out");
  };
  const auto mails = [](Job& job) {
    job.ReadLines("lines").Map<Emit<Unit, TrackCount>>().Write<JsonLines>("out");
  };
  EXPECT_EQ(Complaint(lines, As(OutputFormat::kCsv)),
            "it can't write as csv: none of its outputs has columns; leave out --output-format");
  EXPECT_THAT(Complaint(mails, As(OutputFormat::kCsv)), HasSubstr("can't write as csv"));
  Job job(As(OutputFormat::kJsonLines));
  mails(job);
  EXPECT_TRUE(job.Finish().ok());
  EXPECT_EQ(job.graph().outputs[0].format, OutputFormat::kTsv);  // Nothing is converted.
}

// Many rows at once become many pieces, each of whole rows, and none is lost or counted twice.
TEST(OutputColumnsTest, ALargeBatchIsConvertedInPieces) {
  std::vector<std::pair<std::string, TrackCount>> records;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    records.push_back({std::string(20000 + i, 'x'), {"t", i}});
    expected += records.back().first + ",t," + std::to_string(i) + "\n";
  }
  const Written written = Write(OutputFormat::kCsv, records);
  ASSERT_TRUE(written.status.ok());
  EXPECT_TRUE(written.rows.text == expected);
  EXPECT_EQ(written.rows.row_count, 100u);
  EXPECT_LT(written.rows.longest, std::size_t{600} << 10);
}

TEST(OutputColumnsTest, FailTheRunRatherThanWriteWhatIsNotUtf8) {
  const Written written = Write(OutputFormat::kJsonLines, {{"SE", {"a", 1}}, {"NO", {"\xF6", 2}}});
  EXPECT_EQ(written.status.code(), StatusCode::kBadData);
  EXPECT_THAT(written.status.message(),
              HasSubstr("output plays: the column track of the row 'NO \xF6 2' is not UTF-8"));
  EXPECT_EQ(written.rows.text, "");
}

}  // namespace
}  // namespace millrace

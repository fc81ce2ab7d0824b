// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv_border.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/random.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

std::size_t NextRecord(std::string_view bytes, const CsvBorderOptions& options = {},
                       std::size_t piece = SIZE_MAX) {
  CsvBorder border(options);
  std::size_t known = 0;
  while (!border.Look(bytes.substr(0, known), known == bytes.size())) {
    EXPECT_LT(known, bytes.size());
    known = piece > bytes.size() - known ? bytes.size() : known + piece;
  }
  return border.next_record();
}

TEST(CsvBorderTest, FindsTheRecordBehindTheBorder) {
  EXPECT_EQ(NextRecord("x,2\n3,4\n"), 4u);
  EXPECT_EQ(NextRecord("\n3,\"4\"\n"), 1u);
  EXPECT_EQ(NextRecord("x\ny\",2\n3,\"4 \"\n"), 7u);   // In quotes, with an LF to come.
  EXPECT_EQ(NextRecord("x,\"y\nz\"\n3,\"4\"\n"), 8u);  // Before a quoted LF.
  EXPECT_EQ(NextRecord("\"x\n\",3\n4,5\n"), 7u);       // Between the quotes of a doubled one.
  EXPECT_EQ(NextRecord("\",3\n4,5\n"), 4u);            // Before a closing quote.
  EXPECT_EQ(NextRecord("x"), 1u);
  EXPECT_EQ(NextRecord(""), 0u);
}

TEST(CsvBorderTest, FollowsTheReadingThatIsLeftThroughABadRecord) {
  EXPECT_EQ(NextRecord("ab,\"x\ny\"z\n1,2\n"), 10u);
  EXPECT_EQ(NextRecord("ab \"x\" z\n1,2\n"), 9u);
}

TEST(CsvBorderTest, TakesLinesForDataWithoutQuotes) {
  EXPECT_EQ(NextRecord("x\ny\",2\n", {.has_quotes = false}), 2u);
}

TEST(CsvBorderTest, DoesNotDependOnThePiecesItSees) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random.Uniform(200), ' ');
    for (char& c : text) c = "a,\"\n\rbc,\n"[random.Uniform(9)];
    if (random.Uniform(2) == 0) text.append(300, 'x').append("\ny,\"z\"\n");
    const CsvBorderOptions options{.column_count = 1 + random.Uniform(3),
                                   .record_bytes_max = 1 + random.Uniform(100),
                                   .calm_bytes = 1 + random.Uniform(50)};
    const std::size_t expected = NextRecord(text, options);
    for (const std::size_t piece : {1, 2, 7, 64}) {
      ASSERT_EQ(NextRecord(text, options, piece), expected) << testing::PrintToString(text);
    }
  }
}

std::string Lines(std::string_view line, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += line;
  return text;
}

// Text in quotes that looks like records is found out by the quote that closes it, if that comes in
// time. Without quotes, a good while of records is enough.
TEST(CsvBorderTest, IsCalmWhereNoQuoteComesForLong) {
  const CsvBorderOptions options{.column_count = 3, .calm_bytes = 1000};
  const std::string calm = Lines("1,22,333\n", 2000);
  EXPECT_EQ(NextRecord(calm + "x\"\n", options), 9u);
  EXPECT_EQ(NextRecord(calm.substr(0, 900) + "x\"\n", options), 903u);
  // Of another number of fields: data.
  const std::string other = Lines("1,22\n", 2000);
  EXPECT_EQ(NextRecord(other + "x\"\n", options), other.size() + 3);
  // Few lines prove nothing.
  const std::string few = Lines(std::string(400, 'x') + ",,\n", 2000);
  EXPECT_EQ(NextRecord(few + "x\"\n", options), few.size() + 3);
  // Lines without a delimiter prove less, so it takes 16 times as many.
  const CsvBorderOptions one_column{.column_count = 1, .calm_bytes = 1000};
  const std::string words = Lines("word\n", 17000);
  EXPECT_EQ(NextRecord(words + "x\"\n", one_column), 5u);
  EXPECT_EQ(NextRecord(words.substr(0, 15000) + "x\"\n", one_column), 15003u);
  // The same behind an opening quote: it was a closing one.
  EXPECT_EQ(NextRecord("a,\"" + calm.substr(4), options), 8u);
}

// Within quotes, "" is one quote of the text: no file of such fields could rule that reading out.
TEST(CsvBorderTest, IsCalmWhereQuotesComeInPairsForLong) {
  const CsvBorderOptions options{.column_count = 3, .calm_bytes = 1000};
  for (const std::string line :
       {"1,\"\",333\n", "\"\"\"\",22,\"\"\n", "1,\"\"\"\"\"\"\"\",3\r\n"}) {
    const std::string calm = Lines(line, 2000);
    EXPECT_EQ(NextRecord(calm + "x\"\n", options), line.size()) << line;
    EXPECT_EQ(NextRecord(Lines(line, 900) + "x\"\n", options), Lines(line, 900).size() + 3) << line;
    // Behind a quote that closes a field in one reading and opens it in the other.
    EXPECT_EQ(NextRecord("a,\"" + calm.substr(calm.find(',')), options),
              3 + line.size() - line.find(','))
        << line;
  }
  // Of another number of fields, of which a comma in quotes is no border: data.
  const std::string other = Lines("1,\"\",333,4\n", 2000);
  EXPECT_EQ(NextRecord(other + "x\"\n", options), other.size() + 3);
}

// The field ends where it was to be calm for long enough: one byte too soon.
TEST(CsvBorderTest, AFieldThatEndsInTimeIsNoGuess) {
  const CsvBorderOptions options{.column_count = 3, .calm_bytes = 300};
  const std::string calm = Lines(",,\n", 298);
  EXPECT_EQ(NextRecord(calm.substr(1) + "\",2,3\n4,5,6\n", options), calm.size() - 1 + 6);
}

// A stretch that is not calm leads to the next one, in quotes or not.
TEST(CsvBorderTest, IsCalmLaterToo) {
  const CsvBorderOptions options{.column_count = 3, .calm_bytes = 1000};
  const std::string rough = Lines("1,\"\"\n", 2500), calm = Lines("1,\"\",333\n", 4000);
  EXPECT_EQ(NextRecord(rough + calm + "x\"\n", options), 5u);
  EXPECT_EQ(NextRecord(rough + Lines("1,\"\",333\n", 900) + "x\"\n", options),
            rough.size() + Lines("1,\"\",333\n", 900).size() + 3);
}

TEST(CsvBorderTest, LooksNoFurtherThanARecordMayBeLong) {
  const CsvBorderOptions options{.column_count = 1, .record_bytes_max = 20};
  EXPECT_EQ(NextRecord("1\n" + std::string(30, 'x') + "\"\n", options), 2u);
  EXPECT_EQ(NextRecord("1\n" + std::string(10, 'x') + "\"\n", options), 14u);
  EXPECT_EQ(NextRecord(std::string(30, 'x') + "\n", options), CsvBorder::kNone);
}

}  // namespace
}  // namespace millrace

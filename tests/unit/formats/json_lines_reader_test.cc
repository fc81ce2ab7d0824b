// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/formats/json_lines_fault.h"
#include "mapreduce/formats/json_lines_parser.h"
#include "mapreduce/formats/utf8.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Fields = std::vector<std::optional<std::string>>;

TextFile Json(std::string text) { return TextFile("plays.jsonl", std::move(text), "jsonl"); }

/// The fields of the one row that `line` is.
Fields FieldsOf(const std::string& line, const std::vector<std::string>& columns) {
  const std::vector<FileRow> rows = Json(line).Rows(columns);
  if (rows.size() != 1 || !rows.front().reject.empty()) {
    ADD_FAILURE() << line << ": " << testing::PrintToString(rows);
    return {};
  }
  return rows.front().fields;
}

std::optional<std::string> FieldOf(const std::string& line, const std::string& column) {
  const Fields fields = FieldsOf(line, {column});
  return fields.size() == 1 ? fields.front() : "(no field)";
}

std::string RejectOf(const std::string& line, const std::vector<std::string>& columns = {"a"}) {
  const std::vector<FileRow> rows = Json("{}\n" + line + "\n").Rows(columns);
  if (rows.size() != 2) return "(" + std::to_string(rows.size()) + " rows)";
  EXPECT_EQ(rows.back().raw, line);
  return rows.back().reject;
}

TEST(JsonLinesReaderTest, GivesEachKindOfValueAsItsText) {
  const std::string line =
      R"({"s":"a\tb","i":9223372036854775807,"d":1e3,"z":-0.00,"t":true,"f":false,"n":null,)"
      R"("o":{"x": [1,2]},"a":[1, "a\"]"],"e":""})";
  EXPECT_EQ(FieldsOf(line, {"s", "i", "d", "z", "t", "f", "n", "o", "a", "e", "missing"}),
            (Fields{"a\tb", "9223372036854775807", "1e3", "-0.00", "true", "false", std::nullopt,
                    R"({"x": [1,2]})", R"([1, "a\"]"])", "", std::nullopt}));
}

TEST(JsonLinesReaderTest, KeepsNumbersThatNoMachineWordHolds) {
  for (const char* number :
       {"0", "-0", "123456789012345678901234567890", "1e999", "1E+05", "0.10", "-1.5e-7"}) {
    EXPECT_EQ(FieldOf(std::string("{\"a\":") + number + "}", "a"), number);
    EXPECT_EQ(FieldOf(std::string("{\"a\": ") + number + "\t}", "a"), number);
    EXPECT_EQ(FieldOf(std::string("{\"a\":[") + number + " ,1]}", "a.0"), number);
  }
}

TEST(JsonLinesReaderTest, UnescapesStrings) {
  EXPECT_EQ(FieldOf(R"({"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00"})", "a"),
            "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(FieldOf(R"({"a":"\u0000x"})", "a"), std::string("\0x", 2));
  EXPECT_EQ(FieldOf("{\"a\":\"\xF4\x8F\xBF\xBF\x7F\"}", "a"), "\xF4\x8F\xBF\xBF\x7F");
  EXPECT_EQ(FieldOf(R"({"a":"\\"})", "a"), "\\");
  EXPECT_EQ(FieldOf(R"({"a":"\\N"})", "a"), "\\N");  // Not NULL.
}

TEST(JsonLinesReaderTest, FollowsPaths) {
  const std::string line =
      R"({"user":{"id":7,"address":{"country":"SE"}},"items":[{"id":"x"},[5,6]],"0":"zero"})";
  EXPECT_EQ(FieldsOf(line, {"user.address.country", "user.id", "items.0.id", "items.1.1", "0",
                            "items.2", "items.00", "user.id.x", "user.address"}),
            (Fields{"SE", "7", "x", "6", "zero", std::nullopt, std::nullopt, std::nullopt,
                    R"({"country":"SE"})"}));
}

// Logs that were flattened have dots in their keys, and people write them as they see them.
TEST(JsonLinesReaderTest, PrefersTheKeyThatIsTheWholeRestOfThePath) {
  EXPECT_EQ(FieldOf(R"({"http.status":200})", "http.status"), "200");
  EXPECT_EQ(FieldOf(R"({"http":{"status":404},"http.status":200})", "http.status"), "200");
  EXPECT_EQ(FieldOf(R"({"http.status":200,"http":{"status":404}})", "http.status"), "200");
  EXPECT_EQ(FieldOf(R"({"http.status":null,"http":{"status":404}})", "http.status"), std::nullopt);
  EXPECT_EQ(FieldOf(R"({"a":{"b.c":1,"b":{"c":2}}})", "a.b.c"), "1");
  EXPECT_EQ(FieldOf(R"({"a.b":{"c":1}})", "a.b.c"), std::nullopt);
  EXPECT_EQ(FieldOf(R"({"a.b":{"c":1}})", R"(a\.b.c)"), "1");
  EXPECT_EQ(FieldOf(R"({"a\\b":{"c":1}})", R"(a\\b.c)"), "1");
  EXPECT_EQ(FieldOf(R"({"a":{"b":1}})", R"(a\.b)"), std::nullopt);
}

TEST(JsonLinesReaderTest, ReadsTheSameWhateverTheOrderAndSpellingOfKeys) {
  EXPECT_EQ(FieldsOf(R"({"b":2,"\u0061":1,"\u0062c":3})", {"a", "b", "bc"}),
            (Fields{"1", "2", "3"}));
  EXPECT_EQ(FieldOf(R"({"":{"":1}})", "."), "1");
  const std::string long_key(100, 'k');
  EXPECT_EQ(FieldOf("{\"" + std::string(99, 'k') + "\":0,\"" + long_key + "\":1}", long_key), "1");
}

TEST(JsonLinesReaderTest, TakesTheLastOfEqualKeysWithAllThatIsInIt) {
  EXPECT_EQ(FieldOf(R"({"a":1,"a":2})", "a"), "2");
  EXPECT_EQ(FieldOf(R"({"a":1,"\u0061":null})", "a"), std::nullopt);
  EXPECT_EQ(FieldsOf(R"({"a":{"b":1,"c":2},"a":{"c":3}})", {"a.b", "a.c"}),
            (Fields{std::nullopt, "3"}));
  EXPECT_EQ(FieldsOf(R"({"a":{"b":1},"a":[7]})", {"a.b", "a.0", "a"}),
            (Fields{std::nullopt, "7", "[7]"}));
}

TEST(JsonLinesReaderTest, LeavesFieldsThatAreNotLookedAtEmpty) {
  RowRequest request;
  request.columns = {{"x", "a", 0}, {}, {"y", "a", 0}};
  const auto rows = Json("{\"a\":1}\n").TryRows(request, {}, SIZE_MAX);
  ASSERT_TRUE(rows.ok());
  ASSERT_THAT(*rows, SizeIs(1));
  EXPECT_EQ(rows->front().fields, (Fields{"1", "", "1"}));
}

TEST(JsonLinesReaderTest, SkipsBlankLinesAndCarriageReturnsAndAByteOrderMark) {
  const std::string text = "\xEF\xBB\xBF{\"a\":1}\r\n\r\n \t\n{\"a\":2}\n\n{\"a\":3} \r";
  const std::vector<FileRow> rows = Json(text).Rows({"a"});
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0], (FileRow{{"1"}, 0, "\xEF\xBB\xBF{\"a\":1}", ""}));
  EXPECT_EQ(rows[1], (FileRow{{"2"}, 17, "{\"a\":2}", ""}));
  EXPECT_EQ(rows[2], (FileRow{{"3"}, 26, "{\"a\":3} \r", ""}));
  EXPECT_THAT(Json("\xEF\xBB\xBF").Rows({"a"}), IsEmpty());
  EXPECT_THAT(Json("\n\r\n").Rows({"a"}), IsEmpty());
  const std::vector<FileRow> bad = Json("\xEF\xBB\xBF\"a\"\n{\n").Rows({"a"});
  ASSERT_THAT(bad, SizeIs(2));
  EXPECT_THAT(bad[0].reject, HasSubstr("not an object"));
  EXPECT_THAT(RejectOf("\xEF\xBB\xBF{\"a\":1}"),
              HasSubstr("no value where one is to be, at byte 0"));
  EXPECT_THAT(Json("\xEF\xBB\xBF{").Rows({"a"})[0].reject, HasSubstr("at byte 4 "));
}

TEST(JsonLinesReaderTest, SaysWhyALineIsRejected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"a\":1", "is not JSON: it ends within a value, at byte 6 of the line"},
      {"{\"a\":1}x", "is not JSON: more text behind its end, at byte 7 of the line"},
      {"{\"a\":1}{\"a\":2}", "more text behind its end, at byte 7"},
      {"{\"a\":1},", "more text behind its end"},
      {"{\"a\" 1}", "no : behind a key, at byte 5"},
      {"{\"a\":1 \"b\":2}", "no , or } behind a value, at byte 7"},
      {"{\"a\":1,}", "no key in quotes, at byte 7"},
      {"{a:1}", "no key in quotes, at byte 1"},
      {"{\"a\":[1 2]}", "no , or ] behind a value, at byte 8"},
      {"{\"a\":[1,]}", "no value where one is to be, at byte 8"},
      {"{\"a\":}", "no value where one is to be, at byte 5"},
      {"{\"a\":NaN}", "no value where one is to be"},
      {"{\"a\":tru}", "neither true, false nor null"},
      {"{\"a\":truex}", "no , or } behind a value, at byte 9"},
      {"{\"a\":01}", "no , or } behind a value, at byte 6"},
      {"{\"a\":1.}", "a number that is none"},
      {"{\"a\":-}", "a number that is none"},
      {"{\"a\":1e}", "a number that is none"},
      {"{\"a\":+1}", "no value"},
      {"{\"a\":.5}", "no value"},
      {"{\"a\":\"x}", "a string that does not end, at byte 8"},
      {"{\"a\":\"x\ty\"}", "a control character in a string, which is to be an escape, at byte 7"},
      {std::string("{\"a\":\"x\0y\"}", 11), "a control character in a string"},
      {std::string("{\"a\":1\0}", 8), "no , or } behind a value, at byte 6"},
      {"{\"a\":\"\\q\"}", "an escape that JSON does not have, at byte 6"},
      {"{\"a\":\"\\u12g4\"}", "an escape that JSON does not have"},
      {"{\"a\":\"\\u12\"}", "an escape that JSON does not have"},
      {"{\"a\":\"\\ud800\"}", "half of a surrogate pair, at byte 6"},
      {"{\"a\":\"\\ud800\\u0041\"}", "half of a surrogate pair"},
      {"{\"a\":\"\\udc00\"}", "half of a surrogate pair"},
      {"{\"a\":\"\xFF\"}", "bytes that are not UTF-8, at byte 6"},
      {"{\"a\":\"\xED\xA0\x80\"}", "bytes that are not UTF-8"},
      {"{\"a\":\"\xC0\x80\"}", "bytes that are not UTF-8"},
      {"{\"a\":\"\xE2\x82\"}", "bytes that are not UTF-8"},
      {"{'a':1}", "no key in quotes"},
      {"{\"a\":1\f}", "no , or } behind a value"},
      {"[1]", "is JSON, but not an object: a line is to be {\"key\": value, ...}"},
      {"\"a\"", "not an object"},
      {"17", "not an object"},
      {"null", "not an object"},
      {"}", "no value"},
      {"plain text", "is not JSON"},
  };
  for (const auto& [line, reason] : cases) EXPECT_THAT(RejectOf(line), HasSubstr(reason)) << line;
}

// What nobody asks for is checked as well, or a job's columns would decide what is rejected.
TEST(JsonLinesReaderTest, RejectsTheSameLinesWhateverColumnsAreRead) {
  const std::string text =
      "{\"a\":1,\"b\":tru}\n{\"a\":1,\"b\":{\"c\":[01]}}\n{\"a\":1,\"b\":\"\\x\"}\n"
      "{\"a\":1,\"\\ud800\":2}\n{\"a\":1}}\n{\"a\":1,\"b\":[}]}\n{\"a\":1,\"b\":{\"c\" 2}}\n";
  const std::vector<FileRow> rows = Json(text).Rows({"a"});
  ASSERT_THAT(rows, SizeIs(7));
  for (const FileRow& row : rows) EXPECT_NE(row.reject, "") << row.raw;
  for (const char* column : {"b", "b.c", "b.c.0", "zz"}) EXPECT_EQ(Json(text).Rows({column}), rows);
}

TEST(JsonLinesReaderTest, LimitsDepthAndOnlyDepth) {
  const auto nested = [](int levels) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(levels) - 1, '[') +
           std::string(static_cast<std::size_t>(levels) - 1, ']') + "}";
  };
  EXPECT_EQ(FieldOf(nested(1024), "b"), std::nullopt);
  EXPECT_THAT(RejectOf(nested(1025)), HasSubstr("more than 1024 objects and arrays"));
  EXPECT_THAT(RejectOf("{\"a\":" + std::string(1'000'000, '[')), HasSubstr("more than 1024"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(RejectOf(objects), HasSubstr("more than 1024"));
}

TEST(JsonLinesReaderTest, ReadsLongLines) {
  const std::string value(10 << 20, 'x');
  const std::string text = "{\"a\":1}\n{\"a\":\"" + value + "\",\"b\":2}\n{\"a\":3}\n";
  const std::vector<FileRow> rows = Json(text).Rows({"a", "b"});
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_TRUE(rows[1].fields[0] == value);
  EXPECT_EQ(rows[1].fields[1], "2");
  EXPECT_EQ(rows[2].fields[0], "3");

  const auto too_long = Json(text).TryRows(TextFile::Request({"a"}), {}, SIZE_MAX, 1 << 20);
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().code(), StatusCode::kBadData);
  EXPECT_THAT(too_long.error().message(), AllOf(HasSubstr("/plays.jsonl"), HasSubstr("at byte 8")));
}

TEST(JsonLinesReaderTest, AMemberOfManyColumnsMakesSeveralBlocks) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "{\"a\":\"" + std::string(100'000, 'x') + "\"}\n";
  const std::vector<FileRow> rows = Json(text).Rows(std::vector<std::string>(10, "a"));
  ASSERT_THAT(rows, SizeIs(40));
  EXPECT_EQ(rows[39].offset, 39u * 100'009u);
}

TEST(JsonLinesReaderTest, ReadsEachRecordOnceWhereverTheFileIsCut) {
  const std::string text =
      "\xEF\xBB\xBF{\"a\":\"\xE2\x82\xAC\\u20ac\"}\r\n\n{bad}\n{\"b\":{\"a\":1}, \"a\" : 7 }\n"
      "[]\r\n{\"a\":\"\\ud83d\\ude00\xF0\x9F\x98\x80\",\"c\":\"\\\\\"}";
  const TextFile file = Json(text);
  const std::vector<std::string> columns = {"a", "b.a"};
  const std::vector<FileRow> whole = file.Rows(columns);
  ASSERT_THAT(whole, SizeIs(5));
  for (std::uint64_t first = 1; first <= text.size(); ++first) {
    for (std::uint64_t second = first; second <= text.size(); ++second) {
      for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
        ASSERT_EQ(file.RowsOfRanges(columns, {first, second}, piece), whole)
            << first << " " << second << " " << piece;
      }
    }
  }
}

TEST(JsonLinesReaderTest, ColumnsAreTheKeysOfTheFirstObjects) {
  const TextFile file =
      Json("{\"b\":1,\"a\":{\"c\":2}}\nbad\n{\"a\":[ 1 ],\"x.y\":3,\"b\":null}\n");
  ASSERT_TRUE(file.status().ok());
  ASSERT_NE(file.shard().layout, nullptr);
  EXPECT_THAT(file.shard().layout->columns, ElementsAre("b", "a", "x.y"));
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0].fields, (Fields{"1", "{\"c\":2}", std::nullopt}));
  EXPECT_EQ(rows[2].fields, (Fields{std::nullopt, "[ 1 ]", "3"}));
  EXPECT_EQ(Json("").shard().layout, nullptr);
  EXPECT_THAT(Json("").Rows({"a"}), IsEmpty());
}

TEST(JsonLinesReaderTest, LooksForKeysInTheFirstMebibyteOfWholeLines) {
  const std::string filler = "{\"a\":\"" + std::string(1000, 'x') + "\"}\n";
  std::string text = "{\"first\":1}\n";
  while (text.size() < (1 << 20)) text += filler;
  text += "{\"late\":1}\n";
  EXPECT_THAT(Json(text).shard().layout->columns, ElementsAre("first", "a"));
  const std::string long_line = "{\"a\":\"" + std::string(3 << 20, 'x') + "\",\"b\":1}\n";
  EXPECT_THAT(Json(long_line).shard().layout->columns, ElementsAre("a", "b"));
}

TEST(JsonLinesReaderTest, TellsADocumentOfManyLinesFromJsonLines) {
  for (const char* document : {"{\n  \"a\": 1\n}\n", "[\n{\"a\":1},\n{\"a\":2}\n]\n",
                               "[{\"a\":1},{\"a\":2}]\n", "{\"a\":\n1}\n"}) {
    const Status status = Json(document).status();
    EXPECT_EQ(status.code(), StatusCode::kBadData) << document;
    EXPECT_THAT(status.message(), AllOf(HasSubstr("/plays.jsonl"), HasSubstr("one JSON document")));
  }
  for (const char* lines :
       {"{\"a\":\n{\"a\":1}\n{\"a\":2}\n", "[1]\n{\"a\":1}\n", "{\"a\":1}\n{"}) {
    EXPECT_TRUE(Json(lines).status().ok()) << lines;
  }
}

TEST(JsonLinesReaderTest, RefusesColumnNumbers) {
  RowRequest request;
  request.columns = {{"country", "country", 3}};
  const auto rows = Json("{\"country\":1}\n").TryRows(request, {}, SIZE_MAX);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(rows.error().message(),
              AllOf(HasSubstr("no column 3"), HasSubstr("--param country=PATH")));
}

TEST(JsonLinesReaderTest, KnowsItsFilesByTheirFirstBytes) {
  const auto looks_like = JsonLinesFormat().looks_like;
  EXPECT_TRUE(looks_like("{\"a\":1}\n{\"a\":2}\n"));
  EXPECT_TRUE(looks_like("\xEF\xBB\xBF \n{\"a\":1}"));
  EXPECT_TRUE(looks_like("{\"a\":\"" + std::string(70'000, 'x')));
  EXPECT_FALSE(looks_like(""));
  EXPECT_FALSE(looks_like("a,b\n1,2\n"));
  EXPECT_FALSE(looks_like("[1]\n[2]\n"));
  EXPECT_FALSE(looks_like("{\n  \"a\": 1\n}\n"));
  EXPECT_FALSE(looks_like("{a}"));
}

// --- against a generator that knows what it wrote ---

/// Writes random lines in hostile spellings, and keeps what must be read.
class LineMaker {
 public:
  explicit LineMaker(Random& random) : random_(random) {}

  static std::vector<std::string> Columns() {
    return {"country", "n", "user.id", "user", "tags.1", "a.b", "\xC3\xA9", "nowhere"};
  }

  /// A line without its end; `fields` are those of Columns().
  std::string Line(Fields* fields) {
    const std::string user = Object({{"id", Value("user.id")}, {"x", Value("")}});
    const std::string tags =
        "[" + Space() + Value("") + Space() + "," + Space() + Value("tags.1") + Space() + "]";
    std::vector<std::pair<std::string, std::string>> members = {
        {"country", Value("country")},
        {"n", Number("n")},
        {"user", user},
        {"tags", tags},
        {"\xC3\xA9", Value("\xC3\xA9")},
        {"other", Value("")},
        {"a", Object({{"b", Value("a.b")}})}};
    expected_["user"] = user;
    Shuffle(&members);
    while (random_.Uniform(4) == 0) members.pop_back();  // Its member is missing then.
    std::map<std::string, bool> written;
    for (const auto& [key, value] : members) written[key] = true;
    // An earlier member of the same key does not count.
    if (random_.Uniform(4) == 0 && !members.empty()) {
      members.insert(members.begin(), {members.back().first, RandomValue(nullptr)});
    }
    fields->clear();
    for (const std::string& column : Columns()) {
      const std::string top = column.substr(0, column.find('.'));
      fields->push_back(written.contains(top) ? expected_[column] : std::nullopt);
    }
    expected_.clear();
    return Space() + Object(members) + Space();
  }

 private:
  using Members = std::vector<std::pair<std::string, std::string>>;

  template <class T>
  void Shuffle(std::vector<T>* items) {
    for (std::size_t i = items->size(); i > 1; --i) {
      std::swap((*items)[i - 1], (*items)[random_.Uniform(i)]);
    }
  }
  std::string Space() {
    std::string space;
    while (random_.Uniform(3) == 0) space.push_back(" \t\r"[random_.Uniform(3)]);
    return space;
  }
  std::string Object(const Members& members) {
    std::string text = "{" + Space();
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) text += "," + Space();
      text += Spelled(members[i].first) + Space() + ":" + Space() + members[i].second + Space();
    }
    return text + "}";
  }
  std::string Value(const std::string& column) {
    std::optional<std::string> read;
    std::string text = RandomValue(&read);
    expected_[column] = read;
    return text;
  }
  std::string Number(const std::string& column) {
    const std::string number = RandomNumber();
    expected_[column] = number;
    return number;
  }

  std::string RandomNumber() {
    static constexpr const char* kNumbers[] = {"0",
                                               "-0",
                                               "1.0",
                                               "-9223372036854775808",
                                               "18446744073709551616",
                                               "1e3",
                                               "1E-400",
                                               "2.50e+7",
                                               "10",
                                               "7",
                                               "0.1",
                                               "0e0"};
    return kNumbers[random_.Uniform(std::size(kNumbers))];
  }

  /// A value's text, and what a column with it reads.
  std::string RandomValue(std::optional<std::string>* read, int depth = 0) {
    std::optional<std::string> ignored;
    if (read == nullptr) read = &ignored;
    switch (random_.Uniform(depth < 3 ? 7 : 5)) {
      case 0:
        *read = std::nullopt;
        return "null";
      case 1:
        *read = random_.Uniform(2) == 0 ? "true" : "false";
        return **read;
      case 2:
        *read = RandomNumber();
        return **read;
      case 3:
      case 4:
        *read = RandomString();
        return Spelled(**read);
      case 5:
        *read = Object({{RandomString(), RandomValue(nullptr, depth + 1)},
                        {RandomString(), RandomValue(nullptr, depth + 1)}});
        return **read;
      default:
        *read = "[" + Space() + RandomValue(nullptr, depth + 1) + Space() + "]";
        return **read;
    }
  }

  std::string RandomString() {
    std::string text;
    while (random_.Uniform(8) != 0) {
      switch (random_.Uniform(6)) {
        case 0:
          AppendCode(static_cast<std::uint32_t>(random_.Uniform(0x20)), &text);
          break;
        case 1:
          text.push_back("\"\\/{}[],:\t\n"[random_.Uniform(11)]);
          break;
        case 2:
          AppendCode(static_cast<std::uint32_t>(0x10000 + random_.Uniform(0x100000)), &text);
          break;
        case 3:
          AppendCode(static_cast<std::uint32_t>(0x80 + random_.Uniform(0xD800 - 0x80)), &text);
          break;
        default:
          text.push_back(static_cast<char>('a' + random_.Uniform(26)));
      }
    }
    return text;
  }

  static void AppendCode(std::uint32_t code, std::string* text) {
    const auto tail = [&](int shift) {
      text->push_back(static_cast<char>(0x80 | ((code >> shift) & 0x3F)));
    };
    if (code < 0x80) {
      text->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      text->push_back(static_cast<char>(0xC0 | (code >> 6)));
    } else if (code < 0x10000) {
      text->push_back(static_cast<char>(0xE0 | (code >> 12)));
      tail(6);
    } else {
      text->push_back(static_cast<char>(0xF0 | (code >> 18)));
      tail(12);
      tail(6);
    }
    if (code >= 0x80) tail(0);
  }

  /// A string of UTF-8 in quotes, some of its characters as escapes.
  std::string Spelled(const std::string& text) {
    std::string spelled = "\"";
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t bytes = Utf8CharacterBytes(std::string_view(text).substr(i));
      const std::string character = text.substr(i, bytes);
      i += bytes;
      const char c = character.front();
      const bool must_escape = c == '"' || c == '\\' || (c >= 0 && c < 0x20);
      if (!must_escape && random_.Uniform(8) != 0) {
        spelled += character;
        continue;
      }
      static constexpr std::string_view kShort = "\"\\/\b\f\n\r\t";
      const std::size_t letter = bytes == 1 ? kShort.find(c) : std::string_view::npos;
      if (letter != std::string_view::npos && random_.Uniform(2) == 0) {
        spelled += {'\\', "\"\\/bfnrt"[letter]};
      } else {
        AppendUnits(CodeOf(character), &spelled);
      }
    }
    return spelled + "\"";
  }

  static std::uint32_t CodeOf(const std::string& character) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(character[i]));
    };
    if (character.size() == 1) return byte(0);
    std::uint32_t code = byte(0) & (0xFFu >> (character.size() + 1));
    for (std::size_t i = 1; i < character.size(); ++i) code = (code << 6) | (byte(i) & 0x3F);
    return code;
  }

  void AppendUnits(std::uint32_t code, std::string* text) {
    if (code >= 0x10000) {
      AppendUnits(0xD800 + ((code - 0x10000) >> 10), text);
      AppendUnits(0xDC00 + ((code - 0x10000) & 0x3FF), text);
      return;
    }
    const std::string_view digits =
        random_.Uniform(2) == 0 ? "0123456789abcdef" : "0123456789ABCDEF";
    *text += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) text->push_back(digits[(code >> shift) & 15]);
  }

  Random& random_;
  std::map<std::string, std::optional<std::string>> expected_;
};

/// Damages a byte or two; it may be JSON still.
std::string Damaged(std::string line, Random& random) {
  static constexpr char kBytes[] = "{}[]:,\"\\0123e.-+tfn \t\r\f\x1A\0\xFF\xC3\x80x/u";
  for (std::uint64_t i = 1 + random.Uniform(2); i > 0; --i) {
    const std::size_t at = random.Uniform(line.size());
    const char byte = kBytes[random.Uniform(sizeof kBytes - 1)];
    switch (random.Uniform(3)) {
      case 0:
        line[at] = byte;
        break;
      case 1:
        line.insert(at, 1, byte);
        break;
      default:
        line.erase(at, 1);
        if (line.empty()) line = "x";
    }
  }
  return line;
}

class EachKernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const simdjson::implementation* const kernel =
        simdjson::get_available_implementations()[GetParam()];
    ASSERT_NE(kernel, nullptr);
    if (!kernel->supported_by_runtime_system()) GTEST_SKIP() << "this processor has no such thing";
    before_ = simdjson::get_active_implementation();
    simdjson::get_active_implementation() = kernel;
  }
  void TearDown() override {
    if (before_ != nullptr) simdjson::get_active_implementation() = before_;
  }

 private:
  const simdjson::implementation* before_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(JsonLinesReader, EachKernelTest, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto* each : simdjson::get_available_implementations()) {
                             names.push_back(each->name());
                           }
                           return names;
                         }()),
                         [](const auto& each) { return each.param; });

TEST_P(EachKernelTest, ReadsWhatTheGeneratorWrote) {
  SCOPED_TRACE("seed " + std::to_string(TestSeed()));
  Random random(TestSeed());
  LineMaker maker(random);
  for (int round = 0; round < 60; ++round) {
    std::string text;
    std::vector<FileRow> expected;
    for (std::uint64_t i = random.Uniform(60); i > 0; --i) {
      FileRow row;
      row.raw = maker.Line(&row.fields);
      row.offset = text.size();
      text += row.raw;
      if (row.raw.ends_with('\r')) row.raw.pop_back();
      text += random.Uniform(4) == 0 ? "\n\n" : "\n";
      expected.push_back(std::move(row));
    }
    const TextFile file = Json(text);
    ASSERT_EQ(file.Rows(LineMaker::Columns()), expected);
    const std::uint64_t border = random.Uniform(text.size() + 1);
    ASSERT_EQ(file.RowsOfRanges(LineMaker::Columns(), {border}, 1 + random.Uniform(300)), expected);
  }
}

// The walk over the index and the slow search for a fault agree about each line, and a bad line
// does no harm to those around it.
TEST_P(EachKernelTest, RefusesExactlyTheLinesThatHaveAFault) {
  SCOPED_TRACE("seed " + std::to_string(TestSeed()));
  Random random(TestSeed());
  LineMaker maker(random);
  int bad_count = 0;
  for (int round = 0; round < 100; ++round) {
    std::string text;
    std::vector<FileRow> expected;
    for (int i = 0; i < 50; ++i) {
      FileRow row;
      std::string line = maker.Line(&row.fields);
      const bool is_damaged = random.Uniform(10) == 0;
      if (is_damaged) line = Damaged(std::move(line), random);
      row.reject = JsonFault(line).reason;
      row.offset = text.size();
      text += line + "\n";
      if (line.ends_with('\r')) line.pop_back();
      row.raw = line;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      if (!row.reject.empty()) row.reject = JsonFault(line).reason;
      if (is_damaged) row.fields.clear();  // Whatever they are now.
      bad_count += row.reject.empty() ? 0 : 1;
      expected.push_back(std::move(row));
    }
    std::vector<FileRow> rows = Json(text).Rows(LineMaker::Columns());
    ASSERT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (expected[i].fields.empty()) rows[i].fields.clear();
      ASSERT_EQ(rows[i], expected[i]);
    }
  }
  EXPECT_GT(bad_count, 100);
}

TEST_P(EachKernelTest, NoStringGoesOnInTheNextLine) {
  for (const std::string end : {"\n", "\r\n"}) {
    for (const std::string open : {"{\"a\":\"\\", "{\"a\":\"x", "{\"a\":\"\\\\\\"}) {
      for (const std::string line : {"{\"a\":2}", "\",\"b\":1}"}) {
        const std::vector<FileRow> rows = Json("{}" + end + open + end + line + end).Rows({"a"});
        ASSERT_THAT(rows, SizeIs(3));
        EXPECT_NE(rows[1].reject, "");
        EXPECT_EQ(rows[2].reject, JsonFault(line).reason);
      }
    }
  }
}

// Many pieces, each with its own index, and one bad line in some.
TEST_P(EachKernelTest, ReadsBlocksOfManyPieces) {
  std::string text;
  std::vector<FileRow> expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string number = std::to_string(i);
    const bool is_bad = i % 7000 == 500;
    FileRow row;
    row.raw = "{\"a\":" + number + (is_bad ? ",\"b\":\"}" : ",\"b\":\"\\n\"}");
    row.offset = text.size();
    if (is_bad) {
      row.reject = JsonFault(row.raw).reason;
    } else {
      row.fields = {number, "\n"};
    }
    text += row.raw + "\n";
    expected.push_back(std::move(row));
  }
  EXPECT_TRUE(Json(text).Rows({"a", "b"}) == expected);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Inputs: one that several stages map, rows of any columns, documents, and the date.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Name = std::string_view;
using namespace std::string_view_literals;  // NOLINT: with zero bytes.

struct Row {
  Name key;
  std::int64_t value = 0;
  MR_FIELDS(Row, key, value)
};
struct ByKey {
  void Map(const Row& row, Emitter<Name, std::int64_t>& emit, Context& context) {
    context.Count("mapped");
    emit(row.key, row.value);
  }
};
struct ByValue {
  void Map(const Row& row, Emitter<std::int64_t, Name>& emit, Context& context) {
    if (row.value == 7) return context.Reject("seven");
    emit(row.value, row.key);
  }
};

// Three stages: two with a reduce, and one without.
void MapThrice(Job& job) {
  auto rows = job.Read<Row>("rows");
  rows.Map<ByKey>().Reduce<Sum>().Write<Tsv>("sums");
  rows.Map<ByValue>().Reduce<Count>().Write<Tsv>("counts");
  rows.Map<ByKey>().Write<Tsv>("copy");
}

TEST(InputTest, ThatIsMappedSeveralTimesIsCountedOnce) {
  const TestRun run = TestRun(MapThrice).Shards("rows", {"b\t2\na\t1\n", "", "b\t1\n"});
  const TestResult result = run.Run();
  EXPECT_EQ(result.records_in, 3u);
  EXPECT_EQ(result.Counter("mapped"), 6u);
  EXPECT_THAT(result.Rows("sums"), ElementsAre("a\t1", "b\t3"));
  EXPECT_THAT(result.Rows("counts"), ElementsAre("1\t2", "2\t1"));
  EXPECT_THAT(result.Rows("copy"), ElementsAre("b\t2", "a\t1", "b\t1"));
  EXPECT_DETERMINISTIC(run);
}

TEST(InputTest, ThatIsMappedSeveralTimesRejectsABadLineOnce) {
  const TestRun run =
      TestRun(MapThrice).Shards("rows", {"b\t2\nbad\n", "a\tx\nc\t7\nd\t8\n"}).MaxRejects(3);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_EQ(result.records_in, 5u);
  ASSERT_THAT(result.rejects, SizeIs(3));
  EXPECT_EQ(result.rejects[0].raw, "bad");
  EXPECT_EQ(result.rejects[1].raw, "a\tx");
  // The second Map's own: the line was good for the first.
  EXPECT_EQ(result.rejects[2], (TestReject{"rows", 1, 4, "seven", "c\t7"}));
  EXPECT_THAT(result.Rows("sums"), ElementsAre("b\t2", "c\t7", "d\t8"));
  EXPECT_THAT(result.Rows("counts"), ElementsAre("2\t1", "8\t1"));
  EXPECT_EQ(TestRun(run).MaxRejects(2).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

// What the first stage's reduce does to the shard when all its maps are done.
struct Change {
  static inline std::string path, text;
  static inline bool keeps_time = false;

  void Map(const Row& row, Emitter<Name, std::int64_t>& emit, Context& context) {
    path = context.origin().shard;
    emit(row.key, row.value);
  }
  void Reduce(const Name& key, Values<std::int64_t>&, Emitter<Name, std::int64_t>& emit) {
    emit(key, 1);
    if (text.empty()) return;
    struct stat before {};
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
    std::ofstream(path, std::ios::in | std::ios::binary) << text;
    if (!keeps_time) return;
    const timespec times[] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
};

TEST(InputTest, ThatChangesBetweenTwoReadingsFailsTheRun) {
  const auto define = [](Job& job) {
    auto rows = job.Read<Row>("rows");
    rows.Map<Change>().Reduce<Change>().Write<Tsv>("first");
    rows.Map<ByKey>().Reduce<Sum>().Write<Tsv>("second");
  };
  const TestRun run = TestRun(define).Input("rows", "a\t1\nb\t2\n");
  Change::text = "";
  EXPECT_TRUE(run.Run().ok());
  for (const std::string text : {"a\t1\nb\t3\n", "a\t1\nb\t2\nc\t3\n"}) {
    for (const bool keeps_time : {false, true}) {
      SCOPED_TRACE(text + (keeps_time ? "with the old time" : ""));
      Change::text = text;
      Change::keeps_time = keeps_time;
      const TestResult result = run.Run();
      EXPECT_EQ(result.status.code(), StatusCode::kStale);
      EXPECT_THAT(result.status.message(),
                  AllOf(HasSubstr("shard-00000"), HasSubstr("changed while")));
    }
  }
  Change::text = "";
}

// ReadRows.

// Fields between brackets, NULL without, other bytes than printable ones in hex.
struct Show {
  std::string text;
  void Map(const AnyRow& row, Emitter<Name, Unit>& emit) {
    text.clear();
    for (const auto& field : row.fields) {
      if (!field) {
        text += "NULL";
        continue;
      }
      text += '[';
      for (const char byte : *field) {
        if (byte >= ' ' && byte <= '~') {
          text += byte;
        } else {
          constexpr char kDigits[] = "0123456789abcdef";
          const auto value = static_cast<unsigned char>(byte);
          text += {'<', kDigits[value >> 4], kDigits[value & 15], '>'};
        }
      }
      text += ']';
    }
    emit(text);
  }
};
void ShowRows(Job& job) { job.ReadRows("rows").Map<Show>().Write<Text>("out"); }
std::vector<std::string> Shown(const std::string& text) {
  return TestRun(ShowRows).Input("rows", text).Run().Rows();
}

TEST(ReadRowsTest, GivesAllFieldsOfEachLine) {
  EXPECT_THAT(Shown("a\tb\tc\n\n\t\nx\r\na b\t\t\n"),
              ElementsAre("[a][b][c]", "[]", "[][]", "[x<0d>]", "[a b][][]"));
  EXPECT_THAT(Shown("last\tline"), ElementsAre("[last][line]"));
  EXPECT_THAT(Shown(""), IsEmpty());
}

TEST(ReadRowsTest, ReadsAllEscapes) {
  EXPECT_THAT(Shown(R"(\b\f\n\r\t\v\\)"
                    "\n"),
              ElementsAre("[<08><0c><0a><0d><09><0b>\\]"));
  EXPECT_THAT(Shown(R"(\101\1012\7\78\377\400\x41\x4\xg\x4g\q\N\.)"
                    "\n"),
              ElementsAre(R"([AA2<07><07>8<ff><00>A<04>xg<04>gqN.])"));
  // A tab with a backslash before it is data.
  EXPECT_THAT(Shown("a\\\tb\tc\\\\\td\n"), ElementsAre("[a<09>b][c\\][d]"));
}

TEST(ReadRowsTest, KnowsNullFromText) {
  EXPECT_THAT(Shown("\\N\ta\\N\t\\N\t\\\\N\t\t\\N\n\\N\n\\NN\n"),
              ElementsAre("NULL[aN]NULL[\\N][]NULL", "NULL", "[NN]"));
}

TEST(ReadRowsTest, RejectsALineThatEndsInALoneBackslash) {
  const TestRun run =
      TestRun(ShowRows)
          .Input("rows", "a\tb\\\nc\\\\\n\\\nd\\\\\\\ne\te\n" + std::string(200, 'x') + "\\")
          .MaxRejects(4);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("[c\\]", "[e][e]"));
  const std::string reason = "the line ends in a lone backslash";
  EXPECT_THAT(result.rejects,
              ElementsAre(TestReject{"rows", 0, 0, reason, "a\tb\\"},
                          TestReject{"rows", 0, 9, reason, "\\"},
                          TestReject{"rows", 0, 11, reason, "d\\\\\\"},
                          TestReject{"rows", 0, 20, reason, std::string(200, 'x') + "\\"}));
  EXPECT_DETERMINISTIC(run);
}

// Fields are searched for 64 bytes at a time: tabs and escapes stand everywhere around that.
TEST(ReadRowsTest, ReadsLinesOfAnyLength) {
  for (std::size_t length = 0; length < 200; ++length) {
    std::string line(length, 'x'), wanted = "[" + line + "]";
    ASSERT_THAT(Shown(line + "\n" + line + "\ty\n"), ElementsAre(wanted, wanted + "[y]"));
    ASSERT_THAT(Shown(line + "\\t\t\\N\t\\\\\n"), ElementsAre("[" + line + "<09>]NULL[\\]"));
    ASSERT_THAT(Shown(line + "\\\t" + line + "\tz\n"),
                ElementsAre("[" + line + "<09>" + line + "][z]"));
  }
  EXPECT_THAT(Shown(std::string(300, '\t') + "\n").front().size(), 602u);
}

// Against a reading byte by byte.
std::string ShownSlowly(std::string_view line) {
  const auto is_in = [](char byte, std::string_view all) {
    return all.find(byte) != std::string_view::npos;
  };
  AnyRow row;
  std::vector<std::optional<std::string>> fields;
  std::string field, raw;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i == line.size() || line[i] == '\t') {
      fields.push_back(raw == "\\N" ? std::nullopt : std::optional<std::string>(field));
      field.clear(), raw.clear();
      continue;
    }
    raw += line[i];
    if (line[i] != '\\') {
      field += line[i];
      continue;
    }
    if (++i == line.size()) return "reject";
    raw += line[i];
    constexpr std::string_view kLetters = "bfnrtv", kBytes = "\b\f\n\r\t\v", kOctal = "01234567",
                               kHex = "0123456789abcdefABCDEF";
    if (const std::size_t letter = kLetters.find(line[i]); letter != std::string_view::npos) {
      field += kBytes[letter];
    } else if (is_in(line[i], kOctal)) {
      int value = line[i] - '0';
      for (int more = 0; more < 2 && i + 1 < line.size() && is_in(line[i + 1], kOctal); ++more) {
        value = value * 8 + (line[++i] - '0');
        raw += line[i];
      }
      field += static_cast<char>(value);
    } else if (line[i] == 'x' && i + 1 < line.size() && is_in(line[i + 1], kHex)) {
      std::string digits;
      for (; digits.size() < 2 && i + 1 < line.size() && is_in(line[i + 1], kHex);) {
        digits += line[++i];
        raw += line[i];
      }
      field += static_cast<char>(std::stoi(digits, nullptr, 16));
    } else {
      field += line[i];
    }
  }
  for (const auto& each : fields) {
    row.fields.push_back(each ? std::optional<std::string_view>(*each) : std::nullopt);
  }
  Show show;
  struct : EmitSink {
    std::string text;
    Status Consume(EmitBatch& batch) override {
      const char* const record = batch.begin() + batch.offset(0);
      text.assign(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
      return {};
    }
  } sink;
  EmitBatch batch(sink);
  Emitter<Name, Unit> emit(batch);
  show.Map(row, emit);
  batch.EndRecord();
  batch.Flush();
  return sink.text;
}

TEST(ReadRowsTest, ReadsRandomLinesAsAByteWiseReaderDoes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  std::string text;
  std::vector<std::string> wanted;
  std::uint64_t rejects = 0;
  for (int line = 0; line < 3000; ++line) {
    std::string bytes(random.Uniform(1 + random.Uniform(180)), 'x');
    for (char& byte : bytes) {
      constexpr std::string_view kBytes = "\\\\\\\\\t\t\tNNx017f8b\r\0\xff"sv;
      if (random.Uniform(2) == 0) byte = kBytes[random.Uniform(kBytes.size())];
    }
    const std::string shown = ShownSlowly(bytes);
    shown == "reject" ? ++rejects : (wanted.push_back(shown), 0);
    text += bytes + "\n";
  }
  const TestRun run = TestRun(ShowRows).Input("rows", text).MaxRejects(rejects);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_EQ(result.rejects.size(), rejects);
  const std::vector<std::string> rows = result.Rows();
  ASSERT_EQ(rows.size(), wanted.size());
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], wanted[i]) << "line " << i;
  EXPECT_DETERMINISTIC(run, {.runs = 6});
}

// Documents and dates.

struct NameEachLine {
  void Map(const Line& line, Emitter<Name, Name>& emit, Context& context) {
    emit(context.file_name(), line.text);
  }
};
struct NameOfNothing {
  void Map(const KeyValue<Name, std::int64_t>& row, Emitter<Name, Unit>& emit, Context& context) {
    emit("<" + std::string(context.file_name()) + std::string(row.key) + ">");
  }
};

TEST(ReadDocumentsTest, KnowsTheFilesNamesWithoutCompression) {
  const auto define = [](Job& job) {
    auto documents = job.ReadDocuments("documents");
    documents.Map<NameEachLine>().Write<Tsv>("lines");
  };
  const TestRun run = TestRun(define).Shards("documents", {"a\n", "", "b\nc\n"});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("shard-00000\ta", "shard-00002\tb", "shard-00002\tc"));
  EXPECT_DETERMINISTIC(run);  // With .zst, with .gz, and without.
}

TEST(ReadDocumentsTest, HasNoNameForWhatAStageMade) {
  struct ByText {
    void Map(const Line& line, Emitter<Name, Unit>& emit) { emit(line.text); }
  };
  const auto define = [](Job& job) {
    job.ReadDocuments("documents")
        .Map<ByText>()
        .Reduce<Count>()
        .Map<NameOfNothing>()
        .Reduce<Distinct>()
        .Write<Text>("out");
  };
  EXPECT_THAT(TestRun(define).Input("documents", "a\nb\na\n").Run().Rows(),
              ElementsAre("<a>", "<b>"));
}

TEST(ReadDocumentsTest, NeedsNamesThatDifferHoweverTheInputIsReadOtherwise) {
  Job job({});
  job.ReadLines("lines").Map<NameEachLine>().Write<Tsv>("a");
  job.ReadLines("documents").Map<NameEachLine>().Write<Tsv>("b");
  job.ReadDocuments("documents").Map<NameEachLine>().Write<Tsv>("c");
  ASSERT_TRUE(job.Finish().ok());
  ASSERT_THAT(job.graph().inputs, SizeIs(2));
  EXPECT_FALSE(job.graph().inputs[0].has_distinct_names);
  EXPECT_TRUE(job.graph().inputs[1].has_distinct_names);
}

TEST(NeedDateTest, GivesTheDateAndSaysThatThereMustBeOne) {
  for (const std::string date : {"2026-11-21", ""}) {
    Job job({.params = {}, .date = date});
    EXPECT_FALSE(job.graph().needs_date);
    EXPECT_EQ(job.NeedDate(), date);
    EXPECT_TRUE(job.graph().needs_date);
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// One job over the same rows in every format: the same output, however files are cut; and what the
// command says where a format, a column or a row is not what it should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Play {
  std::string user, track, country;  // Of the country, "NULL" is none.
  std::int64_t ms_played = 0;
};

// `text` with `escape` before each of `specials`.
std::string Escaped(const std::string& text, const std::string& specials, char escape) {
  std::string escaped;
  for (const char c : text) {
    if (specials.find(c) != std::string::npos) escaped.push_back(escape);
    escaped.push_back(c);
  }
  return escaped;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string Copy(const std::string& text) {
  std::string escaped = Replaced(text, "\\", "\\\\");
  escaped = Replaced(Replaced(escaped, "\t", "\\t"), "\n", "\\n");
  return escaped;
}
std::string Csv(const std::string& text) { return "\"" + Escaped(text, "\"", '"') + "\""; }
std::string Json(const std::string& text) {
  return "\"" + Replaced(Replaced(Escaped(text, "\"\\", '\\'), "\t", "\\t"), "\n", "\\u000a") +
         "\"";
}
std::string Sql(const std::string& text) { return "'" + Escaped(text, "'", '\'') + "'"; }
std::string MySql(const std::string& text) {
  return "'" + Replaced(Escaped(text, "'\\", '\\'), "\n", "\\n") + "'";
}

using Quote = std::function<std::string(const std::string&)>;
std::string OrNull(const std::string& text, const Quote& quote, const std::string& null) {
  return text == "NULL" ? null : quote(text);
}

// One way to store plays.
struct Form {
  const char* name;
  const char* file;     ///< Behind `plays`.
  const char* pattern;  ///< As --input takes it.
  std::string before, after;
  std::function<std::string(const Play&)> row;
};

const std::vector<Form>& Forms() {
  static const std::vector<Form> kForms = {
      {"Csv", "plays.csv", "plays.csv", "track,other,Country,ms_played\r\n", "",
       [](const Play& play) {
         return Csv(play.track) + ",\"x\r\ny\"," + OrNull(play.country, Csv, "") + "," +
                std::to_string(play.ms_played) + "\r\n";
       }},
      {"JsonLines", "plays.jsonl", "plays.jsonl", "", "",
       [](const Play& play) {
         return "{\"ms_played\": " + std::to_string(play.ms_played) +
                ", \"country\": " + OrNull(play.country, Json, "null") +
                ", \"more\": {\"track\": 1}, \"track\": " + Json(play.track) + "}\n";
       }},
      {"PostgresCopy", "plays.sql", "plays.sql#public.plays",
       "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.plays (\n    track text,\n"
       "    country text,\n    ms_played bigint\n);\n\nCOPY public.other (a) FROM stdin;\nx\n\\.\n"
       "\n\nCOPY public.plays (track, country, ms_played) FROM stdin;\n",
       "\\.\n\n\n--\n-- PostgreSQL database dump complete\n--\n",
       [](const Play& play) {
         return Copy(play.track) + "\t" + OrNull(play.country, Copy, "\\N") + "\t" +
                std::to_string(play.ms_played) + "\n";
       }},
      {"PostgresInserts", "plays.sql", "plays.sql#plays",
       "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.plays (\n    track text,\n"
       "    country text,\n    ms_played bigint\n);\n\n",
       "\n\n--\n-- PostgreSQL database dump complete\n--\n",
       [](const Play& play) {
         return "INSERT INTO public.plays VALUES (" + Sql(play.track) + ", " +
                OrNull(play.country, Sql, "NULL") + ", " + std::to_string(play.ms_played) + ");\n";
       }},
      {"MySql", "plays.sql", "plays.sql#plays",
       "-- MariaDB dump 10.19\n\nCREATE TABLE `plays` (\n  `track` text DEFAULT NULL,\n"
       "  `country` text DEFAULT NULL,\n  `ms_played` bigint(20) DEFAULT NULL\n) "
       "ENGINE=InnoDB;\n\n",
       "-- Dump completed\n",
       [](const Play& play) {
         return "INSERT INTO `plays` VALUES (" + MySql(play.track) + "," +
                OrNull(play.country, MySql, "NULL") + "," + std::to_string(play.ms_played) + ");\n";
       }},
  };
  return kForms;
}

std::uint64_t TestSeed() {
  const char* const seed = std::getenv("MILLRACE_TEST_SEED");
  return seed == nullptr ? 20261126 : std::strtoull(seed, nullptr, 10);
}

std::vector<Play> RandomPlays(Random& random, int count) {
  const std::vector<std::string> tracks = {
      "song", "tab\there", "two\nlines", "back\\slash", "it's", "say \"x\"", "\xF0\x9F\x8E\xB5", "",
      "\\N",  "\\.",       "a,b;c",      "CREATE TABLE"};
  const std::vector<std::string> countries = {"SE", "NO", "", "D\tE", "NULL", "F'R"};
  std::vector<Play> plays;
  for (int i = 0; i < count; ++i) {
    plays.push_back({"ann", tracks[random.Uniform(tracks.size())],
                     countries[random.Uniform(countries.size())],
                     static_cast<std::int64_t>(20'000 + random.Uniform(20'000))});
  }
  return plays;
}

class FormatsRunTest : public MillraceTest {
 protected:
  ProcessResult Toplist(const std::string& pattern, const std::string& output,
                        const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"run",      "toplist", "--input",       pattern,
                                      "--output", output,    "--max-rejects", "100%"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  // Offsets and raw bytes are each format's own.
  static std::string RejectReasons(const std::string& rejects) {
    std::string reasons;
    for (std::size_t at = 0; at < rejects.size();) {
      const std::size_t end = rejects.find('\n', at);
      std::string line = rejects.substr(at, end - at);
      for (int field = 0; field < 3; ++field) line.erase(0, line.find('\t') + 1);
      reasons += line.substr(0, line.find('\t')) + "\n";
      at = end + 1;
    }
    return reasons;
  }
};

struct FormatCase {
  std::size_t form;
  friend void PrintTo(const FormatCase& tried, std::ostream* out) {
    *out << Forms()[tried.form].name;
  }
};

class EachFormatTest : public FormatsRunTest, public testing::WithParamInterface<FormatCase> {};

TEST_P(EachFormatTest, GivesTheSameBytesAsTsvHoweverItIsCut) {
  const Form& form = Forms()[GetParam().form];
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(TestSeed()));
  Random random(TestSeed());
  std::string tsv, text = form.before;
  for (const Play& play : RandomPlays(random, 800)) {
    tsv += "t\tann\t" + Copy(play.track) + "\t" + OrNull(play.country, Copy, "\\N") + "\t" +
           std::to_string(play.ms_played) + "\n";
    text += form.row(play);
  }
  Write("plays.tsv", tsv);
  Write(form.file, text + form.after);
  ASSERT_EQ(Toplist("plays.tsv", "expected").exit_code, 0);
  int i = 0;
  for (const std::string split : {"1KiB", "1777", "64KiB"}) {
    for (const std::string parallel : {"1", "3"}) {
      const std::string output = "out" + std::to_string(i++);
      const ProcessResult run =
          Toplist(form.pattern, output, {"--split-size", split, "--parallel", parallel});
      ASSERT_EQ(run.exit_code, 0) << run.err;
      EXPECT_EQ(Read(output + "/part-00000.tsv"), Read("expected/part-00000.tsv"));
      EXPECT_EQ(RejectReasons(Read(output + "/_rejects.tsv")),
                RejectReasons(Read("expected/_rejects.tsv")));
      if (i == 1) continue;
      EXPECT_EQ(Read(output + "/_manifest.json"), Read("out0/_manifest.json"));
    }
  }
  // Each task in a process of its own, told where the rows are.
  const ProcessResult isolated =
      Toplist(form.pattern, "isolated", {"--isolate", "--split-size", "4KiB"});
  ASSERT_EQ(isolated.exit_code, 0) << isolated.err;
  EXPECT_EQ(Read("isolated/_manifest.json"), Read("out0/_manifest.json"));
  EXPECT_THAT(Toplist(form.pattern, "out0").err, HasSubstr("up to date"));
  const ProcessResult again = Run({"rerun", "out0"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("identical"));
}

INSTANTIATE_TEST_SUITE_P(Formats, EachFormatTest,
                         testing::Values(FormatCase{0}, FormatCase{1}, FormatCase{2}, FormatCase{3},
                                         FormatCase{4}),
                         [](const auto& tried) {
                           return std::string(Forms()[tried.param.form].name);
                         });

TEST_F(FormatsRunTest, RejectsNameTheRecordAsItStandsInTheFile) {
  Write("plays.csv",
        "track,country,ms_played\n\"a\nb\",SE,40000\n\"c\nd\",SE,soon\nx,y\ne,SE,40000\n");
  const ProcessResult run = Toplist("plays.csv", "out");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string rejects = Read("out/_rejects.tsv");
  EXPECT_THAT(rejects, AllOf(HasSubstr("plays\tplays.csv\t39\tms_played is not an integer: 'soon'\t"
                                       "\"c\\nd\",SE,soon\n"),
                             HasSubstr("plays\tplays.csv\t53\t"), HasSubstr("\tx,y\n")));
}

// Crashes, exceptions and rejects of a job's own speak of the record in the file, not of the line
// it was made into.
TEST_F(FormatsRunTest, MisbehaviourNamesTheRecordInTheFile) {
  const std::string good = "\"x\ny\",good\r\n";
  Write("rows.csv", "more,what\r\n" + good + good + "1,abort\r\n" + good +
                        "\"2\n\",throw\r\n3,reject\r\n" + good);
  const std::vector<std::string> run = {"run",     "probe_rows", "--module", MILLRACE_PROBES,
                                        "--input", "rows.csv",   "--output", "out"};
  const ProcessResult crashed = Run(run);
  EXPECT_EQ(crashed.exit_code, 70);
  EXPECT_THAT(crashed.err, HasSubstr("at byte 35 of rows.csv"));
  std::vector<std::string> tolerant = run;
  tolerant.insert(tolerant.end(), {"--max-rejects", "3"});
  const ProcessResult set_aside = Run(tolerant);
  ASSERT_EQ(set_aside.exit_code, 0) << set_aside.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), "good\t4\n");
  EXPECT_EQ(Read("out/_rejects.tsv"),
            "rows\trows.csv\t35\tcrashed the job's code\t1,abort\n"
            "rows\trows.csv\t56\tthe job's code threw: a bad day\t\"2\\n\",throw\n"
            "rows\trows.csv\t68\tas it says\t3,reject\n");
}

// Whatever is tolerated: the rows behind it would be lost without being counted.
TEST_F(FormatsRunTest, AQuoteThatIsNeverClosedIsDamage) {
  Write("plays.csv", "track,country,ms_played\na,SE,40000\nb,SE,\"40000\nc,SE,40000\n");
  const ProcessResult run = Toplist("plays.csv", "out");
  EXPECT_EQ(run.exit_code, 65);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("plays.csv"), HasSubstr("byte 35"), HasSubstr("never closed")));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(FormatsRunTest, ColumnsAreFoundByOtherNamesAndByNumber) {
  Write("plays.csv", "Titel,Land,Dauer\na,SE,40000\n");
  const ProcessResult missing = Toplist("plays.csv", "out");
  EXPECT_EQ(missing.exit_code, 65);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("plays.csv"), HasSubstr("no column track"),
                                 HasSubstr("Titel, Land, Dauer"), HasSubstr("--param track=NAME")));
  EXPECT_FALSE(Exists("out"));
  for (const std::vector<std::string>& places :
       {std::vector<std::string>{"track=Titel", "country=LAND", "ms_played=3"},
        std::vector<std::string>{"plays.track=1", "plays.country=2", "plays.ms_played=Dauer"}}) {
    std::vector<std::string> params;
    for (const std::string& place : places) params.insert(params.end(), {"--param", place});
    params.emplace_back("--force");
    const ProcessResult run = Toplist("plays.csv", "out", params);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\ta\t1\nSE\t1\ta\t1\n");
  }
  Write("plays.tsv", "t\tann\ta\tSE\t40000\n");
  const ProcessResult named = Toplist("plays.tsv", "other", {"--param", "track=Titel"});
  EXPECT_EQ(named.exit_code, 64);
  EXPECT_THAT(named.err, AllOf(HasSubstr("track"), HasSubstr("Titel"), HasSubstr("TSV")));
}

TEST_F(FormatsRunTest, TheFormatIsPartOfThePlan) {
  Write("plays.txt", "track;country;ms_played\na;SE;40000\n");
  const std::vector<std::string> format = {"--format", "csv,delimiter=;"};
  ASSERT_EQ(Toplist("plays.txt", "out", format).exit_code, 0);
  EXPECT_THAT(Read("out/_manifest.json"), HasSubstr("\"format\": \"csv,delimiter=;\""));
  EXPECT_THAT(Toplist("plays.txt", "out", {"--format", "plays=csv,delimiter=;"}).err,
              HasSubstr("up to date"));
  const ProcessResult otherwise = Toplist("plays.txt", "out", {"--format", "tsv"});
  EXPECT_EQ(otherwise.exit_code, 73);
  EXPECT_THAT(otherwise.err, HasSubstr("format of plays"));
}

// The file beside the data says what its columns are: it decides the output, too.
TEST_F(FormatsRunTest, AnotherSchemaIsAnotherPlan) {
  const auto schema = [](const std::string& first, const std::string& second) {
    return "CREATE TABLE `plays` (\n  `" + first + "` text,\n  `" + second +
           "` text,\n  `ms_played` int(11)\n) ENGINE=InnoDB;\n";
  };
  Write("tab/plays.sql", schema("track", "country"));
  Write("tab/plays.txt", "SE\tNO\t40000\n");
  ASSERT_EQ(Toplist("tab#plays", "out").exit_code, 0);
  EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\tSE\t1\nNO\t1\tSE\t1\n");
  EXPECT_THAT(Toplist("tab#plays", "out").err, HasSubstr("up to date"));
  Write("tab/plays.sql", schema("country", "track"));
  const ProcessResult changed = Toplist("tab#plays", "out");
  EXPECT_EQ(changed.exit_code, 73);
  EXPECT_THAT(changed.err, HasSubstr("columns of plays changed"));
  ASSERT_EQ(Toplist("tab#plays", "out", {"--force"}).exit_code, 0);
  EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\tNO\t1\nSE\t1\tNO\t1\n");
}

TEST_F(FormatsRunTest, WrongFormatsAreWrongCommands) {
  Write("plays.csv", "track,country,ms_played\n");
  Write("plays.jsonl", "{}\n");
  struct Wrong {
    std::vector<std::string> words;
    const char* told;
  };
  const std::vector<Wrong> wrongs = {
      {{"--format", "xml"}, "formats are tsv, text, csv"},
      {{"--format", "csv,colour=red"}, "no option 'colour=red'"},
      {{"--format", "text"}, "has columns"},
      {{"--format", "csv", "--format", "tsv"}, "for the same files already"},
      {{"--format", "users=csv"}, "no input users"},
      {{"--format", "csv,delimiter=\\n"}, "delimiter"},
      {{"--input", "plays.jsonl"}, "several formats"}};
  for (const Wrong& wrong : wrongs) {
    const ProcessResult run = Toplist("plays.csv", "out", wrong.words);
    EXPECT_EQ(run.exit_code, 64) << run.err;
    EXPECT_THAT(run.err, HasSubstr(wrong.told));
  }
  EXPECT_THAT(Toplist("plays.csv#users", "out").err, HasSubstr("has no tables"));
  const ProcessResult lines = Run({"run", "sort", "--input", "plays.csv", "--output", "sorted"});
  EXPECT_EQ(lines.exit_code, 0) << lines.err;
  EXPECT_EQ(Read("sorted/part-00000.tsv"), "track,country,ms_played\n");
}

TEST_F(FormatsRunTest, SchemaNamesDriftByColumn) {
  Write("in/a.csv", "user,age,plan\nann,31,free\n");
  Write("in/b.csv", "user,plan,age\nbob,free,41\n");
  Write("in/c.csv", "user,age,country\ncid,unknown,SE\n");
  Write("in/d.csv", "user,age,plan\n3,7,paid\n");
  const ProcessResult schema = Run({"schema", "in"});
  EXPECT_EQ(schema.exit_code, 1) << schema.err;
  EXPECT_THAT(schema.out,
              AllOf(HasSubstr("in/a.csv: csv"), HasSubstr("2  age   integer"),
                    HasSubstr("in/b.csv: differs\n"),
                    HasSubstr("the column age was number 2 and is number 3"),
                    HasSubstr("the column age was integer and is text"),
                    HasSubstr("the column plan is gone"), HasSubstr("the column country is new"),
                    HasSubstr("in/d.csv: the same columns")));
  EXPECT_EQ(Run({"schema", "in/[ad].csv"}).exit_code, 0);
  // JSON has escapes of its own: two names stay two.
  Write("odd.csv", "\"a\nb\",a\\x0Ab\n1,2\n");
  EXPECT_THAT(Run({"schema", "odd.csv", "--json"}).out,
              AllOf(HasSubstr(R"("a\nb")"), HasSubstr(R"("a\\x0Ab")")));
  const ProcessResult head = Run({"head", "in/a.csv"});
  EXPECT_EQ(head.out, "ann\t31\tfree\n");
  EXPECT_EQ(head.err, "user\tage\tplan\n");
  std::string rows;  // More than is held at once.
  for (int i = 0; i < 30'000; ++i) rows += "user" + std::to_string(i) + ",7,paid\n";
  Write("long.csv", "user,age,plan\n" + rows);
  EXPECT_EQ(Run({"head", "long.csv", "-n", "29999"}).out,
            Replaced(rows.substr(0, rows.size() - 17), ",", "\t"));
  // Who reads all columns reads the same ones of each file.
  const ProcessResult diff = Run({"run", "dump_diff", "--input", "old=in/a.csv", "old=in/c.csv",
                                  "new=in/d.csv", "--output", "out"});
  EXPECT_EQ(diff.exit_code, 65);
  EXPECT_THAT(diff.err, AllOf(HasSubstr("in/c.csv"), HasSubstr("country"), HasSubstr("plan")));
}

// The order of keys, and which file has them, can't be seen.
TEST_F(FormatsRunTest, WhoReadsAllColumnsReadsTheSameOnesOfEachFile) {
  Write("old.jsonl", "{\"id\":1,\"a\":\"x\"}\n{\"id\":2,\"a\":\"y\"}\n");
  Write("new/1.jsonl", "{\"a\":\"x\",\"id\":1}\n");
  Write("new/2.jsonl", "{\"b\":\"z\",\"id\":2,\"a\":\"y\"}\n");
  const ProcessResult diff =
      Run({"run", "dump_diff", "--input", "old=old.jsonl", "new=new", "--output", "out"});
  ASSERT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), "U\t2\ty\tz\n");
  // A key that comes too late to be a column is not lost.
  std::string late;
  for (int i = 100; late.size() < (1 << 20); ++i)
    late += "{\"id\":" + std::to_string(i) + ",\"a\":\"" + std::string(50, 'x') + "\"}\n";
  Write("late.jsonl", late + "{\"id\":1,\"a\":\"x\",\"more\":1}\n");
  const ProcessResult lost =
      Run({"run", "dump_diff", "--input", "old=old.jsonl", "new=late.jsonl", "--output", "out2"});
  EXPECT_EQ(lost.exit_code, 65);
  EXPECT_THAT(lost.err, HasSubstr("has the key 'more'"));
  Write("a.csv", "id,a,b\n1,x,y\n");
  Write("b.csv", "id,b,a\n1,y,x\n");
  const ProcessResult order =
      Run({"run", "dump_diff", "--input", "old=a.csv", "new=b.csv", "--output", "out3"});
  EXPECT_EQ(order.exit_code, 65);
  EXPECT_THAT(order.err, AllOf(HasSubstr("b.csv: its column 2 is b"), HasSubstr("same order")));
}

TEST_F(FormatsRunTest, APathThatNoObjectHasIsAMistake) {
  Write("plays.jsonl", "{\"track\":\"a\",\"Country\":{\"id\":\"SE\"},\"ms_played\":40000}\n");
  const ProcessResult missing = Toplist("plays.jsonl", "out");
  EXPECT_EQ(missing.exit_code, 65);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("the key country"), HasSubstr("Country, ms_played")));
  const ProcessResult run = Toplist("plays.jsonl", "out", {"--param", "country=Country.id"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\ta\t1\nSE\t1\ta\t1\n");
  // A backslash makes the key of what follows it, also for the look at the first objects.
  Write("odd.jsonl",
        "{\"2024\":\"a\",\"-1\":{\"x.y\":\"SE\"},\".c\":\"SE\",\"ms_played\":40000}\n");
  const ProcessResult odd =
      Toplist("odd.jsonl", "odd", {"--param", "track=\\2024", "--param", "country=\\-1.x\\.y"});
  EXPECT_EQ(odd.exit_code, 0) << odd.err;
  EXPECT_EQ(Read("odd/part-00000.tsv"), Read("out/part-00000.tsv"));
  const ProcessResult dot =
      Toplist("odd.jsonl", "dot", {"--param", "track=\\2024", "--param", "country=.c"});
  EXPECT_EQ(dot.exit_code, 0) << dot.err;
  const ProcessResult lacking =
      Toplist("odd.jsonl", "lacking", {"--param", "track=\\2025", "--param", "country=\\-1.x"});
  EXPECT_EQ(lacking.exit_code, 65);
  EXPECT_THAT(lacking.err, HasSubstr("none of the first objects"));
  const ProcessResult null = Toplist("plays.jsonl", "null", {"--format", "jsonl,missing=null"});
  ASSERT_EQ(null.exit_code, 0) << null.err;
  EXPECT_THAT(Read("null/_rejects.tsv"), HasSubstr("country is NULL"));
}

// Logs that are new, dumps in folders, names with a #.
TEST_F(FormatsRunTest, FilesAreWhatTheirNamesAndContentsSay) {
  Write("in/a.csv", "");
  Write("in/B.CSV", "track,country,ms_played\nx,SE,40000\n");
  const ProcessResult run = Toplist("in", "out");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\tx\t1\nSE\t1\tx\t1\n");
  Write("logs/access.log", "");
  Write("logs/access.log.1",
        "127.0.0.1 - - [21/Nov/2026:10:05:03 +0100] \"GET /a HTTP/1.1\" 200 12\n");
  EXPECT_THAT(Run({"schema", "logs"}).out, HasSubstr("accesslog"));
  Write("dump/toc.dat", "PGDMP");
  const ProcessResult dump = Toplist("dump", "out2");
  EXPECT_EQ(dump.exit_code, 64);
  EXPECT_THAT(dump.err, HasSubstr("say which table: dump#TABLE"));
  Write("odd.sql",
        "CREATE TABLE `a#b` (\n  `track` text,\n  `country` text,\n  `ms_played` int\n);\n"
        "INSERT INTO `a#b` VALUES ('x','SE',40000);\n");
  const ProcessResult odd = Toplist("odd.sql#a#b", "out3");
  ASSERT_EQ(odd.exit_code, 0) << odd.err;
  EXPECT_EQ(Read("out3/part-00000.tsv"), Read("out/part-00000.tsv"));
}

// An export that died at its first byte is no table without rows, where the format has a header.
TEST_F(FormatsRunTest, AnEmptyFileIsWhatItsNameSays) {
  for (const char* const name : {"e.sql", "e.parquet", "e.csv", "e.jsonl", "e.tsv", "e"})
    Write(name, "");
  for (const char* const name : {"e.sql", "e.parquet", "e.sql#plays"}) {
    const ProcessResult run = Toplist(name, "refused");
    EXPECT_EQ(run.exit_code, 65) << name << run.err;
    EXPECT_THAT(run.err, HasSubstr("is empty"));
  }
  for (const char* const format : {"pgdump", "mysqldump", "parquet"})
    EXPECT_EQ(Toplist("e", "refused", {"--format", format}).exit_code, 65) << format;
  for (const char* const name : {"e.csv", "e.jsonl", "e.tsv", "e"}) {
    const ProcessResult run = Toplist(name, std::string("out-") + name);
    EXPECT_EQ(run.exit_code, 0) << name << run.err;
  }
  EXPECT_THAT(Run({"schema", "e.csv"}).out, HasSubstr("e.csv: csv"));
  Write("whole.sql",
        "CREATE TABLE `a` (\n  `track` text,\n  `country` text,\n  `ms_played` int\n);\n"
        "INSERT INTO `a` VALUES ('x','SE',40000);\n");
  EXPECT_EQ(Toplist("whole.sql", "refused", {"--input", "e.sql"}).exit_code, 65);
}

TEST_F(FormatsRunTest, DryRunSaysWhatIsNotSplit) {
  std::string text = "track,country,ms_played\n";
  for (int i = 0; i < 3000; ++i) text += "song,SE," + std::to_string(30'000 + i) + "\n";
  Write("plays.csv", text);
  const ProcessResult plain = Toplist("plays.csv", "out", {"--dry-run", "--split-size", "4KiB"});
  EXPECT_THAT(plain.err + plain.out, AllOf(HasSubstr("read as csv"), Not(HasSubstr("not split"))));
  ASSERT_EQ(std::system(("gzip -1 " + (root_ / "plays.csv").string()).c_str()), 0);
  const ProcessResult packed =
      Toplist("plays.csv.gz", "out", {"--dry-run", "--split-size", "1KiB"});
  EXPECT_THAT(packed.err + packed.out,
              AllOf(HasSubstr("1 large file not split: plays.csv.gz: gzip"), HasSubstr("1 split")));
}

}  // namespace
}  // namespace millrace

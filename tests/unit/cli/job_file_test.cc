// SPDX-License-Identifier: Apache-2.0
#include "cli/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/job_file_merge.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const CommandSpec& RunSpec() { return *FindCommand("run"); }

Result<JobFile> Parse(const std::string& text) { return ParseJobFile(RunSpec(), "n.toml", text); }

// "--input plays=a", "--force".
std::vector<std::string> Spelled(const JobFile& file) {
  std::vector<std::string> words;
  for (const FileValue& value : file.values)
    words.push_back(value.flag + (value.value.empty() ? "" : " " + value.value));
  return words;
}

std::vector<std::string> ValuesOf(const std::string& text) {
  const Result<JobFile> file = Parse("job = 'j'\n" + text);
  EXPECT_TRUE(file.ok()) << file.error().message();
  return file.ok() ? Spelled(*file) : std::vector<std::string>();
}

std::string MistakeIn(const std::string& text) {
  const Result<JobFile> file = Parse(text);
  EXPECT_FALSE(file.ok()) << text;
  if (file.ok()) return "";
  EXPECT_EQ(file.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(file.error().message(), Not(HasSubstr("\n")));
  return file.error().message();
}

TEST(ParseJobFileTest, SaysWhatTheCommandLineSays) {
  const Result<JobFile> file = Parse(
      "job = \"toplist\"\n"
      "module = [\"build/jobs.so\"]\n"
      "output = \"out/toplist/{date}\"\n"
      "parts = 4\n"
      "max-rejects = \"0.1%\"\n"
      "force = true\n"
      "quiet = false\n"
      "date = 2026-11-21\n"
      "\n"
      "[input]\n"
      "plays = [\"logs/{date}/*.tsv.zst\", \"late/{date}.tsv\"]\n"
      "users = \"users.tsv\"\n"
      "\n"
      "[param]\n"
      "k = 20\n"
      "by = \"listeners\"\n");
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->job, "toplist");
  EXPECT_THAT(Spelled(*file),
              ElementsAre("--module build/jobs.so", "--output out/toplist/{date}", "--parts 4",
                          "--max-rejects 0.1%", "--force", "--date 2026-11-21",
                          "--input plays=logs/{date}/*.tsv.zst", "--input plays=late/{date}.tsv",
                          "--input users=users.tsv", "--param k=20", "--param by=listeners"));
  EXPECT_EQ(file->values[2].place, "n.toml:4:1");
  EXPECT_EQ(file->values[6].place, "n.toml:11:10");
  EXPECT_EQ(file->values[7].place, "n.toml:11:35");
  EXPECT_EQ(file->values[9].place, "n.toml:15:1");
}

// What is a flag is a key: nothing but the table says so.
TEST(ParseJobFileTest, EveryFlagIsAKey) {
  for (const FlagSpec& flag : RunSpec().flags) {
    const std::string key = flag.name.substr(2);
    const std::string line = flag.value.empty()                       ? key + " = true"
                             : NamesOf(flag) == ValueNames::kRequired ? key + ".a = \"x\""
                                                                      : key + " = \"x\"";
    const Result<JobFile> file = Parse("job = 'j'\n" + line);
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_EQ(file->values.size(), 1u);
    EXPECT_EQ(file->values[0].flag, flag.name);
  }
}

TEST(ParseJobFileTest, ATableOfFlagsThatIsNewIsUnderstood) {
  const CommandSpec command{.name = "run",
                            .argument = "JOB",
                            .summary = "",
                            .details = "",
                            .flags = {{"--shade", "[NAME=]COLOR", "", true},
                                      {"--depth", "MS", ""},
                                      {"--look", "cold|N", ""},
                                      {"--day", "YYYY-MM-DD", ""}}};
  const Result<JobFile> file = ParseJobFile(command, "n.toml",
                                            "job = 'j'\nshade.sky = ['a', 'b']\ndepth = 3\n"
                                            "look = -1\nday = 2026-02-28\n");
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_THAT(Spelled(*file), ElementsAre("--shade sky=a", "--shade sky=b", "--depth 3",
                                          "--look -1", "--day 2026-02-28"));
}

TEST(ParseJobFileTest, AnInputNeedsNoName) {
  EXPECT_THAT(ValuesOf("input = 'plays/*.tsv'"), ElementsAre("--input plays/*.tsv"));
  EXPECT_THAT(ValuesOf("input = ['b', 'a']"), ElementsAre("--input b", "--input a"));
  EXPECT_THAT(ValuesOf("input = []"), IsEmpty());
}

TEST(ParseJobFileTest, ParametersAreWrittenAsTomlHasThem) {
  EXPECT_THAT(ValuesOf("[param]\n"
                       "text = 'x = y'\n"
                       "none = ''\n"
                       "count = 1_000\n"
                       "least = -5\n"
                       "mask = 0x10\n"
                       "version = 1.10\n"
                       "\"ä ö\" = +1_0.5e-3 # ü\n"
                       "is_on = true\n"
                       "since = 2026-01-02\n"
                       "plays.track = 3\n"
                       "[param.users]\n"
                       "name = 'N'\n"),
              ElementsAre("--param text=x = y", "--param none=", "--param count=1000",
                          "--param least=-5", "--param mask=16", "--param version=1.10",
                          "--param ä ö=+10.5e-3", "--param is_on=true", "--param since=2026-01-02",
                          "--param plays.track=3", "--param users.name=N"));
}

TEST(ParseJobFileTest, MistakesNameTheirLine) {
  EXPECT_EQ(MistakeIn("job = 'toplist'\n\n  max-reject = 3\n"),
            "n.toml:3:3: unknown key max-reject; did you mean max-rejects?; keys are the flags of "
            "`millrace run --help`, without dashes; a job's parameters stand below [param]");
  EXPECT_THAT(MistakeIn("job = 'j'\n[parm]\nk = 1\n"),
              StartsWith("n.toml:2:2: unknown key parm; did you mean param?"));
  EXPECT_THAT(MistakeIn("job = 'j'\nmax_rejects = 1\n"), HasSubstr("did you mean max-rejects?"));
  EXPECT_THAT(MistakeIn("job = 'j'\n'--force' = true\n"), HasSubstr("did you mean force?"));
  // The first of several, in the order of lines, not of names.
  EXPECT_THAT(MistakeIn("job = 'j'\nzebra = 1\nant = 1\n"),
              StartsWith("n.toml:2:1: unknown key z"));
}

TEST(ParseJobFileTest, TypesMustFit) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"parts = true", "parts must be a string or an integer (N), not a boolean"},
      {"parts = 1.5", "parts must be a string or an integer (N), not a number with a point"},
      {"parts = [1]", "parts must be a string or an integer (N), not an array"},
      {"output = 5", "output must be a string (DIR), not an integer"},
      {"output = ''", "output is empty; say the value, or leave the line out"},
      {"output = \"a\\u0000b\"", "output holds a zero byte, which no flag can take"},
      {"force = 'yes'", "force must be true or false, not a string"},
      {"force = 1", "force must be true or false, not an integer"},
      {"date = 2026-11-21T10:00:00",
       "date must be a string or a date (YYYY-MM-DD), not a date with a time"},
      {"compress = {zstd = 3}", "compress must be a string (none|zstd|gzip), not a table"},
      {"param = 'k=1'",
       "param must be a table, a line [param] with lines NAME = VALUE below, not a string"},
      {"param.k = [1, 2]",
       "param.k must be a string, a number, true, false or a date, not an array"},
      {"param.at = 10:00:00",
       "param.at must be a string, a number, true, false or a date, not a time"},
      {"param.'' = 1", "'' can be no name in [param]"},
      {"param.'a=b' = 1", "'a=b' can be no name in [param]"},
      {"job.name = 1", "job must be a string, not a table"},
  };
  for (const auto& [line, message] : mistakes) {
    const std::string text = line.starts_with("job") ? line : "job = 'j'\n" + line;
    EXPECT_THAT(MistakeIn(text), HasSubstr(message)) << line;
    EXPECT_THAT(MistakeIn(text), StartsWith(line.starts_with("job") ? "n.toml:1:" : "n.toml:2:"));
  }
  EXPECT_EQ(MistakeIn("job = 'j'\ninput = ['a', 7]\n"),
            "n.toml:2:15: input must be a string ([NAME=]PATTERN), not an integer");
  EXPECT_THAT(MistakeIn("job = 'j'\ninput.plays = ['a',\n  []]\n"), StartsWith("n.toml:3:3: "));
}

TEST(ParseJobFileTest, WhatStandsTooLowIsSeen) {
  EXPECT_THAT(MistakeIn("[param]\nk = 1\njob = 'toplist'\n"),
              HasSubstr("n.toml:3:1: job stands below [param]; move it above the first [table]"));
  EXPECT_THAT(MistakeIn("job = 'j'\n[input]\nplays = 'p'\nparts = 4\n"),
              HasSubstr("n.toml:4:1: input.parts must be a string ([NAME=]PATTERN), not an "
                        "integer; or move parts above the first [table]"));
  EXPECT_THAT(MistakeIn("parts = 4\n"), HasSubstr("n.toml names no job"));
  EXPECT_THAT(MistakeIn(""), HasSubstr("n.toml names no job"));
}

TEST(ParseJobFileTest, AJobIsAName) {
  for (const char* const bad : {"", "--force", "other.toml", "a\\u0000b"})
    EXPECT_THAT(MistakeIn("job = \"" + std::string(bad) + "\""),
                StartsWith("n.toml:1:1: job must"));
}

TEST(ParseJobFileTest, WhatIsNoTomlSaysWhere) {
  EXPECT_EQ(MistakeIn("job = 'j'\ncompress = zstd\n"),
            "n.toml:2:12: not TOML: in the value: could not determine value type; text stands in "
            "quotes");
  EXPECT_THAT(MistakeIn("job = 'j'\nmemory = 64M\n"), HasSubstr("text stands in quotes"));
  EXPECT_THAT(MistakeIn("job: 'j'\n"), StartsWith("n.toml:1:4: not TOML: in the key-value pair: "));
  EXPECT_THAT(MistakeIn("job = 'j'\nparts = 1\nparts = 2\n"), StartsWith("n.toml:3:"));
  EXPECT_THAT(MistakeIn("job = 'j'\n[param]\nk=1\n[param]\n"), StartsWith("n.toml:4:1: "));
  EXPECT_THAT(MistakeIn("job = 'j\n"), StartsWith("n.toml:1:"));
  EXPECT_EQ(MistakeIn("job = 'ä'\n ä = 1\n"),
            "n.toml:2:2: not TOML: other letters than ASCII stand in quotes");
  EXPECT_THAT(MistakeIn("job = 'j'\noutput = \"\xFF\"\n"), HasSubstr("utf-8"));
  EXPECT_THAT(MistakeIn(std::string("job = 'j\0'", 10)), StartsWith("n.toml:1:"));
  EXPECT_THAT(MistakeIn("\x7F"
                        "ELF\x01\x02\n"),
              StartsWith("n.toml:1:"));
}

TEST(ParseJobFileTest, AByteOrderMarkIsNoByte) {
  const Result<JobFile> file = Parse("\xEF\xBB\xBFjob = 'j'\n[param]\nx = 1.50\r\n");
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_THAT(Spelled(*file), ElementsAre("--param x=1.50"));
}

// Each part of a key is a table below a table: a parser that recurses dies of enough of them.
TEST(ParseJobFileTest, DeepKeysAndValuesAreRefused) {
  std::string deep = "a";
  for (int i = 0; i < 300'000; ++i) deep += ".a";
  const std::string refused = ": a key has more than 8 parts";
  EXPECT_EQ(MistakeIn("job = 'j'\n" + deep + " = 1\n"), "n.toml:2:16" + refused);
  EXPECT_EQ(MistakeIn("job = 'j'\n[" + deep + "]\n"), "n.toml:2:17" + refused);
  EXPECT_EQ(MistakeIn("# it's\nx = {y = 1, " + deep + " = 1}\n"), "n.toml:2:28" + refused);
  // Not even where a string before it ends in an odd way.
  for (const char* const text : {R"("")", R"('')", R"("\\")", R"('\')", R"("'")", R"('"')",
                                 R"("\"")", R"("""""")", R"('''''')", R"('''a'''')", R"('''a''''')",
                                 R"("""\"""\\""""")", "'''\n#'''", "\"\"\"\n'\\\n\"\"\""}) {
    const std::string odd = text;
    EXPECT_THAT(MistakeIn("x = " + odd + "\n[" + deep + "]\n"), HasSubstr(refused)) << odd;
    EXPECT_THAT(MistakeIn("x = {y = " + odd + ", " + deep + " = 1}\n"), HasSubstr(refused)) << odd;
    EXPECT_THAT(ValuesOf("param.x = " + odd), testing::SizeIs(1)) << odd;
  }
  EXPECT_THAT(MistakeIn("x = " + std::string(300'000, '[')), HasSubstr("nested"));
  // Dots of patterns and of comments are no parts.
  EXPECT_THAT(ValuesOf("input = ['a.b.c.d.e.f.g.h.i.j', 'a.b.c.d.e.f.g.h.i.j'] # " + deep),
              testing::SizeIs(2));
}

Result<std::vector<std::string>> NoNames(const Arguments&) {
  ADD_FAILURE() << "nobody needs the names of inputs here";
  return std::vector<std::string>();
}

Result<std::vector<std::string>> PlaysAndUsers(const Arguments& arguments) {
  EXPECT_EQ(arguments.argument, "toplist");
  EXPECT_THAT(arguments.All("--module"), ElementsAre("m.so"));
  return std::vector<std::string>{"plays", "users"};
}

Arguments Merged(const std::string& text, std::vector<std::string> words,
                 const InputNames& names = NoNames) {
  words.insert(words.begin(), "n.toml");
  const Result<Arguments> given = ParseArguments(RunSpec(), words);
  EXPECT_TRUE(given.ok()) << given.error().message();
  EXPECT_TRUE(NamesJobFile(*given));
  const Result<JobFile> file = Parse(text);
  EXPECT_TRUE(file.ok()) << file.error().message();
  Result<Arguments> merged = MergeJobFile(*given, *file, names);
  EXPECT_TRUE(merged.ok()) << merged.error().message();
  // The words alone say the same.
  const Result<Arguments> again = ParseArguments(RunSpec(), merged->words);
  EXPECT_TRUE(again.ok()) << again.error().message();
  if (again.ok()) {
    EXPECT_EQ(again->argument, merged->argument);
    EXPECT_EQ(again->values, merged->values);
  }
  return *std::move(merged);
}

TEST(MergeJobFileTest, TheFileAloneIsTheCommandLine) {
  const Arguments merged = Merged(
      "job = 'toplist'\ninput = ['--force', '-a', '[b,c]', '--']\nforce = true\nparts = 3\noutput "
      "= '-out'\n"
      "[param]\nx = -1\n",
      {});
  EXPECT_EQ(merged.argument, "toplist");
  EXPECT_THAT(merged.All("--input"), ElementsAre("--force", "-a", "[b,c]", "--"));
  EXPECT_EQ(merged.Get("--output"), "-out");
  EXPECT_THAT(merged.All("--param"), ElementsAre("x=-1"));
  EXPECT_TRUE(merged.Has("--force"));
  EXPECT_FALSE(merged.Has("--json"));
  EXPECT_EQ(merged.Get("--parts"), "3");
}

TEST(MergeJobFileTest, TheCommandLineWinsKeyByKey) {
  const Arguments merged = Merged(
      "job = 'toplist'\nparts = 3\nmodule = ['a.so', 'b.so']\ncompress = 'zstd'\n"
      "[param]\nk = 1\nkk = 2\n",
      {"--parts", "5", "--module", "c.so", "--param", "k=10", "--param", "new=1", "--json"});
  EXPECT_THAT(merged.All("--parts"), ElementsAre("5"));
  EXPECT_THAT(merged.All("--module"), ElementsAre("c.so"));
  EXPECT_EQ(merged.Get("--compress"), "zstd");
  EXPECT_THAT(merged.All("--param"), ElementsAre("kk=2", "k=10", "new=1"));
  EXPECT_TRUE(merged.Has("--json"));
  ASSERT_EQ(merged.from_file.size(), 2u);
  EXPECT_EQ(merged.from_file[0].value, "zstd");
  EXPECT_EQ(merged.from_file[1].value, "kk=2");
}

TEST(MergeJobFileTest, PatternsAreReplacedByInput) {
  const std::string named =
      "job = 'toplist'\nmodule = 'm.so'\n[input]\nplays = ['p1', 'p2']\nusers = 'u'\n";
  EXPECT_THAT(Merged(named, {"--input", "users=x", "users=y"}, PlaysAndUsers).All("--input"),
              ElementsAre("plays=p1", "plays=p2", "users=x", "users=y"));
  // Without a name it is the first one's; a name that no input has is a path.
  EXPECT_THAT(Merged(named, {"--input", "x"}, PlaysAndUsers).All("--input"),
              ElementsAre("users=u", "x"));
  EXPECT_THAT(Merged(named, {"--input", "dt=1/"}, PlaysAndUsers).All("--input"),
              ElementsAre("users=u", "dt=1/"));
  const std::string wrong = "job = 'toplist'\nmodule = 'm.so'\ninput.playz = 'p'\n";
  EXPECT_THAT(Merged(wrong, {"--input", "x"}, PlaysAndUsers).All("--input"),
              ElementsAre("playz=p", "x"));  // Not dropped: the run says that there is none.
  const std::string unnamed = "job = 'toplist'\nmodule = 'm.so'\ninput = ['p', 'users=u']\n";
  EXPECT_THAT(Merged(unnamed, {"--input", "plays=x"}, PlaysAndUsers).All("--input"),
              ElementsAre("users=u", "plays=x"));
  EXPECT_THAT(Merged(unnamed, {"--input", "users=x"}, PlaysAndUsers).All("--input"),
              ElementsAre("p", "users=x"));
}

TEST(MergeJobFileTest, FormatsAreReplacedByInputToo) {
  const std::string file =
      "job = 'toplist'\nmodule = 'm.so'\n[format]\nplays = 'csv,delimiter=;'\nusers = 'jsonl'\n";
  EXPECT_THAT(Merged(file, {"--format", "csv,header=no"}, PlaysAndUsers).All("--format"),
              ElementsAre("users=jsonl", "csv,header=no"));
}

TEST(CommandLineTest, IsOneLineThatAShellReads) {
  const Arguments merged = Merged(
      "job = 'toplist'\noutput = \"it's/{date}\"\ndate = 2026-11-21\ninput = 'logs/*.tsv'\n"
      "[param]\ntext = \"a\\n\\tb'\\\\\"\nk = 5\n",
      {"--dry-run", "--force"});
  EXPECT_EQ(CommandLine(merged),
            "millrace run toplist --input 'logs/*.tsv' --output 'it'\\''s/{date}' "
            "--param $'text=a\\012\\011b\\'\\\\' --param k=5 --date 2026-11-21 --force");
}

TEST(WithPlacesTest, NamesTheLinesAnErrorIsAbout) {
  const Arguments merged = Merged(
      "job = 'toplist'\nparts = 0\nisolate = true\nmaster = 'tcp://h:1'\n"
      "input = ['logs/*.tsv', '/abs/*.tsv']\n[param]\nk = 5\ncompress = 'zstd'\n",
      {});
  const auto explained = [&merged](const Status& error) {
    const Status placed = WithPlaces(merged, error);
    EXPECT_EQ(placed.code(), error.code());
    return placed.message();
  };
  EXPECT_EQ(explained(Status::InvalidArgument("--parts must be a number")),
            "--parts must be a number; set in n.toml:2:1");
  EXPECT_EQ(explained(Status::InvalidArgument("--isolate is here, --master there")),
            "--isolate is here, --master there; set in n.toml:3:1 and n.toml:4:1");
  EXPECT_EQ(explained(Status::InvalidArgument("the job toplist has no parameter k; see")),
            "the job toplist has no parameter k; see; set in n.toml:7:1");
  EXPECT_EQ(explained(Status::InvalidArgument("the parameter k must be 1; or is it --parts?")),
            "the parameter k must be 1; or is it --parts?; set in n.toml:7:1");
  EXPECT_EQ(explained(Status::InvalidArgument("the job toplist has no parameter compress")),
            "the job toplist has no parameter compress; to mean the flag --compress, move it above "
            "the first [table]; set in n.toml:8:1");
  EXPECT_EQ(explained(Status::NotFound("the input '/abs/*.tsv' matches no file")),
            "the input '/abs/*.tsv' matches no file; set in n.toml:5:24");
  EXPECT_THAT(explained(Status::NotFound("the input 'logs/*.tsv' matches no file")),
              StartsWith("the input 'logs/*.tsv' matches no file; set in n.toml:5:10; relative "
                         "paths start in /"));
  EXPECT_EQ(explained(Status::InvalidArgument("the job has no parameter kk; say --partsize")),
            "the job has no parameter kk; say --partsize");
  EXPECT_EQ(explained(Status::InvalidArgument("endpoint 'tcp://h:1': no port")),
            "endpoint 'tcp://h:1': no port; set in n.toml:4:1");
  EXPECT_EQ(explained(Status::InvalidArgument("there is no job toplist; see `millrace jobs`")),
            "there is no job toplist; see `millrace jobs`; set in n.toml:1:1");
  EXPECT_EQ(explained(Status::BadData("--parts")), "--parts");
}

TEST(LoadJobFileTest, ReadsSmallFilesAlone) {
  const std::string folder = testing::TempDir();
  const std::string path = folder + "/job_file_test.toml";
  const auto write = [&path](const std::string& text) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
  };
  write("job = 'j'\n");
  EXPECT_EQ(LoadJobFile(path).value(), "job = 'j'\n");
  write(std::string(1 << 20, '#'));
  EXPECT_EQ(LoadJobFile(path).value().size(), std::size_t{1} << 20);
  write(std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(LoadJobFile(path).error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(LoadJobFile(path).error().message(), HasSubstr("more than 1 MiB"));
  std::remove(path.c_str());
  EXPECT_EQ(LoadJobFile(path).error().code(), StatusCode::kNotFound);
  EXPECT_THAT(LoadJobFile(path).error().message(), HasSubstr("No such file"));
  EXPECT_EQ(LoadJobFile(folder).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace

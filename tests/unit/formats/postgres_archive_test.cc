// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/postgres_dump.h"
#include "tests/unit/engine/memory_files.h"
#include "tests/unit/formats/file_rows.h"

namespace millrace {
namespace {

using testing::HasSubstr;

// A toc.dat as pg_dump writes it.
class Toc {
 public:
  explicit Toc(int minor) : minor_(minor) {
    head_ = std::string("PGDMP\1") + static_cast<char>(minor) + std::string("\0\4\10\3", 4);
    if (minor >= 15) {
      head_.push_back('\1');
    } else {
      AddInt(&head_, -1);
    }
    for (const int part : {57, 0, 6, 26, 10, 126, 0}) AddInt(&head_, part);
    for (const char* text : {"shop", "15.18", "15.18"}) AddText(&head_, text);
  }

  void Add(const std::string& schema, const std::string& tag, const std::string& desc,
           const std::string& definition, const std::string& copy, const std::string& file) {
    ++count_;
    AddInt(&body_, 3000 + count_);
    AddInt(&body_, copy.empty() ? 0 : 1);
    for (const char* text : {"1259", "16384"}) AddText(&body_, text);
    AddText(&body_, tag);
    AddText(&body_, desc);
    AddInt(&body_, 2);
    AddText(&body_, definition);
    AddText(&body_, "DROP IT;\n");
    AddText(&body_, copy);
    AddText(&body_, schema);
    AddInt(&body_, -1);  // NULL.
    if (minor_ >= 14) AddText(&body_, "heap");
    if (minor_ >= 16) AddInt(&body_, 'r');
    for (const char* text : {"postgres", "false", "215", "217"}) AddText(&body_, text);
    AddInt(&body_, -1);
    AddText(&body_, file);
  }

  std::string bytes() const {
    std::string bytes = head_;
    AddInt(&bytes, count_);
    return bytes + body_;
  }

 private:
  static void AddInt(std::string* to, int value) {
    to->push_back(value < 0 ? '\1' : '\0');
    const int positive = value < 0 ? -value : value;
    for (int shift = 0; shift < 32; shift += 8) to->push_back(static_cast<char>(positive >> shift));
  }
  static void AddText(std::string* to, const std::string& text) {
    AddInt(to, static_cast<int>(text.size()));
    *to += text;
  }

  const int minor_;
  std::string head_;
  std::string body_;
  int count_ = 0;
};

Toc ShopToc(int minor) {
  Toc toc(minor);
  toc.Add("", "STDSTRINGS", "STDSTRINGS", "SET standard_conforming_strings = 'on';\n", "", "");
  toc.Add("public", "users", "TABLE",
          "CREATE TABLE public.users (\n    id integer,\n    twice integer GENERATED ALWAYS AS "
          "((id * 2)) STORED,\n    name text\n);\n",
          "", "");
  toc.Add("public", "users", "TABLE DATA", "", "COPY public.users (id, name) FROM stdin;\n",
          "3383.dat");
  toc.Add("shop", "users", "TABLE DATA", "", "COPY shop.users (a) FROM stdin;\n", "3384.dat");
  toc.Add("public", "Odd \"one", "TABLE DATA", "", "COPY public.\"Odd \"\"one\" (a) FROM stdin;\n",
          "3385.dat");
  return toc;
}

// A directory as pg_dump -Fd makes it.
class DumpDirectory {
 public:
  explicit DumpDirectory(const std::string& toc) { Put("toc.dat", toc); }
  void Put(const std::string& name, std::string bytes) {
    files_.contents()["/dump/" + name] = std::make_shared<std::string>(std::move(bytes));
  }
  MemoryFiles& files() { return files_; }
  std::string Find(const std::string& table) {
    const Result<FileInfo> found = PostgresDumpFormat().find_table(files_, "/dump", table);
    return found.ok() ? found->path : found.error().message();
  }
  Result<Shard> Look(const std::string& name) {
    MR_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat("/dump/" + name));
    MR_ASSIGN_OR_RETURN(Shard shard, InspectShard(files_, info));
    MR_RETURN_IF_ERROR(InspectLayout(files_, FileFormat{"pgdump", {}}, &shard));
    return shard;
  }
  // The lines of all columns, and rejects.
  Result<std::string> Lines(const std::string& name) {
    MR_ASSIGN_OR_RETURN(const Shard shard, Look(name));
    const std::string& text = files_.Content("/dump/" + name);
    const FileFormat format{"pgdump", {}};
    const RowRequest request{.all = true, .columns = {}};
    const ShardRange range{0, text.size(), 0, UINT64_MAX};
    PiecewiseReader reader(text, 0, 5);
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<BlockReader> rows,
                        OpenRows({reader, shard, range, format, request, 1000}));
    std::string lines;
    LineBlock block;
    for (;;) {
      MR_ASSIGN_OR_RETURN(const bool more, rows->Next(&block));
      if (!more) return lines;
      lines.append(block.begin, block.end);
      if (!block.reject.empty()) lines += "reject: " + std::string(block.reject) + "\n";
    }
  }

 private:
  MemoryFiles files_;
};

TEST(PostgresArchiveTest, ReadsEachVersion) {
  for (int minor = 12; minor <= 16; ++minor) {
    const auto entries = ParsePostgresArchive(ShopToc(minor).bytes());
    ASSERT_TRUE(entries.ok()) << minor << ": " << entries.error().message();
    ASSERT_EQ(entries->size(), 5u);
    const PostgresArchiveEntry& entry = (*entries)[2];
    EXPECT_EQ(entry.tag, "users");
    EXPECT_EQ(entry.desc, "TABLE DATA");
    EXPECT_EQ(entry.schema, "public");
    EXPECT_EQ(entry.copy, "COPY public.users (id, name) FROM stdin;\n");
    EXPECT_EQ(entry.file_name, "3383.dat");
    EXPECT_THAT((*entries)[1].definition, HasSubstr("CREATE TABLE"));
  }
}

TEST(PostgresArchiveTest, SaysWhatItCannotRead) {
  for (const int minor : {11, 17}) {
    const auto entries = ParsePostgresArchive(ShopToc(minor).bytes());
    ASSERT_FALSE(entries.ok());
    EXPECT_THAT(entries.error().message(), HasSubstr("archive version 1." + std::to_string(minor)));
  }
  const std::string bytes = ShopToc(14).bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(ParsePostgresArchive(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
}

TEST(PostgresArchiveTest, FindsTheFileOfATable) {
  DumpDirectory dump(ShopToc(14).bytes());
  dump.Put("3383.dat.gz", "");
  dump.Put("3384.dat", "");
  dump.Put("3385.dat.lz4", "");
  EXPECT_EQ(dump.Find("public.users"), "/dump/3383.dat.gz");
  EXPECT_EQ(dump.Find("shop.USERS"), "/dump/3384.dat");
  EXPECT_THAT(dump.Find("\"Odd \"\"one\""), HasSubstr("lz4"));
  EXPECT_THAT(dump.Find("users"), HasSubstr("several tables users: public.users, shop.users"));
  EXPECT_THAT(dump.Find("tracks"), HasSubstr("no rows of a table tracks; it has those of public."));
  EXPECT_THAT(PostgresDumpFormat().find_table(dump.files(), "/", "users").error().message(),
              HasSubstr("has no toc.dat"));
}

TEST(PostgresArchiveTest, ReadsRowsOfCopyToTheirEnd) {
  DumpDirectory dump(ShopToc(14).bytes());
  dump.Put("3383.dat", "1\tAnn\n2\t\\N\n3\n\\.\n\n\n");
  const Result<Shard> shard = dump.Look("3383.dat");
  ASSERT_TRUE(shard.ok()) << shard.error().message();
  EXPECT_EQ(shard->layout->columns, (std::vector<std::string>{"id", "name"}));
  EXPECT_EQ(shard->layout->rows, (std::vector<RowRange>{{0, 13}}));
  EXPECT_EQ(*dump.Lines("3383.dat"),
            "1\tAnn\n2\t\\N\nreject: has 1 fields, and the table has 2 columns\n");
  dump.Put("3384.dat", "\\.\n\n\n");
  EXPECT_EQ(*dump.Lines("3384.dat"), "");
  // Rows of one empty column are no blank lines.
  dump.Put("3385.dat", "\n\n\\\\.\n\\.\n\n\n");
  EXPECT_EQ(*dump.Lines("3385.dat"), "\n\n\\\\.\n");
}

TEST(PostgresArchiveTest, CutsALargeFileWhereRowsBegin) {
  DumpDirectory dump(ShopToc(14).bytes());
  std::string rows;
  for (int i = 0; rows.size() < (5u << 20); ++i) {
    rows += std::to_string(i) + "\t" + std::string(static_cast<std::size_t>(i) % 2000, 'x') + "\n";
    if (i == 1000) rows += "7\t" + std::string(2 << 20, 'y') + "\n";  // Longer than a range.
  }
  dump.Put("3383.dat", rows + "\\.\n\n\n");
  const Result<Shard> shard = dump.Look("3383.dat");
  ASSERT_TRUE(shard.ok()) << shard.error().message();
  std::uint64_t end = 0;
  for (const RowRange& range : shard->layout->rows) {
    EXPECT_EQ(range.begin, end);
    EXPECT_TRUE(range.begin == 0 || rows[range.begin - 1] == '\n');
    end = range.end;
  }
  EXPECT_EQ(end, rows.size());
  EXPECT_GE(shard->layout->rows.size(), 4u);
}

TEST(PostgresArchiveTest, ADataFileThatIsCutOffIsFoundOut) {
  DumpDirectory dump(ShopToc(14).bytes());
  for (const char* bytes : {"", "1\tAnn\n", "1\tAnn\n2", "1\tAnn\n\\", "x\\.\n\n\n", "1\tA\\.\n"}) {
    dump.Put("3383.dat", bytes);
    const Result<std::string> lines = dump.Lines("3383.dat");
    ASSERT_FALSE(lines.ok()) << bytes;
    EXPECT_EQ(lines.error().code(), StatusCode::kBadData);
    EXPECT_THAT(lines.error().message(), HasSubstr("/dump/3383.dat: is cut off"));
  }
  // Two files in one.
  dump.Put("3383.dat", "1\tAnn\n\\.\n\n\n2\tBob\n\\.\n\n\n");
  EXPECT_THAT(dump.Lines("3383.dat").error().message(), HasSubstr("at byte 6 among the rows"));
  dump.Put("3385.dat", "1\n\\.\n\n\n2\n\\.\n\n\n");
  EXPECT_THAT(dump.Lines("3385.dat").error().message(), HasSubstr("at byte 2 among the rows"));
}

// pg_dump -Fd --inserts
TEST(PostgresArchiveTest, ReadsRowsOfInserts) {
  Toc toc(14);
  toc.Add("public", "users", "TABLE",
          "CREATE TABLE public.users (\n    id integer,\n    twice integer GENERATED ALWAYS AS "
          "((id * 2)) STORED,\n    name text\n);\n",
          "", "");
  toc.Add("public", "users", "TABLE DATA", "", "", "3383.dat");
  DumpDirectory dump(toc.bytes());
  dump.Put("3383.dat", "INSERT INTO public.users VALUES (1, DEFAULT, 'it''s');\n\n\n");
  EXPECT_EQ(dump.Look("3383.dat")->layout->columns, (std::vector<std::string>{"id", "name"}));
  EXPECT_EQ(*dump.Lines("3383.dat"), "1\tit's\n");
  dump.Put("3383.dat", "\n\n");
  EXPECT_EQ(dump.Look("3383.dat")->layout->columns, (std::vector<std::string>{"id", "name"}));
  EXPECT_EQ(*dump.Lines("3383.dat"), "");
}

TEST(PostgresArchiveTest, TheTableOfContentsIsNoDump) {
  DumpDirectory dump(ShopToc(14).bytes());
  EXPECT_THAT(dump.Look("toc.dat").error().message(), HasSubstr("DIRECTORY#TABLE"));
  dump.Put("9.dat", "");
  EXPECT_THAT(dump.Look("9.dat").error().message(), HasSubstr("no table's file"));
}

}  // namespace
}  // namespace millrace

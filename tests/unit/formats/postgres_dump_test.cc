// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/postgres_scan.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using Fields = std::vector<std::optional<std::string>>;

constexpr std::nullopt_t kNull = std::nullopt;

constexpr std::string_view kHead = R"(--
-- PostgreSQL database dump
--

\restrict Abc'"123

-- Dumped by pg_dump version 15.18; it's (a) /* comment $$

SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.f() RETURNS integer
    LANGUAGE plpgsql
    AS $_$ begin -- it's
INSERT INTO public.users VALUES (0, 'never');
return $1; end $_$;

CREATE FUNCTION public.g() RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN true THEN 1 ELSE 2 END;
 INSERT INTO public.users VALUES (0, 'never');
END;

CREATE RULE r AS ON INSERT TO public.other DO (
INSERT INTO public.users VALUES (0, 'never'); DELETE FROM public.other);

/* nested /* comments */ ' " $$
INSERT INTO public.users VALUES (0, 'never'); */

CREATE TABLE public.users (
    id integer NOT NULL,
    name character varying(20) DEFAULT 'a,b);'::character varying,
    "Weird ""Name" numeric(10,2),
    CONSTRAINT c CHECK ((id > 0))
);

COMMENT ON TABLE public.users IS 'it''s; COPY public.users (id) FROM stdin;
INSERT INTO public.users VALUES (0, ''never'');
';

)";

constexpr std::string_view kTail = R"(

SELECT pg_catalog.setval('public.users_id_seq', 3, true);

--
-- PostgreSQL database dump complete
--

\unrestrict Abc'"123

)";

constexpr std::string_view kCopyOfOther = R"(COPY public.other (id, name) FROM stdin;
7	COPY public.users (id, name, "Weird ""Name") FROM stdin;
8	INSERT INTO public.users VALUES (0, 'never');
9	\\.
10	it's -- $$ /* "
\.

)";

constexpr std::string_view kInsertsOfOther = R"(INSERT INTO public.other VALUES (7, 'it''s
COPY public.users (id) FROM stdin;
\.
INSERT INTO public.users VALUES (0, ''never'');');
INSERT INTO public.other VALUES (8, '\'), (9, '-- /* $$ "');

)";

std::string Dump(std::string_view rows) {
  return std::string(kHead) + std::string(rows) + std::string(kTail);
}

std::string CopyDump() {
  return Dump(std::string(kCopyOfOther) +
              R"(COPY public.users (id, name, "Weird ""Name") FROM stdin;
1	Ann	1.50
2	t\tn\nb\\\\.	\N
\N		-3
4	äöü 🎵	4
5	COPY public.users (id) FROM stdin;	5
6	\\.	\\N
\.


)" + std::string(kCopyOfOther) +
              "COPY public.users (id, name, \"Weird \"\"Name\") FROM stdin;\n7\tlast\t7\n\\.\n");
}

// The rows of CopyDump(), as values.
std::vector<Fields> UserRows() {
  return {{"1", "Ann", "1.50"},
          {"2", "t\tn\nb\\\\.", kNull},
          {kNull, "", "-3"},
          {"4", "äöü 🎵", "4"},
          {"5", "COPY public.users (id) FROM stdin;", "5"},
          {"6", "\\.", "\\N"},
          {"7", "last", "7"}};
}

std::string InsertDump() {
  return Dump(std::string(kInsertsOfOther) + R"(INSERT INTO public.users VALUES (1, 'Ann', 1.50);
INSERT INTO public.users VALUES (2, 't	n
b\\.', NULL);
INSERT INTO public.users VALUES (NULL, '', -3);
)" + std::string(kInsertsOfOther) +
              R"(INSERT INTO public.users VALUES (4, 'äöü 🎵', 4);
INSERT INTO public.users VALUES (5, 'COPY public.users (id) FROM stdin;', 5);
-- it's a comment
INSERT INTO public.users VALUES (6, '\.', '\N');
INSERT INTO public.users VALUES (7, 'last', 7);
)");
}

std::string MultiRowDump() {
  return Dump(std::string(kInsertsOfOther) + R"(INSERT INTO public.users VALUES
	(1, 'Ann', 1.50),
	(2, 't	n
b\\.', NULL),
	(NULL, '', -3)
  ON CONFLICT (id) DO UPDATE SET name = ';';
)" + std::string(kInsertsOfOther) +
              R"(INSERT INTO public.users VALUES
	(4, 'äöü 🎵', 4) , /* (5, ';', */
	(5, 'COPY public.users (id) FROM stdin;', 5), (6,'\.','\N') ON CONFLICT DO NOTHING;
INSERT INTO public.users VALUES
	(7, 'last', 7);
)");
}

std::string ColumnInsertDump() {
  return Dump(R"(INSERT INTO public.users AS u (id, name, "Weird ""Name") OVERRIDING SYSTEM VALUE
  VALUES (1, 'Ann'::text, 1.50);
INSERT INTO "public"."users" (id, "name", "Weird ""Name") VALUES (2, E't\tn\nb\\\\.', null);
insert into PUBLIC.Users (ID, name, "Weird ""Name") values (NULL, '', -3);
INSERT INTO public.users (id, name, "Weird ""Name") VALUES (4, E'\xc3\xa4\303\266\u00fc \uD83C\uDFB5', 4);
INSERT INTO public.users (id, name, "Weird ""Name") VALUES (5, 'COPY public.users (id) FROM stdin;', 5);
INSERT INTO public.users (id, name, "Weird ""Name")
   VALUES (6, '\.', '\N'::character varying(3)), (7, 'last', 7);
)");
}

std::vector<Fields> FieldsOf(const std::vector<FileRow>& rows) {
  std::vector<Fields> fields;
  for (const FileRow& row : rows) {
    EXPECT_EQ(row.reject, "");
    fields.push_back(row.fields);
  }
  return fields;
}

std::vector<Fields> Read(const std::string& dump, const std::string& table = "public.users",
                         const std::vector<std::string>& columns = {}) {
  const TextFile file("dump.sql", dump, "pgdump,table=" + table);
  EXPECT_TRUE(file.status().ok()) << file.status().message();
  return FieldsOf(file.Rows(columns));
}

// What the plan says of a dump that can't be read.
Status Fault(const std::string& dump, const std::string& table = "") {
  const TextFile file("dump.sql", dump, table.empty() ? "pgdump" : "pgdump,table=" + table);
  EXPECT_FALSE(file.status().ok());
  return file.status();
}

ShardLayout Layout(const std::string& dump, const std::string& table, std::uint64_t range_bytes) {
  PostgresScan scan(*PostgresTableRequest::Parse(table), range_bytes);
  TextShardReader reader(dump);
  const Status status = scan.Read(reader, "dump.sql");
  EXPECT_TRUE(status.ok()) << status.message();
  const Result<ShardLayout> layout = scan.Finish("dump.sql");
  EXPECT_TRUE(layout.ok()) << (layout.ok() ? "" : layout.error().message());
  return layout.ok() ? *layout : ShardLayout();
}

TEST(PostgresDumpTest, ReadsEachFormAsTheSameRows) {
  EXPECT_EQ(Read(CopyDump()), UserRows());
  EXPECT_EQ(Read(InsertDump()), UserRows());
  EXPECT_EQ(Read(MultiRowDump()), UserRows());
  EXPECT_EQ(Read(ColumnInsertDump()), UserRows());
}

// Rows of one column, of columns in another order, and of one twice.
TEST(PostgresDumpTest, ReadsOnlyTheColumnsThatAreWanted) {
  std::vector<Fields> wanted;
  for (const Fields& row : UserRows()) wanted.push_back({row[2], row[0], row[2]});
  const std::vector<std::string> columns = {"Weird \"Name", "ID", "weird \"name"};
  for (const std::string& dump : {CopyDump(), InsertDump(), MultiRowDump(), ColumnInsertDump()}) {
    EXPECT_EQ(Read(dump, "users", columns), wanted);
  }
}

TEST(PostgresDumpTest, ARecordIsALineOrATuple) {
  const TextFile copy("dump.sql", "COPY t (a, b) FROM stdin;\n1\tx\\n\n2\t\n\\.\n", "pgdump");
  for (const auto& columns : {std::vector<std::string>{}, std::vector<std::string>{"b"}}) {
    const std::vector<FileRow> rows = copy.Rows(columns);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].offset, 26u);
    EXPECT_EQ(rows[0].raw, "1\tx\\n");
    EXPECT_EQ(rows[1].offset, 32u);
    EXPECT_EQ(rows[1].raw, "2\t");
  }
  const TextFile insert("dump.sql", "INSERT INTO t VALUES (1, 'x'),\n (2, '');", "pgdump");
  const std::vector<FileRow> rows = insert.Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].offset, 21u);
  EXPECT_EQ(rows[0].raw, "(1, 'x')");
  EXPECT_EQ(rows[1].offset, 32u);
  EXPECT_EQ(rows[1].raw, "(2, '')");
}

// Every cut at every byte, with ranges of a byte, of some rows and of all of them.
TEST(PostgresDumpTest, AnyCutGivesTheSameRows) {
  for (const std::string& dump : {CopyDump(), InsertDump(), MultiRowDump(), ColumnInsertDump()}) {
    TextFile file("dump.sql", dump, "pgdump,table=users");
    const std::vector<FileRow> whole = file.Rows();
    ASSERT_EQ(FieldsOf(whole), UserRows());
    for (const std::uint64_t range_bytes : {1, 40, 1 << 20}) {
      file.SetLayout(Layout(dump, "users", range_bytes));
      for (const std::size_t piece :
           {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, SIZE_MAX}) {
        const std::size_t step = piece == 7 || piece == SIZE_MAX ? 1 : 7;  // 1: all of them.
        for (std::uint64_t cut = 0; cut <= dump.size(); cut += step) {
          ASSERT_EQ(file.RowsOfRanges({}, {cut}, piece), whole)
              << "cut at " << cut << ", ranges of " << range_bytes << ", pieces of " << piece;
        }
      }
    }
  }
}

TEST(PostgresDumpTest, ManyCutsGiveTheSameRows) {
  Random random(TestSeed());
  for (const std::string& dump : {CopyDump(), InsertDump(), MultiRowDump(), ColumnInsertDump()}) {
    TextFile file("dump.sql", dump, "pgdump,table=users");
    const std::vector<FileRow> whole = file.Rows({"name", "id"});
    file.SetLayout(Layout(dump, "users", 1));
    for (int i = 0; i < 100; ++i) {
      std::set<std::uint64_t> cuts;
      while (cuts.size() < 8) cuts.insert(random.Uniform(dump.size()));
      ASSERT_EQ(
          file.RowsOfRanges({"name", "id"}, {cuts.begin(), cuts.end()}, 1 + random.Uniform(40)),
          whole)
          << "seed " << TestSeed() << ", round " << i;
    }
  }
}

// What stands in a dump is read once: a range of a byte begins at each row.
TEST(PostgresDumpTest, RangesBeginAtRows) {
  for (const std::string& dump : {CopyDump(), InsertDump(), MultiRowDump(), ColumnInsertDump()}) {
    const ShardLayout layout = Layout(dump, "users", 1);
    EXPECT_EQ(layout.rows.size(), UserRows().size());
    EXPECT_EQ(layout.columns, (std::vector<std::string>{"id", "name", "Weird \"Name"}));
    for (const RowRange& range : layout.rows) EXPECT_LT(range.begin, range.end);
    EXPECT_LE(Layout(dump, "users", 1 << 20).rows.size(), 3u);
  }
}

// All beginnings of a dump but the whole are cut off, and none is read as if it were whole.
TEST(PostgresDumpTest, EveryDumpThatIsCutOffIsFoundOut) {
  for (const std::string& dump : {CopyDump(), InsertDump(), MultiRowDump(), ColumnInsertDump()}) {
    const std::size_t end = dump.find("dump complete");
    const std::size_t begin = dump.find("CREATE TABLE");
    for (std::size_t size = begin; size < end; ++size) {
      const TextFile file("dump.sql", dump.substr(0, size), "pgdump,table=users");
      ASSERT_FALSE(file.status().ok()) << dump.substr(0, size);
    }
  }
  EXPECT_EQ(Fault("COPY t (a) FROM stdin;\n1\n2").code(), StatusCode::kBadData);
  EXPECT_THAT(Fault("SET a = 1;\nCOPY t (a) FROM stdin;\n1\n2\n").message(),
              HasSubstr("dump.sql: the dump is cut off: it ends within the rows of a COPY that "
                        "begins at byte 11"));
  EXPECT_THAT(Fault("INSERT INTO t VALUES (1, 'it''s").message(),
              HasSubstr("ends within a string that begins at byte 25"));
  EXPECT_THAT(Fault("INSERT INTO t VALUES (1),\n").message(), HasSubstr("within an INSERT"));
  EXPECT_THAT(Fault("INSERT INTO t VALUES (1)").message(), HasSubstr("within an INSERT"));
  EXPECT_THAT(Fault("SELECT $a$ b $a").message(), HasSubstr("within a quoted body"));
  EXPECT_THAT(Fault("/* a /* b */").message(), HasSubstr("within a comment"));
  EXPECT_THAT(Fault("CREATE TABLE \"a").message(), HasSubstr("within a quoted name"));
}

TEST(PostgresDumpTest, ReadsValuesAsCopyWritesThem) {
  const std::string dump = R"(CREATE TABLE t (a text, b text, c text, d text, e text);
INSERT INTO t VALUES (TRUE, false, NULL, B'101', '\xdeadbeef');
INSERT INTO t VALUES (-1.50, 1e+300, +7, .5, 'NaN');
INSERT INTO t VALUES (N'national  ', N'  ', n'', b'0', 1::text);
INSERT INTO t VALUES ('', '''', 'a''''b', 'NULL', '\N');
INSERT INTO t VALUES (E'a\'b\\', E'\b\f\n\r\t\x41\101\q', 'tab	', 'line
', '{"a": [1, "x,y"]}'::jsonb);
)";
  const std::vector<Fields> wanted = {
      {"t", "f", kNull, "101", "\\xdeadbeef"},
      {"-1.50", "1e+300", "+7", ".5", "NaN"},
      {"national", "", "", "0", "1"},
      {"", "'", "a''b", "NULL", "\\N"},
      {"a'b\\", "\b\f\n\r\tAAq", "tab\t", "line\n", "{\"a\": [1, \"x,y\"]}"}};
  EXPECT_EQ(Read(dump, "t"), wanted);
}

TEST(PostgresDumpTest, ABackslashIsAnEscapeWhereStringsAreNotStandard) {
  const std::string rows = "INSERT INTO t VALUES ('a\\\\b\\'c');\n";
  EXPECT_EQ(Read("SET standard_conforming_strings = off;\n" + rows, "t"),
            (std::vector<Fields>{{"a\\b'c"}}));
  EXPECT_EQ(Read("INSERT INTO t VALUES ('a\\\\b\\');\n", "t"), (std::vector<Fields>{{"a\\\\b\\"}}));
}

// COPY's lines of a file that came through Windows; in strings nobody can tell, so there they stay.
TEST(PostgresDumpTest, LinesOfCopyMayEndWithCrLf) {
  const std::string dump = "COPY t (a, b) FROM stdin;\r\n1\tx\\r\r\n2\t\r\n\\.\r\nSELECT 1;\r\n";
  const std::vector<Fields> wanted = {{"1", "x\r"}, {"2", ""}};
  EXPECT_EQ(Read(dump, "t"), wanted);
  EXPECT_EQ(Layout(dump, "t", 1).dialect, "copy,crlf");
  EXPECT_EQ(Read("COPY t (a) FROM stdin;\n1\r\n\\.\n", "t"), (std::vector<Fields>{{"1\r"}}));
  EXPECT_EQ(Read("INSERT INTO t VALUES ('a\r\nb');\r\n", "t"), (std::vector<Fields>{{"a\r\nb"}}));
}

TEST(PostgresDumpTest, RejectsRowsWithOtherColumns) {
  const TextFile copy("dump.sql", "COPY t (a, b) FROM stdin;\n1\t2\n3\n4\t5\t6\n7\t8\n\\.\n",
                      "pgdump");
  const TextFile insert("dump.sql", "INSERT INTO t (a, b) VALUES (1, 2), (3), (4, 5, 6), (7, 8);\n",
                        "pgdump");
  for (const TextFile* file : {&copy, &insert}) {
    for (const auto& columns : {std::vector<std::string>{}, std::vector<std::string>{"b", "a"}}) {
      const std::vector<FileRow> rows = file->Rows(columns);
      ASSERT_EQ(rows.size(), 4u);
      EXPECT_EQ(rows[0].reject, "");
      EXPECT_THAT(rows[1].reject, HasSubstr("has 1 "));
      EXPECT_THAT(rows[1].reject, HasSubstr("the table has 2 columns"));
      EXPECT_THAT(rows[2].reject, HasSubstr("has 3 "));
      EXPECT_EQ(rows[3].reject, "");
      EXPECT_EQ(rows[2].raw, file == &copy ? "4\t5\t6" : "(4, 5, 6)");
    }
  }
}

// Where a value that is no literal ends is where the plan has it end, too.
TEST(PostgresDumpTest, RejectsBodiesInDollarsAndNumbersThatAreExpressions) {
  const TextFile file("dump.sql",
                      "INSERT INTO t (a, b) VALUES (1, $$x)$$), (2, $t$x), ('$t$), (3, -$$)$$), "
                      "(4, 5-3), (5--five (\n, 50), (6e-3, -1.5E+7), (7/* ) */, +7);\n",
                      "pgdump");
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_EQ(rows.size(), 7u);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(rows[i].reject, "value 2 is no literal; only the server knows what it is") << i;
  EXPECT_EQ(rows[0].raw, "(1, $$x)$$)");
  EXPECT_EQ(rows[1].raw, "(2, $t$x), ('$t$)");
  EXPECT_EQ(rows[2].raw, "(3, -$$)$$)");
  EXPECT_EQ(rows[4].fields, (Fields{"5", "50"}));
  EXPECT_EQ(rows[5].fields, (Fields{"6e-3", "-1.5E+7"}));
  EXPECT_EQ(rows[6].fields, (Fields{"7", "+7"}));
  for (std::uint64_t cut = 0; cut < file.text().size(); ++cut) {
    ASSERT_EQ(file.RowsOfRanges({}, {cut}, 3), rows);
  }
}

TEST(PostgresDumpTest, RejectsWhatIsNoLiteral) {
  const TextFile file("dump.sql",
                      "INSERT INTO t (a, b) VALUES (1, now()), (2, DEFAULT), (3, 'a' || ')'), "
                      "(4, X'1f'), (5, ARRAY['x', ')']), (6, 6);\n",
                      "pgdump");
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].reject, "value 2 is no literal; only the server knows what it is");
  EXPECT_EQ(rows[0].raw, "(1, now())");
  EXPECT_EQ(rows[1].reject, "value 2 is DEFAULT, which only the server knows");
  for (int i = 2; i < 5; ++i) EXPECT_THAT(rows[i].reject, HasSubstr("value 2 is no literal")) << i;
  EXPECT_EQ(rows[4].raw, "(5, ARRAY['x', ')'])");
  EXPECT_EQ(rows[5].fields, (Fields{"6", "6"}));
  for (std::uint64_t cut = 0; cut < file.text().size(); ++cut) {
    ASSERT_EQ(file.RowsOfRanges({}, {cut}, 3), rows);
  }
}

TEST(PostgresDumpTest, ALineThatEndsInALoneBackslashIsRejected) {
  const TextFile file("dump.sql", "COPY t (a, b) FROM stdin;\n1\tx\\\n2\ty\\\\\n\\.\n", "pgdump");
  for (const auto& columns : {std::vector<std::string>{}, std::vector<std::string>{"b", "a"}}) {
    const std::vector<FileRow> rows = file.Rows(columns);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_THAT(rows[0].reject, HasSubstr("lone backslash"));
    EXPECT_EQ(rows[1].reject, "");
  }
}

// A TAB behind a backslash is data, as for COPY; one behind two ends the field.
TEST(PostgresDumpTest, CountsNoTabsThatAreEscaped) {
  const std::string dump = "COPY t (a, b) FROM stdin;\nC:\\\\\t1\nx\\\ty\t2\n\\.\n";
  const std::vector<Fields> wanted = {{"C:\\", "1"}, {"x\ty", "2"}};
  EXPECT_EQ(Read(dump, "t"), wanted);
  const TextFile file("dump.sql", "COPY t (a, b) FROM stdin;\nx\\\ty\n\\.\n", "pgdump");
  EXPECT_THAT(file.Rows()[0].reject, HasSubstr("has 1 fields"));
  // Where the 64 bytes that are looked at together end is all the same.
  for (std::size_t bytes = 1; bytes < 200; ++bytes) {
    const std::string text(bytes, 'x');
    const std::string line = text + "\\\\\\\ty\\\\\t2\n";
    const std::vector<Fields> row = {{text + "\\\ty\\", "2"}};
    ASSERT_EQ(Read("COPY t (a, b) FROM stdin;\n" + line + "\\.\n", "t"), row) << bytes;
  }
}

TEST(PostgresDumpTest, ARecordOverTheLimitIsBadDataBehindTheRowsBeforeIt) {
  const std::string long_text(100, 'x');
  for (const std::string& dump : {"COPY t (a) FROM stdin;\nb\n" + long_text + "\nc\n\\.\n",
                                  "INSERT INTO t VALUES ('b'), ('" + long_text + "'), ('c');"}) {
    const TextFile file("dump.sql", dump, "pgdump");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
      const auto rows = file.TryRows(TextFile::Request({}), {}, piece, 99);
      ASSERT_FALSE(rows.ok());
      EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
      EXPECT_THAT(rows.error().message(), HasSubstr("has more than 99 bytes"));
      EXPECT_THAT(rows.error().message(),
                  HasSubstr("byte " + std::to_string(dump.starts_with("COPY") ? 25 : 28)));
    }
    EXPECT_TRUE(file.TryRows(TextFile::Request({}), {}, 7, 104).ok());
  }
}

TEST(PostgresDumpTest, TablesAreNamedAsInPostgres) {
  const std::string dump =
      "COPY public.users (a) FROM stdin;\n1\n\\.\nCOPY shop.users (a) FROM stdin;\n2\n\\.\n"
      "COPY shop.\"Users\" (a) FROM stdin;\n3\n\\.\nCOPY \"Odd.S\".\"a \"\"b\" (a) FROM stdin;\n"
      "4\n\\.\nCOPY shop.\"Only\" (a) FROM stdin;\n5\n\\.\n";
  const auto first = [&](const std::string& table) { return *Read(dump, table)[0][0]; };
  EXPECT_EQ(first("public.users"), "1");
  EXPECT_EQ(first("PUBLIC.Users"), "1");
  EXPECT_EQ(first("shop.users"), "2");
  EXPECT_EQ(first("shop.Users"), "2");  // Without quotes: in lower case.
  EXPECT_EQ(first("shop.\"Users\""), "3");
  EXPECT_EQ(first("\"Users\""), "3");
  EXPECT_EQ(first("\"a \"\"b\""), "4");
  EXPECT_EQ(first("\"Odd.S\".\"a \"\"b\""), "4");
  EXPECT_EQ(first("shop.Only"), "5");  // Nothing else is meant.
  const Status several = Fault(dump, "users");
  EXPECT_EQ(several.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(several.message(), HasSubstr("public.users, shop.users; say which: "));
  const Status none = Fault(dump, "only");
  EXPECT_EQ(none.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(none.message(), HasSubstr("no such table; its tables are \"Odd.S\".\"a \"\"b\", "));
  const Status unsaid = Fault(dump);
  EXPECT_EQ(unsaid.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(unsaid.message(), HasSubstr("say which: /dump.sql#\"Odd.S\".\"a \"\"b\""));
  for (const char* bad : {"a.", ".a", "a.b.c.d", "\"a", "\"a\"b", "\"\""}) {
    EXPECT_FALSE(ParseFileFormat(std::string("pgdump,table=") + bad).ok()) << bad;
  }
}

TEST(PostgresDumpTest, TheOnlyTableWithRowsNeedsNoName) {
  EXPECT_EQ(FieldsOf(TextFile("d.sql",
                              "CREATE TABLE e (x int);\nCOPY e (x) FROM stdin;\n\\.\n"
                              "COPY t (a) FROM stdin;\n1\n\\.\n",
                              "pgdump")
                         .Rows()),
            (std::vector<Fields>{{"1"}}));
}

// As dumps of PostgreSQL up to 10 have it.
TEST(PostgresDumpTest, NamesWithoutSchemaAreOfTheSearchPath) {
  const std::string dump =
      "SET search_path = shop, pg_catalog;\nCREATE TABLE t (a int, b int);\n"
      "INSERT INTO t VALUES (1, 2);\nSET search_path = public;\nINSERT INTO t VALUES (3, 4);\n";
  EXPECT_EQ(Read(dump, "shop.t"), (std::vector<Fields>{{"1", "2"}}));
  EXPECT_EQ(Read(dump, "public.t"), (std::vector<Fields>{{"3", "4"}}));
  EXPECT_EQ(Layout(dump, "shop.t", 1).columns, (std::vector<std::string>{"a", "b"}));
}

// pg_dumpall
TEST(PostgresDumpTest, DatabasesOfADumpAreTold) {
  const std::string dump =
      "\\connect shop\nCOPY public.t (a) FROM stdin;\n1\n\\.\n"
      "\\connect \"radio\"\nCOPY public.t (a) FROM stdin;\n2\n\\.\n";
  EXPECT_EQ(Read(dump, "shop.public.t"), (std::vector<Fields>{{"1"}}));
  EXPECT_EQ(Read(dump, "radio.public.t"), (std::vector<Fields>{{"2"}}));
  EXPECT_THAT(Fault(dump, "public.t").message(), HasSubstr("radio.public.t, shop.public.t"));
}

TEST(PostgresDumpTest, ColumnsAreThoseOfCreateTableWhereRowsNameNone) {
  const std::string dump = R"(CREATE TABLE public.parent (
    id integer, "check" text, at timestamp(3) without time zone DEFAULT now()
);
CREATE TABLE public.child (
    id integer, more numeric(10,2), twice integer GENERATED ALWAYS AS ((id * 2)) STORED,
    next integer GENERATED ALWAYS AS IDENTITY, FOREIGN KEY (id) REFERENCES x(y)
)
INHERITS (public.parent);
INSERT INTO public.child VALUES (1, 'x', NULL, 2.5, DEFAULT, 7);
)";
  const ShardLayout layout = Layout(dump, "child", 1);
  EXPECT_EQ(layout.columns, (std::vector<std::string>{"id", "check", "at", "more", "next"}));
  EXPECT_EQ(layout.dialect, "insert,generated=4");
  EXPECT_EQ(Read(dump, "child"), (std::vector<Fields>{{"1", "x", kNull, "2.5", "7"}}));
  EXPECT_EQ(Read(dump, "child", {"next", "id"}), (std::vector<Fields>{{"7", "1"}}));
}

// pg_dump --data-only --inserts: nothing tells their names.
TEST(PostgresDumpTest, ColumnsWithoutNamesAreNumbered) {
  const std::string dump = "INSERT INTO t VALUES (1, DEFAULT, '(,');\n";
  EXPECT_EQ(Layout(dump, "t", 1).columns, (std::vector<std::string>{"column1", "column3"}));
  EXPECT_EQ(Read(dump, "t"), (std::vector<Fields>{{"1", "(,"}}));
  EXPECT_EQ(Layout("COPY t FROM stdin;\n1\t2\n\\.\n", "t", 1).columns,
            (std::vector<std::string>{"column1", "column2"}));
}

TEST(PostgresDumpTest, ATableWithoutColumnsHasRows) {
  const std::string create = "CREATE TABLE t (\n);\n";
  EXPECT_EQ(Read(create + "COPY t  FROM stdin;\n\n\n\\.\n", "t").size(), 2u);
  EXPECT_EQ(
      Read(create + "INSERT INTO t DEFAULT VALUES;\nINSERT INTO t DEFAULT VALUES;\n", "t").size(),
      2u);
}

TEST(PostgresDumpTest, RowsThatAreElsewhereAreNoEmptyTable) {
  EXPECT_EQ(Read("CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n\\.\n", "t").size(), 0u);
  EXPECT_EQ(Read("CREATE TABLE public.t (a int);\n"
                 "-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: x\n",
                 "t")
                .size(),
            0u);
  EXPECT_THAT(Fault("CREATE TABLE t (a int);\n", "t").message(), HasSubstr("--schema-only"));
  EXPECT_THAT(Fault("CREATE TABLE t (a int) PARTITION BY HASH (a);\n", "t").message(),
              HasSubstr("is partitioned"));
  const std::string through_root =
      "CREATE TABLE public.p (a int);\n"
      "-- Data for Name: p; Type: TABLE DATA; Schema: public; Owner: x\n--\n\n"
      "-- load via partition root public.t\n\nINSERT INTO public.t VALUES (1);\n";
  EXPECT_THAT(Fault(through_root, "p").message(), HasSubstr("whose partition it is"));
  EXPECT_EQ(Read(through_root, "t").size(), 1u);
}

TEST(PostgresDumpTest, SaysWhatCannotBeRead) {
  EXPECT_THAT(Fault("COPY t (a) FROM stdin WITH (FORMAT csv);\n1\n\\.\n").message(),
              HasSubstr("has options"));
  EXPECT_THAT(Fault("INSERT INTO t SELECT 1;\n").message(), HasSubstr("has no VALUES"));
  EXPECT_THAT(Fault("INSERT INTO t (a) VALUES (1);\nINSERT INTO t (b) VALUES (1);\n").message(),
              HasSubstr("have other columns"));
  EXPECT_THAT(Fault("COPY t (a) FROM stdin;\n1\n\\.\nINSERT INTO t (a) VALUES (1);\n").message(),
              HasSubstr("several forms"));
  EXPECT_THAT(Fault("INSERT INTO t VALUES (1; 2);\n").message(), HasSubstr("a ';' at byte 23"));
  EXPECT_THAT(Fault("PGDMP\1\16").message(), HasSubstr("pg_restore -f"));
  std::string tar = "toc.dat";
  tar.resize(257);
  EXPECT_THAT(Fault(tar + "ustar").message(), HasSubstr("tar -x"));
  // Of other tables than the one that is wanted it is no matter.
  EXPECT_EQ(Read("INSERT INTO x SELECT 1;\nCOPY t (a) FROM stdin;\n1\n\\.\n", "t").size(), 1u);
}

// Bytes that are no longer those that were looked at.
TEST(PostgresDumpTest, RowsThatMovedAreFoundOut) {
  TextFile copy("dump.sql", "COPY t (a) FROM stdin;\n1\n2\n\\.\n", "pgdump");
  for (const ShardLayout& layout :
       {ShardLayout{{"a"}, "copy", {{23, 26}}}, ShardLayout{{"a"}, "copy", {{23, 29}}},
        ShardLayout{{"a"}, "copy", {{23, 99}}}, ShardLayout{{"a"}, "insert", {{23, 27}}},
        ShardLayout{{"a"}, "insert", {{99, 100}}}}) {
    copy.SetLayout(layout);
    const auto rows = copy.TryRows(TextFile::Request({}), {}, 7);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
  }
}

TEST(PostgresDumpTest, LooksLikeAPostgresDump) {
  const auto looks_like = PostgresDumpFormat().looks_like;
  EXPECT_TRUE(looks_like(kHead));
  EXPECT_TRUE(looks_like("--\n-- PostgreSQL database cluster dump\n--\n"));
  EXPECT_TRUE(looks_like("COPY t (a) FROM stdin;\n1\n"));
  EXPECT_TRUE(looks_like("/****\n DB Server: PostgreSql\n*/\nDROP DATABASE x;\n"));
  EXPECT_FALSE(looks_like("-- MySQL dump 10.13\n--\nSET client_encoding"));
  EXPECT_FALSE(looks_like("/*M!999999\\- enable the sandbox mode */\n-- MariaDB dump\n"));
  EXPECT_FALSE(looks_like("INSERT INTO `t` VALUES (1);\n"));
  EXPECT_FALSE(looks_like(""));
}

TEST(PostgresDumpTest, DialectsAreReadAsTheyAreWritten) {
  for (const char* text : {"copy", "copy,crlf", "insert", "insert,backslashes",
                           "insert,backslashes,generated=0+13", "insert,generated=2"}) {
    const Result<PostgresDialect> dialect = PostgresDialect::Parse(text);
    ASSERT_TRUE(dialect.ok()) << text;
    EXPECT_EQ(dialect->Text(), text);
  }
  for (const char* text : {"", "copy,", "insert,", "insert,generated=", "insert,generated=1+"}) {
    EXPECT_FALSE(PostgresDialect::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Dumps that a real PostgreSQL's pg_dump writes, in every form, read back and compared with what
// COPY ... TO STDOUT says of the same tables, byte for byte.
#include "mapreduce/formats/postgres_dump.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/file_format.h"
#include "tests/integration/postgres_server.h"
#include "tests/integration/shell.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class PostgresDumpServerTest : public PostgresTest {
 protected:
  // Writes `name` below the server's folder.
  static fs::path Dump(const std::string& database, const std::string& name,
                       const std::string& arguments) {
    const fs::path path = server_->folder() / name;
    fs::remove_all(path);
    Shell(server_->Client("pg_dump", database) + arguments + " -f " + path.string() + " 2> " +
          (server_->folder() / "pg_dump.log").string());
    return path;
  }
};

// The rows of a table as lines of all columns, read in pieces of `split_bytes`; or what is wrong.
std::string ReadTable(const fs::path& dump, const std::string& table, std::uint64_t split_bytes) {
  FileSystem& files = LocalFileSystem();
  const FormatDriver& driver = PostgresDumpFormat();
  const auto read = [&]() -> Result<std::string> {
    FileFormat format{"pgdump", {{"table", table}}};
    std::string path = dump.string();
    if (fs::is_directory(dump)) {
      MR_ASSIGN_OR_RETURN(const FileInfo found, driver.find_table(files, path, table));
      path = found.path;
    }
    MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
    MR_ASSIGN_OR_RETURN(Shard shard, InspectShard(files, info));
    MR_RETURN_IF_ERROR(driver.inspect(files, format, &shard));
    const RowRequest request{.all = true, .columns = {}};
    std::string lines;
    for (const ShardRange& range : CutShard(shard, split_bytes)) {
      MR_ASSIGN_OR_RETURN(const std::unique_ptr<ShardReader> reader,
                          ShardReader::Open(files, shard, range, nullptr, nullptr));
      MR_ASSIGN_OR_RETURN(
          const std::unique_ptr<BlockReader> rows,
          driver.open({*reader, shard, range, format, request, std::size_t{64} << 20}));
      LineBlock block;
      for (;;) {
        MR_ASSIGN_OR_RETURN(const bool more, rows->Next(&block));
        if (!more) break;
        if (!block.reject.empty()) return Status::BadData("reject: ", block.reject);
        lines.append(block.begin, block.end);
      }
    }
    return lines;
  };
  const Result<std::string> lines = read();
  return lines.ok() ? *lines : "error: " + lines.error().message();
}

// Megabytes are no message.
void ExpectSame(const std::string& lines, const std::string& wanted, const std::string& what) {
  if (lines == wanted) return;
  const auto differ = std::mismatch(lines.begin(), lines.end(), wanted.begin(), wanted.end());
  const auto at = static_cast<std::size_t>(differ.first - lines.begin());
  const std::size_t from = at - std::min<std::size_t>(at, 60);
  ADD_FAILURE() << what << ": differs at byte " << at << ": read ..." << lines.substr(from, 200)
                << "\nbut COPY says ..." << wanted.substr(from, 200);
}

std::string Sorted(const std::string& lines) {
  std::vector<std::string> sorted;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) sorted.push_back(line + "\n");
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (const std::string& line : sorted) text += line;
  return text;
}

struct Form {
  const char* name;
  const char* arguments;
};
constexpr Form kForms[] = {
    {"copy.sql", ""},
    {"create.sql", "--create --clean --if-exists"},
    {"data.sql", "--data-only"},
    {"root.sql", "--load-via-partition-root"},
    {"inserts.sql", "--inserts"},
    {"inserts_data.sql", "--inserts --data-only"},
    {"column_inserts.sql", "--column-inserts --on-conflict-do-nothing"},
    {"rows.sql", "--rows-per-insert=7"},
    {"column_rows.sql", "--rows-per-insert=1000 --column-inserts --on-conflict-do-nothing"},
    {"packed.sql.gz", "-Z 6"},
    {"directory", "-Fd -Z0"},
    {"packed_directory", "-Fd"},
    {"inserts_directory", "-Fd -Z0 --inserts"},
};

// Every value that has tripped somebody. %ROWS% rows in all, a text of a megabyte among them.
constexpr std::string_view kShop = R"(
CREATE SCHEMA shop;
CREATE SCHEMA "Odd ""Schema";
CREATE FUNCTION shop.trap() RETURNS integer LANGUAGE plpgsql AS $$ begin -- it's
INSERT INTO shop."order" VALUES (1); return 1; end $$;
CREATE FUNCTION shop.atomic() RETURNS integer LANGUAGE sql
  BEGIN ATOMIC SELECT CASE WHEN true THEN 1 ELSE 2 END; SELECT 3; END;
CREATE TABLE shop.words (id integer, word text);
INSERT INTO shop.words (word) VALUES
  ('plain'), (''), (NULL), ('\N'), ('\.'), (E'\n\\.\n'), (E'tab\there'), (E'line\nfeed'),
  (E'cr\rhere'), (E'\b\f\v\x7f\x01'), ('back\slash'), ('\\'), ('trailing\'), ('it''s'), (''''''),
  ('"quoted"'), ('emoji 🎵 äöü 漢字'), ('COPY shop."order" FROM stdin;'), ('-- no comment'),
  ('/* no comment'), ('$$ no body $a$'), ('a;b'), ('),('), ('NULL'), ('DEFAULT'), (' spaces '),
  (E'E''x\\n'''), ('{"a": [1, "x\ty"]}'), (E'\\t\\n\\r'), (E'\nINSERT INTO shop."order" VALUES (1);');
UPDATE shop.words SET id = seq FROM (SELECT ctid AS place, row_number() OVER () - 1 AS seq
  FROM shop.words) AS numbered WHERE shop.words.ctid = place;
CREATE TABLE shop."order" (
  id bigint GENERATED ALWAYS AS IDENTITY, "Weird ""Name" text, "select" text, twice bigint
  GENERATED ALWAYS AS (num * 2) STORED, num integer, small smallint, price numeric(12,2),
  big numeric, f4 real, f8 double precision, ok boolean, at timestamp, atz timestamptz, d date,
  t time, span interval, raw bytea, list text[], grid integer[][], j json, jb jsonb, u uuid,
  ip inet, bits bit(5), vbits bit varying, c "char", fixed character(5), oid_ oid, r int4range,
  money_ money, x xml);
INSERT INTO shop."order" ("Weird ""Name", "select", num, small, price, big, f4, f8, ok, at, atz, d,
  t, span, raw, list, grid, j, jb, u, ip, bits, vbits, c, fixed, oid_, r, money_, x)
SELECT word, CASE WHEN i = 77 THEN repeat(E'x\ty\\z''', 200000) ELSE word || i END,
  i * 31 - 1000, i % 100 - 50, (i - 500)::numeric / 7, CASE WHEN i % 5 = 0 THEN 'NaN'::numeric ELSE
  123456789012345678901234567890.123456789 * i END, i / 3.0, CASE i % 7 WHEN 0 THEN 'Infinity' WHEN 1
  THEN '-Infinity' WHEN 2 THEN 'NaN' WHEN 3 THEN '-0' WHEN 4 THEN '1e-300' ELSE i * 1e15 END::float8,
  CASE i % 3 WHEN 0 THEN NULL ELSE i % 3 = 1 END, timestamp '2026-01-01' + i * interval '1.001 s',
  timestamptz '0044-03-15 BC' + i * interval '1 day', CASE WHEN i % 9 = 0 THEN 'infinity' ELSE
  date '2026-01-01' + i % 3000 END, time '00:00' + i * interval '1 s', i * interval '1 mon -1 s',
  decode(md5(i::text), 'hex'), ARRAY[word, NULL, 'a,"b\'], ARRAY[[i, 1], [2, 3]],
  to_json(word), to_jsonb(ARRAY[word]), md5(i::text)::uuid, '10.0.0.1/8', (i % 32)::bit(5),
  (i % 16)::bit(4)::bit varying, chr(65 + i % 26)::"char", 'ab', i, int4range(i, i + 5), i, '<a>b</a>'
FROM generate_series(1, %ROWS%) AS i JOIN shop.words ON id = i % 30;
CREATE TABLE "Odd ""Schema"."table" ("COPY" text, "a,b" integer, "line
feed" text);
INSERT INTO "Odd ""Schema"."table" SELECT word, id, word FROM shop.words;
CREATE TABLE shop.narrow (word text);
INSERT INTO shop.narrow SELECT word FROM shop.words;
CREATE TABLE shop.nothing ();
INSERT INTO shop.nothing DEFAULT VALUES;
INSERT INTO shop.nothing DEFAULT VALUES;
CREATE TABLE shop.empty (a integer);
CREATE TABLE shop.parent (a integer, b text);
CREATE TABLE shop.child (c integer) INHERITS (shop.parent);
INSERT INTO shop.child VALUES (1, 'x', 2);
CREATE TABLE shop.plays (id integer, country text) PARTITION BY LIST (country);
CREATE TABLE shop.plays_se PARTITION OF shop.plays FOR VALUES IN ('SE');
CREATE TABLE shop.plays_de PARTITION OF shop.plays FOR VALUES IN ('DE');
INSERT INTO shop.plays SELECT i, CASE WHEN i % 2 = 0 THEN 'SE' ELSE 'DE' END
  FROM generate_series(1, 100) AS i;
)";

TEST_F(PostgresDumpServerTest, EveryFormIsWhatCopyWrites) {
  const char* const asked = std::getenv("MILLRACE_DUMP_ROWS");
  std::string script(kShop);
  script.replace(script.find("%ROWS%"), 6, asked == nullptr ? "20000" : asked);
  server_->Ask("postgres", "CREATE DATABASE shop;\n");
  server_->Ask("shop", script);
  const std::vector<std::string> tables = {"shop.\"order\"", "\"Odd \"\"Schema\".\"table\"",
                                           "shop.words",     "shop.narrow",
                                           "shop.nothing",   "shop.empty",
                                           "shop.child",     "shop.plays_se",
                                           "shop.plays_de"};
  std::vector<std::string> wanted;
  for (const std::string& table : tables) wanted.push_back(server_->CopyOut("shop", table));
  ASSERT_GT(wanted[0].size(), 5u << 20);
  for (const Form& form : kForms) {
    const fs::path dump = Dump("shop", form.name, form.arguments);
    const bool is_root = std::string_view(form.name) == "root.sql";
    for (std::size_t i = 0; i < tables.size(); ++i) {
      if (is_root && tables[i].starts_with("shop.plays")) continue;
      for (const std::uint64_t split_bytes : {UINT64_MAX, std::uint64_t{1000003}}) {
        ExpectSame(ReadTable(dump, tables[i], split_bytes), wanted[i],
                   std::string(form.name) + "#" + tables[i]);
      }
    }
    // Of its partitions all rows, in any order, where the dump has them as the table's own.
    if (is_root) {
      const std::string lines = ReadTable(dump, "shop.plays", UINT64_MAX);
      ExpectSame(lines, wanted[8] + wanted[7], "shop.plays");
    }
  }
}

TEST_F(PostgresDumpServerTest, CutsOfAnySizeGiveTheSameRows) {
  server_->Ask("postgres", "CREATE DATABASE cuts;\n");
  server_->Ask("cuts", R"(CREATE TABLE t (id integer, word text);
INSERT INTO t SELECT i, repeat(CASE i % 4 WHEN 0 THEN E'\n\\.\n' WHEN 1 THEN '''),(' WHEN 2 THEN
  E'\t\\' ELSE 'ä🎵' END, i % 100) FROM generate_series(1, 15000) AS i;
)");
  const std::string wanted = server_->CopyOut("cuts", "t");
  for (const Form& form : kForms) {
    const fs::path dump = Dump("cuts", form.name, form.arguments);
    for (const std::uint64_t split_bytes : {1024u, 65537u, 1048576u, 999u}) {
      ExpectSame(ReadTable(dump, "t", split_bytes), wanted,
                 std::string(form.name) + " in pieces of " + std::to_string(split_bytes));
    }
  }
}

TEST_F(PostgresDumpServerTest, ReadsChinook) {
  const char* const folder = std::getenv("MILLRACE_CHINOOK");
  if (folder == nullptr)
    GTEST_SKIP() << "MILLRACE_CHINOOK is not the folder of the Chinook sample database's scripts";
  const fs::path script = fs::path(folder) / "Chinook_PostgreSql.sql";
  Shell(server_->Client("psql", "postgres") + "-X -q -f " + script.string() + " > " +
        (server_->folder() / "chinook.log").string() + " 2>&1");
  for (const char* table : {"album", "artist", "customer", "employee", "genre", "invoice",
                            "invoice_line", "media_type", "playlist", "playlist_track", "track"}) {
    const std::string wanted = server_->CopyOut("chinook", table);
    ASSERT_FALSE(wanted.empty()) << table;
    for (const Form& form : kForms) {
      const fs::path dump = server_->folder() / ("chinook_" + std::string(form.name));
      if (!fs::exists(dump)) Dump("chinook", dump.filename(), form.arguments);
      ExpectSame(ReadTable(dump, table, 65537), wanted, std::string(form.name) + "#" + table);
    }
    // The script itself, written by hand. It has timestamps as no server writes them, and the
    // server keeps rows where there was room.
    if (std::string_view(table) == "employee" || std::string_view(table) == "invoice") continue;
    ExpectSame(Sorted(ReadTable(script, table, 65537)), Sorted(wanted),
               std::string("script#") + table);
  }
}

}  // namespace
}  // namespace millrace

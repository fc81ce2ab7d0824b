// SPDX-License-Identifier: Apache-2.0
// Dumps that a real MariaDB server's tools write, in every form, read back and compared with what
// the server's client says of the same values.
#include "mapreduce/formats/mysql_dump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mapreduce/formats/any_row.h"
#include "mapreduce/formats/file_format.h"
#include "tests/integration/shell.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using Row = std::vector<std::optional<std::string>>;

bool HasTool(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

// A server of its own in a new folder, reached by a socket there. One for all tests.
class Server {
 public:
  Server() {
    char name[] = "/tmp/millrace-mariadb-XXXXXX";
    folder_ = ::mkdtemp(name);
    fs::permissions(folder_, fs::perms::all);
    for (const char* inner : {"tab", "tmp"}) {  // The server writes there.
      fs::create_directories(folder_ / inner);
      fs::permissions(folder_ / inner, fs::perms::all);
    }
    // As root it wants to be told so; anybody else is whom it runs as.
    const std::string user = ::geteuid() == 0 ? "mysql" : std::to_string(::geteuid());
    const std::string as_user = ::geteuid() == 0 ? " --user=mysql" : "";
    // Each server removes the temporary tables in its TMPDIR as it starts, be they its own or not.
    Shell("TMPDIR=" + (folder_ / "tmp").string() + " mariadb-install-db --no-defaults" + as_user +
          " --datadir=" + (folder_ / "data").string() +
          " --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve > " +
          (folder_ / "log").string() + " 2>&1");
    Start();
  }
  ~Server() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  const fs::path& folder() const { return folder_; }
  std::string options() const {
    return " --no-defaults --default-character-set=utf8mb4 -uroot --socket=" +
           (folder_ / "socket").string() + " ";
  }
  // What the client prints of a script: rows of fields with TABs.
  std::string Ask(const std::string& script) const {
    WriteFile(folder_ / "script.sql", script);
    return Shell("mariadb" + options() + "--batch --skip-column-names < " +
                 (folder_ / "script.sql").string());
  }
  // Writes `name` below the folder.
  fs::path Dump(const std::string& name, const std::string& arguments) const {
    const fs::path path = folder_ / name;
    Shell("mariadb-dump" + options() + arguments + " > " + path.string());
    return path;
  }

 private:
  void Start() {
    std::vector<std::string> words = {"mariadbd",
                                      "--no-defaults",
                                      "--datadir=" + (folder_ / "data").string(),
                                      "--tmpdir=" + (folder_ / "tmp").string(),
                                      "--socket=" + (folder_ / "socket").string(),
                                      "--pid-file=" + (folder_ / "pid").string(),
                                      "--skip-networking",
                                      "--secure-file-priv=",
                                      "--max-allowed-packet=64M",
                                      "--innodb-flush-log-at-trx-commit=0"};
    if (::geteuid() == 0) words.emplace_back("--user=mysql");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = (folder_ / "log").string();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int out = ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
      ::dup2(out, 1);
      ::dup2(out, 2);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    const std::string ping = "mariadb" + options() + "-e 'SELECT 1' >/dev/null 2>&1";
    for (int i = 0; i < 1200; ++i) {
      if (std::system(ping.c_str()) == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // Until it is asked again.
    }
    ADD_FAILURE() << "mariadbd does not answer:\n" << ReadFile(folder_ / "log");
  }

  fs::path folder_;
  pid_t pid_ = -1;
};

class MysqlDumpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"mariadbd", "mariadb-install-db", "mariadb-dump", "mariadb"}) {
      if (HasTool(tool)) continue;
      if (std::getenv("MILLRACE_TEST_ALL") != nullptr) FAIL() << "needs " << tool;
      GTEST_SKIP() << "needs " << tool << "; with MILLRACE_TEST_ALL=1 a failure";
    }
    if (server_ == nullptr) server_ = new Server;
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  const Server& server() const { return *server_; }

  // The rows that the client gives, in the order of the first column. Each value as hexadecimal
  // digits, so that nothing of the client's own escapes counts.
  std::vector<Row> Expected(const std::string& database, const std::string& table,
                            const std::vector<std::string>& columns, const std::string& order) {
    std::string values;
    for (const std::string& column : columns) {
      values += (values.empty() ? "" : ",") + ("HEX(CONCAT(" + column + "))");
    }
    const std::string text = server().Ask("USE `" + database +
                                          "`;SET SESSION group_concat_max_len=1;"
                                          "SELECT " +
                                          values + " FROM " + table + " ORDER BY " + order + ";");
    std::vector<Row> rows;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      Row& row = rows.emplace_back();
      std::size_t at = 0;
      for (;;) {
        const std::size_t end = std::min(line.find('\t', at), line.size());
        row.push_back(Unhex(line.substr(at, end - at)));
        if (end == line.size()) break;
        at = end + 1;
      }
    }
    return rows;
  }

  // What the format reads, in pieces of `split_bytes`.
  static std::vector<Row> Read(const fs::path& path, std::string_view spec,
                               std::uint64_t split_bytes = UINT64_MAX,
                               std::vector<std::string>* columns = nullptr) {
    std::vector<Row> rows;
    const Status status = TryRead(path, spec, split_bytes, columns, &rows);
    EXPECT_TRUE(status.ok()) << status.message();
    return rows;
  }

  static Status TryRead(const fs::path& path, std::string_view spec, std::uint64_t split_bytes,
                        std::vector<std::string>* columns, std::vector<Row>* rows) {
    FileSystem& files = LocalFileSystem();
    MR_ASSIGN_OR_RETURN(const FileFormat format, ParseFileFormat(spec));
    MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path.string()));
    MR_ASSIGN_OR_RETURN(Shard shard, InspectShard(files, info));
    MR_RETURN_IF_ERROR(InspectLayout(files, format, &shard));
    if (columns != nullptr) *columns = shard.layout->columns;
    const RowRequest request{.all = true, .columns = {}};
    for (const ShardRange& range : CutShard(shard, split_bytes)) {
      MR_ASSIGN_OR_RETURN(
          const std::unique_ptr<ShardReader> reader,
          ShardReader::Open(files, shard, range, /*digest=*/nullptr, /*timer=*/nullptr));
      MR_ASSIGN_OR_RETURN(
          const std::unique_ptr<BlockReader> blocks,
          OpenRows({*reader, shard, range, format, request, std::size_t{16} << 20}));
      AnyRowParser parser;
      LineBlock block;
      for (;;) {
        MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
        if (!more) break;
        if (!block.reject.empty()) {
          return Status::BadData(path.string(), ": rejected: ", block.reject, ": ",
                                 block.records->front().raw.substr(0, 500));
        }
        parser.Parse(
            block,
            [&](const AnyRow& row, std::string_view) {
              Row& added = rows->emplace_back();
              for (const auto& field : row.fields) {
                added.push_back(field ? std::optional(std::string(*field)) : std::nullopt);
              }
            },
            [](std::string_view reason, std::string_view) { ADD_FAILURE() << reason; });
      }
      MR_RETURN_IF_ERROR(reader->Finish());
    }
    return Status::Ok();
  }

  // Not EXPECT_EQ: a difference would print megabytes.
  static void ExpectSame(const std::vector<Row>& rows, const std::vector<Row>& expected,
                         const std::string& what) {
    ASSERT_EQ(rows.size(), expected.size()) << what;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(rows[i].size(), expected[i].size()) << what << ", row " << i;
      for (std::size_t j = 0; j < rows[i].size(); ++j) {
        ASSERT_TRUE(rows[i][j] == expected[i][j])
            << what << ", row " << i << ", field " << j << ": "
            << rows[i][j].value_or("NULL").substr(0, 200) << " for "
            << expected[i][j].value_or("NULL").substr(0, 200);
      }
    }
  }

 private:
  static std::optional<std::string> Unhex(const std::string& digits) {
    if (digits == "NULL") return std::nullopt;
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      bytes.push_back(static_cast<char>(digit(digits[i]) * 16 + digit(digits[i + 1])));
    }
    return bytes;
  }

  static Server* server_;
};

Server* MysqlDumpServerTest::server_ = nullptr;

// How many rows the large table has; by hand a million.
std::string RowCount() {
  const char* const count = std::getenv("MILLRACE_TEST_MYSQL_ROWS");
  return count == nullptr ? "20000" : count;
}

// As MySQL writes it: all rows of a statement on one line. Real newlines stand in no string.
std::string OnOneLine(std::string text) {
  const auto replace = [&](std::string_view from, std::string_view to) {
    std::string replaced;
    std::size_t at = 0;
    for (std::size_t next; (next = text.find(from, at)) != std::string::npos;
         at = next + from.size()) {
      replaced.append(text, at, next - at).append(to);
    }
    text = replaced.append(text, at);
  };
  replace("),\n(", "),(");
  replace(" VALUES\n(", " VALUES (");
  return text;
}

TEST_F(MysqlDumpServerTest, EveryFormGivesWhatTheClientGives) {
  const std::string table = "`odd ``name, (x);`";
  const std::vector<std::string> columns = {
      "id",    "`te``xt`", "`b,(lob`", "amount", "at",       "day", "clock", "yr",
      "kind",  "`set``s`", "doc",      "flags",  "fixed",    "dbl", "flt",   "truth",
      "shape", "uu",       "gen_v",    "gen_s",  "`select`", "big"};
  server().Ask(
      "CREATE DATABASE shop CHARACTER SET utf8mb4;USE shop;"
      "CREATE TABLE other (a int, b text);INSERT INTO other VALUES (1,'('),(2,'\\'');"
      "CREATE TABLE " +
      table +
      " ("
      "id bigint PRIMARY KEY, `te``xt` text, `b,(lob` blob, amount decimal(12,3), at datetime(6),"
      "day date, clock time(3), yr year, kind enum('a','it''s','c)'), `set``s` set('x','y)'),"
      "doc json, flags bit(10), fixed binary(4), dbl double, flt float, truth bool, shape geometry,"
      "uu uuid, gen_v bigint AS (id + 1) VIRTUAL, gen_s bigint AS (id * 2) STORED,"
      "`select` varchar(40) DEFAULT 'x', big longtext, KEY k (`te``xt`(10)), CHECK (id > 0)"
      ") COMMENT='a table, with ) in it; and ''quotes''';"
      "CREATE TRIGGER tr BEFORE INSERT ON other FOR EACH ROW SET NEW.b = 'INSERT INTO x VALUES "
      "(1)';"
      "CREATE PROCEDURE p() INSERT INTO other VALUES (1, ';');"
      "INSERT INTO " +
      table +
      " (id, `te``xt`, `b,(lob`, amount, at, day, clock, yr, kind, `set``s`,"
      "doc, flags, fixed, dbl, flt, truth, shape, uu, `select`, big) SELECT seq,"
      "ELT(1 + seq % 11, 'a\\tb', 'line\\nbreak', 'back\\\\slash\\\\', 'it''s \"q\"', '\\\\N', "
      "'NULL',"
      "  '', NULL, 'a\\0b\\r\\Z\\b', CONCAT('\xF0\x9F\x98\x80 \xC3\xBC', seq), '),(1,''x''); -- # "
      "/* ` */'),"
      "CASE seq % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN UNHEX(MD5(seq))"
      "  WHEN 3 THEN CONCAT(CHAR(seq % 256), '\\'\\n\\\\', CHAR(0)) ELSE REPEAT('\\\\', seq % 130) "
      "END,"
      "IF(seq % 6 = 0, NULL, (CAST(seq AS SIGNED) - 500) / 7), FROM_UNIXTIME(seq % 20000 * "
      "86399.123457),"
      "IF(seq % 9 = 0, NULL, '2024-02-29'), SEC_TO_TIME(CAST(seq % 3000 AS SIGNED) - 1000.5), 1901 "
      "+ seq % 200,"
      "1 + seq % 3, seq % 4, CONCAT('{\"k\": \"', seq, '\\\\n\"}'),"
      // The server writes bits unescaped into --tab files: no TAB, newline or backslash in them.
      "(seq % 4) * 256 + (seq % 7) * 37, UNHEX(HEX(seq % 60000)), IF(seq % 8 = 0, NULL, seq / "
      "3e10),"
      "seq * 1.5e-7, seq % 2, IF(seq % 3 = 0, NULL, POINT(seq, -CAST(seq AS SIGNED))), UUID(), "
      "CONCAT('x ', seq),"
      "CASE WHEN seq % 9973 = 0 THEN REPEAT('a\\'\\\\\\n\\t\xF0\x9F\x98\x80', 120000)"
      "  WHEN seq % 97 = 0 THEN REPEAT('lorem, (ipsum)', seq % 200) ELSE NULL END"
      " FROM seq_1_to_" +
      RowCount() + ";");
  std::vector<Row> expected = Expected("shop", table, columns, "id");
  ASSERT_EQ(std::to_string(expected.size()), RowCount());

  const std::string all = "--order-by-primary --routines --triggers ";
  struct Form {
    std::string name, arguments;
  };
  for (const auto& [name, arguments] :
       std::vector<Form>{{"default.sql", ""},
                         {"rows.sql", "--skip-extended-insert"},
                         {"complete.sql", "--complete-insert"},
                         {"hex.sql", "--hex-blob"},
                         {"hex_rows.sql", "--hex-blob --skip-extended-insert --complete-insert"},
                         {"replace.sql", "--replace"},
                         {"ignore.sql", "--insert-ignore --skip-opt --quick"},
                         {"bare.sql", "--compact"},
                         {"ansi.sql", "--compatible=ansi --default-character-set=utf8mb4"}}) {
    const fs::path path = server().Dump(name, all + arguments + " shop");
    const std::string spec = "mysqldump,table=" + std::string("odd `name\\, (x);");
    std::vector<std::string> names;
    ExpectSame(Read(path, spec, UINT64_MAX, &names), expected, name);
    EXPECT_EQ(names.size(), columns.size());
    EXPECT_EQ(names[1], "te`xt");
    EXPECT_EQ(names[2], "b,(lob");
    for (const std::uint64_t split_bytes : {300'007u, 1'000'003u}) {
      ExpectSame(Read(path, spec, split_bytes), expected, name + " in splits");
    }
    if (name == "default.sql" || name == "hex.sql") {
      const fs::path line = server().folder() / ("line_" + name);
      WriteFile(line, OnOneLine(ReadFile(path)));
      ExpectSame(Read(line, spec), expected, "one line");
      ExpectSame(Read(line, spec, 300'007), expected, "one line in splits");
      fs::remove(line);
    }
    if (name == "default.sql") {
      Shell("gzip -1 -k " + path.string());
      ExpectSame(Read(path.string() + ".gz", spec, 300'007), expected, "gzip");
    }
    fs::remove(path);
  }
  const fs::path databases = server().Dump("databases.sql", all + "--databases shop mysql");
  ExpectSame(Read(databases, "mysqldump,table=shop.odd `name\\, (x);", 2'000'003), expected,
             "several databases");

  Shell("mariadb-dump" + server().options() +
        "--default-character-set=binary --order-by-primary --tab=" +
        (server().folder() / "tab").string() + " shop");
  const Result<FileInfo> tab = MysqlTabFormat().find_table(
      LocalFileSystem(), (server().folder() / "tab").string(), "odd `name, (x);");
  ASSERT_TRUE(tab.ok()) << tab.error().message();
  std::vector<std::string> names;
  ExpectSame(Read(tab->path, "mysqltab", UINT64_MAX, &names), expected, "--tab");
  EXPECT_EQ(names[2], "b,(lob");
  EXPECT_EQ(names.size(), columns.size());
  for (const std::uint64_t split_bytes : {4'099u, 300'007u}) {
    ExpectSame(Read(tab->path, "mysqltab", split_bytes), expected, "--tab in splits");
  }
}

// The sample database that many projects use, as its authors wrote it and as it is dumped.
TEST_F(MysqlDumpServerTest, ReadsTheChinookDatabase) {
  const char* const folder = std::getenv("MILLRACE_CHINOOK");
  if (folder == nullptr)
    GTEST_SKIP() << "MILLRACE_CHINOOK is not the folder of the Chinook sample database's scripts";
  const fs::path script = fs::path(folder) / "Chinook_MySql.sql";
  server().Ask(ReadFile(script));
  const fs::path dump = server().Dump("chinook.sql", "--order-by-primary Chinook");
  const std::string tables = server().Ask(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'Chinook';");
  std::istringstream lines(tables);
  std::size_t row_count = 0;
  for (std::string table; std::getline(lines, table);) {
    std::vector<std::string> columns;
    const std::vector<Row> dumped = Read(dump, "mysqldump,table=" + table, 10'007, &columns);
    std::string order;
    for (std::size_t i = 1; i <= columns.size(); ++i) {
      order += (i == 1 ? "" : ",") + std::to_string(i);
    }
    std::vector<Row> expected = Expected("Chinook", table, columns, order);
    std::vector<Row> sorted = dumped;
    std::sort(sorted.begin(), sorted.end());
    std::sort(expected.begin(), expected.end());
    ExpectSame(sorted, expected, table);
    row_count += dumped.size();

    std::vector<Row> written = Read(script, "mysqldump,table=" + table, 10'007);
    EXPECT_EQ(written.size(), dumped.size()) << table;
  }
  EXPECT_EQ(row_count, 15607u);
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_scan.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "mapreduce/formats/postgres_create_table.h"
namespace millrace {
namespace {

// Of a statement's beginning, or of the first row of a COPY without columns.
constexpr std::size_t kKeptBytesMax = std::size_t{64} << 20;
constexpr std::size_t kInsertBytesMax = std::size_t{1} << 16;

constexpr std::string_view kDumpBegin = "-- PostgreSQL database dump";
constexpr std::string_view kDumpEnd = "-- PostgreSQL database dump complete";
constexpr std::string_view kDataFor = "-- Data for Name: ";
constexpr std::string_view kDataSchema = "; Type: TABLE DATA; Schema: ";
constexpr std::string_view kDataOwner = "; Owner: ";
constexpr std::string_view kPartitionRoot = "-- load via partition root ";

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

// --- Statements.

Status PostgresScan::Read(ShardReader& reader, const std::string& path) {
  PostgresLexer lexer(reader, path, kKeptBytesMax);
  lexer.set_has_backslash_strings(has_backslash_strings_);
  PostgresTokens tokens(lexer);
  lexer_ = &lexer;
  tokens_ = &tokens;
  const Status status = ReadStatements();
  has_backslash_strings_ = lexer.has_backslash_strings();
  lexer_ = nullptr;
  tokens_ = nullptr;
  is_range_open_ = false;
  MR_RETURN_IF_ERROR(status);
  if (open_dumps_ <= 0) return Status::Ok();
  return Status::BadData(path, ": the dump is cut off: the line \"", kDumpEnd,
                         "\" is missing; dump or copy it again");
}

Status PostgresScan::ReadStatements() {
  PostgresLexer& lexer = *lexer_;
  while (lexer.Has(1)) {
    const char c = *lexer.at();
    if (IsSpace(c)) {
      lexer.Advance(lexer.at() + 1);
    } else if (c == '\\') {
      ReadMetaCommand();
    } else if (c == '-' && lexer.Has(2) && lexer.at()[1] == '-') {
      ReadComment();
    } else if (c == '/' && lexer.Has(2) && lexer.at()[1] == '*') {
      lexer.SkipBlockComment();
    } else {
      ReadStatement();
    }
  }
  return lexer.status();
}

void PostgresScan::ReadComment() {
  std::string line;
  lexer_->TakeLine(&line);
  if (line == kDumpBegin) ++open_dumps_;
  if (line == kDumpEnd) --open_dumps_;
  if (line.starts_with(kPartitionRoot)) {
    // The rows go to the root: that this one has none here says nothing.
    tables_.set_has_partition_root();
    if (last_data_) tables_.Named(*last_data_).second.has_data = false;
  }
  if (!line.starts_with(kDataFor)) return;
  const std::size_t schema = line.find(kDataSchema);
  const std::size_t owner = line.rfind(kDataOwner);
  if (schema == std::string::npos || owner == std::string::npos || owner < schema) return;
  const std::size_t schema_begin = schema + kDataSchema.size();
  last_data_ = PostgresName{database_, line.substr(schema_begin, owner - schema_begin),
                            line.substr(kDataFor.size(), schema - kDataFor.size())};
  tables_.Named(*last_data_).second.has_data = true;
}

// \connect shop
void PostgresScan::ReadMetaCommand() {
  std::string line;
  lexer_->TakeLine(&line);
  is_range_open_ = false;
  const std::size_t space = line.find(' ');
  const std::string command = line.substr(0, space);
  if (space == std::string::npos || (command != "\\connect" && command != "\\c")) return;
  database_ = line.substr(line.rfind(' ') + 1);
  std::erase_if(database_, [](char c) { return c == '"' || c == '\'' || c == ';'; });
  if (database_.starts_with("dbname=")) database_.erase(0, 7);
  schema_ = "public";
  insert_.clear();
}

void PostgresScan::ReadStatement() {
  const std::uint64_t begin = lexer_->offset();
  if (RepeatInsert(begin)) return;
  lexer_->Mark();
  if (tokens_->Next() == PostgresToken::kWord && lexer_->text() == "insert")
    return ReadInsert(begin);
  lexer_->Unmark();
  is_range_open_ = false;
  if (tokens_->IsWord("copy")) return ReadCopy(begin);
  if (tokens_->IsWord("create")) return ReadCreate();
  if (tokens_->IsWord("set")) return ReadSet();
  if (tokens_->IsWord("select")) return ReadSelect();
  tokens_->SkipRest();
}

// COPY name [(columns)] [options] FROM STDIN [options];
void PostgresScan::ReadCopy(std::uint64_t begin) {
  PostgresName name;
  if (!tokens_->ReadName(Scope(), &name)) return tokens_->SkipRest();
  std::optional<std::vector<std::string>> columns;
  if (lexer_->PeekByte() == '(') columns = tokens_->ReadNames();
  bool has_options = false;
  for (tokens_->Next(); !tokens_->IsWord("from"); tokens_->Next()) {
    if (tokens_->last() == PostgresToken::kEnd || tokens_->IsByte(';') || tokens_->IsWord("to"))
      return tokens_->SkipRest();
    has_options = true;
  }
  tokens_->Next();
  if (!tokens_->IsWord("stdin")) return tokens_->SkipRest();
  if (lexer_->PeekByte() != ';') has_options = true;
  lexer_->SkipStatement();
  std::string behind;
  lexer_->TakeLine(&behind);
  if (!std::all_of(behind.begin(), behind.end(), IsSpace)) {
    lexer_->Fail(Status::BadData(lexer_->path(), ": more than COPY stands in the line of the COPY ",
                                 "at byte ", begin));
    return;
  }
  const bool has_crlf = lexer_->at()[-1] == '\n' && lexer_->at()[-2] == '\r';
  Entry& table = tables_.Named(std::move(name));
  table.second.has_data = true;
  SetHeader(table, std::move(columns), begin);
  if (has_options && table.second.problem.empty()) {
    table.second.problem =
        "the COPY at byte " + std::to_string(begin) +
        " has options, and only COPY's text format is read, as pg_dump writes it";
  }
  ReadCopyData(table, begin, has_crlf);
}

// Whether the statement begins with the header of the INSERT before; then it was read.
bool PostgresScan::RepeatInsert(std::uint64_t begin) {
  if (insert_.empty() || *lexer_->at() != insert_[0] || !lexer_->Has(insert_.size() + 1)) {
    return false;
  }
  const char* const at = lexer_->at();
  if (std::memcmp(at, insert_.data(), insert_.size()) != 0 || at[insert_.size()] != '(') {
    return false;
  }
  lexer_->Advance(at + insert_.size());
  ReadTuples(*insert_table_, begin);
  return true;
}

// INSERT INTO name [AS alias] [(columns)] [OVERRIDING ... VALUE] VALUES (...), (...) ... ;
// INSERT INTO name DEFAULT VALUES;
void PostgresScan::ReadInsert(std::uint64_t begin) {
  PostgresName name;
  tokens_->Next();
  if (!tokens_->IsWord("into") || !tokens_->ReadName(Scope(), &name)) {
    lexer_->Unmark();
    is_range_open_ = false;
    return tokens_->SkipRest();
  }
  Entry& table = tables_.Named(std::move(name));
  std::optional<std::vector<std::string>> columns;
  bool has_values = false;
  bool has_default_values = false;
  for (;;) {
    if (lexer_->PeekByte() == '(' && !columns) {
      columns = tokens_->ReadNames();
      if (tokens_->IsByte(';')) break;
      continue;
    }
    tokens_->Next();
    if (tokens_->IsWord("as")) {
      tokens_->Next();
    } else if (tokens_->IsWord("overriding")) {
      tokens_->Next();
      tokens_->Next();
    } else if (tokens_->IsWord("default")) {
      has_default_values = true;
    } else {
      has_values = tokens_->IsWord("values");
      break;
    }
  }
  if (has_values && !has_default_values && lexer_->PeekByte() == '(') {
    if (lexer_->marked().size() <= kInsertBytesMax) {
      insert_ = lexer_->marked();
      insert_table_ = &table;
    }
    lexer_->Unmark();
    SetHeader(table, std::move(columns), begin);
    return ReadTuples(table, begin);
  }
  lexer_->Unmark();
  SetHeader(table, std::move(columns), begin);
  table.second.has_data = true;
  if (has_values && has_default_values) {
    const std::uint64_t end = lexer_->offset();
    PostgresDialect dialect{.is_insert = true,
                            .has_crlf = false,
                            .has_backslashes = lexer_->has_backslash_strings(),
                            .generated = {}};
    if (IsOurs(table, dialect)) {
      has_first_row_ = true;
      AddRow(begin, end);
    } else {
      is_range_open_ = false;
    }
  } else {
    is_range_open_ = false;
    table.second.has_rows = true;
    if (table.second.problem.empty()) {
      table.second.problem = "the INSERT at byte " + std::to_string(begin) +
                             " has no VALUES, and only the server knows its rows";
    }
  }
  tokens_->SkipRest();
}

void PostgresScan::ReadCreate() {
  static constexpr std::array<std::string_view, 8> kBefore = {
      "or", "replace", "global", "local", "temp", "temporary", "unlogged", "foreign"};
  do {
    tokens_->Next();
  } while (tokens_->last() == PostgresToken::kWord &&
           std::find(kBefore.begin(), kBefore.end(), lexer_->text()) != kBefore.end());
  if (tokens_->IsWord("table")) return ReadCreateTable();
  if (tokens_->IsWord("function") || tokens_->IsWord("procedure")) return SkipFunction();
  tokens_->SkipRest();
}

// Bodies of SQL have semicolons: BEGIN ATOMIC ...; ...; END;
void PostgresScan::SkipFunction() {
  const std::uint64_t begin = lexer_->offset();
  int parentheses = 0;
  int blocks = 0;
  while (tokens_->Next() != PostgresToken::kEnd) {
    if (tokens_->IsByte('(')) ++parentheses;
    if (tokens_->IsByte(')')) --parentheses;
    if (parentheses > 0) continue;
    if (tokens_->IsWord("begin") || (blocks > 0 && tokens_->IsWord("case"))) ++blocks;
    if (blocks > 0 && tokens_->IsWord("end")) --blocks;
    if (tokens_->IsByte(';') && blocks == 0) return;
  }
  lexer_->FailCutOff("a function", begin);
}

void PostgresScan::ReadCreateTable() {
  PostgresName name;
  Table table;
  if (!ReadPostgresCreateTable(*tokens_, Scope(), &name, &table)) return;
  Table& known = tables_.Named(std::move(name)).second;
  if (known.is_created) return;  // A dump appended to another.
  known.columns = std::move(table.columns);
  known.parents = std::move(table.parents);
  known.is_created = true;
  known.is_partitioned = table.is_partitioned;
  known.has_unknown_columns = table.has_unknown_columns;
}

void PostgresScan::ReadSet() {
  tokens_->Next();
  if (tokens_->IsWord("local") || tokens_->IsWord("session")) tokens_->Next();
  const std::string name(lexer_->text());
  if (tokens_->last() != PostgresToken::kWord) return tokens_->SkipRest();
  tokens_->Next();
  if (!tokens_->IsByte('=') && !tokens_->IsWord("to")) return tokens_->SkipRest();
  tokens_->Next();
  if (name == "search_path") {
    if (lexer_->text() == "$user" && lexer_->TakeByte(',')) tokens_->Next();
    schema_ =
        lexer_->text().empty() || tokens_->IsByte(';') ? "public" : std::string(lexer_->text());
    insert_.clear();
  } else if (name == "standard_conforming_strings") {
    lexer_->set_has_backslash_strings(lexer_->text() == "off" || lexer_->text() == "false");
  }
  tokens_->SkipRest();
}

// SELECT pg_catalog.set_config('search_path', '', false);
void PostgresScan::ReadSelect() {
  if (tokens_->Next(); !tokens_->IsWord("pg_catalog") || !lexer_->TakeByte('.'))
    return tokens_->SkipRest();
  if (tokens_->Next(); !tokens_->IsWord("set_config") || !lexer_->TakeByte('('))
    return tokens_->SkipRest();
  if (tokens_->Next(); tokens_->last() != PostgresToken::kString || lexer_->text() != "search_path")
    return tokens_->SkipRest();
  if (!lexer_->TakeByte(',') || tokens_->Next() != PostgresToken::kString)
    return tokens_->SkipRest();
  schema_ = lexer_->text().empty() ? "public" : std::string(lexer_->text());
  insert_.clear();
  tokens_->SkipRest();
}

// --- Rows.

void PostgresScan::SetHeader(Entry& table, std::optional<std::vector<std::string>> columns,
                             std::uint64_t begin) {
  Table& known = table.second;
  if (known.has_header && known.named_columns != columns && known.problem.empty()) {
    known.problem =
        "the rows from byte " + std::to_string(begin) + " on have other columns than those before";
  }
  if (!known.has_header) known.named_columns = std::move(columns);
  known.has_header = true;
  last_header_ = table.first;
}

// Whether the rows that begin now are those that are looked for.
bool PostgresScan::IsOurs(Entry& table, const PostgresDialect& dialect) {
  table.second.has_rows = true;
  if (&table == target_) {
    if (dialect != dialect_ && table.second.problem.empty()) {
      table.second.problem =
          "its rows stand in several forms (COPY and INSERT, other ends of lines, "
          "or standard_conforming_strings on and off)";
    }
    return true;
  }
  const int match = tables_.Match(table.first);
  if (match <= target_match_) return false;
  target_ = &table;
  target_match_ = match;
  dialect_ = dialect;
  rows_.clear();
  is_range_open_ = false;
  has_first_row_ = false;
  first_row_values_ = 0;
  first_row_defaults_.clear();
  return true;
}

void PostgresScan::AddRow(std::uint64_t begin, std::uint64_t end) {
  if (!is_range_open_) {
    rows_.push_back({begin, end});
    is_range_open_ = true;
  } else if (begin - rows_.back().begin >= range_bytes_) {
    rows_.back().end = begin;
    rows_.push_back({begin, end});
  } else {
    rows_.back().end = end;
  }
}

// Whether at() is at the line `\.`. Requires: a line begins there.
bool PostgresScan::IsCopyEnd() {
  PostgresLexer& lexer = *lexer_;
  if (!lexer.Has(2) || lexer.at()[0] != '\\' || lexer.at()[1] != '.') return false;
  if (!lexer.Has(3) || lexer.at()[2] == '\n') return true;
  return lexer.at()[2] == '\r' && (!lexer.Has(4) || lexer.at()[3] == '\n');
}

void PostgresScan::CountCopyFields() {
  PostgresLexer& lexer = *lexer_;
  std::size_t looked_at = 0;
  const void* found = nullptr;
  while (found == nullptr) {
    const auto bytes = static_cast<std::size_t>(lexer.end() - lexer.at());
    found = std::memchr(lexer.at() + looked_at, '\n', bytes - looked_at);
    looked_at = bytes;
    if (found == nullptr && (bytes > kKeptBytesMax || !lexer.ReadMore())) return;
  }
  const char* const end = static_cast<const char*>(found);
  first_row_values_ = 1;
  for (const char* at = lexer.at(); at < end; ++at) {
    if (*at == '\t') ++first_row_values_;
    if (*at == '\\') ++at;
  }
}

// From the first line to behind the line `\.`.
void PostgresScan::ReadCopyData(Entry& table, std::uint64_t begin, bool has_crlf) {
  PostgresLexer& lexer = *lexer_;
  std::uint64_t range_begin = lexer.offset();
  bool is_ours = false;
  if (!IsCopyEnd() && lexer.Has(1)) {
    is_ours = IsOurs(
        table,
        {.is_insert = false, .has_crlf = has_crlf, .has_backslashes = false, .generated = {}});
    if (is_ours && !has_first_row_ && !table.second.named_columns) CountCopyFields();
    if (is_ours) has_first_row_ = true;
  }
  for (;;) {
    const char* const from = lexer.at();
    const char* const found = FindBackslashDot(from, lexer.end());
    // A backslash that is the last byte may begin the end.
    const char* to = found != nullptr ? found : lexer.end();
    if (found == nullptr && to > from && to[-1] == '\\') --to;
    while (is_ours && lexer.OffsetOf(to) > range_begin + range_bytes_) {
      const std::uint64_t wanted = std::max(range_begin + range_bytes_, lexer.OffsetOf(from));
      const char* const cut = from + (wanted - lexer.OffsetOf(from));
      const void* const line_end = std::memchr(cut, '\n', static_cast<std::size_t>(to - cut));
      if (line_end == nullptr) break;
      const std::uint64_t next = lexer.OffsetOf(static_cast<const char*>(line_end)) + 1;
      rows_.push_back({range_begin, next});
      range_begin = next;
    }
    lexer.Advance(to);
    if (found == nullptr) {
      if (lexer.ReadMore()) continue;
      lexer.FailCutOff("the rows of a COPY", begin);
      return;
    }
    if (lexer.at()[-1] == '\n' && IsCopyEnd()) break;
    lexer.Advance(lexer.at() + 1);
  }
  if (is_ours && lexer.offset() > range_begin) rows_.push_back({range_begin, lexer.offset()});
  lexer.TakeLine(nullptr);
}

// From the first `(` to behind the statement's `;`.
void PostgresScan::ReadTuples(Entry& table, std::uint64_t begin) {
  PostgresLexer& lexer = *lexer_;
  table.second.has_data = true;
  PostgresDialect dialect{.is_insert = true,
                          .has_crlf = false,
                          .has_backslashes = lexer.has_backslash_strings(),
                          .generated = {}};
  if (!IsOurs(table, dialect)) {
    is_range_open_ = false;
    lexer.SkipStatement();
    return;
  }
  for (std::uint64_t row = begin;;) {
    if (!has_first_row_) {
      if (!ReadFirstTuple()) return;
    } else {
      lexer.Advance(lexer.at() + 1);
      if (!lexer.SkipParentheses(1)) return;
    }
    AddRow(row, lexer.offset());
    const char next = lexer.PeekByte();
    if (next == '\0' && lexer.at() == lexer.end()) {
      lexer.FailCutOff("an INSERT", begin);
      return;
    }
    if (next != ',') {  // `;`, ON CONFLICT DO NOTHING.
      lexer.SkipStatement();
      return;
    }
    lexer.Advance(lexer.at() + 1);
    if (lexer.PeekByte() != '(') {
      if (lexer.at() == lexer.end()) {
        lexer.FailCutOff("an INSERT", begin);
      } else {
        lexer.Fail(Status::BadData(lexer.path(), ": no '(' at byte ", lexer.offset(),
                                   ", where the INSERT at byte ", begin, " has its next row"));
      }
      return;
    }
    row = lexer.offset();
  }
}

// Which of its values are DEFAULT: without a CREATE TABLE that tells the generated columns.
bool PostgresScan::ReadFirstTuple() {
  has_first_row_ = true;
  first_row_values_ = 1;
  const std::uint64_t begin = lexer_->offset();
  int depth = 0;
  std::size_t tokens = 0;  // Of this value.
  bool is_default = false;
  while (tokens_->Next() != PostgresToken::kEnd) {
    if (tokens_->IsByte(';')) {
      return lexer_->Fail(Status::BadData(lexer_->path(), ": a ';' at byte ", lexer_->offset() - 1,
                                          " stands within the row at byte ", begin));
    }
    if (tokens_->IsByte('(') && ++depth == 1) continue;
    const bool is_end = tokens_->IsByte(')') && --depth == 0;
    if (is_end || (tokens_->IsByte(',') && depth == 1)) {
      if (is_default && tokens == 1) first_row_defaults_.push_back(first_row_values_ - 1);
      if (is_end && tokens == 0 && first_row_values_ == 1) first_row_values_ = 0;
      if (is_end) return true;
      ++first_row_values_;
      tokens = 0;
      continue;
    }
    ++tokens;
    is_default = tokens_->IsWord("default");
  }
  return lexer_->FailCutOff("a row", begin);
}

Status PostgresScan::ReadCopyRows(ShardReader& reader, const std::string& path,
                                  std::vector<std::string> columns) {
  PostgresLexer lexer(reader, path, kKeptBytesMax);
  lexer_ = &lexer;
  Entry& table = tables_.Named(PostgresName());
  table.second.has_data = true;
  table.second.named_columns = std::move(columns);
  tables_.Expect(table.first);
  ReadCopyData(table, 0, /*has_crlf=*/false);
  if (lexer.SkipBlanks()) {
    lexer.Fail(Status::BadData(path, ": more stands behind the end of its rows, at byte ",
                               lexer.offset()));
  }
  lexer_ = nullptr;
  return lexer.status();
}

// --- The end.

Result<ShardLayout> PostgresScan::Finish(const std::string& path) {
  MR_ASSIGN_OR_RETURN(Entry* const chosen, tables_.Choose(path));
  const Table& table = chosen->second;
  if (!table.problem.empty()) {
    return Status::BadData(path, ": ", PostgresNameText(chosen->first),
                           " can't be read: ", table.problem);
  }
  if (!table.has_rows) {
    MR_RETURN_IF_ERROR(tables_.CheckRowless(path, *chosen));
    rows_.clear();
    dialect_ = {};
  }
  std::vector<Column> columns = tables_.ColumnsOf(chosen->first);
  const bool knows_columns = table.is_created && !table.has_unknown_columns;
  if (table.named_columns) {
    std::vector<Column> named;
    for (const std::string& name : *table.named_columns) {
      const auto known = std::find_if(columns.begin(), columns.end(),
                                      [&](const Column& each) { return each.name == name; });
      named.push_back({name, known != columns.end() && known->is_generated});
    }
    columns = std::move(named);
  } else if (!knows_columns && table.has_rows) {
    columns.clear();
    for (std::size_t i = 1; i <= first_row_values_; ++i) {
      columns.push_back({"column" + std::to_string(i)});
    }
  }
  if (!knows_columns && dialect_.is_insert) {
    for (const std::size_t place : first_row_defaults_) {
      if (place < columns.size()) columns[place].is_generated = true;
    }
  }
  ShardLayout layout;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].is_generated) {
      layout.columns.push_back(std::move(columns[i].name));
    } else if (dialect_.is_insert) {
      dialect_.generated.push_back(i);
    }
  }
  layout.dialect = dialect_.Text();
  layout.rows = std::move(rows_);
  return layout;
}

}  // namespace millrace

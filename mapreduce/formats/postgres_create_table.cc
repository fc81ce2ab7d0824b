// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_create_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {
namespace {

// Up to the `,` or `)` behind it.
void ReadColumnDefinition(PostgresTokens& tokens, PostgresTable* table) {
  static constexpr std::array<std::string_view, 7> kNoColumns = {
      "constraint", "primary", "unique", "check", "foreign", "exclude", "like"};
  static constexpr std::array<std::string_view, 3> kGeneratedWords = {"generated", "always", "as"};
  PostgresColumn* column = nullptr;
  int depth = 0;
  std::size_t generated_words = 0;
  for (bool is_first = true; tokens.Next() != PostgresToken::kEnd; is_first = false) {
    if (depth == 0 && (tokens.IsByte(',') || tokens.IsByte(')'))) return;
    if (tokens.IsByte(';')) return;
    if (is_first) {
      const bool is_name = tokens.last() == PostgresToken::kName ||
                           (tokens.last() == PostgresToken::kWord &&
                            std::find(kNoColumns.begin(), kNoColumns.end(),
                                      tokens.lexer().text()) == kNoColumns.end());
      if (tokens.IsWord("like")) table->has_unknown_columns = true;
      if (is_name)
        column = &table->columns.emplace_back(PostgresColumn{std::string(tokens.lexer().text())});
      continue;
    }
    if (generated_words == kGeneratedWords.size() && tokens.IsByte('(') && column != nullptr) {
      column->is_generated = true;
    }
    generated_words =
        generated_words < kGeneratedWords.size() && tokens.IsWord(kGeneratedWords[generated_words])
            ? generated_words + 1
            : 0;
    if (tokens.IsByte('(')) ++depth;
    if (tokens.IsByte(')')) --depth;
  }
}

void ReadColumnDefinitions(PostgresTokens& tokens, PostgresTable* table) {
  tokens.lexer().TakeByte('(');
  do {
    ReadColumnDefinition(tokens, table);
  } while (tokens.IsByte(','));
}

// INHERITS (parent), PARTITION OF parent, PARTITION BY ..., OF type, AS query.
void ReadTableTail(PostgresTokens& tokens, const PostgresName& scope, PostgresTable* table) {
  while (tokens.last() != PostgresToken::kEnd && !tokens.IsByte(';')) {
    tokens.Next();
    if (tokens.IsWord("inherits") && tokens.lexer().TakeByte('(')) {
      do {
        PostgresName parent;
        if (!tokens.ReadName(scope, &parent)) return tokens.SkipRest();
        table->parents.push_back(std::move(parent));
      } while (tokens.lexer().TakeByte(','));
    } else if (tokens.IsWord("partition")) {
      tokens.Next();
      PostgresName parent;
      if (tokens.IsWord("by")) table->is_partitioned = true;
      if (tokens.IsWord("of") && tokens.ReadName(scope, &parent))
        table->parents.push_back(std::move(parent));
    } else if (tokens.IsWord("as") || tokens.IsWord("of")) {
      table->has_unknown_columns = true;
      return tokens.SkipRest();
    }
  }
}

}  // namespace

bool ReadPostgresCreateTable(PostgresTokens& tokens, const PostgresName& scope, PostgresName* name,
                             PostgresTable* table) {
  PostgresLexer& lexer = tokens.lexer();
  bool has_name = tokens.ReadName(scope, name);
  if (has_name && name->table == "if" && lexer.PeekByte() != '(') {  // IF NOT EXISTS
    tokens.Next();
    tokens.Next();
    has_name = tokens.ReadName(scope, name);
  }
  if (!has_name) {
    tokens.SkipRest();
    return false;
  }
  table->is_created = true;
  if (lexer.PeekByte() == '(') ReadColumnDefinitions(tokens, table);
  ReadTableTail(tokens, scope, table);
  return true;
}

}  // namespace millrace

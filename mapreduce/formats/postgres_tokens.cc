// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_tokens.h"

#include <utility>

namespace millrace {

void PostgresTokens::SkipRest() {
  if (last_ != PostgresToken::kEnd && !IsByte(';')) lexer_.SkipStatement();
}

bool PostgresTokens::ReadName(const PostgresName& scope, PostgresName* name) {
  std::vector<std::string> parts;
  do {
    const PostgresToken token = Next();
    if (token != PostgresToken::kWord && token != PostgresToken::kName) return false;
    parts.emplace_back(lexer_.text());
  } while (parts.size() < 3 && lexer_.TakeByte('.'));
  name->database = parts.size() > 2 ? parts.front() : scope.database;
  name->schema = parts.size() > 1 ? parts.rbegin()[1] : scope.schema;
  name->table = std::move(parts.back());
  return true;
}

std::vector<std::string> PostgresTokens::ReadNames() {
  std::vector<std::string> names;
  if (!lexer_.TakeByte('(')) return names;
  for (;;) {
    const PostgresToken token = Next();
    if (token == PostgresToken::kEnd || IsByte(')') || IsByte(';')) return names;
    if (token == PostgresToken::kWord || token == PostgresToken::kName) {
      names.emplace_back(lexer_.text());
    }
  }
}

}  // namespace millrace

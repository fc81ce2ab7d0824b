// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_TOKENS_H_
#define MAPREDUCE_FORMATS_POSTGRES_TOKENS_H_

// A statement, token by token.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/postgres_lexer.h"
#include "mapreduce/formats/postgres_name.h"

namespace millrace {

/// One thread at a time. Errors are the lexer's.
class PostgresTokens {
 public:
  /// `lexer` must outlive it.
  explicit PostgresTokens(PostgresLexer& lexer) : lexer_(lexer) {}
  PostgresTokens(const PostgresTokens&) = delete;
  PostgresTokens& operator=(const PostgresTokens&) = delete;

  PostgresLexer& lexer() { return lexer_; }
  PostgresToken Next() { return last_ = lexer_.NextToken(); }
  /// The token that Next() took.
  PostgresToken last() const { return last_; }
  bool IsWord(std::string_view word) const {
    return last_ == PostgresToken::kWord && lexer_.text() == word;
  }
  bool IsByte(char byte) const {
    return last_ == PostgresToken::kOther && lexer_.text()[0] == byte;
  }

  /// Skips the rest of the statement, unless its `;` was the last token.
  void SkipRest();
  /// [[database.]schema.]table; what is not said is that of `scope`. False where there is none.
  bool ReadName(const PostgresName& scope, PostgresName* name);
  /// (a, b), or nothing.
  std::vector<std::string> ReadNames();

 private:
  PostgresLexer& lexer_;
  PostgresToken last_ = PostgresToken::kEnd;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_TOKENS_H_

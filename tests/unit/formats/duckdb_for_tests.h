// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_DUCKDB_FOR_TESTS_H_
#define TESTS_UNIT_FORMATS_DUCKDB_FOR_TESTS_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace millrace {

/// Whether DuckDB's library is there: by $MILLRACE_DUCKDB, or where `scripts/setup --test` puts it;
/// then the variable says so, to us and to the programs that we start.
inline bool HasDuckDb() {
  if (::getenv("MILLRACE_DUCKDB") == nullptr && std::filesystem::exists(MILLRACE_TEST_DUCKDB))
    ::setenv("MILLRACE_DUCKDB", MILLRACE_TEST_DUCKDB, /*overwrite=*/0);
  const char* const path = ::getenv("MILLRACE_DUCKDB");
  return path != nullptr && std::filesystem::exists(path);
}

// Ends the test, or SetUp(), where it is missing.
#define MILLRACE_NEEDS_DUCKDB()                                                            \
  do {                                                                                     \
    if (!::millrace::HasDuckDb()) {                                                        \
      if (::getenv("MILLRACE_TEST_ALL") != nullptr)                                        \
        FAIL() << "needs libduckdb.so; `scripts/setup --test` gets it where npm is there"; \
      GTEST_SKIP() << "needs libduckdb.so; `scripts/setup --test` gets it where npm is "   \
                      "there; with MILLRACE_TEST_ALL=1 a failure";                         \
    }                                                                                      \
  } while (false)

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_DUCKDB_FOR_TESTS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_DUCKDB_SESSION_H_
#define MAPREDUCE_FORMATS_DUCKDB_SESSION_H_

// A DuckDB of one's own, in memory, with one connection: it runs on the caller's thread, keeps the
// order of rows, fetches nothing from the network and leaves nothing on disk.
//
//   MR_ASSIGN_OR_RETURN(auto session, DuckDbSession::Take(memory_bytes));
//   MR_ASSIGN_OR_RETURN(DuckDbRows rows, session->Query("SELECT ..."));
//   for (;;) {
//     MR_ASSIGN_OR_RETURN(const std::uint64_t count, rows.Next());
//     if (count == 0) break;
//     ... rows.vector(0) ...
//   }

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/duckdb_library.h"

namespace millrace {

/// The rows of a query, some at a time as they come. One thread at a time; within its session's
/// life.
class DuckDbRows {
 public:
  DuckDbRows(const DuckDb& library, duckdb::QueryResult result)
      : library_(&library), result_(result) {}
  DuckDbRows(DuckDbRows&& other) noexcept
      : library_(other.library_),
        result_(std::exchange(other.result_, {})),
        chunk_(std::exchange(other.chunk_, nullptr)) {}
  DuckDbRows(const DuckDbRows&) = delete;
  DuckDbRows& operator=(const DuckDbRows&) = delete;
  ~DuckDbRows();

  std::uint64_t column_count() { return library_->column_count(&result_); }
  std::string column_name(std::uint64_t column) { return library_->column_name(&result_, column); }
  /// The caller destroys it.
  duckdb::Handle column_type(std::uint64_t column) {
    return library_->column_logical_type(&result_, column);
  }

  /// How many rows there are now; 0 at the end. Forgets those before. kBadData with DuckDB's words,
  /// kResourceLimit where memory was too little.
  Result<std::uint64_t> Next();
  /// A column of these rows. Requires: Next() gave some.
  duckdb::Handle vector(std::uint64_t column) {
    return library_->data_chunk_get_vector(chunk_, column);
  }

 private:
  const DuckDb* library_;
  duckdb::QueryResult result_;
  duckdb::Handle chunk_ = nullptr;
};

/// One thread at a time.
class DuckDbSession {
 public:
  /// One that is idle, or a new one: opening it takes some 8 ms. It may use so much memory. Errors
  /// as DuckDb::Library().
  static Result<std::unique_ptr<DuckDbSession>> Take(std::uint64_t memory_bytes);
  /// One that nobody had before.
  static Result<std::unique_ptr<DuckDbSession>> New(std::uint64_t memory_bytes);
  /// For Take() by others; not after an error, which may have broken it.
  static void GiveBack(std::unique_ptr<DuckDbSession> session);

  DuckDbSession(const DuckDbSession&) = delete;
  DuckDbSession& operator=(const DuckDbSession&) = delete;
  ~DuckDbSession();

  const DuckDb& library() const { return library_; }
  duckdb::Handle connection() const { return connection_; }

  /// Begins a query. Errors as DuckDbRows::Next().
  Result<DuckDbRows> Query(const std::string& sql);
  /// Runs it to its end, without a look at its rows.
  Status Run(const std::string& sql);

 private:
  explicit DuckDbSession(const DuckDb& library) : library_(library) {}
  Status Open(std::uint64_t memory_bytes);
  Status LimitMemory(std::uint64_t memory_bytes);

  const DuckDb& library_;
  duckdb::Handle database_ = nullptr;
  duckdb::Handle connection_ = nullptr;
  std::uint64_t memory_bytes_ = 0;
};

/// 'it''s': text in SQL.
std::string SqlText(std::string_view text);
/// "my ""column""": a name in SQL.
std::string SqlName(std::string_view name);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_DUCKDB_SESSION_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_DUCKDB_LIBRARY_H_
#define MAPREDUCE_FORMATS_DUCKDB_LIBRARY_H_

// DuckDB's library, libduckdb.so, which reads and writes Parquet for us. It is a plug-in: loaded
// when the first Parquet file is met, from $MILLRACE_DUCKDB or, without that, from where the loader
// looks. What is declared here is as much of its C interface as we call; the interface is stable
// since DuckDB 1.2.

#include <cstdint>
#include <string>
#include <type_traits>

#include "mapreduce/base/status.h"

namespace millrace {

namespace duckdb {

using State = int;  // 0: fine.
/// What the C interface calls duckdb_database, duckdb_connection and so on: all are pointers.
using Handle = void*;
using Callback = void (*)(Handle info);
using FillCallback = void (*)(Handle info, Handle chunk);

struct QueryResult {
  std::uint64_t deprecated_counts[3] = {};
  void* deprecated_columns = nullptr;
  char* deprecated_message = nullptr;
  void* internal = nullptr;
};

/// A text in a vector: up to 12 bytes lie in it.
struct String {
  static constexpr std::uint32_t kInlineBytes = 12;
  std::uint32_t bytes;
  char inlined[4];  // Of a longer text its first bytes; then comes the pointer to all of it.
  union {
    const char* data;
    char inlined_too[8];
  };
};
static_assert(sizeof(String) == 16);

struct Hugeint {
  std::uint64_t lower;
  std::int64_t upper;
};

/// duckdb_type, as far as we tell them apart.
enum Type : int {
  kBoolean = 1,
  kTinyint = 2,
  kSmallint = 3,
  kInteger = 4,
  kBigint = 5,
  kUtinyint = 6,
  kUsmallint = 7,
  kUinteger = 8,
  kUbigint = 9,
  kFloat = 10,
  kDouble = 11,
  kTimestamp = 12,
  kDate = 13,
  kHugeint = 16,
  kVarchar = 17,
  kBlob = 18,
  kDecimal = 19,
  kTimestampS = 20,
  kTimestampMs = 21,
  kTimestampNs = 22,
  kList = 24,
  kStruct = 25,
  kMap = 26,
  kUnion = 28,
  kTimestampTz = 31,
  kArray = 33,
};

/// duckdb_error_type.
enum ErrorType : int { kOutOfMemory = 33 };

// Name without "duckdb_", and type.
#define MR_DUCKDB_FUNCTIONS_(F)                                                          \
  F(library_version, const char*())                                                      \
  F(free, void(void*))                                                                   \
  F(create_config, State(Handle* config))                                                \
  F(set_config, State(Handle config, const char* name, const char* value))               \
  F(destroy_config, void(Handle * config))                                               \
  F(open_ext, State(const char* path, Handle* database, Handle config, char** error))    \
  F(close, void(Handle * database))                                                      \
  F(connect, State(Handle database, Handle* connection))                                 \
  F(disconnect, void(Handle * connection))                                               \
  F(prepare, State(Handle connection, const char* sql, Handle* statement))               \
  F(prepare_error, const char*(Handle statement))                                        \
  F(destroy_prepare, void(Handle * statement))                                           \
  F(pending_prepared_streaming, State(Handle statement, Handle* pending))                \
  F(pending_error, const char*(Handle pending))                                          \
  F(execute_pending, State(Handle pending, QueryResult* result))                         \
  F(destroy_pending, void(Handle * pending))                                             \
  F(result_error, const char*(QueryResult * result))                                     \
  F(result_error_type, int(QueryResult * result))                                        \
  F(destroy_result, void(QueryResult * result))                                          \
  F(column_count, std::uint64_t(QueryResult* result))                                    \
  F(column_name, const char*(QueryResult * result, std::uint64_t column))                \
  F(column_logical_type, Handle(QueryResult* result, std::uint64_t column))              \
  F(fetch_chunk, Handle(QueryResult result))                                             \
  F(destroy_data_chunk, void(Handle * chunk))                                            \
  F(data_chunk_get_size, std::uint64_t(Handle chunk))                                    \
  F(data_chunk_set_size, void(Handle chunk, std::uint64_t rows))                         \
  F(data_chunk_get_vector, Handle(Handle chunk, std::uint64_t column))                   \
  F(vector_get_data, void*(Handle vector))                                               \
  F(vector_get_validity, std::uint64_t*(Handle vector))                                  \
  F(vector_ensure_validity_writable, void(Handle vector))                                \
  F(vector_assign_string_element_len,                                                    \
    void(Handle vector, std::uint64_t row, const char* text, std::uint64_t bytes))       \
  F(vector_size, std::uint64_t())                                                        \
  F(create_logical_type, Handle(int type))                                               \
  F(destroy_logical_type, void(Handle * type))                                           \
  F(get_type_id, int(Handle type))                                                       \
  F(decimal_internal_type, int(Handle type))                                             \
  F(decimal_scale, std::uint8_t(Handle type))                                            \
  F(create_table_function, Handle())                                                     \
  F(destroy_table_function, void(Handle * function))                                     \
  F(table_function_set_name, void(Handle function, const char* name))                    \
  F(table_function_set_extra_info, void(Handle function, void* extra, Callback destroy)) \
  F(table_function_set_bind, void(Handle function, Callback bind))                       \
  F(table_function_set_init, void(Handle function, Callback init))                       \
  F(table_function_set_function, void(Handle function, FillCallback fill))               \
  F(register_table_function, State(Handle connection, Handle function))                  \
  F(bind_get_extra_info, void*(Handle info))                                             \
  F(bind_add_result_column, void(Handle info, const char* name, Handle type))            \
  F(function_get_extra_info, void*(Handle info))                                         \
  F(function_set_error, void(Handle info, const char* error))

struct Functions {
#define MR_DECLARE_(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
  MR_DUCKDB_FUNCTIONS_(MR_DECLARE_)
#undef MR_DECLARE_
};

}  // namespace duckdb

/// The loaded library's functions: `library.fetch_chunk(...)` is duckdb_fetch_chunk(...). Never
/// unloaded. Thread-safe.
struct DuckDb : duckdb::Functions {
  /// The process's library, loaded once. kInvalidArgument: it is not there or too old; what to do.
  static Result<const DuckDb*> Library();
  /// Loads `path`; "": libduckdb.so, from where the loader finds it.
  static Result<const DuckDb*> Load(const std::string& path);
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_DUCKDB_LIBRARY_H_

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/duckdb_session.h"

#include <algorithm>
#include <vector>

#include "mapreduce/base/mutex.h"

namespace millrace {
namespace {

constexpr std::size_t kIdleMax = 64;

// Without these it would look for extensions in the network and the home directory, spill into the
// working directory, and keep pieces of files by their names, which are /proc/self/fd/N here.
constexpr std::pair<const char*, const char*> kSettings[] = {
    {"threads", "1"},
    {"preserve_insertion_order", "true"},
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"temp_directory", ""},
    {"enable_external_file_cache", "false"},
};

struct IdleSessions {
  Mutex mutex;
  std::vector<std::unique_ptr<DuckDbSession>> sessions MR_GUARDED_BY(mutex);
};

// Never destroyed: a thread may still have one when the process ends.
IdleSessions& Idle() {
  static IdleSessions& idle = *new IdleSessions;
  return idle;
}

// DuckDB's words without its stack traces.
std::string FirstLine(const char* text) {
  if (text == nullptr) return "DuckDB failed";
  const std::string_view all(text);
  return std::string(all.substr(0, all.find('\n')));
}

Status ErrorOf(const DuckDb& library, duckdb::QueryResult& result) {
  const std::string why = FirstLine(library.result_error(&result));
  return library.result_error_type(&result) == duckdb::kOutOfMemory ? Status::ResourceLimit(why)
                                                                    : Status::BadData(why);
}

std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote) quoted.push_back(quote);
    quoted.push_back(c);
  }
  quoted.push_back(quote);
  return quoted;
}

}  // namespace

std::string SqlText(std::string_view text) { return Quoted(text, '\''); }

std::string SqlName(std::string_view name) { return Quoted(name, '"'); }

DuckDbRows::~DuckDbRows() {
  if (chunk_ != nullptr) library_->destroy_data_chunk(&chunk_);
  if (result_.internal != nullptr) library_->destroy_result(&result_);
}

Result<std::uint64_t> DuckDbRows::Next() {
  for (;;) {
    if (chunk_ != nullptr) library_->destroy_data_chunk(&chunk_);
    chunk_ = library_->fetch_chunk(result_);
    if (chunk_ == nullptr) {
      const char* const error = library_->result_error(&result_);
      if (error != nullptr && *error != '\0') return ErrorOf(*library_, result_);
      return std::uint64_t{0};
    }
    if (const std::uint64_t rows = library_->data_chunk_get_size(chunk_); rows > 0) return rows;
  }
}

Result<std::unique_ptr<DuckDbSession>> DuckDbSession::New(std::uint64_t memory_bytes) {
  MR_ASSIGN_OR_RETURN(const DuckDb* const library, DuckDb::Library());
  std::unique_ptr<DuckDbSession> session(new DuckDbSession(*library));
  MR_RETURN_IF_ERROR(session->Open(memory_bytes));
  return session;
}

Result<std::unique_ptr<DuckDbSession>> DuckDbSession::Take(std::uint64_t memory_bytes) {
  std::unique_ptr<DuckDbSession> session;
  {
    IdleSessions& idle = Idle();
    MutexLock lock(idle.mutex);
    if (!idle.sessions.empty()) {
      session = std::move(idle.sessions.back());
      idle.sessions.pop_back();
    }
  }
  if (session == nullptr) return New(memory_bytes);
  MR_RETURN_IF_ERROR(session->LimitMemory(memory_bytes));
  return session;
}

void DuckDbSession::GiveBack(std::unique_ptr<DuckDbSession> session) {
  IdleSessions& idle = Idle();
  MutexLock lock(idle.mutex);
  if (idle.sessions.size() < kIdleMax) idle.sessions.push_back(std::move(session));
}

DuckDbSession::~DuckDbSession() {
  if (connection_ != nullptr) library_.disconnect(&connection_);
  if (database_ != nullptr) library_.close(&database_);
}

Status DuckDbSession::Open(std::uint64_t memory_bytes) {
  duckdb::Handle config = nullptr;
  if (library_.create_config(&config) != 0) return Status::ResourceLimit("DuckDB has no memory");
  for (const auto& [name, value] : kSettings) {
    // An older or newer one may not know all of them.
    static_cast<void>(library_.set_config(config, name, value));
  }
  char* error = nullptr;
  const duckdb::State opened = library_.open_ext(nullptr, &database_, config, &error);
  library_.destroy_config(&config);
  const std::string why = FirstLine(error);
  if (error != nullptr) library_.free(error);
  if (opened != 0 || library_.connect(database_, &connection_) != 0)
    return Status::ResourceLimit("DuckDB does not start: ", why);
  return LimitMemory(memory_bytes);
}

Status DuckDbSession::LimitMemory(std::uint64_t memory_bytes) {
  if (memory_bytes == memory_bytes_) return {};
  MR_RETURN_IF_ERROR(Run("SET memory_limit = '" + std::to_string(memory_bytes / 1024) + "KiB'"));
  memory_bytes_ = memory_bytes;
  return {};
}

Result<DuckDbRows> DuckDbSession::Query(const std::string& sql) {
  duckdb::Handle statement = nullptr;
  if (library_.prepare(connection_, sql.c_str(), &statement) != 0) {
    const std::string why = FirstLine(library_.prepare_error(statement));
    library_.destroy_prepare(&statement);
    return Status::BadData(why);
  }
  duckdb::Handle pending = nullptr;
  if (library_.pending_prepared_streaming(statement, &pending) != 0) {
    const std::string why = FirstLine(library_.pending_error(pending));
    library_.destroy_pending(&pending);
    library_.destroy_prepare(&statement);
    return Status::BadData(why);
  }
  duckdb::QueryResult result;
  const duckdb::State state = library_.execute_pending(pending, &result);
  library_.destroy_pending(&pending);
  library_.destroy_prepare(&statement);
  if (state != 0) {
    const Status error = ErrorOf(library_, result);
    library_.destroy_result(&result);
    return error;
  }
  return DuckDbRows(library_, result);
}

Status DuckDbSession::Run(const std::string& sql) {
  MR_ASSIGN_OR_RETURN(DuckDbRows rows, Query(sql));
  for (;;) {
    MR_ASSIGN_OR_RETURN(const std::uint64_t count, rows.Next());
    if (count == 0) return {};
  }
}

}  // namespace millrace

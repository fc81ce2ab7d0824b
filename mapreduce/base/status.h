// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_STATUS_H_
#define MAPREDUCE_BASE_STATUS_H_

// Errors as values. A function that can fail returns Status or Result<T>; both are [[nodiscard]].
// A code exists because it has a reaction of its own (see StatusCode); the message is for a
// person: what, where, what to do. Annotate() adds the "where" on the way up:
//
//   MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
//   MR_RETURN_IF_ERROR(writer.Close().Annotate("spill to ", path));

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// What the caller should do about an error. The numbers are the same on the wire: never reuse one.
enum class StatusCode : int {
  kOk = 0,
  kInvalidArgument = 1,  ///< The command, job or request is wrong: refuse it, no retry.
  kUserCode = 2,         ///< The job's code failed outside a record.
  kDiverged = 3,         ///< Two attempts of one task differ: the job's code is not deterministic.
  kUnavailable = 4,      ///< A peer, link, disk or lock is not there now: try again later.
  kCorrupt = 5,          ///< Bytes contradict their checksum or layout.
  kResourceLimit = 6,    ///< A memory, disk or time budget is spent.
  kStale = 7,            ///< The epoch or the lease is over.
  kCancelled = 8,        ///< Stopped on purpose.
  kInternal = 9,         ///< A bug.
  kNotFound = 10,        ///< An input is missing.
  kBadData = 11,         ///< The input can be read but breaks what the job demands of it.
  kCannotCreate = 12,    ///< The output can't be created or is in the way.
};

/// "kCorrupt" and so on.
std::string_view StatusCodeName(StatusCode code);

/// Ok, or a code with a message. Ok is one null pointer; copying an error shares it. Thread-safe
/// to copy and read.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status Ok() { return {}; }

  /// `parts` are streamed one after the other into the message.
  template <class... Parts>
  static Status Error(StatusCode code, const Parts&... parts) {
    return Status(code, Concatenate(parts...));
  }
  template <class... Parts>
  static Status InvalidArgument(const Parts&... parts) {
    return Error(StatusCode::kInvalidArgument, parts...);
  }
  template <class... Parts>
  static Status UserCode(const Parts&... parts) {
    return Error(StatusCode::kUserCode, parts...);
  }
  template <class... Parts>
  static Status Unavailable(const Parts&... parts) {
    return Error(StatusCode::kUnavailable, parts...);
  }
  template <class... Parts>
  static Status Corrupt(const Parts&... parts) {
    return Error(StatusCode::kCorrupt, parts...);
  }
  template <class... Parts>
  static Status ResourceLimit(const Parts&... parts) {
    return Error(StatusCode::kResourceLimit, parts...);
  }
  template <class... Parts>
  static Status Cancelled(const Parts&... parts) {
    return Error(StatusCode::kCancelled, parts...);
  }
  template <class... Parts>
  static Status Internal(const Parts&... parts) {
    return Error(StatusCode::kInternal, parts...);
  }
  template <class... Parts>
  static Status NotFound(const Parts&... parts) {
    return Error(StatusCode::kNotFound, parts...);
  }
  template <class... Parts>
  static Status BadData(const Parts&... parts) {
    return Error(StatusCode::kBadData, parts...);
  }
  template <class... Parts>
  static Status CannotCreate(const Parts&... parts) {
    return Error(StatusCode::kCannotCreate, parts...);
  }

  bool ok() const { return error_ == nullptr; }
  StatusCode code() const { return ok() ? StatusCode::kOk : error_->code; }
  const std::string& message() const;

  /// The same error with "<parts>: " before its message; Ok stays Ok.
  template <class... Parts>
  Status Annotate(const Parts&... parts) const {
    if (ok()) return *this;
    return Status(error_->code, Concatenate(parts..., ": ", error_->message));
  }

  /// The first error stays: `status.Update(next)` keeps `status` unless it is Ok.
  void Update(const Status& next) {
    if (ok()) *this = next;
  }

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  Status(StatusCode code, std::string message)
      : error_(std::make_shared<const Rep>(Rep{code, std::move(message)})) {}
  template <class... Parts>
  static std::string Concatenate(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return std::move(out).str();
  }
  std::shared_ptr<const Rep> error_;
};

/// A value or the error that prevented it. Member names as std::expected's.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}       // NOLINT: implicit on purpose.
  Result(Status error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose.

  bool has_value() const { return value_.has_value(); }
  bool ok() const { return value_.has_value(); }
  const Status& error() const { return error_; }
  /// Requires: has_value().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status error_;
};

/// Ends the process with file, line and claim. For what only a bug can break.
[[noreturn]] void CheckFailed(const char* file, int line, const char* claim);

#define MR_CHECK(claim) \
  ((claim) ? static_cast<void>(0) : ::millrace::CheckFailed(__FILE__, __LINE__, #claim))

#define MR_RETURN_IF_ERROR(expression)                                                     \
  do {                                                                                     \
    if (::millrace::Status mr_status_ = (expression); !mr_status_.ok()) return mr_status_; \
  } while (false)

#define MR_CONCAT_INNER_(a, b) a##b
#define MR_CONCAT_(a, b) MR_CONCAT_INNER_(a, b)
#define MR_ASSIGN_OR_RETURN(declaration, expression) \
  MR_ASSIGN_OR_RETURN_IMPL_(MR_CONCAT_(mr_result_, __LINE__), declaration, expression)
#define MR_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                      \
  if (!result.has_value()) return result.error();                  \
  declaration = *std::move(result)

}  // namespace millrace

#endif  // MAPREDUCE_BASE_STATUS_H_

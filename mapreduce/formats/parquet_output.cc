// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/parquet_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "mapreduce/base/mutex.h"
#include "mapreduce/formats/duckdb_session.h"
#include "mapreduce/formats/parquet_rows.h"
#include "mapreduce/formats/text_queue.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

// A row group is far smaller; only a giant row needs more. DuckDB takes what it needs.
constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{4} << 30;
constexpr std::size_t kPipeBytes = std::size_t{1} << 20;

class ParquetOutputFile final : public OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> Create(FileSystem& files, std::string path,
                                                    const std::vector<OutputColumn>& columns) {
    MR_ASSIGN_OR_RETURN(auto session, DuckDbSession::New(kMemoryBytesMax));
    MR_ASSIGN_OR_RETURN(auto file, OutputFile::Create(files, path, Compression::kNone));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return WriteErrno("make a pipe for", path, errno);
    Descriptor from(ends[0]), to(ends[1]);
    // Larger pieces; where it is refused, smaller ones.
    static_cast<void>(::fcntl(to.get(), F_SETPIPE_SZ, static_cast<int>(kPipeBytes)));
    std::unique_ptr<ParquetOutputFile> output(
        new ParquetOutputFile(std::move(path), std::move(file), std::move(session), columns,
                              std::move(from), std::move(to)));
    // With one thread rows keep their order anyway, and only so are row groups cut by bytes.
    MR_RETURN_IF_ERROR(output->session_->Run("SET preserve_insertion_order = false"));
    MR_RETURN_IF_ERROR(output->rows_.Register(*output->session_));
    MR_RETURN_IF_ERROR(output->Start());
    return std::unique_ptr<OutputFile>(std::move(output));
  }

  // What was given up becomes a whole file nobody keeps: at most a row group is written for
  // nothing.
  ~ParquetOutputFile() override { Join(); }

  void Append(std::string_view bytes) override {
    if (!bytes.empty()) static_cast<void>(lines_.Put(bytes));  // Refused: there is an error.
  }
  Status status() const override {
    MutexLock lock(mutex_);
    return status_;
  }
  Result<OutputFileInfo> Close() override {
    Join();
    MR_RETURN_IF_ERROR(status());
    return file_->Close();
  }

 private:
  ParquetOutputFile(std::string path, std::unique_ptr<OutputFile> file,
                    std::unique_ptr<DuckDbSession> session,
                    const std::vector<OutputColumn>& columns, Descriptor from, Descriptor to)
      : path_(std::move(path)),
        file_(std::move(file)),
        from_(std::move(from)),
        to_(std::move(to)),
        rows_(session->library(), columns, lines_),
        session_(std::move(session)) {}

  Status Start() {
    try {
      writing_ = std::jthread([this] { WriteBytes(); });
      copying_ = std::jthread([this] { CopyRows(); });
    } catch (const std::system_error& error) {
      ::close(to_.Take());  // The writing thread ends, if it is there.
      return Status::ResourceLimit("no thread to write ", path_, ": ", error.what());
    }
    return {};
  }

  void Join() {
    lines_.End();
    if (copying_.joinable()) copying_.join();
    if (writing_.joinable()) writing_.join();
  }

  // The copying thread.
  void CopyRows() {
    const std::string name = "/proc/self/fd/" + std::to_string(to_.get());
    Status status =
        session_->Run(std::string("COPY (SELECT * FROM ") + ParquetRows::kFunction + "()) TO '" +
                      name + "' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE " +
                      std::to_string(kParquetRowGroupRows) + ", ROW_GROUP_SIZE_BYTES " +
                      std::to_string(kParquetRowGroupBytes) + ")");
    if (!rows_.status().ok()) {
      status = rows_.status();  // In its own words.
    } else if (!status.ok()) {
      status = Status::ResourceLimit("cannot write ", path_, ": ", status.message());
    }
    Fail(status);
    lines_.Refuse();
    // The last way into the pipe: behind it the writing thread finds the end.
    ::close(to_.Take());
  }

  // The writing thread. Reads on after an error: DuckDB must not wait for ever.
  void WriteBytes() {
    std::vector<char> bytes(kPipeBytes);
    for (;;) {
      const ssize_t count = ::read(from_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fail(WriteErrno("read what becomes of", path_, errno));
      if (count == 0) return;
      file_->Append({bytes.data(), static_cast<std::size_t>(count)});
      if (Status status = file_->status(); !status.ok()) {
        Fail(status);
        lines_.Refuse();
      }
    }
  }

  void Fail(const Status& status) MR_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    status_.Update(status);
  }

  const std::string path_;
  std::unique_ptr<OutputFile> file_;  // The writing thread's, while it lives.
  Descriptor from_, to_;
  TextQueue lines_;
  ParquetRows rows_;  // The copying thread's, while it lives.
  std::unique_ptr<DuckDbSession> session_;
  mutable Mutex mutex_;
  Status status_ MR_GUARDED_BY(mutex_);
  std::jthread writing_, copying_;
};

}  // namespace

Result<std::unique_ptr<OutputFile>> CreateParquetFile(FileSystem& files, std::string path,
                                                      const std::vector<OutputColumn>& columns) {
  return ParquetOutputFile::Create(files, std::move(path), columns);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/local_write_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

// Where there is no O_DIRECT: write-back of what will be synced starts every so many bytes.
constexpr std::uint64_t kWriteBackBytes = std::uint64_t{8} << 20;
// What is appended to a file in the page cache is copied by the system anyway: once is enough.
constexpr std::size_t kUnbufferedBytesMin = std::size_t{64} << 10;

}  // namespace

LocalWriteFile::LocalWriteFile(std::string path, Descriptor fd, FileUse use)
    : path_(std::move(path)), use_(use), fd_(std::move(fd)) {}

LocalWriteFile::~LocalWriteFile() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    must_stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

Status LocalWriteFile::Append(std::string_view bytes) {
  if (use_ != FileUse::kKept && filled_ == 0 && bytes.size() >= kUnbufferedBytesMin)
    return Keep(WriteAll(bytes.data(), bytes.size()));
  while (!bytes.empty()) {
    VirtualBuffer& buffer = buffers_[filling_];
    if (buffer.data() == nullptr) {
      auto reserved = VirtualBuffer::Reserve(kBufferBytes, /*huge_pages=*/false);
      if (!reserved.ok()) return Keep(reserved.error());
      buffer = *std::move(reserved);
    }
    const std::size_t n = std::min(bytes.size(), kBufferBytes - filled_);
    std::memcpy(buffer.data() + filled_, bytes.data(), n);
    filled_ += n;
    bytes.remove_prefix(n);
    if (filled_ == kBufferBytes) MR_RETURN_IF_ERROR(HandOver());
  }
  return Status::Ok();
}

// Gives the full buffer to the thread behind and takes the other one; without a thread, writes it.
Status LocalWriteFile::HandOver() {
  MR_RETURN_IF_ERROR(WaitUntilIdle());
  if (use_ == FileUse::kKept && !thread_.joinable()) {
    SetDirect(true);
    StartThread();
  }
  filled_ = 0;
  if (!thread_.joinable()) return Keep(WriteAll(buffers_[filling_].data(), kBufferBytes));
  MutexLock lock(mutex_);
  filling_ = 1 - filling_;
  is_busy_ = true;
  changed_.NotifyAll();
  return Status::Ok();
}

void LocalWriteFile::StartThread() {
  try {
    thread_ = std::thread([this] { WriteBehind(); });
  } catch (const std::system_error&) {
    // No more threads to be had: the writer waits for its own writes.
  }
}

Status LocalWriteFile::WaitUntilIdle() {
  MutexLock lock(mutex_);
  while (is_busy_) changed_.Wait(mutex_);
  return status_;
}

void LocalWriteFile::WriteBehind() {
  for (;;) {
    const char* full = nullptr;
    {
      MutexLock lock(mutex_);
      while (!is_busy_ && !must_stop_) changed_.Wait(mutex_);
      if (must_stop_) return;
      full = buffers_[1 - filling_].data();
    }
    const Status status = WriteAll(full, kBufferBytes);
    MutexLock lock(mutex_);
    status_.Update(status);
    is_busy_ = false;
    changed_.NotifyAll();
  }
}

// What fails here is no error: the file is written through the page cache.
void LocalWriteFile::SetDirect(bool is_direct) {
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  is_direct_ = flags >= 0 &&
               ::fcntl(fd_.get(), F_SETFL, is_direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0 &&
               is_direct;
}

Status LocalWriteFile::WriteAll(const char* from, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t put =
        IoFails() ? -1 : ::pwrite(fd_.get(), from, bytes, static_cast<off_t>(written_bytes_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EINVAL && is_direct_) {  // Not with this alignment, or after a short
      SetDirect(false);                              // write.
      continue;
    }
    if (put < 0) return WriteErrno("write", path_, errno);
    from += put;
    bytes -= static_cast<std::size_t>(put);
    written_bytes_ += static_cast<std::uint64_t>(put);
  }
  if (use_ == FileUse::kKept && !is_direct_ && written_bytes_ - started_bytes_ >= kWriteBackBytes) {
    // Only a hint: an error will come again, and count, at Sync.
    if (!IoFails()) {
      ::sync_file_range(fd_.get(), static_cast<off_t>(started_bytes_),
                        static_cast<off_t>(written_bytes_ - started_bytes_), SYNC_FILE_RANGE_WRITE);
    }
    started_bytes_ = written_bytes_;
  }
  return Status::Ok();
}

Status LocalWriteFile::Flush() {
  MR_RETURN_IF_ERROR(WaitUntilIdle());
  if (is_direct_) SetDirect(false);  // The rest is no whole number of sectors.
  return Keep(WriteAll(buffers_[filling_].data(), std::exchange(filled_, 0)));
}

// What once failed stays failed: after it the file is not what was appended.
Status LocalWriteFile::Keep(const Status& status) {
  MutexLock lock(mutex_);
  status_.Update(status);
  return status_;
}

Status LocalWriteFile::Sync() {
  MR_RETURN_IF_ERROR(Flush());
  int result;
  do {
    result = IoFails() ? -1 : ::fsync(fd_.get());
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Status::Ok() : Keep(WriteErrno("sync", path_, errno));
}

Status LocalWriteFile::Close() {
  const Status flushed = Flush();
  const bool fails = IoFails();
  // Not repeated after EINTR: on Linux the descriptor is gone. Some file systems (NFS) report a
  // failed write only here.
  const bool is_closed = ::close(fd_.Take()) == 0 || errno == EINTR;
  if (!flushed.ok()) return flushed;
  if (!is_closed) return WriteErrno("close", path_, errno);
  return fails ? WriteErrno("close", path_, EIO) : Status::Ok();
}

}  // namespace millrace

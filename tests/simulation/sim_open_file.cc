// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_open_file.h"

#include <algorithm>
#include <utility>

#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

// What both kinds of open files have: the file lives as long as they do, whatever its name.
class Handle {
 public:
  Handle(SimDiskState& disk, const SimProcess& process, std::string path, SimNodePtr node)
      : disk_(disk),
        process_(process),
        path_(std::move(path)),
        file_(std::static_pointer_cast<SimFile>(std::move(node))) {
    disk_.CountHandle(process_, *file_, +1);
  }
  ~Handle() { Close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Close() {
    if (std::exchange(is_open_, false)) disk_.CountHandle(process_, *file_, -1);
  }

 protected:
  SimDiskState& disk_;
  const SimProcess process_;
  const std::string path_;
  const std::shared_ptr<SimFile> file_;
  bool is_open_ = true;
};

class SimReadFile final : public RandomAccessFile, Handle {
 public:
  using Handle::Handle;

  Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) override {
    if (!disk_.IsAlive(process_)) return DeadProcess(path_);
    if (const int error = disk_.ReadFault(); error != 0) {
      return ReadErrno("read at byte " + std::to_string(offset) + " of", path_, error);
    }
    if (offset >= file_->bytes.size()) return std::size_t{0};
    n = file_->bytes.copy(into, n, offset);
    if (n > 0 && disk_.Chance(disk_.faults.read_bit_flip)) {
      const std::uint64_t bit = disk_.random.Uniform(n * 8);
      into[bit / 8] = static_cast<char>(into[bit / 8] ^ (1 << bit % 8));
    }
    return n;
  }

  Result<FileInfo> Stat() override {
    if (!disk_.IsAlive(process_)) return DeadProcess(path_);
    const int error = disk_.ReadFault();
    if (error != 0) return ReadErrno("look at", path_, error);
    return disk_.InfoOf(path_, *file_);
  }
};

class SimWriteFile final : public WritableFile, Handle {
 public:
  using Handle::Handle;

  Status Append(std::string_view bytes) override {
    if (!disk_.IsAlive(process_)) return DeadProcess(path_);
    MR_CHECK(is_open_);
    if (!status_.ok()) return status_;
    const std::size_t room = std::min(bytes.size(), disk_.FreeBytes());
    const auto fate = disk_.clients.NextFate(process_.client, disk_.random);
    if (fate != SimFate::kRuns) {
      if (fate == SimFate::kDiesAfter) Write(bytes.substr(0, room));
      if (fate == SimFate::kDiesWithin) WritePart(bytes.substr(0, room));
      disk_.clients.Kill(process_.client);
      return DeadProcess(path_);
    }
    if (disk_.Chance(disk_.faults.write_error)) {
      WritePart(bytes.substr(0, room));
      return Fail(EIO);
    }
    if (disk_.Chance(disk_.faults.full)) {
      WritePart(bytes.substr(0, room));
      return Fail(ENOSPC);
    }
    Write(bytes.substr(0, room));
    return room < bytes.size() ? Fail(ENOSPC) : Status::Ok();
  }

  Status Sync() override {
    if (!disk_.IsAlive(process_)) return DeadProcess(path_);
    MR_CHECK(is_open_);
    if (!status_.ok()) return status_;
    return disk_.Mutate(process_, path_,
                        [&] { return disk_.SyncFile(process_.client, *file_, path_); });
  }

  Status Close() override {
    if (!disk_.IsAlive(process_)) return DeadProcess(path_);
    Handle::Close();
    return status_;
  }

 private:
  void Write(std::string_view bytes) { disk_.images.Append(file_, bytes); }
  void WritePart(std::string_view bytes) {
    Write(bytes.substr(0, disk_.random.Uniform(bytes.size() + 1)));
  }
  // Told now or by the next call: a file system may write behind the writer's back.
  Status Fail(int error) {
    status_ = WriteErrno("write", path_, error);
    return disk_.random.Uniform(2) == 0 ? status_ : Status::Ok();
  }

  Status status_;  // The first error of an Append.
};

}  // namespace

std::unique_ptr<RandomAccessFile> OpenSimReader(SimDiskState& disk, const SimProcess& process,
                                                const std::string& path, const SimNodePtr& node) {
  return std::make_unique<SimReadFile>(disk, process, path, node);
}

std::unique_ptr<WritableFile> OpenSimWriter(SimDiskState& disk, const SimProcess& process,
                                            const std::string& path, const SimNodePtr& node) {
  return std::make_unique<SimWriteFile>(disk, process, path, node);
}

}  // namespace millrace

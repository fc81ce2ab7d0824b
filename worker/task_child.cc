// SPDX-License-Identifier: Apache-2.0
#include "worker/task_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "mapreduce/io/memory_file.h"
#include "worker/sandbox.h"
#include "worker/task_codec.h"
#include "worker/task_orphans.h"
#include "worker/task_spawn.h"

namespace millrace {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitsData = false;  // They take terabytes.
#else
constexpr bool kLimitsData = true;
#endif

static_assert(CurrentRecord::kKeyBytesMax == kGroupKeyBytesMax);

constexpr int kPipeBytes = 1 << 20;  // A wish: fewer wake-ups for one who prints much.
constexpr std::size_t kDrainBytesMax = kPipeBytes;

Status NoMemory(const char* what) {
  return Status::ResourceLimit("no memory for a child's ", what, ": ", std::strerror(errno));
}

// Bytes that whoever has the descriptor can only read.
Result<Descriptor> SealedBytes(const std::string& bytes) {
  Descriptor memory = MakeMemoryFile("assignment");
  if (memory.get() < 0) return NoMemory("assignment");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(memory.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return NoMemory("assignment");
    done += static_cast<std::size_t>(written);
  }
  if (!SealMemoryFile(memory.get(), kReadOnlySeals)) return NoMemory("assignment");
  return memory;
}

// Of a fixed size: a child that cuts it off would else crash us.
Result<Descriptor> SharedBytes(std::size_t size) {
  Descriptor memory = MakeMemoryFile("progress");
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (memory.get() < 0 || ftruncate(memory.get(), static_cast<off_t>(size)) != 0 ||
      !SealMemoryFile(memory.get(), kSeals))
    return NoMemory("progress");
  return memory;
}

// Twice the limit, and what libraries and stacks of threads reserve: a last resort, as reserved
// memory counts, too. The engine takes less where it gets less.
std::uint64_t DataBytesMax(std::uint64_t memory_bytes) {
  constexpr std::uint64_t kBeside = std::uint64_t{1} << 30;
  if (!kLimitsData || memory_bytes == 0 || memory_bytes > UINT64_MAX / 4) return UINT64_MAX;
  return 2 * memory_bytes + kBeside;
}

// What another execution of a task must not depend on, and what code without defects can't see:
// what fresh memory holds, and where the stack lies.
void Disturb(std::vector<std::string>& environment) {
  environment.emplace_back("MALLOC_PERTURB_=165");
  environment.push_back("MILLRACE_PADDING=" + std::string(4096 + getpid() % 4096, 'x'));
}

// The only one that it may write to.
void SetTemporaryFolder(const std::string& folder, std::vector<std::string>& environment) {
  std::erase_if(environment, [](const std::string& entry) { return entry.starts_with("TMPDIR="); });
  environment.push_back("TMPDIR=" + folder);
}

// Memory that is the process's alone.
std::uint64_t OwnMemoryBytes(pid_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/statm", pid);
  const Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
  char text[256] = {};
  if (file.get() < 0 || read(file.get(), text, sizeof text - 1) <= 0) return 0;
  unsigned long long size = 0, resident = 0, shared = 0;
  if (std::sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3) return 0;
  return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(getpagesize());
}

// What it has read and written by system calls; nothing once it is dead.
std::optional<std::int64_t> IoBytes(pid_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/io", pid);
  const Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (file.get() < 0 || read(file.get(), text, sizeof text - 1) <= 0) return std::nullopt;
  long long in = 0, out = 0;
  if (std::sscanf(text, "rchar: %lld wchar: %lld", &in, &out) != 2) return std::nullopt;
  return in + out;
}

}  // namespace

TaskChild::TaskChild(const TaskAssignment& assignment, const TaskChildOptions& options)
    : keeper_(options.keeper),
      is_sandboxed_(assignment.is_sandboxed),
      expected_(ExpectedOf(assignment)),
      task_name_(TaskNameOf(assignment)),
      log_bytes_max_(options.log_bytes_max),
      memory_bytes_max_(options.memory_bytes) {}

Result<std::unique_ptr<TaskChild>> TaskChild::Start(const TaskAssignment& assignment,
                                                    const TaskChildOptions& options) {
  std::unique_ptr<TaskChild> child(new TaskChild(assignment, options));
  MR_RETURN_IF_ERROR(child->Spawn(assignment, options));
  return child;
}

Status TaskChild::Spawn(const TaskAssignment& assignment, const TaskChildOptions& options) {
  MR_ASSIGN_OR_RETURN(const std::string frame, EncodeAssignment(assignment));
  MR_ASSIGN_OR_RETURN(const Descriptor assigned, SealedBytes(frame));
  MR_ASSIGN_OR_RETURN(const Descriptor progress, SharedBytes(sizeof(SharedRecord)));
  answer_fd_.emplace(MakeMemoryFile("answer"));
  if (answer_fd_->get() < 0) return NoMemory("answer");
  void* const page =
      mmap(nullptr, sizeof(SharedRecord), PROT_READ | PROT_WRITE, MAP_SHARED, progress.get(), 0);
  if (page == MAP_FAILED) return NoMemory("progress");
  shared_ = static_cast<SharedRecord*>(page);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return NoMemory("output");
  output_fd_ = ends[0];
  const Descriptor output(ends[1]);
  fcntl(output_fd_, F_SETPIPE_SZ, kPipeBytes);
  if (fcntl(output_fd_, F_SETFL, O_NONBLOCK) != 0) return NoMemory("output");
  const Descriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null.get() < 0) return NoMemory("input");

  SpawnSpec spec;
  spec.program = options.program;
  spec.arguments = {"millrace", "task-child"};
  spec.environment = ChildEnvironment();
  if (assignment.is_sandboxed) SetTemporaryFolder(assignment.scratch_directory, spec.environment);
  if (assignment.reference) Disturb(spec.environment);
  spec.descriptors = {null.get(),     output.get(),      output.get(),
                      assigned.get(), answer_fd_->get(), progress.get()};
  MR_CHECK(options.modules.size() == assignment.modules.size());
  for (const auto& module : options.modules) spec.descriptors.push_back(module->fd());
  spec.data_bytes_max = DataBytesMax(options.memory_bytes);
  spec.announce_fd = keeper_ != nullptr ? keeper_->fd() : -1;
  MR_ASSIGN_OR_RETURN(pid_, millrace::Spawn(spec));
  RegisterChild(pid_);
  // Not by <sys/pidfd.h>: that of glibc 2.36 is for C alone. It is closed by exec.
  end_fd_.emplace(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (end_fd_->get() < 0) return NoMemory("end");  // The destructor ends it.
  return Status::Ok();
}

TaskChild::~TaskChild() {
  if (pid_ >= 0) {
    Kill();
    Reap();
  }
  CloseOutput();
  if (shared_ != nullptr) munmap(shared_, sizeof(SharedRecord));
}

void TaskChild::CloseOutput() {
  if (output_fd_ >= 0) close(std::exchange(output_fd_, -1));
}

void TaskChild::DrainOutput() {
  char piece[16 << 10];
  for (std::size_t drained = 0; output_fd_ >= 0 && drained < kDrainBytesMax;) {
    const ssize_t bytes = read(output_fd_, piece, sizeof piece);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes <= 0) return CloseOutput();
    const auto count = static_cast<std::size_t>(bytes);
    drained += count;
    log_bytes_ += count;
    log_.append(piece, count);
    if (log_.size() > 2 * log_bytes_max_) log_.erase(0, log_.size() - log_bytes_max_);
  }
}

TaskChild::Progress TaskChild::progress() {
  const CurrentRecord& current = shared_->current;
  const Seen seen{shared_->records.load(std::memory_order_relaxed),
                  shared_->bytes.load(std::memory_order_relaxed),
                  current.record.load(std::memory_order_relaxed),
                  current.version.load(std::memory_order_relaxed),
                  current.group_count.load(std::memory_order_relaxed)};
  if (seen != seen_ || MovesFiles()) ++moves_;
  seen_ = seen;
  return {seen.records, seen.bytes, PositionOf(TakeSnapshot(current)), moves_};
}

// By more than the pipe holds, which one that only prints may be ahead of what was drained.
bool TaskChild::MovesFiles() {
  const std::optional<std::int64_t> bytes = pid_ < 0 ? std::nullopt : IoBytes(pid_);
  const std::int64_t file_bytes = bytes.value_or(0) - static_cast<std::int64_t>(log_bytes_);
  if (file_bytes <= file_bytes_ + kPipeBytes) return false;
  file_bytes_ = file_bytes;
  return true;
}

void TaskChild::CheckMemory() {
  if (memory_bytes_max_ == 0 || pid_ < 0 || over_memory_bytes_ > 0) return;
  const std::uint64_t bytes = OwnMemoryBytes(pid_);
  if (bytes <= memory_bytes_max_) return;
  over_memory_bytes_ = bytes;
  kill(-pid_, SIGKILL);
}

void TaskChild::Kill() {
  is_killed_ = true;
  if (pid_ >= 0) kill(-pid_, SIGKILL);
}

void TaskChild::Terminate() {
  is_killed_ = true;
  if (pid_ >= 0) kill(-pid_, SIGTERM);
}

// The group goes while its leader, dead, still holds its number: no other group can have it.
ChildEnding TaskChild::Reap() {
  const pid_t pid = std::exchange(pid_, -1);
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  KillGroup(pid);
  if (keeper_ != nullptr) keeper_->Forget(pid);
  int status = 0;
  rusage usage{};
  pid_t waited = 0;
  while ((waited = wait4(pid, &status, 0, &usage)) < 0 && errno == EINTR) {
  }
  ForgetChild(pid);
  EndOrphans(pid);
  return {.is_lost = waited != pid,
          .is_exit = WIFEXITED(status),
          .number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
          .memory_bytes_peak = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
          .is_killed = is_killed_,
          .over_memory_bytes = over_memory_bytes_,
          .memory_bytes_max = memory_bytes_max_};
}

std::variant<TaskSuccess, FailedTask> TaskChild::Finish() {
  MR_CHECK(pid_ >= 0);
  const ChildEnding ending = Reap();
  DrainOutput();  // A pipe full at most: somebody who got away may print for ever.
  Result<ChildAnswer> answer = ReadAnswer();
  if (!ending.is_clean() || !answer.ok()) return Failed(ending, answer.error());
  if (auto* const success = std::get_if<TaskSuccess>(&*answer)) return std::move(*success);
  TaskFault& fault = std::get<TaskFault>(*answer);
  FailedTask failed;
  failed.failure.code = fault.code;
  failed.failure.log = Log();
  failed.failure.message = WithHint(std::move(fault.message), failed.failure.log);
  failed.damaged_input = fault.damaged_input;
  return failed;
}

// kNotFound: there is none. The memory may be of any size, and is nobody's else by now.
Result<ChildAnswer> TaskChild::ReadAnswer() const {
  struct stat info {};
  if (fstat(answer_fd_->get(), &info) != 0) return NoMemory("answer");
  if (info.st_size == 0) return Status::NotFound("no answer");
  if (info.st_size > static_cast<off_t>(kAnswerBytesMax))
    return Status::Corrupt("it has ", info.st_size, " bytes");
  std::string frame(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t bytes = pread(answer_fd_->get(), frame.data(), frame.size(), 0);
  if (bytes != info.st_size) return Status::Corrupt("it can't be read");
  MR_ASSIGN_OR_RETURN(ChildAnswer answer, DecodeAnswer(frame));
  MR_RETURN_IF_ERROR(CheckAnswer(answer, expected_));
  return answer;
}

FailedTask TaskChild::Failed(const ChildEnding& ending, const Status& answer) const {
  std::optional<RecordSnapshot> at = TakeSnapshot(shared_->current);
  const std::optional<RecordPosition> position = PositionOf(at);
  if (at && expected_.kind == TaskKind::kMap && !position) at.reset();  // It is not the task's.
  const Status status = DescribeEnding(ending, task_name_, at, answer);
  FailedTask failed;
  failed.failure.code = status.code();
  failed.failure.position = position;
  failed.failure.log = Log();
  failed.failure.message = WithHint(status.message().substr(0, kErrorBytesMax), failed.failure.log);
  return failed;
}

// If there is room for it.
std::string TaskChild::WithHint(std::string message, const std::string& log) const {
  const std::string hint = is_sandboxed_ ? SandboxHint(message, log) : "";
  return message.size() + hint.size() <= kErrorBytesMax ? message + hint : message;
}

// A group whose key doesn't fit the page can't be told from others.
std::optional<RecordPosition> TaskChild::PositionOf(const std::optional<RecordSnapshot>& at) const {
  if (expected_.kind == TaskKind::kReduce) {
    if (!at || !at->shard.empty() || at->is_key_cut) return std::nullopt;
    return RecordPosition{"", 0, at->key};
  }
  if (!at || !expected_.shard_paths.contains(at->shard)) return std::nullopt;
  return RecordPosition{at->shard, at->offset};
}

// The end of what was printed, behind a note if that isn't all. Both fit what may be kept.
std::string TaskChild::Log() const {
  if (log_bytes_ <= log_bytes_max_) return log_;
  const std::string note = "[" + std::to_string(log_bytes_) + " bytes; the last of them:]\n";
  const std::size_t kept = log_bytes_max_ - std::min(log_bytes_max_, note.size());
  return note + log_.substr(log_.size() - std::min(log_.size(), kept));
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "cli/private_cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "cli/console.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/engine/prepared_run.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/work_directory.h"
#include "master/run_output.h"

extern char** environ;

namespace millrace {
namespace {

constexpr int kEndPatienceMs = 5'000;

/// A directory that only this user may look into.
class SocketDirectory {
 public:
  static Result<SocketDirectory> Make() {
    const char* const base = getenv("TMPDIR");
    std::string path =
        JoinPath(base != nullptr && base[0] == '/' ? base : "/tmp", "millrace-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) return NameErrno("making", path, errno);
    return SocketDirectory(std::move(path));
  }
  SocketDirectory(SocketDirectory&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  SocketDirectory& operator=(SocketDirectory&&) = delete;
  ~SocketDirectory() {
    if (!path_.empty()) static_cast<void>(LocalFileSystem().RemoveTree(path_));
  }
  std::string Endpoint(const char* name) const { return "ipc://" + JoinPath(path_, name); }

 private:
  explicit SocketDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// One of our own commands as a process that ends when we do.
class Service {
 public:
  static Result<std::unique_ptr<Service>> Start(std::vector<std::string> arguments);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  /// Ends it: first it may clean up.
  ~Service();

  /// Readable when it has ended.
  int end_fd() const { return end_fd_.get(); }

 private:
  Service(pid_t pid, Descriptor stdin_pipe, Descriptor end_fd)
      : pid_(pid), stdin_(std::move(stdin_pipe)), end_fd_(std::move(end_fd)) {}
  const pid_t pid_;
  Descriptor stdin_;
  Descriptor end_fd_;
};

Result<std::unique_ptr<Service>> Service::Start(std::vector<std::string> arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return WriteErrno("making", "a pipe", errno);
  Descriptor read_end(ends[0]), write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, read_end.get(), STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Of its own group: Ctrl-C is for us, who end it in good order.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return WriteErrno("starting", arguments[1], error);
  Descriptor end_fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  std::unique_ptr<Service> service(new Service(pid, std::move(write_end), std::move(end_fd)));
  if (service->end_fd() < 0) return WriteErrno("watching", arguments[1], errno);
  return service;
}

Service::~Service() {
  close(stdin_.Take());
  pollfd ended{.fd = end_fd_.get(), .events = POLLIN, .revents = 0};
  if (end_fd_.get() < 0 || poll(&ended, 1, kEndPatienceMs) <= 0) kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

/// Cancels a run whose master or worker has ended under it.
class EndWatch {
 public:
  EndWatch(std::vector<int> fds, CancelToken& cancel)
      : fds_(std::move(fds)), cancel_(cancel), stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { Watch(); });
  }
  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;
  ~EndWatch() { Stop(); }
  void Stop() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    static_cast<void>(!write(stop_.get(), &one, sizeof one));
    thread_.join();
  }
  bool has_ended() const { return has_ended_.load(); }

 private:
  void Watch() {
    std::vector<pollfd> polled = {{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    for (const int fd : fds_) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    while (poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {
    }
    if (polled[0].revents != 0) return;
    has_ended_.store(true);
    cancel_.Cancel();
  }

  const std::vector<int> fds_;
  CancelToken& cancel_;
  const Descriptor stop_;
  std::atomic<bool> has_ended_{false};
  std::thread thread_;
};

ClusterRunResult Failure(const Status& status) { return {status, ExitCode(status), false}; }

/// The run's hidden folders, locked. The one beside OUT also where the work is done elsewhere: who
/// has it is the only one to isolate a run to OUT.
struct Work {
  WorkDirectory beside_output;
  std::optional<WorkDirectory> scratch;
  const std::string& path() const { return scratch ? scratch->path() : beside_output.path(); }
};

Result<Work> MakeWork(const OutputPlace& place, const std::string& scratch,
                      CreatedDirectories& parents) {
  FileSystem& files = LocalFileSystem();
  MR_RETURN_IF_ERROR(parents.Make(ParentPath(place.output)));
  MR_ASSIGN_OR_RETURN(WorkDirectory beside, WorkDirectory::Acquire(files, place.work));
  Work work{std::move(beside), std::nullopt};
  if (!scratch.empty()) {
    MR_RETURN_IF_ERROR(parents.Make(scratch));
    MR_ASSIGN_OR_RETURN(work.scratch, WorkDirectory::Acquire(files, place.ScratchBelow(scratch)));
  }
  return work;
}

// Masters that isolate runs to one OUT have one id, for only one is alive: it takes over what a
// killed one has left in OUT's run directory.
std::string MasterIdFor(const std::string& output) {
  return HashOf128("isolated runs to " + output).Hex();
}

Status WriteMasterId(const std::string& state, const std::string& output) {
  FileSystem& files = LocalFileSystem();
  MR_RETURN_IF_ERROR(files.MakeDirectories(state));
  MR_ASSIGN_OR_RETURN(const auto file, files.Create(JoinPath(state, "id")));
  MR_RETURN_IF_ERROR(file->Append(MasterIdFor(output)));
  return file->Close();
}

}  // namespace

void ClearDeadIsolatedRun(const OutputPlace& place) {
  FileSystem& files = LocalFileSystem();
  if (!files.Stat(RunWorkDirectory(place.output)).ok()) return;
  const Result<WorkDirectory> lock = WorkDirectory::Acquire(files, place.work);
  if (lock.ok()) static_cast<void>(CleanOutput(files, place.output, MasterIdFor(place.output)));
}

ClusterRunResult RunIsolated(ClusterRunRequest request, CancelToken& cancel,
                             ConsoleProgress* progress) {
  const RunRequest& run = request.run;
  CreatedDirectories parents(LocalFileSystem());
  const Result<OutputPlace> place = OutputPlace::Resolve(run.output);
  if (!place.ok()) return Failure(place.error());
  const Result<Work> work = MakeWork(*place, run.scratch, parents);
  if (!work.ok()) return Failure(work.error());
  const std::string state = JoinPath(work->path(), "state");
  if (const Status id = WriteMasterId(state, place->output); !id.ok()) return Failure(id);
  Result<SocketDirectory> sockets = SocketDirectory::Make();
  if (!sockets.ok()) return Failure(sockets.error());
  request.master = sockets->Endpoint("master");
  const int slots = run.parallel > 0 ? run.parallel : UsableCores();
  auto master = Service::Start({"millrace", "master", "--listen", request.master, "--state", state,
                                "--exit-on-stdin-eof", "--quiet"});
  if (!master.ok()) return Failure(master.error());
  // Without a sandbox: the run may do what it may do without --isolate, above all when it is the
  // second try of one that crashed (isolated_rerun.h).
  auto worker = Service::Start(
      {"millrace", "worker", "--master", request.master, "--listen", sockets->Endpoint("worker"),
       "--slots", std::to_string(slots), "--memory", std::to_string(run.memory_bytes), "--spool",
       JoinPath(work->path(), "spool"), "--no-sandbox", "--exit-on-stdin-eof", "--quiet"});
  if (!worker.ok()) return Failure(worker.error());
  EndWatch watch({(*master)->end_fd(), (*worker)->end_fd()}, cancel);
  ClusterRunResult result = RunOnCluster(request, cancel, progress);
  watch.Stop();
  if (!result.summary.ok() && watch.has_ended()) {
    return Failure(Status::ResourceLimit(
        "the process that isolates the run's tasks (its own master or worker) has ended before the "
        "run, perhaps since memory ran out or somebody killed it: run it again"));
  }
  // What the master had no time for.
  worker->reset();
  master->reset();
  static_cast<void>(CleanOutput(LocalFileSystem(), place->output, MasterIdFor(place->output)));
  if (result.summary.ok()) parents.Keep();
  return result;
}

}  // namespace millrace

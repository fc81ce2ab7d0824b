// SPDX-License-Identifier: Apache-2.0
#include "worker/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <set>
#include <utility>

#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

// ---- Landlock -----------------------------------------------------------------------------------

// Debian 12's header ends with version 2.
constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;            // From 3 on.
constexpr std::uint64_t kIoctlDevice = std::uint64_t{1} << 15;         // From 5 on.
constexpr std::uint64_t kBindTcp = 1, kConnectTcp = 2;                 // From 4 on.
constexpr std::uint64_t kScopeAbstractSockets = 1, kScopeSignals = 2;  // From 6 on.

struct RulesetAttributes {
  std::uint64_t fs = 0;   // Denied where no rule allows it.
  std::uint64_t net = 0;  // Likewise.
  std::uint64_t scoped = 0;
};

constexpr std::uint64_t kReads =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_READ_FILE | kTruncate | kIoctlDevice;

std::uint64_t RightsOf(int version) {
  std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // All of version 1.
  if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDevice;
  return rights;
}

std::size_t SizeFor(int version) {
  return version < 4 ? 8 : version < 6 ? 16 : sizeof(RulesetAttributes);
}

// Programs, libraries and what these look at. Of /etc single entries: it has keys and passwords,
// too. Below /proc a process sees of others only what no secret is in: Landlock keeps it from
// tracing them, which the rest is bound to.
constexpr const char* kSystemReads[] = {
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/opt", "/nix/store", "/proc",
    "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage", "/dev/random", "/dev/urandom",
    // Dynamic linking, names, time, languages.
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload",
    "/etc/alternatives", "/etc/group", "/etc/host.conf", "/etc/hosts", "/etc/localtime",
    "/etc/locale.alias", "/etc/magic", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/os-release",
    "/etc/passwd", "/etc/perl", "/etc/protocols", "/etc/python3", "/etc/python3.11",
    "/etc/services", "/etc/ssl/openssl.cnf", "/etc/timezone"};
constexpr const char* kSystemWrites[] = {"/dev/null", "/dev/zero", "/dev/full"};

bool IsBelow(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string TargetOf(const std::string& link) {
  char target[PATH_MAX];
  const ssize_t bytes = readlink(link.c_str(), target, sizeof target);
  return {target, static_cast<std::size_t>(std::max<ssize_t>(bytes, 0))};
}

class Landlock {
 public:
  static Result<Landlock> Make(int version) {
    const RulesetAttributes attributes{RightsOf(version), kBindTcp | kConnectTcp,
                                       kScopeAbstractSockets | kScopeSignals};
    Landlock landlock(version, static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes,
                                                        SizeFor(version), 0)));
    if (landlock.ruleset_.get() < 0) return Refused("a ruleset");
    return landlock;
  }

  /// The file that is there now, under whatever name: rules are of inodes. `flags` are open's.
  Status Allow(const std::string& path, std::uint64_t rights, int flags = 0) {
    const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC | flags));
    return place.get() < 0 ? Status::Ok() : Allow(place, path, rights);
  }
  /// Likewise, but it must be there.
  Status AllowWrites(const std::string& path) {
    const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (place.get() < 0)
      return Status::Unavailable("the task can't write to ", path, ": ", std::strerror(errno));
    return Allow(place, path, ~kIoctlDevice);
  }
  /// Through links, but not to what lies below `hidden`.
  Status AllowInput(const std::string& path, const std::vector<std::string>& hidden) {
    const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (place.get() < 0) return Status::Ok();
    const std::string real = TargetOf("/proc/self/fd/" + std::to_string(place.get()));
    const bool is_hidden = std::any_of(hidden.begin(), hidden.end(),
                                       [&](const auto& folder) { return IsBelow(real, folder); });
    return is_hidden ? Status::Ok() : Allow(place, path, LANDLOCK_ACCESS_FS_READ_FILE);
  }

  Status Enter() {
    if (syscall(SYS_landlock_restrict_self, ruleset_.get(), 0) == 0) return Status::Ok();
    return Refused("its rules");
  }

 private:
  Landlock(int version, int ruleset) : version_(version), ruleset_(ruleset) {}
  Status Allow(const Descriptor& place, const std::string& path, std::uint64_t rights) {
    struct stat info {};
    if (fstat(place.get(), &info) != 0) return Refused(path);
    landlock_path_beneath_attr rule{};
    rule.parent_fd = place.get();
    rule.allowed_access = rights & RightsOf(version_);
    if (!S_ISDIR(info.st_mode)) rule.allowed_access &= kOfFiles;
    if (syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
      return Status::Ok();
    return Refused(path);
  }
  static Status Refused(std::string_view what) {
    return Status::Internal("the task's sandbox can't be made: Landlock refuses ", what, ": ",
                            std::strerror(errno), "; start the worker with --no-sandbox");
  }

  int version_;
  Descriptor ruleset_;
};

std::vector<std::string> Listed(const char* list) {
  std::vector<std::string> paths;
  std::string_view rest = list == nullptr ? "" : list;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (rest.starts_with('/')) paths.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return paths;
}

Status EnterLandlock(int version, const SandboxPaths& paths) {
  MR_ASSIGN_OR_RETURN(Landlock landlock, Landlock::Make(version));
  for (const char* const path : kSystemReads) MR_RETURN_IF_ERROR(landlock.Allow(path, kReads));
  constexpr std::uint64_t kReadsAndWrites =
      LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;
  for (const char* const path : kSystemWrites)
    MR_RETURN_IF_ERROR(landlock.Allow(path, kReadsAndWrites));
  // The program itself, and what the worker's administrator has named to it.
  MR_RETURN_IF_ERROR(landlock.Allow("/proc/self/exe", kReads));
  for (const std::string& path : Listed(std::getenv("LD_LIBRARY_PATH")))
    MR_RETURN_IF_ERROR(landlock.Allow(path, kReads));
  if (const char* const library = std::getenv("MILLRACE_DUCKDB"); library != nullptr)
    MR_RETURN_IF_ERROR(landlock.Allow(library, kReads));
  for (const std::string& path : paths.inputs)
    MR_RETURN_IF_ERROR(landlock.AllowInput(path, paths.hidden));
  for (const std::string& path : paths.reads)
    MR_RETURN_IF_ERROR(landlock.Allow(
        path, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, O_NOFOLLOW));
  for (const std::string& path : paths.writes) MR_RETURN_IF_ERROR(landlock.AllowWrites(path));
  return landlock.Enter();
}

// ---- seccomp ------------------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kDeniesPtrace = false;  // The leak checker stops the process's threads with it.
#else
constexpr bool kDeniesPtrace = true;
#endif

// Denied whatever the arguments. Pipes, files, threads, processes and socketpair() are not here.
constexpr int kDenied[] = {
    // To talk to others.
    SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
    SCMP_SYS(accept4), SCMP_SYS(mq_open), SCMP_SYS(msgget), SCMP_SYS(semget), SCMP_SYS(shmget),
    // To look into others, or take their files.
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
    SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd), SCMP_SYS(perf_event_open),
    // Other views of files, past the paths that rules are about.
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(fanotify_init),
    // Keys.
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
    // Wide parts of the kernel, most of its holes, and no task's need.
    SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(personality), SCMP_SYS(modify_ldt),
    // The machine's.
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(syslog), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(vhangup), SCMP_SYS(iopl),
    SCMP_SYS(ioperm)};

constexpr std::uint64_t kNewNamespaces[] = {CLONE_NEWNS,    CLONE_NEWUTS, CLONE_NEWIPC,
                                            CLONE_NEWUSER,  CLONE_NEWPID, CLONE_NEWNET,
                                            CLONE_NEWCGROUP};

/// The first error sticks.
class Filter {
 public:
  Filter() : filter_(seccomp_init(SCMP_ACT_ALLOW)) {
    if (filter_ == nullptr) error_ = -ENOMEM;
    // As before the filter: no cost beyond its own. And other interfaces are not there at all.
    Take(filter_ == nullptr ? error_ : seccomp_attr_set(filter_, SCMP_FLTATR_CTL_SSB, 1));
    if (error_ == 0)
      Take(seccomp_attr_set(filter_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)));
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    if (filter_ != nullptr) seccomp_release(filter_);
  }

  void Deny(int call, int error = EPERM) {
    if (error_ == 0) Take(seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(error), call, 0, nullptr));
  }
  void DenyIf(int call, const scmp_arg_cmp& condition) {
    if (error_ == 0)
      Take(seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(EPERM), call, 1, &condition));
  }
  Status Enter() {
    if (error_ == 0) Take(seccomp_load(filter_));
    if (error_ == 0) return Status::Ok();
    return Status::Internal("the task's sandbox can't be made: seccomp refuses its filter: ",
                            std::strerror(-error_), "; start the worker with --no-sandbox");
  }

 private:
  // A call that this machine's interface never had is denied already.
  void Take(int result) {
    if (error_ == 0 && result < 0 && result != -EDOM) error_ = result;
  }
  scmp_filter_ctx filter_;
  int error_ = 0;
};

Status EnterSeccomp() {
  constexpr std::uint64_t kTypeMask = 0xf;  // Of a socket; the rest are flags.
  Filter filter;
  for (const int call : kDenied) filter.Deny(call);
  if (kDeniesPtrace) filter.Deny(SCMP_SYS(ptrace));
  // A pair reaches nobody else, but for datagrams, which may have any address.
  filter.DenyIf(SCMP_SYS(socketpair), SCMP_A0_64(SCMP_CMP_NE, AF_UNIX));
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
    filter.DenyIf(SCMP_SYS(socketpair),
                  SCMP_A1_64(SCMP_CMP_MASKED_EQ, kTypeMask, static_cast<std::uint64_t>(type)));
  }
  for (const std::uint64_t flag : kNewNamespaces)
    filter.DenyIf(SCMP_SYS(clone), SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
  filter.Deny(SCMP_SYS(clone3), ENOSYS);  // Its flags are out of sight; libraries then use clone.
  filter.DenyIf(SCMP_SYS(prlimit64), SCMP_A0_64(SCMP_CMP_NE, 0));  // Only one's own.
  for (const std::uint64_t request : {TIOCSTI, TIOCLINUX}) {       // Types into a terminal.
    filter.DenyIf(SCMP_SYS(ioctl),
                  SCMP_A1_64(SCMP_CMP_MASKED_EQ, std::uint64_t{0xffffffff}, request));
  }
  return filter.Enter();
}

// ---- Capabilities -------------------------------------------------------------------------------

// A worker that is root's reads everybody's files, and so do its tasks. With no_new_privs nothing
// that is executed gets any back.
Status DropCapabilities() {
  constexpr std::uint32_t kKept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE |
                                  1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER | 1U << CAP_FSETID;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) == 0) {
    bool has_others = false;
    for (std::size_t i = 0; i < std::size(data); ++i) {
      const std::uint32_t kept = i == 0 ? kKept : 0;
      has_others |= ((data[i].permitted | data[i].inheritable) & ~kept) != 0;
      data[i].effective &= kept;
      data[i].permitted &= kept;
      data[i].inheritable &= kept;
    }
    // A service that has none may not be allowed to ask, either.
    if (!has_others || syscall(SYS_capset, &header, data) == 0) return Status::Ok();
  }
  return Status::Internal("the task's sandbox can't be made: capabilities stay: ",
                          std::strerror(errno), "; start the worker with --no-sandbox");
}

}  // namespace

SandboxSupport FindSandboxSupport() {
  constexpr unsigned kAskVersion = 1;
  constexpr long kVersionMin = 2;  // The first lets nobody rename from folder to folder.
  SandboxSupport support;
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  support.landlock = version >= kVersionMin ? static_cast<int>(version) : 0;
  std::uint32_t action = SECCOMP_RET_ERRNO;
  support.has_seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  return support;
}

std::string ReadableSystemFolder(const std::string& path) {
  for (const char* const folder : kSystemReads) {
    if (IsBelow(path, folder)) return folder;
  }
  return "";
}

std::string DescribeSandbox(bool is_wanted, const SandboxSupport& support) {
  if (!is_wanted) return "tasks run without a sandbox: --no-sandbox";
  if (support.landlock == 0 && !support.has_seccomp)
    return "tasks run without Landlock and seccomp: the kernel has none";
  std::string text = "tasks run with ";
  if (support.landlock > 0) text += "Landlock " + std::to_string(support.landlock);
  if (support.landlock > 0 && support.has_seccomp) text += " and ";
  if (support.has_seccomp) text += "seccomp";
  if (support.landlock == 0) text += ", without Landlock: the kernel has none";
  if (!support.has_seccomp) text += ", without seccomp: the kernel has none";
  return text;
}

SandboxPaths PathsOf(const TaskAssignment& assignment) {
  std::set<std::string> reads(assignment.also_reads.begin(), assignment.also_reads.end());
  std::set<std::string> writes(assignment.also_writes.begin(), assignment.also_writes.end());
  std::set<std::string> inputs;
  for (const TaskPiece& piece : assignment.pieces) inputs.insert(piece.file.file.path);
  for (const ReduceInput& input : assignment.inputs)
    reads.insert(std::visit([](const auto& of) { return of.path; }, input));
  for (const TaskTable& table : assignment.tables) {
    for (const MadeTableFile& file : table.files) reads.insert(file.path);
  }
  if (const auto& reference = assignment.reference) {
    for (const RunInfo& run : reference->runs) reads.insert(run.path);
    if (!reference->output_directory.empty()) reads.insert(reference->output_directory);
  }
  writes.insert(assignment.scratch_directory);
  if (!assignment.output_directory.empty()) writes.insert(assignment.output_directory);
  for (const NewRun& run : assignment.runs) writes.insert(ParentPath(run.path));  // The attempt's.
  return {{inputs.begin(), inputs.end()},
          {reads.begin(), reads.end()},
          {writes.begin(), writes.end()},
          assignment.hidden};
}

Status EnterSandbox(const SandboxPaths& paths) {
  const SandboxSupport support = FindSandboxSupport();
  MR_RETURN_IF_ERROR(DropCapabilities());
  if (support.landlock > 0) MR_RETURN_IF_ERROR(EnterLandlock(support.landlock, paths));
  if (support.has_seccomp) MR_RETURN_IF_ERROR(EnterSeccomp());
  return Status::Ok();
}

std::string SandboxHint(std::string_view message, std::string_view log) {
  for (const std::string_view words : {"Permission denied", "Operation not permitted"}) {
    if (message.find(words) == message.npos && log.find(words) == log.npos) continue;
    return " (a task may open no sockets and only its own files; if that is why: millrace worker "
           "--allow-read, --allow-write, --no-sandbox)";
  }
  return "";
}

}  // namespace millrace

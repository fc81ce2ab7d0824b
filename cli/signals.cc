// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

#include "cli/console.h"
#include "cli/isolated_rerun.h"
#include "cli/sudden_end.h"
#include "mapreduce/engine/active_run.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPatience{1500};

int ExitCodeOf(int signal) { return signal == SIGINT ? kExitInterrupted : kExitTerminated; }

const char* Word(int signal) { return signal == SIGINT ? "interrupted" : "terminated"; }

}  // namespace

SignalGuard::SignalGuard(CancelToken& cancel) : cancel_(cancel) {
  sigemptyset(&watched_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // What was ignored when we were started (nohup, a shell's background job) stays ignored.
    struct sigaction current {};
    sigaction(signal, nullptr, &current);
    if (current.sa_handler != SIG_IGN) sigaddset(&watched_, signal);
  }
  pthread_sigmask(SIG_BLOCK, &watched_, &previous_);
  signal_fd_ = signalfd(-1, &watched_, SFD_CLOEXEC | SFD_NONBLOCK);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { Watch(); });
}

SignalGuard::~SignalGuard() {
  const std::uint64_t one = 1;
  static_cast<void>(!write(stop_fd_, &one, sizeof(one)));
  thread_.join();
  close(signal_fd_);
  close(stop_fd_);
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

int SignalGuard::exit_code() const {
  return signal_.load() == 0 ? kExitInterrupted : ExitCodeOf(signal_.load());
}

const char* SignalGuard::word() const {
  return signal_.load() == 0 ? "interrupted" : Word(signal_.load());
}

void SignalGuard::Watch() {
  Clock::time_point deadline = Clock::time_point::max();
  while (true) {
    int timeout_ms = -1;
    if (signal_.load() != 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      timeout_ms = left.count() > 0 ? static_cast<int>(left.count()) : 0;
    }
    pollfd polled[] = {{.fd = stop_fd_, .events = POLLIN}, {.fd = signal_fd_, .events = POLLIN}};
    const int ready = poll(polled, 2, timeout_ms);
    if (polled[0].revents != 0) return;
    signalfd_siginfo info{};
    const bool has_signal =
        ready > 0 && read(signal_fd_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info));
    if (has_signal && signal_.load() == 0) {
      signal_.store(static_cast<int>(info.ssi_signo));
      cancel_.Cancel();
      DisarmIsolatedRerun();
      deadline = Clock::now() + kPatience;
    } else if (has_signal || (signal_.load() != 0 && Clock::now() >= deadline)) {
      if (!has_signal && IsAnyRunPublishing()) {
        deadline = Clock::now() + kPatience;
        continue;
      }
      if (!ClaimEnd()) return;  // Another thread is ending the process or the run.
      EndSuddenly(ExitCodeOf(signal_.load()), Word(signal_.load()));
    }
  }
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_signal.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cli/console.h"
#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

Status AddTo(int epoll_fd, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return Status::Ok();
  if (errno == EPERM) {
    return Status::InvalidArgument(
        "--exit-on-stdin-eof: standard input is a file, /dev/null perhaps, whose end can't be "
        "waited for: give it a pipe that whoever starts this holds open, or leave the flag away");
  }
  return WriteErrno("watching", "standard input", errno);
}

}  // namespace

Result<std::unique_ptr<StopSignal>> StopSignal::Watch(bool watches_stdin) {
  sigset_t watched, previous;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&watched, signal);
  pthread_sigmask(SIG_BLOCK, &watched, &previous);
  Descriptor signals(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  Descriptor fd(epoll_create1(EPOLL_CLOEXEC));
  if (signals.get() < 0 || fd.get() < 0) {
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    return WriteErrno("making", "a descriptor for signals", error);
  }
  std::unique_ptr<StopSignal> stop(new StopSignal(std::move(fd), std::move(signals), previous));
  MR_RETURN_IF_ERROR(AddTo(stop->fd(), stop->signals_.get()));
  if (watches_stdin) MR_RETURN_IF_ERROR(AddTo(stop->fd(), STDIN_FILENO));
  return stop;
}

StopSignal::~StopSignal() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

bool StopSignal::HasCome() {
  epoll_event event{};
  if (epoll_wait(fd(), &event, 1, 0) != 1) return false;
  if (event.data.fd == signals_.get()) {
    signalfd_siginfo info{};
    if (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return false;
    exit_code_ = info.ssi_signo == SIGINT ? kExitInterrupted : kExitTerminated;
    return true;
  }
  char thrown_away[4096];
  const ssize_t count = read(STDIN_FILENO, thrown_away, sizeof thrown_away);
  return count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/cluster_site.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <iostream>
#include <thread>
#include <vector>

namespace millrace {
namespace {

namespace fs = std::filesystem;

// True once for each port of the machine, until this process ends: another test's master that is
// away for a moment keeps its port. The kernel removes the name of the socket with the last
// descriptor.
bool Reserve(std::uint16_t port) {
  const std::string name = "millrace-test-port-" + std::to_string(port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);  // Behind a NUL: in no folder.
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) == 0) return true;
  close(fd);
  return false;
}

// Nobody else listens there.
bool IsFree(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return is_free;
}

}  // namespace

std::string QuietEndpoint() {
  constexpr std::uint32_t kFirst = 12'000, kCount = 18'000;
  static std::atomic<std::uint32_t> next{static_cast<std::uint32_t>(getpid()) * 131};
  for (;;) {
    const auto port = static_cast<std::uint16_t>(kFirst + next++ % kCount);
    if (Reserve(port) && IsFree(port)) return "tcp://127.0.0.1:" + std::to_string(port);
  }
}

void SideBySide(int threads, const std::function<bool(std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> is_over{false};
  std::vector<std::jthread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      while (!is_over && !testing::Test::HasFailure()) {
        if (!work(next++)) is_over = true;
      }
    });
  }
}

Site::Site() {
  SetUp();
  ListenAt(QuietEndpoint());
}

Site::~Site() { TearDown(); }

fs::path Site::Base() {
  if (access("/dev/shm", W_OK) == 0 && std::getenv("TEST_TMPDIR") == nullptr) return "/dev/shm";
  return ClusterTest::Base();
}

void Site::StartMasterOfLives(const Words& lives, const std::string& always) {
  lives_ = lives;
  always_ = always;
  life_ = 0;
  NextLife();
}

void Site::NextLife() {
  for (;;) {
    const std::string life = life_ < lives_.size() ? lives_[life_] : "";
    environment_ = {"MILLRACE_FAILPOINTS=" + always_ + ";" + life};
    ++life_;
    const bool is_up = TryStartMaster();
    environment_.clear();
    if (is_up) return;
    const ProcessResult result = master().Wait();
    ASSERT_EQ(result.exit_code, 137) << result.err;
    ++kills_;
  }
}

ProcessResult Site::Follow(ClusterProcess& client) {
  AwaitThat("the client's end", [&] {
    if (client.HasEnded() || HasFatalFailure()) return true;
    if (!master().HasEnded()) return false;
    EXPECT_EQ(master().Wait().exit_code, 137) << master().err();
    ++kills_;
    NextLife();
    return false;
  });
  return client.Wait();
}

bool Site::IsTidy() {
  for (const fs::directory_entry& entry : fs::directory_iterator(root_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".") && name != ".cluster") return false;
  }
  return true;
}

void Site::AwaitTidy() {
  AwaitThat("that nothing is beside the output", [&] {
    if (IsTidy() || HasFatalFailure()) return true;
    if (!master().HasEnded()) return false;
    EXPECT_EQ(master().Wait().exit_code, 137) << master().err();
    ++kills_;
    NextLife();
    return false;
  });
}

void Site::EnterJail(const Jail* jail, const Words& more) {
  wrapper_ = jail == nullptr ? Words() : jail->Entry() + more;
}

void Site::EndMaster() {
  while (!HasFatalFailure()) {
    master().CloseStdin();
    const int exit_code = master().Wait().exit_code;
    if (exit_code == 0) return;
    ASSERT_EQ(exit_code, 137) << master().err();
    ++kills_;
    NextLife();
  }
}

Jail::Jail(const Site& site, Kind kind)
    : kind_(kind),
      directory_(site.root()),
      holder_({.words = {"/usr/bin/unshare", kind == Kind::kDisks ? "-Urm" : "-Urn", "/bin/sh",
                         "-c", "echo inside; exec cat"},
               .directory = site.root(),
               .log = site.Place("logs") / "jail",
               .environment = {}}) {}

std::unique_ptr<Jail> Jail::Make(const Site& site, Kind kind) {
  std::unique_ptr<Jail> jail(new Jail(site, kind));
  AwaitThat("the jail",
            [&] { return jail->holder_.HasEnded() || jail->holder_.out().ends_with("\n"); });
  if (jail->holder_.HasEnded()) return nullptr;
  const bool is_usable =
      jail->Run(kind == Kind::kDisks ? "true" : "ip link set lo up && nft list tables");
  return is_usable ? std::move(jail) : nullptr;
}

Words Jail::Entry() const {
  const std::string pid = std::to_string(holder_.pid());
  return {"/usr/bin/nsenter",
          "-t",
          pid,
          "-U",
          kind_ == Kind::kDisks ? "-m" : "-n",
          "--preserve-credentials",
          "/bin/sh",
          "-c",
          "cd \"$0\" && exec \"$@\"",
          directory_};
}

bool Jail::Run(const std::string& script) const {
  ClusterProcess shell({.words = Entry() + Words{"/bin/sh", "-c", script},
                        .directory = directory_,
                        .log = directory_ / ".cluster/logs/script",
                        .environment = {"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}});
  const ProcessResult result = shell.Wait();
  if (result.exit_code != 0) std::cerr << script << ": " << result.err;
  return result.exit_code == 0;
}

fs::path Jail::View(const fs::path& path) const {
  return "/proc/" + std::to_string(holder_.pid()) + "/root" + path.string();
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/integration/shell.h"

namespace millrace {
namespace fs = std::filesystem;
namespace {

// Where the newest server's programs are; empty without one.
fs::path Programs() {
  std::vector<std::pair<int, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const fs::path programs = entry.path() / "bin";
    if (fs::exists(programs / "initdb") && fs::exists(programs / "pg_dump")) {
      found.emplace_back(std::atoi(entry.path().filename().c_str()), programs);
    }
  }
  return found.empty() ? fs::path() : std::max_element(found.begin(), found.end())->second;
}

// Root may not run it; anybody else is whom it runs as.
std::string AsServer() { return ::geteuid() == 0 ? "runuser -u postgres -- " : ""; }

}  // namespace

bool PostgresServer::IsInstalled() {
  return !Programs().empty() && (::geteuid() != 0 || ::getpwnam("postgres") != nullptr);
}

PostgresServer::PostgresServer() : programs_(Programs()) {
  char name[] = "/tmp/millrace-postgres-XXXXXX";
  folder_ = ::mkdtemp(name);
  fs::permissions(folder_, fs::perms::all);  // The server's user is another one.
  Shell(AsServer() + (programs_ / "initdb").string() + " -D " + (folder_ / "data").string() +
        " -A trust -U postgres --no-sync -E UTF8 --locale=C > " + (folder_ / "log").string() +
        " 2>&1");
  Start();
}

PostgresServer::~PostgresServer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGINT);
    ::waitpid(pid_, nullptr, 0);
  }
  fs::remove_all(folder_);
}

std::string PostgresServer::Client(const std::string& program, const std::string& database) const {
  return (programs_ / program).string() + " -h " + folder_.string() + " -U postgres -d " +
         database + " ";
}

std::string PostgresServer::Ask(const std::string& database, const std::string& script) const {
  WriteFile(folder_ / "script.sql", script);
  return Shell(Client("psql", database) + "-X -q -v ON_ERROR_STOP=1 -f " +
               (folder_ / "script.sql").string());
}

void PostgresServer::Start() {
  std::vector<std::string> words = {(programs_ / "postgres").string(),
                                    "-D",
                                    (folder_ / "data").string(),
                                    "-k",
                                    folder_.string(),
                                    "-c",
                                    "listen_addresses=",
                                    "-c",
                                    "fsync=off"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = (folder_ / "server.log").string();
  const passwd* const user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
  pid_ = ::fork();
  if (pid_ == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    const bool is_user =
        user == nullptr || (::setgroups(0, nullptr) == 0 && ::setgid(user->pw_gid) == 0 &&
                            ::setuid(user->pw_uid) == 0);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (is_user) ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  const std::string ping = Client("psql", "postgres") + "-c 'SELECT 1' >/dev/null 2>&1";
  for (int i = 0; i < 1200; ++i) {
    if (std::system(ping.c_str()) == 0) return;
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // Until it is asked again.
  }
  ADD_FAILURE() << "the server does not answer:\n" << ReadFile(log);
}

void PostgresTest::SetUp() {
  if (PostgresServer::IsInstalled()) {
    if (server_ == nullptr) server_ = std::make_unique<PostgresServer>();
    return;
  }
  if (std::getenv("MILLRACE_TEST_ALL") != nullptr) FAIL() << "needs PostgreSQL's server";
  GTEST_SKIP() << "needs PostgreSQL's server; with MILLRACE_TEST_ALL=1 a failure";
}

}  // namespace millrace

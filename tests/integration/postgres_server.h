// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INTEGRATION_POSTGRES_SERVER_H_
#define TESTS_INTEGRATION_POSTGRES_SERVER_H_

// A real PostgreSQL, for tests that want one; without it they are skipped.

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace millrace {

/// A server of its own in a new folder, reached by a socket there, until it is destroyed.
class PostgresServer {
 public:
  PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  /// Whether there are a server's programs, and a user to run it as.
  static bool IsInstalled();

  const std::filesystem::path& folder() const { return folder_; }
  /// The begin of a line of shell.
  std::string Client(const std::string& program, const std::string& database) const;
  /// What psql prints of a script.
  std::string Ask(const std::string& database, const std::string& script) const;
  std::string CopyOut(const std::string& database, const std::string& table) const {
    return Ask(database, "COPY " + table + " TO STDOUT;\n");
  }

 private:
  void Start();

  const std::filesystem::path programs_;
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

/// A suite whose tests share a server.
class PostgresTest : public testing::Test {
 protected:
  void SetUp() override;
  static void TearDownTestSuite() { server_.reset(); }

  static inline std::unique_ptr<PostgresServer> server_;
};

}  // namespace millrace

#endif  // TESTS_INTEGRATION_POSTGRES_SERVER_H_

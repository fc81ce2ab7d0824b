// SPDX-License-Identifier: Apache-2.0
// Clusters with keys: the same bytes, and nobody else's business.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class KeysTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    MakeKeys("keys");
    key_flags_ = {"--keys", (root_ / "keys").string()};
    for (int shard = 0; shard < 8; ++shard) {
      std::ostringstream lines;
      for (int i = 0; i < 40; ++i) lines << "word" << (i * shard) % 13 << " and more\n";
      WriteShard("in/shard-" + std::to_string(shard), lines.str());
    }
  }

  void MakeKeys(const std::string& directory) {
    const ProcessResult result = Run({"keygen", directory});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  Words Keys(const std::string& directory) const {
    return {"--keys", (root_ / directory).string()};
  }
  void AddKey(const std::string& what) {
    const ProcessResult result = Run({"keygen", "keys", "--add", what});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  /// Takes the lines of `name` from a list.
  void Revoke(const std::string& list, const std::string& name) const {
    std::ifstream in(root_ / list);
    std::string kept;
    for (std::string line; std::getline(in, line);) {
      if (line.find(" " + name + " ") == std::string::npos) kept += line + "\n";
    }
    std::ofstream(root_ / list, std::ios::trunc) << kept;
  }

  const Words job_ = {"wordcount", "--input", "in", "--split-size", "1k", "--parts", "3"};
};

TEST_F(KeysTest, LeaveTheSameBytes) {
  StartCluster(3, {"--no-direct-reads"});
  AwaitWorkers(3);
  ExpectLocalBytes(job_);
  EXPECT_THAT(master().err(), Not(HasSubstr("turned away")));
}

TEST_F(KeysTest, StrangersAreTurnedAwayAndToldWhy) {
  StartCluster(1);
  AwaitWorkers(1);
  MakeKeys("others");
  fs::copy(root_ / "keys/submitter/master.key", root_ / "others/submitter/master.key",
           fs::copy_options::overwrite_existing);
  const Words run = Words{"run"} + job_ + Words{"--output", "out"};
  const ProcessResult unknown = RunAtMaster(run + Keys("others"));
  EXPECT_EQ(unknown.exit_code, 69) << unknown.err;
  EXPECT_THAT(unknown.err, HasSubstr("does not take this key"));
  const auto keyless = Start(run + Words{"--master", endpoint()});
  const ProcessResult without = keyless->Wait();
  EXPECT_EQ(without.exit_code, 69) << without.err;
  EXPECT_THAT(without.err, HasSubstr("it insists on keys"));
  EXPECT_FALSE(fs::exists(root_ / "out"));
  EXPECT_TRUE(Status()["runs"].empty());
  AwaitThat("the master's note",
            [&] { return master().err().find("turned away: ") != std::string::npos; });
}

TEST_F(KeysTest, ARoleIsAllItMayDo) {
  AddKey("viewer=wall");
  StartCluster(1);
  AwaitWorkers(1);
  const Words run = Words{"run"} + job_ + Words{"--output", "out"};
  const ProcessResult by_worker = RunAtMaster(run + Keys("keys/worker"));
  EXPECT_EQ(by_worker.exit_code, 69) << by_worker.err;
  EXPECT_THAT(by_worker.err, HasSubstr("worker is a worker's"));
  EXPECT_EQ(RunAtMaster(Words{"status"} + Keys("keys/wall")).exit_code, 0);
  for (const Words& words : {run, Words{"cancel", "wordcount-1"}}) {
    const ProcessResult by_viewer = RunAtMaster(words + Keys("keys/wall"));
    EXPECT_EQ(by_viewer.exit_code, 69) << by_viewer.err;
    EXPECT_THAT(by_viewer.err, HasSubstr("wall is a viewer's, and this takes a submitter's"));
  }
  EXPECT_TRUE(Status()["runs"].empty());

  // A submitter's key with a worker's list beside it.
  fs::create_directory(root_ / "mixed");
  for (const char* const file :
       {"submitter/secret.key", "submitter/master.key", "worker/allowed.keys"}) {
    fs::copy(root_ / "keys" / file, root_ / "mixed" / fs::path(file).filename());
  }
  const auto worker = StartAtMaster(
      Words{"worker", "--spool", Place("spool"), "--exit-on-stdin-eof"} + Keys("mixed"));
  const ProcessResult by_submitter = worker->Wait();
  EXPECT_EQ(by_submitter.exit_code, 69) << by_submitter.err;
  EXPECT_THAT(by_submitter.err, HasSubstr("submitter is a submitter's, and this takes a worker's"));
  EXPECT_EQ(Status()["workers"].size(), 1U);
}

TEST_F(KeysTest, ARunGoesOnWhereAWorkersKeyIsRevoked) {
  AddKey("worker=second");
  StartCluster(1, {"--no-direct-reads"});
  AddWorker(Words{"--no-direct-reads"} + Keys("keys/second"));
  AwaitWorkers(2);
  ExpectLocalBytes(job_);
  Revoke("keys/master/allowed.keys", "second");
  AwaitWorkers(1);
  AwaitThat("the worker's note",
            [&] { return worker(1).err().find("does not take this key") != std::string::npos; });
  ExpectLocalBytes(job_ + Words{"--compress", "zstd"});
  KillWorker(1);
}

TEST_F(KeysTest, AKeyThatIsRevokedMaySubmitNoMore) {
  AddKey("submitter=alice");
  StartCluster(1);
  AwaitWorkers(1);
  EXPECT_EQ(RunAtMaster(Words{"status"} + Keys("keys/alice")).exit_code, 0);
  Revoke("keys/master/allowed.keys", "alice");
  AwaitThat("the end of alice's key",
            [&] { return RunAtMaster(Words{"status"} + Keys("keys/alice")).exit_code == 69; });
  EXPECT_EQ(RunAtMaster({"status"}).exit_code, 0);
}

// Everything that can be done to a port without a key, again and again, while a run is under way.
class Strangers {
 public:
  explicit Strangers(const std::string& endpoint)
      : port_(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)))) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) Press();
    });
  }
  ~Strangers() {
    thread_.request_stop();
    thread_.join();
    for (const int fd : open_) ::close(fd);
  }

  int count() const { return count_.load(); }

 private:
  void Press() {
    std::string half("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0CURVE", 17);
    half.resize(64, '\0');
    const std::string messages[] = {"",
                                    "GET / HTTP/1.1\r\n\r\n",
                                    std::string(100'000, '\x7f'),
                                    half,
                                    half + std::string("\x04\xc8\x05HELLO\x01\0", 10),
                                    half + std::string(200, '\x01')};
    for (const std::string& message : messages) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port_);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        ::send(fd, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ++count_;
      }
      open_.push_back(fd);
    }
    // Idle and half open ones stay, up to some hundreds.
    while (open_.size() > 400) {
      ::close(open_.front());
      open_.pop_front();
    }
  }

  const std::uint16_t port_;
  std::atomic<int> count_ = 0;
  std::deque<int> open_;  // The thread's.
  std::jthread thread_;
};

// As they lie in memory.
std::string SecretBytes(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// What a process has held at most.
std::uint64_t PeakKib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return 0;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Not in a log, a journal, a spool, an output, a core file or a command line.
TEST_F(KeysTest, SecretsAreNowhereElse) {
  StartCluster(2);
  AwaitWorkers(2);
  ExpectLocalBytes(Words{"--module", MILLRACE_CLUSTER_PROBES} + job_);
  for (const pid_t pid : {master().pid(), worker(0).pid()}) {
    const std::string of_process = "/proc/" + std::to_string(pid);
    EXPECT_THAT(ReadAll(of_process + "/limits"),
                ::testing::ContainsRegex("Max core file size +0 +0"));
  }
  std::vector<std::string> secrets;
  for (const char* const file : {"master/secret.key", "worker/secret.key", "submitter/secret.key",
                                 "submitter/signing.key"}) {
    const std::string text = ReadAll(root_ / "keys" / file);
    secrets.push_back(text.substr(text.size() - 65, 64));
  }
  int file_count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (!entry.is_regular_file() || entry.path().string().find("/keys/") != std::string::npos)
      continue;
    ++file_count;
    const std::string text = ReadAll(entry.path());
    for (const std::string& secret : secrets) {
      EXPECT_EQ(text.find(secret), std::string::npos) << entry.path();
      EXPECT_EQ(text.find(SecretBytes(secret)), std::string::npos) << entry.path();
    }
  }
  EXPECT_GT(file_count, 20);
}

TEST_F(KeysTest, ARunGoesOnWhileStrangersPress) {
  StartCluster(2, {"--no-direct-reads"});
  AwaitWorkers(2);
  const nlohmann::json workers = Status()["workers"];
  {
    Strangers at_master(endpoint());
    Strangers at_worker(workers[0]["endpoint"].get<std::string>());
    ExpectLocalBytes(job_);
    ExpectLocalBytes(job_ + Words{"--compress", "zstd"});
    AwaitThat("many strangers", [&] { return at_master.count() > 2'000; });
    EXPECT_EQ(Status()["workers"].size(), 2U);
  }
  EXPECT_THAT(master().err(), HasSubstr("turned away: "));
  // Sanitizers hold freed memory back.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(PeakKib(master().pid()), 200U << 10);
  EXPECT_LT(PeakKib(worker(0).pid()), 200U << 10);
#endif
}

// With one machine's list spoiled, the cluster goes on as it was, and says so.
TEST_F(KeysTest, AListThatIsWrongChangesNothing) {
  StartCluster(1);
  AwaitWorkers(1);
  std::ofstream(root_ / "keys/master/allowed.keys", std::ios::app) << "worker broken\n";
  AwaitThat("the master's note", [&] {
    return master().err().find("who was allowed before still is") != std::string::npos;
  });
  EXPECT_EQ(RunAtMaster({"status"}).exit_code, 0);
  // But nobody starts with it.
  const ProcessResult second = Run(
      Words{"master", "--listen", "tcp://127.0.0.1:*", "--state", "other", "--exit-on-stdin-eof"} +
      key_flags_);
  EXPECT_EQ(second.exit_code, 64) << second.err;
  EXPECT_THAT(second.err, HasSubstr("allowed.keys:"));
}

TEST_F(KeysTest, NoPortIsOpenToAllWithoutThem) {
  for (const Words& service : {Words{"master", "--listen", "tcp://*:*", "--state", "state"},
                               Words{"worker", "--listen", "tcp://*:*", "--master",
                                     "tcp://127.0.0.1:9", "--spool", "s"}}) {
    const ProcessResult result = Run(service + Words{"--exit-on-stdin-eof"});
    EXPECT_EQ(result.exit_code, 64) << result.err;
    EXPECT_THAT(result.err, HasSubstr("millrace keygen"));
  }
}

}  // namespace
}  // namespace millrace

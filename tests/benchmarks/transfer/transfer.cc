// SPDX-License-Identifier: Apache-2.0
// How fast run files go from one worker to another, both real processes on this host that don't
// read each other's files, into the reader's spool; and how fast raw ZeroMQ moves messages of the
// same size between two processes. In pairs, one after the other: the machine is never quiet.
//
// The sort job's map makes one run file of the input on worker A; worker B's reduce fetches all of
// it. Its time is that between the first and the last byte in B's spool.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/security/key_folder.h"
#include "tests/integration/millrace_process.h"
#include "tests/integration/scripted_master.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMessageBytes = std::size_t{1} << 20;
constexpr AttemptId kMap{{{{1}, 0}, 0}, 1};

std::uint64_t MibToMove() {
  const char* const text = std::getenv("MILLRACE_TRANSFER_MIB");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 256;
}

// 0: too little, or too fast, to be measured.
double MibPerSecond(std::uint64_t bytes, Clock::time_point from, Clock::time_point to) {
  if (bytes == 0 || from >= to) return 0;
  const double seconds = std::chrono::duration<double>(to - from).count();
  return static_cast<double>(bytes) / (1 << 20) / seconds;
}

// A master that does as it is told, and two workers: A has what the map of the sort job left, B
// fetches it.
class Shuffler {
 public:
  /// `keys`: a folder of `millrace keygen`, or nothing.
  Shuffler(const fs::path& root, const std::string& name, const std::optional<fs::path>& keys)
      : root_(root), name_(name), keys_(keys), master_(MasterKeys(keys)) {
    MakePlan();
    a_ = Start("a");
    from_ = master_.AwaitWorker();
    StartTask start;
    start.order = ++order_;
    start.attempt = kMap;
    master_.Order(from_, start);
    const std::optional<TaskDone> done = master_.Await<TaskDone>(from_);
    if (!done) {
      ADD_FAILURE() << "no run file";
      return;
    }
    stream_bytes_ = done->output.run_bytes;
    master_.Order(from_, TaskAnswer{kMap, true});
    b_ = Start("b");
    to_ = master_.AwaitWorker();
  }

  std::uint64_t stream_bytes() const { return stream_bytes_; }

  double Shuffle(std::uint32_t number) {
    StartTask start;
    start.order = ++order_;
    start.attempt = {{{{1}, 1}, 0}, number};
    start.kind = TaskKind::kReduce;
    start.sources = {{{0, 0}, from_, master_.hellos[from_].endpoint, 1, OutputHash(kMap)}};
    master_.Order(to_, start);
    // It wants the plan first; once bytes come, it asks for nothing more for a while.
    EXPECT_TRUE(master_.AwaitThat([this] { return FetchedBytes() > 0; }));
    const Clock::time_point first = Clock::now();
    const std::uint64_t first_bytes = FetchedBytes();
    // Slices hold the blocks alone: a little less than the file.
    const std::uint64_t wanted = stream_bytes_ - stream_bytes_ / 64;
    Clock::time_point last = first;
    std::uint64_t seen = first_bytes;
    while (seen < wanted && last - first < ScriptedMaster::kPatience) {
      usleep(300);  // A look costs some time of the two processors.
      seen = std::max(seen, FetchedBytes());
      last = Clock::now();
    }
    EXPECT_GE(seen, wanted);
    EXPECT_TRUE(master_.Await<TaskDone>(to_));
    master_.Order(to_, KillTask{start.attempt});
    return MibPerSecond(seen - first_bytes, first, last);
  }

 private:
  static std::optional<TransportKeys> MasterKeys(const std::optional<fs::path>& keys) {
    if (!keys) return std::nullopt;
    const Result<KeyFolder> folder = ReadKeyFolder(keys->string(), KeyHolder::kMaster);
    if (folder.ok()) return TransportKeys{folder->own, folder->allowed};
    ADD_FAILURE() << folder.error().message();
    return std::nullopt;
  }

  void MakePlan() {
    PlanRequest request;
    request.job = "sort";
    request.parts = 1;
    Result<PlannedJob> planned =
        PlanJob(LocalFileSystem(), request, {(root_ / "in.txt").string()}, 1);
    ASSERT_TRUE(planned.ok()) << planned.error().message();
    planned->plan.set_code("");  // This program isn't the workers'.
    ClusterPlanOptions options;
    options.split_bytes = std::uint64_t{1} << 40;
    options.typed_output = "out";
    const Result<ClusterPlan> plan = MakeClusterPlan(*planned, options);
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    const Result<std::string> bytes = EncodeClusterPlan(*plan);
    ASSERT_TRUE(bytes.ok());
    master_.plan = {{1}, "run", (root_ / (name_ + "-out")).string(), *bytes};
    fs::create_directories(root_ / ("." + name_ + "-out.run/attempts"));
  }

  fs::path Spool(const std::string& worker) const { return root_ / (name_ + "-" + worker); }

  std::unique_ptr<Process> Start(const std::string& worker) {
    std::vector<std::string> words = {
        "worker",  "--master", master_.endpoint(), "--spool", Spool(worker).string(),
        "--slots", "1",        "--memory",         "2G",      "--no-direct-reads",
        "--quiet"};
    if (keys_) words.insert(words.end(), {"--keys", keys_->string()});
    return std::make_unique<Process>(MillraceTest::Command(words), root_);
  }

  // Of what B has fetched so far; 0 where that isn't there (any more).
  std::uint64_t FetchedBytes() const {
    std::error_code error;
    std::uint64_t bytes = 0;
    for (fs::recursive_directory_iterator at(Spool("b"), error), end; !error && at != end;
         at.increment(error)) {
      if (at->path().parent_path().filename() != "fetched") continue;
      std::error_code gone;
      const std::uint64_t size = fs::file_size(at->path(), gone);
      if (!gone) bytes += size;
    }
    return bytes;
  }

  const fs::path root_;
  const std::string name_;
  const std::optional<fs::path> keys_;
  ScriptedMaster master_;
  std::unique_ptr<Process> a_, b_;
  WorkerId from_, to_;
  std::uint64_t order_ = 0;
  std::uint64_t stream_bytes_ = 0;
};

class TransferTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    std::ofstream file(root_ / "in.txt", std::ios::binary);
    Random random(1);
    std::string line(100, '\n');
    for (std::uint64_t left = MibToMove() << 20; left >= line.size(); left -= line.size()) {
      for (std::size_t i = 0; i + 1 < line.size(); ++i)
        line[i] = static_cast<char>(33 + random.Uniform(90));
      file << line;
    }
  }
};

// A child sends, each message a fresh copy as a reader of files makes it; this process receives.
double RawZeroMq(std::uint64_t bytes) {
  void* const context = zmq_ctx_new();
  void* const receiver = zmq_socket(context, ZMQ_ROUTER);
  const int messages_max = 4;
  zmq_setsockopt(receiver, ZMQ_RCVHWM, &messages_max, sizeof messages_max);
  EXPECT_EQ(zmq_bind(receiver, "tcp://127.0.0.1:*"), 0);
  char endpoint[256];
  std::size_t size = sizeof endpoint;
  zmq_getsockopt(receiver, ZMQ_LAST_ENDPOINT, endpoint, &size);
  const std::uint64_t count = bytes / kMessageBytes;
  const pid_t child = fork();
  if (child == 0) {
    void* const own = zmq_ctx_new();
    void* const sender = zmq_socket(own, ZMQ_DEALER);
    zmq_setsockopt(sender, ZMQ_SNDHWM, &messages_max, sizeof messages_max);
    zmq_connect(sender, endpoint);
    const std::string message(kMessageBytes, 'x');
    for (std::uint64_t i = 0; i < count; ++i) zmq_send(sender, message.data(), message.size(), 0);
    zmq_close(sender);
    zmq_ctx_term(own);
    _exit(0);
  }
  Clock::time_point first;
  for (std::uint64_t i = 0; i < 2 * count; ++i) {  // A routing id, and the message.
    zmq_msg_t message;
    zmq_msg_init(&message);
    EXPECT_GE(zmq_msg_recv(&message, receiver, 0), 0);
    zmq_msg_close(&message);
    if (i == 1) first = Clock::now();
  }
  const Clock::time_point last = Clock::now();
  waitpid(child, nullptr, 0);
  zmq_close(receiver);
  zmq_ctx_term(context);
  return MibPerSecond((count - 1) * kMessageBytes, first, last);
}

TEST_F(TransferTest, MovesRunFilesBesideRawZeroMq) {
  Process keygen(Command({"keygen", (root_ / "keys").string()}), root_);
  ASSERT_EQ(keygen.Wait().exit_code, 0);
  Shuffler plain(root_, "plain", std::nullopt);
  Shuffler with_keys(root_, "keys-of", root_ / "keys");
  plain.Shuffle(1);  // Reads the run file from disk.
  with_keys.Shuffle(1);
  for (std::uint32_t round = 2; round <= 6; ++round) {
    const double raw = RawZeroMq(plain.stream_bytes());
    const double shuffle = plain.Shuffle(round);
    const double curve = with_keys.Shuffle(round);
    std::printf(
        "raw ZeroMQ %.0f MiB/s; shuffle %.0f MiB/s: %.2f of it; with keys %.0f MiB/s: "
        "%.2f of the shuffle without\n",
        raw, shuffle, shuffle / raw, curve, curve / shuffle);
  }
}

}  // namespace
}  // namespace millrace

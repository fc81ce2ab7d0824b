// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/test_cluster.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <system_error>

namespace millrace {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kShownLogBytes = 4000;

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::map<std::string, std::string> FilesBelow(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), directory)] = Slurp(entry.path());
  }
  return files;
}

std::vector<std::string> Names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; at != end; at.increment(error))
    names.push_back(at->path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// Processes but this one that have `mark` in their environment: "pid: command line".
std::vector<std::string> ProcessesMarked(const std::string& mark) {
  std::vector<std::string> found;
  for (const std::string& pid : Names("/proc")) {
    if (!std::isdigit(static_cast<unsigned char>(pid[0])) || pid == std::to_string(getpid()))
      continue;
    const fs::path process = fs::path("/proc") / pid;
    if (Slurp(process / "environ").find(mark) == std::string::npos) continue;
    std::string line = Slurp(process / "cmdline");
    std::replace(line.begin(), line.end(), '\0', ' ');
    found.push_back(pid + ": " + line);
  }
  return found;
}

}  // namespace

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void ExpectSameTree(const fs::path& a, const fs::path& b) {
  if (!fs::is_directory(a) || !fs::is_directory(b)) {
    ADD_FAILURE() << "not both are there: " << a << ", " << b;
    return;
  }
  const std::map<std::string, std::string> left = FilesBelow(a), right = FilesBelow(b);
  for (const auto& [name, content] : left) {
    const auto other = right.find(name);
    if (other == right.end()) {
      ADD_FAILURE() << name << " is only in " << a;
    } else if (content != other->second) {
      const auto at =
          std::mismatch(content.begin(), content.end(), other->second.begin(), other->second.end());
      ADD_FAILURE() << name << " differs at byte " << at.first - content.begin() << ": "
                    << content.size() << " bytes in " << a << ", " << other->second.size() << " in "
                    << b;
    }
  }
  for (const auto& [name, content] : right) {
    if (!left.contains(name)) ADD_FAILURE() << name << " is only in " << b;
  }
}

void ClusterTest::SetUp() {
  MillraceTest::SetUp();
  for (const char* name : {"logs", "tmp"}) fs::create_directories(Place(name));
}

void ClusterTest::TearDown() {
  // One that ends in good order clears what those leave that could not.
  if (has_killed_worker_ && master_ != nullptr) {
    if (master_->HasEnded()) StartMaster();
    AddWorker();
    AwaitWorkers(static_cast<std::size_t>(std::count_if(
        workers_.begin(), workers_.end(), [](const auto& worker) { return !worker->HasEnded(); })));
  }
  for (const auto& worker : workers_) EndWell(*worker);
  if (master_ != nullptr) EndWell(*master_);
  // What was killed with a worker takes a moment to die.
  AwaitThat("the end of all processes", [&] { return ProcessesMarked(root_).empty(); });
  EXPECT_EQ(Strays(), "") << "is left";
  if (HasFailure()) ShowLogs();
  workers_.clear();
  master_.reset();
  MillraceTest::TearDown();
}

void ClusterTest::StartCluster(int workers, const Words& worker_flags) {
  StartMaster();
  for (int i = 0; i < workers; ++i) AddWorker(worker_flags);
}

void ClusterTest::StartMaster() { ASSERT_TRUE(TryStartMaster()) << master_->err(); }

bool ClusterTest::TryStartMaster() {
  master_ =
      Start(Words{"master", "--listen", endpoint_.empty() ? "tcp://127.0.0.1:*" : endpoint_,
                  "--state", Place("state"), "--heartbeat", heartbeat_ms_, "--exit-on-stdin-eof"} +
                key_flags_,
            "master");
  AwaitThat("the master's endpoint",
            [&] { return master_->out().ends_with("\n") || master_->HasEnded(); });
  if (!master_->out().starts_with("tcp://")) return false;
  endpoint_ = master_->out().substr(0, master_->out().find('\n'));
  return true;
}

ClusterProcess& ClusterTest::AddWorker(const Words& flags) {
  Words words = {"worker", "--master", endpoint_, "--spool", Place("spool"), "--exit-on-stdin-eof"};
  for (const Words& usual : {Words{"--slots", "1"}, Words{"--memory", "128M"}}) {
    if (std::find(flags.begin(), flags.end(), usual[0]) == flags.end()) words = words + usual;
  }
  if (std::find(flags.begin(), flags.end(), "--keys") == flags.end()) words = words + key_flags_;
  if (tasks_write_here_) words = words + Words{"--allow-write", root_.string()};
  workers_.push_back(Start(words + flags, "worker"));
  ClusterProcess& worker = *workers_.back();
  AwaitThat("a worker's start", [&] {
    return worker.err().find(" starts as ") != std::string::npos || worker.HasEnded();
  });
  EXPECT_FALSE(worker.HasEnded()) << worker.err();
  return worker;
}

void ClusterTest::KillWorker(std::size_t index) {
  workers_.at(index)->Kill();
  has_killed_worker_ = true;
}

std::unique_ptr<ClusterProcess> ClusterTest::Start(const Words& words, const std::string& role) {
  std::ostringstream log;
  log << std::setw(3) << std::setfill('0') << ++process_count_ << '-' << role;
  return std::make_unique<ClusterProcess>(ClusterProcess::Options{
      .words = wrapper_ + Command(words),
      .directory = root_,
      .log = Place("logs") / log.str(),
      .environment = Words{"TMPDIR=" + Place("tmp").string()} + environment_});
}

std::filesystem::path ClusterTest::RunLocally(const Words& run) {
  fs::path& output = local_[run];
  if (!output.empty()) return output;
  output = root_ / ("local-" + std::to_string(local_.size()));
  const ProcessResult result = Run(Words{"run"} + run + Words{"--output", output, "--quiet"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return output;
}

void ClusterTest::ExpectLocalBytes(const Words& run, const Words& cluster_flags) {
  const fs::path local = RunLocally(run);
  const std::string output = "cluster-" + std::to_string(++cluster_outputs_);
  const ProcessResult result =
      RunAtMaster(Words{"run"} + run + Words{"--output", output} + cluster_flags);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(local, root_ / output);
}

void ClusterTest::WriteShard(const std::string& path, const std::string& lines) {
  constexpr std::size_t kBytes = 1024;
  ASSERT_LT(lines.size(), 1000U);
  Write(path, lines + std::string(kBytes - 1 - lines.size(), '.') + "\n");
}

nlohmann::json ClusterTest::Status() {
  const ProcessResult result = RunAtMaster({"status", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  nlohmann::json status = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  if (status.is_object()) return status;
  ADD_FAILURE() << "no status: " << result.out;
  return {{"runs", nlohmann::json::array()}, {"workers", nlohmann::json::array()}};
}

nlohmann::json ClusterTest::OnlyRun() {
  const nlohmann::json runs = Status()["runs"];
  EXPECT_EQ(runs.size(), 1U) << runs;
  return runs.empty() ? nlohmann::json::object() : runs[0];
}

void ClusterTest::AwaitTasksDone(std::uint64_t count) {
  AwaitThat(std::to_string(count) + " tasks done", [&] {
    const nlohmann::json runs = Status()["runs"];
    return !runs.empty() && runs.back()["tasks_done"] >= count;
  });
}

void ClusterTest::AwaitWorkers(std::size_t count) {
  AwaitThat(std::to_string(count) + " workers",
            [&] { return Status()["workers"].size() == count; });
}

void ClusterTest::AwaitFile(const std::string& path) {
  AwaitThat(path, [&] { return fs::exists(root_ / path); });
}

void ClusterTest::EndWell(ClusterProcess& process) {
  if (process.HasEnded()) return;
  process.Signal(SIGCONT);
  process.CloseStdin();
  EXPECT_EQ(process.Wait().exit_code, 0);
}

std::string ClusterTest::Strays() {
  std::string strays;
  for (const std::string& process : ProcessesMarked(root_)) strays += process + "\n";
  for (const std::string& name : Names(Place("tmp"))) strays += "tmp/" + name + "\n";
  for (const std::string& name : Names(Place("spool"))) {
    if (name != "modules") strays += "spool/" + name + "\n";
  }
  for (const std::string& name : Names(Place("state"))) {
    if (name != "id" && name != "lock" && name != "modules" && name != "events" &&
        !name.starts_with("segment-") && !name.starts_with("snapshot-"))
      strays += "state/" + name + "\n";
  }
  // Others are at work: what vanishes meanwhile ends the walk, and is no stray.
  std::error_code error;
  for (fs::recursive_directory_iterator at(root_, error), end; at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name == ".cluster") {
      at.disable_recursion_pending();
    } else if (name.starts_with(".")) {
      strays += at->path().string() + "\n";
    }
  }
  return strays;
}

void ClusterTest::ShowLogs() {
  for (const std::string& name : Names(Place("logs"))) {
    if (name.ends_with("-status.out")) continue;  // There are many.
    std::string text = Slurp(Place("logs") / name);
    if (text.size() > kShownLogBytes) text = "…" + text.substr(text.size() - kShownLogBytes);
    if (!text.empty()) std::cerr << "--- " << name << "\n" << text;
  }
}

}  // namespace millrace

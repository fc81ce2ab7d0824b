// SPDX-License-Identifier: Apache-2.0
// Jobs for the tests of a cluster, as a module. Those of probe_jobs.h show what could differ from
// the local runner; `obey` does what each line and each key says:
//
//   note FILE             appends a line to FILE: how often was this executed?
//   wait FILE             makes FILE.begun and stands still until somebody makes FILE
//   meet DIR N NAME       makes DIR/NAME and stands still until DIR has N entries: N tasks at once
//   reduce WHAT           WHAT, once it is a key
//   sleep MS, throw       as they say; what else there is, is only counted
//
// `obey_and_look_up` does so in two stages: the counts that the first makes are a table for the
// other.
//
//
// `unstable` is another result each time, in a way that `by` chooses.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "tests/unit/engine/probe_jobs.h"

namespace {

using namespace millrace;  // NOLINT: a job speaks little else.

constexpr std::chrono::seconds kPatience{30};

void StandStillUntil(const std::string& what, const std::function<bool()>& is_so) {
  const auto start = std::chrono::steady_clock::now();
  while (!is_so()) {
    if (std::chrono::steady_clock::now() - start > kPatience)
      throw std::runtime_error("in vain: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // Until the next look.
  }
}

std::size_t CountEntries(const std::string& directory) {
  std::size_t count = 0;
  for (std::filesystem::directory_iterator at(directory), end; at != end; ++at) ++count;
  return count;
}

void Obey(const std::string& text) {
  std::istringstream words(text);
  std::string verb, path, name;
  std::size_t count = 0;
  words >> verb;
  if (verb == "note") {
    words >> path;
    std::ofstream(path, std::ios::app) << "executed\n";
  } else if (verb == "wait") {
    words >> path;
    std::ofstream(path + ".begun") << "now";
    StandStillUntil(text, [&] { return std::filesystem::exists(path); });
  } else if (verb == "meet") {
    words >> path >> count >> name;
    std::ofstream(path + "/" + name) << "here";
    StandStillUntil(text, [&] { return CountEntries(path) >= count; });
  } else if (verb == "sleep") {
    words >> count;
    std::this_thread::sleep_for(std::chrono::milliseconds(count));  // A slow record.
  } else if (verb == "throw") {
    throw std::runtime_error("a bad day");
  }
}

struct ObeyLine {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    const std::string text(line.text);
    Obey(text);
    emit(text, 1);
  }
};

struct ObeyKey {
  void Reduce(const std::string& key, Values<std::int64_t>& values,
              Emitter<std::string, std::int64_t>& emit) {
    if (key.starts_with("reduce ")) Obey(key.substr(7));
    std::int64_t sum = 0;
    for (const std::int64_t value : values) sum += value;
    emit(key, sum);
  }
};

void ObeyJob(Job& job) {
  job.ReadLines("lines").Map<ObeyLine>().Reduce<ObeyKey>().Write<Tsv>("counts");
}

struct ObeyAndLookUp {
  Table<std::string, std::int64_t> counts;
  void Map(const Line& line, Emitter<std::int64_t, std::int64_t>& emit) {
    const std::string text(line.text);
    Obey(text);
    emit(counts.Find(text).value_or(-1), 1);
  }
};

void ObeyAndLookUpJob(Job& job) {
  auto lines = job.ReadLines("lines");
  auto counts = lines.Map<ObeyLine>().Reduce<ObeyKey>().AsTable();
  lines.Map<ObeyAndLookUp>(counts).Reduce<Sum>().Write<Tsv>("counts_of_counts");
}

/// Another value in another process, or at another time.
class Unstable {
 public:
  explicit Unstable(std::string by) : by_(std::move(by)) {}
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    const std::string text(line.text);
    if (!text.starts_with("unstable")) return emit(text, 1);
    std::int64_t value = 0;
    if (by_ == "clock") value = std::chrono::steady_clock::now().time_since_epoch().count();
    if (by_ == "pid") value = getpid();
    if (by_ == "address") value = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(this));
    if (by_ == "order") value = FirstInHashOrder();
    emit(text, value);
  }

 private:
  // As a hash table of pointers would have it: addresses are others in each process.
  static std::int64_t FirstInHashOrder() {
    constexpr std::uintptr_t kBuckets = 65521;  // Two processes hardly agree on one.
    const std::vector<std::int64_t> objects(kBuckets);
    const auto bucket = [](const std::int64_t& object) {
      return reinterpret_cast<std::uintptr_t>(&object) / sizeof object % kBuckets;
    };
    const auto first = std::min_element(
        objects.begin(), objects.end(),
        [&](const std::int64_t& a, const std::int64_t& b) { return bucket(a) < bucket(b); });
    return first - objects.begin();
  }

  const std::string by_;
};

void UnstableJob(Job& job) {
  const auto by = job.Param<std::string>("by", "clock", "what it depends on");
  job.ReadLines("lines").Map<Unstable>(by).Reduce<Sum>().Write<Tsv>("sums");
}

MR_JOB(concatenate, millrace::probe::ConcatenateJob, "values in their order")
MR_JOB(copy, millrace::probe::CopyJob, "lines, without a reduce")
MR_JOB(group_by, millrace::probe::GroupByJob, "secondary sort")
MR_JOB(join, millrace::probe::JoinJob, "two inputs")
MR_JOB(picky, millrace::probe::PickyJob, "several stages and outputs, rejects everywhere")
MR_JOB(look_up, millrace::probe::LookUpJob, "tables, looked up in everywhere")
MR_JOB(obey, ObeyJob, "does what each line says")
MR_JOB(obey_and_look_up, ObeyAndLookUpJob, "does so twice, with a table between")
MR_JOB(unstable, UnstableJob, "another result each time")

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/input_digests.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/parallel_for.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {
namespace {

// Adds up what is done; thread-safe.
class DigestProgress {
 public:
  DigestProgress(ProgressSink* sink, std::uint64_t bytes_total) : sink_(sink) {
    progress_.stage = "compare inputs";
    progress_.bytes_total = bytes_total;
  }
  void Add(std::uint64_t bytes) {
    if (sink_ == nullptr) return;
    MutexLock lock(mutex_);
    progress_.bytes_done += bytes;
    sink_->OnProgress(progress_);
  }

 private:
  ProgressSink* const sink_;
  Mutex mutex_;
  Progress progress_ MR_GUARDED_BY(mutex_) = {};
};

}  // namespace

Status DigestInputs(FileSystem& files, PlannedJob& planned, int threads, const CancelToken& cancel,
                    ProgressSink* progress) {
  std::vector<std::vector<Hash128>> digests;
  std::vector<std::pair<std::size_t, std::size_t>> all;  // (input, shard).
  for (std::size_t i = 0; i < planned.inputs.size(); ++i) {
    digests.emplace_back(planned.inputs[i].shards.size());
    for (std::size_t s = 0; s < digests[i].size(); ++s) all.emplace_back(i, s);
  }
  DigestProgress done(progress, planned.stored_bytes);
  const auto digest_one = [&](std::size_t n) {
    const auto& file = planned.inputs[all[n].first].shards[all[n].second].file;
    MR_ASSIGN_OR_RETURN(digests[all[n].first][all[n].second],
                        DigestFile(files, file.path, &cancel));
    done.Add(file.bytes);
    return Status::Ok();
  };
  MR_RETURN_IF_ERROR(ParallelFor(all.size(), threads, digest_one));
  return SetInputDigests(digests, planned.plan);
}

Status SetInputDigests(const std::vector<std::vector<Hash128>>& digests, proto::Plan& plan) {
  if (digests.size() != static_cast<std::size_t>(plan.inputs_size())) {
    return Status::Internal("digests of ", digests.size(), " inputs for ", plan.inputs_size());
  }
  for (std::size_t i = 0; i < digests.size(); ++i) {
    proto::PlanInput& input = *plan.mutable_inputs(static_cast<int>(i));
    if (digests[i].size() != static_cast<std::size_t>(input.shards_size())) {
      return Status::Internal("input ", input.name(), ": digests of ", digests[i].size(),
                              " shards for ", input.shards_size());
    }
    for (std::size_t s = 0; s < digests[i].size(); ++s) {
      input.mutable_shards(static_cast<int>(s))->set_xxh128(digests[i][s].Hex());
    }
  }
  return {};
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "worker/module_fetcher.h"

#include <algorithm>
#include <utility>

#include "mapreduce/engine/utf8.h"

namespace millrace {

void ModuleFetcher::Want(const ModuleFile& module, std::uint64_t now_ms) {
  const auto [at, is_new] = wanted_.try_emplace(module.hash.Hex());
  if (!is_new) return;
  at->second.module = module;
  at->second.next_ms = now_ms;
}

Status ModuleFetcher::Append(Wanted& wanted, const FileData& data, bool* is_done) {
  const ModuleFile& module = wanted.module;
  if (data.total_bytes == 0) {
    return Status::Unavailable("the master does not have the job module ", Printable(module.name),
                               " any more");
  }
  if (wanted.file == nullptr) {
    MR_ASSIGN_OR_RETURN(wanted.file, cache_.Create(module.hash));
  }
  if (data.offset != wanted.file->bytes()) return Status::Ok();  // A second time.
  if (data.total_bytes != module.bytes || data.bytes.empty() ||
      data.bytes.size() > module.bytes - data.offset) {
    return Status::Corrupt("the master sends another file for the job module ",
                           Printable(module.name));
  }
  MR_RETURN_IF_ERROR(wanted.file->Append(data.bytes));
  if (wanted.file->bytes() < module.bytes) return Status::Ok();
  *is_done = true;
  return cache_.Finish(module.hash, std::move(wanted.file));
}

void ModuleFetcher::Take(const FileData& data, std::uint64_t now_ms) {
  const auto found = wanted_.find(data.hash.Hex());
  if (found == wanted_.end()) return;
  Wanted& wanted = found->second;
  const std::uint64_t had = wanted.file == nullptr ? 0 : wanted.file->bytes();
  bool is_done = false;
  const Status status = Append(wanted, data, &is_done);
  if (status.ok() && is_done) {
    wanted_.erase(found);
    has_arrived_ = true;
  } else if (status.code() == StatusCode::kCorrupt && ++wanted.tries < kTriesMax) {
    wanted.file.reset();
    wanted.next_ms = now_ms + kRetryMs;
  } else if (!status.ok()) {
    failures_.push_back({data.hash, status});
    wanted_.erase(found);
  } else if (wanted.file->bytes() > had) {
    wanted.next_ms = now_ms;
  }
}

std::vector<FileWanted> ModuleFetcher::TakeQuestions(std::uint64_t now_ms) {
  std::vector<FileWanted> questions;
  for (auto& [hex, wanted] : wanted_) {
    if (wanted.next_ms > now_ms) continue;
    wanted.next_ms = now_ms + kRetryMs;
    questions.push_back({wanted.module.hash, wanted.file == nullptr ? 0 : wanted.file->bytes()});
  }
  return questions;
}

std::uint64_t ModuleFetcher::NextTimerMs() const {
  std::uint64_t next = UINT64_MAX;
  for (const auto& [hex, wanted] : wanted_) next = std::min(next, wanted.next_ms);
  return next;
}

std::vector<ModuleFetcher::Failure> ModuleFetcher::TakeFailures() {
  return std::exchange(failures_, {});
}

bool ModuleFetcher::TakeArrivals() { return std::exchange(has_arrived_, false); }

}  // namespace millrace

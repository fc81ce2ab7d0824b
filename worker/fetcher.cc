// SPDX-License-Identifier: Apache-2.0
#include "worker/fetcher.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "mapreduce/base/test_hooks.h"

namespace millrace {
namespace {

// Whether they are the set's outputs, each once. What is in the files, their reader checks.
bool AreOfSet(const std::vector<FetchFile>& files, const SourceSet& set) {
  std::uint64_t hash = 0;
  for (const FetchFile& file : files) hash += OutputHash(file.output);
  return files.size() == set.output_count && hash == set.outputs_hash &&
         std::all_of(files.begin(), files.end(),
                     [](const FetchFile& file) { return file.path.starts_with('/'); });
}

// Of a stream that consists of these slices; nothing if they aren't those of the set.
std::optional<std::uint64_t> StreamBytesOf(const std::vector<FetchSlice>& slices,
                                           const SourceSet& set) {
  std::uint64_t hash = 0;
  std::uint64_t bytes = 0;
  for (const FetchSlice& slice : slices) {
    hash += OutputHash(slice.output);
    const std::uint64_t size = slice.end - slice.begin;
    if (bytes + size < bytes) return std::nullopt;
    bytes += size;
  }
  if (slices.size() != set.output_count || hash != set.outputs_hash) return std::nullopt;
  return bytes;
}

}  // namespace

Fetcher::Place Fetcher::PlaceOf(const FetchKey& key) {
  const std::uint64_t words[] = {key.reader.task.index, key.from.value};
  return {key.reader, Hash64({reinterpret_cast<const char*>(words), sizeof words}), key};
}

void Fetcher::Add(const FetchKey& key, const SourceSet& set, const KeyBorders& borders) {
  const auto [at, is_new] = streams_.try_emplace(key);
  at->second.set = set;
  at->second.borders = borders;
  if (!is_new) return;
  waiting_.insert(PlaceOf(key));
  ++left_[key.reader];
}

void Fetcher::Remove(AttemptId reader) {
  auto at = streams_.lower_bound({reader, {}, {}});
  while (at != streams_.end() && at->first.reader == reader) {
    const auto& [key, stream] = *at;
    if (stream.is_open) {
      due_.erase({stream.next_try_ms, key});
    } else if (!stream.is_done) {
      waiting_.erase(PlaceOf(key));
    }
    at = streams_.erase(at);
  }
  left_.erase(reader);
}

// Requires: the stream is open.
void Fetcher::SetNextTry(const FetchKey& key, Stream& stream, std::uint64_t at_ms) {
  due_.erase({stream.next_try_ms, key});
  stream.next_try_ms = at_ms;
  due_.insert({at_ms, key});
}

std::uint64_t Fetcher::CreditBytes() const {
  return MR_BUGGIFY("fetcher.tiny_credit") ? 64 : limits_.credit_bytes;
}

void Fetcher::Request(const FetchKey& key, Stream& stream, std::uint64_t now_ms,
                      std::vector<Outgoing>& out) {
  ++stream.tries;
  SetNextTry(key, stream, now_ms + limits_.retry_ms);
  const std::uint64_t credit = CreditBytes();
  stream.credit_end = stream.received + credit;
  FetchRequest request{key.reader,
                       key.from,
                       key.source,
                       stream.set.output_count,
                       stream.set.outputs_hash,
                       stream.borders,
                       stream.received,
                       credit,
                       {}};
  if (stream.received == 0 && key.reader.number == 1) request.host = limits_.host;
  out.push_back({key.from, std::move(request)});
}

std::string Fetcher::Take(WorkerId from, FetchData data, std::uint64_t now_ms,
                          std::vector<Outgoing>& out) {
  const auto found = streams_.find({data.reader, data.source, from});
  if (found == streams_.end()) return {};
  const FetchKey& key = found->first;
  Stream& stream = found->second;
  // Behind a gap, or a second time: it is asked for again, or there already.
  if (!stream.is_open || stream.is_done || data.offset != stream.received) return {};
  if (data.offset == 0) {
    stream.slices = std::move(data.slices);
  }
  const std::optional<std::uint64_t> expected_bytes = StreamBytesOf(stream.slices, stream.set);
  const std::uint64_t expected = expected_bytes.value_or(0);
  if (!expected_bytes || data.stream_bytes != expected ||
      data.bytes.size() > expected - stream.received) {
    stream.last_error = "it sends another stream than the one that was asked for";
    return {};
  }
  stream.received += data.bytes.size();
  stream.tries = 0;
  SetNextTry(key, stream, now_ms + limits_.retry_ms);
  if (stream.received == expected) {
    Finish(key, stream);
  } else if (stream.credit_end - stream.received <= limits_.credit_bytes / 2) {
    stream.credit_end = stream.received + CreditBytes();
    out.push_back({from, FetchCredit{key.reader, key.source, stream.credit_end}});
  }
  return std::move(data.bytes);
}

// Requires: the stream is open.
void Fetcher::Finish(const FetchKey& key, Stream& stream) {
  due_.erase({stream.next_try_ms, key});
  stream.is_done = true;
  stream.is_open = false;
  if (--left_.at(key.reader) == 0) left_.erase(key.reader);
}

void Fetcher::Take(WorkerId from, const FetchFiles& files) {
  const auto found = streams_.find({files.reader, files.source, from});
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  // Once bytes have come, the stream goes on; nobody was asked for files by a later attempt.
  if (!stream.is_open || stream.received > 0 || limits_.host.empty() || files.reader.number != 1)
    return;
  if (!AreOfSet(files.files, stream.set)) {
    stream.last_error = "it names other files than those that were asked for";
    return;
  }
  stream.slices.clear();
  stream.files = files.files;
  Finish(found->first, stream);
}

void Fetcher::Take(WorkerId from, const FetchRefused& refused, std::uint64_t now_ms) {
  const auto found = streams_.find({refused.reader, refused.source, from});
  if (found == streams_.end() || !found->second.is_open) return;
  Stream& stream = found->second;
  stream.last_error = refused.message;
  if (refused.code == StatusCode::kResourceLimit) stream.tries = 0;  // It is busy, that is all.
  if (refused.code == StatusCode::kUnavailable || refused.code == StatusCode::kResourceLimit) {
    SetNextTry(found->first, stream, now_ms + limits_.retry_ms);
    return;
  }
  GiveUp(found->first, {refused.code, refused.message, {}, from, refused.damaged});
}

void Fetcher::GiveUp(const FetchKey& key, TaskFailure failure) {
  const AttemptId reader = key.reader;
  Remove(reader);
  failed_.emplace_back(reader, std::move(failure));
}

void Fetcher::Tick(std::uint64_t now_ms, std::vector<Outgoing>& out) {
  std::vector<FetchKey> given_up;
  while (!waiting_.empty() && due_.size() < limits_.streams_max) {
    const FetchKey key = std::get<FetchKey>(*waiting_.begin());
    waiting_.erase(waiting_.begin());
    Stream& stream = streams_.at(key);
    stream.is_open = true;
    Request(key, stream, now_ms, out);
  }
  for (auto at = due_.begin(); at != due_.end() && at->first <= now_ms;) {
    const FetchKey key = at->second;
    ++at;  // A request puts it further back.
    Stream& stream = streams_.at(key);
    if (stream.tries < limits_.tries_max) {
      Request(key, stream, now_ms, out);
    } else {
      given_up.push_back(key);
    }
  }
  for (const FetchKey& key : given_up) {
    const auto found = streams_.find(key);
    if (found == streams_.end()) continue;  // Its reader has failed already.
    std::ostringstream text;
    text << "worker " << key.from.value << " does not send what it holds of phase "
         << key.source.phase;
    if (!found->second.last_error.empty()) text << ": " << found->second.last_error;
    GiveUp(key, {StatusCode::kUnavailable, std::move(text).str(), {}, key.from, {}});
  }
}

std::uint64_t Fetcher::NextTimerMs() const {
  return due_.empty() ? UINT64_MAX : due_.begin()->first;
}

bool Fetcher::IsDone(AttemptId reader) const { return !left_.contains(reader); }

std::vector<FetchedSource> Fetcher::Fetched(AttemptId reader) const {
  std::vector<FetchedSource> fetched;
  for (auto at = streams_.lower_bound({reader, {}, {}});
       at != streams_.end() && at->first.reader == reader; ++at) {
    const Stream& stream = at->second;
    fetched.push_back({at->first, stream.slices, stream.received, stream.files});
  }
  return fetched;
}

std::vector<std::pair<AttemptId, TaskFailure>> Fetcher::TakeFailed() {
  return std::exchange(failed_, {});
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "worker/slice_server.h"

#include <algorithm>
#include <utility>

#include "mapreduce/base/test_hooks.h"

namespace millrace {

bool SliceServer::Open(const ServeKey& key, const FetchRequest& request,
                       std::vector<AttemptId> outputs, std::uint64_t now_ms) {
  std::erase_if(streams_, [&](const auto& entry) {
    return entry.first != key && now_ms - entry.second.heard_ms > limits_.idle_ms;
  });
  if (!streams_.contains(key) && streams_.size() >= limits_.streams_max) return false;
  Stream& stream = streams_[key];
  stream = Stream{};
  stream.outputs = std::move(outputs);
  stream.borders = request.borders;
  stream.offset = request.resume_at;
  stream.credit_end = request.resume_at + request.credit_bytes;
  stream.heard_ms = now_ms;
  return true;
}

void SliceServer::AddCredit(const ServeKey& key, std::uint64_t up_to, std::uint64_t now_ms) {
  const auto found = streams_.find(key);
  if (found == streams_.end()) return;
  found->second.credit_end = std::max(found->second.credit_end, up_to);
  found->second.heard_ms = now_ms;
}

bool SliceServer::TakePiece(const ServeKey& key, std::uint64_t offset, const ServedPiece& piece) {
  const auto found = streams_.find(key);
  if (found == streams_.end() || !found->second.is_reading || found->second.offset != offset)
    return false;
  Stream& stream = found->second;
  stream.is_reading = false;
  stream.offset += piece.bytes.size();
  stream.stream_bytes = piece.stream_bytes;
  if (stream.offset >= piece.stream_bytes) streams_.erase(found);
  return true;
}

void SliceServer::CloseRun(JobRunId run) {
  std::erase_if(streams_,
                [&](const auto& entry) { return entry.first.reader.task.phase.run == run; });
}

std::vector<SliceServer::NextRead> SliceServer::TakeReads() {
  std::vector<NextRead> reads;
  for (auto& [key, stream] : streams_) {
    if (stream.is_reading || stream.offset >= stream.credit_end) continue;
    stream.is_reading = true;
    const std::uint64_t piece_bytes =
        MR_BUGGIFY("slice_server.tiny_piece") ? 50 : limits_.piece_bytes;
    reads.push_back({key, stream.outputs, stream.borders, stream.offset,
                     std::min(piece_bytes, stream.credit_end - stream.offset)});
  }
  return reads;
}

}  // namespace millrace

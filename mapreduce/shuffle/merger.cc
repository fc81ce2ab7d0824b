// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/merger.h"

#include <utility>

#include "mapreduce/base/test_hooks.h"

namespace millrace {

Merger::Merger(std::vector<std::unique_ptr<RunCursor>> cursors) : winner_(&gate_) {
  gate_.current = &gate_record_;
  gate_.end = &gate_record_ + 1;
  sources_.resize(cursors.size());
  for (std::size_t i = 0; i < cursors.size(); ++i) {
    sources_[i].index = i;
    sources_[i].cursor = std::move(cursors[i]);
  }
}

Status Merger::Start() {
  MR_CHECK(state_ == State::kNew);
  state_ = State::kStarted;
  for (Source& source : sources_) {
    if (!Refill(source)) {
      End();
      return status_;
    }
  }
  if (sources_.size() > 1) losers_.resize(sources_.size());
  return Status::Ok();
}

// The next batch of a source; an ended source has none. False on error.
bool Merger::Refill(Source& source) {
  std::span<const RecordView> batch;
  while (batch.empty()) {
    const Result<bool> more = source.cursor->Next(&batch);
    if (!more.has_value()) {
      status_ = more.error();
      return false;
    }
    if (!*more) {
      source.current = source.end = nullptr;
      source.cursor.reset();  // Its memory and file are free for others.
      return true;
    }
  }
  source.current = batch.data();
  source.end = batch.data() + batch.size();
  return true;
}

bool Merger::NextSlowly() {
  switch (state_) {
    case State::kNew:
      break;
    case State::kStarted:
      state_ = State::kMerging;
      if (sources_.empty()) return End();
      winner_ = &sources_[losers_.empty() ? 0 : Play(1).source];
      return Announce();
    case State::kMerging: {
      Source& source = *winner_;
      if (!Refill(source)) return End();
      if (!losers_.empty()) Replay(source.index, HeadOf(source));
      return Announce();
    }
    case State::kEnded:
      return End();
  }
  MR_CHECK(!"Start() comes before Next()");
  return false;
}

// An ended source loses against all others: if it has won, all have ended.
bool Merger::Announce() { return winner_->current != winner_->end || End(); }

bool Merger::End() {
  state_ = State::kEnded;
  gate_.current = &gate_record_;
  winner_ = &gate_;
  return false;
}

// Plays all matches below `node`, notes the losers and returns the winner.
Merger::Node Merger::Play(std::size_t node) {
  if (node >= sources_.size()) {
    const Source& source = sources_[node - sources_.size()];
    return {HeadOf(source), source.index};
  }
  const Node left = Play(2 * node);
  const Node right = Play(2 * node + 1);
  const bool right_wins =
      left.head != right.head ? right.head < left.head : TieLess(right.source, left.source);
  losers_[node] = right_wins ? left : right;
  return right_wins ? right : left;
}

// Does source `a` come before source `b`, given that their heads are equal?
bool Merger::TieLess(std::uint64_t a, std::uint64_t b) const {
  const Source& left = sources_[a];
  const Source& right = sources_[b];
  if (left.current == left.end) return false;
  if (right.current == right.end) return true;
  const int order = CompareKeysBehindPrefix(*left.current, *right.current);
  if (order != 0) return order < 0;
  return MR_MUTATION("unstable_merge") ? a > b : a < b;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_MERGER_H_
#define MAPREDUCE_SHUFFLE_MERGER_H_

// Reads many sorted cursors as one, by a loser tree (Knuth, TAOCP volume 3, section 5.4.1).
//
//   Merger merger(std::move(cursors));
//   MR_RETURN_IF_ERROR(merger.Start());
//   while (merger.Next()) Use(merger.record());
//   MR_RETURN_IF_ERROR(merger.status());
//
// Order: (key bytes, cursor index), so equal keys come in the order of the cursors and, within a
// cursor, as it has them. An inner node holds the loser of its two subtrees: the source and the
// first 16 bytes of its current key. When the winner moves on, its new head climbs from leaf to
// root and changes places with each smaller loser. With random keys that is a coin toss, which no
// branch predictor wins, so the exchange is by mask. Only equal heads look at the keys: with 8
// bytes, which keys of several parts often share, that cost a job on 15 M of them 4 % of its time.
//
//               winner                   k = 5 sources are the leaves 5..9 of a tree of 10 nodes;
//                 |                      node n has the children 2n and 2n+1, node 1 the last
//                 1                      match. It works for every k > 1; one cursor needs no tree.
//             /       \                                                                          .
//           2           3
//         /   \       /   \                                                                      .
//        4    s0    s1     s2
//       / \                                                                                      .
//      s3  s4

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/record.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// One thread at a time. Cost of a record: log2(cursors) compares of cached heads; no virtual
/// call, no allocation, no copy.
class Merger {
 public:
  /// Zero cursors are an empty merge.
  explicit Merger(std::vector<std::unique_ptr<RunCursor>> cursors);
  Merger(const Merger&) = delete;
  Merger& operator=(const Merger&) = delete;

  /// Asks each cursor for its first batch. Call once, before Next. On error Next is false.
  Status Start();

  /// Goes to the next record. False at the end and on error (see status()), then forever.
  bool Next();

  /// The current record. Its views live until Next. Requires: the last Next returned true.
  const RecordView& record() const { return *winner_->current; }

  /// The first error of any cursor. It ends the merge: records before it were right, no more come.
  const Status& status() const { return status_; }

 private:
  // A cursor and its batch: [current, end), empty when the cursor has ended.
  struct Source {
    const RecordView* current = nullptr;
    const RecordView* end = nullptr;
    std::uint64_t index = 0;
    std::unique_ptr<RunCursor> cursor;
  };
  // The first 16 key bytes as KeyPrefix has the first 8; all ones for a source that has ended.
  __extension__ using Head = unsigned __int128;
  struct Node {
    Head head;  // Of the source's current key.
    std::uint64_t source;
  };
  enum class State { kNew, kStarted, kMerging, kEnded };

  static constexpr Head kEndedHead = ~Head{0};

  bool Refill(Source& source);
  bool NextSlowly();
  bool Announce();
  bool End();
  Node Play(std::size_t node);
  bool TieLess(std::uint64_t a, std::uint64_t b) const;
  void Replay(std::uint64_t source, Head head);
  static Head HeadOf(const RecordView& record);
  static Head HeadOf(const Source& source) {
    return source.current == source.end ? kEndedHead : HeadOf(*source.current);
  }

  std::vector<Source> sources_;
  std::vector<Node> losers_;  // [1, number of sources); empty for one cursor.
  Source* winner_;            // &gate_ while there is no current record.
  State state_ = State::kNew;
  Status status_;
  // A source of one record that nobody sees: to step off it leads Next to NextSlowly, so that
  // Next needs no test of its own for the first call and for calls after the end.
  Source gate_;
  RecordView gate_record_;
};

inline Merger::Head Merger::HeadOf(const RecordView& record) {
  const std::uint64_t second =
      record.key_bytes <= 8 ? 0 : KeyPrefix(record.key + 8, record.key_bytes - 8);
  return Head{record.prefix} << 64 | second;
}

inline void Merger::Replay(std::uint64_t source, Head head) {
  for (std::uint64_t node = (source + losers_.size()) / 2; node > 0; node /= 2) {
    Node& loser = losers_[node];
    bool loser_wins = loser.head < head;
    if (loser.head == head) [[unlikely]]
      loser_wins = TieLess(loser.source, source);
    const std::uint64_t mask = -static_cast<std::uint64_t>(loser_wins);
    const Head head_change = (loser.head ^ head) & (Head{mask} << 64 | mask);
    const std::uint64_t source_change = (loser.source ^ source) & mask;
    loser.head ^= head_change;
    head ^= head_change;
    loser.source ^= source_change;
    source ^= source_change;
  }
  winner_ = &sources_[source];
}

inline bool Merger::Next() {
  if (++winner_->current == winner_->end) [[unlikely]]
    return NextSlowly();
  if (!losers_.empty()) Replay(winner_->index, HeadOf(*winner_->current));
  return true;
}

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_MERGER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_FETCHER_H_
#define WORKER_FETCHER_H_

// Fetches what reduce attempts read from other workers: from each of them, once, one stream of
// slices. The reader says how much may be under way (credit), counts what has come, and asks again
// from there when nothing comes: after lost messages, a broken connection, or when the other side
// isn't ready yet. Pure: time comes in, messages go out.
//
//   FetchRequest(resume_at = 0) ─▶
//                               ◀─ FetchData(offset 0) … while there is credit
//   FetchCredit(up_to)          ─▶
//                               ◀─ FetchData(offset = stream_bytes - n): done
//
// Where both are on one host, the answer is one FetchFiles instead: the reader opens the run files
// where they lie. Only a task's first attempt asks for that: should the files turn out not to be
// readable, the next attempt gets their bytes.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

struct FetchLimits {
  std::uint32_t streams_max = 32;  ///< At once; others wait.
  std::uint64_t credit_bytes = std::uint64_t{4} << 20;
  std::uint64_t retry_ms = 1'000;  ///< Without a byte before it asks again.
  std::uint32_t tries_max = 10;    ///< Requests without a byte before the source is given up.
  std::string host;                ///< Whose files this worker can open; empty: nobody's.
};

/// One stream: the slices of a source's outputs on one worker, for one reader.
struct FetchKey {
  AttemptId reader;
  PhaseSource source;
  WorkerId from;
  friend auto operator<=>(const FetchKey&, const FetchKey&) = default;
};

/// What has come whole: a stream, whose slices lie one behind the other, or the names of files.
struct FetchedSource {
  FetchKey key;
  std::vector<FetchSlice> slices;
  std::uint64_t bytes = 0;       ///< Of the stream.
  std::vector<FetchFile> files;  ///< To be read where they lie; then there is no stream.
};

/// See above. One thread at a time. What comes for a stream costs the logarithm of their number.
class Fetcher {
 public:
  explicit Fetcher(const FetchLimits& limits) : limits_(limits) {}

  struct Outgoing {
    WorkerId to;
    MessageBody body;
  };

  void Add(const FetchKey& key, const SourceSet& set, const KeyBorders& borders);
  /// Of all streams of a reader; what comes for it later is ignored.
  void Remove(AttemptId reader);

  /// Bytes to append to the stream's spool; empty: nothing new.
  std::string Take(WorkerId from, FetchData data, std::uint64_t now_ms, std::vector<Outgoing>& out);
  /// The source's files instead of a stream.
  void Take(WorkerId from, const FetchFiles& files);
  void Take(WorkerId from, const FetchRefused& refused, std::uint64_t now_ms);
  /// Sends what is due.
  void Tick(std::uint64_t now_ms, std::vector<Outgoing>& out);
  /// UINT64_MAX: nothing to wait for.
  std::uint64_t NextTimerMs() const;

  bool IsDone(AttemptId reader) const;
  /// The reader's streams. Requires: IsDone(reader).
  std::vector<FetchedSource> Fetched(AttemptId reader) const;
  /// Readers of which a source was given up, and why; each is told once.
  std::vector<std::pair<AttemptId, TaskFailure>> TakeFailed();
  std::size_t stream_count() const { return streams_.size(); }

 private:
  struct Stream {
    SourceSet set;
    KeyBorders borders;
    bool is_open = false;  // Among the streams at once: in due_.
    bool is_done = false;  // Neither open nor done: in waiting_.
    std::vector<FetchSlice> slices;
    std::vector<FetchFile> files;  // Instead of them.
    std::uint64_t received = 0;
    std::uint64_t credit_end = 0;
    std::uint32_t tries = 0;
    std::uint64_t next_try_ms = 0;
    std::string last_error;
  };
  // A reader's streams wait in an order of its own: else all would begin with the same worker.
  using Place = std::tuple<AttemptId, std::uint64_t, FetchKey>;
  static Place PlaceOf(const FetchKey& key);
  void Request(const FetchKey& key, Stream& stream, std::uint64_t now_ms,
               std::vector<Outgoing>& out);
  std::uint64_t CreditBytes() const;
  void SetNextTry(const FetchKey& key, Stream& stream, std::uint64_t at_ms);
  void Finish(const FetchKey& key, Stream& stream);
  void GiveUp(const FetchKey& key, TaskFailure failure);

  const FetchLimits limits_;
  std::map<FetchKey, Stream> streams_;
  std::set<Place> waiting_;
  std::set<std::pair<std::uint64_t, FetchKey>> due_;  // Open ones, by next_try_ms.
  std::map<AttemptId, std::size_t> left_;             // Streams of a reader that are not done.
  std::vector<std::pair<AttemptId, TaskFailure>> failed_;
};

}  // namespace millrace

#endif  // WORKER_FETCHER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_SLICE_SERVER_H_
#define WORKER_SLICE_SERVER_H_

// The other end of a fetch (fetcher.h): which streams are being sent, how far, and how far they may
// go. It reads nothing itself: it says what is to be read next, one piece a stream at a time.

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mapreduce/proto/messages.h"

namespace millrace {

struct ServeLimits {
  std::uint32_t streams_max = 64;  ///< At once; further readers ask again.
  std::uint64_t piece_bytes = std::uint64_t{1} << 20;
  std::uint64_t idle_ms = 30'000;  ///< A stream whose reader is silent for so long is forgotten.
};

struct ServeKey {
  WorkerId reader_worker;
  AttemptId reader;
  PhaseSource source;
  friend auto operator<=>(const ServeKey&, const ServeKey&) = default;
};

/// What was read.
struct ServedPiece {
  std::vector<FetchSlice> slices;  ///< Of the whole stream.
  std::uint64_t stream_bytes = 0;
  std::string bytes;
};

/// See above. One thread at a time.
class SliceServer {
 public:
  explicit SliceServer(const ServeLimits& limits) : limits_(limits) {}

  struct NextRead {
    ServeKey key;
    std::vector<AttemptId> outputs;
    KeyBorders borders;
    std::uint64_t offset = 0;
    std::uint64_t bytes_max = 0;
  };

  /// The reader wants the stream of `outputs` from request.resume_at on. False: there are too many
  /// streams already.
  bool Open(const ServeKey& key, const FetchRequest& request, std::vector<AttemptId> outputs,
            std::uint64_t now_ms);
  void AddCredit(const ServeKey& key, std::uint64_t up_to, std::uint64_t now_ms);
  /// The piece at `offset` has been read; false: nobody waits for it any more.
  bool TakePiece(const ServeKey& key, std::uint64_t offset, const ServedPiece& piece);
  void Close(const ServeKey& key) { streams_.erase(key); }
  /// Forgets streams with outputs of this run.
  void CloseRun(JobRunId run);
  /// Pieces to read now.
  std::vector<NextRead> TakeReads();

 private:
  struct Stream {
    std::vector<AttemptId> outputs;
    KeyBorders borders;
    std::uint64_t offset = 0;
    std::uint64_t credit_end = 0;
    std::uint64_t stream_bytes = UINT64_MAX;  // Until the first piece says it.
    bool is_reading = false;
    std::uint64_t heard_ms = 0;
  };

  const ServeLimits limits_;
  std::map<ServeKey, Stream> streams_;
};

}  // namespace millrace

#endif  // WORKER_SLICE_SERVER_H_

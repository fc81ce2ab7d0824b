// SPDX-License-Identifier: Apache-2.0
// Reads zstd shards. A frame that says its size, up to kShardReadBytesMax, is gathered whole and
// decompressed by one call into the caller's buffer: about a third faster than streaming, which
// goes through a window of its own. Other frames are streamed. Where there is a seek table, each
// frame must be what the table says: the splits and all offsets rest on it.

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/io/compressed_input.h"

namespace millrace {
namespace {

// A frame's header is at most this long (ZSTD_FRAMEHEADERSIZE_MAX, which is not public).
constexpr std::size_t kHeaderBytesMax = 18;
// A frame of up to kShardReadBytesMax that is longer than this when stored is streamed.
constexpr std::size_t kWholeStoredBytesMax = kShardReadBytesMax + (std::size_t{1} << 20);

class ZstdShardReader : public ShardReader {
 public:
  ZstdShardReader(StoredReader stored, const Shard& shard, const ShardRange& range,
                  PhaseTimer* timer)
      : input_(std::move(stored)),
        frames_(shard.frames),
        timer_(timer),
        context_(ZSTD_createDCtx()),
        offset_(range.begin) {
    const auto at_range = std::lower_bound(
        frames_.begin(), frames_.end(), range.stored_begin,
        [](const ShardFrame& frame, std::uint64_t begin) { return frame.stored_offset < begin; });
    next_frame_ = static_cast<std::size_t>(at_range - frames_.begin());
    if (context_ == nullptr) status_ = Status::ResourceLimit("no memory for a zstd context");
  }
  ~ZstdShardReader() override { ZSTD_freeDCtx(context_); }

  std::size_t NextReadBytes() override {
    Prepare();
    if (!status_.ok() || state_ == State::kEnd) return 0;
    return state_ == State::kWhole ? frame_bytes_ : kStreamPieceBytes;
  }

  Result<std::size_t> Read(char* into, std::size_t room) override {
    while (true) {
      Prepare();
      if (!status_.ok()) return status_;
      if (state_ == State::kEnd) return std::size_t{0};
      MR_CHECK(room > 0);
      // Only behind a streamed frame that turned out to be at its end can the room be too small.
      if (state_ == State::kWhole && frame_bytes_ > room) status_ = BeginStream();
      std::size_t got = 0;
      if (status_.ok()) {
        const PhaseScope scope(timer_, Phase::kDecompress);
        status_ = state_ == State::kWhole ? DecompressWhole(into, &got) : Stream(into, room, &got);
      }
      if (!status_.ok()) return status_;
      offset_ += got;
      if (timer_ != nullptr) timer_->AddBytes(Phase::kDecompress, got);
      if (got != 0) return got;
    }
  }

  std::uint64_t offset() const override { return offset_; }

  Status Finish() override {
    if (status_.ok()) status_ = input_.Finish();
    return status_;
  }

 private:
  enum class State {
    kBetween,    // Before a frame, or at the end of the shard.
    kWhole,      // The next frame_stored_bytes_ of input are a frame of frame_bytes_ of content.
    kStreaming,  // Inside a frame.
    kEnd,
  };

  Status Damaged(std::string_view why) const {
    return Status::Corrupt(input_.path(), ": damaged zstd data in the frame at byte ",
                           frame_position_, ": ", why,
                           "; restore the file or remove it from the input");
  }
  Status DamagedTable() const { return Damaged("it is not what the seek table says"); }

  Status ZstdStatus(std::size_t code) const {
    switch (ZSTD_getErrorCode(code)) {
      case ZSTD_error_frameParameter_windowTooLarge:
        return Status::BadData(input_.path(), ": the zstd frame at byte ", frame_position_,
                               " needs a window of more than 128 MiB; compress it with --long=27",
                               " or less");
      case ZSTD_error_memory_allocation:
        return Status::ResourceLimit(input_.path(), ": no memory to decompress the frame at byte ",
                                     frame_position_);
      default:
        return Damaged(ZSTD_getErrorName(code));
    }
  }

  // Moves to the next frame that has content, or to the end.
  void Prepare() {
    while (status_.ok() && state_ == State::kBetween) status_ = BeginFrame();
  }

  Status BeginFrame() {
    MR_RETURN_IF_ERROR(input_.FillTo(kHeaderBytesMax));
    frame_position_ = input_.position();
    if (input_.size() == 0) {
      state_ = State::kEnd;
      return Status::Ok();
    }
    const ShardFrame* planned = nullptr;
    if (!frames_.empty()) {
      // The table covers the file, and each frame so far had its length: we can't be beyond it.
      if (next_frame_ == frames_.size() || frames_[next_frame_].stored_offset != frame_position_) {
        return DamagedTable();
      }
      planned = &frames_[next_frame_++];
    }
    if (input_.size() < 8) return Damaged("it is cut off");
    const std::uint32_t magic = LoadLittle32(input_.data());
    if ((magic & ~std::uint32_t{15}) == kSkippableMagic) return Skip(planned);
    if (magic != kZstdMagic) return Damaged("bytes that are no zstd frame");

    const unsigned long long content_bytes = ZSTD_getFrameContentSize(input_.data(), input_.size());
    if (content_bytes == ZSTD_CONTENTSIZE_ERROR) return Damaged("its header is damaged");
    const bool is_known = content_bytes != ZSTD_CONTENTSIZE_UNKNOWN;
    if (planned != nullptr && is_known && content_bytes != planned->bytes) return DamagedTable();
    planned_ = planned;
    if (is_known && content_bytes <= kShardReadBytesMax) {
      MR_RETURN_IF_ERROR(GatherFrame());
      frame_bytes_ = content_bytes;
      // An empty frame still has a checksum to be looked at, but nothing for the caller.
      char nothing;
      std::size_t got;
      if (state_ == State::kWhole && content_bytes == 0) return DecompressWhole(&nothing, &got);
    }
    return state_ == State::kWhole ? Status::Ok() : BeginStream();
  }

  Status Skip(const ShardFrame* planned) {
    std::uint64_t left = std::uint64_t{8} + LoadLittle32(input_.data() + 4);
    if (planned != nullptr && (planned->stored_bytes != left || planned->bytes != 0)) {
      return DamagedTable();
    }
    while (true) {
      const std::size_t n = std::min<std::uint64_t>(left, input_.size());
      input_.Consume(n);
      left -= n;
      if (left == 0) return Status::Ok();
      if (input_.AtEnd()) return Damaged("it is cut off");
      MR_RETURN_IF_ERROR(input_.Fill());
    }
  }

  // Reads on until the frame is in the buffer; leaves the state alone where it is too long.
  Status GatherFrame() {
    if (planned_ != nullptr && planned_->stored_bytes <= kWholeStoredBytesMax) {
      MR_RETURN_IF_ERROR(input_.FillTo(planned_->stored_bytes));
    }
    while (true) {
      const std::size_t found = ZSTD_findFrameCompressedSize(input_.data(), input_.size());
      if (!ZSTD_isError(found)) {
        if (planned_ != nullptr && planned_->stored_bytes != found) return DamagedTable();
        frame_stored_bytes_ = found;
        state_ = State::kWhole;
        return Status::Ok();
      }
      if (ZSTD_getErrorCode(found) != ZSTD_error_srcSize_wrong) return ZstdStatus(found);
      if (input_.AtEnd()) return Damaged("it is cut off");
      if (input_.size() >= kWholeStoredBytesMax) return Status::Ok();
      MR_RETURN_IF_ERROR(input_.Fill());
    }
  }

  Status DecompressWhole(char* into, std::size_t* got) {
    const std::size_t result =
        ZSTD_decompressDCtx(context_, into, frame_bytes_, input_.data(), frame_stored_bytes_);
    if (ZSTD_isError(result)) return ZstdStatus(result);
    if (result != frame_bytes_) return Damaged("its content is not as long as it says");
    input_.Consume(frame_stored_bytes_);
    *got = result;
    state_ = State::kBetween;
    return Status::Ok();
  }

  Status BeginStream() {
    const std::size_t result = ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
    if (ZSTD_isError(result)) return ZstdStatus(result);
    streamed_bytes_ = 0;
    state_ = State::kStreaming;
    return Status::Ok();
  }

  Status Stream(char* into, std::size_t room, std::size_t* got) {
    ZSTD_outBuffer out{into, std::min(room, kStreamPieceBytes), 0};
    while (out.pos < out.size) {
      if (input_.size() == 0 && !input_.AtEnd()) MR_RETURN_IF_ERROR(input_.Fill());
      ZSTD_inBuffer in{input_.data(), input_.size(), 0};
      const std::size_t result = ZSTD_decompressStream(context_, &out, &in);
      if (ZSTD_isError(result)) return ZstdStatus(result);
      input_.Consume(in.pos);
      if (result == 0) {
        state_ = State::kBetween;
        break;
      }
      if (input_.size() == 0 && input_.AtEnd() && out.pos < out.size) {
        return Damaged("it is cut off");
      }
    }
    *got = out.pos;
    streamed_bytes_ += out.pos;
    if (state_ == State::kBetween && planned_ != nullptr &&
        (planned_->bytes != streamed_bytes_ ||
         planned_->stored_bytes != input_.position() - frame_position_)) {
      return DamagedTable();
    }
    return Status::Ok();
  }

  CompressedInput input_;
  const std::vector<ShardFrame>& frames_;
  PhaseTimer* const timer_;
  ZSTD_DCtx* const context_;
  Status status_;
  State state_ = State::kBetween;
  std::size_t next_frame_ = 0;           // In frames_.
  const ShardFrame* planned_ = nullptr;  // What the table says of the current frame.
  std::uint64_t frame_position_ = 0;     // Of the current frame in the file.
  std::size_t frame_stored_bytes_ = 0;
  std::size_t frame_bytes_ = 0;
  std::uint64_t streamed_bytes_ = 0;
  std::uint64_t offset_;
};

}  // namespace

std::unique_ptr<ShardReader> NewZstdShardReader(StoredReader stored, const Shard& shard,
                                                const ShardRange& range, PhaseTimer* timer) {
  return std::make_unique<ZstdShardReader>(std::move(stored), shard, range, timer);
}

}  // namespace millrace

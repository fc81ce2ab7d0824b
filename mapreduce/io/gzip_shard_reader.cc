// SPDX-License-Identifier: Apache-2.0
// Reads gzip shards: one or more members, then at most zeros (some writers pad with them). gzip
// cannot be entered in the middle, so a shard is one range.

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "mapreduce/io/compressed_input.h"

namespace millrace {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // The largest window; only gzip headers.

class GzipShardReader : public ShardReader {
 public:
  GzipShardReader(StoredReader stored, PhaseTimer* timer)
      : input_(std::move(stored)), timer_(timer) {
    if (inflateInit2(&stream_, kGzipWindowBits) != Z_OK) {
      status_ = Status::ResourceLimit("no memory for a gzip reader");
    }
  }
  ~GzipShardReader() override { inflateEnd(&stream_); }

  std::size_t NextReadBytes() override {
    Prepare();
    return status_.ok() && state_ != State::kEnd ? kStreamPieceBytes : 0;
  }

  Result<std::size_t> Read(char* into, std::size_t room) override {
    while (true) {
      Prepare();
      if (!status_.ok()) return status_;
      if (state_ == State::kEnd) return std::size_t{0};
      MR_CHECK(room > 0);
      std::size_t got = 0;
      {
        const PhaseScope scope(timer_, Phase::kDecompress);
        status_ = Inflate(into, std::min(room, kStreamPieceBytes), &got);
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
  enum class State { kBetween, kMember, kEnd };

  Status Damaged(std::string_view why) const {
    return Status::Corrupt(input_.path(), ": damaged gzip data in the member at byte ",
                           member_position_, ": ", why,
                           "; restore the file or remove it from the input");
  }

  void Prepare() {
    if (status_.ok() && state_ == State::kBetween) status_ = BeginMember();
  }

  Status BeginMember() {
    MR_RETURN_IF_ERROR(input_.FillTo(2));
    member_position_ = input_.position();
    if (input_.size() == 0) {
      state_ = State::kEnd;
      return Status::Ok();
    }
    if (input_.data()[0] == '\0') return SkipPadding();
    if (input_.size() < 2) return Damaged("it is cut off");
    if (input_.data()[0] != '\x1f' || input_.data()[1] != '\x8b') {
      return Damaged("bytes that are no gzip member");
    }
    inflateReset(&stream_);
    state_ = State::kMember;
    return Status::Ok();
  }

  Status SkipPadding() {
    while (true) {
      const char* const end = input_.data() + input_.size();
      if (std::any_of(input_.data(), end, [](char c) { return c != '\0'; })) {
        return Damaged("bytes that are no gzip member");
      }
      input_.Consume(input_.size());
      if (input_.AtEnd()) break;
      MR_RETURN_IF_ERROR(input_.Fill());
    }
    state_ = State::kEnd;
    return Status::Ok();
  }

  Status Inflate(char* into, std::size_t room, std::size_t* got) {
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out != 0 && state_ == State::kMember) {
      if (input_.size() == 0 && !input_.AtEnd()) MR_RETURN_IF_ERROR(input_.Fill());
      stream_.next_in = reinterpret_cast<const Bytef*>(input_.data());
      stream_.avail_in = static_cast<uInt>(input_.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      input_.Consume(input_.size() - stream_.avail_in);
      if (result == Z_STREAM_END) {
        state_ = State::kBetween;
      } else if (result == Z_MEM_ERROR) {
        return Status::ResourceLimit(input_.path(), ": no memory to decompress it");
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return Damaged(stream_.msg != nullptr ? stream_.msg : "it cannot be decompressed");
      } else if (input_.size() == 0 && input_.AtEnd() && stream_.avail_out != 0) {
        return Damaged("it is cut off");
      }
    }
    *got = room - stream_.avail_out;
    return Status::Ok();
  }

  CompressedInput input_;
  PhaseTimer* const timer_;
  z_stream stream_{};
  Status status_;
  State state_ = State::kBetween;
  std::uint64_t member_position_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace

std::unique_ptr<ShardReader> NewGzipShardReader(StoredReader stored, PhaseTimer* timer) {
  return std::make_unique<GzipShardReader>(std::move(stored), timer);
}

}  // namespace millrace

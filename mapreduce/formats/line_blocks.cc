// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/line_blocks.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/base/size.h"

namespace millrace {
namespace {

constexpr std::size_t kPartialLineSlack = std::size_t{64} << 10;
// A buffer that grew for a long line is not kept.
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;

const char* FirstNewline(const char* begin, const char* end) {
  if (begin >= end) return nullptr;
  return static_cast<const char*>(std::memchr(begin, '\n', static_cast<std::size_t>(end - begin)));
}

// memrchr is not in the standard library. Linear from the end: lines are short beside a block, and
// a long partial line is scanned once, when it is read.
const char* LastNewline(const char* begin, const char* end) {
  while (end > begin) {
    if (*--end == '\n') return end;
  }
  return nullptr;
}

}  // namespace

LineBlockReader::LineBlockReader(ShardReader& reader, const ShardRange& range,
                                 std::size_t record_bytes_max, std::string shard_path,
                                 LineBuffer* shared)
    : reader_(reader),
      range_end_(range.end),
      record_bytes_max_(record_bytes_max),
      shard_path_(std::move(shard_path)),
      shared_(shared),
      offset_(range.begin),
      must_skip_(range.begin > 0) {
  if (shared_ == nullptr) return;
  std::swap(buffer_, *shared_);
  ASAN_UNPOISON_MEMORY_REGION(buffer_.bytes.get(), buffer_.capacity);
  line_ = scanned_ = filled_ = buffer_.bytes.get();
}

LineBlockReader::~LineBlockReader() {
  if (shared_ == nullptr || buffer_.capacity > kKeptBytesMax) return;
  ASAN_POISON_MEMORY_REGION(buffer_.bytes.get(), buffer_.capacity);  // Who has kept a view?
  std::swap(buffer_, *shared_);
}

Result<bool> LineBlockReader::Next(LineBlock* block) {
  if (!error_.ok()) return error_;
  while (!is_done_) {
    Result<bool> has_more = ReadMore();
    if (!has_more.ok()) return error_ = has_more.error();
    if (!*has_more) {
      is_done_ = true;
      if (must_skip_ || line_ == filled_) return false;
      return Emit(filled_, block);  // The shard's last line, without LF.
    }
    if (must_skip_ && !SkipFirstLine()) continue;

    // The range's last line ends with the first LF at or after its end.
    if (OffsetOf(filled_) > range_end_) {
      const std::uint64_t to_end = range_end_ > offset_ ? range_end_ - offset_ : 0;
      const char* newline = FirstNewline(std::max(scanned_, line_ + to_end), filled_);
      if (newline != nullptr) {
        is_done_ = true;
        return Emit(newline + 1, block);
      }
    }
    const char* newline = LastNewline(scanned_, filled_);
    scanned_ = filled_;
    if (newline != nullptr) return Emit(newline + 1, block);
    if (static_cast<std::size_t>(filled_ - line_) > record_bytes_max_) {
      return error_ = LineTooLong(line_);
    }
  }
  return false;
}

Result<bool> LineBlockReader::ReadMore() {
  const std::size_t read_bytes = reader_.NextReadBytes();
  MakeRoom(read_bytes);
  const std::size_t room = buffer_.capacity - kLineBlockPadding -
                           static_cast<std::size_t>(filled_ - buffer_.bytes.get());
  MR_ASSIGN_OR_RETURN(const std::size_t bytes, reader_.Read(filled_, room));
  filled_ += bytes;
  return bytes > 0;
}

void LineBlockReader::MakeRoom(std::size_t read_bytes) {
  const std::size_t kept = static_cast<std::size_t>(filled_ - line_);
  const std::size_t needed = kept + read_bytes + kLineBlockPadding;
  const std::size_t scanned = static_cast<std::size_t>(scanned_ - line_);
  if (needed > buffer_.capacity) {
    // Some slack for partial lines, then twice as much, so that a long line is moved a bounded
    // number of times; but hardly more than the longest line allowed would need.
    const std::size_t wanted =
        kept == 0 ? needed + std::min(needed, kPartialLineSlack) : 2 * buffer_.capacity;
    const std::size_t longest = std::min(record_bytes_max_, SIZE_MAX / 2);
    const std::size_t grown =
        std::max(needed, std::min(wanted, longest + read_bytes + kLineBlockPadding));
    auto larger = std::make_unique_for_overwrite<char[]>(grown);
    if (kept > 0) std::memcpy(larger.get(), line_, kept);
    std::memset(larger.get() + grown - kLineBlockPadding, 0, kLineBlockPadding);
    buffer_.bytes = std::move(larger);
    buffer_.capacity = grown;
  } else if (line_ != buffer_.bytes.get() && kept > 0) {
    std::memmove(buffer_.bytes.get(), line_, kept);
  }
  line_ = buffer_.bytes.get();
  scanned_ = line_ + scanned;
  filled_ = buffer_.bytes.get() + kept;
}

bool LineBlockReader::SkipFirstLine() {
  const char* newline = FirstNewline(line_, filled_);
  const char* next_line = newline == nullptr ? filled_ : newline + 1;
  offset_ = OffsetOf(next_line);
  line_ = scanned_ = next_line;
  must_skip_ = newline == nullptr;
  // The line after an LF at or after the end is not ours, whether the LF was read yet or not.
  if (offset_ > range_end_ || (must_skip_ && offset_ == range_end_)) is_done_ = true;
  return !must_skip_ && !is_done_;
}

Result<bool> LineBlockReader::Emit(const char* end, LineBlock* block) {
  if (Status status = CheckLineLengths(line_, end); !status.ok()) return error_ = status;
  *block = LineBlock{.begin = line_, .end = end, .offset = offset_};
  offset_ = OffsetOf(end);
  line_ = end;
  scanned_ = std::max(scanned_, end);
  return true;
}

// Hops from line to line in steps of up to the limit, so that the check costs next to nothing for
// the usual limits of megabytes, and finds every line that is too long.
Status LineBlockReader::CheckLineLengths(const char* begin, const char* end) const {
  while (static_cast<std::size_t>(end - begin) > record_bytes_max_) {
    const char* newline = LastNewline(begin, begin + record_bytes_max_);
    if (newline == nullptr) {
      if (begin[record_bytes_max_] != '\n') return LineTooLong(begin);
      newline = begin + record_bytes_max_;
    }
    begin = newline + 1;
  }
  return Status::Ok();
}

Status LineBlockReader::LineTooLong(const char* line) const {
  return Status::BadData(shard_path_, ": the line at byte ", OffsetOf(line), " is longer than ",
                         FormatBytes(record_bytes_max_), " (", record_bytes_max_,
                         " bytes), the most a record may have; raise --memory or mend the line");
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv_border.h"

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

constexpr std::size_t kLineEndBytes = 2;
constexpr std::size_t kCalmRecordsMin = 16;

std::size_t Find(std::string_view bytes, char wanted, std::size_t begin, std::size_t end) {
  const void* const found =
      begin < end ? std::memchr(bytes.data() + begin, wanted, end - begin) : nullptr;
  return found == nullptr
             ? end
             : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
}

}  // namespace

CsvBorder::CsvBorder(const CsvBorderOptions& options)
    : options_(options),
      window_bytes_(std::min(options.record_bytes_max, kCsvRecordBytesMax) + kLineEndBytes),
      calm_bytes_(options.column_count > 1 ? options.calm_bytes : 16 * options.calm_bytes) {
  if (!options.has_quotes) RuleOut(readings_[1]);
}

bool CsvBorder::Look(std::string_view bytes, bool is_end) {
  const std::size_t known = std::min(bytes.size(), window_bytes_);
  while (!IsDecided()) {
    if (at_ == known) {
      if (known < window_bytes_ && !is_end) return false;
      if (known < window_bytes_) RuleOutQuoted();
      Decide(known < window_bytes_ ? known : kNone);
      return true;
    }
    const std::size_t calm_end =
        std::max((is_calm_asked_ ? at_ : calm_begin_) + calm_bytes_, at_ + 1);
    const std::size_t end = chosen_ == nullptr ? std::min(known, calm_end) : known;
    const std::size_t quote = options_.has_quotes ? Find(bytes, options_.quote, at_, end) : end;
    Pass(bytes, quote);
    if (quote < end) {
      PassQuote();  // Which may have ended the field: the next other byte will tell.
    } else if (chosen_ == nullptr && !is_calm_asked_ && at_ >= calm_begin_ + calm_bytes_) {
      is_calm_asked_ = true;
      if (IsCalm(bytes)) RuleOut(*quoted_);
    }
  }
  next_record_ = chosen_->next_record;
  return true;
}

void CsvBorder::Pass(std::string_view bytes, std::size_t end) {
  if (at_ == end) return;
  for (Reading& reading : readings_) PassOne(reading, bytes, end);
  // Behind a run of quotes it is the same one, if their number was even.
  Reading* const quoted = &readings_[readings_[0].state == State::kQuoted ? 0 : 1];
  if (quoted != quoted_ || is_calm_asked_) {
    quoted_ = quoted;
    calm_begin_ = at_;
    is_calm_asked_ = false;
  }
  at_ = end;
}

void CsvBorder::PassOne(Reading& reading, std::string_view bytes, std::size_t end) {
  std::size_t at = at_;
  // Behind a closing quote: a delimiter, LF or CR LF.
  if (reading.state == State::kQuoteInQuoted) {
    const char c = bytes[at];
    if (c == '\r') {
      reading.state = State::kReturnBehind;
      if (++at == end) return;
    } else if (c != '\n' && c != options_.delimiter) {
      RuleOut(reading);
    } else {
      reading.state = State::kFieldStart;
    }
  }
  if (reading.state == State::kReturnBehind) {
    if (bytes[at] == '\n') {
      reading.state = State::kFieldStart;
    } else {
      RuleOut(reading);
    }
  }
  if (reading.state == State::kQuoted || reading.state == State::kRuledOut) return;
  if (reading.next_record == kNone) {
    const std::size_t newline = Find(bytes, '\n', at, end);
    if (newline < end) reading.next_record = newline + 1;
  }
  if (reading.state == State::kBad) return;  // Its next record is all that is asked for.
  const char last = bytes[end - 1];
  reading.state =
      last == '\n' || last == options_.delimiter ? State::kFieldStart : State::kUnquoted;
}

void CsvBorder::PassQuote() {
  for (Reading& reading : readings_) {
    switch (reading.state) {
      case State::kFieldStart:
      case State::kQuoteInQuoted:
        reading.state = State::kQuoted;
        break;
      case State::kQuoted:
        reading.state = State::kQuoteInQuoted;
        break;
      case State::kUnquoted:
      case State::kReturnBehind:
        RuleOut(reading);
        break;
      case State::kBad:
      case State::kRuledOut:
        break;
    }
  }
  ++at_;
}

void CsvBorder::RuleOut(Reading& reading) {
  if (chosen_ == &reading) {
    reading.state = State::kBad;
    return;
  }
  reading.state = State::kRuledOut;
  chosen_ = &reading == &readings_[0] ? &readings_[1] : &readings_[0];
}

void CsvBorder::RuleOutQuoted() {
  if (chosen_ != nullptr) return;
  RuleOut(readings_[0].state == State::kQuoted ? readings_[0] : readings_[1]);
}

// Of the reading that is not quoted_, which has no more in quotes than "" there: no LF, no
// delimiter.
bool CsvBorder::IsCalm(std::string_view bytes) const {
  std::size_t line = Find(bytes, '\n', calm_begin_, at_);
  std::size_t record_count = 0;
  while (line < at_) {
    ++line;
    const std::size_t newline = Find(bytes, '\n', line, at_);
    if (newline == at_) break;
    const char* const from = bytes.data() + line;
    const auto delimiters =
        static_cast<std::size_t>(std::count(from, bytes.data() + newline, options_.delimiter));
    const bool is_blank = newline == line || (newline == line + 1 && *from == '\r');
    if (!is_blank) {
      if (delimiters + 1 != options_.column_count) return false;
      ++record_count;
    }
    line = newline;
  }
  return record_count >= kCalmRecordsMin;
}

void CsvBorder::Decide(std::size_t otherwise) {
  // Both read well for so long: outside quotes, unless only the other one's record ended.
  if (chosen_ == nullptr) {
    chosen_ = readings_[0].next_record != kNone ? &readings_[0] : &readings_[1];
  }
  next_record_ = chosen_->next_record != kNone ? chosen_->next_record : otherwise;
}

}  // namespace millrace

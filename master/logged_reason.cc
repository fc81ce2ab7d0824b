// SPDX-License-Identifier: Apache-2.0
#include "master/logged_reason.h"

#include <cctype>
#include <cstddef>

#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

bool IsWordPart(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<signed char>(c) < 0;
}

// How a task's process ended: these words, and the next one (DescribeEnding in
// worker/task_ending.h). Nothing between them is of the job.
std::string_view EndOfProcess(std::string_view message) {
  for (const std::string_view words :
       {std::string_view("the job's code crashed with "),
        std::string_view("the job's code ended its process with ")}) {
    const std::size_t begin = message.find(words);
    if (begin == message.npos) continue;
    std::size_t end = begin + words.size();
    const auto is_part = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '(' || c == ')' || c == '-';
    };
    while (end < message.size() && is_part(message[end])) ++end;
    return message.substr(begin, end - begin);
  }
  return {};
}

// From the first quotation mark that opens (an apostrophe has a letter before it) to the last one
// at all: what is quoted may hold quotation marks itself.
std::string WithoutQuotes(std::string_view message) {
  std::size_t open = 0;
  while (open < message.size() &&
         (!(message[open] == '\'' || message[open] == '"') ||
          (open > 0 && message[open] == '\'' && IsWordPart(message[open - 1])))) {
    ++open;
  }
  if (open == message.size()) return std::string(message);
  const std::size_t close = message.find_last_of("'\"");
  if (close == open) return std::string(message.substr(0, open + 1)) + "…";
  return std::string(message.substr(0, open + 1)) + "…" + std::string(message.substr(close));
}

}  // namespace

std::string LoggedReason(StatusCode code, std::string_view message) {
  switch (code) {
    case StatusCode::kUserCode: {
      const std::string_view end = EndOfProcess(message);
      return end.empty() ? std::string("the job's code failed") : Shortened(end, kLoggedBytesMax);
    }
    case StatusCode::kBadData:
      return message.find("--max-rejects") == message.npos
                 ? "bad data"
                 : "more records were rejected than --max-rejects allows";
    case StatusCode::kDiverged:
      return "two attempts of one task made other records";
    case StatusCode::kInvalidArgument:
      return "the job, its parameters or its inputs do not fit";
    default:
      return Shortened(WithoutQuotes(message), kLoggedBytesMax);
  }
}

}  // namespace millrace

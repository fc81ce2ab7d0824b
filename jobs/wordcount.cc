// SPDX-License-Identifier: Apache-2.0
// How often each word occurs: `word, count` by word. A word is a maximal run of bytes other than
// space, tab, CR and LF. See docs/jobs/wordcount.md.
#include <cstdint>
#include <string_view>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/formats/word_scanner.h"

namespace {

struct SplitIntoWords {
  void Map(const millrace::Line& line, millrace::Emitter<std::string_view, millrace::Unit>& emit) {
    millrace::ForEachWord(line.text, [&](std::string_view word) { emit(word); });
  }
};

void WordCount(millrace::Job& job) {
  job.ReadLines("text").Map<SplitIntoWords>().Reduce<millrace::Count>().Write<millrace::Tsv>(
      "words", {"word", "count"});
}

MR_JOB(wordcount, WordCount, "how often each word occurs in text")

}  // namespace

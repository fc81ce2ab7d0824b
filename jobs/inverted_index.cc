// SPDX-License-Identifier: Apache-2.0
// A search index: `term, documents, postings`, where the postings are `doc:tf,doc:tf,...` in order.
// A document is a file. docs/examples/search.cc searches what this job writes.
#include <string>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
using TermDocument = std::tuple<Name, Name>;

bool IsTermByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The file's name, without what separates postings.
std::string DocumentOf(Name file_name) {
  std::string document;
  for (const char c : file_name) {
    if (c == '%') {
      document += "%25";
    } else if (c == ',') {
      document += "%2C";
    } else if (c == ':') {
      document += "%3A";
    } else {
      document += c;
    }
  }
  return document;
}

class Terms {
 public:
  void Map(const Line& line, Emitter<TermDocument, Unit>& emit, Context& context) {
    if (context.file_name() != file_name_) {
      file_name_ = context.file_name();
      document_ = DocumentOf(file_name_);
    }
    lower_ = line.text;
    for (char& c : lower_) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    for (std::size_t begin = 0; begin < lower_.size();) {
      std::size_t end = begin;
      while (end < lower_.size() && IsTermByte(lower_[end])) ++end;
      if (end > begin) emit({Name(lower_).substr(begin, end - begin), document_});
      begin = end + 1;
    }
  }

 private:
  std::string file_name_, document_, lower_;
};

struct ByTerm {
  void Map(const KeyValue<TermDocument, std::int64_t>& count,
           Emitter<TermDocument, std::int64_t>& emit) {
    emit(count.key, count.value);
  }
};

struct Entry {
  std::int64_t documents = 0;
  Name postings;
  MR_FIELDS(Entry, documents, postings)
};

// A term's documents come in order.
class Postings {
 public:
  void Reduce(const Name& term, Values<KeyValue<TermDocument, std::int64_t>>& counts,
              Emitter<Name, Entry>& emit) {
    postings_.clear();
    std::int64_t documents = 0;
    for (const auto& [key, count] : counts) {
      if (documents++ > 0) postings_ += ',';
      postings_ += std::get<1>(key);
      postings_ += ':';
      postings_ += std::to_string(count);
    }
    emit(term, {documents, postings_});
  }

 private:
  std::string postings_;
};

void InvertedIndex(Job& job) {
  job.ReadDocuments("documents")
      .Map<Terms>()
      .Reduce<Count>()
      .Map<ByTerm>()
      .GroupBy<1>()
      .Reduce<Postings>()
      .Write<Tsv>("inverted_index", {"term", "documents", "postings"});
}
MR_JOB(inverted_index, InvertedIndex, "which documents hold a term, and how often")
}  // namespace

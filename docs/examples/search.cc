// SPDX-License-Identifier: Apache-2.0
// Searches an index that the job inverted_index has written, in plain C++:
//
//   millrace cat INDEX | search WORD...
//
// prints the ten best documents, a line `score<TAB>document` each: by score as it is printed, equal
// ones by document. The score is the sum over the words, each once, of BM25 (Robertson and
// Zaragoza, "The Probabilistic Relevance Framework", 2009):
//
//   ln(1 + (N - n + 0.5) / (n + 0.5)) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean))
//
// where N counts the documents, n those with the word, tf is how often it stands in this one, and a
// document's length is the sum of its tf. One pass over the index, since lengths are known only at
// its end; in memory are the documents' names and the postings of the words.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr double kK1 = 1.2, kB = 0.75;
constexpr std::size_t kBest = 10;

constexpr int kExitUsage = 64, kExitData = 65;

struct Posting {
  std::size_t document = 0;
  std::int64_t tf = 0;
};

struct Index {
  std::vector<std::string> names;    // As the index has them, with its escapes.
  std::vector<std::int64_t> length;  // Of each document.
  std::unordered_map<std::string, std::size_t> number_of;
  std::vector<std::vector<Posting>> found;  // Of each of the words that is there.

  std::size_t NumberOf(std::string name) {
    const auto [at, is_new] = number_of.emplace(std::move(name), names.size());
    if (is_new) {
      names.push_back(at->first);
      length.push_back(0);
    }
    return at->second;
  }
};

// Adds the terms of a word given: "Re-use" is re and use, as in the index.
void AddTerms(std::string_view word, std::set<std::string>& terms) {
  std::string term;
  for (std::size_t i = 0; i <= word.size(); ++i) {
    const char c = i < word.size() ? word[i] : ' ';
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
        static_cast<unsigned char>(c) >= 0x80) {
      term += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!term.empty()) {
      terms.insert(std::exchange(term, ""));
    }
  }
}

// Adds a row of the index: term, documents, postings. False if it is none.
bool AddRow(std::string_view row, const std::set<std::string>& terms, Index& index) {
  const std::size_t first = row.find('\t');
  const std::size_t second = first == row.npos ? row.npos : row.find('\t', first + 1);
  if (second == row.npos) return false;
  std::vector<Posting>* found = nullptr;
  if (terms.count(std::string(row.substr(0, first))) > 0) found = &index.found.emplace_back();
  std::string_view postings = row.substr(second + 1);
  for (bool is_last = false; !is_last;) {
    const std::size_t comma = postings.find(',');
    is_last = comma == postings.npos;
    const std::string_view one = postings.substr(0, comma);
    const std::size_t colon = one.find(':');
    if (colon == one.npos) return false;
    Posting posting;
    const char* const end = one.data() + one.size();
    const auto parsed = std::from_chars(one.data() + colon + 1, end, posting.tf);
    if (parsed.ec != std::errc() || parsed.ptr != end || posting.tf < 1) return false;
    posting.document = index.NumberOf(std::string(one.substr(0, colon)));
    index.length[posting.document] += posting.tf;
    if (found != nullptr) found->push_back(posting);
    if (!is_last) postings.remove_prefix(comma + 1);
  }
  return true;
}

// The score of each document that has one of the words, to four decimals.
std::vector<std::pair<double, std::string>> Scores(const Index& index) {
  const auto documents = static_cast<double>(index.names.size());
  double total = 0;
  for (const std::int64_t length : index.length) total += static_cast<double>(length);
  const double mean = total / documents;
  std::unordered_map<std::size_t, double> sums;
  for (const std::vector<Posting>& postings : index.found) {
    const auto n = static_cast<double>(postings.size());
    const double idf = std::log(1 + (documents - n + 0.5) / (n + 0.5));
    for (const Posting& posting : postings) {
      const auto tf = static_cast<double>(posting.tf);
      const auto length = static_cast<double>(index.length[posting.document]);
      sums[posting.document] += idf * tf * (kK1 + 1) / (tf + kK1 * (1 - kB + kB * length / mean));
    }
  }
  std::vector<std::pair<double, std::string>> scores;
  for (const auto& [document, sum] : sums) {
    scores.emplace_back(std::round(sum * 1e4) / 1e4, index.names[document]);
  }
  return scores;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::set<std::string> terms;
  for (int i = 1; i < argc; ++i) AddTerms(argv[i], terms);
  if (terms.empty()) {
    std::cerr << "search: say what to look for: millrace cat INDEX | search WORD...\n";
    return kExitUsage;
  }
  Index index;
  std::int64_t line = 0;
  for (std::string row; std::getline(std::cin, row);) {
    ++line;
    if (AddRow(row, terms, index)) continue;
    std::cerr << "search: line " << line << " is no row of an index: term, documents, postings\n";
    return kExitData;
  }
  std::vector<std::pair<double, std::string>> best = Scores(index);
  std::sort(best.begin(), best.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (best.size() > kBest) best.resize(kBest);
  for (const auto& [score, document] : best) {
    std::printf("%.4f\t%s\n", score, document.c_str());
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

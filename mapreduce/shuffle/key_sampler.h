// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_KEY_SAMPLER_H_
#define MAPREDUCE_SHUFFLE_KEY_SAMPLER_H_

// A sample of keys that depends on the set of keys alone: the `capacity` distinct keys with the
// smallest hashes (a bottom-k sketch: Cohen and Kaplan, "Summarizing data using bottom-k
// sketches", 2007). Splits, spills, threads, repetitions and order can't be seen in it, so parts
// cut by it are the same in every run; and one more key changes at most two of its members.
//
// Candidates are gathered, and sorted out when there are twice as many as wanted: less than two
// thirds of what a search tree costs.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/hash.h"

namespace millrace {

/// One thread at a time. Memory: twice as many keys as are sampled, and 24 bytes each; while they
/// are sorted out or their memory grows, up to 28 more.
class KeySampler {
 public:
  /// Requires: capacity > 0.
  explicit KeySampler(std::size_t capacity);

  /// Takes a key into account; again and in any order makes no difference. Cost when the sample is
  /// full: a hash and a compare for most keys.
  void Offer(std::string_view key) {
    const std::uint64_t hash = Hash64(key);
    if (hash <= hash_max_) Add(hash, key);
  }

  /// As if all keys offered to `other` had been offered here. Requires: equal capacities.
  void Merge(const KeySampler& other);

  std::size_t capacity() const { return capacity_; }
  /// What its memory goes by: less than twice the capacity.
  std::size_t candidate_count() const { return candidates_.size(); }

  /// The sampled keys in key order.
  std::vector<std::string> SortedKeys() const;

  /// At most parts - 1 keys, strictly increasing, that cut the keys into parts of about the same
  /// number of distinct keys: part j is [border j-1, border j). Fewer when there are fewer samples
  /// than parts. Of the samples within a quarter of a part around the ideal place the one with the
  /// smallest hash is taken, so that a key more or less moves few borders. Requires: parts > 0.
  std::vector<std::string> Borders(int parts) const;

 private:
  struct Sample {
    std::uint64_t hash;
    std::string_view key;
  };
  struct Candidate {
    std::uint64_t hash;
    std::size_t offset, bytes;  // Of the key in keys_.
  };

  void Add(std::uint64_t hash, std::string_view key);
  void DropOthers();
  std::string_view KeyOf(const Candidate& candidate) const {
    return std::string_view(keys_).substr(candidate.offset, candidate.bytes);
  }
  /// By hash, then by key: should two hashes be equal, the set of keys still decides alone.
  std::vector<Sample> Samples() const;

  std::size_t capacity_;
  std::uint64_t hash_max_;  // A larger hash has no chance: once, `capacity_` keys had smaller ones.
  std::vector<Candidate> candidates_;  // The sample's and others, some more than once.
  std::string keys_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_KEY_SAMPLER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TESTING_STORED_INPUT_H_
#define MAPREDUCE_TESTING_STORED_INPUT_H_

// Literal records as shards on disk, plain or compressed in all the ways a dataset may be: what a
// job must not be able to tell apart.

#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/shard.h"

namespace millrace {

/// A directory of its own, below $TMPDIR if set, in memory where there is room, or below /tmp. It
/// is removed with all in it at the end. One thread at a time.
class TestDirectory {
 public:
  TestDirectory();
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory();

  /// "" if it could not be made.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// How the shards of an input are stored.
enum class ShardStorage {
  kPlain,
  kZstd,   ///< Seekable, in several pieces: it can be split.
  kGzip,   ///< Several members: it can't.
  kMixed,  ///< Each shard in one of these ways.
};

/// Writes `shards` into `directory`, which must exist, named so that they keep their order. What is
/// random (where pieces end, what kMixed means) comes from `random`. Errors: of the file system.
Result<std::vector<Shard>> StoreShards(const std::string& directory,
                                       const std::vector<std::string>& shards, ShardStorage storage,
                                       Random& random);

}  // namespace millrace

#endif  // MAPREDUCE_TESTING_STORED_INPUT_H_

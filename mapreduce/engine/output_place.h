// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_OUTPUT_PLACE_H_
#define MAPREDUCE_ENGINE_OUTPUT_PLACE_H_

// Where an output goes, and what of ours lies beside it while it is made. For OUT = /data/toplist:
//
//   /data/toplist                  appears by one rename when all is done
//   /data/.toplist.millrace/       the work directory, locked by the run: output/ and scratch/
//   /data/.toplist.millrace-old/   for a moment the replaced output, where names can't be exchanged

#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

struct OutputPlace {
  std::string typed;    ///< As the user wrote it, for messages.
  std::string output;   ///< Absolute; its parent without symbolic links.
  std::string work;     ///< The hidden work directory.
  std::string retired;  ///< The replaced output's name until it is removed.

  /// kInvalidArgument for "" and "/".
  static Result<OutputPlace> Resolve(const std::string& typed);

  /// The hidden work directory of `rerun`, so that it doesn't block a run.
  std::string RerunWork() const;
  /// The spill directory for this output below `scratch`.
  std::string ScratchBelow(const std::string& scratch) const;
};

/// Makes directories, and removes those again that it made, if they are still empty, unless kept.
class CreatedDirectories {
 public:
  explicit CreatedDirectories(FileSystem& files) : files_(files) {}
  CreatedDirectories(const CreatedDirectories&) = delete;
  CreatedDirectories& operator=(const CreatedDirectories&) = delete;
  ~CreatedDirectories();

  /// Makes `path` and its parents where they are missing. kCannotCreate says which one failed.
  Status Make(const std::string& path);
  void Keep() { made_.clear(); }
  /// How many were made: `path` of Make and so many less one above it.
  std::size_t count() const { return made_.size(); }

 private:
  FileSystem& files_;
  std::vector<std::string> made_;  // Parents first.
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_OUTPUT_PLACE_H_

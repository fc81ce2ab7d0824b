// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_EVENT_FILES_H_
#define MASTER_EVENT_FILES_H_

// The folder of event logs: a file for each run, of whole lines. What a crash left of a line is cut
// off when the next master opens the file. Old files make room for new ones; only names that this
// class could have given are ever removed.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// See above. One thread at a time, and one object for a folder.
class EventFiles {
 public:
  struct Limits {
    std::uint64_t file_bytes_max = std::uint64_t{64} << 20;  ///< Of one log; see EventLog.
    std::uint64_t all_bytes_max = std::uint64_t{4} << 30;    ///< Of those that Prune() leaves,
    std::size_t files_max = 1'000;                           ///< and how many.
  };

  /// Makes the folder, mode 0700, if it is not there. Errors: kCannotCreate, kResourceLimit.
  static Result<EventFiles> Open(const std::string& directory, const Limits& limits);

  /// "toplist-8c2f90ab11de07f3.jsonl": letters, digits, '-', '_' and '.' stay, what else there is
  /// becomes %HH; a long name is cut and gets its hash.
  static std::string NameOf(std::string_view run);
  /// Whether NameOf() gives such names.
  static bool IsOurs(std::string_view name);

  const Limits& limits() const { return limits_; }
  /// Cuts off what is behind the last line break. The bytes that are left; 0: no file.
  Result<std::uint64_t> Repair(const std::string& name);
  /// nullopt: no such file, or no line that is whole and at most kLineBytesMax long.
  std::optional<std::string> LastLine(const std::string& name);
  /// All of `lines` or nothing: then kResourceLimit, or kCannotCreate, in the kernel's words.
  Status Append(const std::string& name, std::string_view lines);
  /// Removes the oldest until one more may be made, but none of `kept`.
  void Prune(const std::set<std::string>& kept);

  static constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;

 private:
  EventFiles(Descriptor directory, const Limits& limits)
      : directory_(std::move(directory)), limits_(limits) {}
  int OpenFile(const std::string& name, int flags) const;

  Descriptor directory_;
  Limits limits_;
};

}  // namespace millrace

#endif  // MASTER_EVENT_FILES_H_

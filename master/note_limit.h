// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_NOTE_LIMIT_H_
#define MASTER_NOTE_LIMIT_H_

// How many lines of a log others may cause. Who sends garbage, or knocks without a right to, is
// told of some times a minute; what he does beyond that is counted, and the count is said when the
// minute is over. All of them together have a limit, too: a name costs nothing.
//
//   admitted: 1 2 3 4 5    counted: 6 7 8 ...    a minute after the first: "3 more lines about ..."

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace {

/// See above. One thread at a time; it has no clock of its own, and time never goes back.
class NoteLimit {
 public:
  static constexpr std::uint64_t kWindowMs = 60'000;
  static constexpr std::uint64_t kLinesOfOne = 5;
  static constexpr std::uint64_t kLinesOfAll = 60;
  static constexpr std::size_t kNamedMax = 100;  ///< Beyond, those who are counted have no name.

  /// Whether a line about `who` may be written now.
  bool Admits(const std::string& who, std::uint64_t now_ms);
  /// What has been left out in a minute that is over, in words: at most kNamedMax + 1 lines. Cheap
  /// where there is nothing to say.
  std::vector<std::string> TakeLeftOut(std::uint64_t now_ms);

 private:
  struct Count {
    std::uint64_t written = 0;
    std::uint64_t left_out = 0;
  };

  bool is_counting_ = false;
  std::uint64_t begin_ms_ = 0;  // Of the minute.
  Count all_;
  std::map<std::string, Count> by_name_;
};

}  // namespace millrace

#endif  // MASTER_NOTE_LIMIT_H_

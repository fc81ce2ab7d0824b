// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/turned_away.h"

#include <sstream>
#include <utility>

namespace millrace {
namespace {

constexpr std::chrono::seconds kInterval(10);
constexpr std::size_t kNotesMax = 4;

}  // namespace

std::vector<std::string> TurnedAway::Notes(std::uint64_t wrong_roles) {
  const auto now = std::chrono::steady_clock::now();
  // Of an edit one wants to know at once.
  if (now < next_) return transport_.TakeNotes();
  const ConnectionStats stats = listener_.stats();
  const ConnectionStats before = std::exchange(told_, stats);
  std::ostringstream text;
  const auto count = [&](std::uint64_t number, const char* what) {
    if (number > 0) text << (text.tellp() > 0 ? ", " : "") << number << " " << what;
  };
  count(stats.unknown_keys - before.unknown_keys, "unknown keys");
  count(stats.failed_handshakes - before.failed_handshakes, "failed handshakes");
  count(wrong_roles - std::exchange(told_wrong_roles_, wrong_roles), "messages of wrong roles");
  count(stats.cut_as_unknown - before.cut_as_unknown, "keys no more on the list");
  count(stats.cut_as_impostor - before.cut_as_impostor, "names of others");
  count(stats.cut_as_foreign - before.cut_as_foreign, "other users");
  count(stats.garbage - before.garbage, "messages of garbage");
  count(stats.cut_for_flood - before.cut_for_flood, "floods");
  count(stats.cut_for_room - before.cut_for_room, "for lack of room");
  count(stats.cut_for_silence - before.cut_for_silence, "silent ones");
  const std::string counts = std::move(text).str();
  // Who it was is known a moment before he is counted: that waits for the next call.
  const bool is_due = !counts.empty() || !waiting_.empty();
  for (std::string& refusal : transport_.TakeRefusals()) {
    if (waiting_.size() < kNotesMax) waiting_.push_back(std::move(refusal));
  }
  std::vector<std::string> notes = transport_.TakeNotes();
  if (!is_due) return notes;
  next_ = now + kInterval;
  if (!counts.empty()) notes.push_back("turned away: " + counts);
  for (std::string& refusal : std::exchange(waiting_, {})) notes.push_back(std::move(refusal));
  return notes;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_MASTER_EVENT_SEQUENCE_H_
#define TESTS_UNIT_MASTER_EVENT_SEQUENCE_H_

// What docs/formats/event-log.md promises of every event log, whatever happened to the run.

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace millrace {

using Events = std::vector<nlohmann::json>;

/// Each line of the file, parsed; a failure for those that are no JSON object of plain ASCII.
inline Events ReadEvents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  Events events;
  for (std::string line; std::getline(file, line);) {
    EXPECT_FALSE(file.eof()) << "no line break behind " << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; }))
        << line;
    nlohmann::json event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (event.is_object()) {
      events.push_back(std::move(event));
    } else {
      ADD_FAILURE() << "no JSON: " << line;
    }
  }
  return events;
}

inline std::vector<std::string> NamesOf(const Events& events) {
  std::vector<std::string> names;
  for (const nlohmann::json& event : events) names.push_back(event.value("event", "?"));
  return names;
}

/// The events of one kind.
inline Events Select(const Events& events, const std::string& name) {
  Events selected;
  for (const nlohmann::json& event : events) {
    if (event.value("event", "") == name) selected.push_back(event);
  }
  return selected;
}

inline bool IsEndOfRun(const nlohmann::json& event) {
  return event["event"] == "done" || event["event"] == "failed" || event["event"] == "cancelled";
}

/// Begins with a version, times never go back, what has started ends once and not before, behind
/// the end nothing follows. `has_gaps`: a master has been killed, and what it did last is missing.
inline void ExpectGoodSequence(const Events& events, bool has_gaps = false) {
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].value("version", 0), 1) << events[0];
  using Name = std::tuple<std::string, std::uint64_t, std::uint64_t>;
  std::map<Name, std::string> ended_by;  // Empty: at work.
  std::string time;
  for (const nlohmann::json& event : events) {
    SCOPED_TRACE(event.dump());
    EXPECT_FALSE(&event != &events.back() && IsEndOfRun(event)) << "the end is not the last";
    EXPECT_EQ(event["run"], events[0]["run"]);
    EXPECT_LE(time, event["time"]);
    time = event["time"];
    const std::string name = event["event"];
    if (!name.starts_with("attempt_")) continue;
    const Name attempt{event["phase"], event["task"], event["attempt"]};
    const auto known = ended_by.find(attempt);
    if (name == "attempt_started") {
      EXPECT_EQ(known, ended_by.end()) << "started twice";
      ended_by[attempt] = "";
    } else if (known == ended_by.end()) {
      EXPECT_TRUE(has_gaps) << "ends without a start";
    } else {
      EXPECT_EQ(known->second, "") << "ends twice";
      known->second = name;
    }
  }
  if (!IsEndOfRun(events.back())) return;
  for (const auto& [attempt, end] : ended_by) {
    EXPECT_TRUE(has_gaps || !end.empty())
        << std::get<0>(attempt) << " task " << std::get<1>(attempt) << " never ends";
  }
}

}  // namespace millrace

#endif  // TESTS_UNIT_MASTER_EVENT_SEQUENCE_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_IDS_H_
#define MAPREDUCE_PROTO_IDS_H_

// Who and what master and workers speak about. Each kind of id is a type of its own; all are plain
// values with an order, so that they can be keys of sorted maps: nothing in master or worker may
// depend on the order of a hash map.

#include <compare>
#include <cstdint>
#include <ostream>

namespace millrace {

/// Number of the master's life. What an older epoch says is ignored. 0: none yet.
struct Epoch {
  std::uint64_t value = 0;
  friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

/// One life of a worker process: drawn at random when it starts, never used again. 0: none.
struct WorkerId {
  std::uint64_t value = 0;
  friend auto operator<=>(const WorkerId&, const WorkerId&) = default;
};

/// Whoever submits runs and asks about them.
struct ClientId {
  std::uint64_t value = 0;
  friend auto operator<=>(const ClientId&, const ClientId&) = default;
};

/// One execution of a job, numbered by the master in the order of their submission, from 1.
struct JobRunId {
  std::uint64_t value = 0;
  friend auto operator<=>(const JobRunId&, const JobRunId&) = default;
};

/// Tasks of a run that may execute side by side: the maps of a stage, or its reduces.
struct PhaseId {
  JobRunId run;
  std::uint32_t index = 0;
  friend auto operator<=>(const PhaseId&, const PhaseId&) = default;
};

/// One task. A map phase counts its splits, a reduce phase its parts.
struct TaskId {
  PhaseId phase;
  std::uint32_t index = 0;
  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};

/// One try at a task: numbered from 1 within the task, over all epochs.
struct AttemptId {
  TaskId task;
  std::uint32_t number = 0;
  friend auto operator<=>(const AttemptId&, const AttemptId&) = default;
};

inline std::ostream& operator<<(std::ostream& out, Epoch id) { return out << "e" << id.value; }
inline std::ostream& operator<<(std::ostream& out, WorkerId id) { return out << "w" << id.value; }
inline std::ostream& operator<<(std::ostream& out, ClientId id) { return out << "c" << id.value; }
inline std::ostream& operator<<(std::ostream& out, JobRunId id) { return out << "r" << id.value; }
inline std::ostream& operator<<(std::ostream& out, PhaseId id) {
  return out << id.run << "/" << id.index;
}
inline std::ostream& operator<<(std::ostream& out, TaskId id) {
  return out << id.phase << "/" << id.index;
}
inline std::ostream& operator<<(std::ostream& out, AttemptId id) {
  return out << id.task << "#" << id.number;
}

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_IDS_H_

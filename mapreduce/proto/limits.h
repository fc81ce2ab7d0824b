// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_LIMITS_H_
#define MAPREDUCE_PROTO_LIMITS_H_

// What a message may hold. Decoders refuse what is beyond; encoders do not look, but for error
// texts, which they cut. So whoever makes a message keeps the limits: of most it can't come near,
// the plan and what a task leaves (rejects, samples) it must look at.

#include <cstddef>
#include <cstdint>

namespace millrace {

// ---- Frames, in bytes, header and all -----------------------------------------------------------

/// Of most messages.
inline constexpr std::size_t kControlFrameBytesMax = std::size_t{1} << 20;
/// Of TaskDone: samples and rejects.
inline constexpr std::size_t kReportFrameBytesMax = std::size_t{4} << 20;
/// Of FetchData: data, and in the first piece of a stream the list of its slices.
inline constexpr std::size_t kDataBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kDataFrameBytesMax = kDataBytesMax + (std::size_t{4} << 20);
/// Of FileData: its bytes.
inline constexpr std::size_t kFilePieceBytesMax = kDataBytesMax - (std::size_t{64} << 10);
/// Of SubmitRun and RunPlan: a plan and what its tasks read. Below a journal record's 64 MiB.
inline constexpr std::size_t kPlanBytesMax = std::size_t{56} << 20;
inline constexpr std::size_t kSubmitFrameBytesMax = std::size_t{63} << 20;
/// Of StartTask: where its input lies; of Hello and Welcome: what a worker holds.
inline constexpr std::size_t kStartFrameBytesMax = std::size_t{16} << 20;
/// Of any message.
inline constexpr std::size_t kFrameBytesMax = kSubmitFrameBytesMax;

// ---- Texts, in bytes ----------------------------------------------------------------------------

inline constexpr std::size_t kNameBytesMax = 1024;  ///< Names, users, hosts, endpoints, builds.
inline constexpr std::size_t kPathBytesMax = 4096;
inline constexpr std::size_t kErrorBytesMax = 16 << 10;  ///< Longer ones are cut.
inline constexpr std::size_t kBorderBytesMax = 4096;     ///< Keys that samples and borders hold.
inline constexpr std::size_t kLogBytesMax = 16 << 10;    ///< The end of an attempt's output.
inline constexpr std::size_t kRejectBytesMax = std::size_t{2} << 20;  ///< A text in a report.
/// Of the file of rejects that a task leaves.
inline constexpr std::uint64_t kRejectFileBytesMax = std::uint64_t{1} << 30;
inline constexpr std::size_t kGroupKeyBytesMax = 256;  ///< Of a group that is blamed for a crash.

// ---- Counts -------------------------------------------------------------------------------------

inline constexpr std::uint32_t kPhasesMax = 1024;         ///< Of a run.
inline constexpr std::uint32_t kTasksMax = 1'000'000;     ///< Of a phase; of all lists of tasks.
inline constexpr std::uint32_t kChannelsMax = 1024;       ///< Of a phase.
inline constexpr std::uint32_t kSlotsMax = 4096;          ///< Of a worker; attempts it is at.
inline constexpr std::uint32_t kHeldPhasesMax = 65'536;   ///< Of a heartbeat.
inline constexpr std::uint32_t kSourceSetsMax = 262'144;  ///< Of a reduce task.
inline constexpr std::uint32_t kPartFilesMax = 1024;      ///< Of a task.
inline constexpr std::uint32_t kTablesMax = 1024;         ///< That the tasks of a phase look up in.
inline constexpr std::uint32_t kCountersMax = 10'000;     ///< Of a task.
inline constexpr std::uint32_t kSetAsideMax = 10'000;     ///< Records of a run.
inline constexpr std::uint32_t kInputBlocksMax = 100'000;  ///< Pieces of shards that a task reads.
inline constexpr std::uint32_t kPhaseTimesMax = 64;        ///< Phases of base/phase_clock.h.
inline constexpr std::uint32_t kFailuresMax = 20;          ///< That one RunStatus tells.
inline constexpr std::uint32_t kStatusRunsMax = 200;       ///< Runs that one ClusterStatus tells.

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_LIMITS_H_

// SPDX-License-Identifier: Apache-2.0
// What the journal promises: what was acknowledged is read again, in order and unchanged, whatever
// crashes; what no crash can have done to the files is told.
//
// Record i (from 1 on) has a payload that follows from i, and a snapshot's payload is the number of
// records it stands for, so each recovery checks itself.
#include "master/journal.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mapreduce/base/failpoint.h"
#include "mapreduce/base/random.h"
#include "mapreduce/base/test_hooks.h"
#include "tests/unit/master/memory_files.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const char kDirectory[] = "/state";
constexpr std::size_t kSectorBytes = 512;

std::string Payload(std::uint64_t i) {
  Random random(i);
  std::string payload = "record " + std::to_string(i);
  for (std::uint64_t n = random.Uniform(30); n > 0; --n)
    payload += static_cast<char>(random.Next());
  return i % 7 == 0 ? "" : payload;
}

std::string SegmentPath(std::uint64_t epoch, std::uint64_t part) {
  return JoinPath(kDirectory, JournalFileName(JournalFileKind::kSegment, {epoch, part}));
}
std::string SnapshotPath(std::uint64_t epoch, std::uint64_t part) {
  return JoinPath(kDirectory, JournalFileName(JournalFileKind::kSnapshot, {epoch, part}));
}

// Counts the records, and checks that each is the one that comes next.
class Counter : public JournalVisitor {
 public:
  Status OnSnapshot(std::string_view payload) override {
    count_ = std::stoull(std::string(payload));
    snapshot_count_ = count_;
    return Status::Ok();
  }
  Status OnRecord(std::string_view payload) override {
    ++count_;
    if (payload != Payload(count_)) is_wrong_ = true;
    if (on_record_) std::exchange(on_record_, nullptr)();
    return Status::Ok();
  }
  void OnFirstRecord(std::function<void()> hook) { on_record_ = std::move(hook); }

  std::uint64_t count() const { return count_; }
  std::uint64_t snapshot_count() const { return snapshot_count_; }
  bool is_wrong() const { return is_wrong_; }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t snapshot_count_ = 0;
  bool is_wrong_ = false;
  std::function<void()> on_record_;
};

using OpenedJournal = Result<std::unique_ptr<Journal>>;

OpenedJournal Open(FileSystem& files, Counter* counter = nullptr,
                   const std::string& directory = kDirectory) {
  Counter own;
  return Journal::Open(files, directory, counter == nullptr ? own : *counter);
}

// Appends the next n records and syncs them as one group.
Status Write(Journal& journal, std::uint64_t n) {
  const std::uint64_t first = journal.durable_sequence() + 1;
  for (std::uint64_t i = first; i < first + n; ++i) {
    const Result<std::uint64_t> sequence = journal.Append(Payload(i));
    if (!sequence.ok()) return sequence.error();
    EXPECT_EQ(*sequence, i);
  }
  const Result<std::uint64_t> durable = journal.Sync();
  if (!durable.ok()) return durable.error();
  EXPECT_EQ(*durable, first + n - 1);
  return Status::Ok();
}

Status Rotate(Journal& journal) {
  return journal.Rotate(std::to_string(journal.durable_sequence()));
}

struct Recovered {
  Status status;
  std::uint64_t count = 0;
  std::uint64_t dropped_tail_bytes = 0;
  bool is_wrong = false;
};

// Opens, and where that succeeds sees to it that the journal can be gone on with.
Recovered Recover(MemoryFiles& files) {
  Counter counter;
  OpenedJournal journal = Open(files, &counter);
  Recovered recovered = {journal.error(), counter.count(), 0, counter.is_wrong()};
  if (!journal.ok()) return recovered;
  recovered.dropped_tail_bytes = (*journal)->dropped_tail_bytes();
  EXPECT_EQ((*journal)->durable_sequence(), counter.count());
  EXPECT_TRUE(Write(**journal, 2).ok());
  Counter again;
  EXPECT_TRUE(Open(files, &again).ok());
  EXPECT_EQ(again.count(), counter.count() + 2);
  EXPECT_FALSE(again.is_wrong());
  return recovered;
}
Recovered Recover(const FileTree& tree) {
  MemoryFiles files(tree);
  const Recovered recovered = Recover(files);
  EXPECT_TRUE(recovered.status.ok() || files.Tree() == tree) << "an error changed something";
  return recovered;
}

// Three lives, the first of which has rotated, and one that died before it began:
//   snapshot 1-1 (4 records), segment 1-1: 5 6 | 7, segment 2-0: (7) 8 | 9, segment 3-0,
//   segment 4-0: (9) 10 11 | 12 13
// What is in brackets was carried over.
constexpr std::uint64_t kRichCount = 13, kRichLastGroup = 2;
FileTree RichTree() {
  MemoryFiles files;
  {
    const OpenedJournal journal = Open(files);
    EXPECT_TRUE(Write(**journal, 4).ok() && Rotate(**journal).ok());
    EXPECT_TRUE(Write(**journal, 2).ok() && Write(**journal, 1).ok());
  }
  {
    const OpenedJournal journal = Open(files);
    EXPECT_TRUE(Write(**journal, 1).ok() && Write(**journal, 1).ok());
  }
  files.DieAt(6);  // When it begins.
  EXPECT_FALSE(Open(files).ok());
  MemoryFiles next(files.AfterCrash(CrashKind::kKill));
  const OpenedJournal journal = Open(next);
  EXPECT_TRUE(Write(**journal, 2).ok() && Write(**journal, kRichLastGroup).ok());
  const FileTree tree = next.Tree();
  EXPECT_EQ(tree.size(), 5u);
  EXPECT_EQ(tree.at(SegmentPath(3, 0)).size(), kJournalHeaderBytes);
  return tree;
}

std::size_t RecordBytes(std::uint64_t i) { return kJournalRecordHeaderBytes + Payload(i).size(); }

// From where on nothing needs a file of the rich tree: a later one carries those records, or none
// are there.
std::size_t RichNeededBytes(const std::string& path) {
  const std::size_t bytes = RichTree().at(path).size();
  if (path == SegmentPath(1, 1)) return bytes - RecordBytes(7);
  if (path == SegmentPath(2, 0)) return bytes - RecordBytes(9);
  return path == SegmentPath(3, 0) ? 0 : bytes;
}

// Where the last group of the rich tree's last segment is.
std::uint64_t RichLastGroupOffset() {
  std::uint64_t bytes = RichTree().at(SegmentPath(4, 0)).size();
  for (std::uint64_t i = kRichCount; i > kRichCount - kRichLastGroup; --i) {
    bytes -= RecordBytes(i);
  }
  return bytes;
}

TEST(JournalTest, KeepsAllOverRotationsAndLives) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    MemoryFiles files;
    std::uint64_t count = 0;
    for (std::uint64_t epoch = 1; epoch <= 12; ++epoch) {
      Counter counter;
      const OpenedJournal journal = Open(files, &counter);
      ASSERT_TRUE(journal.ok()) << journal.error().message();
      ASSERT_EQ((*journal)->epoch(), epoch);
      ASSERT_EQ(counter.count(), count);
      ASSERT_FALSE(counter.is_wrong());
      std::uint64_t record_bytes = 0;
      for (std::uint64_t i = counter.snapshot_count() + 1; i <= count; ++i) {
        record_bytes += RecordBytes(i);
      }
      ASSERT_EQ((*journal)->bytes_since_snapshot(), record_bytes);
      for (std::uint64_t steps = random.Uniform(6); steps > 0; --steps) {
        if (random.Uniform(3) == 0) {
          ASSERT_TRUE(Rotate(**journal).ok());
          ASSERT_EQ((*journal)->bytes_since_snapshot(), 0u);
          ASSERT_EQ(files.Tree().size(), 2u);
        } else {
          const std::uint64_t n = random.Uniform(4);
          ASSERT_TRUE(Write(**journal, n).ok());
          count += n;
        }
      }
    }
  }
}

TEST(JournalTest, KeepsAFileOfMoreThanItsReadersWindow) {
  MemoryFiles files;
  std::vector<std::string> payloads;
  {
    const OpenedJournal journal = Open(files);
    for (std::size_t bytes : {100'000, 3'000'000, 0, 262'144, 1}) {
      payloads.push_back(std::string(bytes, static_cast<char>('a' + payloads.size())));
      ASSERT_TRUE((*journal)->Append(payloads.back()).ok());
    }
    ASSERT_TRUE((*journal)->Sync().ok());
  }
  struct Collector : JournalVisitor {
    Status OnSnapshot(std::string_view) override { return Status::Internal("there is none"); }
    Status OnRecord(std::string_view payload) override {
      got.emplace_back(payload);
      return Status::Ok();
    }
    std::vector<std::string> got;
  } collector;
  ASSERT_TRUE(Journal::Open(files, kDirectory, collector).ok());
  EXPECT_EQ(collector.got, payloads);
}

TEST(JournalTest, RefusesWhatIsTooLargeAndGoesOn) {
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  const std::string large(kJournalPayloadBytesMax + 1, 'x');
  EXPECT_EQ((*journal)->Append(large).error().code(), StatusCode::kResourceLimit);
  EXPECT_TRUE(Write(**journal, 2).ok());
}

// The end of the last group is missing: what comes before is kept, the rest is counted.
TEST(JournalTest, DropsATailTornAtAnyByte) {
  const FileTree tree = RichTree();
  const std::string path = SegmentPath(4, 0);
  for (std::size_t bytes = RichLastGroupOffset(); bytes <= tree.at(path).size(); ++bytes) {
    SCOPED_TRACE(bytes);
    const std::size_t first_end =
        tree.at(path).size() - kJournalRecordHeaderBytes - Payload(kRichCount).size();
    const bool has_first = bytes >= first_end, has_all = bytes == tree.at(path).size();
    const std::uint64_t kept = kRichCount - (has_all ? 0 : has_first ? 1 : 2);
    const std::size_t kept_end = has_all     ? bytes
                                 : has_first ? first_end
                                             : static_cast<std::size_t>(RichLastGroupOffset());
    for (const std::size_t zeros : {0, 1, 40, 700}) {  // The size was extended first.
      FileTree torn = tree;
      torn[path].resize(bytes);
      torn[path].append(zeros, '\0');
      const Recovered recovered = Recover(torn);
      ASSERT_TRUE(recovered.status.ok()) << recovered.status.message();
      ASSERT_EQ(recovered.count, kept);
      ASSERT_FALSE(recovered.is_wrong);
      ASSERT_EQ(recovered.dropped_tail_bytes, bytes - kept_end + zeros);
    }
  }
}

// Any sectors of the last group are lost, first ones included. Of the group a prefix is kept; that
// records of it are whole behind the gap does not make a crash a damage.
TEST(JournalTest, DropsATailWithAnySectorsLost) {
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  ASSERT_TRUE(Write(**journal, 20).ok());
  const std::string path = SegmentPath(1, 0);
  const std::size_t start = files.Tree().at(path).size();
  ASSERT_TRUE(Write(**journal, 60).ok());
  const FileTree tree = files.Tree();
  const std::size_t end = tree.at(path).size();
  const std::size_t first_sector = start / kSectorBytes;
  const std::size_t sectors = (end + kSectorBytes - 1) / kSectorBytes - first_sector;
  ASSERT_GT(sectors, 5u);
  ASSERT_LT(sectors, 11u);
  std::set<std::uint64_t> counts;
  for (std::size_t lost = 0; lost < std::size_t{1} << sectors; ++lost) {
    for (const bool is_garbage : {false, true}) {
      FileTree torn = tree;
      Random random(lost);
      for (std::size_t at = start; at < end; ++at) {
        if ((lost >> (at / kSectorBytes - first_sector) & 1) == 0) continue;
        torn[path][at] = is_garbage ? static_cast<char>(random.Next()) : '\0';
      }
      const Recovered recovered = Recover(torn);
      ASSERT_TRUE(recovered.status.ok()) << lost << ": " << recovered.status.message();
      ASSERT_GE(recovered.count, 20u);
      ASSERT_FALSE(recovered.is_wrong);
      ASSERT_EQ(recovered.count == 80, lost == 0);
      counts.insert(recovered.count);
    }
  }
  EXPECT_GE(counts.size(), sectors);
}

// Also where a record has lost all its traces: no acknowledged record is taken for a torn end.
TEST(JournalTest, TellsALostSectorBeforeTheLastGroup) {
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(Write(**journal, 1).ok());
  ASSERT_TRUE(Write(**journal, 20).ok());
  const OpenedJournal next = Open(files);  // Starts with those twenty.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Write(**next, 1).ok());
  const FileTree tree = files.Tree();
  for (const auto& [path, carried] : {std::pair(SegmentPath(1, 0), 20), {SegmentPath(2, 0), 1}}) {
    std::size_t needed_bytes = tree.at(path).size();
    const std::uint64_t end = path == SegmentPath(1, 0) ? 50 : 52;
    for (std::uint64_t i = end; i > end - carried; --i) needed_bytes -= RecordBytes(i);
    ASSERT_GT(needed_bytes, 2 * kSectorBytes);
    for (std::size_t start = 0; start + kSectorBytes <= needed_bytes; start += kSectorBytes) {
      FileTree damaged = tree;
      damaged[path].replace(start, kSectorBytes, kSectorBytes, '\0');
      const Status status = Recover(damaged).status;
      EXPECT_EQ(status.code(), StatusCode::kCorrupt);
      EXPECT_THAT(status.message(), HasSubstr(path + ", offset "));
    }
  }
}

// No flipped bit yields a wrong record or a gap. The one flip that costs something and is not told
// is one in the last group that was written: it looks as if the crash came before the group was
// synced.
TEST(JournalTest, NoFlippedBitGoesUnnoticedBeforeTheLastGroup) {
  const FileTree tree = RichTree();
  std::map<std::string, int> told;
  for (const auto& [path, content] : tree) {
    for (std::size_t bit = 0; bit < 8 * content.size(); ++bit) {
      FileTree damaged = tree;
      damaged[path][bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << bit % 8));
      const Recovered recovered = Recover(damaged);
      ASSERT_FALSE(recovered.is_wrong) << path << " bit " << bit;
      if (!recovered.status.ok()) {
        ASSERT_EQ(recovered.status.code(), StatusCode::kCorrupt);
        ASSERT_THAT(recovered.status.message(), HasSubstr(path + ", offset "));
        ++told[path];
      } else if (recovered.count < kRichCount) {
        ASSERT_EQ(path, SegmentPath(4, 0)) << "bit " << bit;
        ASSERT_GE(bit / 8, RichLastGroupOffset());
        ASSERT_GE(recovered.count, kRichCount - kRichLastGroup);
        ASSERT_GT(recovered.dropped_tail_bytes, 0u);
      } else {
        ASSERT_GE(bit / 8, RichNeededBytes(path)) << path << " bit " << bit;
      }
    }
  }
  for (const std::string& path : {SnapshotPath(1, 1), SegmentPath(1, 1), SegmentPath(2, 0)}) {
    EXPECT_EQ(told[path], 8 * static_cast<int>(RichNeededBytes(path)));
  }
}

// Cutting a file short is told for all but the newest, whose end may never have been synced. Where
// that loses what was carried over, it is still where it came from.
TEST(JournalTest, TellsFilesCutAtAnyLength) {
  const FileTree tree = RichTree();
  for (const auto& [path, content] : tree) {
    for (std::size_t bytes = 0; bytes < content.size(); ++bytes) {
      SCOPED_TRACE(path + " to " + std::to_string(bytes));
      FileTree damaged = tree;
      damaged[path].resize(bytes);
      const Recovered recovered = Recover(damaged);
      ASSERT_FALSE(recovered.is_wrong);
      if (bytes >= RichNeededBytes(path)) {
        ASSERT_TRUE(recovered.status.ok() && recovered.count == kRichCount);
      } else if (path == SegmentPath(4, 0)) {
        ASSERT_TRUE(recovered.status.ok()) << recovered.status.message();
        ASSERT_GE(recovered.count, 9u);
        ASSERT_LT(recovered.count, kRichCount);
        if (bytes < kJournalFirstRecordOffset + RecordBytes(9)) {  // As if it had not begun.
          const std::size_t whole = bytes < kJournalHeaderBytes         ? 0
                                    : bytes < kJournalFirstRecordOffset ? kJournalHeaderBytes
                                                                        : kJournalFirstRecordOffset;
          ASSERT_EQ(recovered.dropped_tail_bytes, bytes - whole);
        }
      } else {
        ASSERT_EQ(recovered.status.code(), StatusCode::kCorrupt);
      }
    }
  }
}

TEST(JournalTest, TellsMissingFiles) {
  const FileTree tree = RichTree();
  const auto without = [&tree](const std::string& path) {
    FileTree rest = tree;
    rest.erase(path);
    return Recover(rest);
  };
  for (const std::string& path : {SnapshotPath(1, 1), SegmentPath(1, 1), SegmentPath(2, 0)}) {
    EXPECT_EQ(without(path).status.code(), StatusCode::kCorrupt) << path;
  }
  EXPECT_THAT(without(SegmentPath(2, 0)).status.message(), HasSubstr(SegmentPath(2, 0)));
  EXPECT_TRUE(without(SegmentPath(3, 0)).status.ok());
  // Nothing is left that knows of it.
  const Recovered without_last = without(SegmentPath(4, 0));
  EXPECT_TRUE(without_last.status.ok());
  EXPECT_EQ(without_last.count, 9u);
  // The snapshot, and what came before the segment it was made from: where is what came after?
  FileTree leftovers = {{SnapshotPath(1, 1), tree.at(SnapshotPath(1, 1))}};
  EXPECT_EQ(Recover(leftovers).status.code(), StatusCode::kCorrupt);
  leftovers[SegmentPath(0, 7)] = "";
  EXPECT_THAT(Recover(leftovers).status.message(),
              HasSubstr(SegmentPath(1, 0) + ", offset 0: the segment is missing"));
}

// A file is only itself: not under another's name, and not from another history.
TEST(JournalTest, TellsExchangedFiles) {
  const FileTree tree = RichTree();
  for (const auto& [a, content_a] : tree) {
    for (const auto& [b, content_b] : tree) {
      if (a == b || a == SegmentPath(3, 0)) continue;
      FileTree damaged = tree;
      damaged[a] = content_b;
      const Recovered recovered = Recover(damaged);
      EXPECT_FALSE(recovered.is_wrong);
      // The newest one's place is taken by bytes that are none of its records: as if torn.
      EXPECT_EQ(recovered.status.code(),
                a == SegmentPath(4, 0) ? StatusCode::kOk : StatusCode::kCorrupt);
    }
  }
  MemoryFiles other;
  {
    const OpenedJournal journal = Open(other);
    for (const bool has_rotated : {false, true}) {
      for (int i = 0; i < 4; ++i) ASSERT_TRUE((*journal)->Append("another history").ok());
      ASSERT_TRUE((*journal)->Sync().ok());
      ASSERT_TRUE(has_rotated || Rotate(**journal).ok());
    }
  }
  FileTree mixed = tree;
  mixed[SegmentPath(1, 1)] = other.Tree().at(SegmentPath(1, 1));
  EXPECT_EQ(Recover(mixed).status.code(), StatusCode::kCorrupt);
}

// Two histories differ in their first record only; from the second on each record would be right
// in either file, but for what came before it.
TEST(JournalTest, TellsRecordsThatContinueAnotherHistory) {
  const std::string path = SegmentPath(1, 0);
  std::string contents[2];
  for (const bool is_other : {false, true}) {
    MemoryFiles files;
    const OpenedJournal journal = Open(files);
    std::string first = Payload(1);
    if (is_other) first[0] = 'R';
    ASSERT_TRUE((*journal)->Append(first).ok());
    for (std::uint64_t i = 2; i <= 4; ++i) ASSERT_TRUE((*journal)->Append(Payload(i)).ok());
    ASSERT_TRUE((*journal)->Sync().ok());
    contents[is_other] = files.Tree().at(path);
  }
  const std::size_t second =
      kJournalFirstRecordOffset + kJournalRecordHeaderBytes + Payload(1).size();
  const FileTree mixed = {{path, contents[0].substr(0, second) + contents[1].substr(second)}};
  const Status status = Recover(mixed).status;
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("offset " + std::to_string(second)));
}

// One segment, or the snapshot that goes before it, by hand.
std::string FileOf(JournalFileKind kind, JournalFileId id, const JournalPosition& begin,
                   const std::vector<std::uint64_t>& sequences, std::uint64_t carried_count = 0,
                   std::uint32_t group_index = 0) {
  std::string out;
  AppendJournalHeader(kind, id, &out);
  AppendJournalBegin(id, begin, &out, carried_count);
  std::uint64_t chain = begin.chain;
  for (const std::uint64_t sequence : sequences) {
    chain = JournalChain(chain, "1");
    AppendJournalRecord(id, out.size(),
                        {.group_index = group_index, .sequence = sequence, .chain = chain}, "1",
                        &out);
  }
  return out;
}

// Each file is in order by itself, and all hashes are right.
TEST(JournalTest, TellsFilesThatContradictEachOther) {
  constexpr auto kSegment = JournalFileKind::kSegment, kSnapshot = JournalFileKind::kSnapshot;
  const JournalFileId first = {1, 0}, second = {1, 1};
  const std::uint64_t chain = JournalChain(0, "1");
  const std::string start = FileOf(kSegment, first, {}, {1});
  const std::string next = FileOf(kSegment, second, {2, chain, first}, {2});
  const std::string snapshot = FileOf(kSnapshot, second, {2, chain, first}, {0});
  const std::string one = SegmentPath(1, 0), two = SegmentPath(1, 1), state = SnapshotPath(1, 1);
  const auto code = [](const FileTree& tree) {
    struct Ignorer : JournalVisitor {
      Status OnSnapshot(std::string_view) override { return Status::Ok(); }
      Status OnRecord(std::string_view) override { return Status::Ok(); }
    } ignorer;
    MemoryFiles files(tree);
    return Journal::Open(files, kDirectory, ignorer).error().code();
  };
  EXPECT_EQ(code({{one, start}, {two, next}, {state, snapshot}}), StatusCode::kOk);
  EXPECT_EQ(code({{one, start}, {state, snapshot}}), StatusCode::kOk);
  EXPECT_EQ(code({{two, next}, {state, snapshot}}), StatusCode::kOk);
  EXPECT_EQ(code({{one, start}, {two, next}}), StatusCode::kOk);

  // Another chain, on either side of a border.
  const std::string forked = FileOf(kSegment, second, {2, chain + 1, first}, {2});
  EXPECT_EQ(code({{one, start}, {two, forked}}), StatusCode::kCorrupt);
  EXPECT_EQ(code({{two, forked}, {state, snapshot}}), StatusCode::kCorrupt);
  // The segment has fewer records than the snapshot stands for.
  EXPECT_EQ(code({{one, FileOf(kSegment, first, {}, {})}, {state, snapshot}}),
            StatusCode::kCorrupt);
  // More in a snapshot than a state, or something else.
  EXPECT_EQ(code({{two, next}, {state, snapshot + "x"}}), StatusCode::kCorrupt);
  EXPECT_EQ(code({{two, next}, {state, FileOf(kSnapshot, second, {2, chain, first}, {2})}}),
            StatusCode::kCorrupt);
  // A segment goes on from itself; one ends before it begins; a number is left out.
  EXPECT_EQ(code({{one, FileOf(kSegment, first, {2, chain, first}, {2})}}), StatusCode::kCorrupt);
  EXPECT_EQ(code({{one, FileOf(kSegment, first, {4, chain, {}}, {4})}, {two, next}}),
            StatusCode::kCorrupt);
  EXPECT_EQ(code({{one, FileOf(kSegment, first, {}, {1, 3})}}), StatusCode::kCorrupt);
  // A snapshot carries nothing over; of a segment, as many records are marked as it says.
  EXPECT_EQ(code({{two, next}, {state, FileOf(kSnapshot, second, {2, chain, first}, {0}, 1)}}),
            StatusCode::kCorrupt);
  EXPECT_EQ(code({{one, FileOf(kSegment, first, {}, {1, 2}, 2, kJournalCarried)}}),
            StatusCode::kOk);
  for (const std::uint64_t count : {0, 1}) {
    EXPECT_EQ(code({{one, FileOf(kSegment, first, {}, {1, 2}, count, kJournalCarried)}}),
              StatusCode::kCorrupt);
    EXPECT_EQ(code({{one, FileOf(kSegment, first, {}, {1, 2}, count + 1)}}), StatusCode::kCorrupt);
  }
}

// A record holds a whole journal file of a longer history, and is torn. What is in it is no later
// record: it is not in its place.
TEST(JournalTest, RecordsWithinAPayloadAreNone) {
  MemoryFiles longer;
  {
    const OpenedJournal journal = Open(longer);
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(Write(**journal, 1).ok());
  }
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  ASSERT_TRUE(Write(**journal, 3).ok());
  const std::string path = SegmentPath(1, 0);
  const std::size_t start = files.Tree().at(path).size();
  ASSERT_TRUE((*journal)->Append(longer.Tree().at(path)).ok() && (*journal)->Sync().ok());
  FileTree torn = files.Tree();
  torn[path][start] = '\0';
  const Recovered recovered = Recover(torn);
  EXPECT_TRUE(recovered.status.ok()) << recovered.status.message();
  EXPECT_EQ(recovered.count, 3u);
}

// The length of a record is not believed before it is known to be possible.
TEST(JournalTest, NeverReadsMoreThanARecordMayHave) {
  FileTree tree = RichTree();
  const std::string path = SegmentPath(4, 0);
  tree[path].resize(static_cast<std::size_t>(RichLastGroupOffset()));
  tree[path] += std::string("\xFF\xFF\xFF\x04", 4);  // More than is allowed, less than is there.
  tree[path].resize(tree[path].size() + (std::size_t{90} << 20));
  MemoryFiles files(tree);
  Counter counter;
  EXPECT_TRUE(Open(files, &counter).ok());
  EXPECT_EQ(counter.count(), kRichCount - kRichLastGroup);
  EXPECT_LE(files.largest_read(), kJournalPayloadBytesMax);
}

TEST(JournalTest, NamesBothVersionsOfANewerFile) {
  for (const std::string& path : {SnapshotPath(1, 1), SegmentPath(1, 1), SegmentPath(4, 0)}) {
    FileTree tree = RichTree();
    JournalFileKind kind;
    JournalFileId id;
    ASSERT_TRUE(ParseJournalFileName(path.substr(path.rfind('/') + 1), &kind, &id));
    std::string header;
    AppendJournalHeader(kind, id, &header, /*version=*/7);
    tree[path].replace(0, header.size(), header);
    const Status status = Recover(tree).status;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(path));
    EXPECT_THAT(status.message(), HasSubstr("version 7"));
    EXPECT_THAT(status.message(), HasSubstr("version 1"));
  }
}

TEST(JournalTest, StopsWhereTheVisitorSays) {
  struct Refuser : JournalVisitor {
    Status OnSnapshot(std::string_view) override { return Status::Ok(); }
    Status OnRecord(std::string_view) override {
      return ++count == 3 ? Status::InvalidArgument("no such record") : Status::Ok();
    }
    int count = 0;
  } refuser;
  const FileTree tree = RichTree();
  MemoryFiles files(tree);
  const Status status = Journal::Open(files, kDirectory, refuser).error();
  EXPECT_EQ(status.message(), "no such record");
  EXPECT_EQ(refuser.count, 3);
  EXPECT_EQ(files.Tree(), tree);
}

TEST(JournalTest, AnOldMastersSyncIsStale) {
  MemoryFiles files;
  const OpenedJournal old = Open(files);
  ASSERT_TRUE(Write(**old, 3).ok());
  Counter counter;
  const OpenedJournal newer = Open(files, &counter);
  ASSERT_TRUE(newer.ok());
  EXPECT_EQ(counter.count(), 3u);
  ASSERT_TRUE((*old)->Append("zombie").ok());
  for (int i = 0; i < 2; ++i) {
    const Status status = (*old)->Sync().error();
    EXPECT_EQ(status.code(), StatusCode::kStale);
    EXPECT_THAT(status.message(), HasSubstr("a newer master with epoch 2 has taken over"));
  }
  EXPECT_EQ((*old)->durable_sequence(), 3u);
  EXPECT_EQ((*old)->Append("more").error().code(), StatusCode::kStale);
  EXPECT_EQ(Rotate(**old).code(), StatusCode::kStale);
  ASSERT_TRUE(Write(**newer, 2).ok());
  EXPECT_EQ(Recover(files).count, 5u);  // Neither taken nor in the way.
}

// It may still write a snapshot of what it had, but removes nothing that the new one needs.
TEST(JournalTest, AnOldMastersRotationHurtsNobody) {
  for (const bool new_one_writes : {false, true}) {
    MemoryFiles files;
    const OpenedJournal old = Open(files);
    ASSERT_TRUE(Write(**old, 3).ok());
    const OpenedJournal newer = Open(files);
    ASSERT_TRUE(Write(**newer, new_one_writes ? 2 : 0).ok());
    EXPECT_EQ(Rotate(**old).code(), StatusCode::kStale);
    EXPECT_TRUE(files.Tree().contains(SegmentPath(1, 0)));  // The new one may be reading it.
    const Recovered recovered = Recover(files.Tree());
    EXPECT_TRUE(recovered.status.ok()) << recovered.status.message();
    EXPECT_EQ(recovered.count, new_one_writes ? 5u : 3u);
    ASSERT_TRUE(Write(**newer, 1).ok());
    ASSERT_TRUE(Rotate(**newer).ok());
    EXPECT_EQ(files.Tree().size(), 2u);
  }
}

TEST(JournalTest, ANewerSnapshotMeansANewerMaster) {
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  ASSERT_TRUE(files.Create(SnapshotPath(9, 1)).ok());
  const Status status = Write(**journal, 1);
  EXPECT_EQ(status.code(), StatusCode::kStale);
  EXPECT_THAT(status.message(), HasSubstr("epoch 9"));
}

// Dies in a rotation, once everything new is there and nothing old is gone.
FileTree TreeOfAnUnfinishedRotation() {
  MemoryFiles files;
  EXPECT_TRUE(Write(**Open(files), 2).ok());
  const OpenedJournal journal = Open(files);
  EXPECT_TRUE(Write(**journal, 2).ok() && Rotate(**journal).ok() && Write(**journal, 2).ok());
  constexpr int kChangesBeforeRemoval = 10;
  files.DieAt(kChangesBeforeRemoval + 1);
  EXPECT_TRUE(Rotate(**journal).ok());
  const FileTree tree = files.Tree();
  EXPECT_EQ(tree.size(), 4u);
  return tree;
}

// Each segment knows which one it goes on from, even where a snapshot makes that one needless.
TEST(JournalTest, OldSegmentsMakeUpForALostSnapshot) {
  FileTree tree = TreeOfAnUnfinishedRotation();
  ASSERT_EQ(tree.erase(SnapshotPath(2, 2)), 1u);
  const Recovered recovered = Recover(tree);
  EXPECT_TRUE(recovered.status.ok()) << recovered.status.message();
  EXPECT_EQ(recovered.count, 6u);
  EXPECT_FALSE(recovered.is_wrong);
}

TEST(JournalTest, TheNextRotationClearsAway) {
  FileTree tree = TreeOfAnUnfinishedRotation();
  tree[JoinPath(kDirectory, JournalFileName(JournalFileKind::kUnfinishedSnapshot, {2, 3}))] = "M";
  tree[JoinPath(kDirectory, "lock")] = "pid 1";
  MemoryFiles files(tree);
  const OpenedJournal journal = Open(files);
  EXPECT_EQ(files.Tree().size(), tree.size() + 1);
  ASSERT_TRUE(Rotate(**journal).ok());
  const FileTree rest = files.Tree();
  EXPECT_EQ(rest.size(), 3u);
  EXPECT_TRUE(rest.contains(SegmentPath(3, 1)) && rest.contains(SnapshotPath(3, 1)) &&
              rest.contains(JoinPath(kDirectory, "lock")));
}

TEST(JournalTest, AnOpenThatCannotBeginLeavesNothing) {
  const FileTree tree = RichTree();
  MemoryFiles files(tree);
  files.FailNextSync();
  EXPECT_EQ(Open(files).error().code(), StatusCode::kResourceLimit);
  EXPECT_EQ(files.Tree(), tree);
}

TEST(JournalTest, ASyncDuringAnOpenIsStale) {
  MemoryFiles files;
  const OpenedJournal old = Open(files);
  ASSERT_TRUE(Write(**old, 3).ok());
  Counter counter;
  counter.OnFirstRecord([&] { EXPECT_EQ(Write(**old, 1).code(), StatusCode::kStale); });
  const OpenedJournal newer = Open(files, &counter);
  ASSERT_TRUE(newer.ok());
  ASSERT_TRUE(Write(**newer, 2).ok());
  EXPECT_EQ(Recover(files).count, counter.count() + 2);
}

TEST(JournalTest, OfTwoThatOpenAtOnceTheNewerOneStays) {
  MemoryFiles files;
  ASSERT_TRUE(Write(**Open(files), 3).ok());
  Counter first;
  OpenedJournal second = Status::Internal("not opened yet");
  first.OnFirstRecord([&] { second = Open(files); });
  EXPECT_EQ(Open(files, &first).error().code(), StatusCode::kStale);
  ASSERT_TRUE(second.ok()) << second.error().message();
  ASSERT_TRUE(Write(**second, 2).ok());
  EXPECT_EQ(Recover(files).count, 5u);
}

TEST(JournalTest, AnEpochHasOneMaster) {
  MemoryFiles files;
  ASSERT_TRUE(Write(**Open(files), 3).ok());
  OpenedJournal winner = Status::Internal("not opened yet");
  files.BeforeNextCreate([&] { winner = Open(files); });
  const Status loser = Open(files).error();
  EXPECT_EQ(loser.code(), StatusCode::kUnavailable);
  EXPECT_THAT(loser.message(), HasSubstr(kDirectory));
  ASSERT_TRUE(winner.ok());
  ASSERT_TRUE(Write(**winner, 2).ok());
  EXPECT_EQ(Recover(files).count, 5u);
}

// Epoch 2 reads before, epoch 3 after epoch 1 wrote a record that was never acknowledged; both
// begin. Epoch 3 is history, and epoch 2 is not between it and epoch 1.
TEST(JournalTest, HistoryGoesByWhatTheNewestHasRead) {
  MemoryFiles files;
  const OpenedJournal first = Open(files);
  ASSERT_TRUE(Write(**first, 9).ok());
  OpenedJournal third = Status::Internal("not opened yet");
  Counter counter;
  counter.OnFirstRecord([&] {
    EXPECT_EQ(Write(**first, 1).code(), StatusCode::kStale);
    third = Open(files);
  });
  EXPECT_EQ(Open(files, &counter).error().code(), StatusCode::kStale);
  EXPECT_EQ(counter.count(), 9u);
  EXPECT_GT(files.Tree().at(SegmentPath(2, 0)).size(), kJournalHeaderBytes);  // It has begun.
  ASSERT_TRUE(third.ok()) << third.error().message();
  EXPECT_EQ((*third)->durable_sequence(), 10u);
  ASSERT_TRUE(Write(**third, 2).ok());
  EXPECT_EQ(Recover(files).count, 12u);
}

TEST(JournalTest, AFailedSyncSticks) {
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  ASSERT_TRUE(Write(**journal, 2).ok());
  files.FailNextSync();
  const std::uint64_t syncs = files.file_syncs();
  EXPECT_EQ(Write(**journal, 1).code(), StatusCode::kResourceLimit);
  const std::uint64_t changes = files.changes();
  EXPECT_EQ((*journal)->Sync().error().code(), StatusCode::kResourceLimit);
  EXPECT_EQ((*journal)->Append("x").error().code(), StatusCode::kResourceLimit);
  EXPECT_EQ(Rotate(**journal).code(), StatusCode::kResourceLimit);
  EXPECT_EQ((*journal)->status().code(), StatusCode::kResourceLimit);
  EXPECT_EQ((*journal)->durable_sequence(), 2u);
  EXPECT_EQ(files.file_syncs(), syncs + 1);
  EXPECT_EQ(files.changes(), changes);
}

JournalBegin BeginOf(const FileTree& tree, std::uint64_t epoch) {
  const std::string& content = tree.at(SegmentPath(epoch, 0));
  return DecodeJournalBegin({.epoch = epoch}, content.substr(kJournalHeaderBytes))
      .value_or(JournalBegin());
}

// A group's sync has failed: the next master reads it all the same, but only until the power is
// cut. So it must write it again.
TEST(JournalTest, CarriesOverTheLastGroup) {
  MemoryFiles files;
  {
    const OpenedJournal journal = Open(files);
    ASSERT_TRUE(Write(**journal, 2).ok());
    files.FailNextSync();
    ASSERT_FALSE(Write(**journal, 3).ok());
  }
  Counter counter;
  const OpenedJournal journal = Open(files, &counter);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(counter.count(), 5u);
  EXPECT_EQ((*journal)->durable_sequence(), 5u);
  const FileTree left = files.AfterCrash(CrashKind::kPowerCut);
  const JournalBegin begin = BeginOf(left, 2);
  EXPECT_EQ(begin.position.sequence, 3u);
  EXPECT_EQ(begin.position.segment, (JournalFileId{1, 0}));
  EXPECT_EQ(begin.carried_count, 3u);
  EXPECT_LT(left.at(SegmentPath(1, 0)).size(), files.Tree().at(SegmentPath(1, 0)).size());
  const Recovered recovered = Recover(left);
  EXPECT_TRUE(recovered.status.ok()) << recovered.status.message();
  EXPECT_EQ(recovered.count, 5u);
  EXPECT_FALSE(recovered.is_wrong);
}

// Epoch 2 is killed before its start is synced. Epoch 3 reads it, but starts where it did.
TEST(JournalTest, NeverGoesOnFromAnUnsyncedStart) {
  MemoryFiles files;
  {
    const OpenedJournal journal = Open(files);
    ASSERT_TRUE(Write(**journal, 2).ok() && Write(**journal, 3).ok());
  }
  files.DieAt(7);
  EXPECT_FALSE(Open(files).ok());
  const FileTree killed = files.AfterCrash(CrashKind::kKill);
  ASSERT_EQ(BeginOf(killed, 2).carried_count, 3u);
  MemoryFiles next(killed);
  EXPECT_TRUE(Open(next).ok());
  const JournalBegin begin = BeginOf(next.Tree(), 3);
  EXPECT_EQ(begin.position.sequence, 3u);
  EXPECT_EQ(begin.position.segment, (JournalFileId{1, 0}));
  EXPECT_EQ(begin.carried_count, 3u);
  FileTree cut = next.Tree();
  cut.erase(SegmentPath(2, 0));
  const Recovered recovered = Recover(cut);
  EXPECT_TRUE(recovered.status.ok()) << recovered.status.message();
  EXPECT_EQ(recovered.count, 5u);
}

// Any sectors of a segment's start are lost: it is void, and what it carried is still there.
TEST(JournalTest, AStartWithAnySectorsLostLosesNothing) {
  MemoryFiles files;
  ASSERT_TRUE(Write(**Open(files), 40).ok());
  ASSERT_TRUE(Open(files).ok());
  const FileTree tree = files.Tree();
  const std::string path = SegmentPath(2, 0);
  const std::size_t bytes = tree.at(path).size();
  const std::size_t sectors = (bytes + kSectorBytes - 1) / kSectorBytes;
  ASSERT_GT(sectors, 3u);
  ASSERT_LT(sectors, 10u);
  for (std::size_t lost = 0; lost < std::size_t{1} << sectors; ++lost) {
    FileTree torn = tree;
    for (std::size_t at = kJournalHeaderBytes; at < bytes; ++at) {
      if ((lost >> at / kSectorBytes & 1) != 0) torn[path][at] = '\0';
    }
    const Recovered recovered = Recover(torn);
    ASSERT_TRUE(recovered.status.ok()) << lost << ": " << recovered.status.message();
    ASSERT_EQ(recovered.count, 40u);
    ASSERT_FALSE(recovered.is_wrong);
  }
}

// A master's script, until an error or the end. What it heard and what it wrote.
struct Script {
  std::uint64_t acknowledged = 0;
  std::uint64_t appended = 0;
  bool was_refused = false;  // Open said that the files are damaged.

  Status Run(FileSystem& files, const std::string& directory) {
    for (int life = 0; life < 2; ++life) {
      Counter counter;
      const OpenedJournal journal = Open(files, &counter, directory);
      if (!journal.ok()) return journal.error();
      for (const std::uint64_t n : {3, 1}) {
        appended += n;
        MR_RETURN_IF_ERROR(Write(**journal, n));
        acknowledged += n;
        MR_RETURN_IF_ERROR(Rotate(**journal));
      }
      appended += 2;
      MR_RETURN_IF_ERROR(Write(**journal, 2));
      acknowledged += 2;
    }
    return Status::Ok();
  }
};

// What is wrong with what a crash left, or "".
std::string Fault(const FileTree& tree, const Script& script) {
  MemoryFiles files(tree);
  const Recovered recovered = Recover(files);
  if (!recovered.status.ok()) return recovered.status.message();
  if (recovered.is_wrong) return "a wrong record";
  if (recovered.count < script.acknowledged) return "an acknowledged record is lost";
  if (recovered.count > script.appended) return "a record from nowhere";
  return "";
}

// Dies at each change to the disk, and again at each one of the recovery. The first fault, or "".
std::string FaultOfCrashes() {
  for (std::uint64_t n = 1;; ++n) {
    MemoryFiles files;
    files.DieAt(n);
    Script script;
    if (script.Run(files, kDirectory).ok()) return "";
    for (const CrashKind kind : kCrashKinds) {
      const FileTree left = files.AfterCrash(kind);
      std::string fault = Fault(left, script);
      for (std::uint64_t again = 1; fault.empty(); ++again) {
        MemoryFiles recovering(left);
        recovering.DieAt(again);
        const bool is_through = Open(recovering).ok();
        for (const CrashKind second : kCrashKinds) {
          if (fault.empty()) fault = Fault(recovering.AfterCrash(second), script);
        }
        if (is_through) break;
      }
      if (!fault.empty()) {
        return "change " + std::to_string(n) + ", crash " + std::to_string(static_cast<int>(kind)) +
               ": " + fault;
      }
    }
  }
}

TEST(JournalTest, SurvivesACrashAtEachChangeAndAnotherDuringRecovery) {
  EXPECT_EQ(FaultOfCrashes(), "");
}

TEST(JournalTest, SaysWhetherItsMasterIsTheNewest) {
  MemoryFiles files;
  const OpenedJournal old = Open(files);
  EXPECT_TRUE((*old)->CheckNewest().ok());
  const OpenedJournal newer = Open(files);
  EXPECT_TRUE((*newer)->CheckNewest().ok());
  EXPECT_EQ((*old)->CheckNewest().code(), StatusCode::kStale);
  EXPECT_EQ((*old)->status().code(), StatusCode::kStale);
}

#ifdef MILLRACE_TEST_HOOKS
class PlantedBug : public TestHooks {
 public:
  explicit PlantedBug(std::string name) : name_(std::move(name)) { test_hooks = this; }
  ~PlantedBug() override { test_hooks = nullptr; }
  bool Buggify(std::string_view) override { return false; }
  bool Mutation(std::string_view name) override { return name == name_; }

 private:
  const std::string name_;
};

// The canaries: the tests above see these bugs.
TEST(JournalTest, CrashesShowTheMissingSyncOfTheDirectory) {
  const PlantedBug bug("no_directory_fsync");
  EXPECT_NE(FaultOfCrashes(), "");
}

TEST(JournalTest, ARetriedSyncIsBelievedWithThePlantedBug) {
  const PlantedBug bug("fsync_retried");
  MemoryFiles files;
  const OpenedJournal journal = Open(files);
  files.FailNextSync();
  EXPECT_TRUE(Write(**journal, 1).ok());
}
#endif

// On the real file system each failed system call is an error or without consequence, and what was
// acknowledged before is there afterwards.
TEST(JournalTest, SurvivesEachFailedSystemCall) {
  // In memory where that can be: thousands of syncs.
  std::string root = std::filesystem::is_directory("/dev/shm") ? "/dev/shm/" : testing::TempDir();
  root += "millrace_journal_XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  for (const bool and_after : {false, true}) {
    bool is_through = false;
    for (std::uint64_t n = 1; !is_through; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      const std::string directory = root + "/" + std::to_string(n) + (and_after ? "+" : "");
      failpoint::Arm("io", FailpointAction::kError, n, and_after);
      Script script;
      const Status status = script.Run(LocalFileSystem(), directory);
      is_through = failpoint::HitCount("io") < n;
      failpoint::DisarmAll();
      ASSERT_TRUE(status.ok() || !is_through) << status.message();
      Counter counter;
      const OpenedJournal journal = Open(LocalFileSystem(), &counter, directory);
      ASSERT_TRUE(journal.ok()) << journal.error().message();
      ASSERT_FALSE(counter.is_wrong());
      ASSERT_GE(counter.count(), script.acknowledged);
      ASSERT_LE(counter.count(), script.appended);
      std::filesystem::remove_all(directory);
    }
  }
  std::filesystem::remove_all(root);
}

TEST(JournalFormatTest, ReadsNoOtherNamesThanItsOwn) {
  JournalFileKind kind;
  JournalFileId id;
  for (const JournalFileKind each : {JournalFileKind::kSegment, JournalFileKind::kSnapshot,
                                     JournalFileKind::kUnfinishedSnapshot}) {
    ASSERT_TRUE(ParseJournalFileName(JournalFileName(each, {12, 9'999'999'999}), &kind, &id));
    EXPECT_EQ(kind, each);
    EXPECT_EQ(id, (JournalFileId{12, 9'999'999'999}));
  }
  for (const char* const name :
       {"", "lock", "segment-", "segment-1-0", "segment-0000000001-0000000000.tmp",
        "segment-0000000001-0000000000 ", "segment-000000000a-0000000000",
        "segment-00000000010-0000000000", "snapshot-0000000001-0000000000.tmpx",
        "snapshot-0000000001_0000000000"}) {
    EXPECT_FALSE(ParseJournalFileName(name, &kind, &id)) << name;
  }
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// docs/formats/wire.md and journal-records.md have the messages, fields, enumerators and limits
// that there are, and no other.
#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/proto/journal.pb.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/values.pb.h"
#include "mapreduce/proto/wire.pb.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

constexpr const char* kWirePage = "docs/formats/wire.md";
constexpr const char* kJournalPage = "docs/formats/journal-records.md";

// By heading "### Name" what the rows of its table begin with: "| 1 | `field` | type |" of a
// message, "| 1 | `NAME` |" of an enum.
using Rows = std::map<std::string, std::set<std::string>>;

std::string TypeName(const FieldDescriptor& field) {
  std::string name = field.message_type() != nullptr ? field.message_type()->name()
                     : field.enum_type() != nullptr  ? field.enum_type()->name()
                                                     : field.type_name();
  if (field.is_repeated()) return "repeated " + name;
  const bool may_be_missing = field.has_presence() && field.real_containing_oneof() == nullptr;
  if (may_be_missing && field.message_type() == nullptr) return "optional " + name;
  return name;
}

Rows RowsOf(const std::vector<const FileDescriptor*>& files) {
  Rows rows;
  for (const FileDescriptor* file : files) {
    for (int m = 0; m < file->message_type_count(); ++m) {
      std::set<std::string>& fields = rows[file->message_type(m)->name()];
      for (int f = 0; f < file->message_type(m)->field_count(); ++f) {
        const FieldDescriptor& field = *file->message_type(m)->field(f);
        fields.insert("| " + std::to_string(field.number()) + " | `" + field.name() + "` | " +
                      TypeName(field) + " |");
      }
    }
    for (int e = 0; e < file->enum_type_count(); ++e) {
      std::set<std::string>& values = rows[file->enum_type(e)->name()];
      for (int v = 0; v < file->enum_type(e)->value_count(); ++v) {
        const auto& value = *file->enum_type(e)->value(v);
        values.insert("| " + std::to_string(value.number()) + " | `" + value.name() + "` |");
      }
    }
  }
  return rows;
}

// The front of "| a | b | c |…" up to the bar behind so many columns.
std::string FrontOf(const std::string& row, int columns) {
  std::size_t at = 0;
  for (int i = 0; i < columns && at != std::string::npos; ++i) at = row.find('|', at + 1);
  return row.substr(0, at == std::string::npos ? at : at + 1);
}

Rows RowsIn(const std::string& path) {
  Rows rows;
  std::string heading;
  int columns = 0;
  for (const std::string& line : SplitLines(ReadProjectFile(path))) {
    if (line.starts_with("#")) heading = line.starts_with("### ") ? line.substr(4) : "";
    if (heading.empty()) continue;
    rows[heading];
    if (line.starts_with("| No. |")) columns = line.starts_with("| No. | Field") ? 3 : 2;
    const bool is_row = line.starts_with("| ") && line[2] >= '0' && line[2] <= '9';
    if (is_row) rows[heading].insert(FrontOf(line, columns));
  }
  return rows;
}

TEST(MessagesTest, TheWirePageHasAllMessagesAndValues) {
  EXPECT_EQ(RowsIn(kWirePage), RowsOf({proto::WireMessage::descriptor()->file(),
                                       proto::RunSpec::descriptor()->file()}));
}

TEST(MessagesTest, TheJournalPageHasAllRecords) {
  EXPECT_EQ(RowsIn(kJournalPage), RowsOf({proto::JournalRecord::descriptor()->file()}));
}

TEST(MessagesTest, TheWirePageHasAllLimits) {
  const std::map<std::string, std::uint64_t> limits = {
      {"kControlFrameBytesMax", kControlFrameBytesMax},
      {"kReportFrameBytesMax", kReportFrameBytesMax},
      {"kDataFrameBytesMax", kDataFrameBytesMax},
      {"kDataBytesMax", kDataBytesMax},
      {"kSubmitFrameBytesMax", kSubmitFrameBytesMax},
      {"kStartFrameBytesMax", kStartFrameBytesMax},
      {"kFrameBytesMax", kFrameBytesMax},
      {"kPlanBytesMax", kPlanBytesMax},
      {"kNameBytesMax", kNameBytesMax},
      {"kPathBytesMax", kPathBytesMax},
      {"kErrorBytesMax", kErrorBytesMax},
      {"kBorderBytesMax", kBorderBytesMax},
      {"kRejectBytesMax", kRejectBytesMax},
      {"kRejectFileBytesMax", kRejectFileBytesMax},
      {"kGroupKeyBytesMax", kGroupKeyBytesMax},
      {"kPhasesMax", kPhasesMax},
      {"kTasksMax", kTasksMax},
      {"kChannelsMax", kChannelsMax},
      {"kSlotsMax", kSlotsMax},
      {"kHeldPhasesMax", kHeldPhasesMax},
      {"kSourceSetsMax", kSourceSetsMax},
      {"kPartFilesMax", kPartFilesMax},
      {"kTablesMax", kTablesMax},
      {"kCountersMax", kCountersMax},
      {"kSetAsideMax", kSetAsideMax},
      {"kLogBytesMax", kLogBytesMax},
      {"kFilePieceBytesMax", kFilePieceBytesMax},
      {"kInputBlocksMax", kInputBlocksMax},
      {"kPhaseTimesMax", kPhaseTimesMax},
      {"kFailuresMax", kFailuresMax},
      {"kStatusRunsMax", kStatusRunsMax},
  };
  const std::string page = ReadProjectFile(kWirePage);
  for (const auto& [name, value] : limits) {
    EXPECT_NE(page.find("| `" + name + "` | " + std::to_string(value) + " |"), std::string::npos)
        << name << " is " << value;
  }
  // None is missing above.
  const std::string header = ReadProjectFile("mapreduce/proto/limits.h");
  std::size_t count = 0;
  for (std::size_t at = 0; (at = header.find("inline constexpr", at)) != std::string::npos; ++at) {
    ++count;
  }
  EXPECT_EQ(count, limits.size());
}

}  // namespace
}  // namespace millrace

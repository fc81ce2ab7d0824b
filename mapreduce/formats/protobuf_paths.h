// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PROTOBUF_PATHS_H_
#define MAPREDUCE_FORMATS_PROTOBUF_PATHS_H_

// The columns that a job reads of a message, as tables for one pass over its bytes. A path is names
// of fields, joined by dots; behind a repeated field stands an element's number, behind a map a
// key:
//
//   user.address.country    items.0.id    labels.env
//
// A node is a message at a place: which field numbers it has and what of each is wanted. Nodes of
// messages in which nothing is wanted are there for the checks alone; one for each type. What is
// found goes into slots:
//
//   user.address.country    top: 3 (user) -> a node: 2 (address) -> a node: 1 (country) -> slot 4
//                           "is address there" -> slot 3, which tells its default from NULL

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/protobuf_schema.h"

namespace google::protobuf {
class EnumDescriptor;
}  // namespace google::protobuf

namespace millrace {

/// As in a tag's low three bits.
enum class ProtobufWire : std::uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroup = 3,
  kGroupEnd = 4,
  kFixed32 = 5,
};

/// What a column is made of.
enum class ProtobufKind : std::uint8_t {
  kUnused,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kSint32,
  kSint64,
  kBool,
  kFloat,
  kDouble,
  kEnum,
  kText,
  kTimestamp,    ///< Seconds in `slot`, nanoseconds in `nanos_slot`.
  kDuration,     ///< As a message, without the quotes of its JSON.
  kMessageJson,  ///< Of `message`.
  kFieldJson,    ///< Of `field`, which is repeated.
};

struct ProtobufNode;

/// Where one value goes.
struct ProtobufTarget {
  int slot = -1;     ///< A scalar, or the bytes of a message; -1: not wanted itself.
  int present = -1;  ///< Set where the value is there, though its bytes may be left out.
  ProtobufNode* node = nullptr;  ///< Of a message in which something is wanted.
  std::vector<int> slots;        ///< All of these and what is below.
};

/// What is wanted of a field.
struct ProtobufWant {
  ProtobufTarget value;  ///< Of a field that is not repeated.
  int fields_slot = -1;  ///< All of a repeated field or map, tags and all.
  int count_slot = -1;   ///< How many elements there were, where some are wanted by number.
  std::vector<std::pair<std::uint64_t, ProtobufTarget>> elements;
  std::vector<std::pair<std::string, ProtobufTarget>> keys;  ///< Of a map, as their text.
  std::vector<int> slots;                                    ///< All of these and what is below.
  std::vector<int> clears;  ///< What the other fields of its oneof hold.
};

struct ProtobufField {
  std::uint32_t number = 0;
  ProtobufWire wire = ProtobufWire::kVarint;  ///< Of one value.
  ProtobufKind kind = ProtobufKind::kUnused;  ///< Of a value that is no message.
  bool is_repeated = false;
  bool is_packable = false;  ///< Repeated; may come as one run of values without tags.
  bool is_map = false;
  bool is_utf8 = false;                               ///< Other text is no message.
  std::uint64_t required_bit = 0;                     ///< In ProtobufNode::required.
  const ProtobufNode* node = nullptr;                 ///< Of a message or group.
  const ProtobufWant* want = nullptr;                 ///< Null: only checked.
  const std::vector<std::int32_t>* closed = nullptr;  ///< Other numbers leave the field unset.
  const google::protobuf::FieldDescriptor* descriptor = nullptr;
};

struct ProtobufNode {
  std::vector<ProtobufField> fields;    ///< By number.
  std::vector<std::uint16_t> place_of;  ///< By number, from 1 in `fields`; small numbers only.
  std::uint64_t required = 0;           ///< Bits of required fields; all set: too many to count.
  int present = -1;                     ///< The slot to set where such a message is.

  /// Null: an unknown field.
  const ProtobufField* Find(std::uint32_t number) const {
    if (number < place_of.size()) [[likely]] {
      const std::uint16_t place = place_of[number];
      return place == 0 ? nullptr : &fields[place - 1];
    }
    return FindLarge(number);
  }
  const ProtobufField* FindLarge(std::uint32_t number) const;
};

/// A field of the line.
struct ProtobufColumn {
  ProtobufKind kind = ProtobufKind::kUnused;
  int slot = -1;
  int nanos_slot = -1;
  /// Where this slot is set and `slot` isn't: `otherwise`. -1: NULL.
  int default_if = -1;
  std::string otherwise;  ///< Escaped as in TSV.
  const google::protobuf::FieldDescriptor* field = nullptr;
  const google::protobuf::Descriptor* message = nullptr;
  const google::protobuf::EnumDescriptor* enumeration = nullptr;
  std::string path;
};

/// Const once made, and never moved: any thread may read.
class ProtobufPaths {
 public:
  /// `schema` must outlive it. kBadData, naming the file at `path`: a column that can't be there.
  static Result<std::unique_ptr<const ProtobufPaths>> Of(const ProtobufSchema& schema,
                                                         const RowRequest& request,
                                                         const std::string& path);

  const ProtobufNode& top() const { return *top_; }
  const std::vector<ProtobufColumn>& columns() const { return columns_; }
  std::size_t slot_count() const { return slot_count_; }

 private:
  friend class ProtobufPathBuilder;
  ProtobufPaths() = default;

  std::deque<ProtobufNode> nodes_;  // Deques: what points into them stays right.
  std::deque<ProtobufWant> wants_;
  std::deque<std::vector<std::int32_t>> enum_numbers_;
  const ProtobufNode* top_ = nullptr;
  std::vector<ProtobufColumn> columns_;
  std::size_t slot_count_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PROTOBUF_PATHS_H_

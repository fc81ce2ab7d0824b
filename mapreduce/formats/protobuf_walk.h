// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PROTOBUF_WALK_H_
#define MAPREDUCE_FORMATS_PROTOBUF_WALK_H_

// One pass over a message's bytes. All of the message is checked, nested messages included, and as
// strictly as protobuf's own parsers do it, whatever columns are wanted:
//
//   tags          up to 5 bytes, of a number above 0 and a type that there is
//   values        end within their message; varints have up to 10 bytes
//   strings       of proto3 are UTF-8
//   groups        end where they should; messages and groups are up to 100 deep
//
// Fields of unknown numbers, or whose bytes are of another type than the descriptor says, are
// passed over. The last of several values counts, messages are merged, a field of a oneof unsets
// the others: as the parsers do.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/protobuf_paths.h"

namespace millrace {

/// One thread at a time. Cost: some 5 ns a field.
class ProtobufWalk {
 public:
  /// So many bytes behind a message can be read, whatever they are.
  static constexpr std::size_t kPaddingBytes = 16;

  /// `paths` must outlive it.
  explicit ProtobufWalk(const ProtobufPaths& paths);

  /// False: the bytes are no such message; reason() says why. Slots hold views of `message`.
  bool Read(std::string_view message);
  /// "byte 12: shop.Play.track is not UTF-8"; the byte counts from the message's first one.
  std::string reason() const;
  /// Of what was read: whether a required field may be missing. ProtobufSchema knows for sure.
  bool may_lack_required() const { return may_lack_required_; }

  bool is_set(int slot) const { return set_[static_cast<std::size_t>(slot)] != 0; }
  /// As on the wire: varints and fixed numbers. Requires: is_set(slot).
  std::uint64_t number(int slot) const { return slots_[static_cast<std::size_t>(slot)].number; }
  std::string_view text(int slot) const { return slots_[static_cast<std::size_t>(slot)].text; }

 private:
  enum class Fault : std::uint8_t {
    kTag,
    kVarint,
    kCutOff,
    kPacked,
    kUtf8,
    kGroupEnd,
    kOpenGroup,
    kDeep,
  };
  struct Value {
    std::uint64_t number = 0;
    std::string_view text;
  };

  // All give the byte behind what they read, or null after Fail().
  const char* Message(const ProtobufNode& node, const char* at, const char* end, int depth,
                      std::uint32_t group);
  const char* Field(const ProtobufField& field, const char* tag, const char* at, const char* end,
                    int depth);
  const char* NestedMessage(const ProtobufField& field, const char* tag, const char* at,
                            const char* end, int depth);
  const char* Packed(const ProtobufField& field, const char* tag, const char* at, const char* end);
  const char* Unknown(std::uint32_t tag, const char* at, const char* end, int depth);
  const char* Tag(const char* at, const char* end, std::uint32_t* tag);
  const char* Varint(const char* at, const char* end, std::uint64_t* number);
  const char* Bytes(const char* at, const char* end, std::string_view* bytes);
  const char* Number(ProtobufWire wire, const char* at, const char* end, std::uint64_t* number);

  void TakeScalar(const ProtobufField& field, const Value& value, std::string_view with_tag);
  void TakeEntry(const ProtobufField& field, std::string_view entry, int depth);
  const ProtobufTarget* NextTarget(const ProtobufWant& want, bool is_repeated);
  void Set(int slot, const Value& value);
  void Append(int slot, std::string_view bytes);
  void Clear(const std::vector<int>& slots);
  const char* Fail(Fault fault, const char* at);

  const ProtobufNode& top_;
  std::vector<Value> slots_;
  std::vector<std::uint8_t> set_;
  std::vector<std::string> joined_;  // By slot: bytes that don't follow each other in the message.
  bool may_lack_required_ = false;

  const char* begin_ = nullptr;
  const char* group_end_ = nullptr;  // Where the tag begins that ended the last group.
  Fault fault_ = Fault::kTag;
  const char* fault_at_ = nullptr;
  const ProtobufField* field_ = nullptr;  // Of the fault, where it is known.
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PROTOBUF_WALK_H_

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_walk.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>

#include "mapreduce/base/bytes.h"
#include "mapreduce/formats/protobuf_fields.h"
#include "mapreduce/formats/utf8.h"

namespace millrace {
namespace {

constexpr int kDepthMax = 100;
constexpr std::uint32_t kLastSizeByteMax = 7;  // The fifth byte of a length: below 2 GiB.

std::uint8_t ByteAt(const char* at) { return static_cast<std::uint8_t>(*at); }

std::string_view Between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

// Most text is ASCII.
bool IsUtf8(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  while (text.size() >= 8) {
    if ((LoadLittle64(text.data()) & kHighBits) != 0) return IsWellFormedUtf8(text);
    text.remove_prefix(8);
  }
  return IsWellFormedUtf8(text);
}

}  // namespace

ProtobufWalk::ProtobufWalk(const ProtobufPaths& paths)
    : top_(paths.top()),
      slots_(paths.slot_count()),
      set_(paths.slot_count()),
      joined_(paths.slot_count()) {}

bool ProtobufWalk::Read(std::string_view message) {
  std::fill(set_.begin(), set_.end(), std::uint8_t{0});
  may_lack_required_ = false;
  field_ = nullptr;
  begin_ = message.data();
  return Message(top_, begin_, begin_ + message.size(), kDepthMax, /*group=*/0) != nullptr;
}

std::string ProtobufWalk::reason() const {
  std::string text = "at byte " + std::to_string(fault_at_ - begin_) + ", ";
  if (field_ != nullptr) text += field_->descriptor->full_name() + ": ";
  switch (fault_) {
    case Fault::kTag:
      return text + "there begins no field";
    case Fault::kVarint:
      return text + "a number has over 10 bytes";
    case Fault::kCutOff:
      return text + "a value goes beyond the end of its message";
    case Fault::kPacked:
      return text + "packed values end elsewhere than their length says";
    case Fault::kUtf8:
      return text + "the text is not UTF-8";
    case Fault::kGroupEnd:
      return text + "a group ends that was not begun";
    case Fault::kOpenGroup:
      return text + "a group does not end";
    case Fault::kDeep:
      return text + "messages are over 100 deep";
  }
  return text;
}

const char* ProtobufWalk::Fail(Fault fault, const char* at) {
  fault_ = fault;
  fault_at_ = at;
  return nullptr;
}

const char* ProtobufWalk::Message(const ProtobufNode& node, const char* at, const char* end,
                                  int depth, std::uint32_t group) {
  if (node.present >= 0) set_[static_cast<std::size_t>(node.present)] = 1;
  std::uint64_t seen = 0;
  while (at < end) {
    const char* const begin = at;
    std::uint32_t tag = ByteAt(at);
    if (tag < 0x80) [[likely]] {
      ++at;
    } else if ((at = Tag(at, end, &tag)) == nullptr) {
      return nullptr;
    }
    const std::uint32_t number = tag >> 3;
    const auto wire = static_cast<ProtobufWire>(tag & 7);
    const ProtobufField* const field = node.Find(number);
    if (field != nullptr && field->wire == wire) [[likely]] {
      seen |= field->required_bit;
      at = Field(*field, begin, at, end, depth);
    } else if (wire == ProtobufWire::kGroupEnd && number == group && group != 0) {
      if (seen != node.required) may_lack_required_ = true;
      group_end_ = begin;
      return at;
    } else if (field != nullptr && field->is_packable && wire == ProtobufWire::kBytes) {
      at = Packed(*field, begin, at, end);
    } else {
      at = number == 0 ? Fail(Fault::kTag, begin) : Unknown(tag, at, end, depth);
    }
    if (at == nullptr) [[unlikely]]
      return nullptr;
  }
  if (group != 0) return Fail(Fault::kOpenGroup, end);
  if (seen != node.required) may_lack_required_ = true;
  return at;
}

inline const char* ProtobufWalk::Field(const ProtobufField& field, const char* tag, const char* at,
                                       const char* end, int depth) {
  Value value;
  const char* behind = nullptr;
  if (field.node != nullptr) {
    behind = NestedMessage(field, tag, at, end, depth);
  } else if (field.wire == ProtobufWire::kBytes) {
    behind = Bytes(at, end, &value.text);
    if (behind != nullptr && field.is_utf8 && !IsUtf8(value.text)) behind = Fail(Fault::kUtf8, at);
  } else {
    behind = Number(field.wire, at, end, &value.number);
  }
  if (behind == nullptr) [[unlikely]] {
    if (field_ == nullptr) field_ = &field;
  } else if (field.node == nullptr && (field.want != nullptr || field.closed != nullptr)) {
    TakeScalar(field, value, Between(tag, behind));
  }
  return behind;
}

const char* ProtobufWalk::NestedMessage(const ProtobufField& field, const char* tag, const char* at,
                                        const char* end, int depth) {
  if (depth == 0) return Fail(Fault::kDeep, tag);
  const bool is_group = field.wire == ProtobufWire::kGroup;
  std::string_view bytes;
  const char* behind = is_group ? end : Bytes(at, end, &bytes);
  if (behind == nullptr) return nullptr;
  if (!is_group) at = bytes.data();
  const ProtobufTarget* target = nullptr;
  if (field.want != nullptr) {
    Clear(field.want->clears);
    target = NextTarget(*field.want, field.is_repeated);
  }
  const ProtobufNode& node =
      target != nullptr && target->node != nullptr ? *target->node : *field.node;
  const char* const message_end = Message(node, at, behind, depth - 1, is_group ? field.number : 0);
  if (message_end == nullptr) return nullptr;
  behind = message_end;
  if (field.want == nullptr) return behind;
  if (is_group) bytes = Between(at, group_end_);
  if (target != nullptr && target->slot >= 0) Append(target->slot, bytes);
  if (field.want->fields_slot >= 0) Append(field.want->fields_slot, Between(tag, behind));
  if (!field.want->keys.empty()) TakeEntry(field, bytes, depth - 1);
  return behind;
}

const char* ProtobufWalk::Packed(const ProtobufField& field, const char* tag, const char* at,
                                 const char* end) {
  std::string_view run;
  const char* const behind = Bytes(at, end, &run);
  if (behind == nullptr) {
    field_ = &field;
    return nullptr;
  }
  for (at = run.data(); at < behind;) {
    Value value;
    const char* const next = Number(field.wire, at, behind, &value.number);
    if (next == nullptr) {
      field_ = &field;
      return Fail(Fault::kPacked, at);
    }
    at = next;
    if (field.want != nullptr) TakeScalar(field, value, {});
  }
  if (field.want != nullptr && field.want->fields_slot >= 0)
    Append(field.want->fields_slot, Between(tag, behind));
  return behind;
}

const char* ProtobufWalk::Unknown(std::uint32_t tag, const char* at, const char* end, int depth) {
  std::uint64_t number;
  std::string_view bytes;
  switch (static_cast<ProtobufWire>(tag & 7)) {
    case ProtobufWire::kVarint:
    case ProtobufWire::kFixed64:
    case ProtobufWire::kFixed32:
      return Number(static_cast<ProtobufWire>(tag & 7), at, end, &number);
    case ProtobufWire::kBytes:
      return Bytes(at, end, &bytes);
    case ProtobufWire::kGroup: {
      static const ProtobufNode kNothing;
      if (depth == 0) return Fail(Fault::kDeep, at);
      return Message(kNothing, at, end, depth - 1, tag >> 3);
    }
    case ProtobufWire::kGroupEnd:
      return Fail(Fault::kGroupEnd, at);
  }
  return Fail(Fault::kTag, at);
}

const char* ProtobufWalk::Tag(const char* at, const char* end, std::uint32_t* tag) {
  std::uint32_t read = 0;
  for (int i = 0; i < 5 && at + i < end; ++i) {
    read |= static_cast<std::uint32_t>(ByteAt(at + i) & 0x7F) << (7 * i);
    if (ByteAt(at + i) >= 0x80) continue;
    *tag = read;
    return at + i + 1;
  }
  return Fail(Fault::kTag, at);
}

// May look at up to 10 bytes behind `end`.
inline const char* ProtobufWalk::Varint(const char* at, const char* end, std::uint64_t* number) {
  std::uint64_t read = ByteAt(at);
  if (read >= 0x80) {
    read &= 0x7F;
    int i = 1;
    for (; i < 10; ++i) {
      read |= static_cast<std::uint64_t>(ByteAt(at + i) & 0x7F) << (7 * i);
      if (ByteAt(at + i) < 0x80) break;
    }
    // What is behind the end must not tell.
    if (i == 10) return end - at < 10 ? Fail(Fault::kCutOff, end) : Fail(Fault::kVarint, at);
    at += i;
  }
  if (at >= end) return Fail(Fault::kCutOff, end);
  *number = read;
  return at + 1;
}

inline const char* ProtobufWalk::Bytes(const char* at, const char* end, std::string_view* bytes) {
  std::uint64_t size = 0;
  const char* const behind = Varint(at, end, &size);
  if (behind == nullptr) return nullptr;
  // Lengths have at most five bytes: so long ones are never taken for shorter ones elsewhere.
  const bool is_length =
      behind - at < 5 || (behind - at == 5 && ByteAt(at + 4) <= kLastSizeByteMax);
  if (!is_length || size > static_cast<std::uint64_t>(end - behind))
    return Fail(Fault::kCutOff, at);
  *bytes = {behind, static_cast<std::size_t>(size)};
  return behind + size;
}

inline const char* ProtobufWalk::Number(ProtobufWire wire, const char* at, const char* end,
                                        std::uint64_t* number) {
  if (wire == ProtobufWire::kVarint) return Varint(at, end, number);
  const std::ptrdiff_t bytes = wire == ProtobufWire::kFixed64 ? 8 : 4;
  if (end - at < bytes) return Fail(Fault::kCutOff, at);
  *number = bytes == 8 ? LoadLittle64(at) : LoadLittle64(at) & 0xFFFFFFFF;
  return at + bytes;
}

// --- What is wanted.

void ProtobufWalk::Set(int slot, const Value& value) {
  const auto i = static_cast<std::size_t>(slot);
  slots_[i] = value;
  set_[i] = 1;
}

// Bytes that follow each other stay a view of the message.
void ProtobufWalk::Append(int slot, std::string_view bytes) {
  const auto i = static_cast<std::size_t>(slot);
  std::string_view& text = slots_[i].text;
  if (set_[i] == 0) {
    text = bytes;
    joined_[i].clear();
    set_[i] = 1;
  } else if (joined_[i].empty() && text.data() + text.size() == bytes.data()) {
    text = {text.data(), text.size() + bytes.size()};
  } else {
    if (joined_[i].empty()) joined_[i] = text;
    joined_[i] += bytes;
    text = joined_[i];
  }
}

void ProtobufWalk::Clear(const std::vector<int>& slots) {
  for (const int slot : slots) set_[static_cast<std::size_t>(slot)] = 0;
}

// Where the next value of a field goes; null: nowhere.
const ProtobufTarget* ProtobufWalk::NextTarget(const ProtobufWant& want, bool is_repeated) {
  if (!is_repeated) return &want.value;
  if (want.count_slot < 0) return nullptr;
  const std::uint64_t element = is_set(want.count_slot) ? number(want.count_slot) : 0;
  Set(want.count_slot, {element + 1, {}});
  for (const auto& [wanted, target] : want.elements) {
    if (wanted == element) return &target;
  }
  return nullptr;
}

void ProtobufWalk::TakeScalar(const ProtobufField& field, const Value& value,
                              std::string_view with_tag) {
  if (field.closed != nullptr) {
    const auto number = static_cast<std::int32_t>(value.number);
    if (!std::binary_search(field.closed->begin(), field.closed->end(), number)) {
      if (field.required_bit != 0) may_lack_required_ = true;
      return;
    }
  }
  if (field.want == nullptr) return;
  if (!field.want->clears.empty()) Clear(field.want->clears);
  const ProtobufTarget* const target = NextTarget(*field.want, field.is_repeated);
  if (target != nullptr && target->slot >= 0) Set(target->slot, value);
  if (field.want->fields_slot >= 0 && !with_tag.empty()) Append(field.want->fields_slot, with_tag);
}

// `entry` is well-formed. Of equal keys the last one counts, with nothing of those before.
void ProtobufWalk::TakeEntry(const ProtobufField& field, std::string_view entry, int depth) {
  const ProtobufField& key_field = *field.node->Find(1);
  const ProtobufField& value_field = *field.node->Find(2);
  const char* const end = entry.data() + entry.size();
  // Key and value come in any order, and each any number of times.
  const auto each = [&](const ProtobufField& wanted, const auto& take) {
    for (const char* at = entry.data(); at < end;) {
      std::uint32_t tag = 0;
      at = Tag(at, end, &tag);
      if (tag >> 3 != wanted.number || static_cast<ProtobufWire>(tag & 7) != wanted.wire) {
        at = Unknown(tag, at, end, depth);
        continue;
      }
      Value value;
      at = wanted.wire == ProtobufWire::kBytes ? Bytes(at, end, &value.text)
                                               : Number(wanted.wire, at, end, &value.number);
      take(value);
    }
  };
  Value key;
  each(key_field, [&](const Value& value) { key = value; });
  std::array<char, kProtobufNumberBytesMax> text;
  if (key_field.wire != ProtobufWire::kBytes)
    key.text = {text.data(), FormatProtobufNumber(key_field.kind, key.number, text.data())};
  for (const auto& wanted : field.want->keys) {
    if (wanted.first != key.text) continue;
    const auto& target = wanted.second;
    Clear(target.slots);
    if (target.present >= 0) set_[static_cast<std::size_t>(target.present)] = 1;
    if (value_field.node == nullptr) {
      each(value_field, [&](const Value& value) { Set(target.slot, value); });
      continue;
    }
    const auto take = [&](std::string_view message) {
      if (target.slot >= 0) Append(target.slot, message);
      if (target.node == nullptr) return;
      Message(*target.node, message.data(), message.data() + message.size(), depth - 1, 0);
    };
    take(entry.substr(entry.size()));  // A value may be left out.
    each(value_field, [&](const Value& value) { take(value.text); });
  }
}

}  // namespace millrace

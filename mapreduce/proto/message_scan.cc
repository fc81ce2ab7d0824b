// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/message_scan.h"

#include <google/protobuf/descriptor.h>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The last three bits of a tag.
enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

// How a field is written. Lists of numbers are packed, always: one at a time is never our writer's.
WireType WireTypeOf(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_MESSAGE:
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_STRING:
      return kDelimited;
    case FieldDescriptor::TYPE_FIXED64:
      return field.is_repeated() ? kDelimited : kFixed64;
    default:
      return field.is_repeated() ? kDelimited : kVarint;  // Others aren't used.
  }
}

bool IsNumber(const FieldDescriptor& field) {
  return field.type() != FieldDescriptor::TYPE_MESSAGE &&
         field.type() != FieldDescriptor::TYPE_BYTES &&
         field.type() != FieldDescriptor::TYPE_STRING;
}

class Scanner {
 public:
  // False where the bytes are damaged, or more than what is allowed.
  bool Scan(const Descriptor& type, std::string_view bytes, int depth) {
    if (depth > kDepthMax) return Fail("is nested too deep");
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    while (at != end) {
      std::uint64_t tag;
      at = GetVarint(at, end, &tag);
      if (at == nullptr || tag > UINT32_MAX || tag < 8) return Fail("has a damaged field number");
      const FieldDescriptor* const field = type.FindFieldByNumber(static_cast<int>(tag >> 3));
      if (field != nullptr && WireTypeOf(*field) != (tag & 7)) return Fail("has a misread field");
      std::uint64_t size = 0;
      switch (tag & 7) {
        case kVarint:
          at = GetVarint(at, end, &size);
          if (at == nullptr) return Fail("has a damaged number");
          size = 0;
          break;
        case kFixed64:
          size = 8;
          break;
        case kFixed32:
          size = 4;
          break;
        case kDelimited:
          at = GetVarint(at, end, &size);
          if (at == nullptr) return Fail("has a damaged length");
          break;
        default:
          return Fail("has a field of a type that is not used");
      }
      if (size > static_cast<std::size_t>(end - at)) return Fail("is cut off");
      if (!ScanValue(field, {at, static_cast<std::size_t>(size)}, depth)) return false;
      at += size;
    }
    return true;
  }

  const MessageScan& scan() const { return scan_; }
  Status Error(const Descriptor& type) const { return Status::Corrupt(type.name(), " ", failure_); }

 private:
  bool ScanValue(const FieldDescriptor* field, std::string_view value, int depth) {
    if (field == nullptr) {
      ++scan_.unknown_fields;
      ++scan_.objects;
    } else if (!IsNumber(*field)) {
      ++scan_.objects;
    } else if (field->is_repeated()) {
      scan_.objects += value.size() / 16;
    }
    if (scan_.objects > kObjectsMax) return Fail("has too many parts");
    if (field == nullptr || field->type() != FieldDescriptor::TYPE_MESSAGE) return true;
    return Scan(*field->message_type(), value, depth + 1);
  }

  bool Fail(const char* failure) {
    failure_ = failure;
    return false;
  }

  MessageScan scan_;
  const char* failure_ = nullptr;
};

}  // namespace

Result<MessageScan> ScanMessage(const Descriptor& type, std::string_view bytes) {
  Scanner scanner;
  if (!scanner.Scan(type, bytes, 1)) return scanner.Error(type);
  return scanner.scan();
}

Result<MessageScan> ParseMessage(std::string_view bytes, google::protobuf::Message* message) {
  MR_ASSIGN_OR_RETURN(const MessageScan scan, ScanMessage(*message->GetDescriptor(), bytes));
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Status::Corrupt(message->GetDescriptor()->name(),
                           " is damaged or has text that is not UTF-8");
  }
  return scan;
}

}  // namespace millrace

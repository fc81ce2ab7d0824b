// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PROTOBUF_SCHEMA_H_
#define MAPREDUCE_FORMATS_PROTOBUF_SCHEMA_H_

// What the messages of a file are. The plan reads the descriptor file, which may describe all of a
// company's messages, and keeps what one message needs:
//
//   dialect := message_name LF FileDescriptorSet      each file behind those it imports
//
// In that set are only the types that the message's fields lead to, without comments, options,
// services and extensions. Where they lead to google.protobuf.Any, any type may be meant, and all
// of them are kept. Protobuf's own types stay out of this header, which job modules may see.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace millrace {

/// What a descriptor file may have, and what of it a plan may.
inline constexpr std::size_t kProtobufDescriptorBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kProtobufDialectBytesMax = std::size_t{4} << 20;

/// Const once made: any thread may read.
class ProtobufSchema {
 public:
  /// The dialect for a message of a descriptor file with these bytes. `message` is its name, with
  /// or without its package; "": the one message of the files that no other file imports.
  /// kInvalidArgument: there is no such message, or it is not clear which. kBadData: the bytes
  /// describe nothing. Neither names the file.
  static Result<std::string> DialectOf(std::string_view descriptor_set, std::string_view message);

  /// kCorrupt: it is none.
  static Result<std::shared_ptr<const ProtobufSchema>> Of(std::string_view dialect);

  ~ProtobufSchema();
  ProtobufSchema(const ProtobufSchema&) = delete;
  ProtobufSchema& operator=(const ProtobufSchema&) = delete;

  const google::protobuf::Descriptor& message() const { return *message_; }
  /// The message's, with its package: "shop.Play".
  const std::string& name() const { return name_; }
  /// The names of the message's fields, by their numbers.
  std::vector<std::string> Columns() const;

  /// Whether `bytes`, which are well-formed, have all required fields; else the first few that
  /// are missing, as text: "user.id, track". Slow.
  std::string MissingFields(std::string_view bytes) const;

  /// Protobuf's JSON of one message of `type`; keys of maps are in order. kBadData says what can't
  /// be written. Slow.
  Result<std::string> MessageJson(const google::protobuf::Descriptor& type,
                                  std::string_view bytes) const;
  /// Of a repeated field or map, `bytes` being all of its fields, tags and all.
  Result<std::string> FieldJson(const google::protobuf::FieldDescriptor& field,
                                std::string_view bytes) const;

 private:
  struct Types;
  explicit ProtobufSchema(std::unique_ptr<Types> types);

  std::unique_ptr<Types> types_;
  std::string name_;
  const google::protobuf::Descriptor* message_ = nullptr;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PROTOBUF_SCHEMA_H_

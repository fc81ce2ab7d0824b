// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_PROTO_FIELDS_SET_H_
#define TESTS_UNIT_PROTO_FIELDS_SET_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <set>
#include <string>
#include <vector>

namespace millrace {

/// Adds the full names of all fields that are set in a message and in those within it.
inline void AddFieldsSet(const google::protobuf::Message& message, std::set<std::string>* names) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    names->insert(field->full_name());
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      AddFieldsSet(reflection.GetMessage(message, field), names);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      AddFieldsSet(reflection.GetRepeatedMessage(message, field, i), names);
    }
  }
}

}  // namespace millrace

#endif  // TESTS_UNIT_PROTO_FIELDS_SET_H_

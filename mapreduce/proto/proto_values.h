// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_PROTO_VALUES_H_
#define MAPREDUCE_PROTO_PROTO_VALUES_H_

// The values of messages.h and ids.h to values.proto and back, for the codecs of wire and journal.
// ToProto only copies. FromProto checks each value and leaves what is wrong in a FieldCheck, which
// is asked once, at the end:
//
//   void FromProto(const proto::KillTask& from, KillTask* to, FieldCheck& check) {
//     check.Required(from.has_attempt(), from.attempt(), &to->attempt, "KillTask.attempt");
//   }
//
// Speaks protobuf: only for sources of proto and of master.

#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/values.pb.h"

namespace millrace {

/// Finds out whether what came in can be believed. The first fault stays.
class FieldCheck {
 public:
  const Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

  /// `field` is "Message.field" here and below.
  void Fail(std::string_view field, std::string_view what) {
    if (ok()) status_ = Status::Corrupt(field, " ", what);
  }

  /// A number in [min, max].
  template <class Number>
  Number Within(Number value, std::uint64_t min, std::uint64_t max, std::string_view field) {
    if (value < min || value > max) FailNumber(field, value, min, max);
    return value;
  }
  /// Whether a list may have so many elements.
  bool Count(int count, std::size_t max, std::string_view field) {
    if (static_cast<std::size_t>(count) <= max) return true;
    FailNumber(field, static_cast<std::uint64_t>(count), 0, max);
    return false;
  }
  /// Text or bytes of at most so many.
  const std::string& Text(const std::string& value, std::size_t bytes_max, std::string_view field) {
    if (value.size() > bytes_max) FailNumber(field, value.size(), 0, bytes_max);
    return value;
  }
  std::vector<std::string> Texts(const google::protobuf::RepeatedPtrField<std::string>& values,
                                 std::size_t count_max, std::size_t bytes_max,
                                 std::string_view field);

  /// A submessage that must be there.
  template <class Proto, class Value>
  void Required(bool is_there, Proto&& from, Value* to, std::string_view field) {
    if (!is_there) return Fail(field, "is missing");
    FromProto(std::forward<Proto>(from), to, *this);
  }
  /// All elements of a list of submessages.
  template <class Proto, class Value>
  void Each(const google::protobuf::RepeatedPtrField<Proto>& from, std::size_t count_max,
            std::vector<Value>* to, std::string_view field) {
    if (!Count(from.size(), count_max, field)) return;
    to->resize(static_cast<std::size_t>(from.size()));
    for (int i = 0; i < from.size(); ++i)
      FromProto(from[i], &(*to)[static_cast<std::size_t>(i)], *this);
  }

  WorkerId Worker(std::uint64_t value, std::string_view field) {
    return {Within(value, 1, UINT64_MAX, field)};
  }
  JobRunId Run(std::uint64_t value, std::string_view field) {
    return {Within(value, 1, UINT64_MAX, field)};
  }
  /// One that exists.
  StatusCode Code(int value, std::string_view field);
  /// One that exists and isn't kOk.
  StatusCode ErrorCode(int value, std::string_view field);
  TaskKind Kind(int value, std::string_view field);

 private:
  void FailNumber(std::string_view field, std::uint64_t value, std::uint64_t min,
                  std::uint64_t max);

  Status status_;
};

// The error text as it is sent: cut at kErrorBytesMax.
std::string_view CutError(std::string_view message);

// StatusCode's numbers are the same on the wire.
inline proto::StatusCode ToProto(StatusCode code) { return static_cast<proto::StatusCode>(code); }
proto::TaskKind ToProto(TaskKind kind);

void ToProto(const PhaseId& from, proto::PhaseId* to);
void ToProto(const TaskId& from, proto::TaskId* to);
void ToProto(const AttemptId& from, proto::AttemptId* to);
void ToProto(const std::vector<AttemptId>& from, proto::AttemptList* to);
void ToProto(const Hash128& from, proto::Hash128* to);
void ToProto(const PhaseSource& from, proto::PhaseSource* to);
void ToProto(const PhaseSpec& from, proto::PhaseSpec* to);
void ToProto(const RunSpec& from, proto::RunSpec* to);
void ToProto(const KeyBorders& from, proto::KeyBorders* to);
void ToProto(const SourceSet& from, proto::SourceSet* to);
void ToProto(const RecordPosition& from, proto::RecordPosition* to);
void ToProto(const PartRecord& from, proto::PartRecord* to);
void ToProto(const std::vector<std::string>& from, proto::KeySample* to);
void ToProto(const InputBlocks& from, proto::InputBlocks* to);
void ToProto(const PhaseTime& from, proto::PhaseTime* to);
void ToProto(const TaskOutput& from, proto::TaskOutput* to);
void ToProto(const TaskFailure& from, proto::TaskFailure* to);

template <class Value, class Proto>
void EachToProto(const std::vector<Value>& from, google::protobuf::RepeatedPtrField<Proto>* to) {
  to->Reserve(static_cast<int>(from.size()));
  for (const Value& value : from) ToProto(value, to->Add());
}

void FromProto(const proto::PhaseId& from, PhaseId* to, FieldCheck& check);
void FromProto(const proto::TaskId& from, TaskId* to, FieldCheck& check);
void FromProto(const proto::AttemptId& from, AttemptId* to, FieldCheck& check);
void FromProto(const proto::AttemptList& from, std::vector<AttemptId>* to, FieldCheck& check);
void FromProto(const proto::Hash128& from, Hash128* to, FieldCheck& check);
void FromProto(const proto::PhaseSource& from, PhaseSource* to, FieldCheck& check);
void FromProto(const proto::PhaseSpec& from, PhaseSpec* to, FieldCheck& check);
void FromProto(const proto::RunSpec& from, RunSpec* to, FieldCheck& check);
void FromProto(const proto::KeyBorders& from, KeyBorders* to, FieldCheck& check);
void FromProto(const proto::SourceSet& from, SourceSet* to, FieldCheck& check);
void FromProto(const proto::RecordPosition& from, RecordPosition* to, FieldCheck& check);
void FromProto(const proto::PartRecord& from, PartRecord* to, FieldCheck& check);
void FromProto(const proto::KeySample& from, std::vector<std::string>* to, FieldCheck& check);
void FromProto(const proto::InputBlocks& from, InputBlocks* to, FieldCheck& check);
void FromProto(const proto::PhaseTime& from, PhaseTime* to, FieldCheck& check);
void FromProto(const proto::TaskOutput& from, TaskOutput* to, FieldCheck& check);
void FromProto(const proto::TaskFailure& from, TaskFailure* to, FieldCheck& check);

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_PROTO_VALUES_H_

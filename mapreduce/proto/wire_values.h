// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_WIRE_VALUES_H_
#define MAPREDUCE_PROTO_WIRE_VALUES_H_

// Parts of messages between processes, to protobuf and back; what the journal has, too, is in
// proto_values.h. EachToProto and FieldCheck find these by their arguments. Those that read check
// everything: the other side may be anybody.

#include <vector>

#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/proto_values.h"
#include "mapreduce/proto/wire.pb.h"

namespace millrace {

void ToProto(const HeldSummary& from, proto::HeldSummary* to);
void FromProto(const proto::HeldSummary& from, HeldSummary* to, FieldCheck& check);
void ToProto(const AttemptProgress& from, proto::AttemptProgress* to);
void FromProto(const proto::AttemptProgress& from, AttemptProgress* to, FieldCheck& check);
void ToProto(const TableFiles& from, proto::TableFiles* to);
void FromProto(const proto::TableFiles& from, TableFiles* to, FieldCheck& check);
void ToProto(const FetchFile& from, proto::FetchFile* to);
void FromProto(const proto::FetchFile& from, FetchFile* to, FieldCheck& check);
void FromProto(const proto::FetchSlices& from, std::vector<FetchSlice>* to, FieldCheck& check);
void ToProto(const RunTotals& from, proto::RunTotals* to);
void FromProto(const proto::RunTotals& from, RunTotals* to, FieldCheck& check);
void ToProto(const RunStatus& from, proto::RunStatus* to);
void FromProto(const proto::RunStatus& from, RunStatus* to, FieldCheck& check);
void ToProto(const WorkerStatus& from, proto::WorkerStatus* to);
void FromProto(const proto::WorkerStatus& from, WorkerStatus* to, FieldCheck& check);

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_WIRE_VALUES_H_

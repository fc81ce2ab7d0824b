// SPDX-License-Identifier: Apache-2.0
#include "worker/task_codec.h"

#include <memory>
#include <utility>

#include "mapreduce/proto/envelope.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/proto_values.h"
#include "mapreduce/proto/task.pb.h"

namespace millrace {
namespace {

constexpr std::uint32_t kAssignmentType = 0x5441534B;  // "TASK": none of wire.proto's.
constexpr std::uint32_t kAnswerType = 0x444F4E45;      // "DONE"
constexpr std::uint64_t kCompressionMax = static_cast<std::uint64_t>(Compression::kGzip);

Result<std::string> Seal(const google::protobuf::MessageLite& message, std::uint32_t type,
                         std::size_t bytes_max) {
  const std::size_t bytes = message.ByteSizeLong();
  if (bytes > bytes_max - kEnvelopeHeaderBytes) {
    return Status::ResourceLimit("it takes ", bytes, " bytes, and the limit is ",
                                 bytes_max - kEnvelopeHeaderBytes);
  }
  std::string frame(kEnvelopeHeaderBytes, '\0');
  if (!message.AppendToString(&frame)) return Status::Internal("it can't be serialized");
  SealEnvelope({.type = type}, &frame);
  return frame;
}

Status Open(std::string_view frame, std::uint32_t type, std::size_t bytes_max,
            google::protobuf::MessageLite* message) {
  if (frame.size() > bytes_max) return Status::Corrupt("frame: more than ", bytes_max, " bytes");
  MR_ASSIGN_OR_RETURN(const Envelope envelope, DecodeEnvelope(frame));
  if (envelope.type != type) return Status::Corrupt("frame: of another type");
  if (!message->ParseFromArray(envelope.body.data(), static_cast<int>(envelope.body.size())))
    return Status::Corrupt("frame: no such message in it");
  return Status::Ok();
}

// ---- Pieces of both -----------------------------------------------------------------------------

std::string AbsolutePath(const std::string& path, FieldCheck& check, std::string_view field) {
  check.Text(path, kPathBytesMax, field);
  if (path.empty() || path.front() != '/') check.Fail(field, "is no absolute path");
  if (path.find('\0') != std::string::npos) check.Fail(field, "has a zero byte in it");
  return path;
}

void ToProto(const RunInfo& from, proto::TaskRunInfo* to) {
  to->set_path(from.path);
  to->set_file_id(from.file_id);
  to->set_file_bytes(from.file_bytes);
  to->set_record_count(from.record_count);
  to->set_key_bytes(from.key_bytes);
  to->set_value_bytes(from.value_bytes);
  to->set_block_bytes_max(from.block_bytes_max);
}

void FromProto(const proto::TaskRunInfo& from, RunInfo* to, FieldCheck& check) {
  to->path = AbsolutePath(from.path(), check, "TaskRunInfo.path");
  to->file_id = from.file_id();
  to->file_bytes = from.file_bytes();
  to->record_count = from.record_count();
  to->key_bytes = from.key_bytes();
  to->value_bytes = from.value_bytes();
  to->block_bytes_max = from.block_bytes_max();
}

void ToProto(const NewRun& from, proto::TaskNewRun* to) {
  to->set_path(from.path);
  to->set_file_id(from.file_id);
}

void FromProto(const proto::TaskNewRun& from, NewRun* to, FieldCheck& check) {
  to->path = AbsolutePath(from.path(), check, "TaskNewRun.path");
  to->file_id = from.file_id();
}

void ToProto(const TaskPiece& from, proto::TaskPiece* to) {
  const Shard& shard = from.file;
  to->set_shard(from.shard);
  to->set_path(shard.file.path);
  to->set_file_bytes(shard.file.bytes);
  to->set_mtime_ns(shard.file.mtime_ns);
  to->set_inode(shard.file.inode);
  to->set_compression(static_cast<std::uint32_t>(shard.compression));
  to->set_stored_begin(from.range.stored_begin);
  to->set_stored_end(from.range.stored_end);
  to->set_begin(from.range.begin);
  to->set_end(from.range.end);
  for (const ShardFrame& frame : shard.frames) {
    if (frame.stored_offset < from.range.stored_begin) continue;
    to->add_frame_stored_bytes(frame.stored_bytes);
    to->add_frame_bytes(frame.bytes);
  }
  if (shard.layout == nullptr) return;
  to->set_has_layout(true);
  to->set_dialect(shard.layout->dialect);
  for (const std::string& column : shard.layout->columns) to->add_columns(column);
  for (const RowRange& rows : shard.layout->rows) {
    to->add_row_begins(rows.begin);
    to->add_row_ends(rows.end);
  }
}

void FromProto(const proto::TaskPiece& from, TaskPiece* to, FieldCheck& check) {
  to->shard =
      static_cast<std::uint32_t>(check.Within(from.shard(), 0, INT32_MAX, "TaskPiece.shard"));
  Shard& shard = to->file;
  shard.file.path = check.Text(from.path(), kPathBytesMax, "TaskPiece.path");
  shard.file.bytes = from.file_bytes();
  shard.file.mtime_ns = from.mtime_ns();
  shard.file.inode = from.inode();
  shard.compression = static_cast<Compression>(
      check.Within(from.compression(), 0, kCompressionMax, "TaskPiece.compression"));
  to->range = {from.stored_begin(), from.stored_end(), from.begin(), from.end()};
  if (from.stored_begin() > from.stored_end() || from.begin() > from.end())
    return check.Fail("TaskPiece", "ends before it begins");
  if (from.frame_stored_bytes_size() != from.frame_bytes_size())
    return check.Fail("TaskPiece.frame_bytes", "are not as many as the frames");
  ShardFrame frame{.stored_offset = from.stored_begin(), .offset = from.begin()};
  for (int i = 0; i < from.frame_bytes_size(); ++i) {
    frame.stored_bytes = from.frame_stored_bytes(i);
    frame.bytes = from.frame_bytes(i);
    shard.frames.push_back(frame);
    frame.stored_offset += frame.stored_bytes;
    frame.offset += frame.bytes;
  }
  if (!from.has_layout()) return;
  auto layout = std::make_shared<ShardLayout>();
  layout->columns.assign(from.columns().begin(), from.columns().end());
  layout->dialect = from.dialect();
  if (from.row_begins_size() != from.row_ends_size())
    return check.Fail("TaskPiece.row_ends", "are not as many as the rows");
  std::uint64_t last = 0;
  for (int i = 0; i < from.row_begins_size(); ++i) {
    const RowRange rows{from.row_begins(i), from.row_ends(i)};
    if (rows.begin < last || rows.end < rows.begin)
      return check.Fail("TaskPiece.row_begins", "are not in their order");
    layout->rows.push_back(rows);
    last = rows.end;
  }
  shard.layout = std::move(layout);
}

void ToProto(const ReduceInput& from, proto::TaskReduceInput* to) {
  if (const auto* const file = std::get_if<RunInfo>(&from)) {
    ToProto(*file, to->mutable_file());
    return;
  }
  const RunSlice& slice = std::get<RunSlice>(from);
  proto::TaskSlice* const message = to->mutable_slice();
  message->set_path(slice.path);
  message->set_path_offset(slice.path_offset);
  message->set_file_id(slice.file_id);
  message->set_begin(slice.bytes.begin);
  message->set_end(slice.bytes.end);
  message->set_block_bytes_max(slice.block_bytes_max);
}

void FromProto(const proto::TaskReduceInput& from, ReduceInput* to, FieldCheck& check) {
  if (from.has_file()) {
    RunInfo file;
    FromProto(from.file(), &file, check);
    *to = std::move(file);
    return;
  }
  if (!from.has_slice()) return check.Fail("TaskReduceInput", "is empty");
  const proto::TaskSlice& slice = from.slice();
  if (slice.begin() > slice.end()) check.Fail("TaskSlice", "ends before it begins");
  *to = RunSlice{AbsolutePath(slice.path(), check, "TaskSlice.path"),
                 slice.path_offset(),
                 slice.file_id(),
                 {slice.begin(), slice.end()},
                 slice.block_bytes_max()};
}

void ToProto(const TaskTable& from, proto::TaskTable* to) {
  to->set_stage(from.stage);
  for (const MadeTableFile& file : from.files) {
    proto::TaskTableFile* const each = to->add_files();
    each->set_path(file.path);
    each->set_bytes(file.bytes);
  }
}

void FromProto(const proto::TaskTable& from, TaskTable* to, FieldCheck& check) {
  to->stage = from.stage();
  if (!check.Count(from.files_size(), kTasksMax, "TaskTable.files")) return;
  for (const proto::TaskTableFile& file : from.files())
    to->files.push_back({AbsolutePath(file.path(), check, "TaskTableFile.path"), file.bytes()});
}

void ToProto(const TaskReference& from, proto::TaskReference* to) {
  millrace::ToProto(from.digest, to->mutable_digest());
  for (const RunInfo& run : from.runs) ToProto(run, to->add_runs());
  to->set_output_directory(from.output_directory);
  EachToProto(from.parts, to->mutable_parts());
  if (from.table) millrace::ToProto(*from.table, to->mutable_table());
}

template <class Proto, class Value>
void Each(const google::protobuf::RepeatedPtrField<Proto>& from, std::size_t count_max,
          std::vector<Value>* to, FieldCheck& check, std::string_view field) {
  if (!check.Count(from.size(), count_max, field)) return;
  for (const Proto& message : from) FromProto(message, &to->emplace_back(), check);
}

void FromProto(const proto::TaskReference& from, TaskReference* to, FieldCheck& check) {
  check.Required(from.has_digest(), from.digest(), &to->digest, "TaskReference.digest");
  Each(from.runs(), kChannelsMax, &to->runs, check, "TaskReference.runs");
  to->output_directory = from.output_directory();
  check.Each(from.parts(), kPartFilesMax, &to->parts, "TaskReference.parts");
  if (from.has_table()) millrace::FromProto(from.table(), &to->table.emplace(), check);
}

void WhereToProto(const TaskAssignment& from, proto::TaskAssignment* to) {
  to->set_directory(from.directory);
  for (const std::string& module : from.modules) to->add_modules(module);
  to->set_memory_bytes(from.memory_bytes);
  to->set_block_bytes(from.block_bytes);
  to->set_scratch_directory(from.scratch_directory);
  for (const NewRun& run : from.runs) ToProto(run, to->add_runs());
  to->set_output_directory(from.output_directory);
}

void WhereFromProto(const proto::TaskAssignment& from, TaskAssignment* to, FieldCheck& check) {
  to->directory = check.Text(from.directory(), kPathBytesMax, "TaskAssignment.directory");
  to->modules = check.Texts(from.modules(), kNameBytesMax, kPathBytesMax, "TaskAssignment.modules");
  to->memory_bytes = from.memory_bytes();
  to->block_bytes = from.block_bytes();
  to->scratch_directory =
      AbsolutePath(from.scratch_directory(), check, "TaskAssignment.scratch_directory");
  Each(from.runs(), kChannelsMax, &to->runs, check, "TaskAssignment.runs");
  if (!from.output_directory().empty()) {
    to->output_directory =
        AbsolutePath(from.output_directory(), check, "TaskAssignment.output_directory");
  }
}

}  // namespace

// ---- Assignment ---------------------------------------------------------------------------------

Result<std::string> EncodeAssignment(const TaskAssignment& from) {
  proto::TaskAssignment to;
  millrace::ToProto(from.attempt, to.mutable_attempt());
  to.set_kind(millrace::ToProto(from.kind));
  to.set_stage(from.stage);
  to.set_source(from.source);
  to.set_part(from.part);
  to.set_job(from.job);
  for (const auto& [name, value] : from.params) {
    proto::TaskParameter* const param = to.add_parameters();
    param->set_name(name);
    param->set_value(value);
  }
  to.set_date(from.date);
  to.set_parts(from.parts);
  to.set_compression(static_cast<std::uint32_t>(from.compression));
  to.set_output_format(static_cast<std::uint32_t>(from.output_format));
  if (!from.input_format.is_lines()) to.set_input_format(FormatSpec(from.input_format));
  to.set_code(from.code);
  WhereToProto(from, &to);
  for (const TaskPiece& piece : from.pieces) ToProto(piece, to.add_pieces());
  to.set_stored_bytes(from.stored_bytes);
  millrace::ToProto(KeyBorders{from.range.begin, from.range.end}, to.mutable_borders());
  for (const ReduceInput& input : from.inputs) ToProto(input, to.add_inputs());
  for (const TaskTable& table : from.tables) ToProto(table, to.add_tables());
  EachToProto(from.set_aside, to.mutable_set_aside());
  to.set_goes_one_by_one(from.goes_one_by_one);
  to.set_rejects_max(from.rejects_max);
  to.set_is_sandboxed(from.is_sandboxed);
  for (const std::string& path : from.also_reads) to.add_also_reads(path);
  for (const std::string& path : from.also_writes) to.add_also_writes(path);
  for (const std::string& path : from.hidden) to.add_hidden(path);
  if (from.reference) ToProto(*from.reference, to.mutable_reference());
  Result<std::string> frame = Seal(to, kAssignmentType, kAssignmentBytesMax);
  if (!frame.ok()) return frame.error().Annotate("what the task reads");
  return frame;
}

Result<TaskAssignment> DecodeAssignment(std::string_view frame) {
  proto::TaskAssignment from;
  MR_RETURN_IF_ERROR(Open(frame, kAssignmentType, kAssignmentBytesMax, &from));
  TaskAssignment to;
  FieldCheck check;
  check.Required(from.has_attempt(), from.attempt(), &to.attempt, "TaskAssignment.attempt");
  to.kind = check.Kind(from.kind(), "TaskAssignment.kind");
  to.stage = from.stage();
  to.source = from.source();
  to.part = from.part();
  to.job = from.job();
  for (const proto::TaskParameter& param : from.parameters())
    to.params[param.name()] = param.value();
  to.date = from.date();
  to.parts = check.Within(from.parts(), 1, kTasksMax, "TaskAssignment.parts");
  to.compression = static_cast<Compression>(
      check.Within(from.compression(), 0, kCompressionMax, "TaskAssignment.compression"));
  to.output_format = static_cast<OutputFormat>(
      check.Within(from.output_format(), 0, kOutputFormatMax, "TaskAssignment.output_format"));
  if (!from.input_format().empty()) {
    Result<FileFormat> format = ParseFileFormat(from.input_format());
    if (format.ok()) {
      to.input_format = *std::move(format);
    } else {
      check.Fail("TaskAssignment.input_format", format.error().message());
    }
  }
  to.code = from.code();
  WhereFromProto(from, &to, check);
  Each(from.pieces(), kInputBlocksMax, &to.pieces, check, "TaskAssignment.pieces");
  to.stored_bytes = from.stored_bytes();
  KeyBorders borders;
  millrace::FromProto(from.borders(), &borders, check);
  to.range = {std::move(borders.begin), std::move(borders.end)};
  Each(from.inputs(), kTasksMax, &to.inputs, check, "TaskAssignment.inputs");
  Each(from.tables(), kTablesMax, &to.tables, check, "TaskAssignment.tables");
  check.Each(from.set_aside(), kSetAsideMax, &to.set_aside, "TaskAssignment.set_aside");
  to.goes_one_by_one = from.goes_one_by_one();
  to.rejects_max = from.rejects_max();
  to.is_sandboxed = from.is_sandboxed();
  for (const std::string& path : from.also_reads())
    to.also_reads.push_back(AbsolutePath(path, check, "TaskAssignment.also_reads"));
  for (const std::string& path : from.also_writes())
    to.also_writes.push_back(AbsolutePath(path, check, "TaskAssignment.also_writes"));
  for (const std::string& path : from.hidden())
    to.hidden.push_back(AbsolutePath(path, check, "TaskAssignment.hidden"));
  if (from.has_reference()) FromProto(from.reference(), &to.reference.emplace(), check);
  if (!check.ok()) return check.status();
  return to;
}

// ---- Answer -------------------------------------------------------------------------------------

Result<std::string> EncodeAnswer(const ChildAnswer& from) {
  proto::ChildAnswer to;
  if (const auto* const success = std::get_if<TaskSuccess>(&from)) {
    millrace::ToProto(success->output, to.mutable_success()->mutable_output());
    for (const RunInfo& run : success->runs) ToProto(run, to.mutable_success()->add_runs());
  } else {
    const TaskFault& fault = std::get<TaskFault>(from);
    to.mutable_fault()->set_code(millrace::ToProto(fault.code));
    to.mutable_fault()->set_message(std::string(CutError(fault.message)));
    if (fault.damaged_input) to.mutable_fault()->set_damaged_input(*fault.damaged_input);
  }
  MR_ASSIGN_OR_RETURN(std::string frame, Seal(to, kAnswerType, kAnswerBytesMax));
  if (const auto decoded = DecodeAnswer(frame); !decoded.ok())
    return Status::ResourceLimit(decoded.error().message());
  return frame;
}

Result<ChildAnswer> DecodeAnswer(std::string_view frame) {
  proto::ChildAnswer from;
  MR_RETURN_IF_ERROR(Open(frame, kAnswerType, kAnswerBytesMax, &from));
  FieldCheck check;
  ChildAnswer to;
  if (from.has_success()) {
    TaskSuccess& success = to.emplace<TaskSuccess>();
    const proto::TaskSuccess& message = from.success();
    check.Required(message.has_output(), message.output(), &success.output, "TaskSuccess.output");
    Each(message.runs(), kChannelsMax, &success.runs, check, "TaskSuccess.runs");
  } else if (from.has_fault()) {
    TaskFault& fault = to.emplace<TaskFault>();
    fault.code = check.ErrorCode(from.fault().code(), "TaskFault.code");
    fault.message = check.Text(from.fault().message(), kErrorBytesMax, "TaskFault.message");
    if (from.fault().has_damaged_input()) fault.damaged_input = from.fault().damaged_input();
  } else {
    check.Fail("ChildAnswer", "is empty");
  }
  if (!check.ok()) return check.status();
  return to;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// Any bytes as messages of a fixed type, and as the descriptors of one. The first byte says which.
//
// As messages: the same rows in pieces of any size; and protobuf's own parser takes exactly those
// records that become rows. As descriptors: what is taken for some can be read with, whatever the
// records are.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/stubs/logging.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/protobuf_schema.h"
#include "tests/fuzz/fuzz_rows.h"

using namespace millrace;
namespace pb = google::protobuf;

namespace {

// A message of each kind of field, which holds itself.
pb::FileDescriptorProto FileOfTree() {
  pb::FileDescriptorProto file;
  file.set_name("tree.proto");
  file.set_syntax("proto3");
  pb::DescriptorProto& tree = *file.add_message_type();
  tree.set_name("Tree");
  int number = 0;
  const auto add = [&](const char* name, pb::FieldDescriptorProto::Type type, bool is_repeated) {
    pb::FieldDescriptorProto& field = *tree.add_field();
    field.set_name(name);
    field.set_number(++number);
    field.set_type(type);
    field.set_label(is_repeated ? pb::FieldDescriptorProto::LABEL_REPEATED
                                : pb::FieldDescriptorProto::LABEL_OPTIONAL);
    return &field;
  };
  add("i", pb::FieldDescriptorProto::TYPE_INT64, false);
  add("s", pb::FieldDescriptorProto::TYPE_STRING, false);
  add("d", pb::FieldDescriptorProto::TYPE_DOUBLE, false);
  add("f", pb::FieldDescriptorProto::TYPE_FIXED32, true);
  add("n", pb::FieldDescriptorProto::TYPE_SINT32, true);
  add("left", pb::FieldDescriptorProto::TYPE_MESSAGE, false)->set_type_name(".Tree");
  add("all", pb::FieldDescriptorProto::TYPE_MESSAGE, true)->set_type_name(".Tree");
  tree.add_oneof_decl()->set_name("one");
  add("a", pb::FieldDescriptorProto::TYPE_BYTES, false)->set_oneof_index(0);
  add("b", pb::FieldDescriptorProto::TYPE_MESSAGE, false)->set_type_name(".Tree");
  tree.mutable_field(tree.field_size() - 1)->set_oneof_index(0);
  add("m", pb::FieldDescriptorProto::TYPE_MESSAGE, true)->set_type_name(".Tree.MEntry");
  pb::DescriptorProto& entry = *tree.add_nested_type();
  entry.set_name("MEntry");
  entry.mutable_options()->set_map_entry(true);
  *entry.add_field() = tree.field(1);
  entry.mutable_field(0)->set_name("key");
  entry.mutable_field(0)->set_number(1);
  *entry.add_field() = tree.field(5);
  entry.mutable_field(1)->set_name("value");
  entry.mutable_field(1)->set_number(2);
  return file;
}

struct Outcome {
  std::vector<FuzzRow> rows;
  bool is_damaged = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome Read(std::string_view text, const Shard& shard, const RowRequest& request,
             std::size_t piece_bytes) {
  Outcome outcome;
  const FileFormat format{"protobuf", {}};
  const ShardRange range{0, text.size(), 0, UINT64_MAX};
  FuzzShardReader reader(text, 0, piece_bytes);
  const auto blocks = OpenRows({reader, shard, range, format, request, std::size_t{1} << 16});
  FUZZ_CHECK(blocks.ok());
  LineBlock block;
  while (true) {
    const Result<bool> has_more = (*blocks)->Next(&block);
    outcome.is_damaged = !has_more.ok();
    if (!has_more.ok() || !*has_more) return outcome;
    std::size_t i = 0;
    const auto add = [&] {
      const SourceRecord& record = (*block.records)[i++];
      FUZZ_CHECK(text.find(record.raw, record.offset) != std::string_view::npos);
      outcome.rows.push_back(
          {{}, record.offset, std::string(record.raw), std::string(block.reject)});
    };
    if (!block.reject.empty()) {
      add();
      continue;
    }
    AnyRowParser().Parse(
        block,
        [&](const AnyRow& row, std::string_view) {
          add();
          for (const auto& field : row.fields) outcome.rows.back().fields.emplace_back(field);
        },
        [](std::string_view, std::string_view) { FUZZ_CHECK(false); });
    FUZZ_CHECK(i == block.records->size());
  }
}

Shard ShardOf(const std::string& dialect) {
  Shard shard{.file = {.path = "/file"}};
  auto layout = std::make_shared<ShardLayout>();
  layout->dialect = dialect;
  shard.layout = std::move(layout);
  return shard;
}

void CheckMessages(std::string_view text) {
  static const pb::FileDescriptorProto file = FileOfTree();
  static const std::string dialect = [] {
    pb::FileDescriptorSet set;
    *set.add_file() = file;
    const Result<std::string> made = ProtobufSchema::DialectOf(set.SerializeAsString(), "Tree");
    FUZZ_CHECK(made.ok());
    return *made;
  }();
  static pb::DescriptorPool pool;
  static const pb::Descriptor* const type = pool.BuildFile(file)->message_type(0);
  static pb::DynamicMessageFactory factory;
  const Shard shard = ShardOf(dialect);
  RowRequest request;
  for (const char* path :
       {"i", "s", "f.1", "n.0", "left.left.s", "all.1.i", "a", "b.d", "m.k.i", "m..left.s"})
    request.columns.push_back({path, path, 0});
  const Outcome outcome = Read(text, shard, request, SIZE_MAX / 2);
  FUZZ_CHECK(outcome == Read(text, shard, request, 1 + text.size() % 7));
  const Outcome all = Read(text, shard, {.all = true, .columns = {}}, SIZE_MAX / 2);
  FUZZ_CHECK(all.rows.size() == outcome.rows.size() && all.is_damaged == outcome.is_damaged);
  for (const FuzzRow& row : outcome.rows) {
    const std::unique_ptr<pb::Message> message(factory.GetPrototype(type)->New());
    FUZZ_CHECK(message->ParseFromString(row.raw) == row.reject.empty());
  }
}

void CheckDescriptors(std::string_view bytes) {
  const Result<std::string> dialect = ProtobufSchema::DialectOf(bytes, "");
  if (!dialect.ok()) {
    (void)ProtobufSchema::Of(bytes);
    return;
  }
  const Result<std::shared_ptr<const ProtobufSchema>> schema = ProtobufSchema::Of(*dialect);
  FUZZ_CHECK(schema.ok() && !(*schema)->Columns().empty());
  const std::string records("\x00\x02\x08\x01\x03\x0A\x01x\x05\x0A\x03\x08\x01\x10", 14);
  const Outcome outcome =
      Read(records, ShardOf(*dialect), {.all = true, .columns = {}}, SIZE_MAX / 2);
  FUZZ_CHECK(outcome.rows.size() == 4 || outcome.is_damaged);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pb::SetLogHandler(nullptr);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    CheckMessages(bytes);
  } else {
    CheckDescriptors(bytes);
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as messages of a fixed type, and as the descriptors of one. The first byte says which,
// and which columns are read.
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

const RowRequest kAll{.all = true, .columns = {}};

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

// Whether it is not damaged.
bool Read(std::string_view text, const Shard& shard, const RowRequest& request,
          std::size_t piece_bytes, FuzzRecords* records) {
  static const FileFormat format{"protobuf", {}};
  return ReadFuzzRecords({text, format, shard, std::size_t{1} << 16, /*prefix_bytes_max=*/10},
                         request, {}, piece_bytes, records)
      .ok();
}

Shard ShardOf(const std::string& dialect) {
  Shard shard{.file = {.path = "/file"}};
  auto layout = std::make_shared<ShardLayout>();
  layout->dialect = dialect;
  shard.layout = std::move(layout);
  return shard;
}

void CheckMessages(std::string_view text, std::size_t which) {
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
  static const Shard shard = ShardOf(dialect);
  static const RowRequest requests[] = {
      FuzzRequest({"i", "s", "f.1", "m.k.i"}), FuzzRequest({"left.left.s", "all.1.i", "n.0"}),
      FuzzRequest({"a", "b.d", "m..left.s"}), FuzzRequest({"d", "all", "m", "b"}), kAll};
  static FuzzRecords rows, again;
  const RowRequest& request = requests[which % std::size(requests)];
  const bool is_whole = Read(text, shard, request, SIZE_MAX, &rows);
  FUZZ_CHECK(is_whole == Read(text, shard, request, 1 + text.size() % 7, &again));
  FUZZ_CHECK(rows == again);
  const std::size_t columns =
      request.all ? static_cast<std::size_t>(type->field_count()) : request.columns.size();
  static const std::unique_ptr<pb::Message> message(factory.GetPrototype(type)->New());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string_view raw = rows.raw(i);
    FUZZ_CHECK(message->ParseFromArray(raw.data(), static_cast<int>(raw.size())) ==
               !rows.is_reject(i));
    if (!rows.is_reject(i)) FUZZ_CHECK(rows.Fields(i).size() == columns);
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
  static FuzzRecords rows;
  const bool is_whole = Read(records, ShardOf(*dialect), kAll, SIZE_MAX, &rows);
  FUZZ_CHECK(rows.size() == 4 || !is_whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pb::SetLogHandler(nullptr);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    CheckMessages(bytes, data[0] / 2);
  } else {
    CheckDescriptors(bytes);
  }
  return 0;
}

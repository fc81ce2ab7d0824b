// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_schema.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "mapreduce/base/size.h"

namespace millrace {
namespace {

namespace pb = google::protobuf;

constexpr int kImportDepthMax = 500;
constexpr std::size_t kNamesShown = 20;
constexpr std::string_view kUrlPrefix = "type.googleapis.com";

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamesShown; ++i) {
    if (i > 0) text += ", ";
    text += names[i];
  }
  if (names.size() > kNamesShown)
    text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  return text;
}

// Keeps the first error; protobuf would print it.
class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (text_.empty()) text_ = file + ": " + element + ": " + message;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// The files of a set, and their messages by name, nothing of which is checked yet.
class DescriptorFiles {
 public:
  Status Read(std::string_view bytes) {
    if (!set_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || set_.file_size() == 0)
      return Status::BadData("is no set of descriptors; make one with protoc --include_imports ",
                             "--descriptor_set_out=FILE");
    for (const pb::FileDescriptorProto& file : set_.file()) {
      files_.emplace(file.name(), &file);
      imported_.insert(file.dependency().begin(), file.dependency().end());
    }
    for (const pb::FileDescriptorProto& file : set_.file()) {
      const std::string scope = file.package().empty() ? "" : file.package() + ".";
      for (const pb::DescriptorProto& message : file.message_type()) {
        if (!imported_.contains(file.name())) roots_.push_back(scope + message.name());
        AddMessage(scope, message, file.name());
      }
    }
    return {};
  }

  // The full name of the message that `wanted` means.
  Result<std::string> Find(std::string_view wanted) const {
    if (wanted.starts_with('.')) wanted.remove_prefix(1);
    if (wanted.empty()) {
      if (roots_.size() == 1) return roots_.front();
      return Status::InvalidArgument(roots_.empty() ? "has no message" : "has several messages",
                                     "; say which one the files ", "have with message=NAME",
                                     roots_.empty() ? "" : ": ", Listed(roots_));
    }
    if (messages_.contains(std::string(wanted))) return std::string(wanted);
    const std::string end = "." + std::string(wanted);
    std::vector<std::string> found;
    for (const auto& [name, file] : messages_) {
      if (name.ends_with(end)) found.push_back(name);
    }
    if (found.size() == 1) return found.front();
    if (!found.empty())
      return Status::InvalidArgument("has several messages ", wanted, ": ", Listed(found));
    return Status::InvalidArgument("has no message ", wanted, "; it has ",
                                   roots_.empty() ? "none" : Listed(roots_));
  }

  // Adds the file of a message, and what it imports, to `pool`.
  Status BuildFileOf(const std::string& message, pb::DescriptorPool& pool) const {
    return Build(messages_.at(message), 0, pool);
  }
  Status BuildAll(pb::DescriptorPool& pool) const {
    for (const pb::FileDescriptorProto& file : set_.file())
      MR_RETURN_IF_ERROR(Build(file.name(), 0, pool));
    return {};
  }
  const pb::FileDescriptorSet& set() const { return set_; }

 private:
  void AddMessage(const std::string& scope, const pb::DescriptorProto& message,
                  const std::string& file) {
    const std::string name = scope + message.name();
    messages_.emplace(name, file);
    for (const pb::DescriptorProto& nested : message.nested_type())
      AddMessage(name + ".", nested, file);
  }

  Status Build(const std::string& name, int depth, pb::DescriptorPool& pool) const {
    if (pool.FindFileByName(name) != nullptr) return {};
    const auto found = files_.find(name);
    if (found == files_.end()) {
      return Status::BadData("lacks the imported file ", name,
                             "; make it with protoc --include_imports");
    }
    if (depth > kImportDepthMax)
      return Status::BadData(name, " imports itself, or files nested too deeply");
    for (const std::string& import : found->second->dependency())
      MR_RETURN_IF_ERROR(Build(import, depth + 1, pool));
    FirstError error;
    if (pool.BuildFileCollectingErrors(*found->second, &error) == nullptr)
      return Status::BadData("is damaged: ", error.text());
    return {};
  }

  pb::FileDescriptorSet set_;
  std::map<std::string, const pb::FileDescriptorProto*> files_;
  std::set<std::string> imported_;
  std::map<std::string, std::string> messages_;  // To their files.
  std::vector<std::string> roots_;
};

// The types that a message's fields lead to, as a set of files of their own.
class NeededTypes {
 public:
  void Add(const pb::Descriptor* message) {
    if (messages_.insert(message).second) pending_.push_back(message);
    while (!pending_.empty()) {
      const pb::Descriptor* const next = pending_.back();
      pending_.pop_back();
      has_any_ = has_any_ || next->full_name() == "google.protobuf.Any";
      for (int i = 0; i < next->field_count(); ++i) {
        const pb::FieldDescriptor& field = *next->field(i);
        if (field.enum_type() != nullptr) enums_.insert(field.enum_type());
        const pb::Descriptor* const type = field.message_type();
        if (type != nullptr && messages_.insert(type).second) pending_.push_back(type);
      }
    }
  }
  void AddAllOf(const pb::Descriptor& message) {
    Add(&message);
    for (int i = 0; i < message.nested_type_count(); ++i) AddAllOf(*message.nested_type(i));
  }
  bool has_any() const { return has_any_; }

  // Each file behind those it imports.
  pb::FileDescriptorSet Files() {
    for (const pb::Descriptor* message : messages_) NoteImports(*message);
    for (const pb::EnumDescriptor* type : enums_) imports_[type->file()];
    pb::FileDescriptorSet set;
    for (const auto& [file, imports] : imports_) AddFile(file, &set);
    return set;
  }

 private:
  struct ByName {
    bool operator()(const pb::FileDescriptor* a, const pb::FileDescriptor* b) const {
      return a->name() < b->name();
    }
  };
  using Files_ = std::set<const pb::FileDescriptor*, ByName>;

  void NoteImports(const pb::Descriptor& message) {
    Files_& imports = imports_[message.file()];
    for (int i = 0; i < message.field_count(); ++i) {
      const pb::FieldDescriptor& field = *message.field(i);
      if (field.enum_type() != nullptr) imports.insert(field.enum_type()->file());
      if (field.message_type() != nullptr) imports.insert(field.message_type()->file());
    }
    imports.erase(message.file());
  }

  // Files don't import each other in a circle, and imports are at most kImportDepthMax deep.
  void AddFile(const pb::FileDescriptor* file, pb::FileDescriptorSet* set) {
    if (!added_.insert(file).second) return;
    const Files_& imports = imports_.at(file);
    for (const pb::FileDescriptor* import : imports) AddFile(import, set);
    pb::FileDescriptorProto& to = *set->add_file();
    to.set_name(file->name());
    if (!file->package().empty()) to.set_package(file->package());
    if (file->syntax() == pb::FileDescriptor::SYNTAX_PROTO3) to.set_syntax("proto3");
    for (const pb::FileDescriptor* import : imports) to.add_dependency(import->name());
    for (int i = 0; i < file->message_type_count(); ++i) {
      if (IsTouched(*file->message_type(i)))
        AddMessage(*file->message_type(i), to.add_message_type());
    }
    for (int i = 0; i < file->enum_type_count(); ++i) {
      if (enums_.contains(file->enum_type(i))) AddEnum(*file->enum_type(i), to.add_enum_type());
    }
  }

  // It, or something in it, is needed.
  bool IsTouched(const pb::Descriptor& message) const {
    bool is_touched = messages_.contains(&message);
    for (int i = 0; !is_touched && i < message.enum_type_count(); ++i)
      is_touched = enums_.contains(message.enum_type(i));
    for (int i = 0; !is_touched && i < message.nested_type_count(); ++i)
      is_touched = IsTouched(*message.nested_type(i));
    return is_touched;
  }

  void AddMessage(const pb::Descriptor& message, pb::DescriptorProto* to) const {
    to->set_name(message.name());
    if (messages_.contains(&message)) {
      for (int i = 0; i < message.field_count(); ++i) {
        pb::FieldDescriptorProto& field = *to->add_field();
        message.field(i)->CopyTo(&field);
        field.set_json_name(message.field(i)->json_name());
        field.clear_options();
      }
      for (int i = 0; i < message.oneof_decl_count(); ++i)
        to->add_oneof_decl()->set_name(message.oneof_decl(i)->name());
      if (message.options().map_entry()) to->mutable_options()->set_map_entry(true);
    }
    for (int i = 0; i < message.nested_type_count(); ++i) {
      if (IsTouched(*message.nested_type(i)))
        AddMessage(*message.nested_type(i), to->add_nested_type());
    }
    for (int i = 0; i < message.enum_type_count(); ++i) {
      if (enums_.contains(message.enum_type(i)))
        AddEnum(*message.enum_type(i), to->add_enum_type());
    }
  }

  static void AddEnum(const pb::EnumDescriptor& type, pb::EnumDescriptorProto* to) {
    to->set_name(type.name());
    for (int i = 0; i < type.value_count(); ++i) {
      pb::EnumValueDescriptorProto& value = *to->add_value();
      value.set_name(type.value(i)->name());
      value.set_number(type.value(i)->number());
    }
    if (type.options().allow_alias()) to->mutable_options()->set_allow_alias(true);
  }

  std::unordered_set<const pb::Descriptor*> messages_;
  std::unordered_set<const pb::EnumDescriptor*> enums_;
  std::vector<const pb::Descriptor*> pending_;
  bool has_any_ = false;
  std::map<const pb::FileDescriptor*, Files_, ByName> imports_;
  Files_ added_;
};

// --- JSON: protobuf's own, of a message whose maps were put in order.

bool IsKeyBefore(const pb::Message& a, const pb::Message& b) {
  const pb::FieldDescriptor& key = *a.GetDescriptor()->map_key();
  const pb::Reflection& of = *a.GetReflection();
  switch (key.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return of.GetString(a, &key) < of.GetString(b, &key);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return of.GetBool(a, &key) < of.GetBool(b, &key);
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return of.GetInt32(a, &key) < of.GetInt32(b, &key);
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return of.GetInt64(a, &key) < of.GetInt64(b, &key);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return of.GetUInt32(a, &key) < of.GetUInt32(b, &key);
    default:
      return of.GetUInt64(a, &key) < of.GetUInt64(b, &key);
  }
}

// Of equal keys the last counts.
void SortMap(pb::Message* message, const pb::FieldDescriptor& field) {
  const pb::Reflection& of = *message->GetReflection();
  std::vector<std::unique_ptr<pb::Message>> entries;
  while (of.FieldSize(*message, &field) > 0) entries.emplace_back(of.ReleaseLast(message, &field));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return IsKeyBefore(*a, *b); });
  const pb::Message* last = nullptr;
  for (std::unique_ptr<pb::Message>& entry : entries) {
    if (last != nullptr && !IsKeyBefore(*last, *entry)) continue;
    last = entry.get();
    of.AddAllocatedMessage(message, &field, entry.release());
  }
}

// Also refuses groups, which protobuf's JSON leaves out without a word. Messages are at most 100
// deep: the parser saw to that.
Status PrepareForJson(pb::Message* message) {
  const pb::Reflection& of = *message->GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  of.ListFields(*message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->type() == pb::FieldDescriptor::TYPE_GROUP) {
      return Status::BadData(field->full_name(),
                             " is a group, which protobuf's JSON does not have; ",
                             "name what is in it");
    }
    if (field->is_map()) SortMap(message, *field);
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      MR_RETURN_IF_ERROR(PrepareForJson(of.MutableMessage(message, field)));
      continue;
    }
    const int count = of.FieldSize(*message, field);
    for (int i = 0; i < count; ++i)
      MR_RETURN_IF_ERROR(PrepareForJson(of.MutableRepeatedMessage(message, field, i)));
  }
  return {};
}

Result<std::shared_ptr<pb::DescriptorPool>> PoolOf(const pb::FileDescriptorSet& set) {
  auto pool = std::make_shared<pb::DescriptorPool>();
  for (const pb::FileDescriptorProto& file : set.file()) {
    FirstError error;
    if (pool->BuildFileCollectingErrors(file, &error) == nullptr)
      return Status::Corrupt("the descriptors in the plan: ", error.text());
  }
  return pool;
}

}  // namespace

struct ProtobufSchema::Types {
  std::shared_ptr<pb::DescriptorPool> pool;
  std::unique_ptr<pb::util::TypeResolver> resolver;
  mutable pb::DynamicMessageFactory factory;  // Thread-safe.
};

Result<std::string> ProtobufSchema::DialectOf(std::string_view descriptor_set,
                                              std::string_view message) {
  DescriptorFiles files;
  MR_RETURN_IF_ERROR(files.Read(descriptor_set));
  MR_ASSIGN_OR_RETURN(const std::string name, files.Find(message));
  pb::DescriptorPool pool;
  MR_RETURN_IF_ERROR(files.BuildFileOf(name, pool));
  const pb::Descriptor* const descriptor = pool.FindMessageTypeByName(name);
  if (descriptor == nullptr || descriptor->options().map_entry())
    return Status::InvalidArgument("has no message ", name);
  if (descriptor->field_count() == 0)
    return Status::BadData("the message ", name, " has no fields");
  NeededTypes needed;
  needed.Add(descriptor);
  if (needed.has_any()) {
    MR_RETURN_IF_ERROR(files.BuildAll(pool));
    for (const pb::FileDescriptorProto& file : files.set().file()) {
      const pb::FileDescriptor& built = *pool.FindFileByName(file.name());
      for (int i = 0; i < built.message_type_count(); ++i) needed.AddAllOf(*built.message_type(i));
    }
  }
  std::string dialect = name + "\n" + needed.Files().SerializeAsString();
  if (dialect.size() > kProtobufDialectBytesMax) {
    return Status::InvalidArgument("what the message ", name, " needs of it has ",
                                   FormatBytes(dialect.size()), ", over the ",
                                   FormatBytes(kProtobufDialectBytesMax), " that a plan may hold");
  }
  return dialect;
}

Result<std::shared_ptr<const ProtobufSchema>> ProtobufSchema::Of(std::string_view dialect) {
  const std::size_t newline = dialect.find('\n');
  if (newline == std::string_view::npos || dialect.size() > kProtobufDialectBytesMax)
    return Status::Corrupt("no descriptors in the plan");
  pb::FileDescriptorSet set;
  const std::string_view bytes = dialect.substr(newline + 1);
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Status::Corrupt("the descriptors in the plan don't parse");
  auto types = std::make_unique<Types>();
  MR_ASSIGN_OR_RETURN(types->pool, PoolOf(set));
  const std::string name(dialect.substr(0, newline));
  const pb::Descriptor* const message = types->pool->FindMessageTypeByName(name);
  if (message == nullptr || message->field_count() == 0)
    return Status::Corrupt("the descriptors in the plan lack ", name);
  types->resolver.reset(
      pb::util::NewTypeResolverForDescriptorPool(std::string(kUrlPrefix), types->pool.get()));
  std::shared_ptr<ProtobufSchema> schema(new ProtobufSchema(std::move(types)));
  schema->name_ = name;
  schema->message_ = message;
  return std::shared_ptr<const ProtobufSchema>(std::move(schema));
}

ProtobufSchema::ProtobufSchema(std::unique_ptr<Types> types) : types_(std::move(types)) {}

ProtobufSchema::~ProtobufSchema() = default;

std::vector<std::string> ProtobufSchema::Columns() const {
  std::vector<const pb::FieldDescriptor*> fields;
  for (int i = 0; i < message_->field_count(); ++i) fields.push_back(message_->field(i));
  std::sort(fields.begin(), fields.end(),
            [](const auto* a, const auto* b) { return a->number() < b->number(); });
  std::vector<std::string> names;
  for (const pb::FieldDescriptor* field : fields) names.push_back(field->name());
  return names;
}

std::string ProtobufSchema::MissingFields(std::string_view bytes) const {
  const std::unique_ptr<pb::Message> parsed(types_->factory.GetPrototype(message_)->New());
  if (!parsed->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return "";  // Not seen: who walked over the bytes is as strict.
  std::vector<std::string> missing;
  parsed->FindInitializationErrors(&missing);
  return Listed(missing);
}

Result<std::string> ProtobufSchema::MessageJson(const pb::Descriptor& type,
                                                std::string_view bytes) const {
  const std::unique_ptr<pb::Message> message(types_->factory.GetPrototype(&type)->New());
  if (!message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Status::BadData("it doesn't parse");  // Not seen, as above.
  MR_RETURN_IF_ERROR(PrepareForJson(message.get()));
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const pb::util::Status written = pb::util::BinaryToJsonString(
      types_->resolver.get(), std::string(kUrlPrefix) + "/" + type.full_name(),
      message->SerializePartialAsString(), &json, options);
  if (!written.ok()) return Status::BadData(std::string(written.message()));
  return json;
}

Result<std::string> ProtobufSchema::FieldJson(const pb::FieldDescriptor& field,
                                              std::string_view bytes) const {
  MR_ASSIGN_OR_RETURN(std::string json, MessageJson(*field.containing_type(), bytes));
  // Lists and structs of google.protobuf are written as the value of their one field.
  const std::string before = "{\"" + field.name() + "\":";
  if (!json.starts_with(before)) return json;
  return json.substr(before.size(), json.size() - before.size() - 1);
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_paths.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <map>
#include <system_error>
#include <unordered_map>

#include "mapreduce/formats/protobuf_fields.h"

namespace millrace {
namespace {

namespace pb = google::protobuf;
using Kind = ProtobufKind;

constexpr std::uint32_t kNumbersByPlace = 1024;
constexpr std::size_t kNamesShown = 20;
constexpr std::size_t kPathPartsMax = 200;  // Messages are at most 100 deep.
constexpr int kRequiredCountedMax = 63;

std::vector<std::string> PartsOf(std::string_view path) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool is_escape =
        path[i] == '\\' && i + 1 < path.size() && (path[i + 1] == '.' || path[i + 1] == '\\');
    if (is_escape) {
      parts.back().push_back(path[++i]);
    } else if (path[i] == '.') {
      parts.emplace_back();
    } else {
      parts.back().push_back(path[i]);
    }
  }
  return parts;
}

std::string Joined(const std::vector<std::string>& parts, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += (i > begin ? "." : "") + parts[i];
  return text;
}

std::string Lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// By the name in the .proto, by that of its JSON, then without regard to case; null for none.
const pb::FieldDescriptor* FindField(const pb::Descriptor& type, const std::string& name) {
  if (const pb::FieldDescriptor* field = type.FindFieldByName(name)) return field;
  const pb::FieldDescriptor* found = nullptr;
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor* const field = type.field(i);
    if (field->json_name() == name) return field;
    if (Lowered(field->name()) != Lowered(name)) continue;
    if (found != nullptr) return nullptr;
    found = field;
  }
  return found;
}

std::string FieldNames(const pb::Descriptor& type) {
  std::string text;
  const int shown = std::min<int>(type.field_count(), kNamesShown);
  for (int i = 0; i < shown; ++i) text += (i > 0 ? ", " : "") + type.field(i)->name();
  if (type.field_count() > shown)
    text += " and " + std::to_string(type.field_count() - shown) + " more";
  return shown == 0 ? "none" : text;
}

ProtobufWire WireOf(const pb::FieldDescriptor& field) {
  switch (field.type()) {
    case pb::FieldDescriptor::TYPE_DOUBLE:
    case pb::FieldDescriptor::TYPE_FIXED64:
    case pb::FieldDescriptor::TYPE_SFIXED64:
      return ProtobufWire::kFixed64;
    case pb::FieldDescriptor::TYPE_FLOAT:
    case pb::FieldDescriptor::TYPE_FIXED32:
    case pb::FieldDescriptor::TYPE_SFIXED32:
      return ProtobufWire::kFixed32;
    case pb::FieldDescriptor::TYPE_STRING:
    case pb::FieldDescriptor::TYPE_BYTES:
    case pb::FieldDescriptor::TYPE_MESSAGE:
      return ProtobufWire::kBytes;
    case pb::FieldDescriptor::TYPE_GROUP:
      return ProtobufWire::kGroup;
    default:
      return ProtobufWire::kVarint;
  }
}

// Of a value that is no message.
Kind KindOf(const pb::FieldDescriptor& field) {
  switch (field.type()) {
    case pb::FieldDescriptor::TYPE_INT32:
    case pb::FieldDescriptor::TYPE_SFIXED32:
      return Kind::kInt32;
    case pb::FieldDescriptor::TYPE_INT64:
    case pb::FieldDescriptor::TYPE_SFIXED64:
      return Kind::kInt64;
    case pb::FieldDescriptor::TYPE_UINT32:
    case pb::FieldDescriptor::TYPE_FIXED32:
      return Kind::kUint32;
    case pb::FieldDescriptor::TYPE_UINT64:
    case pb::FieldDescriptor::TYPE_FIXED64:
      return Kind::kUint64;
    case pb::FieldDescriptor::TYPE_SINT32:
      return Kind::kSint32;
    case pb::FieldDescriptor::TYPE_SINT64:
      return Kind::kSint64;
    case pb::FieldDescriptor::TYPE_BOOL:
      return Kind::kBool;
    case pb::FieldDescriptor::TYPE_FLOAT:
      return Kind::kFloat;
    case pb::FieldDescriptor::TYPE_DOUBLE:
      return Kind::kDouble;
    case pb::FieldDescriptor::TYPE_ENUM:
      return Kind::kEnum;
    default:
      return Kind::kText;
  }
}

// The declared default, or that of its type, as a field of TSV.
std::string DefaultOf(const pb::FieldDescriptor& field) {
  const auto number = [](Kind kind, std::uint64_t bits) {
    std::array<char, kProtobufNumberBytesMax> text;
    return std::string(text.data(), FormatProtobufNumber(kind, bits, text.data()));
  };
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return number(Kind::kInt32, static_cast<std::uint32_t>(field.default_value_int32()));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return number(Kind::kInt64, static_cast<std::uint64_t>(field.default_value_int64()));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return number(Kind::kUint32, field.default_value_uint32());
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return number(Kind::kUint64, field.default_value_uint64());
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return number(Kind::kDouble, std::bit_cast<std::uint64_t>(field.default_value_double()));
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return number(Kind::kFloat, std::bit_cast<std::uint32_t>(field.default_value_float()));
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return number(Kind::kBool, field.default_value_bool() ? 1 : 0);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return field.default_value_enum()->name();
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      RowBuffer escaped;
      AppendEscaped(escaped, field.default_value_string());
      return std::string(escaped.view());
    }
    default:
      return "";
  }
}

// "0", "12", but not "012".
bool ParseElement(const std::string& part, std::uint64_t* element) {
  const char* const end = part.data() + part.size();
  const std::from_chars_result result = std::from_chars(part.data(), end, *element);
  return result.ec == std::errc() && result.ptr == end && (part.front() != '0' || part.size() == 1);
}

bool IsWrapper(const pb::Descriptor& type) {
  static constexpr std::string_view kWrappers[] = {"Double", "Float", "Int64",  "UInt64", "Int32",
                                                   "UInt32", "Bool",  "String", "Bytes"};
  std::string_view name = type.full_name();
  if (!name.starts_with("google.protobuf.") || !name.ends_with("Value")) return false;
  name.remove_prefix(std::string_view("google.protobuf.").size());
  name.remove_suffix(std::string_view("Value").size());
  const pb::FieldDescriptor* const value = type.FindFieldByName("value");
  return std::find(std::begin(kWrappers), std::end(kWrappers), name) != std::end(kWrappers) &&
         type.field_count() == 1 && value != nullptr && value->message_type() == nullptr &&
         !value->is_repeated();
}

// A message of google.protobuf that has `seconds` and `nanos`.
bool IsTime(const pb::Descriptor& type, std::string_view name) {
  const pb::FieldDescriptor* const seconds = type.FindFieldByName("seconds");
  const pb::FieldDescriptor* const nanos = type.FindFieldByName("nanos");
  return type.full_name() == name && seconds != nullptr && nanos != nullptr &&
         seconds->type() == pb::FieldDescriptor::TYPE_INT64 && !seconds->is_repeated() &&
         nanos->type() == pb::FieldDescriptor::TYPE_INT32 && !nanos->is_repeated();
}

}  // namespace

const ProtobufField* ProtobufNode::FindLarge(std::uint32_t number) const {
  const auto found = std::lower_bound(
      fields.begin(), fields.end(), number,
      [](const ProtobufField& field, std::uint32_t wanted) { return field.number < wanted; });
  return found == fields.end() || found->number != number ? nullptr : &*found;
}

// Follows the paths one by one, then makes the tables of all nodes.
class ProtobufPathBuilder {
 public:
  ProtobufPathBuilder(ProtobufPaths& paths, const pb::Descriptor& top) : paths_(paths) {
    top_ = NewNode(top);
    paths_.top_ = top_;
  }

  void AddUnused() { paths_.columns_.emplace_back(); }

  Status AddColumn(std::vector<std::string> parts) {
    parts_ = std::move(parts);
    column_ = &paths_.columns_.emplace_back();
    column_->path = Joined(parts_, 0, parts_.size());
    above_.clear();
    if (parts_.size() > kPathPartsMax) return Status::BadData("a path of too many parts");
    return EnterMessage(*top_, *type_of_.at(top_), 0);
  }

  void Finish() {
    // Grows on the way.
    for (std::size_t i = 0; i < paths_.nodes_.size(); ++i) Fill(paths_.nodes_[i]);
    paths_.slot_count_ = slot_count_;
  }

 private:
  int NewSlot() {
    for (std::vector<int>* slots : above_) slots->push_back(slot_count_);
    return slot_count_++;
  }
  int SlotOf(int* slot) {
    if (*slot < 0) *slot = NewSlot();
    return *slot;
  }

  ProtobufNode* NewNode(const pb::Descriptor& type) {
    ProtobufNode& node = paths_.nodes_.emplace_back();
    node.present = NewSlot();
    type_of_[&node] = &type;
    return &node;
  }

  // Where nothing is wanted of it.
  const ProtobufNode* CheckedNode(const pb::Descriptor& type) {
    ProtobufNode*& node = checked_[&type];
    if (node == nullptr) {
      node = &paths_.nodes_.emplace_back();
      type_of_[node] = &type;
    }
    return node;
  }

  ProtobufWant& WantOf(const ProtobufNode& node, const pb::FieldDescriptor& field) {
    ProtobufWant*& want = wants_[{&node, field.number()}];
    if (want == nullptr) want = &paths_.wants_.emplace_back();
    return *want;
  }

  // parts_[at] is a field of the message `node`.
  Status EnterMessage(ProtobufNode& node, const pb::Descriptor& type, std::size_t at) {
    const pb::FieldDescriptor* const field = FindField(type, parts_[at]);
    if (field == nullptr) {
      return Status::BadData("the message ", type.full_name(),
                             at == 0 ? "" : " (" + Joined(parts_, 0, at) + ")", " has no field ",
                             parts_[at], "; it has ", FieldNames(type));
    }
    ProtobufWant& want = WantOf(node, *field);
    above_.push_back(&want.slots);
    if (field->is_map()) return EnterMap(node, want, *field, at + 1);
    if (field->is_repeated()) return EnterRepeated(node, want, *field, at + 1);
    const bool is_oneof = field->real_containing_oneof() != nullptr;
    if (field->message_type() == nullptr &&
        (!field->has_presence() || (field->has_default_value() && !is_oneof))) {
      column_->default_if = node.present;
      column_->otherwise = DefaultOf(*field);
    }
    return EnterValue(want.value, *field, at + 1);
  }

  Status TakeAll(const ProtobufNode& node, ProtobufWant& want, const pb::FieldDescriptor& field) {
    column_->kind = Kind::kFieldJson;
    column_->field = &field;
    column_->slot = SlotOf(&want.fields_slot);
    column_->default_if = node.present;
    column_->otherwise = field.is_map() ? "{}" : "[]";
    return {};
  }

  Status EnterRepeated(const ProtobufNode& node, ProtobufWant& want,
                       const pb::FieldDescriptor& field, std::size_t at) {
    if (at == parts_.size()) return TakeAll(node, want, field);
    std::uint64_t element = 0;
    if (!ParseElement(parts_[at], &element)) {
      const std::string before = Joined(parts_, 0, at);
      return Status::BadData(before, " is repeated; behind it stands the number of an element, as ",
                             before, ".0, not ", parts_[at]);
    }
    SlotOf(&want.count_slot);
    return EnterValue(TargetOf(want.elements, element), field, at + 1);
  }

  Status EnterMap(const ProtobufNode& node, ProtobufWant& want, const pb::FieldDescriptor& field,
                  std::size_t at) {
    if (at == parts_.size()) return TakeAll(node, want, field);
    const pb::FieldDescriptor& value = *field.message_type()->map_value();
    // Dots are common in keys, and nothing is in a scalar: all the rest is the key.
    const std::size_t behind = value.message_type() == nullptr ? parts_.size() : at + 1;
    const std::string key = Joined(parts_, at, behind);
    MR_RETURN_IF_ERROR(CheckKey(*field.message_type()->map_key(), key));
    ProtobufTarget& target = TargetOf(want.keys, key);
    if (value.message_type() == nullptr) {
      above_.push_back(&target.slots);
      column_->default_if = SlotOf(&target.present);
      above_.pop_back();
      column_->otherwise = DefaultOf(value);
    }
    return EnterValue(target, value, behind);
  }

  Status CheckKey(const pb::FieldDescriptor& key, const std::string& text) const {
    if (key.type() == pb::FieldDescriptor::TYPE_STRING) return {};
    bool is_key = text == "true" || text == "false";
    if (key.type() != pb::FieldDescriptor::TYPE_BOOL) {
      std::uint64_t number = 0;
      const bool is_negative = text.starts_with('-');
      is_key = text != "-0" && ParseElement(text.substr(is_negative ? 1 : 0), &number);
    }
    if (is_key) return {};
    return Status::BadData(column_->path, ": ", text, " is no key of a map whose keys are ",
                           key.type_name());
  }

  template <class Key>
  static ProtobufTarget& TargetOf(std::vector<std::pair<Key, ProtobufTarget>>& targets,
                                  const Key& key) {
    for (auto& [known, target] : targets) {
      if (known == key) return target;
    }
    return targets.emplace_back(key, ProtobufTarget()).second;
  }

  // `field` is what the value is; parts_[at] is something in it, if anything is.
  Status EnterValue(ProtobufTarget& target, const pb::FieldDescriptor& field, std::size_t at) {
    above_.push_back(&target.slots);
    const pb::Descriptor* const type = field.message_type();
    if (type == nullptr) {
      if (at < parts_.size()) {
        return Status::BadData(Joined(parts_, 0, at), " is of type ", field.type_name(),
                               "; there is no ", Joined(parts_, at, parts_.size()), " in it");
      }
      column_->kind = KindOf(field);
      column_->enumeration = field.enum_type();
      column_->slot = SlotOf(&target.slot);
      return {};
    }
    if (at == parts_.size() && IsWrapper(*type)) parts_.push_back("value");
    if (at < parts_.size()) {
      if (target.node == nullptr) target.node = NewNode(*type);
      return EnterMessage(*target.node, *type, at);
    }
    column_->message = type;
    if (IsTime(*type, "google.protobuf.Timestamp")) return TakeTimestamp(target, *type);
    column_->kind =
        IsTime(*type, "google.protobuf.Duration") ? Kind::kDuration : Kind::kMessageJson;
    column_->slot = SlotOf(&target.slot);
    return {};
  }

  // `slot` and `nanos_slot` where they were said, and 0 where `default_if` is set.
  Status TakeTimestamp(ProtobufTarget& target, const pb::Descriptor& type) {
    if (target.node == nullptr) target.node = NewNode(type);
    const auto part = [&](const char* name) {
      ProtobufWant& want = WantOf(*target.node, *type.FindFieldByName(name));
      above_.push_back(&want.slots);
      above_.push_back(&want.value.slots);
      const int slot = SlotOf(&want.value.slot);
      above_.resize(above_.size() - 2);
      return slot;
    };
    column_->kind = Kind::kTimestamp;
    column_->slot = part("seconds");
    column_->nanos_slot = part("nanos");
    column_->default_if = target.node->present;
    return {};
  }

  // --- The tables.

  void Fill(ProtobufNode& node) {
    const pb::Descriptor& type = *type_of_.at(&node);
    std::vector<const pb::FieldDescriptor*> fields(static_cast<std::size_t>(type.field_count()));
    for (int i = 0; i < type.field_count(); ++i)
      fields[static_cast<std::size_t>(i)] = type.field(i);
    std::sort(fields.begin(), fields.end(),
              [](const auto* a, const auto* b) { return a->number() < b->number(); });
    int required_count = 0;
    node.fields.reserve(fields.size());
    for (const pb::FieldDescriptor* field : fields) {
      node.fields.push_back(FieldOf(node, *field));
      if (!field->is_required()) continue;
      // Of too many a bit that no field sets: then the parser is asked.
      const bool is_counted = required_count < kRequiredCountedMax;
      const std::uint64_t bit = std::uint64_t{1}
                                << (is_counted ? required_count++ : kRequiredCountedMax);
      node.required |= bit;
      if (is_counted) node.fields.back().required_bit = bit;
    }
    if (node.fields.empty() || node.fields.size() >= UINT16_MAX) return;
    const std::uint32_t last = std::min(node.fields.back().number, kNumbersByPlace - 1);
    node.place_of.resize(last + 1);
    for (std::size_t i = 0; i < node.fields.size() && node.fields[i].number <= last; ++i)
      node.place_of[node.fields[i].number] = static_cast<std::uint16_t>(i + 1);
  }

  ProtobufField FieldOf(const ProtobufNode& node, const pb::FieldDescriptor& field) {
    ProtobufField made;
    made.number = static_cast<std::uint32_t>(field.number());
    made.wire = WireOf(field);
    if (field.message_type() == nullptr) made.kind = KindOf(field);
    made.is_repeated = field.is_repeated();
    made.is_packable = field.is_packable();
    made.is_map = field.is_map();
    made.is_utf8 = field.type() == pb::FieldDescriptor::TYPE_STRING &&
                   field.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO3;
    made.descriptor = &field;
    made.want = FinishedWant(node, field);
    if (field.message_type() != nullptr) {
      const bool is_entered = made.want != nullptr && made.want->value.node != nullptr;
      made.node = is_entered ? made.want->value.node : CheckedNode(*field.message_type());
    }
    const bool is_closed =
        field.enum_type() != nullptr && field.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO2;
    if (is_closed && (made.want != nullptr || field.is_required()))
      made.closed = NumbersOf(*field.enum_type());
    return made;
  }

  // With what it clears; null for none.
  const ProtobufWant* FinishedWant(const ProtobufNode& node, const pb::FieldDescriptor& field) {
    std::vector<int> clears;
    if (const pb::OneofDescriptor* oneof = field.real_containing_oneof()) {
      for (int i = 0; i < oneof->field_count(); ++i) {
        const auto other = wants_.find({&node, oneof->field(i)->number()});
        if (oneof->field(i) == &field || other == wants_.end()) continue;
        clears.insert(clears.end(), other->second->slots.begin(), other->second->slots.end());
      }
    }
    const auto found = wants_.find({&node, field.number()});
    if (clears.empty() && found == wants_.end()) return nullptr;
    ProtobufWant& want = WantOf(node, field);
    want.clears = std::move(clears);
    return &want;
  }

  const std::vector<std::int32_t>* NumbersOf(const pb::EnumDescriptor& type) {
    const std::vector<std::int32_t>*& numbers = numbers_of_[&type];
    if (numbers == nullptr) {
      std::vector<std::int32_t>& made = paths_.enum_numbers_.emplace_back();
      for (int i = 0; i < type.value_count(); ++i) made.push_back(type.value(i)->number());
      std::sort(made.begin(), made.end());
      numbers = &made;
    }
    return numbers;
  }

  ProtobufPaths& paths_;
  ProtobufNode* top_;
  int slot_count_ = 0;
  std::unordered_map<const ProtobufNode*, const pb::Descriptor*> type_of_;
  std::unordered_map<const pb::Descriptor*, ProtobufNode*> checked_;
  std::map<std::pair<const ProtobufNode*, int>, ProtobufWant*> wants_;
  std::unordered_map<const pb::EnumDescriptor*, const std::vector<std::int32_t>*> numbers_of_;
  // Of the path that is followed.
  std::vector<std::string> parts_;
  ProtobufColumn* column_ = nullptr;
  std::vector<std::vector<int>*> above_;  // The lists that a new slot belongs in.
};

Result<std::unique_ptr<const ProtobufPaths>> ProtobufPaths::Of(const ProtobufSchema& schema,
                                                               const RowRequest& request,
                                                               const std::string& path) {
  std::unique_ptr<ProtobufPaths> paths(new ProtobufPaths());
  ProtobufPathBuilder builder(*paths, schema.message());
  if (request.all) {
    for (const std::string& name : schema.Columns())
      MR_RETURN_IF_ERROR(builder.AddColumn({name}).Annotate(path));
  }
  for (const ColumnRequest& wanted : request.columns) {
    if (request.all) break;
    if (!wanted.is_used()) {
      builder.AddUnused();
      continue;
    }
    if (wanted.number > 0) {
      return Status::InvalidArgument(path, ": fields of messages have names; say where ",
                                     wanted.column, " is with --param ", wanted.column,
                                     "=PATH, such as user.address.country");
    }
    const Status added = builder.AddColumn(PartsOf(wanted.name));
    if (!added.ok()) {
      return Status::BadData(path, ": ", added.message(), "; say where ", wanted.column,
                             " is with --param ", wanted.column, "=PATH");
    }
  }
  builder.Finish();
  return std::unique_ptr<const ProtobufPaths>(std::move(paths));
}

}  // namespace millrace

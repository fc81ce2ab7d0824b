// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_records.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <deque>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/base/size.h"
#include "mapreduce/formats/protobuf_fields.h"
#include "mapreduce/formats/protobuf_paths.h"
#include "mapreduce/formats/protobuf_schema.h"
#include "mapreduce/formats/protobuf_walk.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {
namespace {

constexpr std::string_view kDescriptor = "descriptor";
constexpr std::string_view kMessage = "message";
constexpr std::size_t kSmallFileBytes = std::size_t{64} << 10;
constexpr std::size_t kPartialRecordSlack = std::size_t{64} << 10;
// Blocks stay in the processor's cache from here to the parser.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kBlockRows = std::size_t{16} << 10;
constexpr std::size_t kRecordBytesMax = INT_MAX - 64;  // Protobuf's own limit is 2 GiB.
constexpr std::size_t kLengthBytesMax = 10;
static_assert(ProtobufWalk::kPaddingBytes <= kLineBlockPadding);

// The length that stands before a record.
struct RecordLength {
  std::uint64_t record_bytes = 0;
  std::size_t length_bytes = 0;  // 0: more are needed; above kLengthBytesMax: it is none.
};

RecordLength ReadRecordLength(std::string_view bytes) {
  RecordLength length;
  for (std::size_t i = 0; i < bytes.size() && i < kLengthBytesMax; ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    length.record_bytes |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) return {length.record_bytes, i + 1};
  }
  return {0, bytes.size() < kLengthBytesMax ? 0 : kLengthBytesMax + 1};
}

class ProtobufReader final : public BlockReader {
 public:
  ProtobufReader(const RowsOf& rows, std::shared_ptr<const ProtobufSchema> schema,
                 std::unique_ptr<const ProtobufPaths> paths)
      : reader_(rows.reader),
        path_(rows.shard.file.path),
        record_bytes_max_(std::min(rows.record_bytes_max, kRecordBytesMax)),
        schema_(std::move(schema)),
        paths_(std::move(paths)),
        walk_(*paths_),
        fields_(*schema_, *paths_),
        is_done_(rows.range.begin > 0) {}  // All records are the first range's.

  Result<bool> Next(LineBlock* block) override {
    if (!error_.ok()) return error_;
    Result<bool> next = NextBlock(block);
    if (!next.ok()) error_ = next.error();
    return next;
  }

 private:
  Result<bool> NextBlock(LineBlock* block) {
    rows_.Clear();
    while (true) {
      if (!reject_.empty()) {
        *block = rows_.Rejected(rejected_offset_, rejected_, std::exchange(reject_, {}));
        return true;
      }
      if (is_done_) return false;
      MakeRows();
      if (rows_.row_count() > 0) {
        *block = rows_.Block();
        return true;
      }
      if (reject_.empty()) MR_RETURN_IF_ERROR(ReadMore());
    }
  }

  // Of whole records in the buffer, until there are enough, or one was set aside.
  void MakeRows() {
    while (rows_.bytes() < kBlockBytes && rows_.row_count() < kBlockRows && reject_.empty()) {
      const std::string_view known(at_, static_cast<std::size_t>(filled_ - at_));
      const RecordLength length = ReadRecordLength(known);
      if (length.length_bytes == 0 || length.length_bytes > kLengthBytesMax ||
          length.record_bytes > record_bytes_max_ ||
          length.record_bytes > known.size() - length.length_bytes) {
        return;
      }
      const std::string_view record = known.substr(length.length_bytes, length.record_bytes);
      MakeRow(record);
      const std::size_t bytes = length.length_bytes + record.size();
      at_ += bytes;
      offset_ += bytes;
    }
  }

  void MakeRow(std::string_view record) {
    if (!walk_.Read(record))
      return SetAside(record, "is no " + schema_->name() + ": " + walk_.reason());
    if (walk_.may_lack_required()) {
      const std::string missing = schema_->MissingFields(record);
      if (!missing.empty())
        return SetAside(record, "is no " + schema_->name() + ": it lacks " + missing);
    }
    rows_.BeginRow();
    const Status added = fields_.AddTo(walk_, rows_);
    if (!added.ok()) {
      rows_.DropRow();
      return SetAside(record, std::string(added.message()));
    }
    rows_.EndRow(offset_, record);
  }

  void SetAside(std::string_view record, std::string reason) {
    rejected_ = record;
    rejected_offset_ = offset_;
    reject_ = std::move(reason);
  }

  // Requires: nothing that was handed out points into the buffer.
  Status ReadMore() {
    const std::string_view known(at_, static_cast<std::size_t>(filled_ - at_));
    const RecordLength length = ReadRecordLength(known);
    if (length.length_bytes > kLengthBytesMax) {
      return Status::BadData(path_, ": at byte ", offset_, " stands no record's length: over ",
                             kLengthBytesMax, " bytes belong to it", hint());
    }
    if (length.record_bytes > record_bytes_max_) {
      return Status::BadData(path_, ": the record at byte ", offset_, " has ", length.record_bytes,
                             " bytes, more than the ", FormatBytes(record_bytes_max_), " (",
                             record_bytes_max_, " bytes) a record may have; raise --memory",
                             offset_ == 0 ? ", if that is its length" : "", hint());
    }
    MakeRoom(reader_.NextReadBytes());
    const std::size_t room =
        capacity_ - kLineBlockPadding - static_cast<std::size_t>(filled_ - buffer_.get());
    MR_ASSIGN_OR_RETURN(const std::size_t bytes, reader_.Read(filled_, room));
    filled_ += bytes;
    if (bytes > 0) return {};
    is_done_ = true;
    if (known.empty()) return {};
    const std::size_t behind = known.size() - length.length_bytes;
    return length.length_bytes == 0
               ? Status::BadData(path_,
                                 ": is cut off: it ends in the length of the record at byte ",
                                 offset_, hint())
               : Status::BadData(path_, ": is cut off: the record at byte ", offset_, " has ",
                                 length.record_bytes, " bytes, and ", behind, " are there", hint());
  }

  // The first length is wrong mostly in files that have none.
  std::string hint() const {
    return offset_ > 0 ? ""
                       : "; a file has messages with their lengths before them, as "
                         "SerializeDelimitedToOstream and writeDelimitedTo write them";
  }

  void MakeRoom(std::size_t read_bytes) {
    const auto kept = static_cast<std::size_t>(filled_ - at_);
    const std::size_t needed = kept + read_bytes + kLineBlockPadding;
    if (needed > capacity_) {
      // Half as much again, so that a long record is moved a bounded number of times.
      const std::size_t wanted =
          kept == 0 ? needed + kPartialRecordSlack : capacity_ + capacity_ / 2;
      const std::size_t longest =
          record_bytes_max_ + kLengthBytesMax + read_bytes + kLineBlockPadding;
      const std::size_t grown = std::max(needed, std::min(wanted, longest));
      auto larger = std::make_unique_for_overwrite<char[]>(grown);
      if (kept > 0) std::memcpy(larger.get(), at_, kept);
      buffer_ = std::move(larger);
      capacity_ = grown;
    } else if (kept > 0 && at_ != buffer_.get()) {
      std::memmove(buffer_.get(), at_, kept);
    }
    at_ = buffer_.get();
    filled_ = buffer_.get() + kept;
    std::memset(filled_ + read_bytes, 0, kLineBlockPadding);
  }

  ShardReader& reader_;
  const std::string path_;
  const std::size_t record_bytes_max_;
  const std::shared_ptr<const ProtobufSchema> schema_;
  const std::unique_ptr<const ProtobufPaths> paths_;
  ProtobufWalk walk_;
  ProtobufFields fields_;
  RowBlock rows_;

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  const char* at_ = nullptr;  // The first record that no row was made of.
  char* filled_ = nullptr;    // End of the bytes read.
  std::uint64_t offset_ = 0;  // Of at_ in the shard.
  bool is_done_;
  std::string reject_;  // Why the last record is no row; told after the rows before it.
  std::string_view rejected_;
  std::uint64_t rejected_offset_ = 0;
  Status error_;
};

// --- What all files of an input, and all readers of a process, have in common.

// The last few layouts by descriptor file's content and message, and schemas by dialect.
// Thread-safe.
class KnownSchemas {
 public:
  static KnownSchemas& Instance() {
    static KnownSchemas known;
    return known;
  }

  Result<std::shared_ptr<const ShardLayout>> LayoutOf(std::string_view descriptors,
                                                      std::string_view message)
      MR_EXCLUDES(mutex_) {
    const std::string key = std::string(message) + "\n" + HashOf128(descriptors).Hex();
    MutexLock lock(mutex_);
    for (const auto& [known, layout] : layouts_) {
      if (known == key) return layout;
    }
    MR_ASSIGN_OR_RETURN(std::string dialect, ProtobufSchema::DialectOf(descriptors, message));
    MR_ASSIGN_OR_RETURN(const auto schema, ProtobufSchema::Of(dialect));
    auto layout = std::make_shared<ShardLayout>();
    layout->columns = schema->Columns();
    layout->dialect = std::move(dialect);
    Keep(layouts_, key, std::shared_ptr<const ShardLayout>(layout));
    return std::shared_ptr<const ShardLayout>(std::move(layout));
  }

  Result<std::shared_ptr<const ProtobufSchema>> SchemaOf(const std::string& dialect)
      MR_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (const auto& [known, schema] : schemas_) {
      if (known == dialect) return schema;
    }
    MR_ASSIGN_OR_RETURN(auto schema, ProtobufSchema::Of(dialect));
    Keep(schemas_, dialect, schema);
    return schema;
  }

 private:
  static constexpr std::size_t kKept = 4;

  template <class T>
  using Known = std::deque<std::pair<std::string, std::shared_ptr<const T>>>;

  template <class T>
  static void Keep(Known<T>& known, std::string key, std::shared_ptr<const T> value) {
    if (known.size() == kKept) known.pop_front();
    known.emplace_back(std::move(key), std::move(value));
  }

  Mutex mutex_;
  Known<ShardLayout> layouts_ MR_GUARDED_BY(mutex_);
  Known<ProtobufSchema> schemas_ MR_GUARDED_BY(mutex_);
};

Result<std::string> ReadDescriptors(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const auto file, files.OpenForRead(path));
  MR_ASSIGN_OR_RETURN(const FileInfo info, file->Stat());
  if (info.bytes > kProtobufDescriptorBytesMax) {
    return Status::BadData(path, ": has ", FormatBytes(info.bytes), ", over the ",
                           FormatBytes(kProtobufDescriptorBytesMax),
                           " that a file of descriptors may have");
  }
  std::string bytes(info.bytes, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  return bytes;
}

bool IsRecords(std::string_view text) {
  while (!text.empty()) {
    const RecordLength length = ReadRecordLength(text);
    if (length.length_bytes == 0 || length.length_bytes > kLengthBytesMax ||
        length.record_bytes > text.size() - length.length_bytes) {
      return false;
    }
    text.remove_prefix(length.length_bytes + length.record_bytes);
  }
  return true;
}

// Who writes one message to a file writes no length before it. Only of files that can't be read
// anyway: so this is no more than a better error.
Status CheckNotOneMessage(FileSystem& files, const Shard& shard, const ProtobufSchema& schema) {
  if (shard.file.bytes == 0 || shard.file.bytes >= kSmallFileBytes) return {};
  MR_ASSIGN_OR_RETURN(std::string head, ReadHead(files, shard, kSmallFileBytes));
  const std::size_t bytes = head.size();
  if (bytes == kSmallFileBytes || IsRecords(head)) return {};
  head.resize(bytes + ProtobufWalk::kPaddingBytes);
  MR_ASSIGN_OR_RETURN(const auto paths, ProtobufPaths::Of(schema, {}, shard.file.path));
  ProtobufWalk walk(*paths);
  if (!walk.Read({head.data(), bytes})) return {};
  return Status::BadData(shard.file.path, ": is one ", schema.name(),
                         " without its length; a file has messages with their lengths before them, "
                         "as SerializeDelimitedToOstream and writeDelimitedTo write them");
}

// --- The driver.

Status Inspect(FileSystem& files, const FileFormat& format, Shard* shard) {
  const std::string path(format.option(kDescriptor, ""));
  if (path.empty()) {
    return Status::InvalidArgument(
        shard->file.path,
        ": to read protobuf, say what is in it: --format protobuf,descriptor=FILE",
        "; protoc --include_imports --descriptor_set_out=FILE makes that of .proto files");
  }
  MR_ASSIGN_OR_RETURN(const std::string descriptors, ReadDescriptors(files, path));
  Result<std::shared_ptr<const ShardLayout>> layout =
      KnownSchemas::Instance().LayoutOf(descriptors, format.option(kMessage, ""));
  if (!layout.ok()) return layout.error().Annotate(path);
  MR_ASSIGN_OR_RETURN(const auto schema, KnownSchemas::Instance().SchemaOf((*layout)->dialect));
  MR_RETURN_IF_ERROR(CheckNotOneMessage(files, *shard, *schema));
  shard->layout = *std::move(layout);
  return {};
}

Result<std::unique_ptr<BlockReader>> Open(const RowsOf& rows) {
  if (rows.shard.layout == nullptr)
    return Status::Internal(rows.shard.file.path, ": has no layout");
  MR_ASSIGN_OR_RETURN(auto schema, KnownSchemas::Instance().SchemaOf(rows.shard.layout->dialect));
  MR_ASSIGN_OR_RETURN(auto paths, ProtobufPaths::Of(*schema, rows.request, rows.shard.file.path));
  return std::unique_ptr<BlockReader>(
      std::make_unique<ProtobufReader>(rows, std::move(schema), std::move(paths)));
}

}  // namespace

const FormatDriver& ProtobufFormat() {
  static const FormatDriver kDriver = {
      .name = "protobuf",
      .help = "protobuf messages, their lengths before them; descriptor=FILE, message=NAME",
      .extensions = {".pb"},
      .option_names = {kDescriptor, kMessage},
      .looks_like = nullptr,
      .check_options = nullptr,
      .inspect = Inspect,
      .open = Open,
      .find_table = nullptr,
      .why_whole = [](const Shard&) -> std::string {
        return "protobuf records have no marks to cut at";
      },
      .has_paths = true,
  };
  return kDriver;
}

}  // namespace millrace

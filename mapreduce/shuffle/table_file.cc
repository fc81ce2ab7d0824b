// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/table_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/small_table.h"

namespace millrace {
namespace {

constexpr std::uint64_t kHeaderBytes = 16;
constexpr std::uint64_t kFooterBytes = 72;
constexpr std::uint64_t kRecordHeaderBytes = 12;
constexpr std::uint64_t kTagShift = 48;
constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << kTagShift) - 1;
constexpr std::uint64_t kRowsMax = UINT32_MAX;
constexpr std::uint64_t kEntriesReserved = std::uint64_t{1} << 18;

struct Place {
  std::uint64_t chunk, slot, tag;
};

Place PlaceOf(std::uint64_t hash, std::uint64_t chunk_count, std::uint64_t chunk_slots) {
  // The high half names the chunk, the low half the slot, and what both leave is compared.
  return {.chunk = ((hash >> 32) * chunk_count) >> 32,
          .slot = hash & (chunk_slots - 1),
          .tag = (hash >> 24) << kTagShift};
}

std::string IndexPath(const std::string& path) { return path + ".index"; }

}  // namespace

// ---- TableWriter --------------------------------------------------------------------------------

Result<std::unique_ptr<TableWriter>> TableWriter::Create(FileSystem& files, const std::string& path,
                                                         TableWriterOptions options) {
  std::unique_ptr<TableWriter> writer(new TableWriter(files, path, options));
  MR_ASSIGN_OR_RETURN(writer->out_, files.Create(path, FileUse::kMapped));
  writer->page_ = std::make_unique_for_overwrite<char[]>(kTablePageBytes + kCopyShortSlack);
  // What isn't used is never touched.
  writer->entries_.reserve(std::min(options.entries_in_memory, kEntriesReserved));
  char header[kHeaderBytes] = {};
  StoreLittle32(header, kTableMagic);
  StoreLittle32(header + 4, kTableVersion);
  MR_RETURN_IF_ERROR(writer->Append({header, sizeof header}));
  return writer;
}

TableWriter::~TableWriter() {
  if (spool_ != nullptr) static_cast<void>(files_.RemoveFile(IndexPath(path_)));
}

Status TableWriter::Append(std::string_view bytes) {
  offset_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), kTablePageBytes - page_bytes_);
    std::memcpy(page_.get() + page_bytes_, bytes.data(), count);
    page_bytes_ += count;
    bytes.remove_prefix(count);
    if (page_bytes_ == kTablePageBytes) MR_RETURN_IF_ERROR(FinishPage());
  }
  return Status::Ok();
}

Status TableWriter::FinishPage() {
  const std::string_view page(page_.get(), std::exchange(page_bytes_, 0));
  page_hashes_.push_back(Hash64(page));
  if (!has_all_records_) record_hash_.Update(page);
  MR_RETURN_IF_ERROR(out_->Append(page));
  return Status::Ok();
}

Status TableWriter::Add(std::string_view key, std::string_view value) {
  const std::uint64_t prefix = KeyPrefix(key.data(), key.size());
  if (prefix <= last_prefix_ && rows_ > 0 && (prefix < last_prefix_ || key <= last_key_)) {
    return Status::UserCode(
        "a table was made of keys that are not in order, or of the same key twice; emit the "
        "group's own key, once");
  }
  if (rows_ == kRowsMax) return Status::ResourceLimit("a table has at most ", kRowsMax, " rows");
  last_prefix_ = prefix;
  record_bytes_max_ = std::max<std::uint64_t>(record_bytes_max_, key.size() + value.size());
  entries_.push_back({Hash64(key), offset_});
  if (entries_.size() >= options_.entries_in_memory) MR_RETURN_IF_ERROR(SpoolEntries());
  const std::size_t bytes = kRecordHeaderBytes + key.size() + value.size();
  const bool fits = bytes < kTablePageBytes - page_bytes_;
  char other[kRecordHeaderBytes];
  char* const header = fits ? page_.get() + page_bytes_ : other;
  StoreLittle32(header, static_cast<std::uint32_t>(rows_++));
  StoreLittle32(header + 4, static_cast<std::uint32_t>(key.size()));
  StoreLittle32(header + 8, static_cast<std::uint32_t>(value.size()));
  if (fits) [[likely]] {
    char* const to = header + kRecordHeaderBytes;
    CopyShort(to, key.data(), key.size());
    CopyShort(to + key.size(), value.data(), value.size());
    last_key_ = {to, key.size()};
    page_bytes_ += bytes;
    offset_ += bytes;
    return Status::Ok();
  }
  long_key_ = key;
  last_key_ = long_key_;
  MR_RETURN_IF_ERROR(Append({other, sizeof other}));
  MR_RETURN_IF_ERROR(Append(key));
  return Append(value);
}

Status TableWriter::SpoolEntries() {
  if (spool_ == nullptr) {
    MR_ASSIGN_OR_RETURN(spool_, files_.Create(IndexPath(path_), FileUse::kScratch));
  }
  MR_RETURN_IF_ERROR(spool_->Append(
      {reinterpret_cast<const char*>(entries_.data()), entries_.size() * sizeof(Entry)}));
  entries_.clear();
  return Status::Ok();
}

template <class F>
Status TableWriter::EachPiece(F&& visit) {
  if (spool_ == nullptr) return visit(std::span<const Entry>(entries_));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                      files_.OpenForRead(IndexPath(path_), FileUse::kScratch));
  std::vector<Entry> piece(std::size_t{64} << 10);
  for (std::uint64_t done = 0; done < rows_;) {
    const std::size_t count = std::min<std::uint64_t>(piece.size(), rows_ - done);
    const std::size_t bytes = count * sizeof(Entry);
    MR_ASSIGN_OR_RETURN(
        const std::size_t got,
        file->ReadAt(done * sizeof(Entry), reinterpret_cast<char*>(piece.data()), bytes));
    if (got != bytes) return Status::Corrupt(IndexPath(path_), " has lost bytes");
    MR_RETURN_IF_ERROR(visit(std::span<const Entry>(piece.data(), count)));
    done += count;
  }
  return Status::Ok();
}

Status TableWriter::WriteOffsets() {
  return EachPiece([&](std::span<const Entry> entries) {
    std::array<char, 4096> bytes;
    while (!entries.empty()) {
      const std::size_t count = std::min(entries.size(), bytes.size() / 8);
      for (std::size_t i = 0; i < count; ++i)
        StoreLittle64(bytes.data() + 8 * i, entries[i].offset);
      MR_RETURN_IF_ERROR(Append({bytes.data(), 8 * count}));
      entries = entries.subspan(count);
    }
    return Status::Ok();
  });
}

Status TableWriter::WriteSlots(std::uint64_t chunk_count, std::uint64_t chunk_slots) {
  std::vector<std::uint64_t> slots;
  for (std::uint64_t chunk = 0; chunk < chunk_count; ++chunk) {
    slots.assign(chunk_slots, 0);
    std::uint64_t used = 0;
    MR_RETURN_IF_ERROR(EachPiece([&](std::span<const Entry> entries) {
      for (const Entry& entry : entries) {
        const Place place = PlaceOf(entry.hash, chunk_count, chunk_slots);
        if (place.chunk != chunk) continue;
        if (++used == chunk_slots)
          return Status::ResourceLimit("the keys of a table collide beyond measure");
        std::uint64_t slot = place.slot;
        while (slots[slot] != 0) slot = (slot + 1) & (chunk_slots - 1);
        slots[slot] = place.tag | entry.offset;
      }
      return Status::Ok();
    }));
    MR_RETURN_IF_ERROR(
        Append({reinterpret_cast<const char*>(slots.data()), slots.size() * sizeof slots[0]}));
  }
  return Status::Ok();
}

Result<TableInfo> TableWriter::Close(bool is_durable) {
  if (spool_ != nullptr) {
    MR_RETURN_IF_ERROR(SpoolEntries());
    MR_RETURN_IF_ERROR(spool_->Close());
  }
  record_hash_.Update({page_.get(), page_bytes_});
  has_all_records_ = true;
  constexpr char kZeros[8] = {};
  MR_RETURN_IF_ERROR(Append({kZeros, (8 - offset_ % 8) % 8}));
  std::uint64_t chunk_count = 0, chunk_slots = 0;
  if (!SmallTable::Holds(rows_, record_bytes_max_, options_.held_bytes_max)) {
    chunk_count = rows_ / options_.chunk_rows + 1;
    chunk_slots = std::bit_ceil(rows_ / chunk_count * 3 / 2 + 64);
  }
  const std::uint64_t offsets_at = offset_;
  MR_RETURN_IF_ERROR(WriteOffsets());
  const std::uint64_t slots_at = offset_;
  MR_RETURN_IF_ERROR(WriteSlots(chunk_count, chunk_slots));
  const std::uint64_t hashes_at = offset_;
  if (page_bytes_ > 0) MR_RETURN_IF_ERROR(FinishPage());

  std::string tail(page_hashes_.size() * 8 + kFooterBytes, '\0');
  char* to = tail.data();
  const auto put = [&to](std::uint64_t value) {
    StoreLittle64(to, value);
    to += 8;
  };
  for (const std::uint64_t hash : page_hashes_) put(hash);
  for (const std::uint64_t value :
       {rows_, offsets_at, slots_at, chunk_count, chunk_slots, record_bytes_max_, hashes_at}) {
    put(value);
  }
  put(Hash64({tail.data(), static_cast<std::size_t>(to - tail.data())}));
  StoreLittle32(to, kTableVersion);
  StoreLittle32(to + 4, kTableMagic);
  MR_RETURN_IF_ERROR(out_->Append(tail));
  if (is_durable) MR_RETURN_IF_ERROR(out_->Sync());
  MR_RETURN_IF_ERROR(out_->Close());
  return TableInfo{rows_, hashes_at + tail.size(), record_hash_.Digest()};
}

// ---- TableFile ----------------------------------------------------------------------------------

Result<std::shared_ptr<const TableFile>> TableFile::Open(FileSystem& files,
                                                         const std::string& path) {
  const std::shared_ptr<TableFile> table(new TableFile());
  table->path_ = path;
  MR_ASSIGN_OR_RETURN(table->mapped_, files.Map(path));
  table->bytes_ = table->mapped_->bytes();
  MR_RETURN_IF_ERROR(table->Read().Annotate("table ", path));
  return std::shared_ptr<const TableFile>(table);
}

Status TableFile::Read() {
  const auto damaged = [] { return Status::Corrupt("is damaged, or none"); };
  const std::uint64_t size = bytes_.size();
  if (size < kHeaderBytes + kFooterBytes) return damaged();
  const char* const end = bytes_.data() + size;
  if (LoadLittle32(end - 4) != kTableMagic || LoadLittle32(bytes_.data()) != kTableMagic)
    return damaged();
  if (LoadLittle32(end - 8) != kTableVersion) return Status::Corrupt("has another version");
  const char* const footer = end - kFooterBytes;
  rows_ = LoadLittle64(footer);
  offsets_at_ = LoadLittle64(footer + 8);
  slots_at_ = LoadLittle64(footer + 16);
  chunk_count_ = LoadLittle64(footer + 24);
  chunk_slots_ = LoadLittle64(footer + 32);
  record_bytes_max_ = LoadLittle64(footer + 40);
  hashes_at_ = LoadLittle64(footer + 48);
  const std::uint64_t hashes_end = size - kFooterBytes;
  if (hashes_at_ > hashes_end || rows_ > kRowsMax) return damaged();
  if (LoadLittle64(footer + 56) != Hash64(bytes_.substr(hashes_at_, size - 16 - hashes_at_)))
    return damaged();
  // What follows is as its writer left it, unless that is another program.
  const std::uint64_t pages = (hashes_at_ + kTablePageBytes - 1) / kTablePageBytes;
  const bool has_chunks = std::has_single_bit(chunk_slots_) && chunk_slots_ <= size &&
                          chunk_count_ > 0 && chunk_count_ <= size / chunk_slots_ / 8;
  if ((hashes_end - hashes_at_) != pages * 8 ||
      !(has_chunks || (chunk_slots_ == 0 && chunk_count_ == 0)) || offsets_at_ > size ||
      slots_at_ > size || offsets_at_ + rows_ * 8 != slots_at_ ||
      slots_at_ + chunk_count_ * chunk_slots_ * 8 != hashes_at_) {
    return damaged();
  }
  is_checked_ = std::vector<std::atomic<std::uint8_t>>(pages);
  return Status::Ok();
}

bool TableFile::CheckPage(std::size_t page) const {
  const std::uint64_t begin = page * kTablePageBytes;
  const std::uint64_t end = std::min<std::uint64_t>(begin + kTablePageBytes, hashes_at_);
  if (Hash64(bytes_.substr(begin, end - begin)) !=
      LoadLittle64(bytes_.data() + hashes_at_ + page * 8)) {
    return false;
  }
  is_checked_[page].store(1, std::memory_order_relaxed);
  return true;
}

bool TableFile::IsSound(std::uint64_t begin, std::uint64_t bytes) const {
  const std::size_t last = (begin + bytes - 1) / kTablePageBytes;
  for (std::size_t page = begin / kTablePageBytes; page <= last; ++page) {
    if (is_checked_[page].load(std::memory_order_relaxed) == 0 && !CheckPage(page)) [[unlikely]]
      return false;
  }
  return true;
}

std::optional<TableFile::Record> TableFile::Damaged(std::uint64_t offset) const {
  damaged_at_.store(offset, std::memory_order_relaxed);
  return std::nullopt;
}

std::uint64_t TableFile::Load(std::uint64_t at) const { return LoadLittle64(bytes_.data() + at); }

std::optional<TableFile::Record> TableFile::At(std::uint64_t offset) const {
  if (offset < kHeaderBytes || offset > offsets_at_ || offsets_at_ - offset < kRecordHeaderBytes ||
      !IsSound(offset, kRecordHeaderBytes)) {
    return Damaged(offset);
  }
  const char* const at = bytes_.data() + offset;
  const std::uint64_t key_bytes = LoadLittle32(at + 4);
  const std::uint64_t value_bytes = LoadLittle32(at + 8);
  if (offset + kRecordHeaderBytes + key_bytes + value_bytes > offsets_at_ ||
      !IsSound(offset, kRecordHeaderBytes + key_bytes + value_bytes)) {
    return Damaged(offset);
  }
  return Record{LoadLittle32(at),
                {at + kRecordHeaderBytes, key_bytes},
                {at + kRecordHeaderBytes + key_bytes, value_bytes}};
}

// As a file's only chunk, at most two thirds full.
void TableFile::MakeSlots() const {
  made_slots_.resize(std::bit_ceil(rows_ * 3 / 2 + 64));
  std::array<Record, 64> records;
  for (std::uint64_t row = 0; row < rows_;) {
    const std::size_t count = Rows(row, records);
    if (count == 0) return;  // Damage: status() tells.
    for (std::size_t i = 0; i < count; ++i) {
      const char* const begin = records[i].key.data() - kRecordHeaderBytes;
      const Place place = PlaceOf(Hash64(records[i].key), 1, made_slots_.size());
      std::uint64_t slot = place.slot;
      while (made_slots_[slot] != 0) slot = (slot + 1) & (made_slots_.size() - 1);
      made_slots_[slot] = place.tag | static_cast<std::uint64_t>(begin - bytes_.data());
    }
    row += count;
  }
}

std::optional<TableFile::Record> TableFile::Find(std::string_view key) const {
  const bool has_slots = chunk_count_ > 0;
  if (!has_slots) std::call_once(slots_made_, [this] { MakeSlots(); });
  const std::uint64_t chunk_slots = has_slots ? chunk_slots_ : made_slots_.size();
  const Place place = PlaceOf(Hash64(key), has_slots ? chunk_count_ : 1, chunk_slots);
  const std::uint64_t chunk_at = slots_at_ + place.chunk * chunk_slots * 8;
  for (std::uint64_t n = 0; n < chunk_slots; ++n) {
    const std::uint64_t i = (place.slot + n) & (chunk_slots - 1);
    if (has_slots && !IsSound(chunk_at + i * 8, 8)) return Damaged(chunk_at + i * 8);
    const std::uint64_t slot = has_slots ? Load(chunk_at + i * 8) : made_slots_[i];
    if (slot == 0) return std::nullopt;
    if ((slot & ~kOffsetMask) != place.tag) continue;
    const std::optional<Record> record = At(slot & kOffsetMask);
    if (!record || record->key == key) return record;
  }
  return std::nullopt;
}

void TableFile::Prefetch(std::string_view key) const {
  if (chunk_count_ == 0) return;
  const Place place = PlaceOf(Hash64(key), chunk_count_, chunk_slots_);
  __builtin_prefetch(bytes_.data() + slots_at_ + (place.chunk * chunk_slots_ + place.slot) * 8);
}

std::optional<TableFile::Record> TableFile::Row(std::uint64_t row) const {
  if (row >= rows_) return std::nullopt;
  const std::uint64_t at = offsets_at_ + row * 8;
  if (!IsSound(at, 8)) return Damaged(at);
  return At(Load(at));
}

std::size_t TableFile::Rows(std::uint64_t row, std::span<Record> records) const {
  std::size_t count = 0;
  std::uint64_t offset = 0;
  for (; count < records.size() && row < rows_; ++count, ++row) {
    // They lie one behind the other.
    const std::optional<Record> record = count == 0 ? Row(row) : At(offset);
    if (!record) break;
    if (record->row != row) {
      const char* const begin = record->key.data() - kRecordHeaderBytes;
      Damaged(static_cast<std::uint64_t>(begin - bytes_.data()));
      break;
    }
    records[count] = *record;
    const char* const end = record->value.data() + record->value.size();
    offset = static_cast<std::uint64_t>(end - bytes_.data());
  }
  return count;
}

Status TableFile::status() const {
  const std::uint64_t offset = damaged_at_.load(std::memory_order_relaxed);
  if (offset == UINT64_MAX) return Status::Ok();
  return Status::Corrupt("table ", path_, ": the bytes at ", offset,
                         " are not those that were written");
}

}  // namespace millrace

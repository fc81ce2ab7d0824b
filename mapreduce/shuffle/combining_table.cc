// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/combining_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/mix_words.h"
#include "mapreduce/shuffle/cell_sort.h"

namespace millrace {
namespace {

constexpr std::size_t kCapacityMin = 1024;
constexpr std::size_t kLineBytes = 64;                      // Of the cache.
constexpr std::size_t kLargeBytes = std::size_t{32} << 20;  // It grows later and less.
constexpr std::size_t kShortBytesMax = 15;
constexpr std::size_t kMiddleBytesMax = 31;
constexpr std::size_t kOverReadBytes = 64;  // Behind tables and arenas: words are loaded whole.
constexpr std::uint64_t kArenaChargeStep = std::uint64_t{256} << 10;

// Where the budget has no room for a larger table, it fills up to 13/16 before it is sealed.
std::size_t LimitOf(std::size_t capacity, std::size_t cell_bytes) {
  return capacity * cell_bytes < kLargeBytes ? capacity / 8 * 5 : capacity / 4 * 3;
}
std::size_t LastLimitOf(std::size_t capacity) { return capacity / 16 * 13; }

// The next capacity with room for `count` keys.
std::size_t Grown(std::size_t capacity, std::size_t cell_bytes, std::size_t count) {
  do {
    if (capacity == 0) {
      capacity = kCapacityMin;
    } else if (!std::has_single_bit(capacity)) {
      capacity = capacity / 3 * 4;
    } else {
      capacity = capacity * cell_bytes < kLargeBytes ? 2 * capacity : capacity / 2 * 3;
    }
  } while (LimitOf(capacity, cell_bytes) < count);
  return capacity;
}

inline std::size_t HomeOf(std::uint64_t hash, std::size_t capacity) {
  return static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * capacity) >> 64);
}

/// Key bytes and length as 2 or 4 words in memory order.
template <std::size_t kKeyBytes>
struct alignas(16) Cell {
  std::uint64_t words[kKeyBytes / 8];
};

#if defined(__SSE2__)
// Loading 16 bytes at kMask + 16 - n keeps the first n bytes; at kLength[n] adds n + 1 in the last.
alignas(16) constexpr auto kMask = [] {
  std::array<unsigned char, 32> mask{};
  for (int i = 0; i < 16; ++i) mask[i] = 0xff;
  return mask;
}();
alignas(16) constexpr auto kLength = [] {
  std::array<std::array<unsigned char, 16>, 32> length{};
  for (int n = 0; n < 32; ++n) length[n][15] = static_cast<unsigned char>(n + 1);
  return length;
}();

inline __m128i LoadFirst(const char* from, std::size_t bytes) {
  return _mm_and_si128(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMask.data() + 16 - bytes)));
}
inline __m128i LengthOf(std::size_t bytes) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(kLength[bytes].data()));
}
#endif

/// Builds the cell of a key; batches are padded, so 16 bytes can be read behind any key.
template <std::size_t kKeyBytes>
inline void LoadCell(const char* key, std::size_t bytes, Cell<kKeyBytes>* cell) {
#if defined(__SSE2__)
  auto* const to = reinterpret_cast<__m128i*>(cell->words);
  if constexpr (kKeyBytes == 16) {
    _mm_store_si128(to, _mm_or_si128(LoadFirst(key, bytes), LengthOf(bytes)));
  } else {
    _mm_store_si128(to, _mm_loadu_si128(reinterpret_cast<const __m128i*>(key)));
    _mm_store_si128(to + 1, _mm_or_si128(LoadFirst(key + 16, bytes - 16), LengthOf(bytes)));
  }
#else
  std::memset(cell->words, 0, kKeyBytes);
  std::memcpy(cell->words, key, bytes);
  reinterpret_cast<unsigned char*>(cell->words)[kKeyBytes - 1] =
      static_cast<unsigned char>(bytes + 1);
#endif
}

template <std::size_t kKeyBytes>
inline std::uint64_t HashCell(const std::uint64_t* words) {
  std::uint64_t hash = MixWords(words[0] ^ 0x9e3779b97f4a7c15u, words[1] ^ 0xd6e8feb86659fd93u);
  if constexpr (kKeyBytes == 32) {
    hash = MixWords(hash ^ words[2] ^ 0xa0761d6478bd642fu, words[3] ^ 0xe7037ed1a0b428dbu);
  }
  return hash;
}

template <std::size_t kKeyBytes>
inline bool SameCell(const char* slot, const Cell<kKeyBytes>& cell) {
  std::uint64_t difference = 0;
  for (std::size_t w = 0; w < kKeyBytes / 8; ++w) {
    std::uint64_t word;  // All at once g++ would copy through the stack, and loads wait for that.
    std::memcpy(&word, slot + 8 * w, 8);
    difference |= word ^ cell.words[w];
  }
  return difference == 0;
}

inline bool IsEmpty(const char* slot, std::size_t key_bytes) { return slot[key_bytes - 1] == 0; }

inline void ClearCell(char* cell, std::size_t cell_bytes) {
  for (std::size_t at = 0; at < cell_bytes; at += 8) std::memset(cell + at, 0, 8);
}

struct LongKey {
  std::string_view operator()(std::uint64_t ref) const {
    const char* const record = reinterpret_cast<const char*>(ref);
    return {EmitBatch::Key(record), EmitBatch::KeyBytes(record)};
  }
};

}  // namespace

CombiningTable::CombiningTable(std::size_t state_bytes, MemoryBudget::Lease& lease,
                               std::uint64_t reserve_bytes)
    : state_bytes_(state_bytes), lease_(lease), reserve_bytes_(reserve_bytes) {
  MR_CHECK(state_bytes % 8 == 0);
  short_.cell_bytes = 16 + state_bytes;
  middle_.cell_bytes = 32 + state_bytes;
  // Of cells of 56 bytes three in four lie across two lines (revenue, whose cells these are: 2 % of
  // CPU time). The price: runs that are kept have the padding, too.
  for (Tier* tier : {&short_, &middle_})
    if (tier->cell_bytes == kLineBytes - 8) tier->cell_bytes = kLineBytes;
  long_.cell_bytes = sizeof(LongSlot);
}

CombiningTable::~CombiningTable() {
  for (Tier* tier : {&short_, &middle_, &long_}) Forget(*tier, 0);
  lease_.Shrink(arena_charged_);
}

// Sealing cells takes a scratch beside them; the long tier an index and its sort's scratch.
std::uint64_t CombiningTable::ChargeOf(const Tier& tier, std::size_t capacity) const {
  if (capacity == 0) return 0;
  if (&tier == &long_) return (tier.cell_bytes + 2 * sizeof(SortEntry) * 13 / 16) * capacity;
  return tier.cell_bytes * capacity + CellSorter<16>::ScratchBytes(tier.cell_bytes);
}

// Of what the tier has charged, `kept_bytes` stay charged.
void CombiningTable::Forget(Tier& tier, std::uint64_t kept_bytes) {
  lease_.Shrink(ChargeOf(tier, tier.capacity) - kept_bytes);
  tier.cells = VirtualBuffer();
  tier.capacity = 0;
  tier.count = 0;
  tier.limit = 0;
}

Result<bool> CombiningTable::Resolve(const EmitBatch& batch, std::size_t from, std::size_t count,
                                     Chunk* chunk) {
  // Most often all keys are of one tier, and need no list of them (wordcount: 6 % less CPU time).
  // A tier's lengths are told by their upper bits, so the bits of all lengths together tell.
  static_assert(kShortBytesMax == 15 && kMiddleBytesMax == 31);
  std::uint32_t lengths = 0, above_short = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bytes = EmitBatch::KeyBytes(batch.begin() + batch.offset(from + i));
    lengths |= bytes;
    above_short |= bytes - 16;
  }
  if (lengths <= 15) {
    if (short_.count + count > short_.limit) {
      MR_ASSIGN_OR_RETURN(const bool fits, EnsureRoom<16>(short_, count));
      if (!fits) return false;
    }
    chunk->is_new = 0;
    ResolveCells<16>(short_, batch, from, nullptr, count, chunk);
    return true;
  }
  if (above_short <= 15) {
    if (middle_.count + count > middle_.limit) {
      MR_ASSIGN_OR_RETURN(const bool fits, EnsureRoom<32>(middle_, count));
      if (!fits) return false;
    }
    chunk->is_new = 0;
    ResolveCells<32>(middle_, batch, from, nullptr, count, chunk);
    return true;
  }
  return ResolveTiers(batch, from, count, chunk);
}

Result<bool> CombiningTable::ResolveTiers(const EmitBatch& batch, std::size_t from,
                                          std::size_t count, Chunk* chunk) {
  std::uint8_t picks[3][kChunkMax];
  std::size_t picked[3] = {0, 0, 0};
  std::size_t long_bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t key_bytes = EmitBatch::KeyBytes(batch.begin() + batch.offset(from + i));
    const int tier = key_bytes <= kShortBytesMax ? 0 : key_bytes <= kMiddleBytesMax ? 1 : 2;
    picks[tier][picked[tier]++] = static_cast<std::uint8_t>(i);
    if (tier == 2) long_bytes += key_bytes + EmitBatch::kHeaderBytes + state_bytes_ + 8;
  }
  if (short_.count + picked[0] > short_.limit) {
    MR_ASSIGN_OR_RETURN(const bool fits, EnsureRoom<16>(short_, picked[0]));
    if (!fits) return false;
  }
  if (middle_.count + picked[1] > middle_.limit) {
    MR_ASSIGN_OR_RETURN(const bool fits, EnsureRoom<32>(middle_, picked[1]));
    if (!fits) return false;
  }
  if (picked[2] > 0) {
    MR_ASSIGN_OR_RETURN(const bool fits, EnsureLongRoom(picked[2], long_bytes));
    if (!fits) return false;
  }
  chunk->is_new = 0;
  if (picked[0] > 0) ResolveCells<16>(short_, batch, from, picks[0], picked[0], chunk);
  if (picked[1] > 0) ResolveCells<32>(middle_, batch, from, picks[1], picked[1], chunk);
  if (picked[2] > 0) ResolveLong(batch, from, picks[2], picked[2], chunk);
  return true;
}

// `picks`: which of the chunk's records; null: all.
template <std::size_t kKeyBytes>
void CombiningTable::ResolveCells(Tier& tier, const EmitBatch& batch, std::size_t from,
                                  const std::uint8_t* picks, std::size_t count, Chunk* chunk) {
  Cell<kKeyBytes> cells[kChunkMax];
  std::size_t slots[kChunkMax];
  char* const table = tier.cells.data();
  const std::size_t cell_bytes = tier.cell_bytes;
  const std::size_t capacity = tier.capacity;
  const auto pick = [picks](std::size_t p) { return picks == nullptr ? p : picks[p]; };
  for (std::size_t p = 0; p < count; ++p) {
    const char* const record = batch.begin() + batch.offset(from + pick(p));
    LoadCell<kKeyBytes>(EmitBatch::Key(record), EmitBatch::KeyBytes(record), &cells[p]);
    slots[p] = HomeOf(HashCell<kKeyBytes>(cells[p].words), capacity);
    const char* const cell = table + slots[p] * cell_bytes;
    __builtin_prefetch(cell, 1);
    // In the next line for some cells, unless each has a line.
    if (cell_bytes != kLineBytes) __builtin_prefetch(cell + kKeyBytes, 1);
  }
  const auto add = [&](char* at, std::size_t p) {
    std::memcpy(at, cells[p].words, kKeyBytes);
    ++tier.count;
    chunk->is_new |= std::uint64_t{1} << pick(p);
  };
  std::uint8_t displaced[kChunkMax];
  std::size_t displaced_count = 0;
  for (std::size_t p = 0; p < count; ++p) {
    char* const at = table + slots[p] * cell_bytes;
    chunk->states[pick(p)] = at + kKeyBytes;
    if (SameCell<kKeyBytes>(at, cells[p])) continue;
    if (IsEmpty(at, kKeyBytes)) {
      add(at, p);
      continue;
    }
    if (++slots[p] == capacity) slots[p] = 0;
    __builtin_prefetch(table + slots[p] * cell_bytes, 1);
    displaced[displaced_count++] = static_cast<std::uint8_t>(p);
  }
  for (std::size_t d = 0; d < displaced_count; ++d) {
    const std::size_t p = displaced[d];
    std::size_t slot = slots[p];
    char* at = table + slot * cell_bytes;
    while (!SameCell<kKeyBytes>(at, cells[p])) {
      if (IsEmpty(at, kKeyBytes)) {
        add(at, p);
        break;
      }
      if (++slot == capacity) slot = 0;
      at = table + slot * cell_bytes;
    }
    chunk->states[pick(p)] = at + kKeyBytes;
  }
}

void CombiningTable::ResolveLong(const EmitBatch& batch, std::size_t from,
                                 const std::uint8_t* picks, std::size_t count, Chunk* chunk) {
  std::uint64_t hashes[kChunkMax];
  auto* const slots = reinterpret_cast<LongSlot*>(long_.cells.data());
  const std::size_t capacity = long_.capacity;
  std::size_t homes[kChunkMax];
  for (std::size_t p = 0; p < count; ++p) {
    const char* const record = batch.begin() + batch.offset(from + picks[p]);
    const std::uint64_t hash = Hash64({EmitBatch::Key(record), EmitBatch::KeyBytes(record)});
    hashes[p] = hash == 0 ? 1 : hash;
    homes[p] = HomeOf(hashes[p], capacity);
    __builtin_prefetch(slots + homes[p], 1);
  }
  for (std::size_t p = 0; p < count; ++p) {  // Where the first slot fits, its record is next.
    const LongSlot& slot = slots[homes[p]];
    if (slot.hash == hashes[p]) __builtin_prefetch(reinterpret_cast<const char*>(slot.record));
  }
  for (std::size_t p = 0; p < count; ++p) {
    const char* const record = batch.begin() + batch.offset(from + picks[p]);
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    std::size_t slot = homes[p];
    while (slots[slot].hash != 0 &&
           !(slots[slot].hash == hashes[p] && LongKey{}(slots[slot].record) == key)) {
      if (++slot == capacity) slot = 0;
    }
    if (slots[slot].hash == 0) {
      // The state, behind the key, is to be aligned: so the record begins where that comes true.
      const std::uint64_t begin =
          arena_used_ + (8 - (arena_used_ + EmitBatch::kHeaderBytes + key.size()) % 8) % 8;
      char* const to = arena_.data() + begin;
      StoreLittle32(to, static_cast<std::uint32_t>(key.size()));
      StoreLittle32(to + 4, static_cast<std::uint32_t>(state_bytes_));
      std::memcpy(to + EmitBatch::kHeaderBytes, key.data(), key.size());
      std::memset(to + EmitBatch::kHeaderBytes + key.size(), 0, state_bytes_);
      arena_used_ = begin + EmitBatch::kHeaderBytes + key.size() + state_bytes_;
      slots[slot] = {hashes[p], reinterpret_cast<std::uint64_t>(to)};
      ++long_.count;
      chunk->is_new |= std::uint64_t{1} << picks[p];
    }
    chunk->states[picks[p]] =
        reinterpret_cast<char*>(slots[slot].record) + EmitBatch::kHeaderBytes + key.size();
  }
}

bool CombiningTable::StretchLimit(Tier& tier, std::size_t more) {
  if (tier.capacity == 0) return false;
  tier.limit = LastLimitOf(tier.capacity);
  return tier.count + more <= tier.limit;
}

template <std::size_t kKeyBytes>
[[gnu::noinline]] Result<bool> CombiningTable::EnsureRoom(Tier& tier, std::size_t more) {
  if (tier.count + more <= tier.limit) return true;
  const std::size_t capacity = Grown(tier.capacity, tier.cell_bytes, tier.count + more);
  const std::uint64_t bytes = capacity * tier.cell_bytes;
  if (tier.cells.data() == nullptr) {
    MR_ASSIGN_OR_RETURN(
        tier.cells,
        VirtualBuffer::Reserve(std::max<std::uint64_t>(reserve_bytes_, bytes) + kOverReadBytes,
                               /*huge_pages=*/false));
  }
  const std::uint64_t charge = ChargeOf(tier, capacity) - ChargeOf(tier, tier.capacity);
  if (bytes + kOverReadBytes > tier.cells.size() || !lease_.TryGrow(charge))
    return StretchLimit(tier, more);
  const std::uint64_t old_bytes = tier.capacity * tier.cell_bytes;
  tier.cells.PreferHugePages(old_bytes, bytes);
  PopulatePages(tier.cells.data() + old_bytes, bytes - old_bytes);
  SpreadCells<kKeyBytes>(tier, capacity);
  tier.capacity = capacity;
  tier.limit = LimitOf(capacity, tier.cell_bytes);
  return true;
}

// Moves the cells to where they belong in the larger table, which begins where the small one does:
// no second table is touched. From the top down, cluster by cluster: a cluster's cells have their
// homes in it, and homes only move up, so they are above all that were not yet moved. Within a
// cluster in order, so that what came first, most often what comes most often, keeps the shortest
// way: from the top down that, too, cost wordcount a quarter more. Cells that would run over the
// end wait until all is in place.
template <std::size_t kKeyBytes>
[[gnu::noinline]] void CombiningTable::SpreadCells(Tier& tier, std::size_t capacity) {
  char* const table = tier.cells.data();
  const std::size_t cell_bytes = tier.cell_bytes;
  std::vector<char> cluster, rest;
  const auto place = [&](const char* cell, bool may_wrap) {
    std::uint64_t words[kKeyBytes / 8];
    std::memcpy(words, cell, kKeyBytes);
    std::size_t slot = HomeOf(HashCell<kKeyBytes>(words), capacity);
    while (!IsEmpty(table + slot * cell_bytes, kKeyBytes)) {
      if (++slot < capacity) continue;
      if (!may_wrap) return false;
      slot = 0;
    }
    CopyCell(table + slot * cell_bytes, cell, cell_bytes);
    return true;
  };
  for (std::size_t end = tier.capacity; end > 0;) {
    std::size_t begin = end;
    while (begin > 0 && !IsEmpty(table + (begin - 1) * cell_bytes, kKeyBytes)) --begin;
    if (begin / 3 * 4 >= end) {  // They go where none of them is: it grows by a third or more.
      for (char* cell = table + begin * cell_bytes; cell < table + end * cell_bytes;
           cell += cell_bytes) {
        if (!place(cell, /*may_wrap=*/false)) rest.insert(rest.end(), cell, cell + cell_bytes);
        ClearCell(cell, cell_bytes);
      }
    } else {
      cluster.assign(table + begin * cell_bytes, table + end * cell_bytes);
      std::memset(table + begin * cell_bytes, 0, cluster.size());
      for (std::size_t at = 0; at < cluster.size(); at += cell_bytes) {
        const char* const cell = cluster.data() + at;
        if (!place(cell, /*may_wrap=*/false)) rest.insert(rest.end(), cell, cell + cell_bytes);
      }
    }
    end = begin == 0 ? 0 : begin - 1;
  }
  for (std::size_t at = 0; at < rest.size(); at += cell_bytes)
    place(rest.data() + at, /*may_wrap=*/true);
}

Result<bool> CombiningTable::EnsureLongRoom(std::size_t more, std::size_t arena_bytes) {
  if (arena_.data() == nullptr) {
    MR_ASSIGN_OR_RETURN(
        arena_, VirtualBuffer::Reserve(reserve_bytes_ + kOverReadBytes, /*huge_pages=*/false));
  }
  if (arena_used_ + arena_bytes > arena_charged_) {
    const std::uint64_t step =
        std::max<std::uint64_t>(arena_used_ + arena_bytes - arena_charged_, kArenaChargeStep);
    if (arena_charged_ + step > reserve_bytes_ || !lease_.TryGrow(step)) return false;
    arena_.PreferHugePages(arena_charged_, arena_charged_ + step);
    arena_charged_ += step;
  }
  if (long_.count + more <= long_.limit) return true;
  const std::size_t capacity = Grown(long_.capacity, sizeof(LongSlot), long_.count + more);
  const std::uint64_t charge = ChargeOf(long_, capacity);
  if (!lease_.TryGrow(charge)) return StretchLimit(long_, more);
  auto larger =
      VirtualBuffer::Reserve(sizeof(LongSlot) * capacity + kOverReadBytes, /*huge_pages=*/true);
  if (!larger.ok()) {
    lease_.Shrink(charge);
    return larger.error();
  }
  PopulatePages(larger->data(), sizeof(LongSlot) * capacity);
  auto* const to = reinterpret_cast<LongSlot*>(larger->data());
  const auto* const old = reinterpret_cast<const LongSlot*>(long_.cells.data());
  for (std::size_t i = 0; i < long_.capacity; ++i) {
    if (old[i].hash == 0) continue;
    std::size_t slot = HomeOf(old[i].hash, capacity);
    while (to[slot].hash != 0) slot = slot + 1 == capacity ? 0 : slot + 1;
    to[slot] = old[i];
  }
  lease_.Shrink(ChargeOf(long_, long_.capacity));
  long_.cells = *std::move(larger);
  long_.capacity = capacity;
  long_.limit = LimitOf(capacity, long_.cell_bytes);
  return true;
}

Result<std::vector<std::shared_ptr<const MemoryRun>>> CombiningTable::TakeRuns() {
  std::vector<std::shared_ptr<const MemoryRun>> runs;
  if (short_.count > 0) {
    runs.push_back(TakeCells<16>(short_));
  }
  if (middle_.count > 0) {
    runs.push_back(TakeCells<32>(middle_));
  }
  if (long_.count > 0) {
    MR_ASSIGN_OR_RETURN(runs.emplace_back(), TakeLong());
  }
  return runs;
}

// The cells move to the front, are sorted there, and the rest of the table goes back.
template <std::size_t kKeyBytes>
std::shared_ptr<const MemoryRun> CombiningTable::TakeCells(Tier& tier) {
  CellSorter<kKeyBytes> sorter(tier.cell_bytes);
  const std::size_t count = tier.count;
  const std::uint64_t used = count * tier.cell_bytes;
  char* const cells = tier.cells.data();
  char* to = cells;
  // Small ones whether empty or not: no branch could guess which are.
  const bool copies_all = tier.cell_bytes <= kSmallCellBytes;
  for (const char* cell = cells; to != cells + used; cell += tier.cell_bytes) {
    const bool is_empty = IsEmpty(cell, kKeyBytes);
    if (!copies_all && is_empty) continue;
    CopyCell(to, cell, tier.cell_bytes);
    to += is_empty ? 0 : tier.cell_bytes;
  }
  tier.cells.Truncate(used + kOverReadBytes);
  sorter.Sort(cells, count);
  std::vector<VirtualBuffer> memory;
  memory.push_back(std::move(tier.cells));
  Forget(tier, used);
  return MemoryRun::OfCells(cells, count, tier.cell_bytes, kKeyBytes, state_bytes_,
                            std::move(memory), used);
}

Result<std::shared_ptr<const MemoryRun>> CombiningTable::TakeLong() {
  const std::size_t count = long_.count;
  MR_ASSIGN_OR_RETURN(VirtualBuffer entries,
                      VirtualBuffer::Reserve(count * sizeof(SortEntry) + kOverReadBytes, true));
  auto* const sorted = reinterpret_cast<SortEntry*>(entries.data());
  const auto* const slots = reinterpret_cast<const LongSlot*>(long_.cells.data());
  std::size_t filled = 0;
  for (std::size_t i = 0; i < long_.capacity; ++i) {
    if (slots[i].hash == 0) continue;
    const std::string_view key = LongKey{}(slots[i].record);
    sorted[filled++] = {KeyPrefix(key.data(), key.size()), slots[i].record};
  }
  {
    MR_ASSIGN_OR_RETURN(VirtualBuffer scratch,
                        VirtualBuffer::Reserve(count * sizeof(SortEntry) + kOverReadBytes, true));
    EntrySorter<LongKey> sorter(reinterpret_cast<SortEntry*>(scratch.data()), {});
    sorter.Sort(sorted, count);
  }
  const std::uint64_t charged = count * sizeof(SortEntry) + arena_used_;
  std::vector<VirtualBuffer> memory;
  memory.push_back(std::move(entries));
  arena_.Truncate(arena_used_ + kOverReadBytes);
  memory.push_back(std::move(arena_));
  lease_.Shrink(arena_charged_ - arena_used_);
  arena_used_ = 0;
  arena_charged_ = 0;
  Forget(long_, count * sizeof(SortEntry));
  return MemoryRun::OfRecords(sorted, count, std::move(memory), charged);
}

}  // namespace millrace

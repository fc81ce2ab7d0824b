// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/split_plan.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/size.h"
#include "mapreduce/io/input_pattern.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kSplitBytesMin = kMebibyte;
constexpr std::uint64_t kSplitBytesMax = 64 * kMebibyte;
constexpr std::uint64_t kSmallSplitBytes = 2 * kMebibyte;
constexpr std::uint64_t kSmallSplits = 8;

// Opening a file costs about as much as reading this many bytes of it; so a pack of empty files
// ends as well. Small against the split size, which tests make tiny.
std::uint64_t FileCost(std::uint64_t split_bytes) {
  return std::min<std::uint64_t>(split_bytes / 256, 16 * 1024);
}

// An input is read in a phase of its own: where it is small, the splits are, too, or most slots
// would wait for one of them. Two slots read users of 9 MB, to look up in, in half the time.
std::uint64_t SplitBytesOf(const ExecutionInput& input, std::uint64_t split_bytes) {
  std::uint64_t bytes = 0;
  for (const Shard& shard : input.shards) bytes += shard.file.bytes;
  const std::uint64_t count = std::min(bytes / kSmallSplitBytes, kSmallSplits);
  return count < 2 ? split_bytes : std::min(split_bytes, (bytes + count - 1) / count);
}

bool EndsPack(std::string_view path) {
  std::string_view name = ShardName(path);
  if (const std::size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  return Hash64(name) % 16 == 0;
}

// Collects the splits of one input.
class Packer {
 public:
  Packer(std::uint64_t split_bytes, std::vector<Split>& splits)
      : split_bytes_(split_bytes), splits_(splits) {}

  void Add(int input, int shard, const Shard& file, const std::vector<ShardRange>& ranges) {
    if (ranges.size() == 1 && Bytes(ranges[0]) < split_bytes_) {
      Put({input, shard, ranges[0]});
      weight_ += FileCost(split_bytes_);
      if (weight_ >= split_bytes_ || (weight_ >= split_bytes_ / 4 && EndsPack(file.file.path))) {
        EndPack();
      }
      return;
    }
    for (const ShardRange& range : ranges) {
      EndPack();
      Put({input, shard, range});
    }
    EndPack();
  }

  void EndPack() {
    if (!pack_.pieces.empty()) splits_.push_back(std::exchange(pack_, Split{}));
    weight_ = 0;
  }

 private:
  static std::uint64_t Bytes(const ShardRange& range) {
    return range.stored_end - range.stored_begin;
  }
  void Put(const SplitPiece& piece) {
    pack_.pieces.push_back(piece);
    pack_.stored_bytes += Bytes(piece.range);
    weight_ += Bytes(piece.range);
  }

  const std::uint64_t split_bytes_;
  std::vector<Split>& splits_;
  Split pack_;
  std::uint64_t weight_ = 0;
};

}  // namespace

std::vector<Split> PlanSplits(const std::vector<ExecutionInput>& inputs, std::uint64_t split_bytes,
                              SmallInputs small_inputs) {
  std::vector<Split> splits;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::uint64_t bytes =
        small_inputs == SmallInputs::kFiner ? SplitBytesOf(inputs[i], split_bytes) : split_bytes;
    Packer packer(bytes, splits);
    for (std::size_t s = 0; s < inputs[i].shards.size(); ++s) {
      const Shard& shard = inputs[i].shards[s];
      const std::uint64_t cut_bytes =
          WhyWhole(inputs[i].format, shard).empty() ? bytes : UINT64_MAX;
      packer.Add(static_cast<int>(i), static_cast<int>(s), shard, CutShard(shard, cut_bytes));
    }
    packer.EndPack();
  }
  return splits;
}

std::string WhyWhole(const FileFormat& format, const Shard& shard) {
  if (shard.compression == Compression::kGzip) return "gzip can't be read from the middle";
  if (shard.compression == Compression::kZstd && shard.frames.empty())
    return "it is one zstd frame; `zstd` has no seek table, Millrace's own outputs do";
  const FormatDriver* const driver = FindFormat(format.name);
  return driver == nullptr || driver->why_whole == nullptr ? "" : driver->why_whole(shard);
}

std::vector<std::size_t> PartsOfShards(const std::vector<Shard>& shards, std::size_t parts) {
  std::uint64_t total = 0;
  for (const Shard& shard : shards) total += shard.file.bytes;
  std::vector<std::size_t> part_of_shard;
  std::uint64_t begin = 0;  // Of a shard in all of them.
  for (const Shard& shard : shards) {
    // Empty shards at the end begin where the last part ends.
    const auto part =
        total == 0
            ? 0
            : static_cast<std::size_t>(static_cast<unsigned __int128>(begin) * parts / total);
    part_of_shard.push_back(std::min(part, parts - 1));
    begin += shard.file.bytes;
  }
  return part_of_shard;
}

std::vector<Split> PlanParts(const std::vector<ExecutionInput>& inputs, int input, int parts) {
  const std::vector<Shard>& shards = inputs[static_cast<std::size_t>(input)].shards;
  std::vector<Split> splits(static_cast<std::size_t>(parts));
  const std::vector<std::size_t> part_of_shard = PartsOfShards(shards, splits.size());
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    Split& split = splits[part_of_shard[shard]];
    for (const ShardRange& range : CutShard(shards[shard], UINT64_MAX))
      split.pieces.push_back({input, static_cast<int>(shard), range});
    split.stored_bytes += shards[shard].file.bytes;
  }
  return splits;
}

std::vector<Split> CutAtParts(const std::vector<Split>& splits,
                              const std::vector<std::size_t>& part_of_shard) {
  std::vector<Split> cut;
  for (const Split& split : splits) {
    const SplitPiece* last = nullptr;
    for (const SplitPiece& piece : split.pieces) {
      const auto part = [&](const SplitPiece& of) {
        return part_of_shard[static_cast<std::size_t>(of.shard)];
      };
      if (last == nullptr || part(*last) != part(piece)) cut.emplace_back();
      cut.back().pieces.push_back(piece);
      cut.back().stored_bytes += piece.range.stored_end - piece.range.stored_begin;
      last = &piece;
    }
  }
  return cut;
}

std::uint64_t DefaultSplitBytes(std::uint64_t stored_bytes, int parallel) {
  const std::uint64_t even =
      stored_bytes / (16 * static_cast<std::uint64_t>(std::max(parallel, 1)));
  // Whole blocks of the digest: who begins one reads it to its end, whoever maps it.
  const std::uint64_t whole = (even + kDigestBlockBytes - 1) / kDigestBlockBytes;
  return std::clamp(whole * kDigestBlockBytes, kSplitBytesMin, kSplitBytesMax);
}

Status CheckSplitBytes(std::uint64_t stored_bytes, std::uint64_t split_bytes) {
  if (split_bytes > 0 && stored_bytes / split_bytes <= kSplitsMax) return {};
  return Status::InvalidArgument("a split size of ", split_bytes, " bytes cuts ",
                                 FormatBytes(stored_bytes), " of input into more than ",
                                 FormatCount(kSplitsMax), " splits; use a larger --split-size");
}

}  // namespace millrace

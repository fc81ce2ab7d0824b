// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/compare_outputs.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/file_digest.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/output_reader.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/formats/output_row_ends.h"

namespace millrace {
namespace {

// A place in decompressed bytes; records count from 1, 0 is a header.
class Place {
 public:
  explicit Place(OutputFormat format) : ends_(format), record_(HasHeader(format) ? 0 : 1) {}
  void Skip(std::string_view bytes) {
    offset_ += bytes.size();
    for (std::size_t end; (end = ends_.Find(bytes)) != bytes.npos; bytes.remove_prefix(end))
      ++record_;
  }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t record() const { return record_; }

 private:
  RowEnds ends_;
  std::uint64_t offset_ = 0, record_;
};

// Where two streams of bytes first differ; nothing where they are the same.
Result<std::optional<Place>> FirstDifference(OutputReader& before, OutputReader& now,
                                             OutputFormat format, const CancelToken& cancel) {
  Place place(format);
  std::string_view a, b;
  while (true) {
    if (a.empty()) {
      MR_RETURN_IF_ERROR(cancel.Check());
      MR_ASSIGN_OR_RETURN(a, before.Next());
    }
    if (b.empty()) {
      MR_ASSIGN_OR_RETURN(b, now.Next());
    }
    if (a.empty() && b.empty()) return std::optional<Place>();
    const std::size_t both = std::min(a.size(), b.size());
    const auto end = a.begin() + static_cast<std::ptrdiff_t>(both);
    const auto differs = std::mismatch(a.begin(), end, b.begin()).first;
    const auto same = static_cast<std::size_t>(differs - a.begin());
    place.Skip(a.substr(0, same));
    if (same < both || a.empty() || b.empty()) return std::optional<Place>(place);
    a.remove_prefix(same);
    b.remove_prefix(same);
  }
}

class Comparison {
 public:
  Comparison(FileSystem& files, const OutputPair& pair, Compression compression,
             const CancelToken& cancel)
      : files_(files), pair_(pair), compression_(compression), cancel_(cancel) {}

  Status CompareFile(const proto::FileRecord& before, const proto::FileRecord& now,
                     Compression compression) {
    const std::string& path = before.path();
    MR_ASSIGN_OR_RETURN(const bool is_damaged, IsDamaged(before));
    const bool is_same = before.bytes() == now.bytes() && before.xxh128() == now.xxh128();
    if (is_damaged) {
      Add(path, " no longer has the bytes that its manifest says");
    } else if (is_same) {
      return {};
    }
    return Locate(before, now, compression);
  }

  Status CompareFiles() {
    std::map<std::string_view, const proto::FileRecord*> known;
    for (const proto::FileRecord& file : pair_.before.files()) known[file.path()] = &file;
    for (const proto::FileRecord& file : pair_.now.files()) {
      const auto before = known.find(file.path());
      if (before == known.end()) {
        Add(file.path(), " is new");
        continue;
      }
      MR_RETURN_IF_ERROR(CompareFile(*before->second, file, compression_));
      known.erase(before);
    }
    for (const auto& [path, file] : known) Add(path, " is not made any more");
    return {};
  }

  Status CompareRejects() {
    const proto::Rejects& before = pair_.before.rejects();
    const proto::Rejects& now = pair_.now.rejects();
    CompareNumber("rejects", before.count(), now.count());
    if (!before.has_file() || !now.has_file()) return {};
    return CompareFile(before.file(), now.file(), Compression::kNone);
  }

  void CompareCounts() {
    CompareNumber("records in", pair_.before.records_in(), pair_.now.records_in());
    CompareNumber("records out", pair_.before.records_out(), pair_.now.records_out());
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counters;
    for (const proto::Counter& each : pair_.before.counters()) {
      counters[each.name()].first = each.value();
    }
    for (const proto::Counter& each : pair_.now.counters()) {
      counters[each.name()].second = each.value();
    }
    for (const auto& [name, values] : counters) {
      CompareNumber("counter " + name, values.first, values.second);
    }
  }

  std::vector<std::string> TakeDifferences() { return std::move(differences_); }

 private:
  template <class... Parts>
  void Add(const Parts&... parts) {
    std::string text;
    (text.append(parts), ...);
    differences_.push_back(std::move(text));
  }
  void CompareNumber(const std::string& what, std::uint64_t before, std::uint64_t now) {
    if (before != now) Add(what, ": was ", std::to_string(before), ", is ", std::to_string(now));
  }

  // Whether the published file is no longer what its manifest says.
  Result<bool> IsDamaged(const proto::FileRecord& file) {
    const Result<Hash128> hash =
        HashFile(files_, JoinPath(pair_.before_directory, file.path()), cancel_);
    if (hash.ok()) return hash->Hex() != file.xxh128();
    if (hash.error().code() == StatusCode::kCancelled) return hash.error();
    return true;
  }

  // Says where the two files differ.
  Status Locate(const proto::FileRecord& before, const proto::FileRecord& now,
                Compression compression) {
    const std::string& path = before.path();
    const std::string old_path = JoinPath(pair_.before_directory, path);
    const Result<FileInfo> info = files_.Stat(old_path);
    if (!info.ok()) {
      Add(path, " is missing");
      return {};
    }
    const OutputFormat format = PartFormat(pair_.before.plan().output_format(), path);
    auto old_file = OutputReader::Open(files_, old_path, info->bytes, compression, format);
    auto new_file = OutputReader::Open(files_, JoinPath(pair_.now_directory, path), now.bytes(),
                                       compression, format);
    if (!old_file.ok() || !new_file.ok()) {
      Add(path, ": ", (old_file.ok() ? new_file.error() : old_file.error()).message());
      return {};
    }
    const Result<std::optional<Place>> place =
        FirstDifference(**old_file, **new_file, format, cancel_);
    if (!place.ok()) {
      if (place.error().code() == StatusCode::kCancelled) return place.error();
      Add(path, ": ", place.error().message());
    } else if (*place && format == OutputFormat::kParquet) {
      Add(path, " differs in record ", std::to_string((*place)->record()));  // No byte is it.
    } else if (*place) {
      Add(path, " differs from byte ", std::to_string((*place)->offset()), " on, in record ",
          std::to_string((*place)->record()));
    } else {
      Add(path, " has the same records in other bytes");
    }
    return {};
  }

  FileSystem& files_;
  const OutputPair& pair_;
  const Compression compression_;
  const CancelToken& cancel_;
  std::vector<std::string> differences_;
};

}  // namespace

Result<std::vector<std::string>> CompareOutputs(FileSystem& files, const OutputPair& pair,
                                                const CancelToken& cancel) {
  MR_ASSIGN_OR_RETURN(const Compression compression,
                      ParseCompression(pair.before.plan().compression()));
  Comparison comparison(files, pair, compression, cancel);
  MR_RETURN_IF_ERROR(comparison.CompareFiles());
  MR_RETURN_IF_ERROR(comparison.CompareRejects());
  comparison.CompareCounts();
  return comparison.TakeDifferences();
}

}  // namespace millrace

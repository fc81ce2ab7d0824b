// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard_reader.h"

#include <utility>

#include "mapreduce/io/compressed_input.h"
#include "mapreduce/io/stored_reader.h"

namespace millrace {
namespace {

class PlainShardReader : public ShardReader {
 public:
  explicit PlainShardReader(StoredReader stored) : stored_(std::move(stored)) {}

  std::size_t NextReadBytes() override { return status_.ok() ? stored_.NextBytes() : 0; }

  Result<std::size_t> Read(char* into, std::size_t room) override {
    if (!status_.ok()) return status_;
    MR_CHECK(room >= stored_.NextBytes());
    Result<std::size_t> got = stored_.Read(into);
    if (!got.has_value()) status_ = got.error();
    return got;
  }

  std::uint64_t offset() const override { return stored_.position(); }

  Status Finish() override {
    if (status_.ok()) status_ = stored_.Finish();
    return status_;
  }

 private:
  StoredReader stored_;
  Status status_;
};

}  // namespace

Result<std::unique_ptr<ShardReader>> ShardReader::Open(FileSystem& files, const Shard& shard,
                                                       const ShardRange& range, ShardDigest* digest,
                                                       PhaseTimer* timer) {
  MR_ASSIGN_OR_RETURN(StoredReader stored, StoredReader::Open(files, shard, range, digest, timer));
  switch (shard.compression) {
    case Compression::kNone:
      return std::unique_ptr<ShardReader>(new PlainShardReader(std::move(stored)));
    case Compression::kZstd:
      return NewZstdShardReader(std::move(stored), shard, range, timer);
    case Compression::kGzip:
      return NewGzipShardReader(std::move(stored), timer);
  }
  return Status::Internal("a compression without a reader");
}

}  // namespace millrace

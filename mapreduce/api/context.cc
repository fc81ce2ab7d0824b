// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/context.h"

#include "mapreduce/base/hash.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {

std::string_view Context::file_name() const {
  const std::string_view path = ShardName(shard_);
  return path.substr(path.rfind('/') + 1);
}

void Context::BeginMadeRecord(const char* line) {
  while (records_ + 1 < records_end_ && records_[1].line <= line) ++records_;
  raw_ = records_->raw;
  current_->BeginMadeRecord(records_->offset);
}

Status Context::ReportReject(std::string_view raw) {
  if (!failure_.ok()) return failure_;
  is_rejected_ = false;
  const std::uint64_t offset = shard_.empty() ? 0 : current_->offset();
  return rejects_->Add(
      {input_, shard_, offset, reason_, records_ == nullptr ? raw : raw_, /*is_late=*/false});
}

// The folder does not count: a dataset that is moved, or mounted elsewhere, stays the same input.
void Context::SeedRandom() {
  has_random_ = true;
  random_ = Random(shard_.empty() ? Hash64(group_)
                                  : Hash64(file_name(), Hash64(input_, current_->offset())));
}

}  // namespace millrace

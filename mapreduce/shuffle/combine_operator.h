// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_COMBINE_OPERATOR_H_
#define MAPREDUCE_SHUFFLE_COMBINE_OPERATOR_H_

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/merger.h"

namespace millrace {

/// Reduces the records of each key of a sorted stream to fewer of the same key. The typed layer
/// implements it, for combiners in place and for a job's own. One thread at a time.
class CombineOperator {
 public:
  virtual ~CombineOperator() = default;
  /// Reads `in` to its end; what is left goes to `out` in key order. Requires: `in` is started.
  /// Errors: kUserCode from a job's combiner, and those of `in` and `out`.
  virtual Status Run(Merger& in, EmitSink& out) = 0;

  /// The most that Thin may hold; 0: there is nothing that it could drop.
  virtual std::uint64_t thin_bytes_max() const { return 0; }
  /// Drops records that can't matter beside those that this object let pass, before they are
  /// sorted. False when that drops too few of them: it holds nothing then, and is not called again.
  virtual bool Thin(EmitBatch& batch) {
    static_cast<void>(batch);
    return false;
  }
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_COMBINE_OPERATOR_H_

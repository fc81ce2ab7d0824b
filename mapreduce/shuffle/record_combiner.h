// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_COMBINER_H_
#define MAPREDUCE_SHUFFLE_RECORD_COMBINER_H_

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// A job's combiner, without its types: turns the records of equal keys into fewer. Implemented
/// where the types are known.
class RecordCombiner {
 public:
  virtual ~RecordCombiner() = default;

  /// Reads `in` to its end and adds what is left of each key to `out`, in key order. `in` is
  /// started. Called once per merge, one thread at a time. Errors: kUserCode from the job's
  /// combiner; errors of `in` and `out` needn't be returned, the caller asks both itself.
  virtual Status Combine(Merger& in, RunWriter& out) = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_COMBINER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PARALLEL_FOR_H_
#define MAPREDUCE_ENGINE_PARALLEL_FOR_H_

#include <cstddef>
#include <functional>

#include "mapreduce/base/status.h"

namespace millrace {

/// Calls f(0) … f(count - 1), each once, on up to `threads` threads (the caller's is one of them).
/// After an error no further index is begun, and the error of the smallest index is returned: which
/// one does not depend on timing, since indexes are begun in order. A std::bad_alloc in `f` is
/// kResourceLimit.
Status ParallelFor(std::size_t count, int threads, const std::function<Status(std::size_t)>& f);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PARALLEL_FOR_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_WITHOUT_EXCEPTIONS_H_
#define MAPREDUCE_ENGINE_WITHOUT_EXCEPTIONS_H_

#include <exception>
#include <new>
#include <utility>

#include "mapreduce/base/status.h"

namespace millrace {

/// Calls `body`, which returns a Status or a Result, where nobody above knows exceptions.
/// std::bad_alloc is kResourceLimit. Any other is a job's: what it throws for a record is caught
/// there, so this came from a constructor, SetUp or TearDown.
template <class F>
auto WithoutExceptions(F&& body) -> decltype(body()) {
  try {
    return std::forward<F>(body)();
  } catch (const std::bad_alloc&) {
    return Status::ResourceLimit("the system gave no more memory; lower --memory or --parallel");
  } catch (const std::exception& error) {
    return Status::UserCode("the job's code threw outside of a record: ", error.what());
  } catch (...) {
    return Status::UserCode("the job's code threw outside of a record, and no std::exception");
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_WITHOUT_EXCEPTIONS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_TEST_HOOKS_H_
#define MAPREDUCE_BASE_TEST_HOOKS_H_

// Two kinds of places in the code that only a simulation can switch on, on its own thread:
//
//   if (MR_BUGGIFY("journal.rotate")) Rotate();     legal, but rare: a test makes it common
//   if (!MR_MUTATION("epoch_ignored") && ...)        a planted bug: proves that the tests see it
//
// Both are the constant `false` unless MILLRACE_TEST_HOOKS is defined, which only Debug builds do.
// The names are told apart by their text, so that a site costs no registration.

#include <string_view>

namespace millrace {

/// What a simulated schedule answers at these places. Calls come from the thread that set it.
class TestHooks {
 public:
  virtual ~TestHooks() = default;
  /// Whether the rare branch `site` is taken this time.
  virtual bool Buggify(std::string_view site) = 0;
  /// Whether the planted bug `name` is switched on.
  virtual bool Mutation(std::string_view name) = 0;
};

#ifdef MILLRACE_TEST_HOOKS

/// This thread's; null: all places are off.
inline thread_local TestHooks* test_hooks = nullptr;

#define MR_BUGGIFY(site) \
  (::millrace::test_hooks != nullptr && ::millrace::test_hooks->Buggify(site))
#define MR_MUTATION(name) \
  (::millrace::test_hooks != nullptr && ::millrace::test_hooks->Mutation(name))

#else

#define MR_BUGGIFY(site) false
#define MR_MUTATION(name) false

#endif

}  // namespace millrace

#endif  // MAPREDUCE_BASE_TEST_HOOKS_H_

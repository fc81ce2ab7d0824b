// SPDX-License-Identifier: Apache-2.0
// The n-th allocation of a small run fails, for many n: an error or the right output, never a
// crash, a hang or a leak (the address sanitizer's build looks for those).

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "tests/faults/faulty_run.h"

namespace {

std::atomic<std::uint64_t> allocation_count{0};
std::atomic<std::uint64_t> failing_allocation{0};  // 0: none.

// The JSON library does not survive a failed allocation of its own: it has set a value's type by
// then, and it allocates in destructors. It handles the manifest, a page of text; there is nothing
// that we could do, so its allocations are spared.
bool IsInJson() {
  void* frames[64];
  const int count = backtrace(frames, 64);
  for (int i = 0; i < count; ++i) {
    Dl_info info;
    if (dladdr(frames[i], &info) == 0 || info.dli_sname == nullptr) continue;
    if (std::string_view(info.dli_sname).find("nlohmann") != std::string_view::npos) return true;
  }
  return false;
}

bool MustFail() {
  return allocation_count.fetch_add(1, std::memory_order_relaxed) + 1 ==
             failing_allocation.load(std::memory_order_relaxed) &&
         !IsInJson();
}

}  // namespace

void* operator new(std::size_t bytes) {
  void* const memory = MustFail() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return MustFail() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& tag) noexcept {
  return operator new(bytes, tag);
}
// Not inlined: the compiler would warn of free for what operator new gave, not seeing who that is.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }

namespace millrace {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSamples = 200;  // Each run takes some ten times as long.
#else
constexpr std::uint64_t kSamples = 700;
#endif

class MallocFaultsTest : public ::testing::Test {
 protected:
  // The first allocations one by one, then about `samples` of the others.
  static void Sweep(FaultyRun& run, std::uint64_t samples) {
    ASSERT_NO_FATAL_FAILURE(run.LearnWhatIsRight());
    const std::size_t open_files = FaultyRun::OpenFiles();
    allocation_count = 0;
    ASSERT_TRUE(run.Run().ok());
    const std::uint64_t total = allocation_count.load();
    run.Clear();
    std::uint64_t failed_count = 0;
    const std::uint64_t step = std::max<std::uint64_t>(1, total / samples);
    for (std::uint64_t nth = 1; nth < total + step; nth += step) {
      SCOPED_TRACE("allocation " + std::to_string(nth) + " of " + std::to_string(total));
      allocation_count = 0;
      failing_allocation = nth;
      const Result<RunSummary> summary = run.Run();
      failing_allocation = 0;
      failed_count += !summary.ok();
      run.ExpectSound(summary, /*may_leave_work=*/true);
      EXPECT_EQ(FaultyRun::OpenFiles(), open_files);
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(failed_count, std::min(total, samples) / 4);
  }
};

TEST_F(MallocFaultsTest, AnyAllocationOfASpillingSortMayFail) {
  FaultyRun run("sort", /*parallel=*/1, /*memory_bytes=*/60'000);
  for (int i = 0; i < 2; ++i) run.AddLines("s" + std::to_string(i), 70'000, 1 + i);
  Sweep(run, kSamples);
}

TEST_F(MallocFaultsTest, AnyAllocationOfACountMayFail) {
  FaultyRun run("wordcount", /*parallel=*/1, /*memory_bytes=*/4 << 20);
  run.AddLines("s", 20'000, 3);
  Sweep(run, kSamples);
}

TEST_F(MallocFaultsTest, AnyAllocationUnderThreadsMayFail) {
  FaultyRun run("sort", /*parallel=*/3, /*memory_bytes=*/200'000);
  for (int i = 0; i < 2; ++i) run.AddLines("s" + std::to_string(i), 70'000, 1 + i);
  Sweep(run, /*samples=*/300);
}

TEST_F(MallocFaultsTest, AnyAllocationOfATopListWithRejectsMayFail) {
  FaultyRun run("toplist", /*parallel=*/1, /*memory_bytes=*/4 << 20);
  std::string rows;
  for (int i = 0; i < 200; ++i) {
    rows += "2026-11-21\tu" + std::to_string(i % 17) + "\tt" + std::to_string(i % 23) + "\tSE\t" +
            (i % 10 == 3 ? "long" : std::to_string(31'000 + i)) + "\n";
  }
  run.AddShard("plays.tsv", rows);
  run.request().max_rejects.percent = 20;
  Sweep(run, kSamples);
}

}  // namespace
}  // namespace millrace

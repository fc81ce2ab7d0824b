// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace millrace {
namespace {

TEST(CondVarTest, WaitGivesTheMutexUpAndTakesItBack) {
  Mutex mutex;
  CondVar changed;
  int turn = 0;
  std::jthread other([&] {
    MutexLock lock(mutex);
    while (turn != 1) changed.Wait(mutex);
    turn = 2;
    changed.NotifyAll();
  });
  MutexLock lock(mutex);
  turn = 1;
  changed.NotifyAll();
  while (turn != 2) changed.Wait(mutex);
  EXPECT_EQ(turn, 2);
}

TEST(CondVarTest, WaitForEndsWithoutANotification) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(mutex);
  while (changed.WaitFor(mutex, std::chrono::milliseconds(1))) {
  }
  // Still held: nobody else can take it.
  std::jthread([&] { EXPECT_FALSE(mutex.TryLock()); }).join();
}

}  // namespace
}  // namespace millrace

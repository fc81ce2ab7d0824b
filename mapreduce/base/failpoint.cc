// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mapreduce/base/mutex.h"

namespace millrace::failpoint {
namespace {

struct Point {
  FailpointAction action = FailpointAction::kNone;
  std::uint64_t nth = 0;
  bool and_after = false;
  std::uint64_t hit_count = 0;
};

struct Points {
  Mutex mutex;
  std::map<std::string, Point, std::less<>> by_name MR_GUARDED_BY(mutex);
};

Points& AllPoints() {
  static Points* const points = new Points;  // Never destroyed: threads may outlive main.
  return *points;
}

struct Order {
  std::string name;
  Point point;
};

// "io=error@3" or "io=kill@1+".
bool ParseOrder(std::string_view text, Order* order) {
  const std::size_t equals = text.find('=');
  const std::size_t at = text.find('@', equals == std::string_view::npos ? 0 : equals);
  if (equals == std::string_view::npos || at == std::string_view::npos || equals == 0) return false;
  order->name = text.substr(0, equals);
  const std::string_view action = text.substr(equals + 1, at - equals - 1);
  if (action == "error") {
    order->point.action = FailpointAction::kError;
  } else if (action == "kill") {
    order->point.action = FailpointAction::kKill;
  } else {
    return false;
  }
  std::string_view count = text.substr(at + 1);
  if (!count.empty() && count.back() == '+') {
    order->point.and_after = true;
    count.remove_suffix(1);
  }
  const char* const end = count.data() + count.size();
  const auto [stop, error] = std::from_chars(count.data(), end, order->point.nth);
  return error == std::errc() && stop == end && order->point.nth > 0;
}

// Reads the environment before main; the linker keeps it wherever a point can be hit.
[[maybe_unused]] const bool kArmedFromEnvironment = [] {
  const char* const text = std::getenv("MILLRACE_FAILPOINTS");
  if (text == nullptr) return false;
  const Status status = ArmFromText(text);
  if (!status.ok()) {
    std::fprintf(stderr, "MILLRACE_FAILPOINTS: %s\n", status.message().c_str());
    std::abort();
  }
  return true;
}();

}  // namespace

FailpointAction Hit(std::string_view name) {
  Points& points = AllPoints();
  MutexLock lock(points.mutex);
  const auto found = points.by_name.find(name);
  if (found == points.by_name.end()) return FailpointAction::kNone;
  Point& point = found->second;
  ++point.hit_count;
  const bool is_due = point.and_after ? point.hit_count >= point.nth : point.hit_count == point.nth;
  if (!is_due) return FailpointAction::kNone;
  if (point.action == FailpointAction::kKill) {
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();  // The signal may take a moment; nothing more must happen.
  }
  return point.action;
}

void Arm(std::string_view name, FailpointAction action, std::uint64_t nth, bool and_after) {
  Points& points = AllPoints();
  MutexLock lock(points.mutex);
  points.by_name.insert_or_assign(std::string(name),
                                  Point{.action = action, .nth = nth, .and_after = and_after});
  any_armed.store(true, std::memory_order_relaxed);
}

Status ArmFromText(std::string_view text) {
  std::vector<Order> orders;
  while (!text.empty()) {
    const std::size_t semicolon = text.find(';');
    const std::string_view item = text.substr(0, semicolon);
    text.remove_prefix(semicolon == std::string_view::npos ? text.size() : semicolon + 1);
    if (item.empty()) continue;
    Order order;
    if (!ParseOrder(item, &order)) {
      return Status::InvalidArgument("'", item, "' is not a failpoint; write NAME=error@N",
                                     " or NAME=kill@N, with + behind N for all later hits");
    }
    orders.push_back(std::move(order));
  }
  for (const Order& order : orders) {
    Arm(order.name, order.point.action, order.point.nth, order.point.and_after);
  }
  return Status::Ok();
}

void DisarmAll() {
  Points& points = AllPoints();
  MutexLock lock(points.mutex);
  points.by_name.clear();
  any_armed.store(false, std::memory_order_relaxed);
}

std::uint64_t HitCount(std::string_view name) {
  Points& points = AllPoints();
  MutexLock lock(points.mutex);
  const auto found = points.by_name.find(name);
  return found == points.by_name.end() ? 0 : found->second.hit_count;
}

}  // namespace millrace::failpoint

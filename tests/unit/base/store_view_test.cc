// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/store_view.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace millrace {
namespace {

// It knows how the library lays views out.
TEST(StoreViewTest, StoresTheViewThatTheLibraryMakes) {
  const std::string text(70000, 'x');
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{8}, text.size()}) {
    std::string_view view = "before";
    StoreView(&view, text.data() + 1, size);
    EXPECT_EQ(static_cast<const void*>(view.data()), text.data() + 1);
    EXPECT_EQ(view.size(), size);
  }
  std::string_view none = "before";
  StoreView(&none, nullptr, 0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/closest_name.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(DidYouMeanTest, FindsTypingErrors) {
  const std::vector<std::string> names = {"toplist", "wordcount", "sort", "recommend"};
  EXPECT_EQ(DidYouMean("topist", names), "; did you mean toplist?");
  EXPECT_EQ(DidYouMean("tolpist", names), "; did you mean toplist?");
  EXPECT_EQ(DidYouMean("wordcounts", names), "; did you mean wordcount?");
  EXPECT_EQ(DidYouMean("recom", names), "; did you mean recommend?");
  EXPECT_EQ(DidYouMean("zebra", names), "");
  EXPECT_EQ(DidYouMean("", names), "");
  EXPECT_EQ(DidYouMean("x", {}), "");
  EXPECT_EQ(DidYouMean(std::string(100'000, 'x'), names), "");
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "mapreduce/base/cancel.h"

namespace millrace {
namespace {

TEST(StatusTest, OkHasNoMessage) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.message(), "");
}

TEST(StatusTest, AnnotatePutsThePlaceInFrontAndKeepsTheCode) {
  const Status status = Status::Corrupt("block ", 2, ": hash mismatch").Annotate("run ", 4);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.message(), "run 4: block 2: hash mismatch");
  EXPECT_TRUE(Status::Ok().Annotate("anything").ok());
}

TEST(StatusTest, UpdateKeepsTheFirstError) {
  Status status;
  status.Update(Status::NotFound("first"));
  status.Update(Status::Internal("second"));
  EXPECT_EQ(status.message(), "first");
}

TEST(StatusTest, EveryCodeHasAName) {
  for (int code = 0; code <= 12; ++code) {
    EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(code)).substr(0, 1), "k") << code;
  }
  EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(99)), "unknown");
}

Result<std::unique_ptr<int>> Make(bool works) {
  if (!works) return Status::Unavailable("not now");
  return std::make_unique<int>(7);
}

Status Use(bool works, int* value) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<int> made, Make(works));
  *value = *made;
  return Status::Ok();
}

TEST(ResultTest, AssignOrReturnMovesTheValueOrReturnsTheError) {
  int value = 0;
  EXPECT_TRUE(Use(true, &value).ok());
  EXPECT_EQ(value, 7);
  EXPECT_EQ(Use(false, &value).code(), StatusCode::kUnavailable);
}

TEST(CheckDeathTest, NamesTheClaim) { EXPECT_DEATH(MR_CHECK(1 + 1 == 3), "1 \\+ 1 == 3"); }

TEST(CancelTokenTest, IsCancelledForGood) {
  CancelToken token;
  EXPECT_TRUE(token.Check().ok());
  token.Cancel();
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(token.Check().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace millrace

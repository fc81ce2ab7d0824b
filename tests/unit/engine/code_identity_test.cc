// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/code_identity.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

void SomeFunction() {}

TEST(CodeIdentityTest, IsTheExecutablesBuildId) {
  const auto identity = CodeIdentity(reinterpret_cast<const void*>(&SomeFunction));
  ASSERT_TRUE(identity.ok()) << identity.error().message();
  EXPECT_THAT(*identity, testing::MatchesRegex("([0-9a-f]+|file-[0-9a-f]+)"));
  EXPECT_EQ(*identity, *CodeIdentity(reinterpret_cast<const void*>(&SomeFunction)));
}

TEST(CodeIdentityTest, NamesTheModuleToo) {
  const auto own = CodeIdentity(reinterpret_cast<const void*>(&SomeFunction));
  void* const other = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
  ASSERT_NE(other, nullptr);
  const auto module = CodeIdentity(other);
  ASSERT_TRUE(module.ok()) << module.error().message();
  EXPECT_THAT(*module, testing::StartsWith(*own + "+"));
}

TEST(CodeIdentityTest, RefusesAnAddressOfNoFile) {
  int on_the_stack = 0;
  EXPECT_FALSE(CodeIdentity(&on_the_stack).ok());
}

}  // namespace
}  // namespace millrace

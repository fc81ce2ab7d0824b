// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/peer.h"

#include <cstdint>
#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace millrace {
namespace {

constexpr char kNonce[] = "sixteen bytes...";

TEST(RoutingIdTest, GoesThereAndBack) {
  const Address addresses[] = {MasterAddress{}, WorkerId{1}, WorkerId{UINT64_MAX}, ClientId{0},
                               ClientId{0x0102030405060708}};
  for (const Address& address : addresses) {
    const std::string id = RoutingIdOf(address, kNonce);
    EXPECT_EQ(id.size(), 25u);
    EXPECT_TRUE(AddressOf(RoutingIdOf(address, std::string(16, '\xff'))) == address);
    EXPECT_TRUE(AddressOf(id) == address) << AddressName(address);
  }
  EXPECT_EQ(RoutingIdOf(ClientId{0x0102030405060708}, kNonce),
            std::string("c\x08\x07\x06\x05\x04\x03\x02\x01") + kNonce);
}

TEST(RoutingIdTest, OfNobodyIsRefused) {
  const std::string one = std::string("\1\0\0\0\0\0\0\0", 8) + kNonce;
  const std::string zero = std::string(8, '\0') + kNonce;
  for (const std::string& id : {std::string(), std::string("w"), "w" + one + "x", "x" + one,
                                "W" + one, "m" + one, "w" + zero, std::string("\0\0\0\0\1", 5)}) {
    EXPECT_EQ(AddressOf(id), std::nullopt) << id;
  }
}

TEST(RoutingIdTest, HasANameForPeople) {
  EXPECT_EQ(AddressName(MasterAddress{}), "master");
  EXPECT_EQ(AddressName(WorkerId{7}), "w7");
  EXPECT_EQ(AddressName(ClientId{12}), "c12");
}

}  // namespace
}  // namespace millrace

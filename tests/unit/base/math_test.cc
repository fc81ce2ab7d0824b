// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/base/random.h"

namespace millrace {
namespace {

using Limits = std::numeric_limits<double>;

constexpr double kInfinity = Limits::infinity();
constexpr double kNan = Limits::quiet_NaN();

std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

std::uint64_t Bits(double value) { return std::bit_cast<std::uint64_t>(value); }

struct Case {
  double x, result;
};
struct PowCase {
  double base, exponent, result;
};

// Results by Python's decimal, to 120 digits, then rounded to the nearest double (of integer powers
// by its fractions). First edges: results that are exact, halfway between two doubles, subnormal;
// and hard cases of Lefevre and Muller ("Worst Cases for Correct Rounding of the Elementary
// Functions in Double Precision", 2001), whose 54 bits are followed by more than 50 equal ones.
// Then the hardest of 60,000 random ones, and random ones.
constexpr Case kLogs[] = {
    {0x1.62a88613629b6p+678, 0x1.d6479eba7c971p+8},
    {0x1.0000000000000p+1, 0x1.62e42fefa39efp-1},
    {0x1.4000000000000p+3, 0x1.26bb1bbb55516p+1},
    {0x1.0000000000000p-1, -0x1.62e42fefa39efp-1},
    {0x1.0000000000001p+0, 0x1.fffffffffffffp-53},
    {0x1.fffffffffffffp-1, -0x1.0000000000000p-53},
    {0x0.0000000000001p-1022, -0x1.74385446d71c3p+9},
    {0x1.fffffffffffffp+1023, 0x1.62e42fefa39efp+9},
    {0x1.0000000000000p-1022, -0x1.6232bdd7abcd2p+9},
    {0x1.5bf0a8b145769p+1, 0x1.0000000000000p+0},
    {0x1.8000000000000p+1, 0x1.193ea7aad030bp+0},
    {0x1.249ad2594c37dp+332, 0x1.cc845b54b54f2p+7},
    {0x1.c1a069222917dp+6, 0x1.2e3743d7f7089p+2},
    {0x1.0af67931b8d5fp+4, 0x1.6842359c67a73p+1},
    {0x1.0e8ab72bc865ap-1, -0x1.469a8a45f4c52p-1},
    {0x1.d4d2125626c32p-282, -0x1.85b994a53a2bfp+7},
    {0x1.610bf1a01f5bdp-762, -0x1.07eda94a2eb6cp+9},
    {0x1.b08c268e6b7a0p+5, 0x1.fec087701b574p+1},
    {0x1.ada44de5f30b3p+927, 0x1.418858d3e08abp+9},
    {0x1.9494d50963003p+1, 0x1.269c4fd02186cp+0},
    {0x1.6d89267579d36p+5, 0x1.e934c1de6caabp+1},
    {0x1.dff75e8678b93p+2, 0x1.01e60a6226151p+1},
    {0x1.c50a875d0bf35p-509, -0x1.603db9591e753p+8},
    {0x1.c08d3fdbf50c1p+402, 0x1.1734bd482b1bbp+8},
    {0x1.bb42973cf256dp+833, 0x1.20f864f31b832p+9},
    {0x1.0618ecdcc6929p+874, 0x1.2eeac63a3410ap+9},
    {0x1.489954dabb481p-703, -0x1.e70866103ec7dp+8},
    {0x1.f6e20986e86cbp+548, 0x1.7c8513e75cc39p+8},
    {0x1.3f0ab28518867p-1013, -0x1.5ef80eb8b5fa1p+9},
    {0x1.7bdffe12b2b8fp-951, -0x1.4964e72519793p+9},
    {0x1.09caa320094eap-117, -0x1.443e244370df3p+6},
    {0x1.4f42275139237p+65, 0x1.6a9825d4b81f4p+5},
};
constexpr Case kExps[] = {
    {0x1.83d4bcdebb3f4p+2, 0x1.ac50b409c8aeep+8},
    {0x1.9e9cbbfd6080bp-31, 0x1.000000033d398p+0},
    {0x1.0000000000000p+0, 0x1.5bf0a8b145769p+1},
    {-0x1.0000000000000p+0, 0x1.78b56362cef38p-2},
    {0x1.0000000000000p-53, 0x1.0000000000001p+0},
    {0x1.0000000000000p-54, 0x1.0000000000000p+0},
    {-0x1.0000000000000p-54, 0x1.0000000000000p+0},
    {-0x1.0000000000000p-55, 0x1.0000000000000p+0},
    {0x1.0000000000000p-1, 0x1.a61298e1e069cp+0},
    {0x1.62e42fefa39efp+9, 0x1.fffffffffff2ap+1023},
    {0x1.62e42fefa39f0p+9, kInfinity},
    {-0x1.6240000000000p+9, 0x0.e6cf6d08897acp-1022},
    {-0x1.74385446d71c3p+9, 0x0.0000000000001p-1022},
    {-0x1.74910d52d3051p+9, 0x0.0000000000001p-1022},
    {-0x1.74910d52d3052p+9, 0x0.0p+0},
    {-0x1.749999999999ap+9, 0x0.0p+0},
    {0x0.0000000000001p-1022, 0x1.0000000000000p+0},
    {0x1.9000000000000p+6, 0x1.3494a9b171bf5p+144},
    {-0x1.6820000000000p+9, 0x0.000077564144fp-1022},
    {0x1.2cf658f5917e8p+8, 0x1.256ad753eade8p+434},
    {0x1.3d530d7cc785cp+9, 0x1.854d67f177e97p+915},
    {-0x1.caa56f7212698p+6, 0x1.7e3db688e5c75p-166},
    {0x1.bb7e16b55b0a0p-4, 0x1.1d4647c4cb4bap+0},
    {-0x1.59b9261f9ae27p+9, 0x1.5e945ee4e4e52p-998},
    {-0x1.690adfd811520p-1, 0x1.f9e2bbf264ba3p-2},
    {-0x1.0dd82d8863afap+9, 0x1.504774e128c4dp-779},
    {-0x1.fa6785afe9500p+3, 0x1.1fd893543b8bbp-23},
    {0x1.51925cb26363cp+9, 0x1.04ad00c0f1e01p+974},
    {-0x1.3cd13e50abbc0p-4, 0x1.d9e402d638d07p-1},
    {0x1.0ccdfd05e7f54p-1, 0x1.b0c2ea60b90f2p+0},
    {-0x1.3cf214fc9ab74p-1, 0x1.13b191403d1f0p-1},
    {-0x1.6024aa49cca60p+6, 0x1.fce114d6f610ap-128},
    {0x1.55b2ee69ac8d4p+7, 0x1.65f80c6e4826dp+246},
    {0x1.32153865391f0p+5, 0x1.25aa90a742494p+55},
    {0x1.48e1000a8a78ep+9, 0x1.ec7c29d444dfap+948},
    {0x1.d04b4e4888860p+8, 0x1.c8a1afa2b8998p+669},
    {0x1.825e9f9ed1f14p+8, 0x1.54faa1dbf67cap+557},
    {0x1.73f7e1a1ec914p+7, 0x1.3f37fb1277199p+268},
    {-0x1.331661d3da1b0p+7, 0x1.65dba980ec644p-222},
};
constexpr PowCase kPows[] = {
    {0x1.0000000000000p+1, 0x1.0000000000000p-1, 0x1.6a09e667f3bcdp+0},
    {0x1.4000000000000p+3, -0x1.0000000000000p+0, 0x1.999999999999ap-4},
    {0x1.4000000000000p+3, 0x1.6000000000000p+4, 0x1.0f0cf064dd592p+73},
    {0x1.4000000000000p+3, 0x1.7000000000000p+4, 0x1.52d02c7e14af6p+76},
    {0x1.6a09e6c000000p+26, 0x1.0000000000000p+1, 0x1.0000007c84becp+53},
    {0x1.6a09e74000000p+26, 0x1.0000000000000p+1, 0x1.0000013189b24p+53},
    {0x1.999999999999ap-4, 0x1.8000000000000p+1, 0x1.0624dd2f1a9fdp-10},
    {0x1.0000000000000p+1, -0x1.0c80000000000p+10, 0x0.0000000000001p-1022},
    {0x1.0000000000000p+1, -0x1.0cc0000000000p+10, 0x0.0p+0},
    {0x1.0000000000000p+1, -0x1.0ca0000000000p+10, 0x0.0000000000001p-1022},
    {0x1.8000000000000p+1, -0x1.52c0000000000p+9, 0x0.0000000000001p-1022},
    {0x1.8000000000000p+0, -0x1.c980000000000p+10, 0x0.000000000000bp-1022},
    {0x1.0000000000001p+0, 0x1.0000000000000p+52, 0x1.5bf0a8b145769p+1},
    {0x1.fffffffffffffp-1, 0x1.bc16d674ec800p+59, 0x1.c6ab6c6b3f2f9p-161},
    {0x1.c000000000000p+2, -0x1.7f00000000000p+8, 0x0.0p+0},
    {0x1.0000000000000p+1, 0x1.ffc0000000000p+9, 0x1.6a09e667f3bcdp+1023},
    {0x1.fffffffffffffp+1023, 0x1.0000000000000p-1, 0x1.fffffffffffffp+511},
    {0x0.0000000000001p-1022, 0x1.0000000000000p-2, 0x1.6a09e667f3bcdp-269},
    {0x1.0000000000000p+1, 0x1.0000000000000p+10, kInfinity},
    {0x1.8000000000000p+1, 0x1.5555555555555p-2, 0x1.7137449123ef6p+0},
    {0x1.171478c0e13e6p+5, -0x1.be4be913b2345p+4, 0x1.0a9dc8ef854c5p-143},
    {0x1.93b2419838fcdp+4, -0x1.332f7097ebb8dp+4, 0x1.80a9452d4999ep-90},
    {0x1.2b92ce714d8f5p+6, 0x1.79deec34169b0p+2, 0x1.b2d13e12fe7b9p+36},
    {0x1.174d192b3aebfp+6, -0x1.6f28c7cb1d899p+5, 0x1.d17937704801ep-282},
    {0x1.3e0117f1010bcp+6, 0x1.0d3bb2ae59890p+3, 0x1.1504c9c6c97b9p+53},
    {0x1.4020d6fb4cd2ap+6, 0x1.b102557bd81f0p+4, 0x1.13997e6c69cc6p+171},
    {0x1.707d7cfb97c92p+4, -0x1.366970025081bp+5, 0x1.52ddb0c353434p-176},
    {0x1.ad099326faa1dp+4, -0x1.73da7c5ebb79cp+4, 0x1.a69971a750af0p-111},
    {0x1.f1e0cbf6e1effp+4, -0x1.862152f949b92p+5, 0x1.1963837ef3cebp-242},
    {0x1.27808de031d94p+4, -0x1.39f91e20f5917p+5, 0x1.d9e40abd36622p-166},
    {0x1.3d0efe1d19bf4p+6, 0x1.4b8a16a7a61fcp+3, 0x1.48c7bb0b31988p+65},
    {0x1.193777c328748p+6, -0x1.348fbe44838a8p+5, 0x1.468b96128cfe0p-237},
    {0x1.ab85d765b6284p+9, -0x1.f02820c311642p+5, 0x1.ea756d011079fp-605},
    {0x1.8c7d0a28a2c76p+9, -0x1.44b3842357372p+6, 0x1.23f6aa346af62p-782},
    {0x1.bd30b3f657040p+9, 0x1.ae3fb840c08b8p+4, 0x1.655709e9e7f10p+263},
    {0x1.46f615942ea77p+9, 0x1.71ccf7b407444p+4, 0x1.2038f1536ea12p+216},
    {0x1.f951c19b8d153p+5, -0x1.737a4f80faab3p+6, 0x1.7501d8c1a9d30p-556},
    {0x1.464b192710fedp+8, 0x1.2311f9e0f8898p+4, 0x1.de9ef583715e3p+151},
    {0x1.f3c5ed4d93001p+8, 0x1.03eb5408ff6ccp+5, 0x1.360551c2cfd78p+291},
    {0x1.13a245293b10ep+9, 0x1.595922380584ap+6, 0x1.2ddc48e68a2bdp+786},
};

TEST(MathTest, RoundsCorrectly) {
  for (const Case& c : kLogs) EXPECT_EQ(Bits(Log(c.x)), Bits(c.result)) << std::hexfloat << c.x;
  for (const Case& c : kExps) EXPECT_EQ(Bits(Exp(c.x)), Bits(c.result)) << std::hexfloat << c.x;
  for (const PowCase& c : kPows) {
    EXPECT_EQ(Bits(Pow(c.base, c.exponent)), Bits(c.result))
        << std::hexfloat << c.base << " to the " << c.exponent;
  }
}

// C17, annex F.10.3.
TEST(MathTest, TakesSpecialsAsCDoes) {
  EXPECT_EQ(Bits(Log(1)), Bits(0.0));
  EXPECT_EQ(Log(0.0), -kInfinity);
  EXPECT_EQ(Log(-0.0), -kInfinity);
  EXPECT_EQ(Log(kInfinity), kInfinity);
  EXPECT_EQ(Bits(Exp(0.0)), Bits(1.0));
  EXPECT_EQ(Bits(Exp(-0.0)), Bits(1.0));
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Bits(Exp(-kInfinity)), Bits(0.0));
  EXPECT_EQ(Exp(710), kInfinity);
}

// One NaN, or its bits would tell how it came about.
TEST(MathTest, HasOneNan) {
  for (const double nan : {Log(-1.0), Log(-kInfinity), Log(kNan), Log(-kNan), Exp(kNan), Exp(-kNan),
                           Pow(-8.0, 1.0 / 3), Pow(kNan, 1), Pow(2, -kNan)}) {
    EXPECT_EQ(Bits(nan), Bits(kNan));
  }
}

// C17, annex F.10.4.4.
TEST(MathTest, TakesSpecialsOfPowAsCDoes) {
  for (const double zero : {0.0, -0.0}) {
    const double infinity_of_sign = std::copysign(kInfinity, zero);
    EXPECT_EQ(Pow(zero, -3), infinity_of_sign);
    EXPECT_EQ(Pow(zero, -2), kInfinity);
    EXPECT_EQ(Pow(zero, -2.5), kInfinity);
    EXPECT_EQ(Pow(zero, -kInfinity), kInfinity);
    EXPECT_EQ(Bits(Pow(zero, 3)), Bits(zero));
    EXPECT_EQ(Bits(Pow(zero, 2)), Bits(0.0));
    EXPECT_EQ(Bits(Pow(zero, 0.5)), Bits(0.0));
  }
  for (const double any : {0.0, -0.0, 1.0, -3.5, kInfinity, -kInfinity, kNan}) {
    EXPECT_EQ(Pow(any, 0.0), 1);
    EXPECT_EQ(Pow(any, -0.0), 1);
    EXPECT_EQ(Pow(1, any), 1);
  }
  EXPECT_EQ(Pow(-1, kInfinity), 1);
  EXPECT_EQ(Pow(-1, -kInfinity), 1);
  EXPECT_EQ(Pow(0.5, -kInfinity), kInfinity);
  EXPECT_EQ(Bits(Pow(-2, -kInfinity)), Bits(0.0));
  EXPECT_EQ(Bits(Pow(0.5, kInfinity)), Bits(0.0));
  EXPECT_EQ(Pow(2, kInfinity), kInfinity);
  EXPECT_EQ(Bits(Pow(-kInfinity, -3)), Bits(-0.0));
  EXPECT_EQ(Bits(Pow(-kInfinity, -2)), Bits(0.0));
  EXPECT_EQ(Pow(-kInfinity, 3), -kInfinity);
  EXPECT_EQ(Pow(-kInfinity, 2.5), kInfinity);
  EXPECT_EQ(Bits(Pow(kInfinity, -1)), Bits(0.0));
  EXPECT_EQ(Pow(kInfinity, 1), kInfinity);
  EXPECT_EQ(Pow(-2, 3), -8);
  EXPECT_EQ(Pow(-10, 400), kInfinity);
  EXPECT_EQ(Pow(-10, 401), -kInfinity);
  EXPECT_EQ(Bits(Pow(-10, -401)), Bits(-0.0));
}

TEST(MathTest, IsMonotonic) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 3'000; ++i) {
    const double x = std::bit_cast<double>(random.Uniform(Bits(kInfinity)));
    EXPECT_LE(Log(x), Log(std::nextafter(x, kInfinity))) << x;
    const double y = 1500 * random.Real() - 750;
    EXPECT_LE(Exp(y), Exp(std::nextafter(y, kInfinity))) << y;
    EXPECT_LE(Pow(x, 0.1), Pow(std::nextafter(x, kInfinity), 0.1)) << x;
  }
}

// glibc's log and exp are within one unit in the last place: near enough to see a wrong branch.
TEST(MathTest, IsNearTheMachinesOwn) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 3'000; ++i) {
    const double x = std::bit_cast<double>(random.Uniform(Bits(kInfinity)));
    EXPECT_DOUBLE_EQ(Log(x), std::log(x));
    const double y = 1450 * random.Real() - 740;
    EXPECT_DOUBLE_EQ(Exp(y), std::exp(y));
    const double z = 20 * random.Real() - 10;
    const double base = 1000 * random.Real();
    EXPECT_DOUBLE_EQ(Pow(base, z), std::pow(base, z)) << base << " to the " << z;
  }
}

TEST(MathTest, IsTheSameInEachThread) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        for (const Case& c : kLogs) EXPECT_EQ(Bits(Log(c.x)), Bits(c.result));
        for (const Case& c : kExps) EXPECT_EQ(Bits(Exp(c.x)), Bits(c.result));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace
